/**
 * FSIN, FCOS, FSINCOS, FPTAN, FPATAN. SDM vol. 1 8.3.8: pi has 66 bits in argument reduction, as in the processors, so that what is left of
 * an argument up to 2^63 is exact. Then Taylor series in 128-bit fractions (x87Wide.ts), rounded once. Results are those of the processors
 * but for one unit of the last place, where theirs are not the nearest ones.
 */
import { callValue, load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinitions, Helpers } from '../contract.ts';
import { finish, invalid, nanOf, normal, quietNan, stopAtDenormal, take, type Number80 } from './x87Arithmetic.ts';
import { ofStack, returning } from './x87Exact.ts';
import { Bit, OPERAND, RESULT, STATUS, TAGS, TOP, addressOf, call, indefinite, isFull, physical, setResult, topBit } from './x87State.ts';
import { add, choose, constant, multiply, normalized, quotient, series, shifted, subtract, wideOf, type Wide } from './x87Wide.ts';

/** What `x87Reduce` leaves: a wide number at most pi/4 and its exponent. */
const REDUCED = Scratch.x87Reduced;
/** The upper 64 bits of pi's 66. */
const PI = 0xc90fdaa22168c234n;
/** pi / 4 * 2^128 and its quotients by 2^n: no more bits are needed for arctangents. */
const quarterPi = 0xc90fdaa22168c234c4c6628b80dc1cd1n;
const C2 = 0x400;

/**
 * (m, biased exponent up to that of 2^62) -> the quadrant in bits 0 and 1, and in bit 2 the sign of what is left. In units of 2^-65 pi/2 is
 * the integer 4 PI + 3, and the argument is one too: the quotient is estimated by PI and corrected by one.
 */
function x87Reduce(code: Code, helpers: Helpers): void {
  const m = code.parameter(0, 'i64'), exponent = code.parameter(1, 'i32');
  code.if(exponent.ltS(0x3ffe).or(exponent.eq(0x3ffe).and(m.leU(PI))), () => {
    code.store64(REDUCED, m);
    code.store64(REDUCED + 8, 0);
    code.store32(REDUCED + 16, exponent);
    code.return(I32.of(0));
  });
  // The argument in quarter units: 63 zeros behind m at most.
  const count = code.let(exponent.sub(16383).toI64S());
  const x: Wide = { h: code.let(select(count.leS(0), I64.of(0), m.shrU(I64.of(64).sub(count)))), l: code.let(select(count.ltS(0), m.shrU(1), m.shl(count))) };
  const q = code.variable(callValue(helpers.get<'i64'>('divide128'), x.h, x.l, I64.of(PI)));
  const product = { h: code.let(callValue(helpers.get<'i64'>('mulHigh'), q.value, I64.of(PI))), l: code.let(q.value.mul(PI)) };
  // In units: four times what is left, and 3 q less. Half a unit's bit of an argument below 1 comes back here.
  const left = subtract(code, x, product);
  const units = { h: code.let(left.h.shl(2).or(left.l.shrU(62))), l: code.let(left.l.shl(2).or(m.and(1).shl(1).and(count.shrS(63)))) };
  const r = subtract(code, units, wideOf(I64.of(0), code.let(q.value.mul(3))));
  const h = code.variable(r.h), l = code.variable(r.l);
  const half = constant(PI * 2n + 1n), whole = constant(PI * 4n + 3n);
  const move = (by: Wide, change: number): void => {
    const moved = (change > 0 ? subtract : add)(code, { h: h.value, l: l.value }, by);
    code.set(h, moved.h);
    code.set(l, moved.l);
    code.set(q, q.value.add(change));
  };
  const above = half.h.ltS(h.value).or(half.h.eq(h.value).and(half.l.ltU(l.value)));
  code.if(above, () => move(whole, 1), () => {
    const sum = add(code, { h: h.value, l: l.value }, half);
    code.if(sum.h.ltS(0), () => move(whole, -1));
  });
  const negative = code.let(h.value.ltS(0));
  const size = choose(code, negative, subtract(code, wideOf(0n), { h: h.value, l: l.value }), { h: h.value, l: l.value });
  const w = normalized(code, size, I32.of(16383 + 62));
  code.store64(REDUCED, w.h);
  code.store64(REDUCED + 8, w.l);
  code.store32(REDUCED + 16, w.e);
  code.return(q.value.toI32().and(3).or(negative.shl(2)));
}

