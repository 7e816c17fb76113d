/** The kernel's processes as procfs reads them (fs/procfs/source.ts). */
import type { Caller } from '../fs/vfs/caller.ts';
import type { OpenFile } from '../fs/vfs/openFile.ts';
import type { Path } from '../fs/vfs/path.ts';
import type { LimitView, MappingView, MemoryView, ProcessView, TaskView } from '../fs/procfs/source.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../kernel/abi/mman.ts';
import { RLIM_NLIMITS } from '../kernel/abi/resource.ts';
import type { Memory } from '../kernel/mm/memory.ts';
import type { Process } from '../kernel/task/process.ts';
import { TaskState, Task } from '../kernel/task/task.ts';
import type { ByteString } from '../lib/byteString.ts';

const pageSize = 4096;

/** The letter of a thread's state. */
function stateOf(process: Process, task: Task | undefined): string {
  if (process.isZombie) return 'Z';
  if (task === undefined) return process.leader ? 'Z' : 'S'; // the kernel's own init has no thread
  if (process.isStopped) return 'T';
  if (task.state !== TaskState.sleeping) return 'R';
  return task.wait !== undefined && !task.wait.interruptible ? 'D' : 'S';
}

class KernelTaskView implements TaskView {
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
  }

  get tid(): number { return this.#task.tid; }
  get name(): ByteString { return this.#task.name; }
  get state(): string { return stateOf(this.#task.process, this.#task); }
  get userTime(): number { return this.#task.usage.user; }
  get systemTime(): number { return this.#task.usage.system; }
  get pendingSignals(): bigint { return this.#task.pending.set.toBigInt(); }
  get blockedSignals(): bigint { return this.#task.blocked.toBigInt(); }
}

class KernelMemoryView implements MemoryView {
  readonly #memory: Memory;
  readonly #nameOf: (path: Path) => ByteString;

  constructor(memory: Memory, nameOf: (path: Path) => ByteString) {
    this.#memory = memory;
    this.#nameOf = nameOf;
  }

  get total(): number { return this.#memory.totalPages * pageSize; }
  get peakTotal(): number { return this.#memory.peakPages * pageSize; }
  get resident(): number { return this.#memory.resident * pageSize; }
  get peakResident(): number { return this.resident; }
  get text(): number { return this.#memory.textBytes; }
  get data(): number { return this.#memory.dataBytes; }
  get stack(): number { return this.#memory.stackBytes; }
  get locked(): number { return this.#memory.lockedBytes; }
  get startCode(): number { return this.#memory.startCode; }
  get endCode(): number { return this.#memory.endCode; }
  get startStack(): number { return this.#memory.startStack; }
  get shared(): number {
    let pages = 0;
    for (const vma of this.#memory.vmas) if (vma.source !== undefined) pages += this.#memory.residentPages(vma.start, vma.end);
    return pages * pageSize;
  }

  *mappings(): Iterable<MappingView> {
    for (const vma of this.#memory.vmas) {
      const { inode, protection } = vma;
      yield {
        start: vma.start, end: vma.end, read: (protection & PROT_READ) !== 0, write: (protection & PROT_WRITE) !== 0,
        exec: (protection & PROT_EXEC) !== 0, shared: vma.shared, offset: inode ? vma.pageOffset * pageSize : 0,
        device: inode?.fileSystem.device ?? 0, ino: inode?.ino ?? 0, name: vma.file ? this.#nameOf(vma.file.path) : vma.name,
        resident: this.#memory.residentPages(vma.start, vma.end) * pageSize,
      };
    }
  }

  /** What lies between two addresses of user memory, as far as it can be read without the disk. */
  #read(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(end - start, 1 << 21)));
    const { cpu: { frames } } = this.#memory.services;
    for (let at = 0; at < bytes.length;) {
      const length = Math.min(bytes.length - at, pageSize - (start + at) % pageSize);
      const place = this.#memory.space.translate(start + at, false);
      if (place < 0) return bytes.subarray(0, at);
      bytes.set(frames.bytes.subarray(place, place + length), at);
      at += length;
    }
    return bytes;
  }

  commandLine(): Uint8Array {
    return this.#read(this.#memory.argumentStart, this.#memory.argumentEnd);
  }
  environment(): Uint8Array {
    return this.#read(this.#memory.environmentStart, this.#memory.environmentEnd);
  }
  auxiliaryVector(): Uint8Array {
    return this.#memory.auxiliaryVector;
  }
}

export class KernelProcessView implements ProcessView {
  readonly #process: Process;
  readonly #nameOf: (path: Path) => ByteString;

  /** `nameOf` gives a path's name seen from the machine's root. */
  constructor(process: Process, nameOf: (path: Path) => ByteString) {
    this.#process = process;
    this.#nameOf = nameOf;
  }

  /** The leader even after its end: a zombie's name and ids are still shown. */
  get #task(): Task | undefined {
    return this.#process.task ?? this.#process.leader;
  }
  get #live(): Task | undefined {
    return this.#process.task;
  }

  get pid(): number { return this.#process.pid; }
  get parentPid(): number { return this.#process.parent?.pid ?? 0; }
  get processGroup(): number { return this.#process.processGroup; }
  get session(): number { return this.#process.session; }
  /** UNIX98 pty slaves have major 136. */
  get terminal(): number {
    const { terminal } = this.#process;
    return terminal ? 136 << 8 | terminal.index : 0;
  }
  get terminalGroup(): number { return this.#process.terminal?.foregroundGroup ?? -1; }
  get name(): ByteString { return this.#process.name; }
  get state(): string { return stateOf(this.#process, this.#live); }
  get uids(): readonly [number, number, number, number] {
    const c = this.#task?.credentials;
    return c ? [c.realUid, c.effectiveUid, c.savedUid, c.uid] : [0, 0, 0, 0];
  }
  get gids(): readonly [number, number, number, number] {
    const c = this.#task?.credentials;
    return c ? [c.realGid, c.effectiveGid, c.savedGid, c.gid] : [0, 0, 0, 0];
  }
  get groups(): readonly number[] { return this.#task?.credentials.groups ?? []; }
  get effectiveCapabilities(): bigint { return BigInt(this.#task?.credentials.effective ?? 0); }
  get nice(): number { return this.#process.nice; }
  get umask(): number { return this.#live?.umask ?? 0; }
  get noNewPrivileges(): boolean { return this.#task?.noNewPrivileges ?? false; }
  get startTime(): number { return this.#process.startTime; }
  get userTime(): number { return this.#process.totalUsage().user; }
  get systemTime(): number { return this.#process.totalUsage().system; }
  get childUserTime(): number { return this.#process.childUsage.user; }
  get childSystemTime(): number { return this.#process.childUsage.system; }
  get minorFaults(): number { return this.#process.totalUsage().minorFaults; }
  get majorFaults(): number { return this.#process.totalUsage().majorFaults; }
  get readBytes(): number { return this.#process.readBytes; }
  get writtenBytes(): number { return this.#process.writtenBytes; }
  get pendingSignals(): bigint { return this.#process.pending.set.toBigInt(); }
  get blockedSignals(): bigint { return this.#live?.blocked.toBigInt() ?? 0n; }
  get ignoredSignals(): bigint { return this.#handled(handler => handler === 1); }
  get caughtSignals(): bigint { return this.#handled(handler => handler > 1); }
  #handled(matches: (handler: number) => boolean): bigint {
    let set = 0n;
    const actions = this.#live?.actions;
    if (actions) for (let signal = 1; signal <= 64; signal++) if (matches(actions.get(signal).handler)) set |= 1n << BigInt(signal - 1);
    return set;
  }
  get exitCode(): number { return this.#process.exitStatus; }
  get exitSignal(): number { return this.#process.exitSignal; }
  *#threads(): Iterable<TaskView> {
    for (const task of this.#process.tasks) yield new KernelTaskView(task);
  }
  get threads(): Iterable<TaskView> { return this.#threads(); }
  get threadCount(): number { return this.#process.tasks.size; }
  get memory(): MemoryView | undefined {
    const memory = this.#live?.memory;
    return memory && !this.#process.isZombie ? new KernelMemoryView(memory, this.#nameOf) : undefined;
  }
  get executable(): Path | undefined { return this.#process.isZombie ? undefined : this.#process.executable; }
  get cwd(): Path | undefined { return this.#live?.cwd; }
  get root(): Path | undefined { return this.#live?.root; }
  get limits(): readonly LimitView[] {
    return Array.from({ length: RLIM_NLIMITS }, (_, i) => ({ soft: this.#process.limits.soft(i), hard: this.#process.limits.hard(i) }));
  }
  *descriptors(): Iterable<readonly [number, OpenFile]> {
    const files = this.#live?.files;
    if (!files) return;
    for (let fd = 0, left = files.size; left > 0; fd++) {
      const file = files.getAny(fd);
      if (!file) continue;
      left--;
      yield [fd, file];
    }
  }
  /** ptrace(2)'s read check, without capabilities but root's. */
  allows(caller: Caller): boolean {
    const own = this.#task?.credentials;
    const { uid, overridesAccess } = caller.credentials;
    return overridesAccess || (own !== undefined && this.#process.dumpable === 1 && uid === own.realUid && uid === own.effectiveUid && uid === own.savedUid);
  }
  rename(name: ByteString): void {
    if (this.#live) this.#live.name = name;
  }
}
