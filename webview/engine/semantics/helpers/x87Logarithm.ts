/**
 * F2XM1, FYL2X, FYL2XP1, by series in 128-bit fractions (x87Wide.ts), rounded once: 2^x - 1 = e^(x ln 2) - 1, and log2 f = 2 / ln 2 *
 * atanh((f - 1) / (f + 1)) of f between the roots of 1/2 and 2.
 */
import { load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinitions, Helpers } from '../contract.ts';
import { finish, invalid, nanOf, normal, quietNan, stopAtDenormal, take, type Number80 } from './x87Arithmetic.ts';
import { ofStack, returning } from './x87Exact.ts';
import { Bit, call, setResult, topBit } from './x87State.ts';
import { add, choose, constant, multiply, normalized, quotient, series, shifted, subtract, wideOf, type Wide } from './x87Wide.ts';

/** ln 2 * 2^128 and 1 / ln 2 * 2^127. */
const ln2 = 0xb17217f7d1cf79abc9e3b39803f2f6afn, log2e = 0xb8aa3b295c17f0bbbe87fed0691d3e88n;
/** sqrt 2 * 2^63. */
const sqrt2 = 0xb504f333f9de6484n;
/** What `x87Log2` leaves: a wide number and its exponent. */
const LOG = Scratch.x87Logarithm;

/** (address) -> exceptions; RESULT. Beyond 1, where it is undefined, AMD's processors leave the argument. */
function x87Power(code: Code, helpers: Helpers): void {
  const a = take(code, code.parameter(0, 'i32'));
  code.if(a.bad, () => invalid(code));
  code.if(a.nan, () => quietNan(code, a));
  code.if(a.infinite, () => {
    code.if(a.sign, () => finish(code, topBit, 0x3fff, a.sign, I32.of(0)));
    finish(code, topBit, 0x7fff, a.sign, I32.of(0));
  });
  stopAtDenormal(code, a.denormal);
  code.if(a.zero, () => finish(code, 0n, 0, a.sign, I32.of(0)));
  const isOne = a.exponent.eq(0x3fff).and(a.m.eq(topBit));
  code.if(a.exponent.geS(0x3fff).and(isOne.eqz()), () => {
    setResult(code, a.m, a.sign.shl(15).or(a.exponent));
    code.return(I32.of(Bit.P));
  });
  code.if(isOne.and(a.sign), () => finish(code, topBit, 0x3ffe, a.sign, I32.of(Bit.P)));
  const { e, m } = normal(code, a);
  // x ln 2, and as a fraction.
  const y = normalized(code, multiply(code, helpers, wideOf(m), constant(ln2)), e);
  const t = shifted(code, y, I32.of(16382).sub(y.e));
  const sum: Wide = { h: code.let(I64.of(0)), l: code.let(I64.of(0)) };
  const h = code.variable(sum.h), l = code.variable(sum.l);
  for (const [condition, name] of [[a.sign.eqz(), 'seriesExp'], [a.sign, 'seriesExpMinus']] as const) {
    code.if(condition, () => {
      const value = series(code, helpers, name, t);
      code.set(h, value.h);
      code.set(l, value.l);
    });
  }
  const r = multiply(code, helpers, y, { h: h.value, l: l.value });
  code.return(call(helpers, 'x87RoundWide', a.sign, y.e.add(1), r.h, r.l).or(a.denormal));
}

/**
 * (n, d: wide numbers with their top bits set, exponent of n / d, sign of n, k) -> sign; LOG is k + 2 / ln 2 * atanh(n / d), n / d below 0.18.
 */
