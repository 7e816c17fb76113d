/** The end of threads and processes, and what parents and heirs learn of it. */
import { Errno } from '../abi/errno.ts';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, ROBUST_LIST_LIMIT } from '../abi/futex.ts';
import * as Signal from '../abi/signal.ts';
import { coreFlag } from '../abi/wait.ts';
import { Wait, type Io } from '../../lib/wait.ts';
import type { Process } from './process.ts';
import { childInfo, kernelSignal, resume, sendToProcess, sendToTask } from './signalSending.ts';
import type { Task } from './task.ts';
import { TaskState } from './taskState.ts';

/** exit_group(2) or a fatal signal: all threads of the process end with this wait status. */
export function exitGroup(process: Process, status: number): void {
  if (process.isExiting) return;
  process.isExiting = true;
  process.exitStatus = status;
  resume(process, false);
  for (const task of process.tasks) endSoon(task);
}

/** The thread ends when it comes to the border to its program; a sleep that may be interrupted ends now. */
function endSoon(task: Task): void {
  task.mustExit = true;
  task.signalsPending = true;
  if (task.state === TaskState.sleeping) task.machine.scheduler.interrupt(task);
  else task.machine.scheduler.enqueueUnlessCurrent(task);
}

/** Ends all threads but `task`, which becomes the leader (execve(2)). False when the process is ending itself. */
export function* endOtherThreads(task: Task): Io<boolean> {
  const { process } = task;
  if (process.isExiting || process.execTask !== undefined) return false;
  process.execTask = task;
  for (const other of process.tasks) if (other !== task) endSoon(other);
  const wait = new Wait([process.threadEnded], { interruptible: false });
  while (process.tasks.size > 1) yield wait;
  process.execTask = undefined;
  if (process.isExiting) return false;
  process.machine.processes.renumber(task);
  return true;
}

/** The task lets go of its address space: word at clear_child_tid, robust futexes, vfork's parent. */
export function releaseMemory(task: Task): void {
  releaseRobustFutexes(task);
  if (task.clearChildTid !== 0) {
    const { memory, machine, clearChildTid } = task;
    task.clearChildTid = 0;
    // Nobody looks when the memory goes with the last thread.
    if (memory.users > 1 && memory.user.writeU32(clearChildTid, 0)) {
      const shared = machine.futexes.key(memory, clearChildTid, true);
      if (shared !== undefined) machine.futexes.wake(shared, 1);
    }
  }
  task.memory.release();
  const done = task.vforkDone;
  task.vforkDone = undefined;
  done?.();
}

/** get_robust_list(2): futexes that the dead thread held are marked, and one who waits is woken. */
function releaseRobustFutexes(task: Task): void {
  const head = task.robustList;
  task.robustList = 0;
  if (head === 0) return;
  const { user } = task;
  const word = user.wordSize;
  const offset = word === 8 ? user.readS64(head + word) : user.readS32(head + word);
  const pendingEntry = user.readWord(head + 2 * word);
  if (offset === undefined || pendingEntry === undefined) return;
  const pending = pendingEntry - (pendingEntry % 2);
  let entry = user.readWord(head);
  for (let i = 0; entry !== undefined && entry !== head && i < ROBUST_LIST_LIMIT; i++) {
    const isPi = entry % 2 === 1;
    const at = entry - (isPi ? 1 : 0);
    const next = user.readWord(at);
    if (at !== pending) releaseRobustFutex(task, at + offset, isPi);
    entry = next;
  }
  if (pending !== 0) releaseRobustFutex(task, pending + offset, pendingEntry % 2 === 1);
}

