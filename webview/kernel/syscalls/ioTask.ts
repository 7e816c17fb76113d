/**
 * What the file and socket system calls ask of the task that makes them, and how a plain attempt becomes a sleep. The families (one file
 * each) are thin: they unpack arguments, refuse unknown flags and call the object that owns the behaviour.
 */
import { Errno } from '../abi/errno.ts';
import { AT_FDCWD, O_NONBLOCK } from '../abi/fcntl.ts';
import { RLIMIT_NOFILE } from '../abi/resource.ts';
import type { WordSize } from '../abi/struct.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { Wait, Wake, type Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { FileTable } from '../files/fileTable.ts';
import type { IoctlCaller } from '../files/kernelFile.ts';
import type { MachineFiles } from '../files/machineFiles.ts';
import type { UserBuffer, UserMemory } from '../mm/userMemory.ts';
import type { PendingSignals } from '../ipc/signalfd.ts';

/** What a handler answers: the result, or the computation that sleeps for it. */
export type Result = number | Io<number>;

export interface IoTask extends Caller, IoctlCaller {
  /** The caller with real instead of effective ids, for access(2). */
  readonly asRealUser: Caller;
  /** Of the process. Nothing throws: see there for pages that must come from the disk. */
  readonly memory: UserMemory;
  /** The task's own, for its one transfer at a time. */
  readonly buffer: UserBuffer;
  readonly wordSize: WordSize;
  readonly files: FileTable;
  /** Gives the task a table of its own (CLOSE_RANGE_UNSHARE). */
  unshareFiles(): void;
  readonly machine: MachineFiles;
  readonly tid: number;
  /** Process id. */
  readonly pid: number;
  /** A soft resource limit: RLIMIT_*; Infinity for none. */
  limit(resource: number): number;
  /** CAP_SYS_ADMIN, CAP_SYS_CHROOT: root in general. */
  readonly mayAdministrate: boolean;
  /** Sends a signal to this thread, as a fault of its own would (SIGPIPE, SIGXFSZ). */
  raise(signal: number): void;
  changeDirectory(path: Path): void;
  changeRoot(path: Path): void;
  /** Sets the umask and answers the old one. */
  changeUmask(mask: number): number;
  /** Blocks other signals for the rest of this system call (ppoll(2)): as given, in halves, until it has returned or a handler ran. */
  useSignalMask(low: number, high: number): void;
  /** For signalfd(2). */
  readonly pendingSignals: PendingSignals;
}

/** Answers for an interrupted call that is made again after the handler with SA_RESTART (ERESTARTSYS), and for one that never is. */
export const restart = -512;
export const noRestart = -Errno.EINTR;

/** -EINTR of an object becomes the restartable answer. */
export function* restarting(io: Io<number>): Io<number> {
  const result = yield* io;
  return result === -Errno.EINTR ? restart : result;
}

/** A path argument: the byte string, -EFAULT, -ENAMETOOLONG. */
export function pathArgument(task: IoTask, address: number): ByteString | number {
  return task.memory.readString(address);
}

/** Where a relative path starts: a directory descriptor or AT_FDCWD. -EBADF when it is needed and isn't open. */
export function baseOf(task: IoTask, directory: number, path: ByteString): Path | number {
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

/** Calls `attempt` until it doesn't answer a Wait, sleeping between; -EAGAIN at once for a non-blocking file. */
export function attemptOrSleep(file: OpenFile, attempt: () => number | Wait): Result {
  const answer = attempt();
  if (!(answer instanceof Wait)) return answer;
  return wouldBlock(file, answer) ? -Errno.EAGAIN : sleepFor(answer, attempt);
}

function* sleepFor(wait: Wait, attempt: () => number | Wait): Io<number> {
  for (;;) {
    const interrupted = yield* sleep(wait);
    if (interrupted < 0) return interrupted;
    const answer = attempt();
    if (!(answer instanceof Wait)) return answer;
    wait = answer;
  }
}

/** A new descriptor for `file`; on -EMFILE the file is closed. */
export function install(task: IoTask, file: OpenFile, closeOnExec: boolean): number {
  const fd = task.files.add(file, closeOnExec, task.limit(RLIMIT_NOFILE));
  if (fd < 0) file.release();
  return fd;
}

/** As `install`, for files whose closing may need the disk. */
export function* installed(task: IoTask, file: OpenFile, closeOnExec: boolean): Io<number> {
  const fd = task.files.add(file, closeOnExec, task.limit(RLIMIT_NOFILE));
  if (fd < 0) {
    const rest = file.release();
    if (rest) yield* rest;
  }
  return fd;
}


