/** Scheduling: one processor, one policy (SCHED_OTHER); what programs ask is answered, what they set is kept where it means something. */
import { Errno } from '../abi/errno.ts';
import { CAP_SYS_NICE } from '../abi/prctl.ts';
import type { Task } from '../task/task.ts';
import { Wait, type Io } from '../../lib/wait.ts';
import type { Result } from './common.ts';

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;
const SCHED_RESET_ON_FORK = 0x40000000;

/** Lets the other runnable tasks go first. */
export function sched_yield(task: Task): Result {
  return task.machine.scheduler.runnable === 0 ? 0 : giveWay(task);
}

function* giveWay(task: Task): Io<number> {
  // A deadline that has passed: the next look at the timers wakes it, behind those that wait now.
  yield new Wait([], { deadline: task.machine.timers.now(), interruptible: false });
  return 0;
}

function find(task: Task, pid: number): Task | undefined {
  return pid === 0 ? task : task.machine.processes.task(pid);
}

export function sched_setaffinity(task: Task, pid: number, size: number, mask: number): Result {
  if (find(task, pid) === undefined) return -Errno.ESRCH;
  if (size === 0) return -Errno.EINVAL;
  const first = task.user.readU8(mask);
  if (first === undefined) return -Errno.EFAULT;
  return (first & 1) === 0 ? -Errno.EINVAL : 0;
}

/** sched_getaffinity(2): the raw call answers the size of the mask that it wrote. */
export function sched_getaffinity(task: Task, pid: number, size: number, mask: number): Result {
  if (find(task, pid) === undefined) return -Errno.ESRCH;
  if (size < 8 || size % 8 !== 0) return -Errno.EINVAL;
  return task.user.writeU64(mask, 1) ? 8 : -Errno.EFAULT;
}

export function getcpu(task: Task, cpu: number, node: number): Result {
  if (cpu !== 0 && !task.user.writeU32(cpu, 0)) return -Errno.EFAULT;
  return node === 0 || task.user.writeU32(node, 0) ? 0 : -Errno.EFAULT;
}

export function sched_getscheduler(task: Task, pid: number): Result {
  if (pid < 0) return -Errno.EINVAL;
  return find(task, pid) === undefined ? -Errno.ESRCH : SCHED_OTHER;
}

export function sched_setscheduler(task: Task, pid: number, policy: number, parameters: number): Result {
  const priority = task.user.readS32(parameters);
  if (priority === undefined) return -Errno.EFAULT;
  if (pid < 0) return -Errno.EINVAL;
  if (find(task, pid) === undefined) return -Errno.ESRCH;
  const kind = policy & ~SCHED_RESET_ON_FORK;
  const isRealTime = kind === SCHED_FIFO || kind === SCHED_RR;
  if (!isRealTime && kind !== SCHED_OTHER && kind !== SCHED_BATCH && kind !== SCHED_IDLE) return -Errno.EINVAL;
  if (isRealTime ? priority < 1 || priority > 99 : priority !== 0) return -Errno.EINVAL;
  // Real-time policies would starve the rest of a machine with one processor and are not offered.
  return isRealTime ? -Errno.EPERM : 0;
}

export function sched_getparam(task: Task, pid: number, parameters: number): Result {
  if (pid < 0) return -Errno.EINVAL;
  if (find(task, pid) === undefined) return -Errno.ESRCH;
  return task.user.writeU32(parameters, 0) ? 0 : -Errno.EFAULT;
}

export function sched_setparam(task: Task, pid: number, parameters: number): Result {
  return sched_setscheduler(task, pid, SCHED_OTHER, parameters);
}

export function sched_get_priority_max(_task: Task, policy: number): Result {
  return policy === SCHED_FIFO || policy === SCHED_RR ? 99 : policy >= 0 && policy <= 6 && policy !== 4 ? 0 : -Errno.EINVAL;
}

export function sched_get_priority_min(_task: Task, policy: number): Result {
  return policy === SCHED_FIFO || policy === SCHED_RR ? 1 : policy >= 0 && policy <= 6 && policy !== 4 ? 0 : -Errno.EINVAL;
}

export function sched_rr_get_interval(task: Task, pid: number, out: number): Result {
  if (pid < 0) return -Errno.EINVAL;
  if (find(task, pid) === undefined) return -Errno.ESRCH;
  const { wordSize } = task.user;
  return task.user.writeWord(out, 0) && task.user.writeWord(out + wordSize, 4_000_000) ? 0 : -Errno.EFAULT;
}

/** sizeof(struct sched_attr), first version. */
const attributesSize = 48;

export function sched_getattr(task: Task, pid: number, address: number, size: number, flags: number): Result {
  if (flags !== 0 || size < attributesSize || pid < 0) return -Errno.EINVAL;
  const target = find(task, pid);
  if (target === undefined) return -Errno.ESRCH;
  const view = new DataView(new ArrayBuffer(attributesSize));
  view.setUint32(0, attributesSize, true);
  view.setInt32(16, target.nice, true);
  return task.user.writeBytes(address, new Uint8Array(view.buffer)) ? 0 : -Errno.EFAULT;
}

export function sched_setattr(task: Task, pid: number, address: number, flags: number): Result {
  const view = task.user.struct(address, attributesSize);
  if (view === undefined) return -Errno.EFAULT;
  if (flags !== 0 || pid < 0) return -Errno.EINVAL;
  const target = find(task, pid);
  if (target === undefined) return -Errno.ESRCH;
  const policy = view.getUint32(4, true);
  if (policy !== SCHED_OTHER && policy !== SCHED_BATCH && policy !== SCHED_IDLE) return -Errno.EPERM;
  const nice = view.getInt32(16, true);
  if (nice < target.nice && !task.credentials.has(CAP_SYS_NICE)) return -Errno.EPERM;
  target.nice = nice;
  return 0;
}

export function ioprio_get(): Result {
  return 0;
}

export function ioprio_set(): Result {
  return 0;
}

/** membarrier(2): with one processor every switch is a barrier. */
export function membarrier(_task: Task, command: number, flags: number): Result {
  if (flags !== 0) return -Errno.EINVAL;
  // QUERY answers what there is: global, shared, private expedited, their registrations, sync core.
  if (command === 0) return 0x7f;
  return command > 0 && command <= 0x40 && (command & (command - 1)) === 0 ? 0 : -Errno.EINVAL;
}
