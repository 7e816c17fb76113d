/** semantics/: what each instruction does, written once for all back ends. This file: integers of the four operand widths. */
import { I32, I64, select, type Int32 } from '../wasm/values.ts';

/** Operand width in bytes. */
export type Width = 1 | 2 | 4 | 8;

/**
 * An unsigned integer of a width, held in an i32 (widths 1, 2, 4) or an i64 (8). Of widths 1 and 2 the upper bits of the i32 are always
 * zero; operations that could set them are masked here. Both operands of an operation have the same width.
 */
export class Int {
  readonly width: Width;
  readonly value: I32 | I64;

  private constructor(width: Width, value: I32 | I64) {
    this.width = width;
    this.value = value;
  }

  /** Takes an i32 whose bits above the width are zero. */
  static clean(width: Width, value: I32 | I64): Int {
    return new Int(width, value);
  }
  /** Takes an i32 or i64 and cuts it to the width. */
  static cut(width: Width, value: I32 | I64): Int {
    if (width === 8) return new Int(8, value instanceof I64 ? value : value.toI64U());
    const narrow = value instanceof I64 ? value.toI32() : value;
    return new Int(width, width === 4 ? narrow : narrow.and(width === 1 ? 0xff : 0xffff));
  }
  static constant(width: Width, value: number | bigint): Int {
    const wide = BigInt.asUintN(width * 8, BigInt(value));
    return new Int(width, width === 8 ? I64.of(wide) : I32.of(Number(wide)));
  }

  get bits(): number {
    return this.width * 8;
  }
  /** The i32 of a width below 8. */
  get i32(): I32 {
    return this.value instanceof I64 ? this.value.toI32() : this.value;
  }
  /** Zero-extended to 64 bits. */
  get i64(): I64 {
    return this.value instanceof I64 ? this.value : this.value.toI64U();
  }
  /** Sign-extended to 64 bits. */
  get signed64(): I64 {
    if (this.value instanceof I64) return this.value;
    return (this.width === 1 ? this.value.extend8S() : this.width === 2 ? this.value.extend16S() : this.value).toI64S();
  }
  /** Sign-extended to 32 bits (widths below 8). */
  get signed32(): I32 {
    const v = this.i32;
    return this.width === 1 ? v.extend8S() : this.width === 2 ? v.extend16S() : v;
  }

  #map(other: Int, narrow: (a: I32, b: I32) => I32, wide: (a: I64, b: I64) => I64, clean: boolean): Int {
    if (this.width !== other.width) throw new Error(`widths ${this.width} and ${other.width}`);
    if (this.width === 8) return new Int(8, wide(this.i64, other.i64));
    const v = narrow(this.i32, other.i32);
    return clean ? new Int(this.width, v) : Int.cut(this.width, v);
  }
  add(b: Int): Int { return this.#map(b, (x, y) => x.add(y), (x, y) => x.add(y), false); }
  sub(b: Int): Int { return this.#map(b, (x, y) => x.sub(y), (x, y) => x.sub(y), false); }
  mul(b: Int): Int { return this.#map(b, (x, y) => x.mul(y), (x, y) => x.mul(y), false); }
  and(b: Int): Int { return this.#map(b, (x, y) => x.and(y), (x, y) => x.and(y), true); }
  or(b: Int): Int { return this.#map(b, (x, y) => x.or(y), (x, y) => x.or(y), true); }
  xor(b: Int): Int { return this.#map(b, (x, y) => x.xor(y), (x, y) => x.xor(y), true); }
  not(): Int { return this.xor(Int.constant(this.width, -1)); }
  neg(): Int { return Int.constant(this.width, 0).sub(this); }

  /** Shifts by a count below 64 (width 8) or 32; counts from the width on give 0, or the sign. */
  shl(count: Int32): Int {
    return this.width === 8 ? new Int(8, this.i64.shl(I32.of(count).toI64U())) : Int.cut(this.width, this.i32.shl(count));
  }
  shrU(count: Int32): Int {
    return new Int(this.width, this.width === 8 ? this.i64.shrU(I32.of(count).toI64U()) : this.i32.shrU(count));
  }
  shrS(count: Int32): Int {
    return this.width === 8 ? new Int(8, this.i64.shrS(I32.of(count).toI64U())) : Int.cut(this.width, this.signed32.shrS(count));
  }

  isZero(): I32 { return this.value.eqz(); }
  eq(b: Int): I32 { return this.width === 8 ? this.i64.eq(b.i64) : this.i32.eq(b.i32); }
  ne(b: Int): I32 { return this.width === 8 ? this.i64.ne(b.i64) : this.i32.ne(b.i32); }
  ltU(b: Int): I32 { return this.width === 8 ? this.i64.ltU(b.i64) : this.i32.ltU(b.i32); }
  ltS(b: Int): I32 { return this.width === 8 ? this.i64.ltS(b.i64) : this.signed32.ltS(b.signed32); }
  /** The top bit as 0 or 1. */
  sign(): I32 {
    return this.width === 8 ? this.i64.shrU(63).toI32() : this.i32.shrU(this.bits - 1);
  }
  /** Bit `index` (below the width) as 0 or 1. */
  bit(index: Int32): I32 {
    return this.width === 8 ? this.i64.shrU(I32.of(index).toI64U()).toI32().and(1) : this.i32.shrU(index).and(1);
  }

  zeroExtend(width: Width): Int {
    return width === 8 && this.width !== 8 ? new Int(8, this.i64) : new Int(width, this.value);
  }
  signExtend(width: Width): Int {
    return width === 8 ? new Int(8, this.signed64) : Int.cut(width, this.signed32);
  }
  /** The low part. */
  truncate(width: Width): Int {
    return width === this.width ? this : Int.cut(width, this.value);
  }
}

/** `a` if `condition` isn't 0, else `b`; both are computed. */
export function selectInt(condition: I32, a: Int, b: Int): Int {
  return Int.clean(a.width, a.width === 8 ? select(condition, a.i64, b.i64) : select(condition, a.i32, b.i32));
}