function x87Log2(code: Code, helpers: Helpers): void {
  const [nh, nl, dh, dl] = [0, 1, 2, 3].map(i => code.parameter(i, 'i64')) as [I64, I64, I64, I64];
  const exponent = code.parameter(4, 'i32'), sign = code.parameter(5, 'i32'), k = code.parameter(6, 'i32');
  const leave = (w: Wide & { readonly e: I32 }, negative: I32): void => {
    code.store64(LOG, w.h);
    code.store64(LOG + 8, w.l);
    code.store32(LOG + 16, w.e);
    code.return(negative);
  };
  const s = normalized(code, quotient(code, helpers, { h: nh, l: nl }, { h: dh, l: dl }), code.let(exponent.add(1)));
  const fraction = shifted(code, s, I32.of(16382).sub(s.e));
  const inner = multiply(code, helpers, s, series(code, helpers, 'seriesAtanh', multiply(code, helpers, fraction, fraction)));
  const scaled = normalized(code, inner, code.let(s.e.add(1)));
  const r = normalized(code, multiply(code, helpers, scaled, constant(log2e)), code.let(scaled.e.add(2)));
  code.if(k.eqz(), () => leave(r, sign));
  // In units of 2^-112.
  const negative = code.let(k.shrU(31)), whole = wideOf(code.let(select(negative, I32.of(0).sub(k), k).toI64U().shl(48)));
  const rest = shifted(code, r, I32.of(16383 + 15).sub(r.e));
  const sum = choose(code, negative.eq(sign), add(code, whole, rest), subtract(code, whole, rest));
  leave(normalized(code, sum, I32.of(16383 + 15)), negative);
}

/** Calls `x87Log2` for a wide number w, its exponent e: LOG, and its sign. */
function logarithm(code: Code, helpers: Helpers, w: Wide, e: I32): I32 {
  const half = code.let(w.h.gtU(sqrt2)), one = constant(1n << 127n);
  // w / 2^127 - 1 and + 1; of the half: (w - 2^128) / 2^128 and (w + 2^128) / 2^128.
  const n = normalized(code, choose(code, half, subtract(code, wideOf(0n), w), subtract(code, w, one)), I32.of(16383));
  const d = add(code, shifted(code, w, half.add(1)), constant(1n << 126n));
  const dn = { h: d.h, l: d.l }, top = code.let(d.h.ltS(0)), lifted = { h: code.let(d.h.shl(1).or(d.l.shrU(63))), l: code.let(d.l.shl(1)) };
  // Units: n of 2^-127 or 2^-128, d of 2^-126, or half that when it was lifted.
  const exponent = code.let(n.e.sub(half).sub(select(top, I32.of(1), I32.of(0))));
  return sign(code, helpers, n, choose(code, top, dn, lifted), exponent, half, code.let(e.sub(16383).add(half)));
}

const sign = (code: Code, helpers: Helpers, n: Wide, d: Wide, exponent: I32, negative: I32, k: I32): I32 =>
  code.let(call(helpers, 'x87Log2', n.h, n.l, d.h, d.l, exponent, negative, k));

/** Multiplies LOG by y. */
function times(code: Code, helpers: Helpers, y: Number80, negative: I32, flags: I32): void {
  const { e, m } = normal(code, y);
  const product = multiply(code, helpers, { h: code.let(load64(LOG)), l: code.let(load64(LOG + 8)) }, wideOf(m));
  const exponent = load32(LOG + 16).add(e).sub(16383 - 1);
  code.return(call(helpers, 'x87RoundWide', y.sign.xor(negative), exponent, product.h, product.l).or(flags));
}

