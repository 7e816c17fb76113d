/**
 * A task with just enough around it to make file and socket system calls: a tree in memory with /dev and devpts, and a flat user memory.
 * Real processes, signals and page faults are tested with the whole kernel.
 */
import { populateDev } from '../../webview/fs/devfs.ts';
import { Devpts } from '../../webview/fs/devpts.ts';
import { Tmpfs } from '../../webview/fs/tmpfs.ts';
import { Walk } from '../../webview/fs/vfs/namespace.ts';
import { PageCache } from '../../webview/fs/vfs/pageCache.ts';
import type { Path } from '../../webview/fs/vfs/path.ts';
import { Vfs } from '../../webview/fs/vfs/vfs.ts';
import type { AddressSpace, Frames } from '../../webview/kernel/cpu.ts';
import type { FileTable } from '../../webview/kernel/files/fileTable.ts';
import { MachineFiles } from '../../webview/kernel/files/machineFiles.ts';
import { UserBuffer, UserMemory } from '../../webview/kernel/mm/userMemory.ts';
import type { Result } from '../../webview/kernel/syscalls/common.ts';
import type { Task } from '../../webview/kernel/task/task.ts';
import type { JobControl, TerminalProcess } from '../../webview/kernel/tty/jobControl.ts';
import type { Terminal } from '../../webview/kernel/tty/terminal.ts';
import { ByteStringCache, fromBytes, toBytes, type ByteString } from '../../webview/lib/byteString.ts';
import { WaitQueue, runNow } from '../../webview/lib/wait.ts';
import { superuser } from './callers.ts';
import { MemoryFrames } from './memoryFrames.ts';
import { Driven } from './anonymousPaths.ts';

const userBase = 0x10000;
const userSize = 0x100000;

/** One machine's files, with a clock that tests move. */
export class FileMachine implements JobControl {
  readonly vfs: Vfs;
  readonly files: MachineFiles;
  readonly signals: string[] = [];
  clock = 1e9;
  readonly alarms: { deadline: number; expired: () => void }[] = [];
  currentProcess: TerminalProcess | undefined;
  readonly physical = new Uint8Array(userSize);

  constructor() {
    const cache = new PageCache(new MemoryFrames(4096));
    const now = () => ({ seconds: 1000 + Math.floor(this.clock / 1e9), nanoseconds: 0 });
    this.vfs = new Vfs({ root: new Tmpfs({ device: 1, cache, now, mode: 0o755 }), source: 'tmpfs', now });
    const devpts = new Devpts(3, now);
    this.files = new MachineFiles({
      namespace: this.vfs, devpts, memoryFileSystem: new Tmpfs({ device: 4, cache, now }), jobControl: this, now,
      timers: {
        now: () => this.clock,
        toMonotonic: (_clock, seconds, nanoseconds) => seconds * 1e9 + nanoseconds,
        at: (deadline, expired) => {
          const alarm = { deadline, expired };
          this.alarms.push(alarm);
          return () => this.alarms.splice(this.alarms.indexOf(alarm), 1);
        },
      },
      random: bytes => bytes.fill(7), log: () => {}, createFileSystem: () => -19, isWorkedIn: () => false, rootChanged: () => {},
    });
    this.vfs.openers = this.files;
    const root = superuser(this.vfs.root, 0);
    runNow(this.vfs.mkdir(root, root.cwd, 'dev', 0o755));
    const dev = runNow(this.vfs.resolve(root, root.cwd, 'dev', Walk.directory)) as Path;
    runNow(populateDev(this.vfs, root, dev));
    this.vfs.mount(devpts, runNow(this.vfs.resolve(root, dev, 'pts', Walk.directory)) as Path, 'devpts', 0);
  }

  /** Moves the clock and calls the timers that are due. */
  advance(nanoseconds: number): void {
    this.clock += nanoseconds;
    for (const alarm of [...this.alarms]) {
      if (alarm.deadline > this.clock) continue;
      this.alarms.splice(this.alarms.indexOf(alarm), 1);
      alarm.expired();
    }
  }

