/**
 * Floating point in vector registers: SSE to SSE4.1. Where MXCSR is as programs start with it (all masked, nearest, no DAZ and FTZ),
 * operands and result are normal numbers or zeros, and the result is exact or the sticky inexact flag is set already, nothing is left to be
 * found out, and WebAssembly's own instruction does. Everything else is computed by helpers/softFloat.ts, with all flags and in all modes.
 * What still differs from hardware is listed in test/engine/expectedDifferences.ts.
 */
import { callValue, load32 } from '../wasm/code.ts';
import { F32, F64, I32, I64, V128, select } from '../wasm/values.ts';
import { STATE, Slot } from '../state.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { Int } from './int.ts';
import { isMmx } from './vectors.ts';

type Lane = 'f32x4' | 'f64x2';
const widthOf = (type: Lane): 32 | 64 => (type === 'f32x4' ? 32 : 64);

const mxcsr = (): I32 => load32(STATE + Slot.mxcsr);
/** MXCSR: everything masked, nearest, no DAZ, no FTZ, and PE set. */
const settled = (): I32 => mxcsr().and(0xffe0).eq(0x1fa0);
/** The same, whether or not PE is set. */
const usual = (): I32 => mxcsr().and(0xffc0).eq(0x1f80);
const inexactIsSet = (): I32 => mxcsr().and(0x20);

type Float = F32 | F64;
/** Smallest normal and largest finite number. */
const limits = { f32: [2 ** -126, (2 - 2 ** -23) * 2 ** 127], f64: [2 ** -1022, Number.MAX_VALUE] } as const;
const number = <T extends Float>(like: T, value: number): T => (like instanceof F64 ? F64.of(value) : F32.of(value)) as T;
/** Compares floats of one type. */
const compare = (a: Float, how: 'eq' | 'lt' | 'gt' | 'le' | 'ge', b: number | Float): I32 => (a as F64)[how]((typeof b === 'number' ? number(a, b) : b) as F64);
/** Neither a denormal nor a NaN. */
const isSafe = (v: Float): I32 => compare(v.abs(), 'ge', limits[v.type][0]).or(compare(v, 'eq', 0));
/** Finite, and so large that it can't have been rounded to from a denormal. */
const isWellInside = (v: Float): I32 => compare(v.abs(), 'gt', limits[v.type][0]).and(compare(v.abs(), 'le', limits[v.type][1]));

/** Whether r, computed from a and b, can have raised no flag but inexact. A result that is well inside comes from finite operands. */
type Clean = (a: Float, b: Float, r: Float) => I32;
const isZero = (v: Float): I32 => compare(v, 'eq', 0);
const cleanSum: Clean = (a, b, r) => isWellInside(r).or(isZero(r)).and(isSafe(a)).and(isSafe(b));
const cleanProduct: Clean = (a, b, r) => isWellInside(r).or(isZero(a).or(isZero(b)).and(isZero(r))).and(isSafe(a)).and(isSafe(b));
const cleanQuotient: Clean = (a, b, r) => isWellInside(r).or(isZero(a).and(isZero(r))).and(isSafe(a)).and(isSafe(b));
const cleanChoice: Clean = (a, b) => isSafe(a).and(isSafe(b));
const cleanRoot: Clean = (a, _, r) => isWellInside(r).or(isZero(a)).and(isSafe(a));

/** Sets the flags that helpers have gathered; leaves if one isn't masked. Before anything is written. */
function finish({ control, helpers }: Context): void {
  control.exitIf(callValue(helpers.get<'i32'>('raiseSimd')), 'simd');
}

/** An operation on all lanes: at once if that is known to be enough, else lane by lane in the helper. */
function packed(type: Lane, helper: string, fast: (a: V128, b: V128) => V128): Description {
  return context => {
    const { code, dst, src, helpers } = context;
    const b = src.readV128(), a = dst.readV128(), r = code.variable(fast(a, b)), width = widthOf(type);
    const plain = callValue(helpers.get<'i32'>(`plainLanes${width}`), a, b, r.value);
    code.if(settled().and(plain).eqz(), () => {
      code.set(r, callValue(helpers.get<'v128'>(`${helper}Lanes${width}`), a, b));
      finish(context);
    });
    dst.writeV128(r.value);
  };
}

