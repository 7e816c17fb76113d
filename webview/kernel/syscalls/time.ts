/** Clocks and sleeping: clock_gettime(2), nanosleep(2), gettimeofday(2), times(2). */
import { Errno } from '../abi/errno.ts';
import { CAP_SYS_TIME } from '../abi/prctl.ts';
import { Timespec, Timeval, Tms } from '../abi/structs.ts';
import * as Time from '../abi/time.ts';
import type { Usage } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import { Wait, Wake, type Io } from '../../lib/wait.ts';
import { noRestart, type Result } from './common.ts';

/** Writes struct timespec. */
function putTimespec(task: Task, address: number, seconds: number, nanoseconds: number): number {
  const { user } = task;
  const { wordSize } = user;
  return user.writeWord(address, seconds) && user.writeWord(address + wordSize, nanoseconds) ? 0 : -Errno.EFAULT;
}

function putNanoseconds(task: Task, address: number, nanoseconds: number): number {
  const seconds = Math.floor(nanoseconds / 1e9);
  return putTimespec(task, address, seconds, Math.floor(nanoseconds - seconds * 1e9));
}

/** CPU time of a process up to now, with the current turn; in nanoseconds. */
function used(usage: Usage): number {
  return usage.user + usage.system;
}

/** CPU clocks of others are coded as ~pid << 3 | kind (clock_getcpuclockid(3)). */
function cpuClock(task: Task, clock: number): number | undefined {
  if (clock === Time.CLOCK_PROCESS_CPUTIME_ID) return used(task.process.totalUsage()) + task.machine.scheduler.currentTurn;
  if (clock === Time.CLOCK_THREAD_CPUTIME_ID) return used(task.usage) + task.machine.scheduler.currentTurn;
  if (clock >= 0) return undefined;
  const pid = ~(clock >> 3);
  const isThread = (clock & 4) !== 0;
  if (isThread) {
    const thread = pid === 0 ? task : task.machine.processes.task(pid);
    return thread?.process === task.process ? used(thread.usage) : undefined;
  }
  const process = pid === 0 ? task.process : task.machine.processes.get(pid);
  return process && used(process.totalUsage());
}

export function clock_gettime(task: Task, clock: number, address: number): Result {
  const { timers } = task.machine;
  switch (clock) {
    case Time.CLOCK_MONOTONIC:
    case Time.CLOCK_BOOTTIME:
    case Time.CLOCK_MONOTONIC_RAW:
    case Time.CLOCK_MONOTONIC_COARSE:
    case Time.CLOCK_BOOTTIME_ALARM:
      return putNanoseconds(task, address, timers.now());
    case Time.CLOCK_REALTIME:
    case Time.CLOCK_REALTIME_COARSE:
    case Time.CLOCK_REALTIME_ALARM:
    case Time.CLOCK_TAI: {
      const { seconds, nanoseconds } = timers.wall();
      return putTimespec(task, address, seconds, nanoseconds);
    }
    default: {
      const time = cpuClock(task, clock);
      return time === undefined ? -Errno.EINVAL : putNanoseconds(task, address, time);
    }
  }
}

export function clock_getres(task: Task, clock: number, address: number): Result {
  if (clock < 0 ? cpuClock(task, clock) === undefined : clock > Time.CLOCK_TAI || clock === 10) return -Errno.EINVAL;
  const isCoarse = clock === Time.CLOCK_REALTIME_COARSE || clock === Time.CLOCK_MONOTONIC_COARSE;
  return address === 0 ? 0 : putTimespec(task, address, 0, isCoarse ? 4_000_000 : 1);
}

/** TIME_SETTOD_SEC_MAX: the clock must not overflow 64 bits of nanoseconds within 30 years. */
const latestTime = 8_277_292_036;

export function clock_settime(task: Task, clock: number, address: number): Result {
  const time = readTimespec(task, address);
  if (typeof time === 'number') return time;
  if (clock !== Time.CLOCK_REALTIME || time.seconds > latestTime) return -Errno.EINVAL;
  if (!task.credentials.has(CAP_SYS_TIME)) return -Errno.EPERM;
  task.machine.timers.setWall(time.seconds, time.nanoseconds);
  return 0;
}

function readTimespec(task: Task, address: number): { seconds: number; nanoseconds: number } | number {
  const { wordSize } = task.user;
  const view = task.user.struct(address, Timespec.size(wordSize));
  if (view === undefined) return -Errno.EFAULT;
  const seconds = Timespec.get(view, 'tv_sec', wordSize);
  const nanoseconds = Timespec.get(view, 'tv_nsec', wordSize);
  return seconds < 0 || nanoseconds < 0 || nanoseconds >= 1e9 ? -Errno.EINVAL : { seconds, nanoseconds };
}

