/** Calls on signals: signal(7). */
import { Errno } from '../abi/errno.ts';
import * as Signal from '../abi/signal.ts';
import { RLIMIT_SIGPENDING } from '../abi/resource.ts';
import { Sigaction, StackT } from '../abi/structs.ts';
import { Reg } from '../cpu.ts';
import { isOnAlternateStack, returnFromSignal, setAlternateStack } from '../task/signalDelivery.ts';
import { forceSignal, kernelSignal, maySignal, sendToProcess, sendToTask, userSignal } from '../task/signalSending.ts';
import { SignalSet } from '../task/signalSet.ts';
import { writeSignalInfo, type Action, type SignalInfo } from '../task/signals.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import { Wait, Wake, type Io } from '../../lib/wait.ts';
import { noRestart, type Result } from './common.ts';
import { readTimeout } from './timeouts.ts';

/** sizeof(sigset_t) of the kernel. */
const maskSize = 8;

function isSignal(signal: number): boolean {
  return signal >= 1 && signal <= Signal.NSIG;
}

/** A mask in user memory as halves; undefined for -EFAULT. */
function readMask(task: Task, address: number): SignalSet | undefined {
  const low = task.user.readU32(address);
  const high = task.user.readU32(address + 4);
  return low === undefined || high === undefined ? undefined : new SignalSet(low, high);
}

function writeMask(task: Task, address: number, low: number, high: number): number {
  return task.user.ensure(address, maskSize, true) && task.user.writeU32(address, low) && task.user.writeU32(address + 4, high) ? 0 : -Errno.EFAULT;
}

export function rt_sigaction(task: Task, signal: number, fresh: number, old: number, size: number): Result {
  if (size !== maskSize) return -Errno.EINVAL;
  const { wordSize } = task.user;
  const view = fresh === 0 ? undefined : task.user.struct(fresh, Sigaction.size(wordSize));
  if (fresh !== 0 && view === undefined) return -Errno.EFAULT;
  if (!isSignal(signal) || (view && (signal === Signal.SIGKILL || signal === Signal.SIGSTOP))) return -Errno.EINVAL;
  const before = task.actions.get(signal);
  if (old !== 0) {
    const out = new DataView(new ArrayBuffer(Sigaction.size(wordSize)));
    const { handler, flags, restorer, mask } = before;
    Sigaction.fill(out, { handler, flags, restorer, mask_low: mask.low >>> 0, mask_high: mask.high >>> 0 }, wordSize);
    if (!task.user.writeBytes(old, new Uint8Array(out.buffer))) return -Errno.EFAULT;
  }
  if (view === undefined) return 0;
  const action: Action = {
    handler: Sigaction.get(view, 'handler', wordSize), flags: Sigaction.get(view, 'flags', wordSize) % 2 ** 32,
    restorer: Sigaction.get(view, 'restorer', wordSize),
    mask: new SignalSet(Sigaction.get(view, 'mask_low', wordSize), Sigaction.get(view, 'mask_high', wordSize)),
  };
  action.mask.delete(Signal.SIGKILL);
  action.mask.delete(Signal.SIGSTOP);
  task.actions.set(signal, action);
  // What is pending and now ignored is thrown away (POSIX).
  if (task.actions.ignores(signal)) {
    task.process.pending.drop(signal);
    for (const thread of task.process.tasks) thread.pending.drop(signal);
  }
  return 0;
}

export function rt_sigprocmask(task: Task, how: number, set: number, old: number, size: number): Result {
  if (size !== maskSize) return -Errno.EINVAL;
  const { low, high } = task.blocked;
  const change = set === 0 ? undefined : readMask(task, set);
  if (set !== 0) {
    if (change === undefined) return -Errno.EFAULT;
    if (how !== Signal.SIG_BLOCK && how !== Signal.SIG_UNBLOCK && how !== Signal.SIG_SETMASK) return -Errno.EINVAL;
  }
  if (old !== 0 && writeMask(task, old, low, high) < 0) return -Errno.EFAULT;
  if (change === undefined) return 0;
  if (how === Signal.SIG_BLOCK) task.setBlocked(low | change.low, high | change.high);
  else if (how === Signal.SIG_UNBLOCK) task.setBlocked(low & ~change.low, high & ~change.high);
  else task.setBlocked(change.low, change.high);
  return 0;
}

