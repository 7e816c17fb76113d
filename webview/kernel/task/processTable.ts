/** All processes and threads of a machine by number, process groups and sessions; what terminals ask of them. */
import { Errno } from '../abi/errno.ts';
import type { Limits } from '../mm/limits.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { JobControl, TerminalProcess } from '../tty/jobControl.ts';
import { PosixTimers } from '../time/posixTimers.ts';
import type { Machine } from './machine.ts';
import { Process } from './process.ts';
import { kernelSignal, sendToProcess } from './signalSending.ts';
import { Task } from './task.ts';

/** kernel.pid_max: numbers go round below it. */
const pidMaximum = 32768;
/** Numbers below are not given out again after the first round. */
const reservedPids = 300;

export class ProcessTable implements JobControl {
  readonly #machine: Machine;
  readonly #processes = new Map<number, Process>();
  readonly #tasks = new Map<number, Task>();
  /** Members of process groups. */
  readonly #groups = new Map<number, Set<Process>>();
  #lastPid = 0;
  /** Most processes and threads together. */
  readonly maximum: number;
  created = 0;
  /** The kernel's own init: parent of what the host starts and of orphans; it reaps by itself. */
  readonly init: Process;

  constructor(machine: Machine, maximum: number, limits: Limits) {
    this.#machine = machine;
    this.maximum = maximum;
    this.init = this.create(undefined, limits) as Process;
  }

  get lastPid(): number {
    return this.#lastPid;
  }

  get taskCount(): number {
    return this.#tasks.size;
  }

  get pids(): Iterable<number> {
    return this.#processes.keys();
  }

  get processes(): Iterable<Process> {
    return this.#processes.values();
  }

  get(pid: number): Process | undefined {
    return this.#processes.get(pid);
  }

  get tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  task(tid: number): Task | undefined {
    return this.#tasks.get(tid);
  }

  group(processGroup: number): Iterable<Process> {
    return this.#groups.get(processGroup) ?? [];
  }

  hasGroup(processGroup: number): boolean {
    return this.#groups.has(processGroup);
  }

  /** A free number, or -EAGAIN. */
  allocatePid(): number {
    if (this.#tasks.size >= this.maximum) return -Errno.EAGAIN;
    for (let tries = 0; tries < pidMaximum; tries++) {
      this.#lastPid = this.#lastPid + 1 >= pidMaximum ? reservedPids : this.#lastPid + 1;
      const pid = this.#lastPid;
      if (!this.#processes.has(pid) && !this.#tasks.has(pid) && !this.#groups.has(pid)) return pid;
    }
    return -Errno.EAGAIN;
  }

  /** A process without threads, entered under a new number; -EAGAIN. */
  create(parent: Process | undefined, limits: Limits): Process | number {
    const pid = this.allocatePid();
    if (pid < 0) return pid;
    const process = new Process(this.#machine, pid, parent, limits, new PosixTimers(this.#machine.timers));
    this.#processes.set(pid, process);
    this.#enterGroup(process);
    this.created++;
    return process;
  }

  addTask(task: Task): void {
    this.#tasks.set(task.tid, task);
    task.process.tasks.add(task);
  }

  /** execve(2) by a thread that isn't the leader: it takes the leader's place and number. */
  renumber(task: Task): void {
    const { process } = task;
    if (process.leader === task) return;
    this.#tasks.delete(task.tid);
    task.tid = process.pid;
    process.leader = task;
    this.#tasks.set(task.tid, task);
  }

  removeTask(task: Task): void {
    this.#tasks.delete(task.tid);
    task.process.tasks.delete(task);
  }

  /** Takes a process that was waited for out of the table. */
  remove(process: Process): void {
    if (process.isGone) return;
    process.isGone = true;
    this.#processes.delete(process.pid);
    this.#leaveGroup(process);
    process.parent?.children.delete(process);
  }

  /** setpgid(2), setsid(2). */
  move(process: Process, processGroup: number, session: number): void {
    this.#leaveGroup(process);
    process.processGroup = processGroup;
    process.session = session;
    this.#enterGroup(process);
  }

  #enterGroup(process: Process): void {
    const group = this.#groups.get(process.processGroup);
    if (group) group.add(process);
    else this.#groups.set(process.processGroup, new Set([process]));
  }

  #leaveGroup(process: Process): void {
    const group = this.#groups.get(process.processGroup);
    if (group?.delete(process) && group.size === 0) this.#groups.delete(process.processGroup);
  }

  /** Live processes with the real uid (RLIMIT_NPROC counts their threads). */
  taskCountOf(uid: number): number {
    let count = 0;
    for (const task of this.#tasks.values()) if (task.credentials.realUid === uid) count++;
    return count;
  }

  /** The task that makes a file system call; undefined for the host. */
  taskOf(caller: Caller): Task | undefined {
    return caller instanceof Task ? caller : undefined;
  }

  // ---------------------------------------------------------------- JobControl
  get currentProcess(): TerminalProcess | undefined {
    return this.#machine.scheduler.current;
  }

  signalGroup(processGroup: number, signal: number): void {
    for (const process of [...this.group(processGroup)]) sendToProcess(process, kernelSignal(signal));
  }

  isOrphaned(processGroup: number, ignoring?: Process): boolean {
    for (const process of this.group(processGroup)) {
      const { parent } = process;
      if (process === ignoring || process.isZombie || parent === undefined || parent === this.init) continue;
      if (parent.processGroup !== processGroup && parent.session === process.session) return false;
    }
    return true;
  }

  /** Some process of the group is stopped. */
  hasStopped(processGroup: number): boolean {
    for (const process of this.group(processGroup)) if (process.isStopped) return true;
    return false;
  }

  sessionOf(processGroup: number): number | undefined {
    for (const process of this.group(processGroup)) return process.session;
    return undefined;
  }

  signalSessionLeader(session: number, signal: number): void {
    const leader = this.#processes.get(session);
    if (leader !== undefined && leader.session === session) sendToProcess(leader, kernelSignal(signal));
  }

  forgetTerminal(session: number): void {
    for (const process of this.#processes.values()) if (process.session === session) process.terminal = undefined;
  }

  now(): number {
    return this.#machine.timers.now();
  }
}
