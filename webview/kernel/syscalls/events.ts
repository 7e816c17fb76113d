/** eventfd(2), timerfd_create(2), signalfd(2), inotify(7). */
import { EFD_SEMAPHORE, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, R_OK } from '../abi/fcntl.ts';
import { IN_DONT_FOLLOW, IN_ONLYDIR } from '../abi/inotify.ts';
import { SIGKILL, SIGSTOP } from '../abi/signal.ts';
import { Itimerspec } from '../abi/structs.ts';
import { CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM } from '../abi/time.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import { EventFile } from '../ipc/eventfd.ts';
import { InotifyFile } from '../ipc/inotify.ts';
import { SignalFile } from '../ipc/signalfd.ts';
import { TimerFile, type TimerSetting } from '../ipc/timerfd.ts';
import type { Task } from '../task/task.ts';
import { install, pathArgument, type Result } from './common.ts';

export function eventfd(task: Task, initial: number): Result {
  return eventfd2(task, initial, 0);
}

export function eventfd2(task: Task, initial: number, flags: number): Result {
  if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) return -Errno.EINVAL;
  return install(task, new EventFile(task.machine.files.anonymous.named(task.credentials, '[eventfd]'), initial >>> 0, flags), (flags & O_CLOEXEC) !== 0);
}

// ---------------------------------------------------------------- timerfd

const timerClocks: readonly number[] = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM];

export function timerfd_create(task: Task, clock: number, flags: number): Result {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK) || !timerClocks.includes(clock)) return -Errno.EINVAL;
  const file = new TimerFile(task.machine.files.anonymous.named(task.credentials, '[timerfd]'), clock, flags, task.machine.files.timers);
  return install(task, file, (flags & O_CLOEXEC) !== 0);
}

export function timerfd_settime(task: Task, fd: number, flags: number, setting: number, old: number): Result {
  if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) return -Errno.EINVAL;
  const { wordSize } = task.user;
  const view = task.user.struct(setting, Itimerspec.size(wordSize));
  if (!view) return -Errno.EFAULT;
  const [intervalSeconds, intervalNanoseconds, seconds, nanoseconds] = (['interval_sec', 'interval_nsec', 'value_sec', 'value_nsec'] as const)
    .map(field => Itimerspec.get(view, field, wordSize)) as [number, number, number, number];
  for (const [whole, fraction] of [[intervalSeconds, intervalNanoseconds], [seconds, nanoseconds]] as const) {
    if (whole < 0 || fraction < 0 || fraction >= 1e9) return -Errno.EINVAL;
  }
  const file = timerFile(task, fd);
  if (typeof file === 'number') return file;
  if (old !== 0 && !task.user.ensure(old, Itimerspec.size(wordSize), true)) return -Errno.EFAULT;
  const before = file.set(flags, seconds, nanoseconds, intervalSeconds * 1e9 + intervalNanoseconds);
  return old === 0 ? 0 : putSetting(task, old, before);
}

export function timerfd_gettime(task: Task, fd: number, out: number): Result {
  const file = timerFile(task, fd);
  return typeof file === 'number' ? file : putSetting(task, out, file.setting);
}

function timerFile(task: Task, fd: number): TimerFile | number {
  const file = task.files.get(fd);
  return !file ? -Errno.EBADF : file instanceof TimerFile ? file : -Errno.EINVAL;
}

function putSetting(task: Task, out: number, { interval, value }: TimerSetting): number {
  const { wordSize } = task.user;
  const bytes = new Uint8Array(Itimerspec.size(wordSize));
  Itimerspec.fill(new DataView(bytes.buffer), {
    interval_sec: Math.floor(interval / 1e9), interval_nsec: Math.floor(interval % 1e9), value_sec: Math.floor(value / 1e9), value_nsec: Math.floor(value % 1e9),
  }, wordSize);
  return task.user.writeBytes(out, bytes) ? 0 : -Errno.EFAULT;
}

// ---------------------------------------------------------------- signalfd

export function signalfd(task: Task, fd: number, mask: number, size: number): Result {
  return signalfd4(task, fd, mask, size, 0);
}

export function signalfd4(task: Task, fd: number, mask: number, size: number, flags: number): Result {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK) || size !== 8) return -Errno.EINVAL;
  const view = task.user.struct(mask, 8);
  if (!view) return -Errno.EFAULT;
  const low = (view.getUint32(0, true) & ~((1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1)))) >>> 0;
  const high = view.getUint32(4, true);
  if (fd === -1) {
    const file = new SignalFile(task.machine.files.anonymous.named(task.credentials, '[signalfd]'), low, high, flags, task.pendingSignals);
    return install(task, file, (flags & O_CLOEXEC) !== 0);
  }
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (!(file instanceof SignalFile)) return -Errno.EINVAL;
  file.setMask(low, high);
  return fd;
}

// ---------------------------------------------------------------- inotify

export function inotify_init(task: Task): Result {
  return inotify_init1(task, 0);
}

export function inotify_init1(task: Task, flags: number): Result {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -Errno.EINVAL;
  const file = new InotifyFile(task.machine.files.anonymous.named(task.credentials, 'inotify'), flags, task.machine.files.namespace);
  return install(task, file, (flags & O_CLOEXEC) !== 0);
}

export function inotify_add_watch(task: Task, fd: number, pathAddress: number, mask: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (!(file instanceof InotifyFile)) return -Errno.EINVAL;
  const path = pathArgument(task, pathAddress);
  return typeof path === 'number' ? path : addWatch(task, file, path, mask);
}

function* addWatch(task: Task, file: InotifyFile, path: ByteString, mask: number): Io<number> {
  const { namespace } = task.machine.files;
  const walk = (mask & IN_DONT_FOLLOW ? 0 : Walk.follow) | (mask & IN_ONLYDIR ? Walk.directory : 0);
  const place = yield* namespace.resolve(task, task.cwd, path, walk);
  if (typeof place === 'number') return place;
  const allowed = yield* namespace.checkAccess(task, place, R_OK);
  return allowed < 0 ? allowed : file.addWatch(place.dentry.inode!, mask);
}

export function inotify_rm_watch(task: Task, fd: number, descriptor: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  return file instanceof InotifyFile ? file.removeWatch(descriptor) : -Errno.EINVAL;
}
