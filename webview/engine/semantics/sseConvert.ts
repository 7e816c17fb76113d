/** Conversions between formats of numbers in vector and general registers, and rounding to integers: SSE to SSE4.1. */
import { callValue, type Label } from '../wasm/code.ts';
import { F32, F64, I32, I64, V128, select } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import {
  bitsOf, compare, floatOf, isCalm, isOdd, isZero, laneBits, lanesOf, mayNotBeInexact, replaceLane, roundingMode, unless, widthOf,
  type Bits, type Float, type Lane,
} from './floats.ts';
import { CALM, SINGLE, Single, integers } from './floatKnowledge.ts';
import { Int } from './int.ts';
import { finish, isKnownCalm, testInexact, writeCalmLanes, writeFloat } from './sseFloat.ts';
import { isMmx } from './vectors.ts';

/** A lane as an integer of `to` bits, by MXCSR's rounding mode or truncated. */
function integerOf(context: Context, bits: I64, from: Bits, to: Bits, truncate: boolean): I64 {
  const mode = truncate ? I32.of(3) : roundingMode();
  return context.code.let(callValue(context.helpers.get<'i64'>(`toInteger${from}To${to}`), bits, mode));
}

/** It is known that inexact is set and masked. */
const isSettled = ({ floats, isInexactLikely }: Context): boolean => floats !== undefined && floats.isSettled && isInexactLikely;

/** Branches to `slow` if a truncation that isn't exact would have to be told, or, not truncated, MXCSR isn't as usual. */
function testInteger(context: Context, slow: Label, truncate: boolean, exact: () => I32): void {
  if (truncate && isSettled(context)) return;
  if (truncate) context.code.if(mayNotBeInexact(), () => context.code.brIf(slow, exact().eqz()));
  else testInexact(context, slow, exact);
}

/** Conversion of a scalar to an integer; what doesn't fit gives the integer indefinite (the least integer). */
function toInteger(from: Bits, truncate: boolean): Description {
  return context => {
    const { code, dst, src, size } = context;
    const a = from === 64 ? src.readF64() : src.readF32();
    const whole = truncate ? a : code.let(a.nearest());
    const r = code.variable(size === 8 ? whole.toI64S() : whole.toI32S());
    unless(code, slow => {
      code.brIf(slow, compare(whole.abs(), 'lt', size === 8 ? 2 ** 63 : 2 ** 31).eqz());
      testInteger(context, slow, truncate, () => compare(from === 64 ? r.value.toF64S() : r.value.toF32S(), 'eq', a));
    }, () => {
      const result = integerOf(context, bitsOf(a), from, size === 8 ? 64 : 32, truncate);
      finish(context);
      code.set(r, size === 8 ? result : result.toI32());
    });
    dst.write(Int.clean(size === 8 ? 8 : 4, r.value));
  };
}

