/** eventfd(2). The 64-bit counter is kept as two unsigned halves, so that no read or write makes a BigInt. */
import { EFD_SEMAPHORE } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

const twoTo32 = 2 ** 32;

export class EventFile extends KernelFile {
  #low: number;
  #high = 0;
  readonly #semaphore: boolean;
  readonly #wait: Wait;
  readonly #buffer = new Uint8Array(8);
  readonly #view = new DataView(this.#buffer.buffer);

  /** `flags` of eventfd2(2): EFD_SEMAPHORE, EFD_NONBLOCK. */
  constructor(path: Path, initial: number, flags: number) {
    super(path, path.dentry.inode!, O_RDWR | (flags & O_NONBLOCK));
    this.#low = initial;
    this.#semaphore = (flags & EFD_SEMAPHORE) !== 0;
    this.#wait = new Wait([this.queue]);
  }

  override read(sink: Sink): Attempt<number> {
    if (sink.remaining < 8) return -Errno.EINVAL;
    if (this.#low === 0 && this.#high === 0) return this.#wait;
    if (this.#semaphore) {
      this.#view.setUint32(0, 1, true);
      this.#view.setUint32(4, 0, true);
    } else {
      this.#view.setUint32(0, this.#low, true);
      this.#view.setUint32(4, this.#high, true);
    }
    if (sink.put(this.#buffer, 0, 8) < 8) return -Errno.EFAULT;
    if (!this.#semaphore) this.#low = this.#high = 0;
    else if (this.#low > 0) this.#low--;
    else {
      this.#low = 0xffffffff;
      this.#high--;
    }
    this.queue.wake(POLLOUT | POLLWRNORM);
    return 8;
  }

  override write(source: Source): Attempt<number> {
    if (source.remaining < 8) return -Errno.EINVAL;
    if (this.#isFull) return this.#wait;
    if (source.get(this.#buffer, 0, 8) < 8) return -Errno.EFAULT;
    return this.add(this.#view.getUint32(0, true), this.#view.getUint32(4, true));
  }

  /** Adds a 64-bit value: 8, -EINVAL for the all-ones value, or the Wait until it fits under 2^64 - 1. */
  add(addLow: number, addHigh: number): Attempt<number> {
    if (addLow === 0xffffffff && addHigh === 0xffffffff) return -Errno.EINVAL;
    const low = this.#low + addLow;
    const high = this.#high + addHigh + (low >= twoTo32 ? 1 : 0);
    if (high >= twoTo32 || (high === 0xffffffff && low % twoTo32 === 0xffffffff)) return this.#wait;
    this.#low = low % twoTo32;
    this.#high = high;
    if (addLow !== 0 || addHigh !== 0) this.queue.wake(POLLIN | POLLRDNORM);
    return 8;
  }

  get #isFull(): boolean {
    return this.#high === 0xffffffff && this.#low === 0xfffffffe;
  }

  override poll(): number {
    let mask = 0;
    if (this.#low !== 0 || this.#high !== 0) mask |= POLLIN | POLLRDNORM;
    if (this.#high === 0xffffffff && this.#low === 0xffffffff) mask |= POLLERR;
    if (!this.#isFull) mask |= POLLOUT | POLLWRNORM;
    return mask;
  }

  /** The counter in hexadecimal, for /proc/PID/fdinfo. */
  get count(): string {
    return (this.#high === 0 ? '' : this.#high.toString(16)) + this.#low.toString(16);
  }
}