interface Reduced {
  readonly quadrant: I32;
  readonly negative: I32;
  readonly r: Wide;
  readonly e: I32;
  /** r^2. */
  readonly t: Wide;
}

function reduce(code: Code, helpers: Helpers, a: Number80): Reduced {
  const { e, m } = normal(code, a);
  const place = code.let(call(helpers, 'x87Reduce', m, e));
  const r = { h: code.let(load64(REDUCED)), l: code.let(load64(REDUCED + 8)) }, exponent = code.let(load32(REDUCED + 16));
  const fraction = shifted(code, r, I32.of(16382).sub(exponent));
  return { quadrant: code.let(place.and(3)), negative: code.let(place.shrU(2)), r, e: exponent, t: multiply(code, helpers, fraction, fraction) };
}

function sine(code: Code, helpers: Helpers, { r, e, t }: Reduced): Wide & { readonly e: I32 } {
  return normalized(code, multiply(code, helpers, r, series(code, helpers, 'seriesSin', t)), code.let(e.add(1)));
}

function cosine(code: Code, helpers: Helpers, { t }: Reduced): Wide & { readonly e: I32 } {
  return normalized(code, series(code, helpers, 'seriesCos', t), I32.of(16383));
}

/** What comes before the computation; an argument of 2^63 or more stays and sets C2. */
function argument(code: Code, a: Number80): void {
  code.if(a.bad, () => invalid(code));
  code.if(a.nan, () => quietNan(code, a));
  code.if(a.infinite, () => invalid(code));
  code.if(a.exponent.geS(16383 + 63), () => {
    setResult(code, a.m, a.sign.shl(15).or(a.exponent));
    code.return(I32.of(C2));
  });
}

const roundWide = (code: Code, helpers: Helpers, sign: I32, w: Wide & { readonly e: I32 }, flags: I32): void =>
  code.return(call(helpers, 'x87RoundWide', sign, w.e, w.h, w.l).or(flags));

/** (address, 0 sine or 1 cosine) -> exceptions and C2; RESULT. */
function x87Sine(code: Code, helpers: Helpers): void {
  const a = take(code, code.parameter(0, 'i32')), cosineWanted = code.parameter(1, 'i32');
  argument(code, a);
  code.if(a.zero, () => {
    code.if(cosineWanted, () => finish(code, topBit, 0x3fff, I32.of(0), I32.of(0)));
    finish(code, 0n, 0, a.sign, I32.of(0));
  });
  stopAtDenormal(code, a.denormal);
  const x = reduce(code, helpers, a);
  // cos x = sin (x + pi/2).
  const quadrant = code.let(x.quadrant.add(cosineWanted)), turned = code.let(quadrant.shrU(1).and(1));
  const sign = code.let(turned.xor(select(cosineWanted, I32.of(0), a.sign)));
  code.if(quadrant.and(1), () => roundWide(code, helpers, sign, cosine(code, helpers, x), a.denormal));
  roundWide(code, helpers, code.let(sign.xor(x.negative)), sine(code, helpers, x), a.denormal);
}

/** (address) -> exceptions and C2; RESULT is the tangent. */
function x87Tangent(code: Code, helpers: Helpers): void {
  const a = take(code, code.parameter(0, 'i32'));
  argument(code, a);
  code.if(a.zero, () => finish(code, 0n, 0, a.sign, I32.of(0)));
  stopAtDenormal(code, a.denormal);
  // A bit more than a small argument, which the quotient would not show.
  const small = normal(code, a);
  code.if(small.e.ltS(0x3fff - 58), () => roundWide(code, helpers, a.sign, { ...wideOf(small.m, 1n), e: small.e }, a.denormal));
  const x = reduce(code, helpers, a), s = sine(code, helpers, x), c = cosine(code, helpers, x);
  const odd = code.let(x.quadrant.and(1));
  const q = quotient(code, helpers, choose(code, odd, c, s), choose(code, odd, s, c));
  const apart = code.let(s.e.sub(c.e));
  const e = code.let(select(odd, I32.of(0).sub(apart), apart).add(16383 + 1));
  roundWide(code, helpers, code.let(a.sign.xor(x.negative).xor(odd)), { ...q, e }, a.denormal);
}

