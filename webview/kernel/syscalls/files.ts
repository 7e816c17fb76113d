/** open(2), stat(2), getdents(2), statfs(2), access(2) and their relatives. */
import { Errno } from '../abi/errno.ts';
import {
  AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, O_ACCMODE, O_APPEND, O_ASYNC, O_CLOEXEC, O_CREAT, O_DIRECT,
  O_DIRECTORY, O_DSYNC, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_SYNC, O_TMPFILE, O_TRUNC, O_WRONLY,
} from '../abi/fcntl.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { DirectoryEntry } from '../../fs/vfs/inode.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { Task } from '../task/task.ts';
import { baseOf, installed, pathArgument, restart, type Result } from './common.ts';
import { encodeStat, encodeStatfs, encodeStatx } from '../files/statStructs.ts';

/** Bits that open(2) of Linux knows (VALID_OPEN_FLAGS); openat2(2) refuses others, open(2) ignores them. */
const openFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT
  | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;

// ---------------------------------------------------------------- open

export function open(task: Task, path: number, flags: number, mode: number): Result {
  return openat(task, AT_FDCWD, path, flags, mode);
}

export function creat(task: Task, path: number, mode: number): Result {
  return openat(task, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

export function openat(task: Task, directory: number, pathAddress: number, flags: number, mode: number): Result {
  const path = pathArgument(task, pathAddress);
  if (typeof path === 'number') return path;
  const base = baseOf(task, directory, path);
  if (typeof base === 'number') return base;
  return openPath(task, base, path, flags & openFlags & ~O_LARGEFILE, mode & 0o7777);
}

function* openPath(task: Task, base: Path, path: ByteString, flags: number, mode: number): Io<number> {
  const file = yield* task.machine.files.namespace.open(task, base, path, flags, mode);
  if (typeof file === 'number') return file === -Errno.EINTR ? restart : file;
  return yield* installed(task, file, (flags & O_CLOEXEC) !== 0);
}

const openHowSize = 24;
const RESOLVE_NO_XDEV = 1;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_NO_SYMLINKS = 4;
const RESOLVE_BENEATH = 8;
const RESOLVE_IN_ROOT = 16;
const RESOLVE_CACHED = 32;
const resolveFlags = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;

/** openat2(2) without restrictions on the walk; with some it isn't there (callers then fall back), as it must not ignore them. */
export function openat2(task: Task, directory: number, pathAddress: number, how: number, size: number): Result {
  if (size < openHowSize) return -Errno.EINVAL;
  const view = task.user.struct(how, openHowSize);
  if (!view) return -Errno.EFAULT;
  const flags = view.getUint32(0, true);
  const mode = view.getUint32(8, true);
  const resolve = view.getUint32(16, true);
  if (view.getUint32(4, true) !== 0 || view.getUint32(20, true) !== 0 || (flags & ~openFlags) !== 0 || (resolve & ~resolveFlags) !== 0) return -Errno.EINVAL;
  if (mode & ~0o7777 || (mode !== 0 && (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) === 0)) return -Errno.EINVAL;
  if (resolve !== 0) return -Errno.ENOSYS;
  return openat(task, directory, pathAddress, flags, mode);
}

// ---------------------------------------------------------------- stat

export function stat(task: Task, path: number, out: number): Result {
  return statAt(task, AT_FDCWD, path, out, 0);
}

export function lstat(task: Task, path: number, out: number): Result {
  return statAt(task, AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

export function newfstatat(task: Task, directory: number, path: number, out: number, flags: number): Result {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)) return -Errno.EINVAL;
  return statAt(task, directory, path, out, flags);
}

export function fstat(task: Task, fd: number, out: number): Result {
  const file = task.files.getAny(fd);
  if (!file) return -Errno.EBADF;
  return file.path.mount.fileSystem.cachesNames ? writeStat(task, file.path, out) : fresh(task, file.path, path => writeStat(task, path, out));
}

function statAt(task: Task, directory: number, pathAddress: number, out: number, flags: number): Result {
  const path = pathArgument(task, pathAddress);
  if (typeof path === 'number') return path;
  if (path === '' && flags & AT_EMPTY_PATH && directory !== AT_FDCWD) return fstat(task, directory, out);
  const base = baseOf(task, directory, path);
  if (typeof base === 'number') return base;
  const walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : Walk.follow) | (flags & AT_EMPTY_PATH ? Walk.empty : 0);
  const place = task.machine.files.namespace.resolveCached(task, base, path, walk);
  if (typeof place === 'number') return place;
  if (place && place.mount.fileSystem.cachesNames) return writeStat(task, place, out);
  return withPlace(task, base, path, walk, found => writeStat(task, found, out));
}

function writeStat(task: Task, path: Path, out: number): number {
  return task.user.writeBytes(out, encodeStat(task.machine.files.statScratch, path)) ? 0 : -Errno.EFAULT;
}

/** Resolves a path and calls `then` with what it found, up to date. */
function* withPlace(task: Task, base: Path, path: ByteString, walk: number, then: (place: Path) => Result): Io<number> {
  const place = yield* task.machine.files.namespace.resolve(task, base, path, walk);
  if (typeof place === 'number') return place;
  const result = then(place);
  return typeof result === 'number' ? result : yield* result;
}

function* fresh(_task: Task, path: Path, then: (path: Path) => number): Io<number> {
  const refreshed = yield* path.dentry.inode!.refresh();
  return refreshed < 0 ? refreshed : then(path);
}

const AT_STATX_SYNC_TYPE = 0x6000;
const STATX__RESERVED = 0x80000000;

export function statx(task: Task, directory: number, pathAddress: number, flags: number, mask: number, out: number): Result {
  if (mask & STATX__RESERVED || flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) return -Errno.EINVAL;
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -Errno.EINVAL;
  const path = pathArgument(task, pathAddress);
  if (typeof path === 'number') return path;
  if (path === '' && flags & AT_EMPTY_PATH && directory !== AT_FDCWD) {
    const file = task.files.getAny(directory);
    return file ? fresh(task, file.path, place => writeStatx(task, place, out)) : -Errno.EBADF;
  }
  const base = baseOf(task, directory, path);
  if (typeof base === 'number') return base;
  const walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : Walk.follow) | (flags & AT_EMPTY_PATH ? Walk.empty : 0);
  const place = task.machine.files.namespace.resolveCached(task, base, path, walk);
  if (typeof place === 'number') return place;
  return place ? writeStatx(task, place, out) : withPlace(task, base, path, walk, found => writeStatx(task, found, out));
}

