/** What a signal carries (siginfo_t), signals that wait to be delivered, and what a process does about each (struct sigaction). */
import * as Signal from '../abi/signal.ts';
import { putWide } from '../abi/struct.ts';
import { SignalSet } from './signalSet.ts';

/** siginfo_t. Only the fields that go with `code` mean anything. */
export interface SignalInfo {
  readonly signal: number;
  readonly code: number;
  readonly errno?: number;
  readonly pid?: number;
  readonly uid?: number;
  /** SIGCHLD: exit code or signal. */
  readonly status?: number;
  /** SIGCHLD: in clock ticks. */
  readonly userTicks?: number;
  readonly systemTicks?: number;
  /** SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP. */
  readonly address?: number;
  /** Timers. */
  readonly timerId?: number;
  readonly overrun?: number;
  /** sigval in halves. */
  readonly valueLow?: number;
  readonly valueHigh?: number;
  /** SIGIO. */
  readonly band?: number;
  readonly fd?: number;
  /** What rt_sigqueueinfo(2) was given: the bytes as they are. */
  readonly raw?: Uint8Array;
  /** Completes it at the moment it is taken (a timer's overruns). */
  readonly finish?: () => SignalInfo;
}

/** sizeof(siginfo_t) */
export const signalInfoSize = 128;

function isFault(signal: number): boolean {
  return signal === Signal.SIGSEGV || signal === Signal.SIGBUS || signal === Signal.SIGILL || signal === Signal.SIGFPE || signal === Signal.SIGTRAP;
}

/** Writes siginfo_t of x86-64 to `view` (128 zeroed bytes). */
export function writeSignalInfo(info: SignalInfo, view: DataView): void {
  if (info.raw) new Uint8Array(view.buffer, view.byteOffset, signalInfoSize).set(info.raw.subarray(0, signalInfoSize));
  view.setInt32(0, info.signal, true);
  if (info.raw) return;
  view.setInt32(4, info.errno ?? 0, true);
  view.setInt32(8, info.code, true);
  if (info.code > 0 && info.code !== Signal.SI_KERNEL && isFault(info.signal)) {
    putWide(view, 16, info.address ?? 0);
  } else if (info.code === Signal.SI_TIMER) {
    view.setInt32(16, info.timerId ?? 0, true);
    view.setInt32(20, info.overrun ?? 0, true);
    view.setInt32(24, info.valueLow ?? 0, true);
    view.setInt32(28, info.valueHigh ?? 0, true);
  } else if (info.band !== undefined) {
    putWide(view, 16, info.band);
    view.setInt32(24, info.fd ?? 0, true);
  } else {
    view.setInt32(16, info.pid ?? 0, true);
    view.setInt32(20, info.uid ?? 0, true);
    if (info.signal === Signal.SIGCHLD && info.code > 0) {
      view.setInt32(24, info.status ?? 0, true);
      putWide(view, 32, info.userTicks ?? 0);
      putWide(view, 40, info.systemTicks ?? 0);
    } else {
      view.setInt32(24, info.valueLow ?? 0, true);
      view.setInt32(28, info.valueHigh ?? 0, true);
    }
  }
}

/** Writes struct signalfd_siginfo (128 zeroed bytes). */
export function writeSignalfdInfo(info: SignalInfo, view: DataView): void {
  view.setUint32(0, info.signal, true);
  view.setInt32(4, info.errno ?? 0, true);
  view.setInt32(8, info.raw ? new DataView(info.raw.buffer, info.raw.byteOffset).getInt32(8, true) : info.code, true);
  view.setUint32(12, info.pid ?? 0, true);
  view.setUint32(16, info.uid ?? 0, true);
  view.setInt32(20, info.fd ?? 0, true);
  view.setUint32(24, info.timerId ?? 0, true);
  view.setUint32(28, info.band ?? 0, true);
  view.setUint32(32, info.overrun ?? 0, true);
  view.setInt32(40, info.status ?? 0, true);
  view.setInt32(44, info.valueLow ?? 0, true);
  view.setInt32(48, info.valueLow ?? 0, true);
  view.setInt32(52, info.valueHigh ?? 0, true);
  putWide(view, 56, info.userTicks ?? 0);
  putWide(view, 64, info.systemTicks ?? 0);
  putWide(view, 72, info.address ?? 0);
}

/** Faults are delivered before anything else that is pending. */
const synchronous = [Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGILL, Signal.SIGTRAP, Signal.SIGFPE, Signal.SIGSYS];

/** struct rt_sigframe of x86-64: return address, ucontext, siginfo; FXSAVE image above it. */
export const Frame = { context: 8, info: 312, size: 440, fpu: 512 } as const;

