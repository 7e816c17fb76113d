/** A set of signals (sigset_t): two 32-bit halves, bit 0 of `low` is signal 1. */
export class SignalSet {
  low: number;
  high: number;

  constructor(low = 0, high = 0) {
    this.low = low | 0;
    this.high = high | 0;
  }

  has(signal: number): boolean {
    return signal <= 32 ? (this.low >>> (signal - 1) & 1) !== 0 : (this.high >>> (signal - 33) & 1) !== 0;
  }

  add(signal: number): void {
    if (signal <= 32) this.low |= 1 << (signal - 1);
    else this.high |= 1 << (signal - 33);
  }

  delete(signal: number): void {
    if (signal <= 32) this.low &= ~(1 << (signal - 1));
    else this.high &= ~(1 << (signal - 33));
  }

  set(low: number, high: number): void {
    this.low = low | 0;
    this.high = high | 0;
  }

  copy(): SignalSet {
    return new SignalSet(this.low, this.high);
  }

  get isEmpty(): boolean {
    return this.low === 0 && this.high === 0;
  }

  /** As /proc shows it. */
  toBigInt(): bigint {
    return (BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }
}
