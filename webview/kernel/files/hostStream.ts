/** The host's standard streams as files of the guest, when they are no terminal: bytes in with an end, bytes out with back-pressure. */
import { Errno } from '../abi/errno.ts';
import { O_RDONLY, O_WRONLY } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from './kernelFile.ts';

/** Bytes from the host. The host pushes; what the guest hasn't read yet is kept. */
export class HostInputFile extends KernelFile {
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;
  #buffered = 0;
  #ended = false;
  readonly #wait: Wait;
  readonly #drained: (() => void) | undefined;

  /** `drained` is called when everything pushed was read: the time to push more. */
  constructor(path: Path, drained?: () => void) {
    super(path, path.dentry.inode!, O_RDONLY);
    this.#drained = drained;
    this.#wait = new Wait([this.queue]);
  }

  /** Takes over `bytes`. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#ended) return;
    this.#chunks.push(bytes);
    this.#buffered += bytes.length;
    this.queue.wake(POLLIN | POLLRDNORM);
  }

  /** End of file behind what was pushed. */
  end(): void {
    this.#ended = true;
    this.queue.wake(POLLIN | POLLRDNORM | POLLHUP);
  }

  override get readable(): number {
    return this.#buffered;
  }

  override read(sink: Sink): Attempt<number> {
    if (this.#buffered === 0) return this.#ended ? 0 : this.#wait;
    let total = 0;
    while (this.#chunks.length > 0 && sink.remaining > 0) {
      const chunk = this.#chunks[0]!;
      const wanted = Math.min(chunk.length - this.#offset, sink.remaining);
      const taken = sink.put(chunk, this.#offset, wanted);
      total += taken;
      this.#offset += taken;
      if (this.#offset === chunk.length) {
        this.#chunks.shift();
        this.#offset = 0;
      }
      if (taken < wanted) break;
    }
    this.#buffered -= total;
    if (total > 0 && this.#buffered === 0) this.#drained?.();
    return total === 0 && sink.remaining > 0 ? -Errno.EFAULT : total;
  }

  override poll(): number {
    return (this.#buffered > 0 || this.#ended ? POLLIN | POLLRDNORM : 0) | (this.#ended ? POLLHUP : 0);
  }
}

/** Bytes to the host. The guest's writes sleep while `window` bytes are unacknowledged. */
export class HostOutputFile extends KernelFile {
  readonly #output: (bytes: Uint8Array) => void;
  #credit: number;
  #broken = false;
  readonly #wait: Wait;

  /** `output` is called with bytes of its own from inside the guest's write(2); it must not call back into the machine. */
  constructor(path: Path, output: (bytes: Uint8Array) => void, window: number) {
    super(path, path.dentry.inode!, O_WRONLY);
    this.#output = output;
    this.#credit = window;
    this.#wait = new Wait([this.queue]);
  }

  override get writesAll(): boolean {
    return true;
  }

  /** The host has dealt with so many bytes. */
  acknowledge(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > 0) this.queue.wake(POLLOUT | POLLWRNORM);
  }

  /** The host takes no more (its pipe was closed): writes give EPIPE from now on. */
  break(): void {
    this.#broken = true;
    this.queue.wake(POLLERR | POLLOUT | POLLWRNORM);
  }

  override write(source: Source): Attempt<number> {
    if (this.#broken) return -Errno.EPIPE;
    const size = source.remaining;
    if (size === 0) return 0;
    if (this.#credit <= 0) return this.#wait;
    const bytes = new Uint8Array(Math.min(size, this.#credit, 65536));
    const got = source.get(bytes, 0, bytes.length);
    if (got === 0) return -Errno.EFAULT;
    this.#credit -= got;
    this.#output(got === bytes.length ? bytes : bytes.subarray(0, got));
    return got;
  }

  override poll(): number {
    return (this.#credit > 0 || this.#broken ? POLLOUT | POLLWRNORM : 0) | (this.#broken ? POLLERR : 0);
  }
}