const bitsOf = (v: F32 | F64): I64 => (v instanceof F64 ? v.asI64() : v.asI32().toI64U());

/** Writes a result that came as bits. */
function writeBits(context: Context, width: 32 | 64, bits: I64): void {
  if (width === 64) context.dst.writeLow64(bits);
  else context.dst.writeLow32(bits.toI32());
}

/** What WebAssembly computes, when that is known to be all, and the helper that tells whether it is exact. */
interface Fast {
  readonly compute: (a: never, b: never) => Float;
  readonly clean: Clean;
  /** Name of a helper (a, b, r) -> 1 if r is exact; undefined where results always are. */
  readonly exact: string | undefined;
}

/** An operation on the low lane. */
function scalar(width: 32 | 64, helper: string, { compute, clean, exact }: Fast, unary = false): Description {
  return context => {
    const { code, dst, src, helpers } = context;
    const b = width === 64 ? src.readF64() : src.readF32(), a = unary ? b : width === 64 ? dst.readF64() : dst.readF32();
    const r = code.let(compute(a as never, b as never));
    const soft = (): void => {
      const args = unary ? [bitsOf(b)] : [bitsOf(a), bitsOf(b)];
      const bits = code.let(callValue(helpers.get<'i64'>(`${helper}${width}`), ...args));
      finish(context);
      writeBits(context, width, bits);
    };
    code.if(usual().and(clean(a, b, r)), () => {
      if (exact === undefined) return writeBits(context, width, bitsOf(r));
      const isExact = code.variable(I32.of(1));
      code.if(inexactIsSet().eqz(), () => code.set(isExact, callValue(helpers.get<'i32'>(`${exact}${width}`), a, b, r)));
      code.if(isExact.value, () => writeBits(context, width, bitsOf(r)), soft);
    }, soft);
  };
}

/** The four forms of an arithmetic operation. */
function arithmetic(name: 'add' | 'sub' | 'mul' | 'div'): Descriptions {
  const title = `${name[0]!.toUpperCase()}${name.slice(1)}`, helper = `soft${title}`, exact = `exact${title}`, operation = name.toUpperCase();
  const clean = name === 'mul' ? cleanProduct : name === 'div' ? cleanQuotient : cleanSum;
  return {
    [`${operation}PS`]: packed('f32x4', helper, (a, b) => a.op2(`f32x4.${name}`, b)),
    [`${operation}PD`]: packed('f64x2', helper, (a, b) => a.op2(`f64x2.${name}`, b)),
    [`${operation}SS`]: scalar(32, helper, { compute: (a: F32, b: F32) => a[name](b), clean, exact }),
    [`${operation}SD`]: scalar(64, helper, { compute: (a: F64, b: F64) => a[name](b), clean, exact }),
  };
}

/** MIN, MAX: there is nothing inexact, so only odd operands need the helper. */
function extreme(name: 'min' | 'max'): Descriptions {
  const helper = name === 'min' ? 'softMin' : 'softMax', operation = name.toUpperCase(), than = name === 'min' ? 'lt' : 'gt';
  return {
    [`${operation}PS`]: packed('f32x4', helper, (a, b) => b.op2(`f32x4.p${name}`, a)),
    [`${operation}PD`]: packed('f64x2', helper, (a, b) => b.op2(`f64x2.p${name}`, a)),
    [`${operation}SS`]: scalar(32, helper, { compute: (a: F32, b: F32) => select(a[than](b), a, b), clean: cleanChoice, exact: undefined }),
    [`${operation}SD`]: scalar(64, helper, { compute: (a: F64, b: F64) => select(a[than](b), a, b), clean: cleanChoice, exact: undefined }),
  };
}

/** SQRT of all lanes. */
function packedRoot(type: Lane): Description {
  return context => {
    const { code, dst, src, helpers } = context;
    const a = src.readV128(), r = code.variable(a.op1(`${type}.sqrt`)), width = widthOf(type);
    code.if(settled().and(callValue(helpers.get<'i32'>(`plainLanes${width}`), a, a, r.value)).eqz(), () => {
      code.set(r, callValue(helpers.get<'v128'>(`softSqrtLanes${width}`), a, a));
      finish(context);
    });
    dst.writeV128(r.value);
  };
}