/**
 * () -> 1 if done: the tangent or the sine replaces ST(0), and 1 or the cosine is pushed. Of a sine and a cosine, C1 is that of the former.
 */
function pair(tangent: boolean) {
  return (code: Code, helpers: Helpers): void => {
    const number = code.let(physical(0)), at = code.let(addressOf(number)), to = code.let(physical(7));
    const flags = code.variable(I32.of(Bit.I | Bit.SF));
    code.store32(STATUS, load32(STATUS).and(~C2));
    indefinite(code);
    code.if(isFull(number).and(isFull(to)), () => code.set(flags, I32.of(Bit.I | Bit.SF | Bit.C1)), () => code.if(isFull(number), () => {
      code.set(flags, tangent ? call(helpers, 'x87Tangent', at) : call(helpers, 'x87Sine', at, I32.of(0)));
    }));
    code.call(helpers.get('x87Operand'));
    const isNumber = load32(RESULT + 8).and(0x7fff).ne(0x7fff).and(flags.value.and(C2 | Bit.I).eqz());
    code.if(isNumber, () => {
      if (tangent) setResult(code, topBit, 0x3fff);
      else code.set(flags, flags.value.or(call(helpers, 'x87Sine', at, I32.of(1)).and(~Bit.C1)));
    });
    code.if(call(helpers, 'x87Note', flags.value).and(7).or(flags.value.and(C2)), () => code.return(I32.of(0)));
    for (const [from, place] of [[OPERAND, at], [RESULT, code.let(addressOf(to))]] as const) {
      code.store64(place, load64(from));
      code.store64(place, load64(from + 8), 8);
    }
    code.store32(TOP, to);
    code.store32(TAGS, load32(TAGS).or(I32.of(1).shl(to)).or(I32.of(1).shl(number)));
    code.return(I32.of(1));
  };
}

/** i / 8 and its arctangent, for the reduction of ratios: a table as a chain of choices. */
function arctangentOf(code: Code, index: I32): Wide {
  let found = constant(0n);
  for (let i = 1; i <= 8; i++) found = choose(code, index.eq(i), constant(arctangents[i]!), found);
  return found;
}

/** atan(i / 8) * 2^125, by Euler's series. */
const arctangents: readonly bigint[] = Array.from({ length: 9 }, (_, i) => {
  const extra = 40n, x2 = BigInt(i * i), d = x2 + 64n;
  let term = ((BigInt(i) * 8n) << (125n + extra)) / d, sum = 0n;
  for (let n = 1n; term > 0n; n++) {
    sum += term;
    term = term * 2n * n * x2 / ((2n * n + 1n) * d);
  }
  return sum >> extra;
});

/** Angles of zeros and infinities: as if both were finite and one of them nothing. */
function special(code: Code, helpers: Helpers, x: Number80, y: Number80, flags: I32): void {
  const angle = (value: bigint): void => roundWide(code, helpers, y.sign, { ...constant(value), e: I32.of(16383 + 2) }, flags);
  code.if(x.infinite.and(y.infinite), () => {
    code.if(x.sign, () => angle(quarterPi * 3n / 8n));
    angle(quarterPi / 8n);
  });
  const flat = code.let(y.zero.or(x.infinite));
  code.if(flat.and(x.sign), () => angle(quarterPi / 2n));
  code.if(flat, () => finish(code, 0n, 0, y.sign, flags));
  code.if(x.zero.or(y.infinite), () => angle(quarterPi / 4n));
}

/**
 * (address of x, of y) -> exceptions; RESULT is the angle of (x, y). The smaller over the larger one, less the next eighth by the tangent's
 * addition theorem, leaves less than 1/15 for the series.
 */
