/** signalfd(2): reading takes pending signals of the calling process. */
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import { POLLIN, POLLRDNORM } from '../abi/poll.ts';
import type { Sink } from '../../lib/transfer.ts';
import { Wait, type Attempt, type WaitQueue } from '../../lib/wait.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

/** sizeof(struct signalfd_siginfo). */
export const signalInfoSize = 128;

/** The pending signals of whoever the kernel is working for. A mask is 64 bits in two halves: bit 0 of `low` is signal 1. */
export interface PendingSignals {
  has(low: number, high: number): boolean;
  /** Takes out the next pending signal of the mask and writes it as struct signalfd_siginfo to `into` (128 bytes, zeroed). False when there is none. */
  take(low: number, high: number, into: DataView): boolean;
  /** Wakes when a signal becomes pending for the process that makes a signalfd. */
  readonly arrival: WaitQueue;
}

export class SignalFile extends KernelFile {
  #low: number;
  #high: number;
  readonly #signals: PendingSignals;
  readonly #wait: Wait;
  readonly #buffer = new Uint8Array(signalInfoSize);

  constructor(path: Path, low: number, high: number, flags: number, signals: PendingSignals) {
    super(path, path.dentry.inode!, O_RDWR | (flags & O_NONBLOCK), signals.arrival);
    this.#signals = signals;
    this.#low = low;
    this.#high = high;
    this.#wait = new Wait([this.queue]);
  }

  /** signalfd(2) on an existing descriptor. */
  setMask(low: number, high: number): void {
    this.#low = low;
    this.#high = high;
    this.queue.wake(0);
  }

  override read(sink: Sink): Attempt<number> {
    if (sink.remaining < signalInfoSize) return -Errno.EINVAL;
    let total = 0;
    while (sink.remaining >= signalInfoSize) {
      this.#buffer.fill(0);
      if (!this.#signals.take(this.#low, this.#high, new DataView(this.#buffer.buffer))) break;
      if (sink.put(this.#buffer, 0, signalInfoSize) < signalInfoSize) return total > 0 ? total : -Errno.EFAULT;
      total += signalInfoSize;
    }
    return total > 0 ? total : this.#wait;
  }

  override poll(): number {
    return this.#signals.has(this.#low, this.#high) ? POLLIN | POLLRDNORM : 0;
  }
}
