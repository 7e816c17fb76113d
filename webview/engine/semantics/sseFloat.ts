/**
 * Arithmetic of floating point in vector registers: SSE to SSE4.1. WebAssembly's own instruction where floats.ts says that this is all
 * there is to it, and its result is exact (exactness.ts) or the sticky inexact flag is set already. Everything else is computed by
 * helpers/softFloat.ts, with all flags and in all modes. What still differs from hardware is listed in test/engine/expectedDifferences.ts.
 */
import { callValue, type Label } from '../wasm/code.ts';
import { F32, F64, I32, V128, select } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { areExact, isExact, type Inexact } from './exactness.ts';
import { CALM, NEAR, NOTHING, Single, isNormal, joined, rangeAfter, type FloatKnowledge, type Known, type Range } from './floatKnowledge.ts';
import {
  areNear, bitsOf, compare, floatOf, isCalm, isFar, isInexactClear, isOdd, isTiny, isUnsettled, isUnusual, isZero, lanesOf, unless, widthOf,
  type Bits, type Float, type Lane,
} from './floats.ts';

/** Sets the flags that helpers have gathered; leaves if one isn't masked. Before anything is written. */
export function finish({ control, helpers }: Context): void {
  control.exitIf(callValue(helpers.get<'i32'>('raiseSimd')), 'simd');
}

/** Branches to `slow` if inexact would have to be told; `exact` finds out. */
export function testInexact({ code, isInexactLikely, floats }: Context, slow: Label, exact: () => I32): void {
  // What is set stays so, since nothing is.
  if (!floats?.isSettled) code.brIf(slow, isInexactLikely ? isUnsettled() : isUnusual());
  if (floats) floats.isSettled = true;
  if (!isInexactLikely) code.if(isInexactClear(), () => code.scope(() => {
    const isCertain = exact();
    if (isCertain.constant !== 1) code.brIf(slow, isCertain.eqz());
  }));
}

/** An operation that may round. */
interface Rounding {
  readonly name: Inexact;
  /** Of lanes; `b` is `a` for SQRT. */
  readonly packed: (type: Lane, a: V128, b: V128) => V128;
  readonly scalar: (a: F64, b: F64) => F64;
  /** Whether a zero as the result is all right. Truths of lanes; operands are neither denormals nor NaNs. */
  readonly zeros: (type: Lane, a: V128, b: V128, r: V128) => V128;
  readonly zero: (a: Float, b: Float, r: Float) => I32;
}

const lanesAreZero = (type: Lane, v: V128): V128 => lanesOf[type].isZero(v);
const sums = {
  zeros: (type: Lane, _a: V128, _b: V128, r: V128): V128 => lanesAreZero(type, r),
  zero: (_a: Float, _b: Float, r: Float): I32 => isZero(r),
};
const roundings: Readonly<Record<Inexact, Rounding>> = {
  add: { name: 'add', packed: (type, a, b) => a.op2(`${type}.add`, b), scalar: (a, b) => a.add(b), ...sums },
  sub: { name: 'sub', packed: (type, a, b) => a.op2(`${type}.sub`, b), scalar: (a, b) => a.sub(b), ...sums },
  mul: {
    name: 'mul', packed: (type, a, b) => a.op2(`${type}.mul`, b), scalar: (a, b) => a.mul(b),
    zeros: (type, a, b, r) => lanesAreZero(type, r).op2('v128.and', lanesAreZero(type, a).op2('v128.or', lanesAreZero(type, b))),
    zero: (a, b, r) => isZero(r).and(isZero(a).or(isZero(b))),
  },
  div: {
    name: 'div', packed: (type, a, b) => a.op2(`${type}.div`, b), scalar: (a, b) => a.div(b),
    zeros: (type, a, _, r) => lanesAreZero(type, r).op2('v128.and', lanesAreZero(type, a)), zero: (a, _, r) => isZero(r).and(isZero(a)),
  },
  sqrt: { name: 'sqrt', packed: (type, a) => a.op1(`${type}.sqrt`), scalar: a => a.sqrt(), ...sums },
};

