/** Sixteen registers of a kind in a region: in locals throughout, or in memory with locals that hold those that the block at hand has used. */
import type { Code, Variable } from '../wasm/code.ts';
import type { Value } from '../wasm/values.ts';

/** All registers. */
export const EVERY = 0xffff;

/** How registers of a kind are kept in memory. */
export interface RegisterFile<T extends Value> {
  /** A value of their type. */
  readonly like: T;
  load(number: number): T;
  store(number: number, value: T): void;
}

/** Masks have bit n for register n. `always`: what is written happens on all ways through the instruction at hand. */
export class RegisterLocals<T extends Value> {
  readonly #code: Code;
  readonly #file: RegisterFile<T>;
  readonly #writesThrough: boolean;
  readonly #locals: readonly Variable<T>[];
  used = 0;
  changed = 0;
  /** Whose local holds it. */
  known = 0;
  /** In a loop throughout which locals hold the registers as well: those that it uses. */
  kept: number | undefined;

  constructor(code: Code, file: RegisterFile<T>, writesThrough: boolean) {
    this.#code = code;
    this.#file = file;
    this.#writesThrough = writesThrough;
    this.#locals = Array.from({ length: 16 }, () => code.declare(file.like));
  }

  read(number: number, always: boolean): T {
    const { value } = this.#locals[number]!, bit = 1 << number;
    this.used |= bit;
    if (this.kept !== undefined) this.kept |= bit;
    if (!this.#writesThrough || this.kept !== undefined || (this.known & bit) !== 0) return value;
    if (!always) return this.#file.load(number);
    this.#code.set(this.#locals[number]!, this.#file.load(number));
    this.known |= bit;
    return value;
  }

  set(number: number, value: T, always: boolean): void {
    const local = this.#locals[number]!, bit = 1 << number;
    this.used |= bit;
    this.changed |= bit;
    this.#code.set(local, value);
    this.#code.stored = true;
    if (!this.#writesThrough) return;
    if (this.kept !== undefined) this.kept |= bit;
    this.#file.store(number, local.value);
    if (always) this.known |= bit;
  }

  /** Other code works on all of them. */
  useAll(): void {
    this.used = this.changed = EVERY;
  }
  load(mask: number): void {
    this.#locals.forEach((local, n) => { if ((mask >> n & 1) !== 0) this.#code.set(local, this.#file.load(n)); });
  }
  store(mask: number): void {
    this.#locals.forEach((local, n) => { if ((mask >> n & 1) !== 0) this.#file.store(n, local.value); });
  }
  /** Loads again, after other code worked on them, what locals are to hold. */
  reload(): void {
    this.known = 0;
    if (!this.#writesThrough) this.load(this.used);
    else if (this.kept !== undefined) this.load(this.kept = EVERY);
  }
}