export function rt_sigpending(task: Task, address: number, size: number): Result {
  if (size > maskSize) return -Errno.EINVAL;
  const { blocked, pending: { set: own }, process: { pending: { set: shared } } } = task;
  return writeMask(task, address, (own.low | shared.low) & blocked.low, (own.high | shared.high) & blocked.high);
}

export function rt_sigreturn(task: Task): Result {
  if (returnFromSignal(task)) task.registersAreSet = true;
  else if (task.user.blocked !== undefined) return -Errno.EFAULT;
  else forceSignal(task, kernelSignal(Signal.SIGSEGV));
  return 0;
}

export function rt_sigsuspend(task: Task, mask: number, size: number): Result {
  if (size !== maskSize) return -Errno.EINVAL;
  const set = readMask(task, mask);
  if (set === undefined) return -Errno.EFAULT;
  task.useTemporaryMask(set.low, set.high);
  return sleepForever(task);
}

export function pause(task: Task): Result {
  return sleepForever(task);
}

function* sleepForever(task: Task): Io<number> {
  const wait = new Wait([]);
  while (!task.signalsPending) yield wait;
  return noRestart;
}

export function rt_sigtimedwait(task: Task, mask: number, info: number, timeout: number, size: number): Result {
  if (size !== maskSize) return -Errno.EINVAL;
  const set = readMask(task, mask);
  if (set === undefined) return -Errno.EFAULT;
  set.delete(Signal.SIGKILL);
  set.delete(Signal.SIGSTOP);
  const deadline = readTimeout(task, timeout);
  if (deadline < 0) return deadline;
  if (info !== 0 && !task.user.ensure(info, 128, true)) return -Errno.EFAULT;
  const taken = task.takeSignal(set.low, set.high);
  if (taken !== undefined) return reportSignal(task, taken, info);
  return deadline === 0 ? -Errno.EAGAIN : waitForSignal(task, set, info, deadline);
}

function* waitForSignal(task: Task, set: SignalSet, info: number, deadline: number): Io<number> {
  const wait = new Wait([task.process.signalArrival], { deadline });
  for (;;) {
    const wake = yield wait;
    const taken = task.takeSignal(set.low, set.high);
    if (taken !== undefined) return reportSignal(task, taken, info);
    if (wake === Wake.timeout) return -Errno.EAGAIN;
    if (wake === Wake.interrupted) return noRestart;
  }
}

function reportSignal(task: Task, taken: SignalInfo, address: number): number {
  if (address !== 0) {
    const view = new DataView(new ArrayBuffer(128));
    writeSignalInfo(taken, view);
    task.user.writeBytes(address, new Uint8Array(view.buffer));
  }
  return taken.signal;
}

// ---------------------------------------------------------------- sending

export function kill(task: Task, pid: number, signal: number): Result {
  if (signal < 0 || signal > Signal.NSIG) return -Errno.EINVAL;
  const info = userSignal(signal, task);
  const { processes } = task.machine;
  if (pid > 0) {
    const target = processes.get(pid) ?? processes.task(pid)?.process;
    return target === undefined ? -Errno.ESRCH : send(task, target, info);
  }
  if (pid === -0x80000000) return -Errno.ESRCH;
  const targets = pid === -1 ? [...processes.processes].filter(each => each !== processes.init && each !== task.process)
    : [...processes.group(pid === 0 ? task.process.processGroup : -pid)];
  if (targets.length === 0) return -Errno.ESRCH;
  let result: number = -Errno.EPERM;
  for (const target of targets) if (send(task, target, info) === 0) result = 0;
  return result;
}