function releaseRobustFutex(task: Task, address: number, isPi: boolean): void {
  const { user, memory, machine } = task;
  const value = user.readU32(address);
  if (value === undefined || (value & FUTEX_TID_MASK) !== task.tid) return;
  user.writeU32(address, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
  if (!isPi && (value & FUTEX_WAITERS) === 0) return;
  for (const shared of [false, true]) {
    const key = machine.futexes.key(memory, address, shared);
    if (key !== undefined && (machine.futexes.wake(key, 1) > 0 || !shared && !memory.find(address)?.shared)) return;
  }
}

/** Ends a thread; with the last one the process. `status` counts for a process that isn't ending as a whole. */
export function* endTask(task: Task, status: number): Io<void> {
  const { process, machine } = task;
  task.isExiting = true;
  if (process.tasks.size === 1 && !process.isExiting) {
    process.isExiting = true;
    process.exitStatus = status;
  }
  if (process.tasks.size === 1) process.timers.clear(true);
  process.usage.peakResident = Math.max(process.usage.peakResident, task.memory.users === 1 ? task.memory.resident : 0);
  releaseMemory(task);
  yield* task.files.release();
  task.fs.release();
  task.actions.release();
  task.state = TaskState.dead;
  machine.processes.removeTask(task);
  process.usage.add(task.usage);
  task.thread.free();
  for (const child of process.children) {
    const leader = child.leader;
    if (leader !== undefined && leader.parentDeathSignal !== 0 && process.tasks.size === 0) sendToTask(leader, kernelSignal(leader.parentDeathSignal));
  }
  process.threadEnded.wake();
  if (process.tasks.size === 0) endProcess(process);
}

function endProcess(process: Process): void {
  const { machine } = process;
  disownTerminal(process);
  const groups = orphanedGroups(process);
  const heir = findHeir(process);
  for (const child of [...process.children]) adopt(child, heir);
  process.isZombie = true;
  process.isStopped = false;
  for (const group of groups) {
    if (!machine.processes.isOrphaned(group) || !machine.processes.hasStopped(group)) continue;
    machine.processes.signalGroup(group, Signal.SIGHUP);
    machine.processes.signalGroup(group, Signal.SIGCONT);
  }
  tellParent(process);
}

/** Groups that may become orphaned by the end of `process`: its own and its children's. */
function orphanedGroups(process: Process): Set<number> {
  const groups = new Set<number>();
  const { processes } = process.machine;
  if (!processes.isOrphaned(process.processGroup)) groups.add(process.processGroup);
  for (const child of process.children) {
    if (child.processGroup !== process.processGroup && child.session === process.session && !processes.isOrphaned(child.processGroup)) groups.add(child.processGroup);
  }
  return groups;
}

/** A session leader takes its terminal along: the session is hung up. */
function disownTerminal(process: Process): void {
  const { terminal } = process;
  if (terminal === undefined || process.session !== process.pid) return;
  if (terminal.session === process.session) terminal.disown();
  process.terminal = undefined;
}

/** Who gets the orphans: the nearest subreaper, or init. */
function findHeir(process: Process): Process {
  for (let at = process.parent; at !== undefined; at = at.parent) if (at.isSubreaper && !at.isZombie && !at.isExiting) return at;
  return process.machine.processes.init;
}

function adopt(child: Process, heir: Process): void {
  child.parent?.children.delete(child);
  child.parent = heir;
  heir.children.add(child);
  child.exitSignal = Signal.SIGCHLD;
  if (child.isZombie) tellParent(child);
}

/** The parent learns of the end; one that doesn't want to know has its child reaped at once. */
function tellParent(process: Process): void {
  const { parent, machine } = process;
  if (parent === undefined || parent === machine.processes.init) {
    machine.exited(process, process.exitStatus);
    reap(process);
    return;
  }
  const action = parent.task?.actions.get(Signal.SIGCHLD);
  const ignores = process.exitSignal === Signal.SIGCHLD && action !== undefined
    && (action.handler === Signal.SIG_IGN || (action.flags & Signal.SA_NOCLDWAIT) !== 0);
  if (process.exitSignal !== 0 && !(ignores && action.handler === Signal.SIG_IGN)) {
    const { exitStatus } = process;
    const signal = exitStatus & 0x7f;
    const code = signal === 0 ? Signal.CLD_EXITED : (exitStatus & coreFlag) !== 0 ? Signal.CLD_DUMPED : Signal.CLD_KILLED;
    const info = childInfo(process, code, signal === 0 ? exitStatus >> 8 : signal);
    sendToProcess(parent, { ...info, signal: process.exitSignal });
  }
  if (ignores) reap(process);
  parent.childChanged.wake();
}

/** Takes a zombie out of the world; its times become its parent's children's. */
export function reap(process: Process): void {
  const { parent, machine } = process;
  if (parent !== undefined) {
    parent.childUsage.add(process.usage);
    parent.childUsage.add(process.childUsage);
  }
  machine.processes.remove(process);
}

/** Memory is out: the process that has most of it is killed. -ENOMEM when there is none. */
export function killLargest(machine: Task['machine']): Process | number {
  let largest: Process | undefined;
  let most = 0;
  for (const process of machine.processes.processes) {
    const { task } = process;
    if (task === undefined || process.isDying) continue;
    const pages = task.memory.resident;
    if (pages > most) [largest, most] = [process, pages];
  }
  if (largest === undefined) return -Errno.ENOMEM;
  machine.log(`Out of memory: killed process ${largest.pid} (${largest.name}), ${Math.round(most / 256)} MiB.`);
  sendToProcess(largest, kernelSignal(Signal.SIGKILL));
  return largest;
}