function x87ArcTangent(code: Code, helpers: Helpers): void {
  const x = take(code, code.parameter(0, 'i32')), y = take(code, code.parameter(1, 'i32'));
  code.if(x.bad.or(y.bad), () => invalid(code));
  code.if(x.nan.or(y.nan), () => nanOf(code, x, y));
  const flags = code.let(x.denormal.or(y.denormal));
  stopAtDenormal(code, flags);
  code.if(x.zero.or(y.zero).or(x.infinite).or(y.infinite), () => special(code, helpers, x, y, flags));
  const p = normal(code, x), q = normal(code, y);
  const steep = code.let(q.e.gtS(p.e).or(q.e.eq(p.e).and(q.m.gtU(p.m))));
  const small = code.let(select(steep, p.m, q.m)), large = code.let(select(steep, q.m, p.m));
  const apart = code.let(select(steep, q.e.sub(p.e), p.e.sub(q.e)));
  const index = code.let(select(apart.gtS(4), I32.of(0), eighths(code, small, large, apart)));
  // small - large * i / 8 over large + small * i / 8, in units that leave room for both.
  const unit = (m: I64, count: I32 | number): Wide => shifted(code, wideOf(m), I32.of(count));
  const i = code.let(index.toI64U());
  const [s, l] = [unit(small, code.let(apart.add(4))), unit(large, 4)];
  const times = (w: Wide): Wide => ({ h: code.let(callValue(helpers.get<'i64'>('mulHigh'), w.l, i).add(w.h.mul(i))), l: code.let(w.l.mul(i)) });
  const eighth = (w: Wide): Wide => shifted(code, times(w), I32.of(3));
  const cut = eighth(l), below = code.let(cut.h.gtU(s.h).or(cut.h.eq(s.h).and(cut.l.gtU(s.l))).and(index.ne(0)));
  const numerator = normalized(code, choose(code, below, subtract(code, cut, s), subtract(code, s, cut)), I32.of(0));
  const denominator = normalized(code, add(code, l, eighth(s)), I32.of(0));
  const plain = code.let(index.eqz());
  const z = quotient(code, helpers, choose(code, plain, wideOf(small), numerator), choose(code, plain, wideOf(large), denominator));
  const ez = code.let(select(plain, I32.of(0).sub(apart), numerator.e.sub(denominator.e)).add(16384));
  const w = normalized(code, z, ez);
  const fraction = shifted(code, w, I32.of(16382).sub(w.e));
  const rest = normalized(code, multiply(code, helpers, w, series(code, helpers, 'seriesAtan', multiply(code, helpers, fraction, fraction))), code.let(w.e.add(1)));
  code.if(plain.and(steep.eqz()).and(x.sign.eqz()), () => roundWide(code, helpers, y.sign, rest, flags));
  // In units of 2^-125 from here.
  const r = shifted(code, rest, code.let(I32.of(16383 + 2).sub(rest.e))), base = arctangentOf(code, index);
  const acute = choose(code, below, subtract(code, base, r), add(code, base, r));
  const right = constant(quarterPi / 4n);
  const angle = choose(code, steep, choose(code, x.sign, add(code, right, acute), subtract(code, right, acute)),
    choose(code, x.sign, subtract(code, constant(quarterPi / 2n), acute), acute));
  roundWide(code, helpers, y.sign, { ...angle, e: I32.of(16383 + 2) }, flags);
}

/** The nearest i to 8 * small / large * 2^-apart. */
function eighths(code: Code, small: I64, large: I64, apart: I32): I32 {
  const scaled = code.let(small.shrU(1).toF64U().div(large.shrU(1).toF64U()));
  const power = I32.of(1023 + 3).sub(apart).toI64U().shl(52).asF64();
  return code.let(scaled.mul(power).nearest().toI32S());
}

export const x87TrigonometryHelpers: HelperDefinitions = {
  x87Reduce: { parameters: ['i64', 'i32'], result: 'i32', body: x87Reduce },
  x87Sine: returning(2, x87Sine), x87Tangent: returning(1, x87Tangent), x87ArcTangent: returning(2, x87ArcTangent),
  x87Sin: ofStack('x87Sine', 1, 0, C2, 0), x87Cos: ofStack('x87Sine', 1, 0, C2, 1),
  x87SinCos: { parameters: [], result: 'i32', body: pair(false) }, x87Tan: { parameters: [], result: 'i32', body: pair(true) },
  x87Atan: ofStack('x87ArcTangent', 2, 1),
};