/** Two vectors of lanes, combined by a helper for lanes. */
const lanesBy = (context: Context, type: Lane, helper: string, a: V128, b: V128): V128 => (
  context.code.let(callValue(context.helpers.get<'v128'>(`${helper}Lanes${widthOf(type)}`), a, b)));

/** MXCSR.RC. */
const roundingMode = (): I32 => mxcsr().shrU(13).and(3);
/** ROUNDxx: the mode is the immediate's, or MXCSR's if its bit 2 is set. */
function immediateMode({ code, src2 }: Context): I32 {
  const imm = src2.readLow32();
  return code.let(select(imm.and(4), roundingMode(), imm.and(3)));
}

/** The bits of a lane. */
const laneOf = (v: V128, width: 32 | 64, i: number): I64 => (width === 64 ? v.extract64(i) : v.extract32(i).toI64U());

/** A lane as an integer of `to` bits, by MXCSR's rounding mode or truncated. */
function integerOf(context: Context, bits: I64, from: 32 | 64, to: 32 | 64, truncate: boolean): I64 {
  const mode = truncate ? I32.of(3) : roundingMode();
  return context.code.let(callValue(context.helpers.get<'i64'>(`toInteger${from}To${to}`), bits, mode));
}

/** Conversion of a scalar to an integer; what doesn't fit gives the integer indefinite (the least integer). */
function toInteger(from: 32 | 64, truncate: boolean): Description {
  return context => {
    const { code, dst, src, size } = context;
    const a = from === 64 ? src.readF64() : src.readF32();
    const whole = code.let(truncate ? a : a.nearest()), r = code.variable(whole.toI64S());
    const fits = compare(whole.abs(), 'lt', size === 8 ? 2 ** 63 : 2 ** 31);
    const back = from === 64 ? r.value.toF64S() : r.value.toF32S();
    code.if(usual().and(fits).and(inexactIsSet().or(compare(back, 'eq', a))).eqz(), () => {
      code.set(r, integerOf(context, bitsOf(a), from, size === 8 ? 64 : 32, truncate));
      finish(context);
    });
    dst.write(size === 8 ? Int.clean(8, r.value) : Int.clean(4, r.value.toI32()));
  };
}

/** Of safe numbers: 0 less, 1 equal, 2 greater. */
const relationOf = (a: Float, b: Float): I32 => compare(a, 'gt', b).shl(1).or(compare(a, 'eq', b));

/** COMISx, UCOMISx; the latter is quiet about quiet NaNs. */
const compareFlags = (width: 32 | 64, loud: boolean): Description => context => {
  const { code, dst, src, flags, helpers } = context;
  const b = width === 64 ? src.readF64() : src.readF32(), a = width === 64 ? dst.readF64() : dst.readF32();
  // 0 less, 1 equal, 2 greater, 3 unordered.
  const relation = code.variable(relationOf(a, b));
  code.if(isSafe(a).and(isSafe(b)).eqz(), () => {
    code.set(relation, callValue(helpers.get<'i32'>(`softCompare${width}`), bitsOf(a), bitsOf(b), I32.of(loud ? 1 : 0)));
    finish(context);
  });
  const unordered = code.let(relation.value.eq(3));
  flags.assign({ cf: code.let(relation.value.eqz().or(unordered)), zf: code.let(relation.value.and(1)), pf: unordered, af: 0, sf: 0, of: 0 });
};

/** CMPxx: which of less, equal, greater, unordered (bits 0 to 3) make a predicate true; the upper four are the negations. */
const predicates = [0b0010, 0b0001, 0b0011, 0b1000, 0b1101, 0b1110, 0b1100, 0b0111].reduce((table, set, i) => table | BigInt(set) << BigInt(i * 4), 0n);

