/**
 * Arithmetic for the x87's transcendental functions: 128-bit fractions h:l, and numbers h:l * 2^(exponent - 16383 - 127), "wide" ones, mostly
 * with the top bit set. Products and series are right to a few units of the 128th bit, always a bit too small.
 */
import { callValue, load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinition, HelperDefinitions, Helpers } from '../contract.ts';
import { normalize, shiftRight } from './x87Rounding.ts';
import { Bit, CONTROL, RESULT, call } from './x87State.ts';

/** Where functions leave the lower half of a result. */
export const LOW = Scratch.x87Low;

export interface Wide {
  readonly h: I64;
  readonly l: I64;
}

export const wideOf = (h: I64 | bigint, l: I64 | bigint = 0n): Wide => ({ h: I64.of(h), l: I64.of(l) });
/** A constant of 128 bits. */
export const constant = (value: bigint): Wide => wideOf(value >> 64n, value & (1n << 64n) - 1n);

function called(code: Code, helpers: Helpers, name: string, ...args: I64[]): Wide {
  const h = code.let(callValue(helpers.get<'i64'>(name), ...args));
  return { h, l: code.let(load64(LOW)) };
}

/** Upper half of the product. */
export const multiply = (code: Code, helpers: Helpers, a: Wide, b: Wide): Wide => called(code, helpers, 'wideMultiply', a.h, a.l, b.h, b.l);
/** a / b * 2^126 of fractions with their top bits set. */
export const quotient = (code: Code, helpers: Helpers, a: Wide, b: Wide): Wide => called(code, helpers, 'wideQuotient', a.h, a.l, b.h, b.l);
/** A series by its helper's name, of `t`; half of its value. */
export const series = (code: Code, helpers: Helpers, name: string, t: Wide): Wide => called(code, helpers, name, t.h, t.l);

export function add(code: Code, a: Wide, b: Wide): Wide {
  const l = code.let(a.l.add(b.l));
  return { h: code.let(a.h.add(b.h).add(l.ltU(b.l).toI64U())), l };
}

export function subtract(code: Code, a: Wide, b: Wide): Wide {
  return { h: code.let(a.h.sub(b.h).sub(a.l.ltU(b.l).toI64U())), l: code.let(a.l.sub(b.l)) };
}

/** Shifted right by 0 to any number of bits. */
export function shifted(code: Code, a: Wide, count: I32): Wide {
  const h = code.variable(a.h), l = code.variable(a.l);
  shiftRight(code, h, l, code.let(count));
  return { h: code.let(h.value), l: code.let(l.value) };
}

/** With the top bit set, and the exponent less what it was shifted by. Zero stays zero. */
export function normalized(code: Code, a: Wide, exponent: I32): Wide & { readonly e: I32 } {
  const h = code.variable(a.h), l = code.variable(a.l), e = code.variable(exponent);
  normalize(code, h, l, e);
  return { h: code.let(h.value), l: code.let(l.value), e: code.let(e.value) };
}

/** a if `condition`, else b. */
export const choose = (code: Code, condition: I32, a: Wide, b: Wide): Wide =>
  ({ h: code.let(select(condition, a.h, b.h)), l: code.let(select(condition, a.l, b.l)) });

function wideMultiply(code: Code, helpers: Helpers): void {
  const [ah, al, bh, bl] = [0, 1, 2, 3].map(i => code.parameter(i, 'i64')) as [I64, I64, I64, I64];
  const high = (a: I64, b: I64): I64 => code.let(callValue(helpers.get<'i64'>('mulHigh'), a, b));
  const low = code.let(ah.mul(bh)), first = high(ah, bl), second = high(al, bh);
  const l = code.let(low.add(first)), sum = code.let(l.add(second));
  code.store64(LOW, sum);
  code.return(high(ah, bh).add(l.ltU(first).toI64U()).add(sum.ltU(second).toI64U()));
}

