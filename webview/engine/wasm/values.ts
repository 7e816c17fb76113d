/**
 * Typed expressions. A value is not computed where it is written down but where a statement uses it; `Code.let` pins it to that moment.
 * Operations on constants fold. Numbers may stand for constants everywhere. Names follow the WebAssembly instructions.
 */
import type { Bytes } from './bytes.ts';

export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** Encodings of value types. */
export const typeCode: Readonly<Record<Type, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Writes the instructions that leave a value on the stack. */
export type Write = (out: Bytes) => void;

/** What all values share. `constant` is set where the value is known. */
export abstract class Value {
  abstract readonly type: Type;
  readonly write: Write;

  constructor(write: Write) {
    this.write = write;
  }
}

const op = (code: number, ...args: Value[]): Write => out => {
  for (const arg of args) arg.write(out);
  out.u8(code);
};
const simd = (code: number, ...args: Value[]): Write => out => {
  for (const arg of args) arg.write(out);
  out.u8(0xfd);
  out.u32(code);
};
const lane = (code: number, index: number, ...args: Value[]): Write => out => {
  simd(code, ...args)(out);
  out.u8(index);
};
const saturating = (code: number, arg: Value): Write => out => {
  arg.write(out);
  out.u8(0xfc);
  out.u32(code);
};

export type Int32 = I32 | number;
export type Int64 = I64 | bigint | number;

/** A 32-bit integer; comparisons give 0 or 1. */
export class I32 extends Value {
  readonly type = 'i32';
  readonly constant: number | undefined;

  constructor(write: Write, constant?: number) {
    super(write);
    this.constant = constant;
  }

  static of(value: Int32): I32 {
    if (typeof value !== 'number') return value;
    const constant = value | 0;
    return new I32(out => { out.u8(0x41); out.s32(constant); }, constant);
  }

