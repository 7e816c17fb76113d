/** A process (thread group): what its threads share, its place among processes, and what its parent may learn. */
import { SIGCHLD, SIGKILL } from '../abi/signal.ts';
import type { Limits } from '../mm/limits.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { Wait, WaitQueue } from '../../lib/wait.ts';
import type { PosixTimers } from '../time/posixTimers.ts';
import type { Terminal } from '../tty/terminal.ts';
import type { Machine } from './machine.ts';
import { PendingQueue } from './signals.ts';
import type { Task } from './task.ts';

/** CPU time and events, in nanoseconds and counts. */
export class Usage {
  user = 0;
  system = 0;
  minorFaults = 0;
  majorFaults = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  /** Largest resident size seen, in pages. */
  peakResident = 0;

  add(other: Usage): void {
    this.user += other.user;
    this.system += other.system;
    this.minorFaults += other.minorFaults;
    this.majorFaults += other.majorFaults;
    this.voluntarySwitches += other.voluntarySwitches;
    this.involuntarySwitches += other.involuntarySwitches;
    this.peakResident = Math.max(this.peakResident, other.peakResident);
  }
}

export class Process {
  readonly machine: Machine;
  readonly pid: number;
  parent: Process | undefined;
  readonly children = new Set<Process>();
  /** Live threads. */
  readonly tasks = new Set<Task>();
  /** The thread whose tid is the pid; it may have ended before the others. Undefined for the kernel's own init. */
  leader: Task | undefined;
  processGroup: number;
  session: number;
  terminal: Terminal | undefined;
  limits: Limits;
  /** Sent to the process, not to a thread. */
  readonly pending = new PendingQueue();
  /** Wakes when a signal becomes pending (signalfd, rt_sigtimedwait). */
  readonly signalArrival = new WaitQueue();
  /** Wakes when a child changes its state; and when a thread ends. */
  readonly childChanged = new WaitQueue();
  readonly childWait = new Wait([this.childChanged]);
  readonly threadEnded = new WaitQueue();
  /** The signal that the parent gets at the end; 0 for none. */
  exitSignal = SIGCHLD;
  /** Wait status; decided when the process starts to end. */
  exitStatus = 0;
  /** exit_group(2), a fatal signal: all threads end. */
  isExiting = false;
  /** execve(2) by one thread: the others end, the process stays. */
  execTask: Task | undefined;
  isZombie = false;
  /** Reaped: no longer in the process table. */
  isGone = false;
  /** Stopped by a job-control signal. */
  isStopped = false;
  stopSignal = 0;
  /** A change that the parent hasn't waited for: stopped or continued. */
  stopReport: 'stopped' | 'continued' | undefined;
  hasExecuted = false;
  isSubreaper = false;
  /** PR_SET_DUMPABLE */
  dumpable = 1;
  nice = 0;
  personality = 0;
  executable: Path | undefined;
  readonly startTime: number;
  /** Of threads that ended, and of children that were waited for. */
  readonly usage = new Usage();
  readonly childUsage = new Usage();
  readBytes = 0;
  writtenBytes = 0;
  readonly timers: PosixTimers;

  constructor(machine: Machine, pid: number, parent: Process | undefined, limits: Limits, timers: PosixTimers) {
    this.machine = machine;
    this.pid = pid;
    this.parent = parent;
    this.limits = limits;
    this.timers = timers;
    this.processGroup = parent?.processGroup ?? pid;
    this.session = parent?.session ?? pid;
    this.terminal = parent?.terminal;
    this.nice = parent?.nice ?? 0;
    this.personality = parent?.personality ?? 0;
    this.startTime = machine.timers.now();
    parent?.children.add(this);
  }

  /** A live thread, the leader if it is alive. */
  get task(): Task | undefined {
    if (this.leader !== undefined && this.tasks.has(this.leader)) return this.leader;
    for (const task of this.tasks) return task;
    return undefined;
  }

  get name(): ByteString {
    return this.leader?.name ?? 'init';
  }

  /** User and system time of all threads, live and ended, in nanoseconds. */
  totalUsage(): Usage {
    const total = new Usage();
    total.add(this.usage);
    for (const task of this.tasks) total.add(task.usage);
    return total;
  }

  /** The process was killed: nothing it does matters any more. */
  get isDying(): boolean {
    return this.isExiting || this.pending.set.has(SIGKILL);
  }
}