/** (address of x, of y) -> exceptions; RESULT is y log2 x. */
function x87LogTimes(code: Code, helpers: Helpers): void {
  const x = take(code, code.parameter(0, 'i32')), y = take(code, code.parameter(1, 'i32'));
  code.if(x.bad.or(y.bad), () => invalid(code));
  code.if(x.nan.or(y.nan), () => nanOf(code, x, y));
  code.if(x.sign.and(x.zero.eqz()), () => invalid(code));
  const flags = code.let(x.denormal.or(y.denormal));
  const isOne = code.let(x.exponent.eq(0x3fff).and(x.m.eq(topBit)));
  const below = code.let(x.exponent.ltS(0x3fff));
  code.if(x.zero, () => {
    code.if(y.zero, () => invalid(code));
    finish(code, topBit, 0x7fff, y.sign.xor(1), y.infinite.xor(1).mul(Bit.Z));
  });
  code.if(x.infinite, () => {
    code.if(y.zero, () => invalid(code));
    finish(code, topBit, 0x7fff, y.sign, flags);
  });
  code.if(y.infinite, () => {
    code.if(isOne, () => invalid(code));
    finish(code, topBit, 0x7fff, y.sign.xor(below), flags);
  });
  stopAtDenormal(code, flags);
  code.if(y.zero.or(isOne), () => finish(code, 0n, 0, y.sign.xor(below), flags));
  const { e, m } = normal(code, x);
  times(code, helpers, y, logarithm(code, helpers, wideOf(m), e), flags);
}

/** (address of x, of y) -> exceptions; RESULT is y log2(1 + x). At -1 and below, where it is undefined, AMD's processors leave x. */
function x87LogPlusTimes(code: Code, helpers: Helpers): void {
  const x = take(code, code.parameter(0, 'i32')), y = take(code, code.parameter(1, 'i32'));
  code.if(x.bad.or(y.bad), () => invalid(code));
  code.if(x.nan.or(y.nan), () => nanOf(code, x, y));
  const flags = code.let(x.denormal.or(y.denormal));
  code.if(x.infinite, () => {
    code.if(x.sign.or(y.zero), () => invalid(code));
    finish(code, topBit, 0x7fff, y.sign, flags);
  });
  code.if(y.infinite, () => {
    code.if(x.zero, () => invalid(code));
    finish(code, topBit, 0x7fff, y.sign.xor(x.sign), flags);
  });
  stopAtDenormal(code, flags);
  code.if(x.zero.or(y.zero), () => finish(code, 0n, 0, y.sign.xor(x.sign), flags));
  code.if(x.sign.and(x.exponent.geS(0x3fff)), () => {
    setResult(code, x.m, x.sign.shl(15).or(x.exponent));
    code.return(flags.or(Bit.P));
  });
  const { e, m } = normal(code, x);
  code.if(e.ltS(0x3fff - 2), () => {
    // x / (2 + x), both divided by 2.
    const part = shifted(code, wideOf(m), I32.of(0x3fff + 1).sub(e)), one = constant(1n << 127n);
    const d = normalized(code, choose(code, x.sign, subtract(code, one, part), add(code, one, part)), I32.of(16383));
    times(code, helpers, y, sign(code, helpers, wideOf(m), d, code.let(e.add(16382).sub(d.e)), x.sign, I32.of(0)), flags);
  });
  // 1 + x, at the exponent of the larger one.
  const large = code.let(e.geS(0x3fff)), distance = code.let(e.sub(0x3fff));
  const own = shifted(code, wideOf(m), select(large, I32.of(1), I32.of(1).sub(distance)));
  const one = shifted(code, constant(1n << 127n), select(large, distance.add(1), I32.of(1)));
  const sum = normalized(code, choose(code, x.sign, subtract(code, one, own), add(code, one, own)), code.let(select(large, e, I32.of(0x3fff)).add(1)));
  times(code, helpers, y, logarithm(code, helpers, sum, sum.e), flags);
}

export const x87LogarithmHelpers: HelperDefinitions = {
  x87Power: returning(1, x87Power), x87LogTimes: returning(2, x87LogTimes), x87LogPlusTimes: returning(2, x87LogPlusTimes),
  x87Log2: { parameters: ['i64', 'i64', 'i64', 'i64', 'i32', 'i32', 'i32'], result: 'i32', body: (code, helpers) => { x87Log2(code, helpers); code.unreachable(); } },
  x87F2xm1: ofStack('x87Power', 1, 0), x87Fyl2x: ofStack('x87LogTimes', 2, 1), x87Fyl2xp1: ofStack('x87LogPlusTimes', 2, 1),
};