const compareMask = (type: Lane, isScalar: boolean): Description => context => {
  const { code, dst, src, src2, helpers } = context;
  const b = src.readV128(), a = dst.readV128(), width = widthOf(type), predicate = code.let(src2.read().i32.and(7));
  const set = code.let(I64.of(predicates).shrU(predicate.shl(2).toI64U()).toI32());
  // 1, 2, 5, 6 raise for quiet NaNs.
  const loud = code.let(I32.of(0b01100110).shrU(predicate).and(1));
  const mask = code.variable(V128.zero());
  for (let i = 0; i < (isScalar ? 1 : 128 / width); i++) {
    const bits = (v: V128): I64 => (width === 64 ? v.extract64(i) : v.extract32(i).toI64U());
    const relation = callValue(helpers.get<'i32'>(`softCompare${width}`), bits(a), bits(b), loud);
    const ones = code.let(I32.of(0).sub(set.shrU(relation).and(1)));
    code.set(mask, width === 64 ? mask.value.replace64(i, ones.toI64S()) : mask.value.replace32(i, ones));
  }
  finish(context);
  if (!isScalar) return dst.writeV128(mask.value);
  writeBits(context, width, width === 64 ? mask.value.extract64(0) : mask.value.extract32(0).toI64U());
};

const horizontal = (type: Lane, name: 'softAdd' | 'softSub'): Description => context => {
  const b = context.src.readV128(), a = context.dst.readV128();
  const even = type === 'f32x4' ? [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27] : [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
  const odd = even.map(i => i + (type === 'f32x4' ? 4 : 8));
  const r = lanesBy(context, type, name, a.shuffle(b, even), a.shuffle(b, odd));
  finish(context);
  context.dst.writeV128(r);
};

/** ADDSUBPx: even lanes are subtracted, odd ones added. */
const addSub = (type: Lane): Description => context => {
  const { code, src, dst, helpers } = context;
  const b = src.readV128(), a = dst.readV128(), width = widthOf(type), r = code.variable(V128.zero());
  for (let i = 0; i < 128 / width; i++) {
    const bits = (v: V128): I64 => (width === 64 ? v.extract64(i) : v.extract32(i).toI64U());
    const value = code.let(callValue(helpers.get<'i64'>(`${i & 1 ? 'softAdd' : 'softSub'}${width}`), bits(a), bits(b)));
    code.set(r, width === 64 ? r.value.replace64(i, value) : r.value.replace32(i, value.toI32()));
  }
  finish(context);
  dst.writeV128(r.value);
};

/** A lane's value from bits of another format. */
function converted(context: Context, from: I64, helper: string): I64 {
  return context.code.let(callValue(context.helpers.get<'i64'>(helper), from));
}

/** Lanes to 32-bit integers; the rest is zero. An MMX register takes two. */
function toIntegers(from: Lane, truncate: boolean): Description {
  return context => {
    const { code, row, src, dst } = context;
    const source = src.readV128(), width = widthOf(from), r = code.variable(V128.zero()), mmx = isMmx(row);
    for (let i = 0; i < (mmx ? 2 : 128 / width); i++) code.set(r, r.value.replace32(i, integerOf(context, laneOf(source, width, i), width, 32, truncate).toI32()));
    // The x87 state changes even if an exception follows.
    if (mmx) context.enterMmx();
    finish(context);
    dst.writeV128(r.value);
  };
}

/** Lanes of singles from integers. */
function singlesOf(context: Context, value: V128, count: number): V128 {
  const { code } = context, r = code.variable(V128.zero());
  for (let i = 0; i < count; i++) code.set(r, r.value.replace32(i, converted(context, value.extract32(i).toI64S(), 'softFromInteger32').toI32()));
  return r.value;
}

/** CVTSI2Sx. */
const fromInteger = (width: 32 | 64): Description => context => {
  const { code, src, size } = context;
  const value = src.read(), v = code.let(size === 8 ? value.i64 : value.i32.toI64S());
  const r = code.let(width === 64 ? v.toF64S() : v.toF32S());
  // 32 bits always fit into a double.
  if (size === 4 && width === 64) return writeBits(context, width, bitsOf(r));
  const isExact = r.toI64S().eq(v).and(compare(r.abs(), 'lt', 2 ** 62));
  code.if(usual().and(inexactIsSet().or(isExact)), () => writeBits(context, width, bitsOf(r)), () => {
    const bits = converted(context, v, `softFromInteger${width}`);
    finish(context);
    writeBits(context, width, bits);
  });
};

/** Between singles and doubles: one lane, or two of which the others become zero. */
const between = (count: 1 | 2, helper: 'softWiden' | 'softNarrow'): Description => context => {
  const { code, dst, src } = context, toDouble = helper === 'softWiden';
  if (count === 1) {
    const a = toDouble ? src.readF32() : src.readF64(), r = code.let(a instanceof F64 ? a.toF32() : a.toF64());
    const isKnown = r instanceof F64 ? isSafe(a)
      : usual().and(isWellInside(r)).and(inexactIsSet().or(compare(r.toF64(), 'eq', a))).or(isZero(a));
    return code.if(isKnown, () => writeBits(context, toDouble ? 64 : 32, bitsOf(r)), () => {
      const bits = converted(context, bitsOf(a), helper);
      finish(context);
      writeBits(context, toDouble ? 64 : 32, bits);
    });
  }
  const value = src.readV128(), r = code.variable(V128.zero());
  for (let i = 0; i < 2; i++) {
    const lane = converted(context, toDouble ? value.extract32(i).toI64U() : value.extract64(i), helper);
    code.set(r, toDouble ? r.value.replace64(i, lane) : r.value.replace32(i, lane.toI32()));
  }
  finish(context);
  dst.writeV128(r.value);
};

/** CVTPI2xx: two integers of an mmx register or memory. Only the register makes MMX mode. */
const fromMmx = (type: 'ps' | 'pd'): Description => context => {
  const { code, row, dst, src } = context;
  const value = code.let(V128.zero().replace64(0, src.readLow64()));
  if (type === 'pd' && isMmx(row) && !src.isMemory) context.enterMmx();
  if (type === 'pd') return dst.writeV128(value.op1('f64x2.convert_low_i32x4_s'));
  const r = singlesOf(context, value, 2);
  if (!src.isMemory) context.enterMmx();
  finish(context);
  dst.writeLow64(r.extract64(0));
};

/** ROUNDxx: `count` lanes. Bit 3 of the immediate keeps inexact unsaid. */
const round = (width: 32 | 64, count: number): Description => context => {
  const { code, src, src2, dst, helpers } = context;
  const control = code.let(immediateMode(context).or(src2.read().i32.and(8)));
  const one = (bits: I64): I64 => code.let(callValue(helpers.get<'i64'>(`softRound${width}`), bits, control));
  if (count === 1) {
    const r = one(width === 64 ? src.readLow64() : src.readLow32().toI64U());
    finish(context);
    return writeBits(context, width, r);
  }
  const source = src.readV128(), r = code.variable(V128.zero());
  for (let i = 0; i < count; i++) {
    const lane = one(laneOf(source, width, i));
    code.set(r, width === 64 ? r.value.replace64(i, lane) : r.value.replace32(i, lane.toI32()));
  }
  finish(context);
  dst.writeV128(r.value);
};

/** DPPS, DPPD: products where the immediate's high nibble says, summed in pairs, stored where the low nibble says. */
const dotProduct = (type: Lane): Description => context => {
  const { code, dst, src, src2, helpers } = context;
  const width = widthOf(type), imm = code.let(src2.read().i32);
  const mask = (value: I32): V128 => (width === 32
    ? V128.splat32(value).op2('v128.and', V128.bytes([1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 8])).op2('i32x4.ne', V128.zero())
    : V128.splat64(value.toI64U()).op2('v128.and', V128.halves(1n, 2n)).op2('i64x2.ne', V128.zero()));
  const chosen = code.let(mask(imm.shrU(4))), b = src.readV128(), a = dst.readV128();
  const products = lanesBy(context, type, 'softMul', code.let(a.op2('v128.and', chosen)), code.let(b.op2('v128.and', chosen)));
  // Each step raises its exceptions before the next begins.
  finish(context);
  const add = (x: I64, y: I64): I64 => code.let(callValue(helpers.get<'i64'>(`softAdd${width}`), x, y));
  const lane = (i: number): I64 => laneOf(products, width, i);
  let sum = add(lane(0), lane(1));
  if (width === 32) {
    const upper = add(lane(2), lane(3));
    finish(context);
    sum = add(sum, upper);
  }
  finish(context);
  dst.writeV128((width === 64 ? V128.splat64(sum) : V128.splat32(sum.toI32())).op2('v128.and', mask(imm)));
};

/** RCPxx, RSQRTxx: denormals are zeros, going in and coming out; no flags. */
const reciprocal = (isScalar: boolean, f: (v: V128) => V128): Description => ({ code, dst, src }) => {
  const flush = (v: V128): V128 => v.op2('v128.and', V128.splat32(0x80000000 | 0)).bitselect(v, v.op2('v128.and', V128.splat32(0x7f800000)).op2('i32x4.eq', V128.zero()));
  const r = code.let(flush(code.let(f(code.let(flush(src.readV128()))))));
  if (isScalar) dst.writeLow32(r.extract32(0));
  else dst.writeV128(r);
};
const one = V128.splatF32(F32.of(1));
const inverse = (v: V128): V128 => one.op2('f32x4.div', v), inverseRoot = (v: V128): V128 => one.op2('f32x4.div', v.op1('f32x4.sqrt'));

export const sseFloat: Descriptions = {
  ...arithmetic('add'), ...arithmetic('sub'), ...arithmetic('mul'), ...arithmetic('div'), ...extreme('min'), ...extreme('max'),
  SQRTPS: packedRoot('f32x4'), SQRTPD: packedRoot('f64x2'),
  SQRTSS: scalar(32, 'softSqrt', { compute: (a: F32) => a.sqrt(), clean: cleanRoot, exact: 'exactSqrt' }, true),
  SQRTSD: scalar(64, 'softSqrt', { compute: (a: F64) => a.sqrt(), clean: cleanRoot, exact: 'exactSqrt' }, true),
  // Approximations of 12 bits, which differ between processors: ours are exact to 24.
  RCPPS: reciprocal(false, inverse), RCPSS: reciprocal(true, inverse), RSQRTPS: reciprocal(false, inverseRoot), RSQRTSS: reciprocal(true, inverseRoot),
  ADDSUBPS: addSub('f32x4'), ADDSUBPD: addSub('f64x2'),
  HADDPS: horizontal('f32x4', 'softAdd'), HSUBPS: horizontal('f32x4', 'softSub'), HADDPD: horizontal('f64x2', 'softAdd'), HSUBPD: horizontal('f64x2', 'softSub'),
  DPPS: dotProduct('f32x4'), DPPD: dotProduct('f64x2'),
  COMISS: compareFlags(32, true), UCOMISS: compareFlags(32, false), COMISD: compareFlags(64, true), UCOMISD: compareFlags(64, false),
  CMPPS: compareMask('f32x4', false), CMPPD: compareMask('f64x2', false), CMPSS: compareMask('f32x4', true), CMPSD: compareMask('f64x2', true),
  ROUNDPS: round(32, 4), ROUNDPD: round(64, 2), ROUNDSS: round(32, 1), ROUNDSD: round(64, 1),
  CVTSI2SD: fromInteger(64), CVTSI2SS: fromInteger(32),
  CVTTSD2SI: toInteger(64, true), CVTSD2SI: toInteger(64, false), CVTTSS2SI: toInteger(32, true), CVTSS2SI: toInteger(32, false),
  CVTSS2SD: between(1, 'softWiden'), CVTSD2SS: between(1, 'softNarrow'), CVTPS2PD: between(2, 'softWiden'), CVTPD2PS: between(2, 'softNarrow'),
  CVTDQ2PS: context => {
    const r = singlesOf(context, context.src.readV128(), 4);
    finish(context);
    context.dst.writeV128(r);
  },
  CVTDQ2PD: ({ dst, src }) => dst.writeV128(src.readV128().op1('f64x2.convert_low_i32x4_s')),
  CVTPS2DQ: toIntegers('f32x4', false), CVTTPS2DQ: toIntegers('f32x4', true), CVTPD2DQ: toIntegers('f64x2', false), CVTTPD2DQ: toIntegers('f64x2', true),
  CVTPS2PI: toIntegers('f32x4', false), CVTTPS2PI: toIntegers('f32x4', true), CVTPD2PI: toIntegers('f64x2', false), CVTTPD2PI: toIntegers('f64x2', true),
  CVTPI2PS: fromMmx('ps'), CVTPI2PD: fromMmx('pd'),
};
