/** epoll(7)'s calls. */
import { EPOLL_CTL_DEL } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { O_CLOEXEC } from '../abi/fcntl.ts';
import { Wait, Wake, type Io } from '../../lib/wait.ts';
import { EpollFile } from '../ipc/epoll.ts';
import type { Task } from '../task/task.ts';
import { install, noRestart, type Result } from './common.ts';
import { readTimeout, useMask } from './timeouts.ts';

/** struct epoll_event is packed: events, then the 64-bit data. */
const eventSize = 12;
const maximumEvents = Math.floor(0x7fffffff / eventSize);

export function epoll_create(task: Task, size: number): Result {
  return size <= 0 ? -Errno.EINVAL : epoll_create1(task, 0);
}

export function epoll_create1(task: Task, flags: number): Result {
  if (flags & ~O_CLOEXEC) return -Errno.EINVAL;
  return install(task, new EpollFile(task.machine.files.anonymous.named(task.credentials, '[eventpoll]')), (flags & O_CLOEXEC) !== 0);
}

export function epoll_ctl(task: Task, epfd: number, operation: number, fd: number, event: number): Result {
  let [events, low, high] = [0, 0, 0];
  if (operation !== EPOLL_CTL_DEL) {
    const view = task.user.struct(event, eventSize);
    if (!view) return -Errno.EFAULT;
    [events, low, high] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)];
  }
  const set = task.files.get(epfd);
  const file = task.files.get(fd);
  if (!set || !file) return -Errno.EBADF;
  return set instanceof EpollFile ? set.control(operation, fd, file, events, low, high) : -Errno.EINVAL;
}

export function epoll_wait(task: Task, epfd: number, out: number, maximum: number, timeout: number): Result {
  return waitFor(task, epfd, out, maximum, timeout < 0 ? Infinity : timeout === 0 ? 0 : task.machine.files.timers.now() + timeout * 1e6);
}

export function epoll_pwait(task: Task, epfd: number, out: number, maximum: number, timeout: number, mask: number, maskSize: number): Result {
  const masked = useMask(task, mask, maskSize);
  return masked < 0 ? masked : epoll_wait(task, epfd, out, maximum, timeout);
}

export function epoll_pwait2(task: Task, epfd: number, out: number, maximum: number, timeout: number, mask: number, maskSize: number): Result {
  const deadline = readTimeout(task, timeout);
  if (deadline < 0) return deadline;
  const masked = useMask(task, mask, maskSize);
  return masked < 0 ? masked : waitFor(task, epfd, out, maximum, deadline);
}

function waitFor(task: Task, epfd: number, out: number, maximum: number, deadline: number): Result {
  if (maximum <= 0 || maximum > maximumEvents) return -Errno.EINVAL;
  const set = task.files.get(epfd);
  if (!set) return -Errno.EBADF;
  if (!(set instanceof EpollFile)) return -Errno.EINVAL;
  const count = collect(task, set, out, maximum);
  return count !== 0 || deadline === 0 ? count : sleepFor(task, set, out, maximum, deadline);
}

function collect(task: Task, set: EpollFile, out: number, maximum: number): number {
  const { user: memory } = task;
  let at = out;
  return set.collect(maximum, (events, low, high) => {
    if (!memory.ensure(at, eventSize, true)) return false;
    memory.writeU32(at, events >>> 0);
    memory.writeU32(at + 4, low);
    memory.writeU32(at + 8, high);
    at += eventSize;
    return true;
  });
}

function* sleepFor(task: Task, set: EpollFile, out: number, maximum: number, deadline: number): Io<number> {
  const wait = deadline === Infinity ? set.wait : new Wait(set.wait.queues, { deadline });
  for (;;) {
    const wake = yield wait;
    const count = collect(task, set, out, maximum);
    if (count !== 0 || wake === Wake.timeout) return count;
    if (wake === Wake.interrupted) return noRestart;
  }
}
