/** setitimer(2), alarm(2), timer_create(2). */
import { Errno } from '../abi/errno.ts';
import * as Signal from '../abi/signal.ts';
import { Itimerspec, Itimerval, Sigevent } from '../abi/structs.ts';
import * as Time from '../abi/time.ts';
import { kernelSignal, sendToProcess, sendToTask } from '../task/signalSending.ts';
import type { SignalInfo } from '../task/signals.ts';
import type { Task } from '../task/task.ts';
import { isIntervalTimer, type PosixTimer, type TimerSetting } from '../time/posixTimers.ts';
import type { Result } from './common.ts';

/** KTIME_SEC_MAX: longer times are cut to it. */
const longestTime = 9_223_372_036;

function readItimerval(task: Task, address: number): TimerSetting | number {
  const { wordSize } = task.user;
  const view = task.user.struct(address, Itimerval.size(wordSize));
  if (view === undefined) return -Errno.EFAULT;
  const get = (field: 'interval_sec' | 'interval_usec' | 'value_sec' | 'value_usec'): number => Itimerval.get(view, field, wordSize);
  for (const [whole, fraction] of [[get('interval_sec'), get('interval_usec')], [get('value_sec'), get('value_usec')]] as const) {
    if (whole < 0 || fraction < 0 || fraction >= 1e6) return -Errno.EINVAL;
  }
  const seconds = (field: 'interval_sec' | 'value_sec'): number => Math.min(get(field), longestTime);
  return { interval: seconds('interval_sec') * 1e9 + get('interval_usec') * 1e3, value: seconds('value_sec') * 1e9 + get('value_usec') * 1e3 };
}

function putItimerval(task: Task, address: number, { interval, value }: TimerSetting): number {
  const { wordSize } = task.user;
  const view = new DataView(new ArrayBuffer(Itimerval.size(wordSize)));
  Itimerval.fill(view, {
    interval_sec: Math.floor(interval / 1e9), interval_usec: Math.floor((interval % 1e9) / 1e3),
    value_sec: Math.floor(value / 1e9), value_usec: Math.floor((value % 1e9) / 1e3),
  }, wordSize);
  return task.user.writeBytes(address, new Uint8Array(view.buffer)) ? 0 : -Errno.EFAULT;
}

function cpuTime(task: Task, which: number): number {
  const usage = task.process.totalUsage();
  return usage.user + task.machine.scheduler.currentTurn + (which === Time.ITIMER_PROF ? usage.system : 0);
}

function set(task: Task, which: number, setting: TimerSetting): TimerSetting {
  const { process } = task;
  if (which !== Time.ITIMER_REAL) return process.timers.setCpu(which, setting, cpuTime(task, which));
  return process.timers.setReal(setting, () => sendToProcess(process, kernelSignal(Signal.SIGALRM)));
}

export function setitimer(task: Task, which: number, fresh: number, old: number): Result {
  const setting = fresh === 0 ? { interval: 0, value: 0 } : readItimerval(task, fresh);
  if (typeof setting === 'number') return setting;
  if (!isIntervalTimer(which)) return -Errno.EINVAL;
  if (old !== 0 && !task.user.ensure(old, Itimerval.size(task.user.wordSize), true)) return -Errno.EFAULT;
  const before = set(task, which, setting);
  return old === 0 ? 0 : putItimerval(task, old, before);
}

export function getitimer(task: Task, which: number, out: number): Result {
  if (!isIntervalTimer(which)) return -Errno.EINVAL;
  const { timers } = task.process;
  return putItimerval(task, out, which === Time.ITIMER_REAL ? timers.real : timers.cpu(which, cpuTime(task, which)));
}

/** alarm(2): the seconds that were left, at least 1 when one was armed. */
export function alarm(task: Task, seconds: number): Result {
  const { value } = set(task, Time.ITIMER_REAL, { interval: 0, value: seconds * 1e9 });
  return value === 0 ? 0 : Math.max(1, Math.round(value / 1e9));
}

// ---------------------------------------------------------------- timer_create

const clocks: readonly number[] = [
  Time.CLOCK_REALTIME, Time.CLOCK_MONOTONIC, Time.CLOCK_BOOTTIME, Time.CLOCK_REALTIME_ALARM, Time.CLOCK_BOOTTIME_ALARM, Time.CLOCK_TAI,
];

