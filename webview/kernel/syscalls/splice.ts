/** sendfile(2), copy_file_range(2), splice(2), tee(2): transfers inside the kernel, through a buffer. */
import { Errno } from '../abi/errno.ts';
import { O_ACCMODE, O_APPEND, O_NONBLOCK, O_RDONLY, O_WRONLY, SPLICE_F_NONBLOCK } from '../abi/fcntl.ts';
import { IN_MODIFY } from '../abi/inotify.ts';
import { SIGPIPE } from '../abi/signal.ts';
import { BufferSink, BufferSource } from '../../lib/transfer.ts';
import { Wait, type Io } from '../../lib/wait.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { PipeFile } from '../ipc/pipe.ts';
import type { Task } from '../task/task.ts';
import { sleep, wouldBlock, type Result } from './common.ts';

const bounceSize = 65536;
const transferMaximum = 0x7ffff000;

/** One side of a transfer: a file, and a position of its own or the file's (-1). */
interface End {
  readonly file: OpenFile;
  position: number;
}

/** An optional offset argument: a pointer to a 64-bit position; -1 for none. */
function readOffset(task: Task, address: number): number | undefined {
  if (address === 0) return -1;
  const offset = task.user.readS64(address);
  return offset === undefined || !task.user.ensure(address, 8, true) ? undefined : offset;
}

function input(task: Task, fd: number): OpenFile | undefined {
  const file = task.files.get(fd);
  return file && (file.flags & O_ACCMODE) !== O_WRONLY ? file : undefined;
}

function output(task: Task, fd: number): OpenFile | undefined {
  const file = task.files.get(fd);
  return file && (file.flags & O_ACCMODE) !== O_RDONLY ? file : undefined;
}

export function sendfile(task: Task, outFd: number, inFd: number, offsetAddress: number, count: number): Result {
  const from = input(task, inFd);
  const to = output(task, outFd);
  if (!from || !to) return -Errno.EBADF;
  const offset = readOffset(task, offsetAddress);
  if (offset === undefined) return -Errno.EFAULT;
  if (offsetAddress !== 0 && !from.isSeekable) return -Errno.ESPIPE;
  if (offset < -1 || from.inode.isDirectory || to.flags & O_APPEND) return -Errno.EINVAL;
  const end: End = { file: from, position: offset };
  return storing(task, transfer(task, end, { file: to, position: -1 }, Math.min(count, transferMaximum), false), [[offsetAddress, end]]);
}

export function copy_file_range(task: Task, inFd: number, inOffset: number, outFd: number, outOffset: number, count: number, flags: number): Result {
  const from = input(task, inFd);
  const to = output(task, outFd);
  if (!from || !to || to.flags & O_APPEND) return -Errno.EBADF;
  if (flags !== 0) return -Errno.EINVAL;
  if (from.inode.isDirectory || to.inode.isDirectory) return -Errno.EISDIR;
  if (!from.inode.isRegular || !to.inode.isRegular) return -Errno.EINVAL;
  const [at, where] = [readOffset(task, inOffset), readOffset(task, outOffset)];
  if (at === undefined || where === undefined) return -Errno.EFAULT;
  if (at < -1 || where < -1) return -Errno.EINVAL;
  const [source, target] = [at < 0 ? from.position : at, where < 0 ? to.position : where];
  if (from.inode === to.inode && source < target + count && target < source + count) return -Errno.EINVAL;
  const [in_, out]: [End, End] = [{ file: from, position: at }, { file: to, position: where }];
  return storing(task, transfer(task, in_, out, Math.min(count, transferMaximum), false), [[inOffset, in_], [outOffset, out]]);
}

export function splice(task: Task, inFd: number, inOffset: number, outFd: number, outOffset: number, count: number, flags: number): Result {
  if (flags & ~0xf) return -Errno.EINVAL;
  const from = input(task, inFd);
  const to = output(task, outFd);
  if (!from || !to) return -Errno.EBADF;
  if (count === 0) return 0;
  if (!(from instanceof PipeFile) && !(to instanceof PipeFile)) return -Errno.EINVAL;
  if ((from instanceof PipeFile && inOffset !== 0) || (to instanceof PipeFile && outOffset !== 0)) return -Errno.ESPIPE;
  if (from instanceof PipeFile && to instanceof PipeFile && from.pipe === to.pipe) return -Errno.EINVAL;
  if (to.flags & O_APPEND || from.inode.isDirectory) return -Errno.EINVAL;
  const [at, where] = [readOffset(task, inOffset), readOffset(task, outOffset)];
  if (at === undefined || where === undefined) return -Errno.EFAULT;
  const [in_, out]: [End, End] = [{ file: from, position: at }, { file: to, position: where }];
  const nonBlocking = (flags & SPLICE_F_NONBLOCK) !== 0;
  return storing(task, transfer(task, in_, out, Math.min(count, bounceSize), nonBlocking), [[inOffset, in_], [outOffset, out]]);
}

