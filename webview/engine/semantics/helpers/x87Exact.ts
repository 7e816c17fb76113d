/** FSQRT, FPREM, FPREM1, FSCALE, FXTRACT: what is exact, or rounded once. SDM vol. 2. */
import { callValue, load32, load64, type Code, type Variable } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinition, HelperDefinitions, Helpers } from '../contract.ts';
import { finish, invalid, nanOf, normal, quietNan, round, stopAtDenormal, take, type Number80 } from './x87Arithmetic.ts';
import { Bit, CONTROL, RESULT, STATUS, TAGS, TOP, addressOf, call, indefinite, isFull, physical, setResult, topBit } from './x87State.ts';

/** Rounds to 64 bits whatever the control word's precision says. */
export const roundFull = (code: Code, helpers: Helpers, sign: I32, e: I32, h: I64, l: I64, flags: I32): void =>
  code.return(call(helpers, 'x87Round', sign, e, h, l, I32.of(64), I32.of(1), I32.of(0x7ffe)).or(flags));

/**
 * The root's upper 32 bits come from that of a double, the lower ones from a division, as digits of Karatsuba's square root (Zimmermann,
 * 1999); the remainder says how to round.
 */
function x87Sqrt(code: Code, helpers: Helpers): void {
  const a = take(code, code.parameter(0, 'i32'));
  code.if(a.bad, () => invalid(code));
  code.if(a.nan, () => quietNan(code, a));
  code.if(a.zero, () => finish(code, 0n, 0, a.sign, I32.of(0)));
  code.if(a.sign, () => invalid(code));
  code.if(a.infinite, () => finish(code, topBit, 0x7fff, a.sign, I32.of(0)));
  stopAtDenormal(code, a.denormal);
  const { e, m } = normal(code, a);
  // The number is m * 2^(e - 16383 - 63): h:l is m * 2^64 or m * 2^63, so that what is left is a square.
  const odd = code.let(e.and(1));
  const h = code.let(m.shrU(odd.toI64U())), l = code.let(select(odd, m.shl(63), I64.of(0)));
  const top = code.variable(h.toF64U().sqrt().toI64U());
  code.if(top.value.gtU(0xffffffffn), () => code.set(top, I64.of(0xffffffffn)));
  code.if(top.value.mul(top.value).gtU(h), () => code.set(top, top.value.sub(1)));
  code.if(h.sub(top.value.mul(top.value)).gtU(top.value.shl(1)), () => code.set(top, top.value.add(1)));
  const rest = code.let(h.sub(top.value.mul(top.value)));
  const digit = code.let(rest.shl(31).or(l.shrU(33)).divU(top.value));
  const root = code.variable(top.value.shl(32).add(select(digit.gtU(0xffffffffn), I64.of(0xffffffffn), digit)));
  const low = code.variable(l.sub(root.value.mul(root.value)));
  const high = code.variable(h.sub(callValue(helpers.get<'i64'>('mulHigh'), root.value, root.value)).sub(low.value.gtU(l).toI64U()));
  code.if(high.value.ltS(0), () => {
    // Back by one; twice the root has a 65th bit always.
    code.set(root, root.value.sub(1));
    const back = code.let(root.value.shl(1).add(1));
    code.set(low, low.value.add(back));
    code.set(high, high.value.add(1).add(low.value.ltU(back).toI64U()));
  });
  // The remainder is at most twice the root.
  const above = high.value.toI32().or(low.value.gtU(root.value));
  const sticky = select(low.value.or(high.value).eqz(), I64.of(0), select(above, I64.of(topBit | 1n), I64.of(1)));
  round(code, helpers, I32.of(0), code.let(e.add(16383).shrU(1)), root.value, sticky, a.denormal);
}

/** What is not a number to divide by or to divide; gives D. `a` over `b`. */
function remainderOperands(code: Code, a: Number80, b: Number80): I32 {
  code.if(a.bad.or(b.bad), () => invalid(code));
  code.if(a.nan.or(b.nan), () => nanOf(code, a, b));
  code.if(a.infinite.or(b.zero), () => invalid(code));
  const flags = code.let(a.denormal.or(b.denormal));
  stopAtDenormal(code, flags);
  code.if(a.zero, () => finish(code, 0n, 0, a.sign, flags.or(COMPUTED)));
  return flags;
}

/** Of what `x87Remainder` gives: there is a quotient. */
const COMPUTED = 1 << 16;

/** Quotient's bits in the condition code: 0 in C1, 1 in C3, 2 in C0. */
const quotientBits = (q: I64): I32 => {
  const bits = q.toI32();
  return bits.and(1).shl(9).or(bits.and(2).shl(13)).or(bits.and(4).shl(6)).or(COMPUTED);
};

/**
 * (addresses of a and b, nearest) -> exceptions and condition code; RESULT. If the exponents are 64 or more apart, the dividend gets 32 to
 * 63 bits shorter and C2 is set; how many is AMD's choice.
 */
