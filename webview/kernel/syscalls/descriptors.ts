/** Calls on descriptors: close, dup, fcntl, ioctl, flock, sync, allocation, memfd. */
import { Errno } from '../abi/errno.ts';
import * as F from '../abi/fcntl.ts';
import * as Request from '../abi/ioctl.ts';
import { S_IFIFO, S_IFMT, S_IFSOCK } from '../abi/stat.ts';
import type { Io } from '../../lib/wait.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { KernelFile, faultUnless } from '../files/kernelFile.ts';
import { MemoryFile } from '../files/memoryFile.ts';
import type { RecordLock } from '../ipc/locks.ts';
import { PipeFile, createPipe } from '../ipc/pipe.ts';
import { PtyMasterFile } from '../tty/pty.ts';
import type { Task } from '../task/task.ts';
import { install, installed, restarting, type Result } from './common.ts';

export function close(task: Task, fd: number): Result {
  return task.files.close(fd);
}

export function close_range(task: Task, first: number, last: number, flags: number): Result {
  if (first > last || flags & ~(F.CLOSE_RANGE_CLOEXEC | F.CLOSE_RANGE_UNSHARE)) return -Errno.EINVAL;
  if (flags & F.CLOSE_RANGE_UNSHARE && task.files.isShared) task.unshareFiles();
  if (flags & F.CLOSE_RANGE_CLOEXEC) {
    task.files.markRange(first, last);
    return 0;
  }
  return closeRange(task, first, last);
}

function* closeRange(task: Task, first: number, last: number): Io<number> {
  yield* task.files.closeRange(first, last);
  return 0;
}

export function dup(task: Task, fd: number): number {
  return duplicate(task, fd, 0, false);
}

function duplicate(task: Task, fd: number, from: number, closeOnExec: boolean): number {
  const file = task.files.getAny(fd);
  if (!file) return -Errno.EBADF;
  const limit = task.descriptorLimit;
  if (from < 0 || from >= limit) return -Errno.EINVAL;
  const copy = task.files.add(file.retain(), closeOnExec, limit, from);
  if (copy < 0) file.release();
  return copy;
}

export function dup2(task: Task, fd: number, to: number): Result {
  if (fd === to) return task.files.getAny(fd) ? fd : -Errno.EBADF;
  return duplicateTo(task, fd, to, false);
}

export function dup3(task: Task, fd: number, to: number, flags: number): Result {
  if (fd === to || flags & ~F.O_CLOEXEC) return -Errno.EINVAL;
  return duplicateTo(task, fd, to, (flags & F.O_CLOEXEC) !== 0);
}

function duplicateTo(task: Task, fd: number, to: number, closeOnExec: boolean): Result {
  const file = task.files.getAny(fd);
  if (!file || to < 0 || to >= task.descriptorLimit) return -Errno.EBADF;
  const closing = task.files.replace(to, file.retain(), closeOnExec);
  return closing ? finish(closing, to) : to;
}

function* finish(closing: Io<void>, result: number): Io<number> {
  yield* closing;
  return result;
}

// ---------------------------------------------------------------- pipes and memory files

export function pipe(task: Task, address: number): Result {
  return pipe2(task, address, 0);
}

export function pipe2(task: Task, address: number, flags: number): Result {
  if (flags & ~(F.O_CLOEXEC | F.O_NONBLOCK | F.O_DIRECT)) return -Errno.EINVAL;
  const limit = task.descriptorLimit;
  if (!task.files.hasRoom(2, limit)) return -Errno.EMFILE;
  const path = task.machine.files.anonymous.pipe(task.credentials);
  const ends = createPipe(path, path.dentry.inode!, flags);
  task.machine.files.fifos.adopt(path.dentry.inode!, ends[0].pipe);
  const [reader, writer] = ends.map(end => task.files.add(end, (flags & F.O_CLOEXEC) !== 0, limit)) as [number, number];
  if (task.user.writeU32(address, reader) && task.user.writeU32(address + 4, writer)) return 0;
  task.files.close(reader);
  task.files.close(writer);
  return -Errno.EFAULT;
}

