/**
 * What a compiler knows of numbers in vector registers, so that they aren't tested over and over. Of doubles it knows how large and how small
 * they can be: then most results need no test, since neither can they be denormals nor did anything overflow.
 */
import type { Inexact } from './exactness.ts';

/** A double is zero, or a multiple of 2^unit whose magnitude is from 2^least to 2^most. */
export interface Range {
  readonly least: number;
  readonly unit: number;
  readonly most: number;
}

/** Neither a denormal nor a NaN. */
export const CALM: Range = { least: -1022, unit: -1074, most: Infinity };
/** What compiled code expects of most numbers, see `isFar`. */
export const NEAR: Range = { least: -255, unit: -307, most: 255 };
export const ZERO: Range = { least: 0, unit: 0, most: 0 };
/** Singles that are neither denormals nor NaNs. */
export const SINGLE: Range = { least: -126, unit: -149, most: Infinity };
export const integers = (bits: number): Range => ({ least: 0, unit: 0, most: bits });

/** What holds of both. */
export const joined = (a: Range, b: Range): Range => ({ least: Math.min(a.least, b.least), unit: Math.min(a.unit, b.unit), most: Math.max(a.most, b.most) });
export const isNear = ({ least, unit, most }: Range): boolean => least >= NEAR.least && unit >= NEAR.unit && most <= NEAR.most;
/** All of it are finite, and no denormals. */
export const isNormal = ({ least, unit, most }: Range): boolean => least >= -1022 && unit >= -1074 && most <= 1023;

/** Of the rounded result, if it is normal and there is one: no divisor is zero, nor a radicand negative. */
export function rangeAfter(name: Inexact, a: Range, b: Range): Range {
  switch (name) {
    case 'add': case 'sub': {
      const unit = Math.min(a.unit, b.unit);
      return { least: unit, unit, most: Math.max(a.most, b.most) + 1 };
    }
    case 'mul': {
      const least = a.least + b.least;
      return { least, unit: Math.max(a.unit + b.unit, least - 52), most: a.most + b.most };
    }
    case 'div': return { least: a.least - b.most, unit: a.least - b.most - 52, most: a.most - b.least };
    default: return { least: Math.floor(a.least / 2), unit: Math.floor(a.least / 2) - 52, most: Math.ceil(a.most / 2) };
  }
}

/** What is known of a vector register: which of its singles are neither denormals nor NaNs (`Single`), and its doubles. */
export interface Known {
  readonly singles: number;
  readonly low?: Range | undefined;
  readonly high?: Range | undefined;
}

/** The lowest single, and the three others. */
export const Single = { low: 1, others: 2, all: 3 } as const;
export const NOTHING: Known = { singles: 0 };
export const ZEROS: Known = { singles: Single.all, low: ZERO, high: ZERO };

const both = (a: Range | undefined, b: Range | undefined): Range | undefined => a && b && joined(a, b);

export class FloatKnowledge {
  /** By xmm register. */
  readonly #known: Known[] = Array.from({ length: 16 }, () => NOTHING);
  /** MXCSR has been looked at, and nothing but flags been added since. */
  isSettled = false;

  known(register: number): Known { return this.#known[register] ?? NOTHING; }
  set(register: number, known: Known): void { if (register >= 0) this.#known[register] = known; }
  /** Knows this besides. */
  learn(register: number, { singles, low, high }: Partial<Known>): void {
    const before = this.known(register);
    this.set(register, { singles: before.singles | (singles ?? 0), low: before.low ?? low, high: before.high ?? high });
  }
  forget(): void {
    this.#known.fill(NOTHING);
    this.isSettled = false;
  }
  /** What is known here and at another place of which `before` tells: for where both lead. */
  joined(before: FloatKnowledge | undefined): FloatKnowledge {
    const result = new FloatKnowledge();
    for (const [register, here] of this.#known.entries()) {
      const there = before?.known(register) ?? here;
      result.set(register, { singles: here.singles & there.singles, low: both(here.low, there.low), high: both(here.high, there.high) });
    }
    result.isSettled = this.isSettled && (before?.isSettled ?? true);
    return result;
  }
  take(other: FloatKnowledge): void {
    for (const register of this.#known.keys()) this.set(register, other.known(register));
    this.isSettled = other.isSettled;
  }
}
