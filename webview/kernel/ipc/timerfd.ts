/** timerfd_create(2). */
import { TFD_TIMER_ABSTIME } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import { POLLIN, POLLRDNORM } from '../abi/poll.ts';
import type { Sink } from '../../lib/transfer.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

/** The machine's timers as a timer file needs them; times in nanoseconds on the monotonic clock. */
export interface TimerClock {
  now(): number;
  /** A point of the clock `clockId` (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, ...) as one of the monotonic clock. */
  toMonotonic(clockId: number, seconds: number, nanoseconds: number): number;
  /** Calls `expired` once when the clock reaches `deadline`. Returns how to cancel. */
  at(deadline: number, expired: () => void): () => void;
}

/** struct itimerspec: nanoseconds; `value` 0 is disarmed, `interval` 0 is one-shot. */
export interface TimerSetting {
  readonly interval: number;
  readonly value: number;
}

export class TimerFile extends KernelFile {
  readonly #clock: TimerClock;
  readonly #clockId: number;
  readonly #wait: Wait;
  readonly #buffer = new Uint8Array(8);
  /** When it expires next, of those not read yet; Infinity when disarmed. */
  #next = Infinity;
  #interval = 0;
  #cancel: (() => void) | undefined;

  constructor(path: Path, clockId: number, flags: number, clock: TimerClock) {
    super(path, path.dentry.inode!, O_RDWR | (flags & O_NONBLOCK));
    this.#clock = clock;
    this.#clockId = clockId;
    this.#wait = new Wait([this.queue]);
  }

  /** timerfd_settime(2). `seconds` and `nanoseconds` of it_value (both 0 disarm), interval in nanoseconds. Answers the old setting. */
  set(flags: number, seconds: number, nanoseconds: number, interval: number): TimerSetting {
    const old = this.setting;
    if (seconds === 0 && nanoseconds === 0) this.#next = Infinity;
    else if (flags & TFD_TIMER_ABSTIME) this.#next = this.#clock.toMonotonic(this.#clockId, seconds, nanoseconds);
    else this.#next = this.#clock.now() + seconds * 1e9 + nanoseconds;
    this.#interval = interval;
    this.#arm();
    return old;
  }

  /** timerfd_gettime(2): the time until the next expiry. */
  get setting(): TimerSetting {
    if (this.#next === Infinity) return { interval: this.#interval, value: 0 };
    const now = this.#clock.now();
    let next = this.#next;
    if (next <= now) {
      if (this.#interval === 0) return { interval: 0, value: 0 };
      next += (Math.floor((now - next) / this.#interval) + 1) * this.#interval;
    }
    return { interval: this.#interval, value: next - now };
  }

  /** Expiries since the last read. */
  get #expirations(): number {
    const now = this.#clock.now();
    if (this.#next > now) return 0;
    return this.#interval === 0 ? 1 : Math.floor((now - this.#next) / this.#interval) + 1;
  }

  override read(sink: Sink): Attempt<number> {
    if (sink.remaining < 8) return -Errno.EINVAL;
    const count = this.#expirations;
    if (count === 0) return this.#wait;
    const view = new DataView(this.#buffer.buffer);
    view.setUint32(0, count % 2 ** 32, true);
    view.setUint32(4, Math.floor(count / 2 ** 32), true);
    if (sink.put(this.#buffer, 0, 8) < 8) return -Errno.EFAULT;
    this.#next = this.#interval === 0 ? Infinity : this.#next + count * this.#interval;
    this.#arm();
    return 8;
  }

  override poll(): number {
    return this.#expirations > 0 ? POLLIN | POLLRDNORM : 0;
  }

  protected override close(): undefined {
    this.#cancel?.();
  }

  #arm(at = this.#next): void {
    this.#cancel?.();
    this.#cancel = at === Infinity ? undefined : this.#clock.at(at, () => this.#expired());
  }

  #expired(): void {
    this.#cancel = undefined;
    this.queue.wake(POLLIN | POLLRDNORM);
    // An edge for each expiry while somebody listens; otherwise the count is worked out when it is asked for.
    if (this.#interval > 0 && !this.queue.isEmpty) {
      const now = this.#clock.now();
      this.#arm(this.#next + (Math.floor((now - this.#next) / this.#interval) + 1) * this.#interval);
    }
  }
}
