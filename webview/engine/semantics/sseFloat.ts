/**
 * Floating point in vector registers: SSE to SSE4.1. Results are those of round-to-nearest without DAZ and FTZ; conversions to integers
 * and ROUNDxx follow MXCSR's rounding mode. MXCSR's sticky exception flags are not set and exceptions are not raised: what that
 * leaves different from hardware is listed in test/engine/expectedDifferences.ts.
 */
import { callValue, load32 } from '../wasm/code.ts';
import { F32, F64, I32, I64, V128, select } from '../wasm/values.ts';
import { STATE, Slot } from '../state.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { Int } from './int.ts';
import { isMmx } from './vectors.ts';

type BinaryName = Parameters<V128['op2']>[0];

const packed = (f: (a: V128, b: V128, context: Context) => V128): Description => context => {
  const b = context.src.readV128(), a = context.dst.readV128();
  context.dst.writeV128(f(a, b, context));
};
const packedOp = (name: BinaryName): Description => packed((a, b) => a.op2(name, b));

const scalar32 = (f: (a: F32, b: F32, context: Context) => F32): Description => context => {
  const b = context.src.readF32(), a = context.dst.readF32();
  context.dst.writeF32(f(a, b, context));
};
const scalar64 = (f: (a: F64, b: F64, context: Context) => F64): Description => context => {
  const b = context.src.readF64(), a = context.dst.readF64();
  context.dst.writeF64(f(a, b, context));
};

/** MXCSR.RC. */
const roundingMode = (): I32 => load32(STATE + Slot.mxcsr).shrU(13).and(3);
const rounded32 = (c: Context, v: F32, mode: I32): F32 => callValue(c.helpers.get<'f32'>('roundF32'), v, mode);
const rounded64 = (c: Context, v: F64, mode: I32): F64 => callValue(c.helpers.get<'f64'>('roundF64'), v, mode);

/** ROUNDxx: the mode is the immediate's, or MXCSR's if its bit 2 is set. */
function immediateMode({ code, src2 }: Context): I32 {
  const imm = src2.readLow32();
  return code.let(select(imm.and(4), roundingMode(), imm.and(3)));
}

const two31f = F32.of(2147483648), two31 = F64.of(2147483648), two63 = F64.of(9223372036854775808), two63f = F32.of(9223372036854775808);

/** Conversion of a scalar to an integer; what doesn't fit gives the integer indefinite (the least integer). */
function toInteger(from: 32 | 64, truncate: boolean): Description {
  return context => {
    const { code, dst, src, size } = context;
    if (from === 64) {
      const v = src.readF64(), r = truncate ? v : code.let(rounded64(context, v, roundingMode()));
      dst.write(size === 8 ? Int.clean(8, select(r.lt(two63), r.toI64S(), I64.of(-(1n << 63n)))) : Int.clean(4, select(r.lt(two31), r.toI32S(), I32.of(0x80000000 | 0))));
    } else {
      const v = src.readF32(), r = truncate ? v : code.let(rounded32(context, v, roundingMode()));
      dst.write(size === 8 ? Int.clean(8, select(r.lt(two63f), r.toI64S(), I64.of(-(1n << 63n)))) : Int.clean(4, select(r.lt(two31f), r.toI32S(), I32.of(0x80000000 | 0))));
    }
  };
}

const compareFlags = (bits: 32 | 64): Description => ({ code, dst, src, flags }) => {
  const b = bits === 64 ? src.readF64() : src.readF32(), a = bits === 64 ? dst.readF64() : dst.readF32();
  const [less, equal, ordered] = a instanceof F64 && b instanceof F64
    ? [a.lt(b), a.eq(b), a.eq(a).and(b.eq(b))] : [(a as F32).lt(b as F32), (a as F32).eq(b as F32), (a as F32).eq(a as F32).and((b as F32).eq(b as F32))];
  const unordered = code.let(ordered.eqz());
  flags.assign({ cf: code.let(less.or(unordered)), zf: code.let(equal.or(unordered)), pf: unordered, af: 0, sf: 0, of: 0 });
};

/** The eight comparisons of CMPxx, as masks. */
function comparisons(type: 'f32x4' | 'f64x2', a: V128, b: V128): V128[] {
  const unordered = a.op2(`${type}.ne`, a).op2('v128.or', b.op2(`${type}.ne`, b));
  const positive = [a.op2(`${type}.eq`, b), a.op2(`${type}.lt`, b), a.op2(`${type}.le`, b), unordered];
  return [...positive, a.op2(`${type}.ne`, b), ...positive.slice(1).map(v => v.op1('v128.not'))];
}

const compareMask = (type: 'f32x4' | 'f64x2', isScalar: boolean): Description => ({ code, dst, src, src2 }) => {
  const b = src.readV128(), a = dst.readV128();
  const mask = code.variable(V128.zero());
  code.switch(src2.readLow32().and(7), comparisons(type, a, b).map(value => () => code.set(mask, value)));
  if (!isScalar) return dst.writeV128(mask.value);
  if (type === 'f32x4') dst.writeLow32(mask.value.extract32(0));
  else dst.writeLow64(mask.value.extract64(0));
};

