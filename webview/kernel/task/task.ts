/** A thread (task_struct): registers, what it shares with others, and what it is doing in the kernel. */
import { CAP_SYS_ADMIN } from '../abi/prctl.ts';
import { RLIMIT_FSIZE, RLIMIT_NOFILE } from '../abi/resource.ts';
import type { CpuThread } from '../cpu.ts';
import type { FileTable } from '../files/fileTable.ts';
import type { IoctlCaller, IoctlMemory } from '../files/kernelFile.ts';
import type { PendingSignals } from '../ipc/signalfd.ts';
import type { Memory } from '../mm/memory.ts';
import { UserBuffer, type UserMemory } from '../mm/userMemory.ts';
import type { TerminalProcess } from '../tty/jobControl.ts';
import type { Terminal } from '../tty/terminal.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { Wake, type Io, type Wait, type Waiter } from '../../lib/wait.ts';
import type { TaskCredentials } from './credentials.ts';
import type { Machine } from './machine.ts';
import { Usage, type Process } from './process.ts';
import { kernelSignal, sendToTask } from './signalSending.ts';
import { SignalSet } from './signalSet.ts';
import { PendingQueue, writeSignalfdInfo, type SignalActions, type SignalInfo } from './signals.ts';
import { TaskState } from './taskState.ts';

export { TaskState } from './taskState.ts';

/** Root, working directory and umask; shared by CLONE_FS. */
export class FsInfo {
  root: Path;
  cwd: Path;
  umask: number;
  #users = 1;

  constructor(root: Path, cwd: Path, umask: number) {
    this.root = root;
    this.cwd = cwd;
    this.umask = umask;
  }

  share(): this {
    this.#users++;
    return this;
  }

  release(): void {
    this.#users--;
  }

  get isShared(): boolean {
    return this.#users > 1;
  }

  copy(): FsInfo {
    return new FsInfo(this.root, this.cwd, this.umask);
  }
}

/** What a system call that a signal interrupted does next: EINTR; made again unless a handler without SA_RESTART runs; or when no handler runs. */
export const Restart = { never: 0, always: 1, withoutHandler: 2 } as const;
export type Restart = (typeof Restart)[keyof typeof Restart];

/** What a task starts with. */
export interface TaskParts {
  readonly process: Process;
  readonly thread: CpuThread;
  readonly memory: Memory;
  readonly files: FileTable;
  readonly fs: FsInfo;
  readonly credentials: TaskCredentials;
  readonly actions: SignalActions;
  readonly name: ByteString;
}

export class Task implements Caller, Waiter, TerminalProcess, IoctlCaller {
  readonly machine: Machine;
  /** Changed by execve(2) of a thread that isn't the leader only. */
  tid: number;
  readonly process: Process;
  readonly thread: CpuThread;
  memory: Memory;
  files: FileTable;
  fs: FsInfo;
  credentials: TaskCredentials;
  actions: SignalActions;
  /** comm: at most 15 bytes. */
  name: ByteString;
  readonly usage = new Usage();

  // Signals.
  readonly pending = new PendingQueue();
  readonly blocked = new SignalSet();
  /** A mask to be restored when the call that replaced it (sigsuspend, ppoll ...) is over. */
  savedMask: SignalSet | undefined;
  /** Something may be deliverable: looked at on the way back to the program. */
  signalsPending = false;
  alternateStack = { address: 0, size: 0, flags: 2 };
  parentDeathSignal = 0;
  /** The last processor exception, as a signal frame shows it: vector, error code, CR2. */
  readonly fault = { trap: 0, error: 0, address: 0 };
  noNewPrivileges = false;
  /** PR_SET_KEEPCAPS and timer slack, kept for reading back. */
  timerSlack = 50000;

  // Threads.
  clearChildTid = 0;
  robustList = 0;
  /** Who waits in vfork(2) for this task to let go of its memory. */
  vforkDone: (() => void) | undefined;

  // Scheduling; changed by the scheduler only.
  state: TaskState = TaskState.runnable;
  /** What it does in the kernel that isn't finished: a system call, or its own end. */
  io: Io<number> | undefined;
  wait: Wait | undefined;
  wakeReason: Wake = Wake.ready;
  /** The last sleep could be ended by a signal. */
  sleepsInterruptibly = true;
  /** In the run queue. */
  isQueued = false;
  cancelDeadline: (() => void) | undefined;
  /** The call in `io` has to be made again from its registers. */
  again = false;
  /** The number of the current call, for restarts and traces; -1 outside of one. */
  syscall = -1;
  /** What becomes of the current call, which answered -EINTR. */
  restart: Restart = Restart.never;
  /** The call has set all registers itself (rt_sigreturn): there is no result to be put into rax. */
  registersAreSet = false;
  /** This thread ends when it next comes to the border to its program. */
  mustExit = false;
  isExiting = false;
  /** Wait status if it is the last thread (exit(2)). */
  exitStatus = 0;
  /** When it was last put to sleep or made runnable, for statistics. */
  nice = 0;

  /** A buffer over user memory for this task's current call; a second one where a call has two. */
  readonly buffer = new UserBuffer(() => this.memory.user);
  readonly secondBuffer = new UserBuffer(() => this.memory.user);

