/**
 * A processor without instructions, for tests of the kernel alone: frames in an array, page tables in a map, and threads whose program is
 * a generator in JavaScript that yields why it comes back to the kernel.
 */
import { Pte, Reg, type AddressSpace, type Cpu, type CpuStatistics, type CpuThread, type Exit, type Frames } from '../../webview/kernel/cpu.ts';
import { MemoryFrames } from './memoryFrames.ts';

export class FakeFrames extends MemoryFrames implements Frames {
  readonly words = new DataView(this.bytes.buffer);

  copy(to: number, from: number): void {
    this.bytes.copyWithin(to * 4096, from * 4096, from * 4096 + 4096);
  }

  view(frame: number): Uint8Array {
    return this.bytes.subarray(frame * 4096, frame * 4096 + 4096);
  }
}

/** Page tables as cpu.ts describes them, in a map. */
export class FakeSpace implements AddressSpace {
  readonly #frames: FakeFrames;
  readonly entries = new Map<number, number>();

  constructor(frames: FakeFrames) {
    this.#frames = frames;
  }

  map(address: number, frame: number, bits: number): boolean {
    const before = this.entries.get(address);
    this.entries.set(address, frame * 64 + bits);
    if (before !== undefined) this.#frames.release(Math.floor(before / 64));
    return true;
  }

  entry(address: number): number {
    return this.entries.get(address - (address % 4096)) ?? 0;
  }

  #in(address: number, length: number): [number, number][] {
    return [...this.entries].filter(([page]) => page >= address && page < address + length).sort(([a], [b]) => a - b);
  }

  unmap(address: number, length: number): void {
    for (const [page, entry] of this.#in(address, length)) {
      this.entries.delete(page);
      this.#frames.release(Math.floor(entry / 64));
    }
  }

  protect(address: number, length: number, bits: number): void {
    for (const [page, entry] of this.#in(address, length)) {
      const given = bits & (Pte.read | Pte.write | Pte.exec) & ((entry & Pte.cow) !== 0 ? ~Pte.write : -1);
      this.entries.set(page, (entry - (entry & 7)) + given);
    }
  }

  clearBits(address: number, length: number, mask: number): void {
    for (const [page, entry] of this.#in(address, length)) this.entries.set(page, entry - (entry & mask & 63));
  }

  copyTo(child: AddressSpace, address: number, length: number, share: boolean): boolean {
    for (const [page, entry] of this.#in(address, length)) {
      const copied = share ? entry : (entry - (entry & (Pte.write | Pte.cow))) + Pte.cow;
      this.entries.set(page, copied);
      this.#frames.retain(Math.floor(entry / 64));
      child.map(page, Math.floor(copied / 64), copied % 64);
    }
    return true;
  }

  move(address: number, length: number, to: number): boolean {
    const moved = this.#in(address, length);
    for (const [page] of moved) this.entries.delete(page);
    for (const [page, entry] of moved) this.entries.set(page - address + to, entry);
    return true;
  }

  nextEntry(address: number, end: number): number {
    return Math.min(end, ...[...this.entries.keys()].filter(page => page >= address && page < end));
  }

  countEntries(address: number, length: number): number {
    return [...this.entries.keys()].filter(page => page >= address && page < address + length).length;
  }

  translate(address: number, write: boolean): number {
    const page = address - (address % 4096);
    const entry = this.entries.get(page);
    if (entry === undefined || (entry & (write ? Pte.write : Pte.read | Pte.write | Pte.exec)) === 0) return -1;
    this.entries.set(page, entry - (entry & (Pte.accessed | Pte.dirty)) + (Pte.accessed | (entry & Pte.dirty) | (write ? Pte.dirty : 0)));
    return Math.floor(entry / 64) * 4096 + (address % 4096);
  }

  destroy(): void {
    for (const entry of this.entries.values()) this.#frames.release(Math.floor(entry / 64));
    this.entries.clear();
  }
}

/** What a fake program does: it yields exits; registers and memory are its thread's. */
export type FakeProgram = Generator<Exit, void, void>;

export class FakeThread implements CpuThread {
  readonly #registers = new BigInt64Array(16);
  rip = 0;
  rflags = 0x202;
  fsBase = 0;
  gsBase = 0;
  instructions = 0;
  program: FakeProgram | undefined;

  get(reg: Reg): number {
    return Number(BigInt.asUintN(64, this.#registers[reg]!));
  }
  getSigned(reg: Reg): number {
    return Number(this.#registers[reg]!);
  }
  getInt(reg: Reg): number {
    return Number(BigInt.asIntN(32, this.#registers[reg]!));
  }
  getHigh(reg: Reg): number {
    return Number(BigInt.asUintN(32, this.#registers[reg]! >> 32n));
  }
  set(reg: Reg, value: number): void {
    this.#registers[reg] = BigInt(value);
  }
  setHalves(reg: Reg, low: number, high: number): void {
    this.#registers[reg] = BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
  }
  saveFpu(out: Uint8Array): void {
    out.fill(0);
  }
  loadFpu(): void {}
  resetFpu(): void {}
  copyFrom(other: CpuThread): void {
    for (const reg of Object.values(Reg)) this.setHalves(reg, other.getInt(reg), other.getHigh(reg));
    this.rip = other.rip;
    this.rflags = other.rflags;
    this.fsBase = other.fsBase;
    this.gsBase = other.gsBase;
  }
  free(): void {}
}

export class FakeCpu implements Cpu {
  readonly frames: FakeFrames;
  faultAddress = 0;
  faultAccess: 0 | 1 | 2 = 0;
  readonly interruptVector = 0;
  readonly statistics: CpuStatistics = { instructions: 0, tlbMisses: 0, decodedInstructions: 0, codePagesInvalidated: 0, regionsCompiled: 0, regionsDropped: 0, regionBytes: 0, compileSeconds: 0 };
  /** Gives a new thread its program when it runs first: for forks. */
  programFor: (thread: FakeThread) => FakeProgram = () => {
    throw new Error('a thread without a program ran');
  };

  constructor(frames = 4096) {
    this.frames = new FakeFrames(frames);
  }

  createThread(): FakeThread {
    return new FakeThread();
  }

  createAddressSpace(): FakeSpace {
    return new FakeSpace(this.frames);
  }

  run(thread: CpuThread): Exit {
    const fake = thread as FakeThread;
    fake.instructions++;
    fake.program ??= this.programFor(fake);
    const step = fake.program.next();
    if (step.done) throw new Error('the program is over without exit(2)');
    return step.value;
  }

  interrupt(): void {}

  describeInstruction(): string {
    return 'no instruction';
  }
}