function x87Remainder(code: Code, helpers: Helpers): void {
  const a = take(code, code.parameter(0, 'i32')), b = take(code, code.parameter(1, 'i32')), nearest = code.parameter(2, 'i32');
  const flags = remainderOperands(code, a, b);
  const x = normal(code, a), y = normal(code, b);
  code.if(b.infinite, () => roundFull(code, helpers, a.sign, x.e, x.m, I64.of(0), flags.or(COMPUTED)));
  const apart = code.let(x.e.sub(y.e));
  code.if(apart.ltS(0), () => {
    // Half of b or less: nothing to take away. More: b - a, in units of a's last bit.
    const more = apart.eq(-1).and(nearest).and(x.m.gtU(y.m));
    code.if(more.eqz(), () => roundFull(code, helpers, a.sign, x.e, x.m, I64.of(0), flags.or(COMPUTED)));
    const rest = code.let(y.m.sub(x.m.sub(y.m))), zeros = code.let(rest.clz());
    roundFull(code, helpers, a.sign.xor(1), x.e.sub(zeros.toI32()), rest.shl(zeros), I64.of(0), flags.or(quotientBits(I64.of(1))));
  });
  const partial = code.let(apart.gtS(63));
  const count = code.let(select(partial, apart.and(31).or(32), apart).toI64U());
  const first = code.let(x.m.geU(y.m));
  const m = code.let(x.m.sub(select(first, y.m, I64.of(0))));
  const high = code.let(select(count.eqz(), I64.of(0), m.shrU(I64.of(64).sub(count))));
  const quotient = code.let(callValue(helpers.get<'i64'>('divide128'), high, m.shl(count), y.m));
  const q = code.variable(quotient.add(first.toI64U().shl(count))), rest = code.variable(load64(Scratch.remainder)), sign = code.variable(a.sign);
  const other = code.let(y.m.sub(rest.value));
  const up = rest.value.gtU(other).or(rest.value.eq(other).and(q.value.toI32()));
  code.if(nearest.and(partial.eqz()).and(up).and(1), () => {
    code.set(q, q.value.add(1));
    code.set(rest, other);
    code.set(sign, sign.value.xor(1));
  });
  const bits = code.let(select(partial, I32.of(COMPUTED | 0x400), quotientBits(q.value)).or(flags));
  code.if(rest.value.eqz(), () => finish(code, 0n, 0, a.sign, bits));
  const zeros = code.let(rest.value.clz());
  const e = y.e.add(apart.sub(count.toI32())).sub(zeros.toI32());
  roundFull(code, helpers, sign.value, code.let(e), rest.value.shl(zeros), I64.of(0), bits);
}

/** (addresses of a and b) -> exceptions; RESULT is a * 2^b, b cut to an integer. */
function x87Scale(code: Code, helpers: Helpers): void {
  const a = take(code, code.parameter(0, 'i32')), b = take(code, code.parameter(1, 'i32'));
  code.if(a.bad.or(b.bad), () => invalid(code));
  code.if(a.nan.or(b.nan), () => nanOf(code, a, b));
  const flags = code.let(a.denormal.or(b.denormal));
  code.if(b.infinite, () => {
    code.if(select(b.sign, a.infinite, a.zero), () => invalid(code));
    code.if(b.sign, () => finish(code, 0n, 0, a.sign, flags));
    finish(code, topBit, 0x7fff, a.sign, flags);
  });
  code.if(a.infinite, () => finish(code, topBit, 0x7fff, a.sign, flags));
  stopAtDenormal(code, flags);
  code.if(a.zero, () => finish(code, 0n, 0, a.sign, flags));
  const { e, m } = normal(code, a);
  const size = code.let(b.exponent.sub(16383));
  const whole = b.m.shrU(I32.of(63).sub(size).toI64U()).toI32();
  const count = code.let(select(size.ltS(0), I32.of(0), select(size.gtS(16), I32.of(0x1ffff), whole)));
  const scaled = code.let(e.add(select(b.sign, I32.of(0).sub(count), count)));
  // Unmasked, and too far off for a wrapped exponent: infinity or zero, whatever the rounding (SDM vol. 1 8.5.4, 8.5.5).
  const unmasked = code.let(load32(CONTROL).xor(-1));
  code.if(unmasked.and(Bit.O).and(scaled.gtS(0x7ffe + 24576).mul(Bit.O)), () => finish(code, topBit, 0x7fff, a.sign, flags.or(Bit.O | Bit.P | Bit.C1)));
  code.if(unmasked.and(Bit.U).and(scaled.ltS(1 - 24576).mul(Bit.U)), () => finish(code, 0n, 0, a.sign, flags.or(Bit.U | Bit.P)));
  roundFull(code, helpers, a.sign, scaled, m, I64.of(0), flags);
}