export function memfd_create(task: Task, nameAddress: number, flags: number): Result {
  if (flags & ~(F.MFD_CLOEXEC | F.MFD_ALLOW_SEALING)) return -Errno.EINVAL;
  const name = task.user.readString(nameAddress, 250);
  if (typeof name === 'number') return name === -Errno.ENAMETOOLONG ? -Errno.EINVAL : name;
  return createMemoryFile(task, name, flags);
}

function* createMemoryFile(task: Task, name: string, flags: number): Io<number> {
  const file = yield* task.machine.files.memoryFiles.create(task, name, (flags & F.MFD_ALLOW_SEALING) !== 0);
  return typeof file === 'number' ? file : yield* installed(task, file, (flags & F.MFD_CLOEXEC) !== 0);
}

// ---------------------------------------------------------------- fcntl

const settableFlags = F.O_APPEND | F.O_NONBLOCK | F.O_DIRECT | F.O_NOATIME | F.O_ASYNC;

export function fcntl(task: Task, fd: number, command: number, argument: number): Result {
  const file = task.files.getAny(fd);
  if (!file) return -Errno.EBADF;
  const integer = argument | 0;
  switch (command) {
    case F.F_DUPFD:
    case F.F_DUPFD_CLOEXEC:
      return duplicate(task, fd, integer, command === F.F_DUPFD_CLOEXEC);
    case F.F_GETFD:
      return task.files.isCloseOnExec(fd) ? F.FD_CLOEXEC : 0;
    case F.F_SETFD:
      task.files.setCloseOnExec(fd, (integer & F.FD_CLOEXEC) !== 0);
      return 0;
    case F.F_GETFL:
      return file.flags | (task.user.wordSize === 8 && (file.flags & F.O_PATH) === 0 ? F.O_LARGEFILE : 0);
    default:
      return file.flags & F.O_PATH ? -Errno.EBADF : fileControl(task, file, command, argument, integer);
  }
}

function fileControl(task: Task, file: OpenFile, command: number, argument: number, integer: number): Result {
  switch (command) {
    case F.F_SETFL:
      if (integer & F.O_NOATIME && task.credentials.uid !== file.inode.uid && !task.credentials.overridesOwnership) return -Errno.EPERM;
      file.flags = (file.flags & ~settableFlags) | (integer & settableFlags);
      return 0;
    case F.F_GETLK: case F.F_SETLK: case F.F_SETLKW: case F.F_OFD_GETLK: case F.F_OFD_SETLK: case F.F_OFD_SETLKW:
      return recordLock(task, file, command, argument);
    case F.F_SETOWN:
    case F.F_GETOWN:
    case F.F_SETSIG:
    case F.F_GETSIG:
      return owner(task, file, command, integer);
    case F.F_GETPIPE_SZ:
      return file instanceof PipeFile ? file.pipe.capacity : -Errno.EBADF;
    case F.F_SETPIPE_SZ:
      return file instanceof PipeFile ? file.pipe.setCapacity(argument) : -Errno.EBADF;
    case F.F_GET_SEALS:
      return file instanceof MemoryFile ? file.seals : -Errno.EINVAL;
    case F.F_ADD_SEALS:
      return file instanceof MemoryFile ? file.addSeals(integer) : -Errno.EINVAL;
    case F.F_GETLEASE:
      return F.F_UNLCK;
    case F.F_SETLEASE:
      return integer === F.F_UNLCK ? -Errno.EAGAIN : -Errno.EINVAL;
    default:
      return -Errno.EINVAL;
  }
}

/** Who gets SIGIO. Kept and given back; no SIGIO is sent (O_ASYNC is accepted without effect). */
function owner(task: Task, file: OpenFile, command: number, value: number): number {
  const { owners } = task.machine.files;
  const kept = owners.get(file) ?? { pid: 0, signal: 0 };
  if (command === F.F_GETOWN) return kept.pid;
  if (command === F.F_GETSIG) return kept.signal;
  if (command === F.F_SETSIG && (value < 0 || value > 64)) return -Errno.EINVAL;
  owners.set(file, command === F.F_SETOWN ? { ...kept, pid: value } : { ...kept, signal: value });
  return 0;
}

/** struct flock of the word size (F_GETLK64 of i386 is another call there). */
const flockSize = 32;

