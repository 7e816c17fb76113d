/** Time: the machine's clocks and what waits for them. This file: a heap of deadlines on the monotonic clock, in nanoseconds. */

/** What the host gives. */
export interface HostClock {
  /** Nanoseconds since boot; never goes back. */
  monotonic(): number;
  /** Milliseconds since 1970-01-01 00:00 UTC, with a fraction. */
  wall(): number;
}

interface Timer {
  readonly deadline: number;
  /** Undefined once cancelled. */
  expired: (() => void) | undefined;
}

export class Timers {
  readonly clock: HostClock;
  /** Binary heap by deadline. */
  readonly #heap: Timer[] = [];
  /** What clock_settime(2) added to the host's wall clock, in milliseconds. */
  #wallOffset = 0;
  #cancelled = 0;

  constructor(clock: HostClock) {
    this.clock = clock;
  }

  /** Nanoseconds since boot. */
  now(): number {
    return this.clock.monotonic();
  }

  /** Wall-clock time. */
  wall(): { seconds: number; nanoseconds: number } {
    const milliseconds = this.clock.wall() + this.#wallOffset;
    const seconds = Math.floor(milliseconds / 1000);
    return { seconds, nanoseconds: Math.min(999_999_999, Math.floor((milliseconds - seconds * 1000) * 1e6)) };
  }

  /** clock_settime(2) of CLOCK_REALTIME: the guest's clock only. */
  setWall(seconds: number, nanoseconds: number): void {
    this.#wallOffset = seconds * 1000 + nanoseconds / 1e6 - this.clock.wall();
  }

  /** A point of a clock as one of the monotonic clock. CLOCK_REALTIME (0), its alarm (8) and TAI (11) are wall clocks. */
  toMonotonic(clockId: number, seconds: number, nanoseconds: number): number {
    if (clockId !== 0 && clockId !== 5 && clockId !== 8 && clockId !== 11) return seconds * 1e9 + nanoseconds;
    const wall = this.wall();
    return this.now() + (seconds - wall.seconds) * 1e9 + (nanoseconds - wall.nanoseconds);
  }

  /** Calls `expired` once when the clock has reached `deadline`. Returns how to cancel. */
  at(deadline: number, expired: () => void): () => void {
    const timer: Timer = { deadline, expired };
    this.#push(timer);
    return () => {
      if (timer.expired === undefined) return;
      timer.expired = undefined;
      if (++this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) this.#sweep();
    };
  }

  /** Drops cancelled timers: long timeouts that are mostly cancelled would pile up. */
  #sweep(): void {
    const kept = this.#heap.filter(timer => timer.expired !== undefined);
    this.#heap.length = 0;
    for (const timer of kept) this.#push(timer);
    this.#cancelled = 0;
  }

  /** The next deadline, or Infinity. */
  get next(): number {
    while (this.#heap.length > 0 && this.#heap[0]!.expired === undefined) {
      this.#pop();
      this.#cancelled--;
    }
    return this.#heap[0]?.deadline ?? Infinity;
  }

  /** Calls what is due at `now`. */
  expire(now: number): void {
    while (this.next <= now) {
      const timer = this.#pop();
      const { expired } = timer;
      timer.expired = undefined;
      expired?.();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.deadline <= timer.deadline) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.deadline < heap[child]!.deadline) child++;
      if (heap[child]!.deadline >= last.deadline) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
