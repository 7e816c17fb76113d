/** Timeouts and signal masks that several families take as arguments. */
import { Errno } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';

/** A struct timespec timeout: the deadline on the monotonic clock; Infinity for a null pointer, 0 for "at once"; -EINVAL, -EFAULT. */
export function readTimeout(task: Task, address: number): number {
  return readDuration(task, address, 1);
}

/** As `readTimeout` for a struct timeval. */
export function readTimevalTimeout(task: Task, address: number): number {
  return readDuration(task, address, 1000);
}

function readDuration(task: Task, address: number, unit: number): number {
  if (address === 0) return Infinity;
  const view = task.user.struct(address, 2 * task.user.wordSize);
  if (!view) return -Errno.EFAULT;
  const word = (at: number): number => (task.user.wordSize === 8 ? view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true) : view.getInt32(at, true));
  const [seconds, fraction] = [word(0), word(task.user.wordSize)];
  // A timespec must be normal; select(2) takes more microseconds than a second has.
  if (seconds < 0 || fraction < 0 || (unit === 1 && fraction >= 1e9)) return -Errno.EINVAL;
  const nanoseconds = seconds * 1e9 + fraction * unit;
  return nanoseconds === 0 ? 0 : task.machine.files.timers.now() + nanoseconds;
}

/** Puts a signal mask argument into force for the rest of the call; 0 with a null pointer. -EINVAL for a wrong size, -EFAULT. */
export function useMask(task: Task, address: number, size: number): number {
  if (address === 0) return 0;
  if (size !== 8) return -Errno.EINVAL;
  const low = task.user.readU32(address);
  const high = task.user.readU32(address + 4);
  if (low === undefined || high === undefined) return -Errno.EFAULT;
  task.useTemporaryMask(low, high);
  return 0;
}