  constructor(tid: number, parts: TaskParts) {
    this.machine = parts.process.machine;
    this.tid = tid;
    this.process = parts.process;
    this.thread = parts.thread;
    this.memory = parts.memory;
    this.files = parts.files;
    this.fs = parts.fs;
    this.credentials = parts.credentials;
    this.actions = parts.actions;
    this.name = parts.name;
    this.nice = parts.process.nice;
  }

  // ---------------------------------------------------------------- for system calls
  /** User memory: the one copy module. */
  get user(): UserMemory {
    return this.memory.user;
  }

  get umask(): number {
    return this.fs.umask;
  }
  get root(): Path {
    return this.fs.root;
  }
  get cwd(): Path {
    return this.fs.cwd;
  }
  get fileSizeLimit(): number {
    return this.process.limits.soft(RLIMIT_FSIZE);
  }
  /** RLIMIT_NOFILE. */
  get descriptorLimit(): number {
    return this.process.limits.soft(RLIMIT_NOFILE);
  }
  /** A soft resource limit: RLIMIT_*. */
  limit(resource: number): number {
    return this.process.limits.soft(resource);
  }
  /** The caller with real instead of effective ids, for access(2). */
  get asRealUser(): Caller {
    const { credentials } = this;
    const { realUid: uid, realGid: gid } = credentials;
    const privileges = uid === 0 ? credentials.permitted : 0;
    if (credentials.uid === uid && credentials.gid === gid && credentials.effective === privileges) return this;
    return { credentials: credentials.with({ uid, gid, effective: privileges }), umask: this.umask, root: this.root, cwd: this.cwd, fileSizeLimit: this.fileSizeLimit };
  }
  unshareFiles(): void {
    if (!this.files.isShared) return;
    const shared = this.files;
    this.files = shared.copy();
    this.machine.scheduler.background(shared.release());
  }
  raise(signal: number): void {
    sendToTask(this, kernelSignal(signal));
  }
  changeDirectory(path: Path): void {
    this.fs.cwd = path;
  }
  changeRoot(path: Path): void {
    this.fs.root = path;
  }
  /** Sets the umask and answers the old one. */
  changeUmask(mask: number): number {
    const old = this.fs.umask;
    this.fs.umask = mask & 0o777;
    return old;
  }
  get ioctlMemory(): IoctlMemory {
    return this.memory.user;
  }

  /** Replaces the signal mask for the rest of the current call (sigsuspend(2), ppoll(2)); the old one comes back when it is over. */
  useTemporaryMask(low: number, high: number): void {
    this.savedMask ??= this.blocked.copy();
    this.setBlocked(low, high);
  }

  /** Ends what `useTemporaryMask` began. */
  restoreMask(): void {
    const mask = this.savedMask;
    if (mask === undefined) return;
    this.savedMask = undefined;
    this.setBlocked(mask.low, mask.high);
  }

  /** sigprocmask(2) SIG_SETMASK; SIGKILL and SIGSTOP can't be blocked. */
  setBlocked(low: number, high: number): void {
    this.blocked.set(low & ~((1 << 8) | (1 << 18)), high);
    this.recalculateSignals();
  }

  /** Looks whether a pending signal can be delivered now. */
  recalculateSignals(): void {
    this.signalsPending = this.hasDeliverableSignal;
  }

  get hasDeliverableSignal(): boolean {
    const { blocked, pending: { set: own }, process: { pending: { set: shared } } } = this;
    return ((own.low | shared.low) & ~blocked.low) !== 0 || ((own.high | shared.high) & ~blocked.high) !== 0;
  }

  /** Takes out a pending signal of the set given in halves, this thread's own first (signalfd, sigtimedwait). */
  takeSignal(low: number, high: number): SignalInfo | undefined {
    const info = this.pending.takeOf(low, high) ?? this.process.pending.takeOf(low, high);
    this.recalculateSignals();
    return info;
  }

  /** Signals as signalfd(2) sees them: those of whoever reads, if it belongs to the same process. */
  get pendingSignals(): PendingSignals {
    const { process } = this;
    const reader = (): Task => {
      const { current } = this.machine.scheduler;
      return current?.process === process ? current : process.task ?? this;
    };
    return {
      arrival: process.signalArrival,
      has: (low, high) => {
        const own = reader().pending.set;
        const shared = process.pending.set;
        return ((own.low | shared.low) & low) !== 0 || ((own.high | shared.high) & high) !== 0;
      },
      take: (low, high, into) => {
        const info = reader().takeSignal(low, high);
        if (info) writeSignalfdInfo(info, into);
        return info !== undefined;
      },
    };
  }

  // ---------------------------------------------------------------- as a terminal sees it
  get pid(): number {
    return this.process.pid;
  }
  get processGroup(): number {
    return this.process.processGroup;
  }
  get session(): number {
    return this.process.session;
  }
  get terminal(): Terminal | undefined {
    return this.process.terminal;
  }
  set terminal(terminal: Terminal | undefined) {
    this.process.terminal = terminal;
  }
  get mayAdministrate(): boolean {
    return this.credentials.has(CAP_SYS_ADMIN);
  }
  ignoresOrBlocks(signal: number): boolean {
    return this.blocked.has(signal) || this.actions.get(signal).handler === 1;
  }

  // ---------------------------------------------------------------- sleeping
  /** A queue that it sleeps on wakes: see Waiter. */
  wake(): boolean {
    if (this.state !== TaskState.sleeping) return false;
    this.machine.scheduler.wake(this, Wake.ready);
    return true;
  }
}