function writeStatx(task: Task, path: Path, out: number): number {
  return task.user.writeBytes(out, encodeStatx(task.machine.files.statScratch, path)) ? 0 : -Errno.EFAULT;
}

// ---------------------------------------------------------------- statfs

export function statfs(task: Task, pathAddress: number, out: number): Result {
  const path = pathArgument(task, pathAddress);
  if (typeof path === 'number') return path;
  return withPlace(task, task.cwd, path, Walk.follow, place => writeStatfs(task, place, out));
}

export function fstatfs(task: Task, fd: number, out: number): Result {
  const file = task.files.getAny(fd);
  return file ? writeStatfs(task, file.path, out) : -Errno.EBADF;
}

function writeStatfs(task: Task, path: Path, out: number): number {
  const bytes = encodeStatfs(path, task.machine.files.namespace.statistics(path), task.user.wordSize);
  return task.user.writeBytes(out, bytes) ? 0 : -Errno.EFAULT;
}

// ---------------------------------------------------------------- access

export function access(task: Task, path: number, mode: number): Result {
  return faccessat2(task, AT_FDCWD, path, mode, 0);
}

export function faccessat(task: Task, directory: number, path: number, mode: number): Result {
  return faccessat2(task, directory, path, mode, 0);
}

export function faccessat2(task: Task, directory: number, pathAddress: number, mode: number, flags: number): Result {
  if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -Errno.EINVAL;
  const path = pathArgument(task, pathAddress);
  if (typeof path === 'number') return path;
  const base = baseOf(task, directory, path);
  if (typeof base === 'number') return base;
  const walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : Walk.follow) | (flags & AT_EMPTY_PATH ? Walk.empty : 0);
  const caller = flags & AT_EACCESS ? task : task.asRealUser;
  const place = task.machine.files.namespace.resolveCached(caller, base, path, walk);
  return typeof place === 'number' ? place : checkedAccess(task, caller, base, path, walk, mode);
}

