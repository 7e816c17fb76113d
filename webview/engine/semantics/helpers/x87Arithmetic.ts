/** x87 addition, multiplication, division and comparison. SDM vol. 1 4.8.3.5 (NaNs), 8.5 (exceptions). */
import { callValue, load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinitions, Helpers } from '../contract.ts';
import { Bit, CONTROL, OPERAND, RESULT, addressOf, call, indefinite, isFull, physical, setResult, topBit } from './x87State.ts';
import { normalize, shiftRight } from './x87Rounding.ts';

/** What is known of an operand. */
export interface Number80 {
  readonly m: I64;
  readonly sign: I32;
  readonly exponent: I32;
  readonly bad: I32;
  readonly nan: I32;
  readonly infinite: I32;
  readonly zero: I32;
  /** D if it is a denormal. */
  readonly denormal: I32;
}

export function take(code: Code, at: I32): Number80 {
  const m = code.let(load64(at)), se = code.let(load32(at, 8));
  const exponent = code.let(se.and(0x7fff)), special = code.let(exponent.eq(0x7fff)), fraction = code.let(m.shl(1).eqz().xor(1));
  return {
    m, sign: code.let(se.shrU(15).and(1)), exponent,
    bad: code.let(exponent.eqz().xor(1).and(m.geS(0))),
    nan: code.let(special.and(fraction)), infinite: code.let(special.and(fraction.xor(1))),
    zero: code.let(m.eqz()), denormal: code.let(exponent.eqz().and(m.eqz().xor(1)).shl(1)),
  };
}

const signalling = ({ m, nan }: Number80): I32 => nan.and(m.shrU(62).toI32().and(1).xor(1));

/** The NaN of one or two: a quiet one before a signalling one, else that with the larger fraction, else the positive one. */
export function nanOf(code: Code, a: Number80, b: Number80): void {
  const sa = code.let(signalling(a)), sb = code.let(signalling(b));
  const larger = a.m.gtU(b.m).or(a.m.eq(b.m).and(b.sign));
  const first = code.let(select(a.nan.and(b.nan), select(sa.xor(sb), sb, larger), a.nan));
  setResult(code, select(first, a.m, b.m).or(1n << 62n), select(first, a.sign, b.sign).shl(15).or(0x7fff));
  code.return(sa.or(sb));
}

/** The NaN of one. */
export function quietNan(code: Code, a: Number80): void {
  setResult(code, a.m.or(1n << 62n), a.sign.shl(15).or(0x7fff));
  code.return(signalling(a));
}

export function finish(code: Code, mantissa: bigint, exponent: number, sign: I32, flags: I32): void {
  setResult(code, mantissa, sign.shl(15).or(exponent));
  code.return(flags);
}

export function invalid(code: Code): void {
  indefinite(code);
  code.return(I32.of(Bit.I));
}

/** (operation 0 +, 1 *, 2 -, 3 /; addresses of a and b; D of a memory operand) -> exceptions; RESULT. */
function x87Arithmetic(code: Code, helpers: Helpers): void {
  const operation = code.parameter(0, 'i32'), extra = code.parameter(3, 'i32');
  const a = take(code, code.parameter(1, 'i32')), b = take(code, code.parameter(2, 'i32'));
  code.if(a.bad.or(b.bad), () => invalid(code));
  code.if(a.nan.or(b.nan), () => nanOf(code, a, b));
  const flags = code.let(a.denormal.or(b.denormal).or(extra));
  code.if(operation.and(1).eqz(), () => add(code, helpers, a, b, code.let(b.sign.xor(operation.shrU(1))), flags));
  const sign = code.let(a.sign.xor(b.sign));
  code.if(operation.eq(1), () => multiply(code, helpers, a, b, sign, flags));
  divide(code, helpers, a, b, sign, flags);
  code.unreachable();
}

/** An unmasked D stops everything that comes after. */
export function stopAtDenormal(code: Code, flags: I32): void {
  code.if(flags.and(load32(CONTROL).xor(-1)).and(Bit.D), () => code.return(flags));
}

