/** The timers of a process: setitimer(2), alarm(2), and timer_create(2). */
import { Errno } from '../abi/errno.ts';
import { ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL } from '../abi/time.ts';
import type { Timers } from './timers.ts';

/** Times in nanoseconds; `value` 0 is disarmed. */
export interface TimerSetting {
  readonly value: number;
  readonly interval: number;
}

const disarmed: TimerSetting = { value: 0, interval: 0 };
/** timer_getoverrun(2) counts no further. */
const overrunMaximum = 0x7fffffff;

/** One timer of timer_create(2). */
export class PosixTimer {
  readonly id: number;
  readonly clockId: number;
  readonly #timers: Timers;
  /** Sends its signal, with the overruns up to now; false when the last one is still pending. */
  readonly #expired: (timer: PosixTimer) => boolean;
  #deadline = Infinity;
  interval = 0;
  overrun = 0;
  /** Overruns of the signal that was delivered last. */
  deliveredOverrun = 0;
  /** Its signal was sent once at least. */
  isQueued = false;
  #cancel: (() => void) | undefined;

  constructor(id: number, clockId: number, timers: Timers, expired: (timer: PosixTimer) => boolean) {
    this.id = id;
    this.clockId = clockId;
    this.#timers = timers;
    this.#expired = expired;
  }

  /** The expiries that the signal taken now stands for, besides its own; they count anew from here. */
  takeOverrun(): number {
    this.deliveredOverrun = this.overrun;
    this.overrun = 0;
    return this.deliveredOverrun;
  }

  get setting(): TimerSetting {
    if (this.#deadline === Infinity) return { value: 0, interval: this.interval };
    return { value: Math.max(1, this.#deadline - this.#timers.now()), interval: this.interval };
  }

  /** `deadline` on the monotonic clock; Infinity disarms. */
  set(deadline: number, interval: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#deadline = deadline;
    this.interval = interval;
    this.overrun = 0;
    this.#arm();
  }

  #arm(): void {
    if (this.#deadline !== Infinity) this.#cancel = this.#timers.at(this.#deadline, () => this.#fire());
  }

  #fire(): void {
    const late = this.#timers.now() - this.#deadline;
    if (this.interval > 0) {
      const missed = Math.max(0, Math.floor(late / this.interval));
      this.overrun = Math.min(overrunMaximum, this.overrun + missed);
      this.#deadline += (missed + 1) * this.interval;
    } else {
      this.#deadline = Infinity;
    }
    if (!this.#expired(this)) this.overrun = Math.min(overrunMaximum, this.overrun + 1);
    this.#arm();
  }
}

export class PosixTimers {
  readonly #timers: Timers;
  readonly #byId = new Map<number, PosixTimer>();
  #nextId = 0;
  #real: TimerSetting = disarmed;
  #realDeadline = Infinity;
  #cancelReal: (() => void) | undefined;
  /** ITIMER_VIRTUAL and ITIMER_PROF: the CPU time at which they expire. */
  readonly #cpuDeadlines = [Infinity, Infinity];
  readonly #cpuIntervals = [0, 0];
  /** Some CPU-time timer is armed: the scheduler asks `expireCpu`. */
  watchesCpu = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** A new timer, or -EAGAIN. */
  create(clockId: number, expired: (timer: PosixTimer) => boolean): PosixTimer | number {
    if (this.#byId.size >= 1024) return -Errno.EAGAIN;
    const timer = new PosixTimer(this.#nextId++, clockId, this.#timers, expired);
    this.#byId.set(timer.id, timer);
    return timer;
  }

  get(id: number): PosixTimer | undefined {
    return this.#byId.get(id);
  }

  delete(id: number): boolean {
    this.#byId.get(id)?.set(Infinity, 0);
    return this.#byId.delete(id);
  }

  /** execve(2) and the end: timer_create's timers are gone; at the end the interval timers too. */
  clear(intervalTimersToo: boolean): void {
    for (const id of [...this.#byId.keys()]) this.delete(id);
    if (!intervalTimersToo) return;
    this.#cancelReal?.();
    this.#cancelReal = undefined;
    this.watchesCpu = false;
  }

  /** setitimer(2) of ITIMER_REAL; `expired` sends SIGALRM. Answers the old setting. */
  setReal(setting: TimerSetting, expired: () => void): TimerSetting {
    const old = this.real;
    this.#cancelReal?.();
    this.#cancelReal = undefined;
    this.#real = setting;
    this.#realDeadline = setting.value === 0 ? Infinity : this.#timers.now() + setting.value;
    this.#armReal(expired);
    return old;
  }

  #armReal(expired: () => void): void {
    if (this.#realDeadline === Infinity) return;
    this.#cancelReal = this.#timers.at(this.#realDeadline, () => {
      const { interval } = this.#real;
      const now = this.#timers.now();
      this.#realDeadline = interval === 0 ? Infinity : this.#realDeadline + Math.max(1, Math.ceil((now - this.#realDeadline) / interval)) * interval;
      this.#cancelReal = undefined;
      this.#armReal(expired);
      expired();
    });
  }

  get real(): TimerSetting {
    if (this.#realDeadline === Infinity) return { value: 0, interval: this.#real.interval };
    return { value: Math.max(1000, this.#realDeadline - this.#timers.now()), interval: this.#real.interval };
  }

  /** setitimer(2) of ITIMER_VIRTUAL or ITIMER_PROF; `used` is the CPU time so far. */
  setCpu(which: number, setting: TimerSetting, used: number): TimerSetting {
    const at = which === ITIMER_VIRTUAL ? 0 : 1;
    const old = this.cpu(which, used);
    this.#cpuDeadlines[at] = setting.value === 0 ? Infinity : used + setting.value;
    this.#cpuIntervals[at] = setting.interval;
    this.watchesCpu = this.#cpuDeadlines.some(deadline => deadline !== Infinity);
    return old;
  }

  cpu(which: number, used: number): TimerSetting {
    const at = which === ITIMER_VIRTUAL ? 0 : 1;
    const deadline = this.#cpuDeadlines[at]!;
    return { value: deadline === Infinity ? 0 : Math.max(1000, deadline - used), interval: this.#cpuIntervals[at]! };
  }

  /** Which of ITIMER_VIRTUAL (bit 0) and ITIMER_PROF (bit 1) have expired at that much user and total CPU time. */
  expireCpu(user: number, total: number): number {
    let expired = 0;
    for (let at = 0; at < 2; at++) {
      const used = at === 0 ? user : total;
      if (used < this.#cpuDeadlines[at]!) continue;
      expired |= 1 << at;
      const interval = this.#cpuIntervals[at]!;
      this.#cpuDeadlines[at] = interval === 0 ? Infinity : used + interval;
    }
    this.watchesCpu = this.#cpuDeadlines.some(deadline => deadline !== Infinity);
    return expired;
  }
}

/** True for the `which` of getitimer(2). */
export function isIntervalTimer(which: number): boolean {
  return which === ITIMER_REAL || which === ITIMER_VIRTUAL || which === ITIMER_PROF;
}
