/**
 * What can be told cheaply of floating-point numbers: whether what WebAssembly computes of them is all there is to an instruction. Its
 * instructions round to nearest and raise nothing, so all flags of MXCSR but those that are set already must be excluded by a look at
 * operands and result: first by tests that hold for nearly all numbers, then by those that know of zeros and infinities. DAZ and FTZ
 * change nothing where no operand is a denormal and no result is one.
 */
import { load32, loadV128, type Code, type Label } from '../wasm/code.ts';
import { F32, F64, I32, I64, V128 } from '../wasm/values.ts';
import { Run, STATE, Slot } from '../state.ts';

export type Lane = 'f32x4' | 'f64x2';
export type Bits = 32 | 64;
export type Float = F32 | F64;

export const widthOf = (type: Lane): Bits => (type === 'f32x4' ? 32 : 64);
export const laneOfWidth = (width: Bits): Lane => (width === 32 ? 'f32x4' : 'f64x2');

/** The bits as a helper takes them. */
export const bitsOf = (v: Float): I64 => (v instanceof F64 ? v.asI64() : v.asI32().toI64U());
/** The number with those bits. */
export const floatOf = (width: Bits, bits: I64): Float => (width === 64 ? bits.asF64() : bits.toI32().asF32());
/** The bits of lane `i`. */
export const laneBits = (v: V128, width: Bits, i: number): I64 => (width === 64 ? v.extract64(i) : v.extract32(i).toI64U());
export const replaceLane = (v: V128, width: Bits, i: number, bits: I64): V128 => (width === 64 ? v.replace64(i, bits) : v.replace32(i, bits.toI32()));

/** Smallest normal and largest finite number. */
const limits = { 32: [2 ** -126, (2 - 2 ** -23) * 2 ** 127], 64: [2 ** -1022, Number.MAX_VALUE] } as const;
const number = (like: Float, value: number): Float => (like instanceof F64 ? F64.of(value) : F32.of(value));
/** Compares floats of one type. */
export const compare = (a: Float, how: 'eq' | 'ne' | 'lt' | 'gt' | 'le' | 'ge', b: number | Float): I32 => (a as F64)[how]((typeof b === 'number' ? number(a, b) : b) as F64);

export const mxcsr = (): I32 => load32(STATE + Slot.mxcsr);
/** MXCSR's rounding mode. */
export const roundingMode = (): I32 => mxcsr().shrU(13).and(3);
/** MXCSR doesn't say: nearest, inexact masked. */
export const isUnusual = (): I32 => mxcsr().and(0x7000).ne(0x1000);
/** The same, and that inexact is set already. */
export const isUnsettled = (): I32 => mxcsr().and(0x7020).ne(0x1020);
/** Inexact isn't set, or not masked. */
export const mayNotBeInexact = (): I32 => mxcsr().and(0x1020).ne(0x1020);
/** PE isn't set. */
export const isInexactClear = (): I32 => mxcsr().and(0x20).eqz();

/** A denormal, or the least normal number. */
export const isTiny = (v: Float): I32 => (v instanceof F64 ? v.asI64().shl(1).sub(1).shrU(53).eqz() : v.asI32().shl(1).sub(1).shrU(24).eqz());
/** Zero, infinite, a NaN, a denormal, or so near to the least normal number that it may have been rounded to from a denormal. */
export const isOdd = (v: Float): I32 => (v instanceof F64
  ? v.asI64().shrU(32).toI32().shl(1).sub(0x200002).geU(0xffbffffe | 0)
  : v.asI32().shl(1).sub(0x1000002).geU(0xfdfffffe | 0));
export const isZero = (v: Float): I32 => compare(v, 'eq', 0);
/** Neither a denormal nor a NaN. */
export const isCalm = (v: Float): I32 => compare(v.abs(), 'ge', limits[v instanceof F64 ? 64 : 32][0]).or(isZero(v));
/** A NaN that isn't signalling. */
export const isQuietNaN = (v: Float): I32 => compare(v, 'ne', v).and(v instanceof F64 ? v.asI64().shrU(51).toI32().and(1) : v.asI32().shrU(22).and(1));

/** Not zero and beyond NEAR, or zero: then the exponent's field isn't from 768 to 1277. */
export const isFar = (v: F64): I32 => v.asI64().shrU(32).toI32().shl(1).sub(768 << 21).geU(510 << 21);
/** Of each double its upper half: -1 if it is near. */
export const areNear = (v: V128): V128 => v.op2('i32x4.add', v).op2('i32x4.sub', loadV128(Run.nearFirst)).op2('i32x4.lt_s', loadV128(Run.nearLimit));
/** What `areNear` finds at Run.nearFirst and Run.nearLimit, in each 32 bits: the first field's place so that it is the least integer, and the limit from there. */
export const nearWords = { first: (768 << 21) + 2 ** 31 | 0, limit: (510 << 21) - 2 ** 31 | 0 } as const;

/** Lanes of one type, and vectors of what is true of each of them. */
export class Lanes {
  readonly type: Lane;
  readonly width: Bits;
  readonly #least: V128;
  readonly #largest: V128;

  constructor(type: Lane) {
    this.type = type;
    this.width = widthOf(type);
    const [least, largest] = limits[this.width];
    const splat = (value: number): V128 => (type === 'f64x2' ? V128.splatF64(F64.of(value)) : V128.splatF32(F32.of(value)));
    this.#least = splat(least);
    this.#largest = splat(largest);
  }

  #op(name: 'gt' | 'le' | 'eq' | 'ne' | 'pmin', a: V128, b: V128): V128 { return a.op2(`${this.type}.${name}`, b); }

  abs(v: V128): V128 { return v.op1(`${this.type}.abs`); }
  isZero(v: V128): V128 { return this.#op('eq', v, V128.zero()); }
  /** Of magnitudes: normal, by the smallest of them, and finite by the last of them. NaNs count if the last is one. */
  areNormal(magnitudes: readonly V128[]): V128 {
    const last = magnitudes.at(-1)!;
    return this.#op('gt', magnitudes.reduce((a, b) => this.#op('pmin', a, b)), this.#least).op2('v128.and', this.#op('le', last, this.#largest));
  }
  /** Of a magnitude: neither a denormal (nor the least normal number) nor a NaN. */
  isCalm(magnitude: V128): V128 { return this.#op('gt', magnitude, this.#least).op2('v128.or', this.isZero(magnitude)); }
  isQuietNaN(v: V128): V128 {
    // The quiet bit as the sign, spread over the lane.
    const quiet = this.type === 'f64x2' ? v.shift('i64x2.shl', 12).shift('i64x2.shr_s', 63) : v.shift('i32x4.shl', 9).shift('i32x4.shr_s', 31);
    return this.#op('ne', v, v).op2('v128.and', quiet);
  }
  /** 1 if a vector of truths is true of the lowest `count` lanes. */
  all(truths: V128, count = 128 / this.width): I32 {
    const mask = truths.bitmask(this.width), every = (1 << count) - 1;
    return (count === 128 / this.width ? mask : mask.and(every)).eq(every);
  }
}

export const lanesOf: Readonly<Record<Lane, Lanes>> = { f32x4: new Lanes('f32x4'), f64x2: new Lanes('f64x2') };

/** `tests` branch to the label they get where what was computed won't do; then `slow` does. */
export function unless(code: Code, tests: (slow: Label) => void, slow: () => void): void {
  code.block(done => {
    code.block(odd => {
      tests(odd);
      code.br(done);
    });
    slow();
  });
}
