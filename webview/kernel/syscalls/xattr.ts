/** xattr(7). */
import { Errno } from '../abi/errno.ts';
import { AT_FDCWD, O_PATH, R_OK, W_OK } from '../abi/fcntl.ts';
import { IN_ATTRIB } from '../abi/inotify.ts';
import { MS_RDONLY } from '../abi/mount.ts';
import { toBytes, type ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { Task } from '../task/task.ts';
import { baseOf, pathArgument, type Result } from './common.ts';

const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65536;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

type Place = { readonly base: Path; readonly path: ByteString; readonly walk: number };

function byPath(task: Task, address: number, walk: number): Place | number {
  const path = pathArgument(task, address);
  if (typeof path === 'number') return path;
  const base = baseOf(task, AT_FDCWD, path);
  return typeof base === 'number' ? base : { base, path, walk };
}

function byDescriptor(task: Task, fd: number): Place | number {
  const file = task.files.get(fd);
  return file && (file.flags & O_PATH) === 0 ? { base: file.path, path: '', walk: Walk.empty } : -Errno.EBADF;
}

function nameArgument(task: Task, address: number): ByteString | number {
  const name = task.user.readString(address, XATTR_NAME_MAX + 1);
  if (name === -Errno.ENAMETOOLONG || name === '') return -Errno.ERANGE;
  return name;
}

/** Permission of a name space: user.* by file mode, trusted.* and changes of security.* for root only. */
function* allowed(task: Task, place: Path, name: ByteString, write: boolean): Io<number> {
  const { credentials } = task;
  if (write && (place.mount.flags & MS_RDONLY || place.mount.fileSystem.readOnly)) return -Errno.EROFS;
  if (name.startsWith('trusted.')) return task.mayAdministrate ? 0 : write ? -Errno.EPERM : -Errno.ENODATA;
  if (name.startsWith('security.')) return !write || task.mayAdministrate ? 0 : -Errno.EPERM;
  const inode = place.dentry.inode!;
  if (name.startsWith('system.')) return !write || credentials.overridesOwnership || credentials.uid === inode.uid ? 0 : -Errno.EPERM;
  if (!name.startsWith('user.')) return -Errno.EOPNOTSUPP;
  // User attributes exist on files and directories only.
  if (!inode.isRegular && !inode.isDirectory) return write ? -Errno.EPERM : -Errno.ENODATA;
  return yield* task.machine.files.namespace.checkAccess(task, place, write ? W_OK : R_OK);
}

// ---------------------------------------------------------------- get

export function getxattr(task: Task, path: number, name: number, value: number, size: number): Result {
  return get(task, byPath(task, path, Walk.follow), name, value, size);
}

export function lgetxattr(task: Task, path: number, name: number, value: number, size: number): Result {
  return get(task, byPath(task, path, 0), name, value, size);
}

export function fgetxattr(task: Task, fd: number, name: number, value: number, size: number): Result {
  return get(task, byDescriptor(task, fd), name, value, size);
}

function get(task: Task, place: Place | number, nameAddress: number, value: number, size: number): Result {
  if (typeof place === 'number') return place;
  const name = nameArgument(task, nameAddress);
  if (typeof name === 'number') return name;
  const { base, path, walk } = place;
  const found = task.machine.files.namespace.resolveCached(task, base, path, walk);
  if (typeof found === 'number') return found;
  return found === undefined ? getAt(task, place, name, value, size) : getOf(task, found, name, value, size);
}

function* getAt(task: Task, { base, path, walk }: Place, name: ByteString, value: number, size: number): Io<number> {
  const found = yield* task.machine.files.namespace.resolve(task, base, path, walk);
  return typeof found === 'number' ? found : yield* getOf(task, found, name, value, size);
}

function* getOf(task: Task, found: Path, name: ByteString, value: number, size: number): Io<number> {
  const permission = yield* allowed(task, found, name, false);
  if (permission < 0) return permission;
  const bytes = yield* found.dentry.inode!.getXattr(name);
  return typeof bytes === 'number' ? bytes : yield* putValue(task, bytes, value, size);
}

/** Size 0 asks for the length; -ERANGE when the buffer is too small. */
function* putValue(task: Task, bytes: Uint8Array, out: number, size: number): Io<number> {
  if (size === 0) return bytes.length;
  if (bytes.length > size) return -Errno.ERANGE;
  const ready = yield* task.user.prefault(out, bytes.length, true);
  if (ready < 0) return ready;
  task.user.writeBytes(out, bytes);
  return bytes.length;
}

// ---------------------------------------------------------------- list

export function listxattr(task: Task, path: number, out: number, size: number): Result {
  return list(task, byPath(task, path, Walk.follow), out, size);
}

export function llistxattr(task: Task, path: number, out: number, size: number): Result {
  return list(task, byPath(task, path, 0), out, size);
}

export function flistxattr(task: Task, fd: number, out: number, size: number): Result {
  return list(task, byDescriptor(task, fd), out, size);
}

function list(task: Task, place: Place | number, out: number, size: number): Result {
  return typeof place === 'number' ? place : listAt(task, place, out, size);
}

function* listAt(task: Task, { base, path, walk }: Place, out: number, size: number): Io<number> {
  const found = yield* task.machine.files.namespace.resolve(task, base, path, walk);
  if (typeof found === 'number') return found;
  const names = yield* found.dentry.inode!.listXattr();
  if (typeof names === 'number') return names === -Errno.EOPNOTSUPP ? 0 : names;
  const visible = names.filter(name => task.mayAdministrate || !name.startsWith('trusted.'));
  return yield* putValue(task, toBytes(visible.map(name => name + '\0').join('')), out, size);
}

// ---------------------------------------------------------------- set and remove

export function setxattr(task: Task, path: number, name: number, value: number, size: number, flags: number): Result {
  return set(task, byPath(task, path, Walk.follow), name, value, size, flags);
}

export function lsetxattr(task: Task, path: number, name: number, value: number, size: number, flags: number): Result {
  return set(task, byPath(task, path, 0), name, value, size, flags);
}

export function fsetxattr(task: Task, fd: number, name: number, value: number, size: number, flags: number): Result {
  return set(task, byDescriptor(task, fd), name, value, size, flags);
}

function set(task: Task, place: Place | number, nameAddress: number, value: number, size: number, flags: number): Result {
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) return -Errno.EINVAL;
  if (typeof place === 'number') return place;
  const name = nameArgument(task, nameAddress);
  if (typeof name === 'number') return name;
  if (size > XATTR_SIZE_MAX) return -Errno.E2BIG;
  const bytes = task.user.bytes(value, size);
  return bytes ? setAt(task, place, name, bytes, flags) : -Errno.EFAULT;
}