function recordLock(task: Task, file: OpenFile, command: number, address: number): Result {
  const bytes = new Uint8Array(flockSize);
  if (!task.user.readBytes(address, bytes)) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const openFile = command >= F.F_OFD_GETLK;
  if (openFile && view.getInt32(24, true) !== 0) return -Errno.EINVAL;
  const request = lockRequest(task, file, view, openFile);
  if (typeof request === 'number') return request;
  const { locks } = task.machine.files;
  if (command === F.F_GETLK || command === F.F_OFD_GETLK) {
    if (request.type === F.F_UNLCK) return -Errno.EINVAL;
    const held = locks.conflict(file.inode, request);
    writeLock(view, held, request.type);
    return faultUnless(task.user.writeBytes(address, bytes));
  }
  const access = file.flags & F.O_ACCMODE;
  if ((request.type === F.F_RDLCK && access === F.O_WRONLY) || (request.type === F.F_WRLCK && access === F.O_RDONLY)) return -Errno.EBADF;
  if (openFile && request.type !== F.F_UNLCK) task.machine.files.dropOpenFileLocksAtClose(file);
  const sleeps = command === F.F_SETLKW || command === F.F_OFD_SETLKW;
  const result = locks.setRecord(file.inode, request);
  return result === -Errno.EAGAIN && sleeps ? restarting(locks.waitForRecord(file.inode, request)) : result;
}

function lockRequest(task: Task, file: OpenFile, view: DataView, openFile: boolean): RecordLock | number {
  const type = view.getInt16(0, true);
  const whence = view.getInt16(2, true);
  if (type < F.F_RDLCK || type > F.F_UNLCK || whence < F.SEEK_SET || whence > F.SEEK_END) return -Errno.EINVAL;
  const from = whence === F.SEEK_SET ? 0 : whence === F.SEEK_CUR ? file.position : file.inode.size;
  let start = from + Number(view.getBigInt64(8, true));
  const length = Number(view.getBigInt64(16, true));
  let end = length === 0 ? Infinity : start + length;
  if (length < 0) [start, end] = [end, start];
  if (start < 0) return -Errno.EINVAL;
  return { owner: openFile ? file : task.files, pid: openFile ? -1 : task.pid, type, start, end };
}

function writeLock(view: DataView, held: RecordLock | undefined, type: number): void {
  view.setInt16(0, held ? held.type : F.F_UNLCK, true);
  if (!held || type === F.F_UNLCK) return;
  view.setInt16(2, F.SEEK_SET, true);
  view.setBigInt64(8, BigInt(held.start), true);
  view.setBigInt64(16, held.end === Infinity ? 0n : BigInt(held.end - held.start), true);
  view.setInt32(24, held.pid, true);
}

export function flock(task: Task, fd: number, operation: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  const kind = operation & ~F.LOCK_NB;
  if (kind !== F.LOCK_SH && kind !== F.LOCK_EX && kind !== F.LOCK_UN) return -Errno.EINVAL;
  const result = task.machine.files.locks.setWhole(file, kind);
  return result === -Errno.EAGAIN && (operation & F.LOCK_NB) === 0 ? restarting(task.machine.files.locks.waitForWhole(file, kind)) : result;
}

// ---------------------------------------------------------------- ioctl

export function ioctl(task: Task, fd: number, request: number, argument: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  request >>>= 0;
  switch (request) {
    case Request.FIOCLEX:
    case Request.FIONCLEX:
      task.files.setCloseOnExec(fd, request === Request.FIOCLEX);
      return 0;
    case Request.FIONBIO:
    case Request.FIOASYNC: {
      const on = task.user.readU32(argument);
      if (on === undefined) return -Errno.EFAULT;
      const flag = request === Request.FIONBIO ? F.O_NONBLOCK : F.O_ASYNC;
      file.flags = on === 0 ? file.flags & ~flag : file.flags | flag;
      return 0;
    }
    case Request.FIONREAD: {
      const count = file instanceof KernelFile ? file.readable : file.inode.isRegular ? file.inode.size - file.position : -Errno.ENOTTY;
      return count < 0 && !file.inode.isRegular ? count : faultUnless(task.user.writeU32(argument, count));
    }
    case Request.FIOQSIZE:
      if (!file.inode.isRegular && !file.inode.isDirectory) return -Errno.ENOTTY;
      return faultUnless(task.user.writeU32(argument, file.inode.size % 2 ** 32) && task.user.writeU32(argument + 4, Math.floor(file.inode.size / 2 ** 32)));
    case Request.TIOCGPTPEER: {
      if (!(file instanceof PtyMasterFile)) return -Errno.ENOTTY;
      const peer = file.openPeer(argument | 0);
      return typeof peer === 'number' ? peer : install(task, peer, (argument & F.O_CLOEXEC) !== 0);
    }
    default:
      return file instanceof KernelFile ? file.ioctl(task, request, argument) : -Errno.ENOTTY;
  }
}

