/** read(2), write(2) and their relatives, lseek(2). */
import { Errno } from '../abi/errno.ts';
import {
  O_ACCMODE, O_APPEND, O_DSYNC, O_RDONLY, O_WRONLY, RWF_APPEND, RWF_DSYNC, RWF_NOWAIT, RWF_SYNC, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE,
  SEEK_SET, O_SYNC,
} from '../abi/fcntl.ts';
import { IN_ACCESS, IN_MODIFY } from '../abi/inotify.ts';
import { SIGPIPE, SIGXFSZ } from '../abi/signal.ts';
import type { UserBuffer } from '../mm/userMemory.ts';
import { Wait, type Attempt, type Io } from '../../lib/wait.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { KernelFile } from '../files/kernelFile.ts';
import { PipeFile } from '../ipc/pipe.ts';
import type { Task } from '../task/task.ts';
import { restarting, sleep, wouldBlock, type Result } from './common.ts';

/** The file's own position. */
const own = -1;

// ---------------------------------------------------------------- reading

export function read(task: Task, fd: number, address: number, count: number): Result {
  const file = task.files.get(fd);
  if (!file || (file.flags & O_ACCMODE) === O_WRONLY) return -Errno.EBADF;
  return readBuffer(task, file, address, count, own);
}

export function pread64(task: Task, fd: number, address: number, count: number, position: number): Result {
  const file = readableAt(task, fd, position);
  return typeof file === 'number' ? file : readBuffer(task, file, address, count, position);
}

export function readv(task: Task, fd: number, vectors: number, count: number): Result {
  const file = task.files.get(fd);
  if (!file || (file.flags & O_ACCMODE) === O_WRONLY) return -Errno.EBADF;
  return readVectors(task, file, vectors, count, own);
}

export function preadv(task: Task, fd: number, vectors: number, count: number, position: number): Result {
  const file = readableAt(task, fd, position);
  return typeof file === 'number' ? file : readVectors(task, file, vectors, count, position);
}

export function preadv2(task: Task, fd: number, vectors: number, count: number, position: number, _high: number, flags: number): Result {
  if (flags & ~(RWF_NOWAIT | 1)) return -Errno.EOPNOTSUPP;
  if (position === -1) return readv(task, fd, vectors, count);
  return preadv(task, fd, vectors, count, position);
}

function readableAt(task: Task, fd: number, position: number): OpenFile | number {
  if (position < 0) return -Errno.EINVAL;
  const file = task.files.get(fd);
  if (!file || (file.flags & O_ACCMODE) === O_WRONLY) return -Errno.EBADF;
  return file.isSeekable ? file : -Errno.ESPIPE;
}

function readBuffer(task: Task, file: OpenFile, address: number, count: number, position: number): Result {
  const buffer = task.buffer.range(address, count);
  const answer = readOnce(task, file, buffer, position);
  if (typeof answer === 'number' && (answer <= 0 || buffer.remaining === 0 || !mayHaveMore(file, position, answer))) return answer;
  return readOn(task, file, [address, count], position, answer);
}

function readVectors(task: Task, file: OpenFile, vectors: number, count: number, position: number): Result {
  const { buffer } = task;
  const length = buffer.vector(vectors, count);
  if (length < 0) return length;
  const parts = buffer.save();
  const answer = readOnce(task, file, buffer, position);
  if (typeof answer === 'number' && (answer <= 0 || answer === length || !mayHaveMore(file, position, answer))) return answer;
  return readOn(task, file, parts, position, answer);
}

/** A regular file that answered less than it has: its pages come in pieces. */
function mayHaveMore(file: OpenFile, position: number, got: number): boolean {
  return file.inode.isRegular && (position === own ? file.position : position + got) < file.inode.size;
}

function readOnce(task: Task, file: OpenFile, buffer: UserBuffer, position: number): Attempt<number> {
  const got = file.read(buffer, position === own ? file.position : position);
  if (typeof got === 'number' && got > 0) {
    if (position === own && file.isSeekable) file.position += got;
    if (file.inode.isRegular) task.machine.files.namespace.notify(file.inode, IN_ACCESS, file.path);
  }
  return got;
}

