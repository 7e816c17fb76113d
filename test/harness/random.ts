/** Random numbers from a seed (xorshift32), so that a failure can be had again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed >>> 0) || 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** One for each list of integers, such as a run's seed and what is made. */
  static of(...parts: readonly number[]): Random {
    let seed = 0;
    for (const part of parts) {
      seed = Math.imul(seed ^ part, 0x85ebca6b);
      seed = Math.imul(seed ^ seed >>> 13, 0xc2b2ae35);
      seed ^= seed >>> 16;
    }
    return new Random(seed);
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** True once in `n` times on average. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  bits64(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next() >>> 7;
    return bytes;
  }
}