/** Operands of a packed operation, and of which of them it is known that all lanes are calm. */
interface Pair {
  readonly a: V128;
  readonly b: V128;
  readonly isCalm: readonly [boolean, boolean];
}

/** Branches to `slow` if r, computed from a and b lane by lane, may not be all. */
function testPacked(context: Context, slow: Label, type: Lane, rounding: Rounding, { a, b, isCalm }: Pair, r: V128): void {
  const { code } = context, lanes = lanesOf[type];
  const unknown = [a, b].filter((v, i) => !isCalm[i] && (i === 0 || v !== a)).map(v => code.let(lanes.abs(v))), result = code.let(lanes.abs(r));
  code.if(lanes.all(lanes.areNormal([...unknown, result])).eqz(), () => code.scope(() => {
    const fine = lanes.areNormal([result]).op2('v128.or', rounding.zeros(type, a, b, r));
    code.brIf(slow, lanes.all(unknown.reduce((truths, v) => truths.op2('v128.and', lanes.isCalm(v)), fine)).eqz());
  }));
  testInexact(context, slow, () => areExact(code, slow, type, rounding.name, a, b, r));
}

/** The rounded operation on all lanes of two vectors; what isn't plain is left to `soft`. */
function rounded(context: Context, type: Lane, rounding: Rounding, pair: Pair, soft: () => V128): V128 {
  const { code } = context, r = code.variable(rounding.packed(type, pair.a, pair.b));
  unless(code, slow => testPacked(context, slow, type, rounding, pair, r.value), () => {
    code.set(r, soft());
    finish(context);
  });
  return r.value;
}

const titleOf = (name: string): string => `soft${name[0]!.toUpperCase()}${name.slice(1)}`;
/** A helper for all lanes. */
const lanesBy = (context: Context, name: string, type: Lane, a: V128, b: V128): V128 => (
  callValue(context.helpers.get<'v128'>(`${titleOf(name)}Lanes${widthOf(type)}`), a, b));

const packed = (type: Lane, name: Inexact): Description => context => {
  const { dst, src, floats, expect } = context, b = src.readV128(), a = name === 'sqrt' ? b : dst.readV128(), width = widthOf(type);
  const soft = (): V128 => lanesBy(context, name, type, a, b);
  if (floats && expect && width === 64) return packedNear(context, floats, expect, name, [a, b], soft);
  const isCalm = [areKnownCalm(context, name === 'sqrt' ? src : dst, width), areKnownCalm(context, src, width)] as const;
  const r = rounded(context, type, roundings[name], { a, b, isCalm }, soft);
  floats?.learn(src.xmm, calmLanes(width));
  writeCalmLanes(context, width, r);
};

type Operand = Context['src'];
const calmLanes = (width: Bits): Known => (width === 64 ? { singles: 0, low: CALM, high: CALM } : { singles: Single.all });
const calmLow = (width: Bits): Known => (width === 64 ? { singles: 0, low: CALM } : { singles: Single.low });

function areKnownCalm({ floats }: Context, operand: Operand, width: Bits): boolean {
  const { singles, low, high } = floats?.known(operand.xmm) ?? NOTHING;
  return width === 64 ? low !== undefined && high !== undefined : singles === Single.all;
}
export function isKnownCalm({ floats }: Context, operand: Operand, width: Bits): boolean {
  const known = floats?.known(operand.xmm);
  return known !== undefined && (width === 64 ? known.low !== undefined : (known.singles & Single.low) !== 0);
}
/** Writes lanes that are neither denormals nor NaNs where code is compiled. */
export function writeCalmLanes({ dst, floats }: Context, width: Bits, value: V128, range?: Range): void {
  dst.writeV128(value);
  floats?.set(dst.xmm, range ? { singles: 0, low: range, high: range } : calmLanes(width));
}

const readFloat = (operand: Operand, width: Bits): Float => (width === 64 ? operand.readF64() : operand.readF32());
/** Writes the low lane, a number that is neither a denormal nor a NaN where code is compiled; a double in that range. */
export function writeFloat({ dst, floats }: Context, value: Float, range = CALM): void {
  const before = floats?.known(dst.xmm);
  if (value instanceof F64) dst.writeF64(value);
  else dst.writeF32(value);
  if (!before) return;
  floats?.set(dst.xmm, value instanceof F64 ? { singles: 0, low: range, high: before.high } : { singles: before.singles | Single.low, high: before.high });
}