/** Exponent of the mantissa shifted up, and that mantissa. */
export function normal(code: Code, x: Number80): { e: I32; m: I64 } {
  const zeros = code.let(x.m.clz());
  const e = code.let(select(x.exponent, x.exponent, I32.of(1)).sub(zeros.toI32()));
  return { e: code.let(select(x.zero, I32.of(-0x10000), e)), m: code.let(x.m.shl(zeros)) };
}

export const round = (code: Code, helpers: Helpers, sign: I32, e: I32, h: I64, l: I64, flags: I32): void =>
  code.return(call(helpers, 'x87RoundControl', sign, e, h, l).or(flags));

function add(code: Code, helpers: Helpers, a: Number80, b: Number80, signB: I32, flags: I32): void {
  code.if(a.infinite.and(b.infinite).and(a.sign.ne(signB)), () => invalid(code));
  code.if(a.infinite, () => finish(code, topBit, 0x7fff, a.sign, flags));
  code.if(b.infinite, () => finish(code, topBit, 0x7fff, signB, flags));
  stopAtDenormal(code, flags);
  const down = load32(CONTROL).and(0xc00).eq(0x400);
  code.if(a.zero.and(b.zero), () => finish(code, 0n, 0, select(a.sign.eq(signB), a.sign, down), flags));
  const x = normal(code, a), y = normal(code, b);
  const first = code.let(x.e.gtS(y.e).or(x.e.eq(y.e).and(x.m.geU(y.m))));
  const e = code.variable(select(first, x.e, y.e)), sign = code.let(select(first, a.sign, signB));
  const large = code.let(select(first, x.m, y.m));
  const h = code.variable(select(first, y.m, x.m)), l = code.variable(I64.of(0));
  const apart = code.let(e.value.sub(select(first, y.e, x.e)));
  shiftRight(code, h, l, apart);
  code.if(a.sign.eq(signB), () => {
    code.set(h, large.add(h.value));
    code.if(h.value.ltU(large), () => {
      code.set(l, l.value.shrU(1).or(h.value.shl(63)).or(l.value.and(1)));
      code.set(h, h.value.shrU(1).or(topBit));
      code.set(e, e.value.add(1));
    });
  }, () => {
    code.set(h, large.sub(h.value).sub(l.value.eqz().xor(1).toI64U()));
    code.set(l, I64.of(0).sub(l.value));
    code.if(h.value.or(l.value).eqz(), () => finish(code, 0n, 0, down, flags));
    normalize(code, h, l, e);
  });
  round(code, helpers, sign, e.value, h.value, l.value, flags);
}

function multiply(code: Code, helpers: Helpers, a: Number80, b: Number80, sign: I32, flags: I32): void {
  code.if(a.infinite.and(b.zero).or(b.infinite.and(a.zero)), () => invalid(code));
  code.if(a.infinite.or(b.infinite), () => finish(code, topBit, 0x7fff, sign, flags));
  stopAtDenormal(code, flags);
  code.if(a.zero.or(b.zero), () => finish(code, 0n, 0, sign, flags));
  const x = normal(code, a), y = normal(code, b);
  const high = code.let(callValue(helpers.get<'i64'>('mulHigh'), x.m, y.m)), low = code.let(x.m.mul(y.m));
  const short = code.let(high.geS(0));
  const h = select(short, high.shl(1).or(low.shrU(63)), high), l = select(short, low.shl(1), low);
  round(code, helpers, sign, x.e.add(y.e).sub(16382).sub(short), h, l, flags);
}