/** 0 or -EPERM. */
function send(task: Task, target: Process, info: SignalInfo): number {
  const allowed = maySignal(task, target, info.signal);
  if (allowed === 0) sendToProcess(target, info);
  return allowed;
}

export function tkill(task: Task, tid: number, signal: number): Result {
  return tid <= 0 ? -Errno.EINVAL : toThread(task, undefined, tid, signal, userSignal(signal, task, Signal.SI_TKILL));
}

export function tgkill(task: Task, pid: number, tid: number, signal: number): Result {
  return tid <= 0 || pid <= 0 ? -Errno.EINVAL : toThread(task, pid, tid, signal, userSignal(signal, task, Signal.SI_TKILL));
}

function toThread(task: Task, pid: number | undefined, tid: number, signal: number, info: SignalInfo): number {
  if (signal < 0 || signal > Signal.NSIG) return -Errno.EINVAL;
  const target = task.machine.processes.task(tid);
  if (target === undefined || (pid !== undefined && target.process.pid !== pid)) return -Errno.ESRCH;
  const allowed = maySignal(task, target.process, signal);
  if (allowed === 0) sendToTask(target, info);
  return allowed;
}

/** siginfo as a program gives it: only the kernel and kill(2) may have codes from 0 up, except to oneself. */
function readInfo(task: Task, pid: number, signal: number, address: number): SignalInfo | number {
  const raw = task.user.bytes(address, 128);
  if (raw === undefined) return -Errno.EFAULT;
  const view = new DataView(raw.buffer);
  const code = view.getInt32(8, true);
  if ((code >= 0 || code === Signal.SI_TKILL) && pid !== task.process.pid) return -Errno.EPERM;
  return {
    signal, code, raw, pid: view.getInt32(16, true), uid: view.getInt32(20, true), valueLow: view.getInt32(24, true), valueHigh: view.getInt32(28, true),
  };
}

export function rt_sigqueueinfo(task: Task, pid: number, signal: number, address: number): Result {
  const info = readInfo(task, pid, signal, address);
  if (typeof info === 'number') return info;
  if (signal < 0 || signal > Signal.NSIG) return -Errno.EINVAL;
  const target = task.machine.processes.get(pid);
  if (target === undefined) return -Errno.ESRCH;
  if (target.pending.size >= target.limits.soft(RLIMIT_SIGPENDING)) return -Errno.EAGAIN;
  return send(task, target, info);
}

export function rt_tgsigqueueinfo(task: Task, pid: number, tid: number, signal: number, address: number): Result {
  if (pid <= 0 || tid <= 0) return -Errno.EINVAL;
  const info = readInfo(task, pid, signal, address);
  return typeof info === 'number' ? info : toThread(task, pid, tid, signal, info);
}

export function sigaltstack(task: Task, fresh: number, old: number): Result {
  const { user, thread } = task;
  const { wordSize } = user;
  const size = StackT.size(wordSize);
  const view = fresh === 0 ? undefined : user.struct(fresh, size);
  if (fresh !== 0 && view === undefined) return -Errno.EFAULT;
  const before = { ...task.alternateStack };
  const sp = thread.get(Reg.rsp);
  const isOn = isOnAlternateStack(task, sp);
  if (old !== 0 && !user.ensure(old, size, true)) return -Errno.EFAULT;
  if (view !== undefined) {
    const set = setAlternateStack(task, StackT.get(view, 'ss_sp', wordSize), StackT.get(view, 'ss_size', wordSize), StackT.get(view, 'ss_flags', wordSize), sp);
    if (set < 0) return set;
  }
  if (old === 0) return 0;
  const out = new DataView(new ArrayBuffer(size));
  StackT.fill(out, { ss_sp: before.address, ss_size: before.size, ss_flags: before.flags | (isOn ? Signal.SS_ONSTACK : 0) }, wordSize);
  return user.writeBytes(old, new Uint8Array(out.buffer)) ? 0 : -Errno.EFAULT;
}

/** Only the kernel asks for it, and ours makes interrupted calls again from their registers instead. */
export function restart_syscall(): Result {
  return -Errno.EINTR;
}