export function tee(task: Task, inFd: number, outFd: number, count: number, flags: number): Result {
  if (flags & ~0xf) return -Errno.EINVAL;
  const from = input(task, inFd);
  const to = output(task, outFd);
  if (!from || !to) return -Errno.EBADF;
  if (!(from instanceof PipeFile) || !(to instanceof PipeFile) || from.pipe === to.pipe) return -Errno.EINVAL;
  return teePipes(task, from, to, count, flags);
}

function* teePipes(task: Task, from: PipeFile, to: PipeFile, count: number, flags: number): Io<number> {
  const nonBlocking = (flags & SPLICE_F_NONBLOCK) !== 0;
  for (;;) {
    if (to.pipe.readers === 0) return broken(task);
    if (from.pipe.length === 0 && from.pipe.writers === 0) return 0;
    const wait = from.pipe.length === 0 ? from : to.pipe.room === 0 ? to : undefined;
    if (!wait) break;
    if (nonBlocking || wait.flags & O_NONBLOCK) return -Errno.EAGAIN;
    const interrupted = yield* sleep(wait.pipe.wait);
    if (interrupted < 0) return interrupted;
  }
  const sink = new BufferSink(new Uint8Array(Math.min(count, from.pipe.length, to.pipe.room, bounceSize)));
  from.pipe.peek(sink, sink.remaining);
  const written = to.write(new BufferSource(sink.taken));
  return typeof written === 'number' ? written : -Errno.EAGAIN;
}

function broken(task: Task): number {
  task.raise(SIGPIPE);
  return -Errno.EPIPE;
}

/** Stores the positions that were given by pointer once `moving` is done. */
function* storing(task: Task, moving: Io<number>, ends: readonly (readonly [number, End])[]): Io<number> {
  const moved = yield* moving;
  for (const [address, end] of ends) if (address !== 0 && moved > 0) task.user.writeU64(address, end.position);
  return moved;
}

/** Moves up to `count` bytes. What was read and can't be written goes back by the position; from a pipe nothing more is read than fits. */
function* transfer(task: Task, from: End, to: End, count: number, nonBlocking: boolean): Io<number> {
  const buffer = new Uint8Array(Math.min(count, bounceSize));
  let total = 0;
  while (total < count) {
    const room = to.file instanceof PipeFile ? yield* waitForRoom(task, to.file, nonBlocking || total > 0) : bounceSize;
    if (room < 0) return total > 0 ? total : room;
    const read = yield* readInto(from, buffer.subarray(0, Math.min(count - total, room, buffer.length)), nonBlocking || total > 0);
    if (read <= 0) return total > 0 ? total : read;
    const written = yield* writeFrom(task, to, buffer.subarray(0, read));
    if (written < read && from.file.isSeekable) move(from, Math.max(written, 0) - read);
    if (written < 0) return total > 0 ? total : written;
    total += written;
    if (written < read || !from.file.inode.isRegular) break;
  }
  return total;
}

function move(end: End, count: number): void {
  if (end.position >= 0) end.position += count;
  else end.file.position += count;
}

function* waitForRoom(task: Task, file: PipeFile, nonBlocking: boolean): Io<number> {
  for (;;) {
    if (file.pipe.readers === 0) return broken(task);
    if (file.pipe.room > 0) return file.pipe.room;
    if (nonBlocking || file.flags & O_NONBLOCK) return -Errno.EAGAIN;
    const interrupted = yield* sleep(file.pipe.wait);
    if (interrupted < 0) return interrupted;
  }
}

function* readInto(end: End, buffer: Uint8Array, nonBlocking: boolean): Io<number> {
  for (;;) {
    const answer = end.file.read(new BufferSink(buffer), end.position < 0 ? end.file.position : end.position);
    if (!(answer instanceof Wait)) {
      if (answer > 0 && end.file.isSeekable) move(end, answer);
      return answer;
    }
    if (wouldBlock(end.file, answer) || (nonBlocking && answer.interruptible)) return -Errno.EAGAIN;
    const interrupted = yield* sleep(answer);
    if (interrupted < 0) return interrupted;
  }
}

function* writeFrom(task: Task, end: End, bytes: Uint8Array): Io<number> {
  const { file } = end;
  let done = 0;
  while (done < bytes.length) {
    const answer = file.write(new BufferSource(bytes.subarray(done)), end.position < 0 ? file.position : end.position);
    if (answer instanceof Wait) {
      if (wouldBlock(file, answer)) return done > 0 ? done : -Errno.EAGAIN;
      const interrupted = yield* sleep(answer);
      if (interrupted < 0) return done > 0 ? done : interrupted;
    } else if (answer <= 0) {
      if (answer === -Errno.EPIPE) task.raise(SIGPIPE);
      return done > 0 ? done : answer;
    } else {
      done += answer;
      if (file.isSeekable) move(end, answer);
    }
  }
  if (file.inode.isRegular) task.machine.files.namespace.notify(file.inode, IN_MODIFY, file.path);
  return done;
}