/** Where one machine puts signal frames together: the frame, and the FXSAVE image apart from it. */
export class FrameScratch {
  readonly bytes = new Uint8Array(Frame.size);
  readonly view = new DataView(this.bytes.buffer);
  readonly info = new DataView(this.bytes.buffer, Frame.info, signalInfoSize);
  readonly image = new Uint8Array(Frame.fpu);
}

/** Signals that were sent and not yet delivered, to one thread or to a whole process. */
export class PendingQueue {
  readonly set = new SignalSet();
  readonly #infos: SignalInfo[] = [];

  get size(): number {
    return this.#infos.length;
  }

  /** Standard signals are pending at most once; real-time ones queue. False when it was pending already. */
  add(info: SignalInfo): boolean {
    if (info.signal < Signal.SIGRTMIN && this.set.has(info.signal)) return false;
    this.set.add(info.signal);
    this.#infos.push(info);
    return true;
  }

  /** Takes out the next signal that is not in `blocked`: faults, then the lowest number, in order of arrival. */
  takeUnblocked(blocked: SignalSet): SignalInfo | undefined {
    const low = this.set.low & ~blocked.low;
    const high = this.set.high & ~blocked.high;
    return this.#takeFrom(low, high);
  }

  /** Takes out the next signal of the set given in halves. */
  takeOf(low: number, high: number): SignalInfo | undefined {
    return this.#takeFrom(this.set.low & low, this.set.high & high);
  }

  #takeFrom(low: number, high: number): SignalInfo | undefined {
    if (low === 0 && high === 0) return undefined;
    for (const signal of synchronous) if ((low >>> (signal - 1) & 1) !== 0) return this.take(signal);
    return this.take(low !== 0 ? 32 - Math.clz32(low & -low) : 64 - Math.clz32(high & -high));
  }

  /** Takes out the oldest of one signal. */
  take(signal: number): SignalInfo | undefined {
    const infos = this.#infos;
    let at = 0;
    while (at < infos.length && infos[at]!.signal !== signal) at++;
    if (at === infos.length) return undefined;
    const info = infos[at]!;
    let others = 0;
    for (let i = at + 1; i < infos.length; i++) {
      if (infos[i]!.signal === signal) others++;
      infos[i - 1] = infos[i]!;
    }
    infos.length--;
    if (others === 0) this.set.delete(signal);
    return info.finish?.() ?? info;
  }

  /** Forgets all of one signal. */
  drop(signal: number): void {
    if (!this.set.has(signal)) return;
    while (this.take(signal) !== undefined);
  }

  clear(): void {
    this.#infos.length = 0;
    this.set.set(0, 0);
  }
}

/** struct sigaction. */
export interface Action {
  /** Address, SIG_DFL or SIG_IGN. */
  readonly handler: number;
  readonly flags: number;
  readonly restorer: number;
  readonly mask: SignalSet;
}

const defaultHandling: Action = { handler: Signal.SIG_DFL, flags: 0, restorer: 0, mask: new SignalSet() };

/** What is done about each signal; shared by threads (CLONE_SIGHAND). */
export class SignalActions {
  readonly #actions: Action[] = new Array<Action>(Signal.NSIG + 1).fill(defaultHandling);
  #users = 1;

  get(signal: number): Action {
    return this.#actions[signal]!;
  }

  set(signal: number, action: Action): void {
    this.#actions[signal] = action;
  }

  reset(signal: number): void {
    this.#actions[signal] = defaultHandling;
  }

  share(): this {
    this.#users++;
    return this;
  }

  release(): void {
    this.#users--;
  }

  get isShared(): boolean {
    return this.#users > 1;
  }

  copy(): SignalActions {
    const copy = new SignalActions();
    for (let i = 1; i <= Signal.NSIG; i++) copy.#actions[i] = this.#actions[i]!;
    return copy;
  }

  /** execve(2): handlers become SIG_DFL, ignored signals stay ignored. `all`: CLONE_CLEAR_SIGHAND does the same. */
  resetHandlers(): void {
    for (let i = 1; i <= Signal.NSIG; i++) if (this.#actions[i]!.handler !== Signal.SIG_IGN) this.#actions[i] = defaultHandling;
  }

  /** The signal would be thrown away: ignored, or by default without effect. */
  ignores(signal: number): boolean {
    const { handler } = this.#actions[signal]!;
    if (handler === Signal.SIG_IGN) return true;
    return handler === Signal.SIG_DFL && Signal.defaultAction(signal) === Signal.DefaultAction.ignore;
  }

  /** Signals whose handler is SIG_IGN, or a function (`caught`). */
  mask(caught: boolean): SignalSet {
    const set = new SignalSet();
    for (let i = 1; i <= Signal.NSIG; i++) {
      const { handler } = this.#actions[i]!;
      if (caught ? handler > Signal.SIG_IGN : handler === Signal.SIG_IGN) set.add(i);
    }
    return set;
  }
}
