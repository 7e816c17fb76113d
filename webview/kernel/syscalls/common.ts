/**
 * What the families of system calls share. A family (one file each) is thin: it unpacks arguments, refuses unknown flags and calls the
 * object that owns the behaviour; families never import each other. Here: how a plain attempt becomes a sleep, and path arguments.
 */
import { Errno } from '../abi/errno.ts';
import { AT_FDCWD, O_NONBLOCK } from '../abi/fcntl.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { Wait, Wake, type Io } from '../../lib/wait.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { Task } from '../task/task.ts';
import { restartSystemCall } from '../tty/terminal.ts';

/** What a handler answers: the result, or the computation that sleeps for it. */
export type Result = number | Io<number>;

/** Answers an interrupted call that is made again when no handler runs or one with SA_RESTART (ERESTARTSYS), and one that never is. */
export const restart = restartSystemCall;
export const noRestart = -Errno.EINTR;

/** -EINTR of an object's sleep becomes the restartable answer. */
export function* restarting(io: Io<number>): Io<number> {
  const result = yield* io;
  return result === -Errno.EINTR ? restart : result;
}

/** A path argument: the byte string, -EFAULT, -ENAMETOOLONG. */
export function pathArgument(task: Task, address: number): ByteString | number {
  return task.user.readString(address);
}

/** Where a relative path starts: a directory descriptor or AT_FDCWD. -EBADF when it is needed and isn't open. */
export function baseOf(task: Task, directory: number, path: ByteString): Path | number {
  if (directory === AT_FDCWD || path.charCodeAt(0) === 0x2f) return task.cwd;
  return task.files.getAny(directory)?.path ?? -Errno.EBADF;
}

/** True for a Wait that a non-blocking descriptor answers with EAGAIN. */
export function wouldBlock(file: OpenFile, wait: Wait): boolean {
  return wait.interruptible && (file.flags & O_NONBLOCK) !== 0;
}

/** Sleeps once. 0, or `restart` when a signal came. */
export function* sleep(wait: Wait): Io<number> {
  return (yield wait) === Wake.interrupted ? restart : 0;
}

/** A new descriptor for `file`; on -EMFILE the file is closed. */
export function install(task: Task, file: OpenFile, closeOnExec: boolean): number {
  const fd = task.files.add(file, closeOnExec, task.descriptorLimit);
  if (fd < 0) file.release();
  return fd;
}

/** As `install`, for files whose closing may need the disk. */
export function* installed(task: Task, file: OpenFile, closeOnExec: boolean): Io<number> {
  const fd = task.files.add(file, closeOnExec, task.descriptorLimit);
  if (fd < 0) {
    const rest = file.release();
    if (rest) yield* rest;
  }
  return fd;
}
