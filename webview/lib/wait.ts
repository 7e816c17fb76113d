/**
 * How code sleeps. A `Wait` says what to sleep on; a generator of type `Io<T>` yields Waits until it has its result; an `Attempt<T>` is
 * a plain call's answer: the result, or the Wait after which to call again. Who drives them (a scheduler, a test) subscribes to the queues.
 * Nothing here knows of tasks, files or timers.
 */

/** Who is told when a queue wakes. */
export interface Waiter {
  /** Called once per wake while queued; `mask` is what happened (poll(2) bits, or 0). Return true to count as one of `count` woken. */
  wake(queue: WaitQueue, mask: number): boolean;
}

/** A list of waiters, woken in order of arrival. A waiter stays queued until it removes itself. */
export class WaitQueue {
  readonly #waiters = new Set<Waiter>();

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  add(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** Wakes up to `count` waiters that answer true (all by default) and returns how many did. */
  wake(mask = 0, count = Infinity): number {
    let woken = 0;
    if (this.#waiters.size === 0) return 0;
    if (this.#waiters.size === 1) {
      for (const waiter of this.#waiters) return count > 0 && waiter.wake(this, mask) ? 1 : 0;
    }
    // Whoever is woken may add and remove waiters.
    for (const waiter of [...this.#waiters]) {
      if (woken >= count) break;
      if (this.#waiters.has(waiter) && waiter.wake(this, mask)) woken++;
    }
    return woken;
  }
}

/** What a sleeper sleeps on: any of the queues, or the deadline, or (if interruptible) a signal. */
export class Wait {
  readonly queues: readonly WaitQueue[];
  /** Nanoseconds on the monotonic clock since boot; Infinity for none. */
  readonly deadline: number;
  /** A signal ends it (EINTR). Disk waits are not interruptible; waits on pipes, terminals, timers and children are. */
  readonly interruptible: boolean;

  constructor(queues: readonly WaitQueue[], options: { deadline?: number; interruptible?: boolean } = {}) {
    this.queues = queues;
    this.deadline = options.deadline ?? Infinity;
    this.interruptible = options.interruptible ?? true;
  }
}

/** Why a sleeper woke. */
export const Wake = { ready: 0, timeout: 1, interrupted: 2 } as const;
export type Wake = (typeof Wake)[keyof typeof Wake];

/** A computation that may sleep. */
export type Io<T> = Generator<Wait, T, Wake>;

/** A plain call's answer: its result, or what to wait for before calling again with the same arguments. */
export type Attempt<T> = T | Wait;

/** Calls `attempt` until it has a result, sleeping between. Uninterruptible: for waits on the disk. */
export function* retry<T>(attempt: () => Attempt<T>): Io<T> {
  for (;;) {
    const answer = attempt();
    if (!(answer instanceof Wait)) return answer;
    yield answer;
  }
}

/** Mutual exclusion between Io computations. */
export class Mutex {
  #held = false;
  readonly #queue = new WaitQueue();
  readonly #wait = new Wait([this.#queue], { interruptible: false });

  *acquire(): Io<void> {
    while (this.#held) yield this.#wait;
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#queue.wake();
  }
}

/** Runs a computation that is known not to need a sleep (all it reads is resident); throws if it does. For tests and synchronous devices. */
export function runNow<T>(io: Io<T>): T {
  const step = io.next();
  if (!step.done) throw new Error('runNow: the computation had to wait');
  return step.value;
}

/** Drives a computation outside of any scheduler, waiting by promises. Deadlines are ignored. */
export async function runAsync<T>(io: Io<T>): Promise<T> {
  let step = io.next();
  while (!step.done) {
    const { queues } = step.value;
    await new Promise<void>(resolve => {
      const waiter: Waiter = {
        wake: () => {
          for (const queue of queues) queue.remove(waiter);
          resolve();
          return true;
        },
      };
      for (const queue of queues) queue.add(waiter);
    });
    step = io.next(Wake.ready);
  }
  return step.value;
}
