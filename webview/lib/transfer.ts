/**
 * Where bytes go to and come from in read(2) and write(2) without a copy in between: user memory (the kernel's copy module implements
 * these over page tables) or a plain buffer.
 */

/** Takes bytes. */
export interface Sink {
  /** Bytes that it still takes. */
  readonly remaining: number;
  /** Takes `length` bytes of `from` at `offset`; returns how many it took: fewer means that the target can't be written (EFAULT). */
  put(from: Uint8Array, offset: number, length: number): number;
  /** As `put` with `length` zero bytes. */
  zero(length: number): number;
}

/** Gives bytes. */
export interface Source {
  readonly remaining: number;
  /** Writes up to `length` bytes to `into` at `offset`; returns how many: fewer than asked and remaining means EFAULT. */
  get(into: Uint8Array, offset: number, length: number): number;
}

/** A Sink over a plain buffer. */
export class BufferSink implements Sink {
  readonly #buffer: Uint8Array;
  #at = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  /** The bytes taken so far. */
  get taken(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  put(from: Uint8Array, offset: number, length: number): number {
    const n = Math.min(length, this.remaining);
    this.#buffer.set(from.subarray(offset, offset + n), this.#at);
    this.#at += n;
    return n;
  }

  zero(length: number): number {
    const n = Math.min(length, this.remaining);
    this.#buffer.fill(0, this.#at, this.#at + n);
    this.#at += n;
    return n;
  }
}

/** A Source over a plain buffer. */
export class BufferSource implements Source {
  readonly #buffer: Uint8Array;
  #at = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  get(into: Uint8Array, offset: number, length: number): number {
    const n = Math.min(length, this.remaining);
    into.set(this.#buffer.subarray(this.#at, this.#at + n), offset);
    this.#at += n;
    return n;
  }
}
