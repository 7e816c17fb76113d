/** fork(2), vfork(2), clone(2), clone3(2), unshare(2). */
import * as Clone from '../abi/clone.ts';
import { Errno } from '../abi/errno.ts';
import { CloneArgs } from '../abi/structs.ts';
import { clone as make, forkRequest, vforkRequest } from '../task/fork.ts';
import type { Task } from '../task/task.ts';
import type { Result } from './common.ts';

export function fork(task: Task): Result {
  return make(task, forkRequest);
}

export function vfork(task: Task): Result {
  return make(task, vforkRequest);
}

/** clone(2) in the argument order of x86-64. */
export function clone(task: Task, flags: number, stack: number, parentTid: number, childTid: number, tls: number): Result {
  const low = flags % 2 ** 32;
  return make(task, { flags: low - (low & Clone.CSIGNAL), exitSignal: low & Clone.CSIGNAL, stack, parentTid, childTid, tls });
}

const smallestArguments = 64;

export function clone3(task: Task, address: number, size: number): Result {
  if (size < smallestArguments) return -Errno.EINVAL;
  if (size > 4096) return -Errno.E2BIG;
  const bytes = new Uint8Array(Math.max(size, CloneArgs.size()));
  if (!task.user.readBytes(address, bytes.subarray(0, size))) return -Errno.EFAULT;
  if (bytes.subarray(CloneArgs.size()).some(byte => byte !== 0)) return -Errno.E2BIG;
  const view = new DataView(bytes.buffer);
  const get = (field: Parameters<typeof CloneArgs.get>[1]): number => CloneArgs.get(view, field);
  const flags = get('flags');
  const [stack, stackSize, exitSignal] = [get('stack'), get('stack_size'), get('exit_signal')];
  if ((flags % 2 ** 32 & (Clone.CSIGNAL | Clone.CLONE_DETACHED)) !== 0 || exitSignal > 64) return -Errno.EINVAL;
  if ((stack === 0) !== (stackSize === 0) || get('set_tid_size') !== 0) return -Errno.EINVAL;
  if (exitSignal !== 0 && (Math.floor(flags / Clone.CLONE_THREAD) % 2 === 1 || Math.floor(flags / Clone.CLONE_PARENT) % 2 === 1)) return -Errno.EINVAL;
  return make(task, { flags, exitSignal, stack: stack + stackSize, parentTid: get('parent_tid'), childTid: get('child_tid'), tls: get('tls') });
}

/** unshare(2) of what threads share; there are no namespaces. */
export function unshare(task: Task, flags: number): Result {
  const known = Clone.CLONE_FILES | Clone.CLONE_FS | Clone.CLONE_SYSVSEM | Clone.CLONE_THREAD | Clone.CLONE_SIGHAND | Clone.CLONE_VM;
  const low = flags % 2 ** 32;
  if ((low & ~known) !== 0) return -Errno.EINVAL;
  if ((low & (Clone.CLONE_THREAD | Clone.CLONE_SIGHAND | Clone.CLONE_VM)) !== 0 && task.process.tasks.size > 1) return -Errno.EINVAL;
  if ((low & Clone.CLONE_FILES) !== 0) task.unshareFiles();
  if ((low & Clone.CLONE_FS) !== 0 && task.fs.isShared) {
    const shared = task.fs;
    task.fs = shared.copy();
    shared.release();
  }
  return 0;
}
