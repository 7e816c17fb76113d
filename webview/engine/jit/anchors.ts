/**
 * Translations that are used again: once an access off a register has been translated, others off the same value of it need no look-up if they
 * are on the same page. The page is known where the code is written only as far as the displacements tell, so that is checked when it runs.
 */
import type { Code, Variable } from '../wasm/code.ts';
import { I32 } from '../wasm/values.ts';
import type { Place } from './place.ts';
import type { Reach } from './reach.ts';

interface Anchor {
  /** What is at it: the register's value when it was made, and this. */
  readonly displacement: number;
  readonly isWritable: boolean;
  /** Bytes from here to there, as distances from it, are known to be on its page. */
  readonly from: number;
  readonly to: number;
  /** What the register has been increased by since. */
  readonly moved: number;
}

/** Others are most likely on another page. */
const farthest = 2048;

export type AnchorsAt = ReadonlyMap<number, Anchor>;

export class Anchors {
  readonly #code: Code;
  #at = new Map<number, Anchor>();
  /** By register: where an anchor is in its page, and its host address. */
  readonly #locals: { readonly offset: Variable<I32>; readonly host: Variable<I32> }[] = [];

  constructor(code: Code) {
    this.#code = code;
  }

  #of(register: number): { readonly offset: Variable<I32>; readonly host: Variable<I32> } {
    return this.#locals[register] ??= { offset: this.#code.declare(I32.of(0)), host: this.#code.declare(I32.of(0)) };
  }

  /**
   * The host address of `size` bytes at a place if they are on the page of an anchor; `elsewhere` is not 0 if they are not. `always`: all ways
   * that lead on come here, and only if they are.
   */
  find({ register, displacement }: Place, size: number, write: boolean, always: boolean): { readonly host: I32; readonly elsewhere: I32 } | undefined {
    const anchor = this.#at.get(register);
    if (!anchor || (write && !anchor.isWritable)) return undefined;
    const distance = displacement + anchor.moved - anchor.displacement;
    if (Math.abs(distance) > farthest) return undefined;
    const { offset, host } = this.#of(register);
    const from = Math.min(anchor.from, distance), to = Math.max(anchor.to, distance + size);
    if (from === anchor.from && to === anchor.to) return { host: host.value.add(distance), elsewhere: I32.of(0) };
    if (always) this.#at.set(register, { ...anchor, from, to });
    return { host: host.value.add(distance), elsewhere: offset.value.add(distance).gtU(4096 - size) };
  }

  /** A place has been translated, on all ways that lead on, and what is in reach of it is on the same page. */
  set({ register, displacement }: Place, { from, to, writes }: Reach, address: I32, host: I32): void {
    const locals = this.#of(register);
    this.#code.set(locals.offset, address.and(4095));
    this.#code.set(locals.host, host);
    this.#at.set(register, { displacement, isWritable: writes, from, to, moved: 0 });
  }

  /** A register gets another value: `by` more than it had, if that is known. */
  changed(register: number, by?: number): void {
    const anchor = this.#at.get(register);
    if (!anchor) return;
    if (by === undefined) this.#at.delete(register);
    else this.#at.set(register, { ...anchor, moved: anchor.moved + by });
  }

  /** For a block that only the one at hand leads to. */
  get now(): AnchorsAt {
    return new Map(this.#at);
  }
  take(at: AnchorsAt | undefined): void {
    this.#at = new Map(at);
  }
}