function* setAt(task: Task, { base, path, walk }: Place, name: ByteString, value: Uint8Array, flags: number): Io<number> {
  const { namespace } = task.machine.files;
  const found = yield* namespace.resolve(task, base, path, walk);
  if (typeof found === 'number') return found;
  const permission = yield* allowed(task, found, name, true);
  if (permission < 0) return permission;
  const result = yield* found.dentry.inode!.setXattr(name, value, flags);
  if (result === 0) namespace.notify(found.dentry.inode!, IN_ATTRIB, found);
  return result;
}

export function removexattr(task: Task, path: number, name: number): Result {
  return remove(task, byPath(task, path, Walk.follow), name);
}

export function lremovexattr(task: Task, path: number, name: number): Result {
  return remove(task, byPath(task, path, 0), name);
}

export function fremovexattr(task: Task, fd: number, name: number): Result {
  return remove(task, byDescriptor(task, fd), name);
}

function remove(task: Task, place: Place | number, nameAddress: number): Result {
  if (typeof place === 'number') return place;
  const name = nameArgument(task, nameAddress);
  return typeof name === 'number' ? name : removeAt(task, place, name);
}

function* removeAt(task: Task, { base, path, walk }: Place, name: ByteString): Io<number> {
  const { namespace } = task.machine.files;
  const found = yield* namespace.resolve(task, base, path, walk);
  if (typeof found === 'number') return found;
  const permission = yield* allowed(task, found, name, true);
  if (permission < 0) return permission;
  const result = yield* found.dentry.inode!.removeXattr(name);
  if (result === 0) namespace.notify(found.dentry.inode!, IN_ATTRIB, found);
  return result;
}