const horizontal = (type: 'f32x4' | 'f64x2', name: 'add' | 'sub'): Description => packed((a, b) => {
  const even = type === 'f32x4' ? [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27] : [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
  const odd = even.map(i => i + (type === 'f32x4' ? 4 : 8));
  return a.shuffle(b, even).op2(`${type}.${name}`, a.shuffle(b, odd));
});

const oddLanes32 = V128.halves(0xffffffff00000000n, 0xffffffff00000000n), highLane64 = V128.halves(0n, (1n << 64n) - 1n);

/** Integer indefinite where the source doesn't fit 32 bits. */
const fixed32 = (converted: V128, source: V128): V128 => converted.bitselect(V128.splat32(0x80000000 | 0), source.op2('f32x4.lt', V128.splatF32(two31f)));
/** The same for two doubles in the low two lanes; the others stay zero. */
function fixedLow(converted: V128, source: V128): V128 {
  const fits = source.op2('f64x2.lt', V128.splatF64(two31));
  const lanes = fits.shuffle(V128.bytes(new Array<number>(16).fill(0xff)), [0, 1, 2, 3, 8, 9, 10, 11, 16, 16, 16, 16, 16, 16, 16, 16]);
  return converted.bitselect(V128.splat32(0x80000000 | 0), lanes);
}

/** Two singles or doubles to two 32-bit integers, in the low half. */
function toIntegers(from: 'f32x4' | 'f64x2', truncate: boolean): Description {
  return context => {
    const { code, row, src, dst, helpers } = context;
    const source = src.readV128();
    const helper = helpers.get<'v128'>(from === 'f32x4' ? 'roundF32x4' : 'roundF64x2');
    const value = truncate ? source : code.let(callValue(helper, source, roundingMode()));
    const r = code.let(from === 'f32x4' ? fixed32(value.op1('i32x4.trunc_sat_f32x4_s'), value) : fixedLow(value.op1('i32x4.trunc_sat_f64x2_s_zero'), value));
    if (isMmx(row)) context.enterMmx();
    dst.writeV128(r);
  };
}

/** CVTPI2xx: two integers of an mmx register or memory. Only the register makes MMX mode. */
const fromMmx = (type: 'ps' | 'pd'): Description => context => {
  const { code, row, dst, src } = context;
  const value = code.let(V128.zero().replace64(0, src.readLow64()));
  if (isMmx(row) && (type === 'ps' || !src.isMemory)) context.enterMmx();
  if (type === 'pd') dst.writeV128(value.op1('f64x2.convert_low_i32x4_s'));
  else dst.writeLow64(value.op1('f32x4.convert_i32x4_s').extract64(0));
};

const roundPacked = (type: 'f32x4' | 'f64x2'): Description => context => {
  const source = context.src.readV128();
  const helper = context.helpers.get<'v128'>(type === 'f32x4' ? 'roundF32x4' : 'roundF64x2');
  context.dst.writeV128(callValue(helper, source, immediateMode(context)));
};

/** DPPS, DPPD: products where the immediate's high nibble says, summed in pairs, stored where the low nibble says. */
const dotProduct = (type: 'f32x4' | 'f64x2'): Description => ({ code, dst, src, src2 }) => {
  const bits = type === 'f32x4' ? 32 : 64;
  const imm = src2.readLow32();
  const mask = (value: I32): V128 => (bits === 32
    ? V128.splat32(value).op2('v128.and', V128.bytes([1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 8])).op2('i32x4.ne', V128.zero())
    : V128.splat64(value.toI64U()).op2('v128.and', V128.halves(1n, 2n)).op2('i64x2.ne', V128.zero()));
  const b = src.readV128();
  const products = code.let(dst.readV128().op2(`${type}.mul`, b).op2('v128.and', mask(imm.shrU(4))));
  const sum = bits === 32
    ? V128.splatF32(products.extractF32(0).add(products.extractF32(1)).add(products.extractF32(2).add(products.extractF32(3))))
    : V128.splatF64(products.extractF64(0).add(products.extractF64(1)));
  dst.writeV128(code.let(sum).op2('v128.and', mask(imm)));
};

const reciprocal = (f: (v: V128) => V128): Description => ({ dst, src }) => dst.writeV128(f(src.readV128()));
const ones = V128.splatF32(F32.of(1));

export const sseFloat: Descriptions = {
  ADDPS: packedOp('f32x4.add'), SUBPS: packedOp('f32x4.sub'), MULPS: packedOp('f32x4.mul'), DIVPS: packedOp('f32x4.div'),
  ADDPD: packedOp('f64x2.add'), SUBPD: packedOp('f64x2.sub'), MULPD: packedOp('f64x2.mul'), DIVPD: packedOp('f64x2.div'),
  // The second operand where either is a NaN or both are zero: pmin and pmax with swapped operands.
  MINPS: packed((a, b) => b.op2('f32x4.pmin', a)), MAXPS: packed((a, b) => b.op2('f32x4.pmax', a)),
  MINPD: packed((a, b) => b.op2('f64x2.pmin', a)), MAXPD: packed((a, b) => b.op2('f64x2.pmax', a)),
  SQRTPS: ({ dst, src }) => dst.writeV128(src.readV128().op1('f32x4.sqrt')), SQRTPD: ({ dst, src }) => dst.writeV128(src.readV128().op1('f64x2.sqrt')),
  ADDSS: scalar32((a, b) => a.add(b)), SUBSS: scalar32((a, b) => a.sub(b)), MULSS: scalar32((a, b) => a.mul(b)), DIVSS: scalar32((a, b) => a.div(b)),
  ADDSD: scalar64((a, b) => a.add(b)), SUBSD: scalar64((a, b) => a.sub(b)), MULSD: scalar64((a, b) => a.mul(b)), DIVSD: scalar64((a, b) => a.div(b)),
  MINSS: scalar32((a, b) => select(a.lt(b), a, b)), MAXSS: scalar32((a, b) => select(a.gt(b), a, b)),
  MINSD: scalar64((a, b) => select(a.lt(b), a, b)), MAXSD: scalar64((a, b) => select(a.gt(b), a, b)),
  SQRTSS: scalar32((_a, b) => b.sqrt()), SQRTSD: scalar64((_a, b) => b.sqrt()),
  // Approximations of 12 bits, which differ between processors: ours are exact to 24.
  RCPPS: reciprocal(v => ones.op2('f32x4.div', v)), RSQRTPS: reciprocal(v => ones.op2('f32x4.div', v.op1('f32x4.sqrt'))),
  RCPSS: scalar32((_a, b) => F32.of(1).div(b)), RSQRTSS: scalar32((_a, b) => F32.of(1).div(b.sqrt())),
  ADDSUBPS: packed((a, b) => a.op2('f32x4.add', b).bitselect(a.op2('f32x4.sub', b), oddLanes32)),
  ADDSUBPD: packed((a, b) => a.op2('f64x2.add', b).bitselect(a.op2('f64x2.sub', b), highLane64)),
  HADDPS: horizontal('f32x4', 'add'), HSUBPS: horizontal('f32x4', 'sub'), HADDPD: horizontal('f64x2', 'add'), HSUBPD: horizontal('f64x2', 'sub'),
  DPPS: dotProduct('f32x4'), DPPD: dotProduct('f64x2'),
  COMISS: compareFlags(32), UCOMISS: compareFlags(32), COMISD: compareFlags(64), UCOMISD: compareFlags(64),
  CMPPS: compareMask('f32x4', false), CMPPD: compareMask('f64x2', false), CMPSS: compareMask('f32x4', true), CMPSD: compareMask('f64x2', true),
  ROUNDPS: roundPacked('f32x4'), ROUNDPD: roundPacked('f64x2'),
  ROUNDSS: context => context.dst.writeF32(rounded32(context, context.src.readF32(), immediateMode(context))),
  ROUNDSD: context => context.dst.writeF64(rounded64(context, context.src.readF64(), immediateMode(context))),
  CVTSI2SD: c => c.dst.writeF64(c.size === 8 ? c.src.read().i64.toF64S() : c.src.read().i32.toF64S()),
  CVTSI2SS: c => c.dst.writeF32(c.size === 8 ? c.src.read().i64.toF32S() : c.src.read().i32.toF32S()),
  CVTTSD2SI: toInteger(64, true), CVTSD2SI: toInteger(64, false), CVTTSS2SI: toInteger(32, true), CVTSS2SI: toInteger(32, false),
  CVTSS2SD: ({ dst, src }) => dst.writeF64(src.readF32().toF64()), CVTSD2SS: ({ dst, src }) => dst.writeF32(src.readF64().toF32()),
  CVTPS2PD: ({ dst, src }) => dst.writeV128(src.readV128().op1('f64x2.promote_low_f32x4')),
  CVTPD2PS: ({ dst, src }) => dst.writeV128(src.readV128().op1('f32x4.demote_f64x2_zero')),
  CVTDQ2PS: ({ dst, src }) => dst.writeV128(src.readV128().op1('f32x4.convert_i32x4_s')),
  CVTDQ2PD: ({ dst, src }) => dst.writeV128(src.readV128().op1('f64x2.convert_low_i32x4_s')),
  CVTPS2DQ: toIntegers('f32x4', false), CVTTPS2DQ: toIntegers('f32x4', true), CVTPD2DQ: toIntegers('f64x2', false), CVTTPD2DQ: toIntegers('f64x2', true),
  CVTPS2PI: toIntegers('f32x4', false), CVTTPS2PI: toIntegers('f32x4', true), CVTPD2PI: toIntegers('f64x2', false), CVTTPD2PI: toIntegers('f64x2', true),
  CVTPI2PS: fromMmx('ps'), CVTPI2PD: fromMmx('pd'),
};