function* checkedAccess(task: Task, caller: Caller, base: Path, path: ByteString, walk: number, mode: number): Io<number> {
  const { namespace } = task.machine.files;
  const place = yield* namespace.resolve(caller, base, path, walk);
  return typeof place === 'number' ? place : yield* namespace.checkAccess(caller, place, mode);
}

// ---------------------------------------------------------------- directories

const direntHeader = 19;

export function getdents64(task: Task, fd: number, out: number, size: number): Result {
  return readDirectory(task, fd, out, size, true);
}

export function getdents(task: Task, fd: number, out: number, size: number): Result {
  return readDirectory(task, fd, out, size, false);
}

function readDirectory(task: Task, fd: number, out: number, size: number, wide: boolean): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (!file.inode.isDirectory) return -Errno.ENOTDIR;
  return fillDirectory(task, file, out, Math.min(size, 1 << 20), wide);
}

function* fillDirectory(task: Task, file: OpenFile, out: number, size: number, wide: boolean): Io<number> {
  if (file.inode.linkCount === 0) return -Errno.ENOENT;
  let used = 0;
  let position = file.position;
  for (;;) {
    const entries = yield* file.inode.readDirectory(position, file.path);
    if (typeof entries === 'number') {
      if (used === 0) return entries;
      break;
    }
    if (entries.length === 0) break;
    const bytes = direntBytes(entries, size - used, wide, task.user.wordSize);
    while (!task.user.writeBytes(out + used, bytes.taken)) {
      const ready = yield* task.user.prefault(out + used, bytes.taken.length, true);
      if (ready < 0) return ready;
    }
    used += bytes.taken.length;
    if (bytes.count > 0) position = entries[bytes.count - 1]!.next;
    if (bytes.count < entries.length) {
      if (used === 0) return -Errno.EINVAL;
      break;
    }
  }
  file.position = position;
  return used;
}

/** The records of as many entries as fit into `room` bytes. */
function direntBytes(entries: readonly DirectoryEntry[], room: number, wide: boolean, wordSize: number): { taken: Uint8Array; count: number } {
  let most = 0;
  for (const entry of entries) most += direntHeader + entry.name.length + 9;
  const bytes = new Uint8Array(Math.min(room, most));
  const view = new DataView(bytes.buffer);
  let used = 0;
  let count = 0;
  for (; count < entries.length; count++) {
    const length = putEntry(bytes, view, used, entries[count]!, wide, wordSize);
    if (length === 0) break;
    used += length;
  }
  return { taken: bytes.subarray(0, used), count };
}

/** struct linux_dirent64 or linux_dirent: the record's length, 0 when it doesn't fit. */
function putEntry(bytes: Uint8Array, view: DataView, at: number, entry: DirectoryEntry, wide: boolean, wordSize: number): number {
  const header = wide ? direntHeader : 2 * wordSize + 2;
  // The old form has the type in the record's last byte.
  const length = Math.ceil((header + entry.name.length + (wide ? 1 : 2)) / wordSize) * wordSize;
  if (at + length > bytes.length) return 0;
  const field = wide ? 8 : wordSize;
  putWord(view, at, entry.ino, field);
  putWord(view, at + field, entry.next, field);
  view.setUint16(at + 2 * field, length, true);
  bytes[wide ? at + 18 : at + length - 1] = entry.type;
  const { name } = entry;
  for (let i = 0; i < name.length; i++) bytes[at + header + i] = name.charCodeAt(i);
  return length;
}

function putWord(view: DataView, at: number, value: number, size: number): void {
  view.setUint32(at, value, true);
  if (size === 8) view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

export function name_to_handle_at(): Result {
  return -Errno.EOPNOTSUPP;
}
