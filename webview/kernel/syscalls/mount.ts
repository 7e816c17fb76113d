/** mount(2), umount2(2), pivot_root(2). */
import { Errno } from '../abi/errno.ts';
import {
  MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY,
  MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_UNBINDABLE, UMOUNT_NOFOLLOW,
} from '../abi/mount.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import type { Task } from '../task/task.ts';
import { pathArgument, type Result } from './common.ts';

/** The flags that a mount keeps. */
const keptFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME;
const propagationFlags = MS_PRIVATE | MS_SLAVE | MS_SHARED | MS_UNBINDABLE;

export function mount(task: Task, source: number, target: number, type: number, flags: number, data: number): Result {
  if (!task.mayAdministrate) return -Errno.EPERM;
  const at = pathArgument(task, target);
  if (typeof at === 'number') return at;
  const device = source === 0 ? 'none' : pathArgument(task, source);
  if (typeof device === 'number') return device;
  const kind = type === 0 ? '' : pathArgument(task, type);
  if (typeof kind === 'number') return kind;
  const options = data === 0 ? '' : task.user.readString(data);
  if (typeof options === 'number') return options === -Errno.ENAMETOOLONG ? -Errno.EINVAL : options;
  return mountAt(task, device, at, kind, flags, options);
}

function* mountAt(task: Task, source: ByteString, target: ByteString, type: ByteString, flags: number, options: ByteString): Io<number> {
  const { namespace } = task.machine.files;
  const at = yield* namespace.resolve(task, task.cwd, target, Walk.follow);
  if (typeof at === 'number') return at;
  const isMountPoint = at.dentry === at.mount.root;
  if (flags & MS_REMOUNT) {
    if (!isMountPoint) return -Errno.EINVAL;
    at.mount.flags = (at.mount.flags & ~keptFlags) | (flags & keptFlags);
    return 0;
  }
  if (flags & MS_BIND) {
    const from = yield* namespace.resolve(task, task.cwd, source, Walk.follow);
    if (typeof from === 'number') return from;
    const bound = namespace.bind(from, at, from.mount.flags);
    return typeof bound === 'number' ? bound : 0;
  }
  // There is one namespace: propagation between several has nothing to do.
  if (flags & propagationFlags) return isMountPoint ? 0 : -Errno.EINVAL;
  if (flags & MS_MOVE) return -Errno.EINVAL;
  const fileSystem = task.machine.files.createFileSystem(type, source, options);
  if (typeof fileSystem === 'number') return fileSystem;
  const mounted = namespace.mount(fileSystem, at, source, flags & keptFlags);
  return typeof mounted === 'number' ? mounted : 0;
}

export function umount2(task: Task, target: number, flags: number): Result {
  if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return -Errno.EINVAL;
  if (!task.mayAdministrate) return -Errno.EPERM;
  const path = pathArgument(task, target);
  return typeof path === 'number' ? path : unmount(task, path, flags);
}

function* unmount(task: Task, path: ByteString, flags: number): Io<number> {
  const { namespace } = task.machine.files;
  const at = yield* namespace.resolve(task, task.cwd, path, flags & UMOUNT_NOFOLLOW ? 0 : Walk.follow);
  if (typeof at === 'number') return at;
  if (at.dentry !== at.mount.root) return -Errno.EINVAL;
  if ((flags & MNT_DETACH) === 0 && task.machine.files.isWorkedIn(at.mount)) return -Errno.EBUSY;
  return yield* namespace.unmount(at.mount, (flags & MNT_DETACH) !== 0);
}

export function pivot_root(task: Task, newRoot: number, putOld: number): Result {
  if (!task.mayAdministrate) return -Errno.EPERM;
  const [to, old] = [pathArgument(task, newRoot), pathArgument(task, putOld)];
  if (typeof to === 'number') return to;
  return typeof old === 'number' ? old : pivot(task, to, old);
}

function* pivot(task: Task, newRoot: ByteString, putOld: ByteString): Io<number> {
  const { namespace } = task.machine.files;
  const to = yield* namespace.resolve(task, task.cwd, newRoot, Walk.follow | Walk.directory);
  if (typeof to === 'number') return to;
  const old = yield* namespace.resolve(task, task.cwd, putOld, Walk.follow | Walk.directory);
  if (typeof old === 'number') return old;
  const oldRoot = namespace.root;
  const result = namespace.pivot(to, old);
  if (result === 0) task.machine.files.rootChanged(oldRoot, namespace.root);
  return result;
}