/** Goes on where `answer` left off, until there is something for a file that isn't regular, or all of it for one that is. */
function readOn(task: Task, file: OpenFile, parts: readonly number[], position: number, answer: Attempt<number>): Result {
  if (answer instanceof Wait && wouldBlock(file, answer)) return -Errno.EAGAIN;
  if (answer instanceof Wait && file instanceof KernelFile) {
    const sleeping = file.sleepingRead(task.buffer.restore(parts));
    if (sleeping) return restarting(sleeping);
  }
  return readSleeping(task, file, parts, position, answer);
}

function* readSleeping(task: Task, file: OpenFile, parts: readonly number[], position: number, answer: Attempt<number>): Io<number> {
  let done = 0;
  for (;;) {
    const blocked = blockedBy(task, answer);
    if (blocked) {
      const interrupted = yield* sleep(blocked);
      if (interrupted < 0) return done > 0 ? done : interrupted;
    } else {
      const count = answer as number;
      if (count <= 0) return done > 0 ? done : count;
      done += count;
      if (task.buffer.remaining === 0 || !mayHaveMore(file, position, done)) return done;
    }
    answer = readOnce(task, file, task.buffer.restore(behind(parts, done)), position === own ? own : position + done);
  }
}

/** What an answer waits for: the file, or a page of the buffer that is on the disk. */
function blockedBy(task: Task, answer: Attempt<number>): Wait | undefined {
  if (answer instanceof Wait) return answer;
  return answer === -Errno.EFAULT ? task.user.blocked : undefined;
}

/** The parts of a buffer (pairs of address and length) without the first `done` bytes. */
function behind(parts: readonly number[], done: number): readonly number[] {
  if (done === 0) return parts;
  const rest: number[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const skipped = Math.min(done, parts[i + 1]!);
    done -= skipped;
    if (skipped < parts[i + 1]!) rest.push(parts[i]! + skipped, parts[i + 1]! - skipped);
  }
  return rest;
}

// ---------------------------------------------------------------- writing