/** timer_create(2): clocks that count CPU time are refused (-ENOTSUP). */
export function timer_create(task: Task, clock: number, event: number, out: number): Result {
  if (clock === Time.CLOCK_PROCESS_CPUTIME_ID || clock === Time.CLOCK_THREAD_CPUTIME_ID || clock < 0) return -Errno.EOPNOTSUPP;
  if (!clocks.includes(clock)) return -Errno.EINVAL;
  if (!task.user.ensure(out, 4, true)) return -Errno.EFAULT;
  const { wordSize } = task.user;
  const view = event === 0 ? undefined : task.user.struct(event, Sigevent.size(wordSize));
  if (event !== 0 && view === undefined) return -Errno.EFAULT;
  const notify = view ? Sigevent.get(view, 'notify', wordSize) : Signal.SIGEV_SIGNAL;
  const signal = view ? Sigevent.get(view, 'signo', wordSize) : Signal.SIGALRM;
  const [low, high] = view ? [view.getInt32(0, true), wordSize === 8 ? view.getInt32(4, true) : 0] : [undefined, 0];
  if (notify !== Signal.SIGEV_NONE && (signal < 1 || signal > Signal.NSIG)) return -Errno.EINVAL;
  if ((notify & ~Signal.SIGEV_THREAD_ID) > Signal.SIGEV_THREAD) return -Errno.EINVAL;
  let target: Task | undefined;
  if ((notify & Signal.SIGEV_THREAD_ID) !== 0) {
    target = task.machine.processes.task(view ? Sigevent.get(view, 'tid', wordSize) : 0);
    if (target?.process !== task.process) return -Errno.EINVAL;
  }
  const { process } = task;
  const timer = process.timers.create(clock, each => notify === Signal.SIGEV_NONE || expire(task, each, signal, target, low ?? each.id, high));
  if (typeof timer === 'number') return timer;
  task.user.writeU32(out, timer.id);
  return 0;
}

/** Sends a timer's signal; false while the last one is still pending (an overrun). */
function expire({ process }: Task, timer: PosixTimer, signal: number, target: Task | undefined, valueLow: number, valueHigh: number): boolean {
  const queue = target?.pending ?? process.pending;
  if (timer.isQueued && queue.set.has(signal)) return false;
  timer.isQueued = true;
  const base: SignalInfo = { signal, code: Signal.SI_TIMER, timerId: timer.id, valueLow, valueHigh };
  const info: SignalInfo = { ...base, finish: () => ({ ...base, overrun: timer.takeOverrun() }) };
  if (target) sendToTask(target, info);
  else sendToProcess(process, info);
  return true;
}

export function timer_settime(task: Task, id: number, flags: number, fresh: number, old: number): Result {
  const { wordSize } = task.user;
  const view = task.user.struct(fresh, Itimerspec.size(wordSize));
  if (view === undefined) return -Errno.EFAULT;
  const get = (field: 'interval_sec' | 'interval_nsec' | 'value_sec' | 'value_nsec'): number => Itimerspec.get(view, field, wordSize);
  for (const [whole, fraction] of [[get('interval_sec'), get('interval_nsec')], [get('value_sec'), get('value_nsec')]] as const) {
    if (whole < 0 || fraction < 0 || fraction >= 1e9) return -Errno.EINVAL;
  }
  const timer = task.process.timers.get(id);
  if (timer === undefined) return -Errno.EINVAL;
  if (old !== 0 && putItimerspec(task, old, timer.setting) < 0) return -Errno.EFAULT;
  const { timers } = task.machine;
  const [seconds, nanoseconds] = [get('value_sec'), get('value_nsec')];
  let deadline = Infinity;
  if (seconds !== 0 || nanoseconds !== 0) {
    deadline = flags & Time.TIMER_ABSTIME ? timers.toMonotonic(timer.clockId, seconds, nanoseconds) : timers.now() + seconds * 1e9 + nanoseconds;
  }
  timer.set(deadline, get('interval_sec') * 1e9 + get('interval_nsec'));
  return 0;
}

function putItimerspec(task: Task, address: number, { interval, value }: TimerSetting): number {
  const { wordSize } = task.user;
  const view = new DataView(new ArrayBuffer(Itimerspec.size(wordSize)));
  Itimerspec.fill(view, {
    interval_sec: Math.floor(interval / 1e9), interval_nsec: Math.floor(interval % 1e9), value_sec: Math.floor(value / 1e9), value_nsec: Math.floor(value % 1e9),
  }, wordSize);
  return task.user.writeBytes(address, new Uint8Array(view.buffer)) ? 0 : -Errno.EFAULT;
}

export function timer_gettime(task: Task, id: number, out: number): Result {
  const timer = task.process.timers.get(id);
  return timer === undefined ? -Errno.EINVAL : putItimerspec(task, out, timer.setting);
}

export function timer_getoverrun(task: Task, id: number): Result {
  return task.process.timers.get(id)?.deliveredOverrun ?? -Errno.EINVAL;
}

export function timer_delete(task: Task, id: number): Result {
  return task.process.timers.delete(id) ? 0 : -Errno.EINVAL;
}