/** An operation on the low lane. */
const scalar = (width: Bits, name: Inexact): Description => context => {
  const { code, dst, src, helpers, floats, expect } = context, rounding = roundings[name], isUnary = name === 'sqrt';
  const b = readFloat(src, width), a = isUnary ? b : readFloat(dst, width);
  const r = code.variable(rounding.scalar(a as F64, b as F64) as Float);
  const range = floats && expect && width === 64 ? scalarRange(context, floats, expect, name, [a, b, r.value] as [F64, F64, F64]) : undefined;
  unless(code, slow => {
    if (!range) testScalar(context, slow, rounding, [a, b, r.value]);
    testInexact(context, slow, () => isExact(code, slow, name, a, b, r.value));
  }, () => {
    const args = isUnary ? [bitsOf(a)] : [bitsOf(a), bitsOf(b)];
    code.set(r, floatOf(width, callValue(helpers.get<'i64'>(`${titleOf(name)}${width}`), ...args)));
    finish(context);
  });
  if (!range) floats?.learn(src.xmm, calmLow(width));
  writeFloat(context, r.value, range);
};

/** Branches to `slow` if r, computed from a and b, may not be all. */
function testScalar(context: Context, slow: Label, { name, zero }: Rounding, [a, b, r]: readonly [Float, Float, Float]): void {
  const { code, dst, src } = context, width = a instanceof F64 ? 64 : 32;
  if (name !== 'sqrt' && !isKnownCalm(context, dst, width)) code.brIf(slow, isTiny(a));
  if (!isKnownCalm(context, src, width)) code.brIf(slow, isTiny(b));
  code.if(isOdd(r), () => code.brIf(slow, zero(a, b, r).eqz()));
}

type Expect = (condition: I32) => void;

/** Makes sure that operands are near if nothing is known of them, and of the result if they don't tell; its range. */
function scalarRange({ code, dst, src }: Context, floats: FloatKnowledge, expect: Expect, name: Inexact, [a, b, r]: readonly [F64, F64, F64]): Range {
  const near = (value: F64, isZeroRight: () => I32): Range => {
    code.if(isFar(value), () => expect(isZeroRight()));
    return NEAR;
  };
  const rangeOf = (operand: Operand, value: F64): Range => {
    const low = floats.known(operand.xmm).low ?? near(value, () => isZero(value));
    floats.learn(operand.xmm, { low });
    return low;
  };
  const y = rangeOf(src, b), x = name === 'sqrt' ? y : rangeOf(dst, a), range = rangeAfter(name, x, y);
  // Divisors may be zero, radicands negative.
  return isNormal(range) && name !== 'div' && name !== 'sqrt' ? range : near(r, () => roundings[name].zero(a, b, r));
}

/** The same of lanes, and the operation itself. */
function packedNear(context: Context, floats: FloatKnowledge, expect: Expect, name: Inexact, [a, b]: readonly [V128, V128], soft: () => V128): void {
  const { code, dst, src } = context, lanes = lanesOf.f64x2, rounding = roundings[name], operands = name === 'sqrt' ? [src] : [src, dst];
  const isUnknown = (operand: Operand): boolean => {
    const { low, high } = floats.known(operand.xmm);
    return low === undefined || high === undefined;
  };
  const all = (truths: readonly V128[]): I32 => lanes.all(truths.reduce((x, y) => x.op2('v128.and', y)));
  const unknown = operands.filter((operand, i) => isUnknown(operand) && (i === 0 || operand.xmm !== src.xmm || operand.xmm < 0));
  if (unknown.length > 0) {
    const values = unknown.map(operand => (operand === src ? b : a));
    code.if(all(values.map(areNear)).eqz(), () => expect(all(values.map(v => areNear(v).op2('v128.or', lanes.isZero(v))))));
  }
  for (const operand of unknown) floats.learn(operand.xmm, { low: NEAR, high: NEAR });
  const of = (operand: Operand, lane: 'low' | 'high'): Range => floats.known(operand.xmm)[lane] ?? NEAR;
  const ranges = (['low', 'high'] as const).map(lane => rangeAfter(name, of(name === 'sqrt' ? src : dst, lane), of(src, lane)));
  const isCertain = ranges.every(isNormal) && name !== 'div' && name !== 'sqrt';
  const r = code.variable(rounding.packed('f64x2', a, b));
  unless(code, slow => {
    if (!isCertain) code.if(all([areNear(r.value)]).eqz(), () => expect(all([areNear(r.value).op2('v128.or', rounding.zeros('f64x2', a, b, r.value))])));
    testInexact(context, slow, () => areExact(code, slow, 'f64x2', name, a, b, r.value));
  }, () => {
    code.set(r, soft());
    finish(context);
  });
  dst.writeV128(r.value);
  const [low, high] = isCertain ? ranges : [NEAR, NEAR];
  floats.set(dst.xmm, { singles: 0, low, high });
}