// ---------------------------------------------------------------- durability, sizes, hints

export function fsync(task: Task, fd: number): Result {
  return syncFile(task, fd, false);
}

export function fdatasync(task: Task, fd: number): Result {
  return syncFile(task, fd, true);
}

function syncFile(task: Task, fd: number, dataOnly: boolean): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (file instanceof KernelFile) return -Errno.EINVAL;
  return file.inode.sync(dataOnly);
}

export function sync(task: Task): Result {
  return syncAll(task);
}

function* syncAll(task: Task): Io<number> {
  // sync(2) has no errors.
  yield* task.machine.files.namespace.syncAll();
  return 0;
}

export function syncfs(task: Task, fd: number): Result {
  return task.files.get(fd)?.inode.fileSystem.sync() ?? -Errno.EBADF;
}

export function sync_file_range(task: Task, fd: number, offset: number, length: number, flags: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (offset < 0 || length < 0 || flags & ~7) return -Errno.EINVAL;
  const kind = file.inode.mode & S_IFMT;
  if (kind === S_IFIFO || kind === S_IFSOCK) return -Errno.ESPIPE;
  return flags & 2 ? file.inode.sync(true) : 0;
}

export function ftruncate(task: Task, fd: number, size: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (size < 0 || (file.flags & F.O_ACCMODE) === F.O_RDONLY || !file.inode.isRegular) return -Errno.EINVAL;
  if (file instanceof MemoryFile) {
    const refused = file.checkResize(size);
    if (refused < 0) return refused;
  }
  return task.machine.files.truncateOpen(task, file, size);
}

export function fallocate(task: Task, fd: number, mode: number, offset: number, length: number): Result {
  const file = task.files.get(fd);
  if (!file || (file.flags & F.O_ACCMODE) === F.O_RDONLY) return -Errno.EBADF;
  if (offset < 0 || length <= 0) return -Errno.EINVAL;
  if (mode & ~(F.FALLOC_FL_KEEP_SIZE | F.FALLOC_FL_PUNCH_HOLE | F.FALLOC_FL_ZERO_RANGE)) return -Errno.EOPNOTSUPP;
  if (mode & F.FALLOC_FL_PUNCH_HOLE && (mode & F.FALLOC_FL_KEEP_SIZE) === 0) return -Errno.EOPNOTSUPP;
  const { inode } = file;
  if ((inode.mode & S_IFMT) === S_IFIFO) return -Errno.ESPIPE;
  if (inode.isDirectory) return -Errno.EISDIR;
  if (!inode.isRegular) return -Errno.ENODEV;
  if (offset + length > task.fileSizeLimit) return -Errno.EFBIG;
  if (file instanceof MemoryFile) {
    const refused = file.checkAllocate(mode, offset + length);
    if (refused < 0) return refused;
  }
  return inode.allocate(mode, offset, length);
}

export function fadvise64(task: Task, fd: number, _offset: number, length: number, advice: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if ((file.inode.mode & S_IFMT) === S_IFIFO) return -Errno.ESPIPE;
  return length < 0 || advice < 0 || advice > 5 ? -Errno.EINVAL : 0;
}

export function readahead(task: Task, fd: number): Result {
  const file = task.files.get(fd);
  if (!file || (file.flags & F.O_ACCMODE) === F.O_WRONLY) return -Errno.EBADF;
  return file.inode.isRegular ? 0 : -Errno.EINVAL;
}
