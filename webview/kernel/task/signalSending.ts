/** Sending signals (signal(7)): who may, what is thrown away at once, who is woken, and stopping and continuing processes. */
import { Errno } from '../abi/errno.ts';
import { CAP_KILL } from '../abi/prctl.ts';
import * as Signal from '../abi/signal.ts';
import { POLLIN, POLLRDNORM } from '../abi/poll.ts';
import type { SignalInfo } from './signals.ts';
import type { Process } from './process.ts';
import type { Task } from './task.ts';
import { TaskState } from './taskState.ts';

const stopSignals = [Signal.SIGSTOP, Signal.SIGTSTP, Signal.SIGTTIN, Signal.SIGTTOU];

export function isStopSignal(signal: number): boolean {
  return stopSignals.includes(signal);
}

/** 0 or -EPERM: kill(2)'s rule. `signal` 0 only asks. */
export function maySignal(sender: Task, target: Process, signal: number): number {
  const from = sender.credentials;
  const to = target.task?.credentials;
  if (to === undefined || sender.process === target || from.has(CAP_KILL)) return 0;
  if (signal === Signal.SIGCONT && sender.session === target.session) return 0;
  const uids = [to.realUid, to.savedUid];
  return uids.includes(from.effectiveUid) || uids.includes(from.realUid) ? 0 : -Errno.EPERM;
}

/** Sends to a process: any of its threads may take it. */
export function sendToProcess(process: Process, info: SignalInfo): void {
  const task = process.task;
  if (task === undefined || process.isZombie || info.signal === 0) return;
  if (!prepare(process, task, info)) return;
  if (process.pending.add(info)) process.signalArrival.wake(POLLIN | POLLRDNORM);
  if (info.signal === Signal.SIGKILL) killAll(process);
  else notify(process, info.signal, undefined);
}

/** Sends to one thread (tgkill(2), faults). */
export function sendToTask(task: Task, info: SignalInfo): void {
  if (task.state === TaskState.dead || task.process.isZombie || info.signal === 0) return;
  if (info.signal === Signal.SIGKILL) {
    sendToProcess(task.process, info);
    return;
  }
  if (!prepare(task.process, task, info)) return;
  if (task.pending.add(info)) task.process.signalArrival.wake(POLLIN | POLLRDNORM);
  notify(task.process, info.signal, task);
}

/** A fault of the thread itself: it can neither be blocked nor ignored (force_sig_info). */
export function forceSignal(task: Task, info: SignalInfo): void {
  const { signal } = info;
  if (task.blocked.has(signal) || task.actions.get(signal).handler === Signal.SIG_IGN) {
    task.actions.reset(signal);
    task.blocked.delete(signal);
  }
  task.pending.add(info);
  task.signalsPending = true;
}

/** Effects that a signal has at once, blocked or not; false when it is thrown away. */
function prepare(process: Process, task: Task, info: SignalInfo): boolean {
  const { signal } = info;
  if (process.isExiting) return signal === Signal.SIGKILL;
  if (isStopSignal(signal)) {
    dropEverywhere(process, Signal.SIGCONT);
  } else if (signal === Signal.SIGCONT) {
    for (const stop of stopSignals) dropEverywhere(process, stop);
    resume(process, true);
  } else if (signal === Signal.SIGKILL) {
    resume(process, false);
  }
  if (task.blocked.has(signal)) return true;
  return !task.actions.ignores(signal);
}

function dropEverywhere(process: Process, signal: number): void {
  process.pending.drop(signal);
  for (const task of process.tasks) task.pending.drop(signal);
}

/** Wakes a thread that can take the signal. */
function notify(process: Process, signal: number, only: Task | undefined): void {
  const taker = only ?? chooseTask(process, signal);
  if (taker === undefined || taker.blocked.has(signal)) return;
  if (isStopSignal(signal) && (signal === Signal.SIGSTOP || taker.actions.get(signal).handler === Signal.SIG_DFL)) {
    // Stops where it is: a sleeper goes on sleeping when it continues, as if nothing had been.
    (only?.pending ?? process.pending).take(signal);
    if (signal === Signal.SIGSTOP || !process.machine.processes.isOrphaned(process.processGroup)) stop(process, signal);
    return;
  }
  if (signal === Signal.SIGCONT && taker.actions.get(signal).handler === Signal.SIG_DFL) {
    (only?.pending ?? process.pending).take(signal);
    return;
  }
  taker.signalsPending = true;
  process.machine.scheduler.interrupt(taker);
}

/** A thread that doesn't block it, the leader first, a sleeping one before one that is busy. */
function chooseTask(process: Process, signal: number): Task | undefined {
  const { leader } = process;
  if (leader !== undefined && process.tasks.has(leader) && !leader.blocked.has(signal) && !leader.isExiting) return leader;
  for (const task of process.tasks) if (!task.blocked.has(signal) && !task.isExiting) return task;
  return undefined;
}

/** SIGKILL: every thread wakes to find its end. */
function killAll(process: Process): void {
  for (const task of process.tasks) {
    task.signalsPending = true;
    if (task.state === TaskState.sleeping) process.machine.scheduler.interrupt(task);
    else process.machine.scheduler.enqueueUnlessCurrent(task);
  }
}

/** Stops all threads of a process by job control. */
export function stop(process: Process, signal: number): void {
  if (process.isStopped || process.isExiting) return;
  process.isStopped = true;
  process.stopSignal = signal;
  process.stopReport = 'stopped';
  reportToParent(process, Signal.CLD_STOPPED, signal);
}

/** Lets a stopped process run again. `report`: its parent may learn of it. */
export function resume(process: Process, report: boolean): void {
  if (!process.isStopped) return;
  process.isStopped = false;
  process.stopReport = undefined;
  for (const task of process.tasks) if (task.state === TaskState.runnable) process.machine.scheduler.enqueueUnlessCurrent(task);
  if (!report) return;
  process.stopReport = 'continued';
  reportToParent(process, Signal.CLD_CONTINUED, Signal.SIGCONT);
}

/** SIGCHLD for a stop or continuation, unless the parent has SA_NOCLDSTOP; and wakes its wait(2). */
function reportToParent(process: Process, code: number, status: number): void {
  const { parent } = process;
  if (parent === undefined) return;
  const action = parent.task?.actions.get(Signal.SIGCHLD);
  if (action !== undefined && action.handler !== Signal.SIG_IGN && (action.flags & Signal.SA_NOCLDSTOP) === 0) {
    sendToProcess(parent, childInfo(process, code, status));
  }
  parent.childChanged.wake();
}

/** siginfo of SIGCHLD about `process`. */
export function childInfo(process: Process, code: number, status: number): SignalInfo {
  const usage = process.totalUsage();
  return {
    signal: Signal.SIGCHLD, code, pid: process.pid, uid: process.leader?.credentials.realUid ?? 0, status,
    userTicks: Math.floor(usage.user / 1e7), systemTicks: Math.floor(usage.system / 1e7),
  };
}

/** siginfo of a signal that the kernel itself sends. */
export function kernelSignal(signal: number): SignalInfo {
  return { signal, code: Signal.SI_KERNEL };
}

/** siginfo of kill(2). */
export function userSignal(signal: number, sender: Task, code: number = Signal.SI_USER): SignalInfo {
  return { signal, code, pid: sender.process.pid, uid: sender.credentials.realUid };
}