/** The four forms of an arithmetic operation. */
const arithmetic = (name: Inexact): Descriptions => ({
  [`${name.toUpperCase()}PS`]: packed('f32x4', name), [`${name.toUpperCase()}PD`]: packed('f64x2', name),
  [`${name.toUpperCase()}SS`]: scalar(32, name), [`${name.toUpperCase()}SD`]: scalar(64, name),
});

type Extreme = 'min' | 'max';

/** Nothing is inexact here, so only odd operands need the helper. */
const packedExtreme = (type: Lane, name: Extreme): Description => context => {
  const { code, dst, src } = context, lanes = lanesOf[type];
  const b = src.readV128(), a = dst.readV128(), r = code.variable(b.op2(`${type}.p${name}`, a));
  unless(code, slow => {
    for (const [operand, v] of [[dst, a], [src, b]] as const) {
      if (!areKnownCalm(context, operand, lanes.width)) code.brIf(slow, lanes.all(lanes.isCalm(code.let(lanes.abs(v)))).eqz());
    }
  }, () => {
    code.set(r, lanesBy(context, name, type, a, b));
    finish(context);
  });
  writeCalmLanes(context, lanes.width, r.value);
};

const scalarExtreme = (width: Bits, name: Extreme): Description => context => {
  const { code, dst, src, helpers, floats } = context;
  const b = readFloat(src, width), a = readFloat(dst, width), x = floats?.known(dst.xmm).low, y = floats?.known(src.xmm).low;
  const r = code.variable(select(compare(a, name === 'min' ? 'lt' : 'gt', b), a, b));
  unless(code, slow => testCalm(context, slow, dst, a, src, b), () => {
    code.set(r, floatOf(width, callValue(helpers.get<'i64'>(`${titleOf(name)}${width}`), bitsOf(a), bitsOf(b))));
    finish(context);
  });
  writeFloat(context, r.value, x && y && joined(x, y));
};

/** Branches to `slow` if one is a denormal or a NaN. */
export function testCalm(context: Context, slow: Label, first: Context['dst'], a: Float, second: Context['src'], b: Float): void {
  const { code } = context, width = a instanceof F64 ? 64 : 32;
  const unknown = [[first, a] as const, [second, b] as const].filter(([operand]) => !isKnownCalm(context, operand, width));
  if (unknown.length === 0) return;
  const all = (of: (v: Float) => I32, how: 'and' | 'or'): I32 => unknown.map(([, v]) => of(v)).reduce((x, y) => x[how](y));
  code.if(all(isOdd, 'or'), () => code.brIf(slow, all(isCalm, 'and').eqz()));
  for (const [operand] of unknown) context.floats?.learn(operand.xmm, calmLow(width));
}

const extreme = (name: Extreme): Descriptions => ({
  [`${name.toUpperCase()}PS`]: packedExtreme('f32x4', name), [`${name.toUpperCase()}PD`]: packedExtreme('f64x2', name),
  [`${name.toUpperCase()}SS`]: scalarExtreme(32, name), [`${name.toUpperCase()}SD`]: scalarExtreme(64, name),
});