export function gettimeofday(task: Task, address: number, zone: number): Result {
  const { seconds, nanoseconds } = task.machine.timers.wall();
  if (address !== 0 && putTimespec(task, address, seconds, Math.floor(nanoseconds / 1000)) < 0) return -Errno.EFAULT;
  // struct timezone: UTC.
  return zone === 0 || task.user.writeU64(zone, 0) ? 0 : -Errno.EFAULT;
}

export function settimeofday(task: Task, address: number): Result {
  if (address === 0) return 0;
  const { wordSize } = task.user;
  const view = task.user.struct(address, Timeval.size(wordSize));
  if (view === undefined) return -Errno.EFAULT;
  const seconds = Timeval.get(view, 'tv_sec', wordSize);
  const microseconds = Timeval.get(view, 'tv_usec', wordSize);
  if (seconds < 0 || microseconds < 0 || microseconds >= 1e6 || seconds > latestTime) return -Errno.EINVAL;
  if (!task.credentials.has(CAP_SYS_TIME)) return -Errno.EPERM;
  task.machine.timers.setWall(seconds, microseconds * 1000);
  return 0;
}

export function time(task: Task, address: number): Result {
  const { seconds } = task.machine.timers.wall();
  return address === 0 || task.user.writeWord(address, seconds) ? seconds : -Errno.EFAULT;
}

export function times(task: Task, address: number): Result {
  const ticks = (nanoseconds: number): number => Math.floor(nanoseconds / (1e9 / Time.USER_HZ));
  if (address !== 0) {
    const { wordSize } = task.user;
    const own = task.process.totalUsage();
    const children = task.process.childUsage;
    const view = new DataView(new ArrayBuffer(Tms.size(wordSize)));
    Tms.fill(view, {
      tms_utime: ticks(own.user + task.machine.scheduler.currentTurn), tms_stime: ticks(own.system), tms_cutime: ticks(children.user), tms_cstime: ticks(children.system),
    }, wordSize);
    if (!task.user.writeBytes(address, new Uint8Array(view.buffer))) return -Errno.EFAULT;
  }
  return ticks(task.machine.timers.now());
}

/** The clock can't be set by this: reading it answers "synchronised" with zeros. */
export function adjtimex(task: Task, address: number): Result {
  const modes = task.user.readU32(address);
  if (modes === undefined) return -Errno.EFAULT;
  if (modes !== 0 && !task.credentials.has(CAP_SYS_TIME)) return -Errno.EPERM;
  return task.user.clear(address, 208) === 208 ? 0 : -Errno.EFAULT;
}

export function clock_adjtime(task: Task, clock: number, address: number): Result {
  return clock === Time.CLOCK_REALTIME ? adjtimex(task, address) : -Errno.EOPNOTSUPP;
}

// ---------------------------------------------------------------- sleeping

export function nanosleep(task: Task, request: number, remaining: number): Result {
  return clock_nanosleep(task, Time.CLOCK_MONOTONIC, 0, request, remaining);
}

export function clock_nanosleep(task: Task, clock: number, flags: number, request: number, remaining: number): Result {
  if (clock === Time.CLOCK_THREAD_CPUTIME_ID || clock > Time.CLOCK_TAI || (clock < 0 && cpuClock(task, clock) === undefined)) return -Errno.EINVAL;
  const time = readTimespec(task, request);
  if (typeof time === 'number') return time;
  const { timers } = task.machine;
  if (flags & Time.TIMER_ABSTIME) return sleepUntil(task, timers.toMonotonic(clock, time.seconds, time.nanoseconds), 0);
  if (time.seconds === 0 && time.nanoseconds === 0) return 0;
  return sleepUntil(task, timers.now() + time.seconds * 1e9 + time.nanoseconds, remaining);
}

function* sleepUntil(task: Task, deadline: number, remaining: number): Io<number> {
  const { timers } = task.machine;
  const wait = new Wait([], { deadline });
  while (timers.now() < deadline) {
    if ((yield wait) !== Wake.interrupted) continue;
    if (remaining !== 0 && putNanoseconds(task, remaining, Math.max(0, deadline - timers.now())) < 0) return -Errno.EFAULT;
    return noRestart;
  }
  return 0;
}