/** Lanes to 32-bit integers; the rest is zero. An MMX register takes two. */
function toIntegers(from: Lane, truncate: boolean): Description {
  return context => {
    const { code, row, src, dst } = context, lanes = lanesOf[from];
    const source = src.readV128(), width = widthOf(from), mmx = isMmx(row), count = mmx ? 2 : 128 / width;
    const whole = truncate ? source : code.let(source.op1(`${from}.nearest`));
    const r = code.variable(whole.op1(from === 'f32x4' ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f64x2_s_zero'));
    const limit = from === 'f32x4' ? V128.splatF32(F32.of(2 ** 31)) : V128.splatF64(F64.of(2 ** 31));
    unless(code, slow => {
      code.brIf(slow, lanes.all(lanes.abs(whole).op2(`${from}.lt`, limit), count).eqz());
      testInteger(context, slow, truncate, () => lanes.all(source.op1(`${from}.trunc`).op2(`${from}.eq`, source), count));
    }, () => {
      code.set(r, V128.zero());
      for (let i = 0; i < count; i++) code.set(r, r.value.replace32(i, integerOf(context, laneBits(source, width, i), width, 32, truncate).toI32()));
      // The x87 state changes even if an exception follows.
      if (mmx) context.enterMmx();
      finish(context);
    });
    if (mmx) context.enterMmx();
    dst.writeV128(r.value);
  };
}

/** A lane's value from bits of another format. */
function converted(context: Context, from: I64, helper: string): I64 {
  return context.code.let(callValue(context.helpers.get<'i64'>(helper), from));
}

/** Lanes of singles from `count` integers. `before` is done before an exception. */
function singlesOf(context: Context, value: V128, count: number, before?: () => void): V128 {
  const { code } = context, r = code.variable(value.op1('f32x4.convert_i32x4_s'));
  unless(code, slow => testInexact(context, slow, () => {
    // 2^31 is too large to be converted back.
    const same = r.value.op1('i32x4.trunc_sat_f32x4_s').op2('i32x4.eq', value).op2('v128.and', r.value.op2('f32x4.lt', V128.splatF32(F32.of(2 ** 31))));
    return lanesOf.f32x4.all(same, count);
  }), () => {
    code.set(r, V128.zero());
    for (let i = 0; i < count; i++) code.set(r, r.value.replace32(i, converted(context, value.extract32(i).toI64S(), 'softFromInteger32').toI32()));
    before?.();
    finish(context);
  });
  return r.value;
}

/** CVTSI2Sx. */
const fromInteger = (width: Bits): Description => context => {
  const { code, src, size } = context;
  const value = src.read(), wide = size === 8;
  const v: I32 | I64 = wide ? value.i64 : value.i32;
  const r = code.variable<F32 | F64>(width === 64 ? v.toF64S() : v.toF32S());
  // 32 bits always fit into a double.
  if (!wide && width === 64) return writeFloat(context, r.value, integers(31));
  unless(code, slow => testInexact(context, slow, () => {
    const back = wide ? r.value.toI64S().eq(v as I64) : r.value.toI32S().eq(v as I32);
    return back.and(compare(r.value.abs(), 'lt', wide ? 2 ** 62 : 2 ** 30));
  }), () => {
    const bits = converted(context, wide ? v as I64 : (v as I32).toI64S(), `softFromInteger${width}`);
    finish(context);
    code.set(r, floatOf(width, bits));
  });
  writeFloat(context, r.value, integers(63));
};

/** A single to a double: always exact. */
const widen: Description = context => {
  const { code, src } = context, a = src.readF32(), r = code.variable(a.toF64());
  unless(code, slow => {
    if (!isKnownCalm(context, src, 32)) code.if(isOdd(a), () => code.brIf(slow, isCalm(a).eqz()));
  }, () => {
    const bits = converted(context, bitsOf(a), 'softWiden');
    finish(context);
    code.set(r, bits.asF64());
  });
  context.floats?.learn(src.xmm, { singles: Single.low });
  writeFloat(context, r.value, SINGLE);
};

/** A double to a single. */
const narrow: Description = context => {
  const { code, src } = context, a = src.readF64(), r = code.variable(a.toF32());
  unless(code, slow => {
    code.if(isOdd(r.value), () => code.brIf(slow, isZero(a).eqz()));
    testInexact(context, slow, () => r.value.toF64().eq(a));
  }, () => {
    const bits = converted(context, bitsOf(a), 'softNarrow');
    finish(context);
    code.set(r, bits.toI32().asF32());
  });
  context.floats?.learn(src.xmm, { low: CALM });
  writeFloat(context, r.value);
};

/** Two singles to doubles, two doubles to singles of which the others become zero. */
const pairs = (helper: 'softWiden' | 'softNarrow'): Description => context => {
  const { code, src } = context, toDouble = helper === 'softWiden', { f32x4, f64x2 } = lanesOf;
  const value = src.readV128(), r = code.variable(value.op1(toDouble ? 'f64x2.promote_low_f32x4' : 'f32x4.demote_f64x2_zero'));
  unless(code, slow => {
    if (toDouble) return code.brIf(slow, f32x4.all(f32x4.isCalm(code.let(f32x4.abs(value))), 2).eqz());
    // Of each double: a zero, or its single is normal.
    const doubles = r.value.op1('f64x2.promote_low_f32x4'), magnitudes = code.let(f64x2.abs(doubles));
    const normal = magnitudes.op2('f64x2.gt', V128.splatF64(F64.of(2 ** -126))).op2('v128.and', magnitudes.op2('f64x2.lt', V128.splatF64(F64.of(2 ** 128))));
    code.brIf(slow, f64x2.all(normal.op2('v128.or', f64x2.isZero(value))).eqz());
    testInexact(context, slow, () => f64x2.all(doubles.op2('f64x2.eq', value)));
  }, () => {
    code.set(r, V128.zero());
    for (let i = 0; i < 2; i++) code.set(r, replaceLane(r.value, toDouble ? 64 : 32, i, converted(context, laneBits(value, toDouble ? 32 : 64, i), helper)));
    finish(context);
  });
  writeCalmLanes(context, toDouble ? 64 : 32, r.value);
};

/** CVTPI2xx: two integers of an mmx register or memory. Only the register makes MMX mode. */
const fromMmx = (type: 'ps' | 'pd'): Description => context => {
  const { code, row, dst, src } = context;
  const value = code.let(V128.zero().replace64(0, src.readLow64()));
  if (type === 'pd' && isMmx(row) && !src.isMemory) context.enterMmx();
  if (type === 'pd') return dst.writeV128(value.op1('f64x2.convert_low_i32x4_s'));
  const enter = (): void => { if (!src.isMemory) context.enterMmx(); };
  const r = code.let(singlesOf(context, value, 2, enter));
  enter();
  dst.writeLow64(r.extract64(0));
};

/** ROUNDxx's mode: the immediate's, or MXCSR's if its bit 2 is set. */
function modeOf(imm: I32): I32 {
  return select(imm.and(4), roundingMode(), imm.and(3));
}
const modes = ['nearest', 'floor', 'ceil', 'trunc'] as const;

/** ROUNDxx: `count` lanes. Bit 3 of the immediate keeps inexact unsaid. */
const round = (width: Bits, count: number): Description => context => {
  const { code, src, src2, helpers } = context, isScalar = count === 1;
  const imm = code.let(src2.read().i32), control = (): I32 => modeOf(imm).or(imm.and(8));
  const one = (bits: I64): I64 => code.let(callValue(helpers.get<'i64'>(`softRound${width}`), bits, control()));
  const scalarSoft = (a: Float): Float => {
    const bits = one(bitsOf(a));
    finish(context);
    return floatOf(width, bits);
  };
  const soft = (source: V128): V128 => {
    const r = code.variable(V128.zero());
    for (let i = 0; i < count; i++) code.set(r, replaceLane(r.value, width, i, one(laneBits(source, width, i))));
    finish(context);
    return r.value;
  };
  const how = roundingOf(imm.constant);
  if (isScalar) return roundScalar(context, width === 64 ? src.readF64() : src.readF32(), how, scalarSoft);
  roundLanes(context, width, src.readV128(), how, soft);
};

/** How an immediate rounds: that is known when code is compiled, in the interpreter only when it runs. */
interface KnownRounding {
  readonly mode: typeof modes[number];
  /** The mode is MXCSR's, and this one only if that is nearest. */
  readonly byMxcsr: boolean;
  /** Inexact is never told. */
  readonly quiet: boolean;
}
function roundingOf(imm: number | undefined): KnownRounding | undefined {
  if (imm === undefined) return undefined;
  const byMxcsr = (imm & 4) !== 0;
  return { mode: modes[byMxcsr ? 0 : imm & 3]!, byMxcsr, quiet: (imm & 8) !== 0 };
}

function roundScalar(context: Context, a: Float, how: KnownRounding | undefined, soft: (a: Float) => Float): void {
  const { code } = context;
  if (!how) return writeFloat(context, code.let(soft(a)));
  const r = code.variable<Float>(a[how.mode]());
  unless(code, slow => {
    code.if(isOdd(a), () => code.brIf(slow, isCalm(a).eqz()));
    if (how.byMxcsr) code.brIf(slow, roundingMode());
    if (!how.quiet && !isSettled(context)) code.if(mayNotBeInexact(), () => code.brIf(slow, compare(r.value, 'ne', a)));
  }, () => code.set(r, soft(a)));
  writeFloat(context, r.value);
}

function roundLanes(context: Context, width: Bits, a: V128, how: KnownRounding | undefined, soft: (a: V128) => V128): void {
  const { code, dst } = context, lanes = lanesOf[width === 64 ? 'f64x2' : 'f32x4'];
  if (!how) return dst.writeV128(soft(a));
  const r = code.variable(a.op1(`${lanes.type}.${how.mode}`));
  unless(code, slow => {
    code.brIf(slow, lanes.all(lanes.isCalm(code.let(lanes.abs(a)))).eqz());
    if (how.byMxcsr) code.brIf(slow, roundingMode());
    if (!how.quiet && !isSettled(context)) code.if(mayNotBeInexact(), () => code.brIf(slow, lanes.all(r.value.op2(`${lanes.type}.eq`, a)).eqz()));
  }, () => code.set(r, soft(a)));
  writeCalmLanes(context, width, r.value);
}

export const sseConvert: Descriptions = {
  ROUNDPS: round(32, 4), ROUNDPD: round(64, 2), ROUNDSS: round(32, 1), ROUNDSD: round(64, 1),
  CVTSI2SD: fromInteger(64), CVTSI2SS: fromInteger(32),
  CVTTSD2SI: toInteger(64, true), CVTSD2SI: toInteger(64, false), CVTTSS2SI: toInteger(32, true), CVTSS2SI: toInteger(32, false),
  CVTSS2SD: widen, CVTSD2SS: narrow, CVTPS2PD: pairs('softWiden'), CVTPD2PS: pairs('softNarrow'),
  CVTDQ2PS: context => writeCalmLanes(context, 32, singlesOf(context, context.src.readV128(), 4)),
  CVTDQ2PD: context => writeCalmLanes(context, 64, context.src.readV128().op1('f64x2.convert_low_i32x4_s'), integers(31)),
  CVTPS2DQ: toIntegers('f32x4', false), CVTTPS2DQ: toIntegers('f32x4', true), CVTPD2DQ: toIntegers('f64x2', false), CVTTPD2DQ: toIntegers('f64x2', true),
  CVTPS2PI: toIntegers('f32x4', false), CVTTPS2PI: toIntegers('f32x4', true), CVTPD2PI: toIntegers('f64x2', false), CVTTPD2PI: toIntegers('f64x2', true),
  CVTPI2PS: fromMmx('ps'), CVTPI2PD: fromMmx('pd'),
};
