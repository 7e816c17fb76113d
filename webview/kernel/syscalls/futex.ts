/** futex(2), robust lists. */
import { Errno } from '../abi/errno.ts';
import * as Futex from '../abi/futex.ts';
import { FutexWaiter } from '../task/futexes.ts';
import type { Task } from '../task/task.ts';
import { Wait, Wake, type Io } from '../../lib/wait.ts';
import { noRestart, restart, type Result } from './common.ts';
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '../abi/time.ts';

export function futex(task: Task, address: number, operation: number, value: number, timeout: number, second: number, value3: number): Result {
  if (address % 4 !== 0) return -Errno.EINVAL;
  const command = operation & ~(Futex.FUTEX_PRIVATE_FLAG | Futex.FUTEX_CLOCK_REALTIME);
  const shared = (operation & Futex.FUTEX_PRIVATE_FLAG) === 0;
  switch (command) {
    case Futex.FUTEX_WAIT:
    case Futex.FUTEX_WAIT_BITSET: {
      const deadline = readDeadline(task, timeout, command === Futex.FUTEX_WAIT, (operation & Futex.FUTEX_CLOCK_REALTIME) !== 0);
      if (deadline < 0) return deadline;
      return wait(task, address, shared, value, deadline, command === Futex.FUTEX_WAIT ? -1 : value3);
    }
    case Futex.FUTEX_WAKE:
      return wake(task, address, shared, value, -1);
    case Futex.FUTEX_WAKE_BITSET:
      return value3 === 0 ? -Errno.EINVAL : wake(task, address, shared, value, value3);
    case Futex.FUTEX_REQUEUE:
    case Futex.FUTEX_CMP_REQUEUE:
      return requeue(task, address, shared, value, timeout, second, command === Futex.FUTEX_CMP_REQUEUE ? value3 : undefined);
    case Futex.FUTEX_WAKE_OP:
      return wakeOperation(task, address, shared, value, timeout, second, value3);
    case Futex.FUTEX_LOCK_PI:
    case Futex.FUTEX_LOCK_PI2: {
      const deadline = readDeadline(task, timeout, false, command === Futex.FUTEX_LOCK_PI || (operation & Futex.FUTEX_CLOCK_REALTIME) !== 0);
      return deadline < 0 ? deadline : lock(task, address, shared, deadline, false);
    }
    case Futex.FUTEX_TRYLOCK_PI:
      return lock(task, address, shared, Infinity, true);
    case Futex.FUTEX_UNLOCK_PI:
      return unlock(task, address, shared);
    default:
      return -Errno.ENOSYS;
  }
}

/** The timeout argument as a deadline on the monotonic clock; Infinity for none. */
function readDeadline(task: Task, address: number, isRelative: boolean, isWall: boolean): number {
  if (address === 0) return Infinity;
  const seconds = task.user.readS64(address);
  const nanoseconds = task.user.readS64(address + 8);
  if (seconds === undefined || nanoseconds === undefined) return -Errno.EFAULT;
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= 1e9) return -Errno.EINVAL;
  const { timers } = task.machine;
  if (isRelative) return timers.now() + seconds * 1e9 + nanoseconds;
  return Math.max(0, timers.toMonotonic(isWall ? CLOCK_REALTIME : CLOCK_MONOTONIC, seconds, nanoseconds));
}

function keyOf(task: Task, address: number, shared: boolean): string | undefined {
  return task.machine.futexes.key(task.memory, address, shared);
}

function wait(task: Task, address: number, shared: boolean, expected: number, deadline: number, bitset: number): Result {
  if (bitset === 0) return -Errno.EINVAL;
  const value = task.user.readU32(address);
  if (value === undefined) return -Errno.EFAULT;
  if (value !== expected) return -Errno.EAGAIN;
  return sleep(task, keyOf(task, address, shared)!, deadline, bitset);
}

function* sleep(task: Task, key: string, deadline: number, bitset: number): Io<number> {
  const { futexes } = task.machine;
  const waiter = new FutexWaiter(bitset, task.tid);
  futexes.add(key, waiter);
  const wait = new Wait([waiter.queue], { deadline });
  for (;;) {
    const reason = yield wait;
    if (waiter.isWoken) return 0;
    if (reason === Wake.ready) continue;
    futexes.remove(waiter);
    if (reason === Wake.timeout) return -Errno.ETIMEDOUT;
    return deadline === Infinity ? restart : noRestart;
  }
}

function wake(task: Task, address: number, shared: boolean, count: number, bitset: number): Result {
  const key = keyOf(task, address, shared);
  if (key === undefined) return -Errno.EFAULT;
  return task.machine.futexes.wake(key, Math.max(1, count | 0), bitset);
}

