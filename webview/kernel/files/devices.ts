/** Character devices by number (devices.txt of Linux): memory devices here, terminals through what registers itself. */
import { Errno } from '../abi/errno.ts';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from './kernelFile.ts';

/** Opens a device node. `minor` is its number within what was registered. */
export type DeviceOpener = (path: Path, inode: Inode, flags: number, caller: Caller, minor: number) => OpenFile | number;

/** The character devices of a machine. */
export class CharacterDevices {
  readonly #openers = new Map<number, DeviceOpener>();

  /** `minor` undefined: all minors of `major`. */
  register(major: number, minor: number | undefined, opener: DeviceOpener): void {
    this.#openers.set(minor === undefined ? major << 8 : (major << 8) | minor | 0x1000000, opener);
  }

  /** For `Openers.characterDevice`: -ENXIO when no driver has the number. */
  *open(path: Path, inode: Inode, flags: number, caller: Caller): Io<OpenFile | number> {
    const { rdev } = inode;
    const opener = this.#openers.get(rdev | 0x1000000) ?? this.#openers.get(rdev & 0xff00);
    return opener ? opener(path, inode, flags, caller, rdev & 0xff) : -Errno.ENXIO;
  }
}

const ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;

/** null(4). */
export class NullFile extends KernelFile {
  override get isSeekable(): boolean {
    return true;
  }
  override read(_sink: Sink): Attempt<number> {
    return 0;
  }
  override write(source: Source): Attempt<number> {
    return source.remaining;
  }
  override poll(): number {
    return ready;
  }
  override get canPoll(): boolean {
    return false;
  }
  override *seek(): Io<number> {
    return 0;
  }
}

/** zero(4), the source of zero bytes; what is written is lost. */
export class ZeroFile extends NullFile {
  override read(sink: Sink): Attempt<number> {
    const wanted = sink.remaining;
    const taken = sink.zero(wanted);
    return taken === 0 && wanted > 0 ? -Errno.EFAULT : taken;
  }
}

/** full(4): as zero, but nothing fits on it. */
export class FullFile extends ZeroFile {
  override write(source: Source): Attempt<number> {
    return source.remaining === 0 ? 0 : -Errno.ENOSPC;
  }
}

/** random(4) and urandom: both give what the host's generator gives; what is written is ignored. */
export class RandomFile extends NullFile {
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #scratch = new Uint8Array(4096);

  constructor(path: Path, inode: Inode, flags: number, fill: (bytes: Uint8Array) => void) {
    super(path, inode, flags);
    this.#fill = fill;
  }

  override get canPoll(): boolean {
    return true;
  }

  override read(sink: Sink): Attempt<number> {
    let total = 0;
    while (sink.remaining > 0) {
      const chunk = this.#scratch.subarray(0, Math.min(sink.remaining, this.#scratch.length));
      this.#fill(chunk);
      const taken = sink.put(chunk, 0, chunk.length);
      total += taken;
      if (taken < chunk.length) return total > 0 ? total : -Errno.EFAULT;
    }
    return total;
  }
}

/** kmsg: lines written to it go to the machine's log. There is nothing to read: the log is the host's. */
export class LogFile extends KernelFile {
  readonly #log: (line: string) => void;

  constructor(path: Path, inode: Inode, flags: number, log: (line: string) => void) {
    super(path, inode, flags);
    this.#log = log;
  }

  override read(_sink: Sink): Attempt<number> {
    return -Errno.EAGAIN;
  }

  override write(source: Source): Attempt<number> {
    const bytes = new Uint8Array(Math.min(source.remaining, 1024));
    const got = source.get(bytes, 0, bytes.length);
    if (got === 0 && bytes.length > 0) return -Errno.EFAULT;
    this.#log(new TextDecoder().decode(bytes.subarray(0, got)).replace(/^<\d+>/, '').trimEnd());
    return got;
  }

  override poll(): number {
    return POLLOUT | POLLWRNORM;
  }
}

/** What the memory devices need of the machine. */
export interface MemoryDeviceServices {
  /** Fills with random bytes of the host. */
  random(bytes: Uint8Array): void;
  log(line: string): void;
}

/** Registers major 1: null, zero, full, random, urandom, kmsg. */
export function registerMemoryDevices(devices: CharacterDevices, services: MemoryDeviceServices): void {
  const random: DeviceOpener = (path, inode, flags) => new RandomFile(path, inode, flags, bytes => services.random(bytes));
  devices.register(1, 3, (path, inode, flags) => new NullFile(path, inode, flags));
  devices.register(1, 5, (path, inode, flags) => new ZeroFile(path, inode, flags));
  devices.register(1, 7, (path, inode, flags) => new FullFile(path, inode, flags));
  devices.register(1, 8, random);
  devices.register(1, 9, random);
  devices.register(1, 11, (path, inode, flags) => new LogFile(path, inode, flags, line => services.log(line)));
}