  #binary(code: number, other: Int32, fold: (a: number, b: number) => number): I32 {
    const right = I32.of(other);
    if (this.constant !== undefined && right.constant !== undefined) return I32.of(fold(this.constant, right.constant));
    return new I32(op(code, this, right));
  }

  add(b: Int32): I32 { return b === 0 ? this : this.#binary(0x6a, b, (x, y) => x + y); }
  sub(b: Int32): I32 { return b === 0 ? this : this.#binary(0x6b, b, (x, y) => x - y); }
  mul(b: Int32): I32 { return b === 1 ? this : this.#binary(0x6c, b, Math.imul); }
  divS(b: Int32): I32 { return new I32(op(0x6d, this, I32.of(b))); }
  divU(b: Int32): I32 { return new I32(op(0x6e, this, I32.of(b))); }
  remS(b: Int32): I32 { return new I32(op(0x6f, this, I32.of(b))); }
  remU(b: Int32): I32 { return new I32(op(0x70, this, I32.of(b))); }
  and(b: Int32): I32 { return this.#binary(0x71, b, (x, y) => x & y); }
  or(b: Int32): I32 { return b === 0 ? this : this.#binary(0x72, b, (x, y) => x | y); }
  xor(b: Int32): I32 { return b === 0 ? this : this.#binary(0x73, b, (x, y) => x ^ y); }
  shl(b: Int32): I32 { return b === 0 ? this : this.#binary(0x74, b, (x, y) => x << y); }
  shrS(b: Int32): I32 { return b === 0 ? this : this.#binary(0x75, b, (x, y) => x >> y); }
  shrU(b: Int32): I32 { return b === 0 ? this : this.#binary(0x76, b, (x, y) => x >>> y); }
  rotl(b: Int32): I32 { return new I32(op(0x77, this, I32.of(b))); }
  rotr(b: Int32): I32 { return new I32(op(0x78, this, I32.of(b))); }
  clz(): I32 { return new I32(op(0x67, this)); }
  ctz(): I32 { return new I32(op(0x68, this)); }
  popcnt(): I32 { return new I32(op(0x69, this)); }
  eqz(): I32 { return this.constant !== undefined ? I32.of(this.constant === 0 ? 1 : 0) : new I32(op(0x45, this)); }
  eq(b: Int32): I32 { return this.#binary(0x46, b, (x, y) => +(x === y)); }
  ne(b: Int32): I32 { return this.#binary(0x47, b, (x, y) => +(x !== y)); }
  ltS(b: Int32): I32 { return this.#binary(0x48, b, (x, y) => +(x < y)); }
  ltU(b: Int32): I32 { return this.#binary(0x49, b, (x, y) => +(x >>> 0 < y >>> 0)); }
  gtS(b: Int32): I32 { return this.#binary(0x4a, b, (x, y) => +(x > y)); }
  gtU(b: Int32): I32 { return this.#binary(0x4b, b, (x, y) => +(x >>> 0 > y >>> 0)); }
  leS(b: Int32): I32 { return this.#binary(0x4c, b, (x, y) => +(x <= y)); }
  leU(b: Int32): I32 { return this.#binary(0x4d, b, (x, y) => +(x >>> 0 <= y >>> 0)); }
  geS(b: Int32): I32 { return this.#binary(0x4e, b, (x, y) => +(x >= y)); }
  geU(b: Int32): I32 { return this.#binary(0x4f, b, (x, y) => +(x >>> 0 >= y >>> 0)); }
  extend8S(): I32 { return new I32(op(0xc0, this)); }
  extend16S(): I32 { return new I32(op(0xc1, this)); }
  toI64S(): I64 { return this.constant !== undefined ? I64.of(this.constant) : new I64(op(0xac, this)); }
  toI64U(): I64 { return this.constant !== undefined ? I64.of(this.constant >>> 0) : new I64(op(0xad, this)); }
  toF32S(): F32 { return new F32(op(0xb2, this)); }
  toF32U(): F32 { return new F32(op(0xb3, this)); }
  toF64S(): F64 { return new F64(op(0xb7, this)); }
  toF64U(): F64 { return new F64(op(0xb8, this)); }
  /** The bits as a float. */
  asF32(): F32 { return new F32(op(0xbe, this)); }
}

/** A 64-bit integer; comparisons give an I32. */
export class I64 extends Value {
  readonly type = 'i64';
  readonly constant: bigint | undefined;

  constructor(write: Write, constant?: bigint) {
    super(write);
    this.constant = constant;
  }

  static of(value: Int64): I64 {
    if (value instanceof I64) return value;
    const constant = BigInt.asIntN(64, BigInt(value));
    return new I64(out => { out.u8(0x42); out.s64(constant); }, constant);
  }

  #binary(code: number, other: Int64, fold: (a: bigint, b: bigint) => bigint): I64 {
    const right = I64.of(other);
    if (this.constant !== undefined && right.constant !== undefined) return I64.of(fold(this.constant, right.constant));
    return new I64(op(code, this, right));
  }

  add(b: Int64): I64 { return b === 0 || b === 0n ? this : this.#binary(0x7c, b, (x, y) => x + y); }
  sub(b: Int64): I64 { return b === 0 || b === 0n ? this : this.#binary(0x7d, b, (x, y) => x - y); }
  mul(b: Int64): I64 { return this.#binary(0x7e, b, (x, y) => x * y); }
  divS(b: Int64): I64 { return new I64(op(0x7f, this, I64.of(b))); }
  divU(b: Int64): I64 { return new I64(op(0x80, this, I64.of(b))); }
  remS(b: Int64): I64 { return new I64(op(0x81, this, I64.of(b))); }
  remU(b: Int64): I64 { return new I64(op(0x82, this, I64.of(b))); }
  and(b: Int64): I64 { return this.#binary(0x83, b, (x, y) => x & y); }
  or(b: Int64): I64 { return this.#binary(0x84, b, (x, y) => x | y); }
  xor(b: Int64): I64 { return this.#binary(0x85, b, (x, y) => x ^ y); }
  shl(b: Int64): I64 { return b === 0 ? this : this.#binary(0x86, b, (x, y) => x << (y & 63n)); }
  shrS(b: Int64): I64 { return b === 0 ? this : this.#binary(0x87, b, (x, y) => x >> (y & 63n)); }
  shrU(b: Int64): I64 { return b === 0 ? this : this.#binary(0x88, b, (x, y) => BigInt.asUintN(64, x) >> (y & 63n)); }
  rotl(b: Int64): I64 { return new I64(op(0x89, this, I64.of(b))); }
  rotr(b: Int64): I64 { return new I64(op(0x8a, this, I64.of(b))); }
  clz(): I64 { return new I64(op(0x79, this)); }
  ctz(): I64 { return new I64(op(0x7a, this)); }
  popcnt(): I64 { return new I64(op(0x7b, this)); }
  eqz(): I32 { return new I32(op(0x50, this)); }
  eq(b: Int64): I32 { return new I32(op(0x51, this, I64.of(b))); }
  ne(b: Int64): I32 { return new I32(op(0x52, this, I64.of(b))); }
  ltS(b: Int64): I32 { return new I32(op(0x53, this, I64.of(b))); }
  ltU(b: Int64): I32 { return new I32(op(0x54, this, I64.of(b))); }
  gtS(b: Int64): I32 { return new I32(op(0x55, this, I64.of(b))); }
  gtU(b: Int64): I32 { return new I32(op(0x56, this, I64.of(b))); }
  leS(b: Int64): I32 { return new I32(op(0x57, this, I64.of(b))); }
  leU(b: Int64): I32 { return new I32(op(0x58, this, I64.of(b))); }
  geS(b: Int64): I32 { return new I32(op(0x59, this, I64.of(b))); }
  geU(b: Int64): I32 { return new I32(op(0x5a, this, I64.of(b))); }
  extend8S(): I64 { return new I64(op(0xc2, this)); }
  extend16S(): I64 { return new I64(op(0xc3, this)); }
  extend32S(): I64 { return new I64(op(0xc4, this)); }
  /** The low 32 bits. */
  toI32(): I32 { return this.constant !== undefined ? I32.of(Number(BigInt.asIntN(32, this.constant))) : new I32(op(0xa7, this)); }
  toF32S(): F32 { return new F32(op(0xb4, this)); }
  toF32U(): F32 { return new F32(op(0xb5, this)); }
  toF64S(): F64 { return new F64(op(0xb9, this)); }
  toF64U(): F64 { return new F64(op(0xba, this)); }
  /** The bits as a double. */
  asF64(): F64 { return new F64(op(0xbf, this)); }
}

/** A single-precision number. */
export class F32 extends Value {
  readonly type = 'f32';

  static of(value: F32 | number): F32 {
    return value instanceof F32 ? value : new F32(out => { out.u8(0x43); out.f32(value); });
  }

  add(b: F32): F32 { return new F32(op(0x92, this, b)); }
  sub(b: F32): F32 { return new F32(op(0x93, this, b)); }
  mul(b: F32): F32 { return new F32(op(0x94, this, b)); }
  div(b: F32): F32 { return new F32(op(0x95, this, b)); }
  sqrt(): F32 { return new F32(op(0x91, this)); }
  abs(): F32 { return new F32(op(0x8b, this)); }
  neg(): F32 { return new F32(op(0x8c, this)); }
  ceil(): F32 { return new F32(op(0x8d, this)); }
  floor(): F32 { return new F32(op(0x8e, this)); }
  trunc(): F32 { return new F32(op(0x8f, this)); }
  nearest(): F32 { return new F32(op(0x90, this)); }
  eq(b: F32): I32 { return new I32(op(0x5b, this, b)); }
  ne(b: F32): I32 { return new I32(op(0x5c, this, b)); }
  lt(b: F32): I32 { return new I32(op(0x5d, this, b)); }
  gt(b: F32): I32 { return new I32(op(0x5e, this, b)); }
  le(b: F32): I32 { return new I32(op(0x5f, this, b)); }
  ge(b: F32): I32 { return new I32(op(0x60, this, b)); }
  /** Saturating truncation. */
  toI32S(): I32 { return new I32(saturating(0, this)); }
  toI64S(): I64 { return new I64(saturating(4, this)); }
  toF64(): F64 { return new F64(op(0xbb, this)); }
  /** The bits. */
  asI32(): I32 { return new I32(op(0xbc, this)); }
}

/** A double-precision number. */
export class F64 extends Value {
  readonly type = 'f64';

  static of(value: F64 | number): F64 {
    return value instanceof F64 ? value : new F64(out => { out.u8(0x44); out.f64(value); });
  }

  add(b: F64): F64 { return new F64(op(0xa0, this, b)); }
  sub(b: F64): F64 { return new F64(op(0xa1, this, b)); }
  mul(b: F64): F64 { return new F64(op(0xa2, this, b)); }
  div(b: F64): F64 { return new F64(op(0xa3, this, b)); }
  sqrt(): F64 { return new F64(op(0x9f, this)); }
  abs(): F64 { return new F64(op(0x99, this)); }
  neg(): F64 { return new F64(op(0x9a, this)); }
  ceil(): F64 { return new F64(op(0x9b, this)); }
  floor(): F64 { return new F64(op(0x9c, this)); }
  trunc(): F64 { return new F64(op(0x9d, this)); }
  nearest(): F64 { return new F64(op(0x9e, this)); }
  eq(b: F64): I32 { return new I32(op(0x61, this, b)); }
  ne(b: F64): I32 { return new I32(op(0x62, this, b)); }
  lt(b: F64): I32 { return new I32(op(0x63, this, b)); }
  gt(b: F64): I32 { return new I32(op(0x64, this, b)); }
  le(b: F64): I32 { return new I32(op(0x65, this, b)); }
  ge(b: F64): I32 { return new I32(op(0x66, this, b)); }
  /** Saturating truncation. */
  toI32S(): I32 { return new I32(saturating(2, this)); }
  toI64S(): I64 { return new I64(saturating(6, this)); }
  toI64U(): I64 { return new I64(saturating(7, this)); }
  toF32(): F32 { return new F32(op(0xb6, this)); }
  /** The bits. */
  asI64(): I64 { return new I64(op(0xbd, this)); }
}

/** 128 bits. Operations with one or two vectors are reached by name through `op1`, `op2`, `shift`, and lanes through `extract`, `replace`. */
export class V128 extends Value {
  readonly type = 'v128';

  /** From sixteen bytes, lowest first. */
  static bytes(bytes: readonly number[]): V128 {
    return new V128(out => {
      out.u8(0xfd);
      out.u32(12);
      for (let i = 0; i < 16; i++) out.u8(bytes[i] ?? 0);
    });
  }
  static zero(): V128 { return V128.bytes([]); }
  /** From two 64-bit halves. */
  static halves(low: bigint, high: bigint): V128 {
    const bytes: number[] = [];
    for (const half of [low, high]) for (let i = 0n; i < 64n; i += 8n) bytes.push(Number(BigInt.asUintN(64, half) >> i & 0xffn));
    return V128.bytes(bytes);
  }
  static splat8(v: Int32): V128 { return new V128(simd(15, I32.of(v))); }
  static splat16(v: Int32): V128 { return new V128(simd(16, I32.of(v))); }
  static splat32(v: Int32): V128 { return new V128(simd(17, I32.of(v))); }
  static splat64(v: Int64): V128 { return new V128(simd(18, I64.of(v))); }
  static splatF32(v: F32): V128 { return new V128(simd(19, v)); }
  static splatF64(v: F64): V128 { return new V128(simd(20, v)); }

  op1(name: keyof typeof unary): V128 { return new V128(simd(unary[name], this)); }
  op2(name: keyof typeof binary, b: V128): V128 { return new V128(simd(binary[name], this, b)); }
  /** Shifts all lanes by `count` modulo the lane's width. */
  shift(name: keyof typeof shifts, count: Int32): V128 { return new V128(simd(shifts[name], this, I32.of(count))); }
  /** Bits of `this` where `mask` is 1, of `other` elsewhere. */
  bitselect(other: V128, mask: V128): V128 { return new V128(simd(82, this, other, mask)); }
  /** Bytes of `this` (0-15) and `b` (16-31) by constant indices. */
  shuffle(b: V128, indices: readonly number[]): V128 {
    return new V128(out => {
      simd(13, this, b)(out);
      for (const index of indices) out.u8(index);
    });
  }
  anyTrue(): I32 { return new I32(simd(83, this)); }
  allTrue(laneBits: 8 | 16 | 32 | 64): I32 { return new I32(simd({ 8: 0x63, 16: 0x83, 32: 0xa3, 64: 0xc3 }[laneBits], this)); }
  bitmask(laneBits: 8 | 16 | 32 | 64): I32 { return new I32(simd({ 8: 0x64, 16: 0x84, 32: 0xa4, 64: 0xc4 }[laneBits], this)); }
  extract8U(i: number): I32 { return new I32(lane(22, i, this)); }
  extract16U(i: number): I32 { return new I32(lane(25, i, this)); }
  extract16S(i: number): I32 { return new I32(lane(24, i, this)); }
  extract32(i: number): I32 { return new I32(lane(27, i, this)); }
  extract64(i: number): I64 { return new I64(lane(29, i, this)); }
  extractF32(i: number): F32 { return new F32(lane(31, i, this)); }
  extractF64(i: number): F64 { return new F64(lane(33, i, this)); }
  replace8(i: number, v: Int32): V128 { return new V128(lane(23, i, this, I32.of(v))); }
  replace16(i: number, v: Int32): V128 { return new V128(lane(26, i, this, I32.of(v))); }
  replace32(i: number, v: Int32): V128 { return new V128(lane(28, i, this, I32.of(v))); }
  replace64(i: number, v: Int64): V128 { return new V128(lane(30, i, this, I64.of(v))); }
  replaceF32(i: number, v: F32): V128 { return new V128(lane(32, i, this, v)); }
  replaceF64(i: number, v: F64): V128 { return new V128(lane(34, i, this, v)); }
}

/** SIMD instructions with one operand, by name. */
const unary = {
  'v128.not': 77, 'i8x16.abs': 96, 'i8x16.neg': 97, 'i8x16.popcnt': 98, 'i16x8.abs': 128, 'i16x8.neg': 129, 'i32x4.abs': 160, 'i32x4.neg': 161,
  'i64x2.abs': 192, 'i64x2.neg': 193, 'f32x4.abs': 224, 'f32x4.neg': 225, 'f32x4.sqrt': 227, 'f64x2.abs': 236, 'f64x2.neg': 237, 'f64x2.sqrt': 239,
  'f32x4.ceil': 103, 'f32x4.floor': 104, 'f32x4.trunc': 105, 'f32x4.nearest': 106, 'f64x2.ceil': 116, 'f64x2.floor': 117, 'f64x2.trunc': 122, 'f64x2.nearest': 148,
  'i16x8.extadd_pairwise_i8x16_s': 124, 'i16x8.extadd_pairwise_i8x16_u': 125, 'i32x4.extadd_pairwise_i16x8_s': 126, 'i32x4.extadd_pairwise_i16x8_u': 127,
  'i16x8.extend_low_i8x16_s': 135, 'i16x8.extend_high_i8x16_s': 136, 'i16x8.extend_low_i8x16_u': 137, 'i16x8.extend_high_i8x16_u': 138,
  'i32x4.extend_low_i16x8_s': 167, 'i32x4.extend_high_i16x8_s': 168, 'i32x4.extend_low_i16x8_u': 169, 'i32x4.extend_high_i16x8_u': 170,
  'i64x2.extend_low_i32x4_s': 199, 'i64x2.extend_high_i32x4_s': 200, 'i64x2.extend_low_i32x4_u': 201, 'i64x2.extend_high_i32x4_u': 202,
  'i32x4.trunc_sat_f32x4_s': 248, 'i32x4.trunc_sat_f32x4_u': 249, 'f32x4.convert_i32x4_s': 250, 'f32x4.convert_i32x4_u': 251,
  'i32x4.trunc_sat_f64x2_s_zero': 252, 'i32x4.trunc_sat_f64x2_u_zero': 253, 'f64x2.convert_low_i32x4_s': 254, 'f64x2.convert_low_i32x4_u': 255,
  'f32x4.demote_f64x2_zero': 94, 'f64x2.promote_low_f32x4': 95,
} as const;

/** SIMD instructions with two operands, by name. */
const binary = {
  'i8x16.swizzle': 14, 'v128.and': 78, 'v128.andnot': 79, 'v128.or': 80, 'v128.xor': 81,
  'i8x16.eq': 35, 'i8x16.ne': 36, 'i8x16.lt_s': 37, 'i8x16.lt_u': 38, 'i8x16.gt_s': 39, 'i8x16.gt_u': 40, 'i8x16.le_s': 41, 'i8x16.le_u': 42, 'i8x16.ge_s': 43, 'i8x16.ge_u': 44,
  'i16x8.eq': 45, 'i16x8.ne': 46, 'i16x8.lt_s': 47, 'i16x8.lt_u': 48, 'i16x8.gt_s': 49, 'i16x8.gt_u': 50, 'i16x8.le_s': 51, 'i16x8.le_u': 52, 'i16x8.ge_s': 53, 'i16x8.ge_u': 54,
  'i32x4.eq': 55, 'i32x4.ne': 56, 'i32x4.lt_s': 57, 'i32x4.lt_u': 58, 'i32x4.gt_s': 59, 'i32x4.gt_u': 60, 'i32x4.le_s': 61, 'i32x4.le_u': 62, 'i32x4.ge_s': 63, 'i32x4.ge_u': 64,
  'i64x2.eq': 214, 'i64x2.ne': 215, 'i64x2.lt_s': 216, 'i64x2.gt_s': 217, 'i64x2.le_s': 218, 'i64x2.ge_s': 219,
  'f32x4.eq': 65, 'f32x4.ne': 66, 'f32x4.lt': 67, 'f32x4.gt': 68, 'f32x4.le': 69, 'f32x4.ge': 70,
  'f64x2.eq': 71, 'f64x2.ne': 72, 'f64x2.lt': 73, 'f64x2.gt': 74, 'f64x2.le': 75, 'f64x2.ge': 76,
  'i8x16.narrow_i16x8_s': 101, 'i8x16.narrow_i16x8_u': 102, 'i16x8.narrow_i32x4_s': 133, 'i16x8.narrow_i32x4_u': 134,
  'i8x16.add': 110, 'i8x16.add_sat_s': 111, 'i8x16.add_sat_u': 112, 'i8x16.sub': 113, 'i8x16.sub_sat_s': 114, 'i8x16.sub_sat_u': 115,
  'i8x16.min_s': 118, 'i8x16.min_u': 119, 'i8x16.max_s': 120, 'i8x16.max_u': 121, 'i8x16.avgr_u': 123,
  'i16x8.q15mulr_sat_s': 130, 'i16x8.add': 142, 'i16x8.add_sat_s': 143, 'i16x8.add_sat_u': 144, 'i16x8.sub': 145, 'i16x8.sub_sat_s': 146, 'i16x8.sub_sat_u': 147,
  'i16x8.mul': 149, 'i16x8.min_s': 150, 'i16x8.min_u': 151, 'i16x8.max_s': 152, 'i16x8.max_u': 153, 'i16x8.avgr_u': 155,
  'i16x8.extmul_low_i8x16_s': 156, 'i16x8.extmul_high_i8x16_s': 157, 'i16x8.extmul_low_i8x16_u': 158, 'i16x8.extmul_high_i8x16_u': 159,
  'i32x4.add': 174, 'i32x4.sub': 177, 'i32x4.mul': 181, 'i32x4.min_s': 182, 'i32x4.min_u': 183, 'i32x4.max_s': 184, 'i32x4.max_u': 185, 'i32x4.dot_i16x8_s': 186,
  'i32x4.extmul_low_i16x8_s': 188, 'i32x4.extmul_high_i16x8_s': 189, 'i32x4.extmul_low_i16x8_u': 190, 'i32x4.extmul_high_i16x8_u': 191,
  'i64x2.add': 206, 'i64x2.sub': 209, 'i64x2.mul': 213,
  'i64x2.extmul_low_i32x4_s': 220, 'i64x2.extmul_high_i32x4_s': 221, 'i64x2.extmul_low_i32x4_u': 222, 'i64x2.extmul_high_i32x4_u': 223,
  'f32x4.add': 228, 'f32x4.sub': 229, 'f32x4.mul': 230, 'f32x4.div': 231, 'f32x4.min': 232, 'f32x4.max': 233, 'f32x4.pmin': 234, 'f32x4.pmax': 235,
  'f64x2.add': 240, 'f64x2.sub': 241, 'f64x2.mul': 242, 'f64x2.div': 243, 'f64x2.min': 244, 'f64x2.max': 245, 'f64x2.pmin': 246, 'f64x2.pmax': 247,
} as const;

/** SIMD shifts by a scalar count. */
const shifts = {
  'i8x16.shl': 107, 'i8x16.shr_s': 108, 'i8x16.shr_u': 109, 'i16x8.shl': 139, 'i16x8.shr_s': 140, 'i16x8.shr_u': 141,
  'i32x4.shl': 171, 'i32x4.shr_s': 172, 'i32x4.shr_u': 173, 'i64x2.shl': 203, 'i64x2.shr_s': 204, 'i64x2.shr_u': 205,
} as const;

/** The class of a type's values. */
export interface ValueOf {
  i32: I32;
  i64: I64;
  f32: F32;
  f64: F64;
  v128: V128;
}

/** A value of `type` written by `write`. */
export function valueOf<T extends Type>(type: T, write: Write): ValueOf[T] {
  const classes = { i32: I32, i64: I64, f32: F32, f64: F64, v128: V128 } as const;
  return new classes[type](write) as ValueOf[T];
}

/** `a` if `condition` isn't 0, else `b`; both are computed. */
export function select<T extends Value>(condition: I32, a: T, b: T): T {
  if (condition.constant !== undefined) return condition.constant !== 0 ? a : b;
  return valueOf(a.type, out => {
    a.write(out);
    b.write(out);
    condition.write(out);
    if (a.type === 'v128') {
      out.u8(0x1c);
      out.u32(1);
      out.u8(typeCode.v128);
    } else out.u8(0x1b);
  }) as unknown as T;
}