const horizontal = (type: Lane, name: 'add' | 'sub'): Description => context => {
  const { code } = context, b = context.src.readV128(), a = context.dst.readV128();
  const even = type === 'f32x4' ? [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27] : [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
  const odd = even.map(i => i + (type === 'f32x4' ? 4 : 8));
  const x = code.let(a.shuffle(b, even)), y = code.let(a.shuffle(b, odd));
  const r = rounded(context, type, roundings[name], { a: x, b: y, isCalm: [false, false] }, () => lanesBy(context, name, type, x, y));
  writeCalmLanes(context, widthOf(type), r);
};

/** ADDSUBPx: even lanes are subtracted, odd ones added. */
const addSub = (type: Lane): Description => context => {
  const { code, src, dst, helpers } = context;
  const b = src.readV128(), a = dst.readV128(), signs = type === 'f32x4' ? 0x80000000n : 1n << 63n;
  const negated = code.let(b.op2('v128.xor', V128.halves(signs, type === 'f32x4' ? signs : 0n)));
  const isCalm = [areKnownCalm(context, dst, widthOf(type)), areKnownCalm(context, src, widthOf(type))] as const;
  const r = rounded(context, type, roundings.add, { a, b: negated, isCalm }, () => callValue(helpers.get<'v128'>(`softAddSubLanes${widthOf(type)}`), a, b));
  writeCalmLanes(context, widthOf(type), r);
};

/** DPPS, DPPD: products where the immediate's high nibble says, summed in pairs, stored where the low nibble says. */
const dotProduct = (type: Lane): Description => context => {
  const { code, dst, src, src2 } = context;
  const width = widthOf(type), imm = code.let(src2.read().i32);
  const mask = (value: I32): V128 => (width === 32
    ? V128.splat32(value).op2('v128.and', V128.bytes([1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 8])).op2('i32x4.ne', V128.zero())
    : V128.splat64(value.toI64U()).op2('v128.and', V128.halves(1n, 2n)).op2('i64x2.ne', V128.zero()));
  const chosen = code.let(mask(imm.shrU(4))), b = src.readV128(), a = dst.readV128();
  const x = code.let(a.op2('v128.and', chosen)), y = code.let(b.op2('v128.and', chosen));
  // Each step raises its exceptions before the next begins.
  const products = rounded(context, type, roundings.mul, { a: x, b: y, isCalm: [false, false] }, () => lanesBy(context, 'mul', type, x, y));
  // The lower half of a vector, lane by lane, and zeros.
  const sum = (v: V128): V128 => {
    const bytes = width / 8, pick = (odd: number): number[] => Array.from({ length: 16 }, (_, i) => (i < 8 ? Math.floor(i / bytes) * 2 * bytes + odd * bytes + i % bytes : 16));
    const [even, odd] = [0, 1].map(n => code.let(v.shuffle(V128.zero(), pick(n)))) as [V128, V128];
    return rounded(context, type, roundings.add, { a: even, b: odd, isCalm: [context.floats !== undefined, context.floats !== undefined] }, () => lanesBy(context, 'add', type, even, odd));
  };
  const total = width === 64 ? sum(products) : sum(sum(products));
  dst.writeV128((width === 64 ? V128.splat64(total.extract64(0)) : V128.splat32(total.extract32(0))).op2('v128.and', mask(imm)));
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
  ...arithmetic('add'), ...arithmetic('sub'), ...arithmetic('mul'), ...arithmetic('div'), ...arithmetic('sqrt'), ...extreme('min'), ...extreme('max'),
  // Approximations of 12 bits, which differ between processors: ours are exact to 24.
  RCPPS: reciprocal(false, inverse), RCPSS: reciprocal(true, inverse), RSQRTPS: reciprocal(false, inverseRoot), RSQRTSS: reciprocal(true, inverseRoot),
  ADDSUBPS: addSub('f32x4'), ADDSUBPD: addSub('f64x2'),
  HADDPS: horizontal('f32x4', 'add'), HSUBPS: horizontal('f32x4', 'sub'), HADDPD: horizontal('f64x2', 'add'), HSUBPD: horizontal('f64x2', 'sub'),
  DPPS: dotProduct('f32x4'), DPPD: dotProduct('f64x2'),
};