/** () -> 1 if done: the exponent replaces ST(0), the significand is pushed. */
function x87Extract(code: Code, helpers: Helpers): void {
  const number = code.let(physical(0)), full = code.let(isFull(number));
  const a = take(code, code.let(addressOf(number)));
  const flags = code.variable(I32.of(0));
  const exponent = code.variable(I64.of(3n << 62n)), exponentHigh = code.variable(I32.of(0xffff));
  indefinite(code);
  code.if(full.eqz(), () => code.set(flags, I32.of(Bit.I | Bit.SF)),
    () => code.if(isFull(code.let(physical(7))), () => code.set(flags, I32.of(Bit.I | Bit.SF | Bit.C1)),
      () => code.if(a.bad, () => code.set(flags, I32.of(Bit.I)), () => extract(code, helpers, a, { flags, exponent, exponentHigh }))));
  code.if(call(helpers, 'x87Note', flags.value).and(7), () => code.return(I32.of(0)));
  const at = code.let(addressOf(number)), to = code.let(addressOf(physical(7)));
  code.store64(at, exponent.value);
  code.store64(at, exponentHigh.value.toI64U(), 8);
  code.store64(to, load64(RESULT));
  code.store64(to, load64(RESULT + 8), 8);
  code.store32(TOP, physical(7));
  code.store32(TAGS, load32(TAGS).or(I32.of(1).shl(load32(TOP))).or(I32.of(1).shl(number)));
  code.return(I32.of(1));
}

/** What FXTRACT gives besides RESULT, the significand. */
interface Extracted {
  readonly flags: Variable<I32>;
  readonly exponent: Variable<I64>;
  readonly exponentHigh: Variable<I32>;
}

function extract(code: Code, helpers: Helpers, a: Number80, out: Extracted): void {
  code.if(a.nan, () => {
    code.set(out.flags, a.m.shrU(62).toI32().and(1).xor(1));
    code.set(out.exponent, a.m.or(1n << 62n));
    code.set(out.exponentHigh, a.sign.shl(15).or(0x7fff));
    setResult(code, out.exponent.value, out.exponentHigh.value);
  }, () => code.if(a.infinite.or(a.zero), () => {
    code.set(out.flags, a.zero.mul(Bit.Z));
    code.set(out.exponent, I64.of(topBit));
    code.set(out.exponentHigh, a.zero.shl(15).or(0x7fff));
    setResult(code, a.m, a.sign.shl(15).or(a.exponent));
  }, () => {
    code.set(out.flags, a.denormal);
    const { e, m } = normal(code, a);
    code.call(helpers.get('x87FromInt'), e.sub(16383).toI64S());
    code.set(out.exponent, load64(RESULT));
    code.set(out.exponentHigh, load32(RESULT + 8));
    setResult(code, m, a.sign.shl(15).or(0x3fff));
  }));
}

/**
 * () -> 1 if done: `name` of ST(0), or of ST(0) and ST(1), goes to ST(`to`). `condition` are the bits of the condition code that `name` gives
 * with the exceptions; `more` its further arguments.
 */
export function ofStack(name: string, count: 1 | 2, to: 0 | 1, condition = 0, ...more: readonly number[]): HelperDefinition {
  return {
    parameters: [], result: 'i32',
    body(code, helpers) {
      const numbers = [0, 1].slice(0, count).map(i => code.let(physical(i)));
      const flags = code.variable(I32.of(Bit.I | Bit.SF));
      code.if(numbers.map(isFull).reduce((a, b) => a.and(b)), () => {
        code.set(flags, call(helpers, name, ...numbers.map(addressOf), ...more.map(n => I32.of(n))));
      }, () => indefinite(code));
      // Without a quotient the condition code keeps its bits, except that nothing is left to do.
      if (condition !== 0) {
        code.store32(STATUS, load32(STATUS).and(select(flags.value.and(COMPUTED), I32.of(~condition), I32.of(~0x400))));
        code.set(flags, flags.value.and(~COMPUTED));
      }
      code.return(call(helpers, 'x87Write', I32.of(to), flags.value));
    },
  };
}

/** A function of `count` i32 that returns before its end. */
export const returning = (count: number, body: HelperDefinition['body']): HelperDefinition =>
  ({ parameters: Array.from({ length: count }, () => 'i32' as const), result: 'i32', body: (code, helpers) => { body(code, helpers); code.unreachable(); } });

export const x87ExactHelpers: HelperDefinitions = {
  x87Sqrt: returning(1, x87Sqrt), x87Remainder: returning(3, x87Remainder), x87Scale: returning(2, x87Scale),
  x87SquareRoot: ofStack('x87Sqrt', 1, 0), x87Extract: { parameters: [], result: 'i32', body: x87Extract },
  x87Prem: ofStack('x87Remainder', 2, 0, 0x4500, 0), x87Prem1: ofStack('x87Remainder', 2, 0, 0x4500, 1), x87ScaleStack: ofStack('x87Scale', 2, 0),
};