function divide(code: Code, helpers: Helpers, a: Number80, b: Number80, sign: I32, flags: I32): void {
  code.if(a.infinite.and(b.infinite).or(a.zero.and(b.zero)), () => invalid(code));
  code.if(a.infinite, () => finish(code, topBit, 0x7fff, sign, flags));
  code.if(b.zero, () => finish(code, topBit, 0x7fff, sign, I32.of(Bit.Z)));
  stopAtDenormal(code, flags);
  code.if(a.zero.or(b.infinite), () => finish(code, 0n, 0, sign, flags));
  const x = normal(code, a), y = normal(code, b);
  const large = code.let(x.m.geU(y.m));
  const high = select(large, x.m.shrU(1), x.m), low = select(large, x.m.shl(63), I64.of(0));
  const q = code.let(callValue(helpers.get<'i64'>('divide128'), high, low, y.m));
  const rest = code.let(load64(Scratch.remainder)), other = code.let(y.m.sub(rest));
  const l = select(rest.eqz(), I64.of(0), select(rest.eq(other), I64.of(topBit), select(rest.gtU(other), I64.of(topBit | 1n), I64.of(1))));
  round(code, helpers, sign, x.e.sub(y.e).add(16382).add(large), q, l, flags);
}

/** (operation as above, +4 for operands exchanged; i; j or 8 for OPERAND; D of that; to) -> 1 if done: ST(to) = ST(i) operation ST(j). */
function x87Binary(code: Code, helpers: Helpers): void {
  const operation = code.parameter(0, 'i32');
  const { x, y, empty } = places(code, code.parameter(1, 'i32'), code.parameter(2, 'i32'));
  const flags = code.variable(I32.of(Bit.I | Bit.SF));
  code.if(empty, () => indefinite(code), () => {
    const exchanged = code.let(operation.and(4));
    code.set(flags, call(helpers, 'x87Arithmetic', operation.and(3), select(exchanged, y, x), select(exchanged, x, y), code.parameter(3, 'i32')));
  });
  code.return(call(helpers, 'x87Write', code.parameter(4, 'i32'), flags.value));
}

function places(code: Code, i: I32, j: I32): { x: I32; y: I32; empty: I32 } {
  const first = code.let(physical(i)), second = code.let(physical(j)), memory = code.let(j.eq(8));
  return {
    x: code.let(addressOf(first)), y: code.let(select(memory, I32.of(OPERAND), addressOf(second))),
    empty: code.let(isFull(first).eqz().or(memory.eqz().and(isFull(second).eqz()))),
  };
}

/** (j or 8, D of that, quiet) -> 1 if done, the outcome (C0 less, C2 unordered, C3 equal) and exceptions in RESULT: compares ST(0) with ST(j). */
function x87Compare(code: Code, helpers: Helpers): void {
  const { x, y, empty } = places(code, I32.of(0), code.parameter(0, 'i32'));
  const flags = code.variable(I32.of(Bit.I | Bit.SF)), outcome = code.variable(I32.of(0x4500));
  code.if(empty.eqz(), () => {
    const a = take(code, x), b = take(code, y);
    code.if(a.bad.or(b.bad).or(a.nan).or(b.nan), () => {
      code.set(flags, a.bad.or(b.bad).or(signalling(a)).or(signalling(b)).or(code.parameter(2, 'i32').eqz()));
    }, () => {
      code.set(flags, a.denormal.or(b.denormal).or(code.parameter(1, 'i32')));
      const p = normal(code, a), q = normal(code, b);
      const bigger = p.e.gtS(q.e).or(p.e.eq(q.e).and(p.m.gtU(q.m))), same = code.let(p.e.eq(q.e).and(p.m.eq(q.m)));
      const less = select(a.sign.eq(b.sign), bigger.xor(1).xor(a.sign), a.sign);
      const equal = code.let(same.and(a.zero.or(a.sign.eq(b.sign))));
      code.set(outcome, select(equal, I32.of(0x4000), less.shl(8)));
    });
  });
  const unmasked = code.let(call(helpers, 'x87Note', flags.value).and(3));
  code.store32(RESULT, outcome.value);
  code.store32(RESULT + 8, flags.value);
  code.return(unmasked.eqz());
}

export const x87ArithmeticHelpers: HelperDefinitions = {
  x87Arithmetic: { parameters: ['i32', 'i32', 'i32', 'i32'], result: 'i32', body: x87Arithmetic },
  x87Binary: { parameters: ['i32', 'i32', 'i32', 'i32', 'i32'], result: 'i32', body: x87Binary },
  x87Compare: { parameters: ['i32', 'i32', 'i32'], result: 'i32', body: x87Compare },
};
