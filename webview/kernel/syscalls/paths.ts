/** Calls that change names and attributes, working and root directory. */
import { Errno } from '../abi/errno.ts';
import {
  AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE, X_OK,
} from '../abi/fcntl.ts';
import { toBytes, type ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { AttributeChange, Timespec } from '../../fs/vfs/inode.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { Task } from '../task/task.ts';
import { baseOf, pathArgument, type Result } from './common.ts';

/** A path argument with where it starts, or -errno. */
function place(task: Task, directory: number, address: number): { base: Path; path: ByteString } | number {
  const path = pathArgument(task, address);
  if (typeof path === 'number') return path;
  const base = baseOf(task, directory, path);
  return typeof base === 'number' ? base : { base, path };
}

// ---------------------------------------------------------------- names

export function mkdir(task: Task, path: number, mode: number): Result {
  return mkdirat(task, AT_FDCWD, path, mode);
}

export function mkdirat(task: Task, directory: number, path: number, mode: number): Result {
  const at = place(task, directory, path);
  return typeof at === 'number' ? at : task.machine.files.namespace.mkdir(task, at.base, at.path, mode & 0o7777);
}

export function mknod(task: Task, path: number, mode: number, device: number): Result {
  return mknodat(task, AT_FDCWD, path, mode, device);
}

export function mknodat(task: Task, directory: number, path: number, mode: number, device: number): Result {
  const at = place(task, directory, path);
  return typeof at === 'number' ? at : makeNode(task, at.base, at.path, mode, device);
}

function* makeNode(task: Task, base: Path, path: ByteString, mode: number, device: number): Io<number> {
  const made = yield* task.machine.files.namespace.mknod(task, base, path, mode, device);
  return typeof made === 'number' ? made : 0;
}

export function unlink(task: Task, path: number): Result {
  return unlinkat(task, AT_FDCWD, path, 0);
}

export function rmdir(task: Task, path: number): Result {
  return unlinkat(task, AT_FDCWD, path, AT_REMOVEDIR);
}

export function unlinkat(task: Task, directory: number, path: number, flags: number): Result {
  if (flags & ~AT_REMOVEDIR) return -Errno.EINVAL;
  const at = place(task, directory, path);
  if (typeof at === 'number') return at;
  const { namespace } = task.machine.files;
  return flags & AT_REMOVEDIR ? namespace.rmdir(task, at.base, at.path) : namespace.unlink(task, at.base, at.path);
}

export function symlink(task: Task, target: number, path: number): Result {
  return symlinkat(task, target, AT_FDCWD, path);
}

export function symlinkat(task: Task, targetAddress: number, directory: number, path: number): Result {
  const target = pathArgument(task, targetAddress);
  if (typeof target === 'number') return target;
  const at = place(task, directory, path);
  return typeof at === 'number' ? at : task.machine.files.namespace.symlink(task, at.base, at.path, target);
}

export function link(task: Task, oldPath: number, newPath: number): Result {
  return linkat(task, AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
}

export function linkat(task: Task, oldDirectory: number, oldPath: number, newDirectory: number, newPath: number, flags: number): Result {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -Errno.EINVAL;
  const from = place(task, oldDirectory, oldPath);
  if (typeof from === 'number') return from;
  const to = place(task, newDirectory, newPath);
  return typeof to === 'number' ? to : makeLink(task, from.base, from.path, flags, to.base, to.path);
}

function* makeLink(task: Task, fromBase: Path, from: ByteString, flags: number, toBase: Path, to: ByteString): Io<number> {
  const { namespace } = task.machine.files;
  const walk = (flags & AT_SYMLINK_FOLLOW ? Walk.follow : 0) | (flags & AT_EMPTY_PATH ? Walk.empty : 0);
  const source = yield* namespace.resolve(task, fromBase, from, walk);
  return typeof source === 'number' ? source : yield* namespace.link(task, source, toBase, to);
}

export function rename(task: Task, oldPath: number, newPath: number): Result {
  return renameat2(task, AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
}

export function renameat(task: Task, oldDirectory: number, oldPath: number, newDirectory: number, newPath: number): Result {
  return renameat2(task, oldDirectory, oldPath, newDirectory, newPath, 0);
}

export function renameat2(task: Task, oldDirectory: number, oldPath: number, newDirectory: number, newPath: number, flags: number): Result {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -Errno.EINVAL;
  const from = place(task, oldDirectory, oldPath);
  if (typeof from === 'number') return from;
  const to = place(task, newDirectory, newPath);
  return typeof to === 'number' ? to : task.machine.files.namespace.rename(task, from.base, from.path, to.base, to.path, flags);
}

export function readlink(task: Task, path: number, out: number, size: number): Result {
  return readlinkat(task, AT_FDCWD, path, out, size);
}

export function readlinkat(task: Task, directory: number, path: number, out: number, size: number): Result {
  if (size <= 0) return -Errno.EINVAL;
  const at = place(task, directory, path);
  return typeof at === 'number' ? at : putTarget(task, at.base, at.path, out, size);
}

function* putTarget(task: Task, base: Path, path: ByteString, out: number, size: number): Io<number> {
  const { namespace } = task.machine.files;
  const found = yield* namespace.resolve(task, base, path, Walk.empty);
  if (typeof found === 'number') return found;
  const target = yield* namespace.readlink(task, found);
  if (typeof target === 'number') return target === -Errno.EINVAL && path === '' ? -Errno.ENOENT : target;
  return yield* putBytes(task, out, toBytes(target).subarray(0, size));
}

function* putBytes(task: Task, out: number, bytes: Uint8Array): Io<number> {
  const ready = yield* task.user.prefault(out, bytes.length, true);
  if (ready < 0) return ready;
  task.user.writeBytes(out, bytes);
  return bytes.length;
}

// ---------------------------------------------------------------- attributes

/** Resolves and changes attributes. */
function* change(task: Task, base: Path, path: ByteString, walk: number, attributes: AttributeChange, touch = false): Io<number> {
  const { namespace } = task.machine.files;
  const found = yield* namespace.resolve(task, base, path, walk);
  return typeof found === 'number' ? found : yield* namespace.setAttributes(task, found, attributes, touch);
}

export function chmod(task: Task, path: number, mode: number): Result {
  return fchmodat(task, AT_FDCWD, path, mode);
}

export function fchmodat(task: Task, directory: number, path: number, mode: number): Result {
  const at = place(task, directory, path);
  return typeof at === 'number' ? at : change(task, at.base, at.path, Walk.follow, { mode: mode & 0o7777 });
}

export function fchmod(task: Task, fd: number, mode: number): Result {
  const file = task.files.get(fd);
  return file ? task.machine.files.namespace.setAttributes(task, file.path, { mode: mode & 0o7777 }) : -Errno.EBADF;
}

export function chown(task: Task, path: number, uid: number, gid: number): Result {
  return fchownat(task, AT_FDCWD, path, uid, gid, 0);
}

export function lchown(task: Task, path: number, uid: number, gid: number): Result {
  return fchownat(task, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

export function fchownat(task: Task, directory: number, path: number, uid: number, gid: number, flags: number): Result {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -Errno.EINVAL;
  const at = place(task, directory, path);
  if (typeof at === 'number') return at;
  const walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : Walk.follow) | (flags & AT_EMPTY_PATH ? Walk.empty : 0);
  return change(task, at.base, at.path, walk, ownership(uid, gid));
}

export function fchown(task: Task, fd: number, uid: number, gid: number): Result {
  const file = task.files.get(fd);
  return file ? task.machine.files.namespace.setAttributes(task, file.path, ownership(uid, gid)) : -Errno.EBADF;
}

/** -1 leaves an id as it is. */
function ownership(uid: number, gid: number): AttributeChange {
  const result: AttributeChange = {};
  if ((uid | 0) !== -1) result.uid = uid >>> 0;
  if ((gid | 0) !== -1) result.gid = gid >>> 0;
  return result;
}

// ---------------------------------------------------------------- times

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

export function utimensat(task: Task, directory: number, pathAddress: number, times: number, flags: number): Result {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -Errno.EINVAL;
  const wanted = times === 0 ? [now, now] as const : readTimes(task, times);
  if (typeof wanted === 'number') return wanted;
  if (wanted[0] === undefined && wanted[1] === undefined) return 0;
  if (pathAddress === 0 && directory !== AT_FDCWD) {
    const file = task.files.getAny(directory);
    return file ? setTimes(task, file.path, '', Walk.empty, wanted) : -Errno.EBADF;
  }
  const at = place(task, directory, pathAddress);
  if (typeof at === 'number') return at;
  return setTimes(task, at.base, at.path, (flags & AT_SYMLINK_NOFOLLOW ? 0 : Walk.follow) | (flags & AT_EMPTY_PATH ? Walk.empty : 0), wanted);
}

/** A time to set; the word `now`; or undefined to leave it. */
type WantedTime = Timespec | typeof now | undefined;
const now = 'now';

function readTimes(task: Task, address: number): readonly [WantedTime, WantedTime] | number {
  const { wordSize } = task.user;
  const view = task.user.struct(address, 4 * wordSize);
  if (!view) return -Errno.EFAULT;
  const result: WantedTime[] = [];
  for (const at of [0, 2 * wordSize]) {
    const nanoseconds = view.getInt32(at + wordSize, true);
    if (nanoseconds === UTIME_OMIT) result.push(undefined);
    else if (nanoseconds === UTIME_NOW) result.push(now);
    else if (nanoseconds < 0 || nanoseconds >= 1e9) return -Errno.EINVAL;
    else result.push({ seconds: signedWord(view, at, wordSize), nanoseconds });
  }
  return result as [WantedTime, WantedTime];
}

function signedWord(view: DataView, at: number, wordSize: number): number {
  return wordSize === 8 ? view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true) : view.getInt32(at, true);
}

function setTimes(task: Task, base: Path, path: ByteString, walk: number, [atime, mtime]: readonly [WantedTime, WantedTime]): Result {
  // Both "now" needs only write access; anything else needs ownership (utimensat(2)).
  if (atime === now && mtime === now) return change(task, base, path, walk, {}, true);
  const attributes: AttributeChange = {};
  const present = task.machine.files.now();
  if (atime !== undefined) attributes.atime = atime === now ? present : atime;
  if (mtime !== undefined) attributes.mtime = mtime === now ? present : mtime;
  return change(task, base, path, walk, attributes);
}

export function utime(task: Task, pathAddress: number, times: number): Result {
  const at = place(task, AT_FDCWD, pathAddress);
  if (typeof at === 'number') return at;
  if (times === 0) return setTimes(task, at.base, at.path, Walk.follow, [now, now]);
  const view = task.user.struct(times, 2 * task.user.wordSize);
  if (!view) return -Errno.EFAULT;
  const seconds = (index: number): Timespec => ({ seconds: signedWord(view, index * task.user.wordSize, task.user.wordSize), nanoseconds: 0 });
  return setTimes(task, at.base, at.path, Walk.follow, [seconds(0), seconds(1)]);
}

export function utimes(task: Task, path: number, times: number): Result {
  return futimesat(task, AT_FDCWD, path, times);
}

export function futimesat(task: Task, directory: number, pathAddress: number, times: number): Result {
  const at: { base: Path; path: ByteString } | number = pathAddress === 0 ? descriptorPlace(task, directory) : place(task, directory, pathAddress);
  if (typeof at === 'number') return at;
  const walk = Walk.follow | (pathAddress === 0 ? Walk.empty : 0);
  if (times === 0) return setTimes(task, at.base, at.path, walk, [now, now]);
  const { wordSize } = task.user;
  const view = task.user.struct(times, 4 * wordSize);
  if (!view) return -Errno.EFAULT;
  const result: Timespec[] = [];
  for (const offset of [0, 2 * wordSize]) {
    const microseconds = signedWord(view, offset + wordSize, wordSize);
    if (microseconds < 0 || microseconds >= 1e6) return -Errno.EINVAL;
    result.push({ seconds: signedWord(view, offset, wordSize), nanoseconds: microseconds * 1000 });
  }
  return setTimes(task, at.base, at.path, walk, result as [Timespec, Timespec]);
}

function descriptorPlace(task: Task, fd: number): { base: Path; path: ByteString } | number {
  const file = task.files.get(fd);
  return file ? { base: file.path, path: '' } : -Errno.EBADF;
}

export function truncate(task: Task, pathAddress: number, size: number): Result {
  const at = place(task, AT_FDCWD, pathAddress);
  return typeof at === 'number' ? at : size < 0 ? -Errno.EINVAL : truncatePath(task, at.base, at.path, size);
}

function* truncatePath(task: Task, base: Path, path: ByteString, size: number): Io<number> {
  const { namespace } = task.machine.files;
  const found = yield* namespace.resolve(task, base, path, Walk.follow);
  return typeof found === 'number' ? found : yield* namespace.truncate(task, found, size);
}

// ---------------------------------------------------------------- working and root directory

export function chdir(task: Task, pathAddress: number): Result {
  const at = place(task, AT_FDCWD, pathAddress);
  return typeof at === 'number' ? at : enter(task, at.base, at.path, 0, found => task.changeDirectory(found));
}

export function fchdir(task: Task, fd: number): Result {
  const file = task.files.getAny(fd);
  if (!file) return -Errno.EBADF;
  return file.inode.isDirectory ? enter(task, file.path, '', Walk.empty, found => task.changeDirectory(found)) : -Errno.ENOTDIR;
}

export function chroot(task: Task, pathAddress: number): Result {
  if (!task.mayAdministrate) return -Errno.EPERM;
  const at = place(task, AT_FDCWD, pathAddress);
  return typeof at === 'number' ? at : enter(task, at.base, at.path, 0, found => task.changeRoot(found));
}

function* enter(task: Task, base: Path, path: ByteString, walk: number, then: (found: Path) => void): Io<number> {
  const { namespace } = task.machine.files;
  const found = yield* namespace.resolve(task, base, path, Walk.follow | Walk.directory | walk);
  if (typeof found === 'number') return found;
  const allowed = yield* namespace.checkAccess(task, found, X_OK);
  if (allowed < 0) return allowed;
  then(found);
  return 0;
}

export function getcwd(task: Task, out: number, size: number): Result {
  if (task.cwd.dentry.unlinked) return -Errno.ENOENT;
  const name = task.machine.files.namespace.pathName(task.cwd, task.root);
  if (size < name.length + 1) return -Errno.ERANGE;
  return task.user.writeString(out, name) ? name.length + 1 : -Errno.EFAULT;
}

export function umask(task: Task, mask: number): Result {
  return task.changeUmask(mask);
}