export function write(task: Task, fd: number, address: number, count: number): Result {
  const file = task.files.get(fd);
  if (!file || (file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
  return writeBuffer(task, file, address, count, own);
}

export function pwrite64(task: Task, fd: number, address: number, count: number, position: number): Result {
  const file = writableAt(task, fd, position);
  return typeof file === 'number' ? file : writeBuffer(task, file, address, count, position);
}

export function writev(task: Task, fd: number, vectors: number, count: number): Result {
  const file = task.files.get(fd);
  if (!file || (file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
  return writeVectors(task, file, vectors, count, own, 0);
}

export function pwritev(task: Task, fd: number, vectors: number, count: number, position: number): Result {
  const file = writableAt(task, fd, position);
  return typeof file === 'number' ? file : writeVectors(task, file, vectors, count, position, 0);
}

export function pwritev2(task: Task, fd: number, vectors: number, count: number, position: number, _high: number, flags: number): Result {
  if (flags & ~(RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | 1)) return -Errno.EOPNOTSUPP;
  const file = position === -1 ? task.files.get(fd) : writableAt(task, fd, position);
  if (typeof file === 'number') return file;
  if (!file || (file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
  return writeVectors(task, file, vectors, count, flags & RWF_APPEND ? file.inode.size : position === -1 ? own : position, flags);
}

function writableAt(task: Task, fd: number, position: number): OpenFile | number {
  if (position < 0) return -Errno.EINVAL;
  const file = task.files.get(fd);
  if (!file || (file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
  return file.isSeekable ? file : -Errno.ESPIPE;
}

function writeBuffer(task: Task, file: OpenFile, address: number, count: number, position: number): Result {
  const buffer = task.buffer.range(address, count);
  const answer = writeOnce(task, file, buffer, position);
  if (typeof answer === 'number' && (buffer.remaining === 0 || answer < 0) && (file.flags & O_DSYNC) === 0) return written(task, file, answer);
  return writeOn(task, file, [address, count], position, answer, 0);
}

function writeVectors(task: Task, file: OpenFile, vectors: number, count: number, position: number, flags: number): Result {
  const { buffer } = task;
  const length = buffer.vector(vectors, count);
  if (length < 0) return length;
  const parts = buffer.save();
  const answer = writeOnce(task, file, buffer, position);
  if (typeof answer === 'number' && (answer === length || answer < 0) && (file.flags & O_DSYNC) === 0 && flags === 0) return written(task, file, answer);
  return writeOn(task, file, parts, position, answer, flags);
}

function writeOnce(task: Task, file: OpenFile, buffer: UserBuffer, position: number): Attempt<number> {
  const isRegular = file.inode.isRegular;
  const at = position === own ? file.position : position;
  if (isRegular && task.fileSizeLimit !== Infinity) {
    const room = task.fileSizeLimit - (file.flags & O_APPEND ? file.inode.size : at);
    if (room <= 0 && buffer.remaining > 0) return -Errno.EFBIG;
    buffer.limit(room);
  }
  const before = file.position;
  const taken = file.write(buffer, at);
  if (typeof taken === 'number' && taken > 0) {
    // An appending write has moved the position itself, which a pwrite doesn't want.
    if (position !== own) file.position = before;
    else if (file.isSeekable && (file.flags & O_APPEND) === 0) file.position += taken;
    if (isRegular) task.machine.files.namespace.notify(file.inode, IN_MODIFY, file.path);
  }
  return taken;
}

/** The final answer of a write: errors that come with a signal send it. */
function written(task: Task, file: OpenFile, result: number): number {
  if (result === -Errno.EPIPE) task.raise(SIGPIPE);
  else if (result === -Errno.EFBIG && file.inode.isRegular && task.fileSizeLimit !== Infinity) task.raise(SIGXFSZ);
  return result;
}

function writeOn(task: Task, file: OpenFile, parts: readonly number[], position: number, answer: Attempt<number>, flags: number): Result {
  if (answer instanceof Wait) {
    if (wouldBlock(file, answer)) return -Errno.EAGAIN;
  } else if (!goesOn(file) && !mustSync(file, flags)) {
    return written(task, file, answer);
  }
  return writeSleeping(task, file, parts, position, answer, flags);
}

/** A write that took only a part goes on: regular files always, pipes and the like when they may block. */
function goesOn(file: OpenFile): boolean {
  return file.inode.isRegular || (file instanceof KernelFile && file.writesAll);
}

function mustSync(file: OpenFile, flags: number): boolean {
  return file.inode.isRegular && ((file.flags & O_DSYNC) !== 0 || (flags & (RWF_DSYNC | RWF_SYNC)) !== 0);
}

function* writeSleeping(
  task: Task, file: OpenFile, parts: readonly number[], position: number, answer: Attempt<number>, flags: number,
): Io<number> {
  let done = 0;
  for (;;) {
    const blocked = blockedBy(task, answer);
    if (blocked) {
      if (done > 0 && wouldBlock(file, blocked)) break;
      const interrupted = yield* sleep(blocked);
      if (interrupted < 0) {
        if (done === 0) return interrupted;
        break;
      }
    } else {
      const count = answer as number;
      if (count < 0 && done === 0) return written(task, file, count);
      if (count <= 0) break;
      done += count;
      if (task.buffer.remaining === 0 || !goesOn(file)) break;
    }
    answer = writeOnce(task, file, task.buffer.restore(behind(parts, done)), position === own ? own : position + done);
  }
  if (done > 0 && mustSync(file, flags)) {
    const synced = yield* file.inode.sync((file.flags & O_SYNC) !== O_SYNC && (flags & RWF_SYNC) === 0);
    if (synced < 0) return synced;
  }
  return done;
}

/** User pages into a pipe, or (as Linux does) out of it, by copying. */
export function vmsplice(task: Task, fd: number, vectors: number, count: number, flags: number): Result {
  if (flags & ~0xf) return -Errno.EINVAL;
  const file = task.files.get(fd);
  if (!(file instanceof PipeFile)) return -Errno.EBADF;
  return (file.flags & O_ACCMODE) === O_RDONLY ? readv(task, fd, vectors, count) : writev(task, fd, vectors, count);
}

// ---------------------------------------------------------------- position

export function lseek(task: Task, fd: number, offset: number, whence: number): Result {
  const file = task.files.get(fd);
  if (!file) return -Errno.EBADF;
  if (whence < SEEK_SET || whence > SEEK_HOLE) return -Errno.EINVAL;
  if (!file.isSeekable) return -Errno.ESPIPE;
  if (whence === SEEK_DATA || whence === SEEK_HOLE) return seekData(file, offset, whence);
  const from = whence === SEEK_CUR ? file.position : whence === SEEK_END ? file.inode.size : 0;
  const position = from + offset;
  if (position < 0) return -Errno.EINVAL;
  return (file.position = position);
}

function* seekData(file: OpenFile, offset: number, whence: number): Io<number> {
  const found = yield* file.seek(offset, whence);
  if (found >= 0) file.position = found;
  return found;
}
