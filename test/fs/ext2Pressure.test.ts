import { expect, it } from 'vitest';
import type { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import type { PagedInode } from '../../webview/fs/vfs/pagedFile.ts';
import { Errno } from '../../webview/kernel/abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_CREAT, O_RDWR } from '../../webview/kernel/abi/fcntl.ts';
import { MADV_DONTNEED, PROT_READ, PROT_WRITE } from '../../webview/kernel/abi/mman.ts';
import { Access } from '../../webview/kernel/cpu.ts';
import { advise } from '../../webview/kernel/mm/advise.ts';
import { FileMappings } from '../../webview/kernel/mm/fileMappings.ts';
import { Limits } from '../../webview/kernel/mm/limits.ts';
import { Memory, type MemoryServices } from '../../webview/kernel/mm/memory.ts';
import { Placement } from '../../webview/kernel/mm/placement.ts';
import { ByteStringCache } from '../../webview/lib/byteString.ts';
import { UserBuffer } from '../../webview/kernel/mm/userMemory.ts';
import { BufferSink } from '../../webview/lib/transfer.ts';
import { Wait, retry, type Io } from '../../webview/lib/wait.ts';
import { e2fsck, mke2fs } from '../harness/e2fsprogs.ts';
import { mount, type Mounted } from '../harness/ext2.ts';
import { FakeCpu } from '../harness/fakeCpu.ts';
import { MemoryDevice } from '../harness/memoryDevice.ts';
import { Random } from '../harness/random.ts';
import { schedule } from '../harness/schedule.ts';

// EXT2_SEED=N repeats a run; EXT2_STEPS=N makes it longer.
const seed = Number(process.env.EXT2_SEED ?? 20261124);
const steps = Number(process.env.EXT2_STEPS ?? 6000);
const page = 4096;
const readWrite = PROT_READ | PROT_WRITE;
/** Each of the files may become larger than memory. */
const frames = 192;
const files = 3;
const maximumSize = 1_200_000;
const workers = 4;
const windowPages = 48;
const bufferPages = 8;

/** What a file should contain. */
class Model {
  readonly file: OpenFile;
  readonly bytes = new Uint8Array(maximumSize + page);
  size = 0;

  constructor(file: OpenFile) {
    this.file = file;
  }

  resize(size: number): void {
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  put(position: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, position);
    this.size = Math.max(this.size, position + bytes.length);
  }

  expectAt(position: number, got: Uint8Array, what: string): void {
    for (let i = 0; i < got.length; i++) {
      if (got[i] === this.bytes[position + i]) continue;
      throw new Error(`${what}: byte ${position + i} (page ${Math.floor((position + i) / page)}) of ${this.size} is ${got[i]}, not ${this.bytes[position + i]}`);
    }
  }
}

/** A page that a process wrote in its private mapping: how many bytes of it are known, and those. */
interface PrivatePage {
  known: number;
  bytes: Uint8Array;
}

/** A process: a buffer, and of each file a shared and a private window. */
class Process {
  readonly memory: Memory;
  readonly buffer: UserBuffer;
  readonly bufferAddress: number;
  readonly windows: { shared: number; private: number; first: number; pages: Map<number, PrivatePage> }[] = [];

  constructor(services: MemoryServices) {
    this.memory = Memory.create(services, new Limits())!;
    this.buffer = new UserBuffer(() => this.memory.user);
    this.bufferAddress = this.memory.map({ address: 0, length: bufferPages * page, protection: readWrite });
  }

  open(which: number, model: Model, first: number): void {
    const map = (shared: boolean): number => this.memory.map({
      address: 0, length: windowPages * page, protection: readWrite, shared, file: model.file, pageOffset: first,
    });
    this.windows[which] = { shared: map(true), private: map(false), first, pages: new Map() };
  }

  close(which: number): void {
    const { shared, private: own } = this.windows[which]!;
    this.memory.unmap(shared, windowPages * page);
    this.memory.unmap(own, windowPages * page);
  }

  /** Where an instruction's access goes to; negative when it gets a signal. */
  *access(address: number, write: boolean): Io<number> {
    for (;;) {
      const at = this.memory.space.translate(address, write);
      if (at >= 0) return at;
      const answer = this.memory.resolve(address, write ? Access.write : Access.read);
      if (answer instanceof Wait) yield answer;
      else if (answer !== 0) return -answer;
    }
  }
}

class Machine {
  readonly mounted: Mounted;
  readonly cpu = new FakeCpu(frames);
  readonly models: Model[] = [];
  readonly processes: Process[] = [];
  readonly #random: Random;
  readonly counts = new Map<string, number>();

  constructor(device: MemoryDevice, random: Random) {
    this.#random = random;
    this.mounted = mount(device.bytes, { device, store: this.cpu.frames, options: { metadataLimit: 64 << 10 } });
    const { cache, vfs, root, run } = this.mounted;
    const mappings = new FileMappings();
    cache.mappings = mappings;
    const services: MemoryServices = {
      cpu: this.cpu, mappings, placement: new Placement(() => 0.5), pageCache: cache, zeroFrame: this.cpu.frames.allocate(), strings: new ByteStringCache(), background: () => {},
    };
    for (let i = 0; i < files; i++) this.models.push(new Model(run(vfs.open(root, vfs.root, `/f${i}`, O_RDWR | O_CREAT, 0o644)) as OpenFile));
    for (let i = 0; i < workers; i++) {
      const process = new Process(services);
      this.models.forEach((model, which) => process.open(which, model, this.#first()));
      this.processes.push(process);
    }
  }

  #first(): number {
    return this.#random.below(maximumSize / page - windowPages);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  *worker(process: Process, isDone: () => boolean): Io<void> {
    while (!isDone()) yield* this.#step(process);
  }

  *#step(process: Process): Io<void> {
    const random = this.#random;
    const which = random.below(files);
    const choice = random.below(100);
    if (choice < 18) yield* this.#write(process, which);
    else if (choice < 32) yield* this.#read(process, which);
    else if (choice < 50) yield* this.#store(process, which);
    else if (choice < 66) yield* this.#load(process, which);
    else if (choice < 72) yield* this.#storePrivate(process, which);
    else if (choice < 78) yield* this.#loadPrivate(process, which);
    else if (choice < 86) yield* this.#truncate(which);
    else if (choice < 92) yield* this.#punch(which);
    else if (choice < 94) yield* this.#allocate(which);
    else if (choice < 96) this.#move(process, which);
    else if (choice < 98) yield* retry(() => (this.models[which]!.file.inode as PagedInode).writeBack());
    else this.mounted.cache.reclaim(1000);
  }

  /** Near a border, at the end, or anywhere. */
  #position(model: Model): number {
    const random = this.#random;
    const near = random.pick([model.size, random.below(maximumSize), Math.floor(random.below(maximumSize) / page) * page]);
    return Math.min(maximumSize, Math.max(0, near + random.pick([0, 0, -1, 1, -600, 600, 1500, -3000])));
  }

  /** Either the process's buffer with random bytes, or a piece of its mapping of another file: where it is and what it contains. */
  *#source(process: Process, which: number, length: number): Io<{ address: number; bytes(): Uint8Array } | undefined> {
    const random = this.#random;
    if (random.chance(0.5)) {
      const other = (which + 1) % files;
      const model = this.models[other]!;
      const { shared, first } = process.windows[other]!;
      const offset = random.below(windowPages * page - length);
      const position = first * page + offset;
      return { address: shared + offset, bytes: () => model.bytes.subarray(position, Math.max(position, Math.min(position + length, model.size))) };
    }
    const bytes = random.bytes(length);
    for (let done = 0; done < length;) {
      const at = yield* process.access(process.bufferAddress + done, true);
      if (at < 0) return undefined;
      const part = Math.min(page - (at % page), length - done);
      this.cpu.frames.bytes.set(bytes.subarray(done, done + part), at);
      done += part;
    }
    return { address: process.bufferAddress, bytes: () => bytes };
  }

  *#write(process: Process, which: number): Io<void> {
    const random = this.#random;
    const model = this.models[which]!;
    const length = 1 + random.below(random.chance(0.5) ? 3000 : (bufferPages - 1) * page);
    const source = yield* this.#source(process, which, length);
    if (source === undefined) return;
    const position = Math.min(maximumSize - length, this.#position(model));
    const half = random.below(length);
    for (let tries = 0; ; tries++) {
      process.buffer.restore([source.address, half, source.address + half, length - half]);
      process.memory.user.blocked = undefined;
      const written = model.file.write(process.buffer, position);
      if (written instanceof Wait) yield written;
      else if (written === -Errno.EFAULT && process.memory.user.blocked !== undefined && tries < 20) yield process.memory.user.blocked;
      else if (written <= 0) return;
      else {
        // Past the end of the source's file its last page may contain anything.
        model.put(position, this.#written(model, position, written, source.bytes()));
        this.#count('write');
        return;
      }
    }
  }

  #written(model: Model, position: number, length: number, known: Uint8Array): Uint8Array {
    if (length <= known.length) return known.subarray(0, length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const part = new BufferSink(new Uint8Array(length - done));
      const got = model.file.read(part, position + done);
      if (typeof got !== 'number' || got <= 0) throw new Error(`what was just written can't be read: ${String(got)}`);
      bytes.set(part.taken, done);
      done += got;
    }
    expect(bytes.subarray(0, known.length)).toEqual(known);
    return bytes;
  }

  *#read(process: Process, which: number): Io<void> {
    const random = this.#random;
    const model = this.models[which]!;
    const length = 1 + random.below((bufferPages - 1) * page);
    const position = this.#position(model);
    const other = (which + 1) % files;
    const target = this.models[other]!;
    const window = process.windows[other]!;
    const intoFile = random.chance(0.3);
    const offset = random.below(windowPages * page - length);
    const address = intoFile ? window.shared + offset : process.bufferAddress;
    if (!intoFile) advise(process.memory, process.bufferAddress, bufferPages * page, MADV_DONTNEED);
    for (let tries = 0; ; tries++) {
      process.buffer.range(address, length);
      process.memory.user.blocked = undefined;
      const got = model.file.read(process.buffer, position);
      if (got instanceof Wait) {
        yield got;
        continue;
      }
      // What was copied before a fault is in the file, too.
      const copied = got > 0 ? got : 0;
      if (intoFile) this.#copied(target, window.first * page + offset, model.bytes.subarray(position, position + copied));
      if (got === -Errno.EFAULT && process.memory.user.blocked !== undefined && tries < 20) {
        yield process.memory.user.blocked;
        continue;
      }
      if (got <= 0) return;
      if (got > model.size - position) throw new Error(`read ${got} bytes at ${position} of ${model.size}`);
      this.#count('read');
      if (!intoFile) yield* this.#compareBuffer(process, model.bytes.slice(position, position + got), `read at ${position}`);
      return;
    }
  }

  /** Bytes came into a file through a mapping: those past its end are lost. */
  #copied(model: Model, position: number, bytes: Uint8Array): void {
    const room = Math.max(0, model.size - position);
    model.bytes.set(bytes.subarray(0, room), position);
  }

  *#compareBuffer(process: Process, bytes: Uint8Array, what: string): Io<void> {
    for (let done = 0; done < bytes.length;) {
      const at = yield* process.access(process.bufferAddress + done, false);
      if (at < 0) return;
      const part = Math.min(page, bytes.length - done);
      for (let i = 0; i < part; i++) if (this.cpu.frames.bytes[at + i] !== bytes[done + i]) throw new Error(`${what}: byte ${done + i} is wrong`);
      done += part;
    }
  }

  /** A random piece of a window, inside the file. */
  #piece(model: Model, first: number): { offset: number; length: number } | undefined {
    const random = this.#random;
    const room = Math.min(windowPages * page, model.size - first * page);
    if (room <= 0) return undefined;
    const offset = random.chance(0.3) ? Math.max(0, room - 1 - random.below(5000)) : random.below(room);
    return { offset, length: Math.min(room - offset, 1 + random.below(random.chance(0.5) ? 100 : 9000)) };
  }

  *#store(process: Process, which: number): Io<void> {
    const model = this.models[which]!;
    const { shared, first } = process.windows[which]!;
    const piece = this.#piece(model, first);
    if (!piece) return;
    const bytes = this.#random.bytes(piece.length);
    for (let done = 0; done < piece.length;) {
      const at = yield* process.access(shared + piece.offset + done, true);
      if (at < 0) return;
      const part = Math.min(page - (at % page), piece.length - done);
      this.cpu.frames.bytes.set(bytes.subarray(done, done + part), at);
      this.#copied(model, first * page + piece.offset + done, bytes.subarray(done, done + part));
      done += part;
    }
    this.#count('store');
  }

  *#load(process: Process, which: number): Io<void> {
    const model = this.models[which]!;
    const { shared, first } = process.windows[which]!;
    const piece = this.#piece(model, first);
    if (!piece) return;
    for (let done = 0; done < piece.length;) {
      const at = yield* process.access(shared + piece.offset + done, false);
      if (at < 0) return;
      const position = first * page + piece.offset + done;
      const part = Math.min(page - (at % page), piece.length - done);
      model.expectAt(position, this.cpu.frames.bytes.subarray(at, at + Math.min(part, Math.max(0, model.size - position))), 'load');
      done += part;
    }
    this.#count('load');
  }

  *#storePrivate(process: Process, which: number): Io<void> {
    const model = this.models[which]!;
    const window = process.windows[which]!;
    const piece = this.#piece(model, window.first);
    if (!piece) return;
    // Mostly it was read before, so that the page is copied.
    if (this.#random.chance(0.7)) yield* process.access(window.private + piece.offset, false);
    const at = yield* process.access(window.private + piece.offset, true);
    if (at < 0 || process.windows[which] !== window) return;
    const index = window.first + Math.floor(piece.offset / page);
    let own = window.pages.get(index);
    if (own === undefined) {
      own = { known: Math.min(page, model.size - index * page), bytes: model.bytes.slice(index * page, (index + 1) * page) };
      window.pages.set(index, own);
    }
    const value = this.#random.below(256);
    this.cpu.frames.bytes[at] = own.bytes[at % page] = value;
    this.#count('private store');
  }

  *#loadPrivate(process: Process, which: number): Io<void> {
    const model = this.models[which]!;
    const window = process.windows[which]!;
    const written = [...window.pages.keys()];
    const piece = this.#piece(model, window.first);
    if (!piece) return;
    const index = written.length > 0 && this.#random.chance(0.7) ? this.#random.pick(written) : window.first + Math.floor(piece.offset / page);
    const at = yield* process.access(window.private + (index - window.first) * page, false);
    if (at < 0) return;
    const got = this.cpu.frames.bytes.subarray(at, at + page);
    const own = window.pages.get(index);
    if (own === undefined) model.expectAt(index * page, got.subarray(0, Math.min(page, Math.max(0, model.size - index * page))), 'private load');
    else expect(got.subarray(0, own.known), `private page ${index}`).toEqual(own.bytes.subarray(0, own.known));
    this.#count('private load');
  }

  *#truncate(which: number): Io<void> {
    const random = this.#random;
    const model = this.models[which]!;
    const size = random.chance(0.4) ? this.#position(model) : Math.max(0, Math.min(maximumSize, model.size + random.below(12_000) - 6000));
    if ((yield* model.file.inode.truncate(size)) < 0) return;
    model.resize(size);
    for (const process of this.processes) {
      const { pages } = process.windows[which]!;
      for (const index of [...pages.keys()]) if (index * page >= size) pages.delete(index);
    }
    this.#count('truncate');
  }

  *#punch(which: number): Io<void> {
    const model = this.models[which]!;
    const start = this.#position(model);
    const length = 1 + this.#random.below(this.#random.chance(0.7) ? 6000 : 200_000);
    if ((yield* model.file.inode.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, length)) < 0) return;
    model.bytes.fill(0, start, Math.max(start, Math.min(start + length, model.size)));
    this.#count('punch');
  }

  *#allocate(which: number): Io<void> {
    const model = this.models[which]!;
    const start = this.#position(model);
    const length = Math.min(1 + this.#random.below(20_000), maximumSize - start);
    if (length <= 0 || (yield* model.file.inode.allocate(0, start, length)) < 0) return;
    model.resize(Math.max(model.size, start + length));
    this.#count('allocate');
  }

  #move(process: Process, which: number): void {
    process.close(which);
    process.open(which, this.models[which]!, this.#first());
    this.#count('move');
  }

  /** All that the files contain now, and after a mount of what the device has. */
  compare(): void {
    const { run, fileSystem, device } = this.mounted;
    expect(run(fileSystem.sync())).toBe(0);
    expect(this.mounted.log).toEqual([]);
    expect(e2fsck(device.bytes)).toBe('');
    const again = mount(device.bytes.slice());
    this.models.forEach((model, which) => {
      const stored = again.run(again.vfs.open(again.root, again.vfs.root, `/f${which}`, O_RDWR, 0)) as OpenFile;
      for (const [file, drive, what] of [[model.file, run, 'cached'], [stored, again.run, 'stored']] as const) {
        expect(file.inode.size).toBe(model.size);
        for (let at = 0; at < model.size; at += page) {
          const sink = new BufferSink(new Uint8Array(Math.min(page, model.size - at)));
          expect(drive(retry(() => file.read(sink, at)))).toBe(Math.min(page, model.size - at));
          model.expectAt(at, sink.taken, what);
        }
      }
    });
  }
}

it.each([1024, 2048, 4096])(`processes that share and cut files larger than memory agree with a model, %i-byte blocks (EXT2_SEED=${seed})`, blockSize => {
  const random = new Random(seed + blockSize);
  const device = new MemoryDevice(mke2fs(16384, '-t', 'ext2', '-b', String(blockSize), '-I', '256'));
  device.chunkSize = 16384;
  const machine = new Machine(device, random);
  for (let round = 0; round < 4; round++) {
    let count = 0;
    const isDone = (): boolean => ++count > steps / 4;
    schedule(machine.processes.map(process => machine.worker(process, isDone)), device, random);
    machine.compare();
  }
  for (const process of machine.processes) process.memory.release();
  expect([...machine.counts].filter(([, count]) => count < 50)).toEqual([]);
  expect(machine.counts.size).toBe(10);
});
