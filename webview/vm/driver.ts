/**
 * Gives the machine its time: slices of a few milliseconds with the host's event loop in between, a timer for the next deadline, and
 * nothing at all while all sleep. Works in a worker and under Node.
 */

/** What is driven. */
export interface Driven {
  /** Runs for at most about that long. 'more': there is more to do; else nanoseconds until something is due, Infinity for nothing. */
  runSlice(milliseconds: number): 'more' | number;
}

const sliceMilliseconds = 8;
/** Longest time that a timer of the host can be set to. */
const longestTimer = 2 ** 31 - 1;

/** Calls back behind whatever the event loop has to do now, without a timer's clamping. */
export type Soon = (callback: () => void) => void;

/** The platform's quickest way to the end of the event queue. */
export function platformSoon(): Soon {
  const immediate = (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate;
  if (immediate) return callback => immediate(callback);
  const channel = new MessageChannel();
  const callbacks: (() => void)[] = [];
  channel.port1.onmessage = () => callbacks.shift()?.();
  return callback => {
    callbacks.push(callback);
    channel.port2.postMessage(0);
  };
}

export class Driver {
  readonly #machine: Driven;
  readonly #soon: Soon;
  readonly #failed: (error: unknown) => void;
  readonly #afterSlice: () => void;
  #isScheduled = false;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `failed` is told of an exception, after which nothing runs any more. `afterSlice` is called behind each slice. */
  constructor(machine: Driven, failed: (error: unknown) => void, afterSlice: () => void = () => {}, soon = platformSoon()) {
    this.#machine = machine;
    this.#failed = failed;
    this.#afterSlice = afterSlice;
    this.#soon = soon;
  }

  /** Something became runnable. */
  wake(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#soon(() => this.#run());
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#isStopped) return;
    let next: 'more' | number;
    try {
      next = this.#machine.runSlice(sliceMilliseconds);
      this.#afterSlice();
    } catch (error) {
      this.stop();
      this.#failed(error);
      return;
    }
    if (next === 'more') this.wake();
    else if (next !== Infinity && !this.#isScheduled) this.#sleep(next / 1e6);
  }

  #sleep(milliseconds: number): void {
    if (milliseconds < 1) return this.wake();
    // Rounded up: a timer that fires early would only run an empty slice.
    this.#timer = setTimeout(() => this.wake(), Math.min(longestTimer, Math.ceil(milliseconds)));
  }
}