  signalGroup(group: number, signal: number): void {
    this.signals.push(`${group}:${signal}`);
  }
  signalSessionLeader(session: number, signal: number): void {
    this.signals.push(`s${session}:${signal}`);
  }
  isOrphaned(): boolean {
    return false;
  }
  sessionOf(): number | undefined {
    return 100;
  }
  forgetTerminal(): void {}
  now(): number {
    return this.clock;
  }
}

/** Makes calls and lays out their arguments. Addresses are those of the user memory. */
export class FileTask {
  readonly machine: FileMachine;
  readonly files: FileTable;
  readonly raised: number[] = [];
  readonly task: Task;
  #next = userBase;

  constructor(machine: FileMachine, files = machine.files.createTable(), uid = 0) {
    this.machine = machine;
    this.files = files;
    const caller = superuser(machine.vfs.root);
    const space = { translate: (address: number) => (address >= userBase && address < userBase + userSize ? address - userBase : -1) } as unknown as AddressSpace;
    const frames = { bytes: machine.physical, words: new DataView(machine.physical.buffer) } as unknown as Frames;
    const user = new UserMemory(space, frames, { resolve: () => 1 }, new ByteStringCache());
    const root = uid === 0;
    const { raised } = this;
    this.task = {
      machine: { files: machine.files }, files, user, ioctlMemory: user, buffer: new UserBuffer(() => user),
      root: caller.root, cwd: caller.cwd, umask: 0o022, fileSizeLimit: Infinity, descriptorLimit: 64, limit: () => 64, tid: 100, pid: 100,
      credentials: { ...caller.credentials, uid, gid: uid, overridesAccess: root, overridesOwnership: root }, mayAdministrate: root,
      raise: (signal: number) => raised.push(signal), useTemporaryMask: () => {},
      pendingSignals: { has: () => false, take: () => false, arrival: new WaitQueue() },
      get asRealUser() {
        return this;
      },
      changeDirectory(path: Path) {
        (this as { cwd: Path }).cwd = path;
      },
      unshareFiles: () => {},
      processGroup: 100, session: 100, terminal: undefined as Terminal | undefined, ignoresOrBlocks: () => false,
    } as unknown as Task;
    machine.currentProcess = this.task;
  }

  /** The result of a call that doesn't have to sleep. */
  now(result: Result): number {
    if (typeof result === 'number') return result;
    const driven = new Driven(result);
    if (driven.wait) throw new Error('the call sleeps');
    return driven.result!;
  }

  /** A call that sleeps. */
  asleep(result: Result): Driven<number> {
    if (typeof result === 'number') throw new Error(`the call answered ${result}`);
    return new Driven(result);
  }

  /** Room for `size` bytes, zeroed. */
  room(size: number): number {
    const at = this.#next;
    this.#next += Math.ceil(size / 16) * 16;
    this.machine.physical.fill(0, at - userBase, this.#next - userBase);
    return at;
  }

  /** A NUL-terminated string. */
  text(text: ByteString): number {
    const at = this.room(text.length + 1);
    this.machine.physical.set(toBytes(text), at - userBase);
    return at;
  }

  bytes(at: number, length: number): Uint8Array {
    return this.machine.physical.subarray(at - userBase, at - userBase + length);
  }

  string(at: number, length: number): ByteString {
    return fromBytes(this.bytes(at, length));
  }

  view(at: number, length: number): DataView {
    return new DataView(this.machine.physical.buffer, at - userBase, length);
  }

  /** An array of 32-bit words. */
  words(...words: number[]): number {
    const at = this.room(words.length * 4);
    words.forEach((word, i) => this.view(at, words.length * 4).setInt32(i * 4, word, true));
    return at;
  }

  /** An array of 64-bit words. */
  longs(...longs: number[]): number {
    const at = this.room(longs.length * 8);
    longs.forEach((value, i) => this.view(at, longs.length * 8).setBigInt64(i * 8, BigInt(value), true));
    return at;
  }
}