function requeue(task: Task, address: number, shared: boolean, wakes: number, moves: number, target: number, expected: number | undefined): Result {
  const count = moves % 2 ** 32 | 0;
  if ((wakes | 0) < 0 || count < 0) return -Errno.EINVAL;
  if (target % 4 !== 0) return -Errno.EINVAL;
  const from = keyOf(task, address, shared);
  const to = keyOf(task, target, shared);
  if (from === undefined || to === undefined) return -Errno.EFAULT;
  if (expected !== undefined) {
    const value = task.user.readU32(address);
    if (value === undefined) return -Errno.EFAULT;
    if (value !== expected) return -Errno.EAGAIN;
  }
  const { futexes } = task.machine;
  const woken = wakes === 0 ? 0 : futexes.wake(from, wakes);
  const moved = futexes.requeue(from, to, count);
  return woken + moved;
}

/** FUTEX_WAKE_OP: changes the word at `target`, wakes sleepers on both by its old value. */
function wakeOperation(task: Task, address: number, shared: boolean, wakes: number, secondWakes: number, target: number, encoded: number): Result {
  const operation = (encoded >>> 28) & 7;
  const comparison = (encoded >>> 24) & 15;
  let operand = (encoded << 8) >> 20;
  const compared = (encoded << 20) >> 20;
  if ((encoded & 0x80000000) !== 0) operand = 1 << (operand & 31);
  const old = task.user.readS32(target);
  if (old === undefined || !task.user.ensure(target, 4, true)) return -Errno.EFAULT;
  const results = [operand, old + operand, old | operand, old & ~operand, old ^ operand];
  if (operation >= results.length || comparison > 5) return -Errno.ENOSYS;
  const first = keyOf(task, address, shared);
  const second = keyOf(task, target, shared);
  if (first === undefined || second === undefined) return -Errno.EFAULT;
  task.user.writeU32(target, results[operation]! | 0);
  const { futexes } = task.machine;
  let woken = futexes.wake(first, Math.max(1, wakes | 0));
  const matches = [old === compared, old !== compared, old < compared, old <= compared, old > compared, old >= compared][comparison]!;
  if (matches) woken += futexes.wake(second, Math.max(1, secondWakes % 2 ** 32 | 0));
  return woken;
}

// ---------------------------------------------------------------- priority inheritance: without priorities, a lock that is handed over

function lock(task: Task, address: number, shared: boolean, deadline: number, tries: boolean): Result {
  const taken = take(task, address);
  if (taken !== undefined) return taken;
  if (tries) return -Errno.EAGAIN;
  return sleepForLock(task, address, keyOf(task, address, shared)!, deadline);
}

/** 0 when the lock is the task's now, -errno, or undefined while another has it (FUTEX_WAITERS is set then). */
function take(task: Task, address: number): number | undefined {
  const value = task.user.readU32(address);
  if (value === undefined || !task.user.ensure(address, 4, true)) return -Errno.EFAULT;
  const owner = value & Futex.FUTEX_TID_MASK;
  if (owner === task.tid) return -Errno.EDEADLK;
  if (owner === 0) {
    task.user.writeU32(address, (value & (Futex.FUTEX_OWNER_DIED | Futex.FUTEX_WAITERS)) | task.tid);
    return 0;
  }
  if (task.machine.processes.task(owner) === undefined) return -Errno.ESRCH;
  task.user.writeU32(address, value | Futex.FUTEX_WAITERS);
  return undefined;
}

function* sleepForLock(task: Task, address: number, key: string, deadline: number): Io<number> {
  const { futexes } = task.machine;
  for (;;) {
    const waiter = new FutexWaiter(-1, task.tid);
    futexes.add(key, waiter);
    const reason = yield new Wait([waiter.queue], { deadline });
    futexes.remove(waiter);
    const value = task.user.readU32(address) ?? 0;
    // The one who unlocked may have handed it over.
    if ((value & Futex.FUTEX_TID_MASK) === task.tid) return 0;
    if (!waiter.isWoken && reason === Wake.timeout) return -Errno.ETIMEDOUT;
    if (!waiter.isWoken && reason === Wake.interrupted) return restart;
    const taken = take(task, address);
    if (taken !== undefined) return taken;
  }
}

function unlock(task: Task, address: number, shared: boolean): Result {
  const value = task.user.readU32(address);
  if (value === undefined || !task.user.ensure(address, 4, true)) return -Errno.EFAULT;
  if ((value & Futex.FUTEX_TID_MASK) !== task.tid) return -Errno.EPERM;
  const { futexes } = task.machine;
  const key = keyOf(task, address, shared)!;
  const next = futexes.takeFirst(key);
  task.user.writeU32(address, next === undefined ? 0 : next.tid | (futexes.hasWaiters(key) ? Futex.FUTEX_WAITERS : 0));
  return 0;
}

export function set_robust_list(task: Task, head: number, length: number): Result {
  if (length !== 3 * task.user.wordSize) return -Errno.EINVAL;
  task.robustList = head;
  return 0;
}

export function get_robust_list(task: Task, pid: number, head: number, length: number): Result {
  const target = pid === 0 ? task : task.machine.processes.task(pid);
  if (target === undefined) return -Errno.ESRCH;
  if (target.credentials.realUid !== task.credentials.uid && !task.credentials.overridesAccess) return -Errno.EPERM;
  return task.user.writeWord(length, 3 * task.user.wordSize) && task.user.writeWord(head, target.robustList) ? 0 : -Errno.EFAULT;
}
