/**
 * Files that are no file system's: descriptor tables, devices, anonymous inodes and host streams. Objects here own their behaviour and
 * know neither system calls nor registers; pipes and event files are in ../ipc, terminals in ../tty, sockets in ../socket.
 */
import { Errno } from '../abi/errno.ts';
import type { Sink } from '../../lib/transfer.ts';
import type { Io } from '../../lib/wait.ts';
import { OpenFile } from '../../fs/vfs/openFile.ts';

/** User memory as ioctl(2) arguments need it. Each answers undefined or false for a bad pointer (EFAULT). */
export interface IoctlMemory {
  readU32(address: number): number | undefined;
  writeU32(address: number, value: number): boolean;
  readBytes(address: number, into: Uint8Array): boolean;
  writeBytes(address: number, from: Uint8Array): boolean;
}

/** Who calls ioctl(2): a task, seen from files. What terminals ask of it is in ../tty/jobControl.ts. */
export interface IoctlCaller {
  readonly ioctlMemory: IoctlMemory;
}

/** An open file of the kernel's own: it has ioctls. */
export abstract class KernelFile extends OpenFile {
  /** ioctl(2) requests that the system call doesn't answer for all kinds of file itself. `argument` is the raw third argument. */
  ioctl(_caller: IoctlCaller, _request: number, _argument: number): number | Io<number> {
    return -Errno.ENOTTY;
  }
  /** Bytes that a read would give now (FIONREAD); -ENOTTY where that has no meaning. */
  get readable(): number {
    return -Errno.ENOTTY;
  }
  /** How a blocking read(2) goes on after `read` answered a Wait, where that is more than calling again (terminals' timers). */
  sleepingRead(_sink: Sink): Io<number> | undefined {
    return undefined;
  }
  /** False where epoll(7) refuses the file, which is always ready. */
  get canPoll(): boolean {
    return true;
  }
  /** True where a blocking write(2) goes on until all is written (pipes, stream sockets, terminals). */
  get writesAll(): boolean {
    return false;
  }
}

/** Answers -EFAULT for false. */
export function faultUnless(ok: boolean): number {
  return ok ? 0 : -Errno.EFAULT;
}