/** By the divisor's reciprocal: 64 bits of it from a division, twice as many by one step of Newton's method. */
function wideQuotient(code: Code, helpers: Helpers): void {
  const [ah, al, bh, bl] = [0, 1, 2, 3].map(i => code.parameter(i, 'i64')) as [I64, I64, I64, I64];
  const a = { h: ah, l: al }, b = { h: bh, l: bl };
  // 2^254 / b by its upper half.
  const guess = wideOf(code.let(callValue(helpers.get<'i64'>('divide128'), I64.of(1n << 62n), I64.of(0), bh)), 0n);
  const product = multiply(code, helpers, guess, b);
  const large = code.let(product.h.geU(1n << 62n));
  const error = choose(code, large, subtract(code, product, constant(1n << 126n)), subtract(code, constant(1n << 126n), product));
  const fourfold = { h: code.let(error.h.shl(2).or(error.l.shrU(62))), l: code.let(error.l.shl(2)) };
  const change = multiply(code, helpers, guess, fourfold);
  const reciprocal = choose(code, large, subtract(code, guess, change), add(code, guess, change));
  const r = multiply(code, helpers, a, reciprocal);
  code.store64(LOW, r.l);
  code.return(r.h);
}

/** (t) -> 2^127 * (c0 - c1 t + c2 t^2 ...), or with + only: Horner's scheme, unrolled. `coefficient` gives c0 = 1 and less, times 2^127. */
function seriesHelper(count: number, alternating: boolean, coefficient: (i: bigint) => bigint): HelperDefinition {
  return {
    parameters: ['i64', 'i64'], result: 'i64',
    body(code, helpers) {
      const t = wideOf(code.parameter(0, 'i64'), code.parameter(1, 'i64'));
      const first = constant(coefficient(BigInt(count))), h = code.variable(first.h), l = code.variable(first.l);
      for (let i = count - 1; i >= 0; i--) {
        code.scope(() => {
          const product = multiply(code, helpers, t, { h: h.value, l: l.value }), c = constant(coefficient(BigInt(i)));
          const sum = alternating ? subtract(code, c, product) : add(code, c, product);
          code.set(h, sum.h);
          code.set(l, sum.l);
        });
      }
      // Never 1: sin x and the like are less than x.
      const sum = alternating ? subtract(code, { h: h.value, l: l.value }, constant(1n)) : { h: h.value, l: l.value };
      code.store64(LOW, sum.l);
      code.return(sum.h);
    },
  };
}

const one = 1n << 127n;
const factorial = (n: bigint): bigint => (n < 2n ? 1n : n * factorial(n - 1n));

/** (sign, exponent, h, l) -> exceptions and C1: rounds a wide number to 64 bits. What is computed counts as inexact always. */
function x87RoundWide(code: Code, helpers: Helpers): void {
  const w = normalized(code, wideOf(code.parameter(2, 'i64'), code.parameter(3, 'i64')), code.parameter(1, 'i32'));
  const flags = code.let(call(helpers, 'x87Round', code.parameter(0, 'i32'), w.e, w.h, w.l, I32.of(64), I32.of(1), I32.of(0x7ffe)));
  const tiny = load32(RESULT + 8).and(0x7fff).eqz().and(load32(CONTROL).shrU(4)).and(1);
  code.return(flags.or(Bit.P).or(tiny.shl(4)));
}

export const x87WideHelpers: HelperDefinitions = {
  wideMultiply: { parameters: ['i64', 'i64', 'i64', 'i64'], result: 'i64', body: wideMultiply },
  wideQuotient: { parameters: ['i64', 'i64', 'i64', 'i64'], result: 'i64', body: wideQuotient },
  /** sin x / x and cos x of t = x^2 up to 0.62. */
  seriesSin: seriesHelper(14, true, i => one / factorial(2n * i + 1n)),
  seriesCos: seriesHelper(14, true, i => one / factorial(2n * i)),
  /** atan x / x of t = x^2 up to 1/256, atanh x / x up to 0.03. */
  seriesAtan: seriesHelper(14, true, i => one / (2n * i + 1n)),
  seriesAtanh: seriesHelper(22, false, i => one / (2n * i + 1n)),
  /** (e^t - 1) / t and (1 - e^-t) / t of t up to 0.7. */
  seriesExp: seriesHelper(27, false, i => one / factorial(i + 1n)),
  seriesExpMinus: seriesHelper(27, true, i => one / factorial(i + 1n)),
  x87RoundWide: { parameters: ['i32', 'i32', 'i64', 'i64'], result: 'i32', body: x87RoundWide },
};
