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

/** How a value is encoded. Numbers, not functions: thousands of values are made for each region, so making and writing one must be cheap. */
export const Encoding = {
  /** Operands, then an opcode of one byte. */
  plain: 0,
  /** Operands, prefix fd, opcode. */
  simd: 1,
  /** The same and the number of a lane. */
  lane: 2,
  /** Operands, prefix fc, opcode. */
  saturating: 3,
  constant32: 4,
  constant64: 5,
  /** local.get. */
  local: 6,
  /** A load: address, opcode, alignment, offset. */
  load: 7,
  simdLoad: 8,
  /** By a function. */
  custom: 9,
} as const;

/** What all values share. */
export abstract class Value {
  // Declared, not defined: a field that is defined costs more than the constructor's assignment.
  protected declare readonly encoding: number;
  protected declare readonly opcode: number;
  /** Lane, local, offset or constant. */
  protected declare readonly immediate: number | bigint;
  protected declare readonly a: Value | undefined;
  protected declare readonly b: Value | undefined;
  protected declare readonly custom: Write | undefined;

  abstract get type(): Type;

  /** An integer that is known. */
  get isConstant(): boolean {
    return this.encoding === Encoding.constant32 || this.encoding === Encoding.constant64;
  }

  constructor(encoding: number, opcode: number, immediate: number | bigint, a?: Value, b?: Value, custom?: Write) {
    this.encoding = encoding;
    this.opcode = opcode;
    this.immediate = immediate;
    this.a = a;
    this.b = b;
    this.custom = custom;
  }

  /** Writes the instructions that leave it on the stack. */
  write(out: Bytes): void {
    if (this.a !== undefined) this.a.write(out);
    if (this.b !== undefined) this.b.write(out);
    switch (this.encoding) {
      case Encoding.plain: return out.u8(this.opcode);
      case Encoding.local:
        out.u8(0x20);
        return out.u32(this.immediate as number);
      case Encoding.constant32:
        out.u8(0x41);
        return out.s32(this.immediate as number);
      case Encoding.constant64:
        out.u8(0x42);
        return out.s64(this.immediate);
      case Encoding.load:
        out.u8(this.opcode);
        out.u8(0);
        return out.u32(this.immediate as number);
      case Encoding.simdLoad:
        out.u8(0xfd);
        out.u32(this.opcode);
        out.u8(0);
        return out.u32(this.immediate as number);
      case Encoding.simd: case Encoding.lane:
        out.u8(0xfd);
        out.u32(this.opcode);
        if (this.encoding === Encoding.lane) out.u8(this.immediate as number);
        return;
      case Encoding.saturating:
        out.u8(0xfc);
        return out.u32(this.opcode);
      default: this.custom!(out);
    }
  }
}

export type Int32 = I32 | number;
export type Int64 = I64 | bigint | number;

/** A 32-bit integer; comparisons give 0 or 1. */
export class I32 extends Value {
  /** Set where the value is known. */
  declare readonly constant: number | undefined;

  get type(): 'i32' { return 'i32'; }

  constructor(encoding: number, opcode: number, immediate: number, a?: Value, b?: Value, custom?: Write) {
    super(encoding, opcode, immediate, a, b, custom);
    this.constant = encoding === Encoding.constant32 ? immediate : undefined;
  }

  static of(value: Int32): I32 {
    return typeof value === 'number' ? new I32(Encoding.constant32, 0, value | 0) : value;
  }

  #binary(code: number, other: Int32): I32 {
    const right = I32.of(other);
    if (this.constant !== undefined && right.constant !== undefined && code < 0x77) return I32.of(fold32(code, this.constant, right.constant));
    return new I32(Encoding.plain, code, 0, this, right);
  }
  #unary(code: number): I32 { return new I32(Encoding.plain, code, 0, this); }

  add(b: Int32): I32 { return b === 0 ? this : this.#binary(0x6a, b); }
  sub(b: Int32): I32 { return b === 0 ? this : this.#binary(0x6b, b); }
  mul(b: Int32): I32 { return b === 1 ? this : this.#binary(0x6c, b); }
  divS(b: Int32): I32 { return new I32(Encoding.plain, 0x6d, 0, this, I32.of(b)); }
  divU(b: Int32): I32 { return new I32(Encoding.plain, 0x6e, 0, this, I32.of(b)); }
  remS(b: Int32): I32 { return new I32(Encoding.plain, 0x6f, 0, this, I32.of(b)); }
  remU(b: Int32): I32 { return new I32(Encoding.plain, 0x70, 0, this, I32.of(b)); }
  and(b: Int32): I32 { return this.#binary(0x71, b); }
  or(b: Int32): I32 { return b === 0 ? this : this.#binary(0x72, b); }
  xor(b: Int32): I32 { return b === 0 ? this : this.#binary(0x73, b); }
  shl(b: Int32): I32 { return b === 0 ? this : this.#binary(0x74, b); }
  shrS(b: Int32): I32 { return b === 0 ? this : this.#binary(0x75, b); }
  shrU(b: Int32): I32 { return b === 0 ? this : this.#binary(0x76, b); }
  rotl(b: Int32): I32 { return new I32(Encoding.plain, 0x77, 0, this, I32.of(b)); }
  rotr(b: Int32): I32 { return new I32(Encoding.plain, 0x78, 0, this, I32.of(b)); }
  clz(): I32 { return this.#unary(0x67); }
  ctz(): I32 { return this.#unary(0x68); }
  popcnt(): I32 { return this.#unary(0x69); }
  eqz(): I32 { return this.constant !== undefined ? I32.of(this.constant === 0 ? 1 : 0) : this.#unary(0x45); }
  eq(b: Int32): I32 { return this.#binary(0x46, b); }
  ne(b: Int32): I32 { return this.#binary(0x47, b); }
  ltS(b: Int32): I32 { return this.#binary(0x48, b); }
  ltU(b: Int32): I32 { return this.#binary(0x49, b); }
  gtS(b: Int32): I32 { return this.#binary(0x4a, b); }
  gtU(b: Int32): I32 { return this.#binary(0x4b, b); }
  leS(b: Int32): I32 { return this.#binary(0x4c, b); }
  leU(b: Int32): I32 { return this.#binary(0x4d, b); }
  geS(b: Int32): I32 { return this.#binary(0x4e, b); }
  geU(b: Int32): I32 { return this.#binary(0x4f, b); }
  extend8S(): I32 { return this.#unary(0xc0); }
  extend16S(): I32 { return this.#unary(0xc1); }
  toI64S(): I64 { return this.constant !== undefined ? I64.of(this.constant) : new I64(Encoding.plain, 0xac, 0, this); }
  toI64U(): I64 { return this.constant !== undefined ? I64.of(this.constant >>> 0) : new I64(Encoding.plain, 0xad, 0, this); }
  toF32S(): F32 { return new F32(Encoding.plain, 0xb2, 0, this); }
  toF32U(): F32 { return new F32(Encoding.plain, 0xb3, 0, this); }
  toF64S(): F64 { return new F64(Encoding.plain, 0xb7, 0, this); }
  toF64U(): F64 { return new F64(Encoding.plain, 0xb8, 0, this); }
  /** The bits as a float. */
  asF32(): F32 { return new F32(Encoding.plain, 0xbe, 0, this); }
}

/** A 64-bit integer; comparisons give an I32. */
export class I64 extends Value {
  /** The constant; a number where that is exact, since a BigInt takes long to make. */
  private declare readonly known: number | bigint | undefined;

  get type(): 'i64' { return 'i64'; }
  /** Set where the value is known. */
  get constant(): bigint | undefined {
    return typeof this.known === 'number' ? BigInt(this.known) : this.known;
  }

  constructor(encoding: number, opcode: number, immediate: number | bigint, a?: Value, b?: Value, custom?: Write) {
    super(encoding, opcode, immediate, a, b, custom);
    this.known = encoding === Encoding.constant64 ? immediate : undefined;
  }

  static of(value: Int64): I64 {
    if (typeof value === 'number') return new I64(Encoding.constant64, 0, Number.isSafeInteger(value) ? value : BigInt.asIntN(64, BigInt(value)));
    return typeof value === 'bigint' ? new I64(Encoding.constant64, 0, BigInt.asIntN(64, value)) : value;
  }

  #binary(code: number, other: Int64): I64 {
    const right = I64.of(other);
    if (this.known !== undefined && right.known !== undefined) return I64.of(fold64(code, this.constant!, right.constant!));
    return new I64(Encoding.plain, code, 0, this, right);
  }
  #unary(code: number): I64 { return new I64(Encoding.plain, code, 0, this); }
  #compare(code: number, b: Int64): I32 { return new I32(Encoding.plain, code, 0, this, I64.of(b)); }

  add(b: Int64): I64 { return b === 0 || b === 0n ? this : this.#binary(0x7c, b); }
  sub(b: Int64): I64 { return b === 0 || b === 0n ? this : this.#binary(0x7d, b); }
  mul(b: Int64): I64 { return this.#binary(0x7e, b); }
  divS(b: Int64): I64 { return new I64(Encoding.plain, 0x7f, 0, this, I64.of(b)); }
  divU(b: Int64): I64 { return new I64(Encoding.plain, 0x80, 0, this, I64.of(b)); }
  remS(b: Int64): I64 { return new I64(Encoding.plain, 0x81, 0, this, I64.of(b)); }
  remU(b: Int64): I64 { return new I64(Encoding.plain, 0x82, 0, this, I64.of(b)); }
  and(b: Int64): I64 { return this.#binary(0x83, b); }
  or(b: Int64): I64 { return this.#binary(0x84, b); }
  xor(b: Int64): I64 { return this.#binary(0x85, b); }
  shl(b: Int64): I64 { return b === 0 ? this : this.#binary(0x86, b); }
  shrS(b: Int64): I64 { return b === 0 ? this : this.#binary(0x87, b); }
  shrU(b: Int64): I64 { return b === 0 ? this : this.#binary(0x88, b); }
  rotl(b: Int64): I64 { return new I64(Encoding.plain, 0x89, 0, this, I64.of(b)); }
  rotr(b: Int64): I64 { return new I64(Encoding.plain, 0x8a, 0, this, I64.of(b)); }
  clz(): I64 { return this.#unary(0x79); }
  ctz(): I64 { return this.#unary(0x7a); }
  popcnt(): I64 { return this.#unary(0x7b); }
  eqz(): I32 { return new I32(Encoding.plain, 0x50, 0, this); }
  eq(b: Int64): I32 { return this.#compare(0x51, b); }
  ne(b: Int64): I32 { return this.#compare(0x52, b); }
  ltS(b: Int64): I32 { return this.#compare(0x53, b); }
  ltU(b: Int64): I32 { return this.#compare(0x54, b); }
  gtS(b: Int64): I32 { return this.#compare(0x55, b); }
  gtU(b: Int64): I32 { return this.#compare(0x56, b); }
  leS(b: Int64): I32 { return this.#compare(0x57, b); }
  leU(b: Int64): I32 { return this.#compare(0x58, b); }
  geS(b: Int64): I32 { return this.#compare(0x59, b); }
  geU(b: Int64): I32 { return this.#compare(0x5a, b); }
  extend8S(): I64 { return this.#unary(0xc2); }
  extend16S(): I64 { return this.#unary(0xc3); }
  extend32S(): I64 { return this.#unary(0xc4); }
  /** The low 32 bits. */
  toI32(): I32 { return this.known !== undefined ? I32.of(low32(this.known)) : new I32(Encoding.plain, 0xa7, 0, this); }
  toF32S(): F32 { return new F32(Encoding.plain, 0xb4, 0, this); }
  toF32U(): F32 { return new F32(Encoding.plain, 0xb5, 0, this); }
  toF64S(): F64 { return new F64(Encoding.plain, 0xb9, 0, this); }
  toF64U(): F64 { return new F64(Encoding.plain, 0xba, 0, this); }
  /** The bits as a double. */
  asF64(): F64 { return new F64(Encoding.plain, 0xbf, 0, this); }
}

/** A single-precision number. */
export class F32 extends Value {
  get type(): 'f32' { return 'f32'; }

  static of(value: F32 | number): F32 {
    return value instanceof F32 ? value : new F32(Encoding.custom, 0, 0, undefined, undefined, out => { out.u8(0x43); out.f32(value); });
  }

  add(b: F32): F32 { return new F32(Encoding.plain, 0x92, 0, this, b); }
  sub(b: F32): F32 { return new F32(Encoding.plain, 0x93, 0, this, b); }
  mul(b: F32): F32 { return new F32(Encoding.plain, 0x94, 0, this, b); }
  div(b: F32): F32 { return new F32(Encoding.plain, 0x95, 0, this, b); }
  sqrt(): F32 { return new F32(Encoding.plain, 0x91, 0, this); }
  abs(): F32 { return new F32(Encoding.plain, 0x8b, 0, this); }
  neg(): F32 { return new F32(Encoding.plain, 0x8c, 0, this); }
  ceil(): F32 { return new F32(Encoding.plain, 0x8d, 0, this); }
  floor(): F32 { return new F32(Encoding.plain, 0x8e, 0, this); }
  trunc(): F32 { return new F32(Encoding.plain, 0x8f, 0, this); }
  nearest(): F32 { return new F32(Encoding.plain, 0x90, 0, this); }
  eq(b: F32): I32 { return new I32(Encoding.plain, 0x5b, 0, this, b); }
  ne(b: F32): I32 { return new I32(Encoding.plain, 0x5c, 0, this, b); }
  lt(b: F32): I32 { return new I32(Encoding.plain, 0x5d, 0, this, b); }
  gt(b: F32): I32 { return new I32(Encoding.plain, 0x5e, 0, this, b); }
  le(b: F32): I32 { return new I32(Encoding.plain, 0x5f, 0, this, b); }
  ge(b: F32): I32 { return new I32(Encoding.plain, 0x60, 0, this, b); }
  /** Saturating truncation. */
  toI32S(): I32 { return new I32(Encoding.saturating, 0, 0, this); }
  toI64S(): I64 { return new I64(Encoding.saturating, 4, 0, this); }
  toF64(): F64 { return new F64(Encoding.plain, 0xbb, 0, this); }
  /** The bits. */
  asI32(): I32 { return new I32(Encoding.plain, 0xbc, 0, this); }
}

/** A double-precision number. */
export class F64 extends Value {
  get type(): 'f64' { return 'f64'; }

  static of(value: F64 | number): F64 {
    return value instanceof F64 ? value : new F64(Encoding.custom, 0, 0, undefined, undefined, out => { out.u8(0x44); out.f64(value); });
  }

  add(b: F64): F64 { return new F64(Encoding.plain, 0xa0, 0, this, b); }
  sub(b: F64): F64 { return new F64(Encoding.plain, 0xa1, 0, this, b); }
  mul(b: F64): F64 { return new F64(Encoding.plain, 0xa2, 0, this, b); }
  div(b: F64): F64 { return new F64(Encoding.plain, 0xa3, 0, this, b); }
  sqrt(): F64 { return new F64(Encoding.plain, 0x9f, 0, this); }
  abs(): F64 { return new F64(Encoding.plain, 0x99, 0, this); }
  neg(): F64 { return new F64(Encoding.plain, 0x9a, 0, this); }
  ceil(): F64 { return new F64(Encoding.plain, 0x9b, 0, this); }
  floor(): F64 { return new F64(Encoding.plain, 0x9c, 0, this); }
  trunc(): F64 { return new F64(Encoding.plain, 0x9d, 0, this); }
  nearest(): F64 { return new F64(Encoding.plain, 0x9e, 0, this); }
  eq(b: F64): I32 { return new I32(Encoding.plain, 0x61, 0, this, b); }
  ne(b: F64): I32 { return new I32(Encoding.plain, 0x62, 0, this, b); }
  lt(b: F64): I32 { return new I32(Encoding.plain, 0x63, 0, this, b); }
  gt(b: F64): I32 { return new I32(Encoding.plain, 0x64, 0, this, b); }
  le(b: F64): I32 { return new I32(Encoding.plain, 0x65, 0, this, b); }
  ge(b: F64): I32 { return new I32(Encoding.plain, 0x66, 0, this, b); }
  /** Saturating truncation. */
  toI32S(): I32 { return new I32(Encoding.saturating, 2, 0, this); }
  toI64S(): I64 { return new I64(Encoding.saturating, 6, 0, this); }
  toI64U(): I64 { return new I64(Encoding.saturating, 7, 0, this); }
  toF32(): F32 { return new F32(Encoding.plain, 0xb6, 0, this); }
  /** The bits. */
  asI64(): I64 { return new I64(Encoding.plain, 0xbd, 0, this); }
}

/** 128 bits. Operations with one or two vectors are reached by name through `op1`, `op2`, `shift`, and lanes through `extract`, `replace`. */
export class V128 extends Value {
  get type(): 'v128' { return 'v128'; }

  /** From sixteen bytes, lowest first. */
  static bytes(bytes: readonly number[]): V128 {
    return new V128(Encoding.custom, 0, 0, undefined, undefined, out => {
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
  static splat8(v: Int32): V128 { return new V128(Encoding.simd, 15, 0, I32.of(v)); }
  static splat16(v: Int32): V128 { return new V128(Encoding.simd, 16, 0, I32.of(v)); }
  static splat32(v: Int32): V128 { return new V128(Encoding.simd, 17, 0, I32.of(v)); }
  static splat64(v: Int64): V128 { return new V128(Encoding.simd, 18, 0, I64.of(v)); }
  static splatF32(v: F32): V128 { return new V128(Encoding.simd, 19, 0, v); }
  static splatF64(v: F64): V128 { return new V128(Encoding.simd, 20, 0, v); }

  op1(name: keyof typeof unary): V128 { return new V128(Encoding.simd, unary[name], 0, this); }
  op2(name: keyof typeof binary, b: V128): V128 { return new V128(Encoding.simd, binary[name], 0, this, b); }
  /** Shifts all lanes by `count` modulo the lane's width. */
  shift(name: keyof typeof shifts, count: Int32): V128 { return new V128(Encoding.simd, shifts[name], 0, this, I32.of(count)); }
  /** Bits of `this` where `mask` is 1, of `other` elsewhere. */
  bitselect(other: V128, mask: V128): V128 {
    return new V128(Encoding.custom, 0, 0, this, other, out => {
      mask.write(out);
      out.u8(0xfd);
      out.u32(82);
    });
  }
  /** Bytes of `this` (0-15) and `b` (16-31) by constant indices. */
  shuffle(b: V128, indices: readonly number[]): V128 {
    return new V128(Encoding.custom, 0, 0, this, b, out => {
      out.u8(0xfd);
      out.u32(13);
      for (const index of indices) out.u8(index);
    });
  }
  anyTrue(): I32 { return new I32(Encoding.simd, 83, 0, this); }
  allTrue(laneBits: 8 | 16 | 32 | 64): I32 { return new I32(Encoding.simd, { 8: 0x63, 16: 0x83, 32: 0xa3, 64: 0xc3 }[laneBits], 0, this); }
  bitmask(laneBits: 8 | 16 | 32 | 64): I32 { return new I32(Encoding.simd, { 8: 0x64, 16: 0x84, 32: 0xa4, 64: 0xc4 }[laneBits], 0, this); }
  extract8U(i: number): I32 { return new I32(Encoding.lane, 22, i, this); }
  extract16U(i: number): I32 { return new I32(Encoding.lane, 25, i, this); }
  extract16S(i: number): I32 { return new I32(Encoding.lane, 24, i, this); }
  extract32(i: number): I32 { return new I32(Encoding.lane, 27, i, this); }
  extract64(i: number): I64 { return new I64(Encoding.lane, 29, i, this); }
  extractF32(i: number): F32 { return new F32(Encoding.lane, 31, i, this); }
  extractF64(i: number): F64 { return new F64(Encoding.lane, 33, i, this); }
  replace8(i: number, v: Int32): V128 { return new V128(Encoding.lane, 23, i, this, I32.of(v)); }
  replace16(i: number, v: Int32): V128 { return new V128(Encoding.lane, 26, i, this, I32.of(v)); }
  replace32(i: number, v: Int32): V128 { return new V128(Encoding.lane, 28, i, this, I32.of(v)); }
  replace64(i: number, v: Int64): V128 { return new V128(Encoding.lane, 30, i, this, I64.of(v)); }
  replaceF32(i: number, v: F32): V128 { return new V128(Encoding.lane, 32, i, this, v); }
  replaceF64(i: number, v: F64): V128 { return new V128(Encoding.lane, 34, i, this, v); }
}

/** SIMD instructions with one operand, by name. */
export const unary = {
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
export const binary = {
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
export const shifts = {
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

/** A value of `type` with that encoding. */
export function encoded<T extends Type>(type: T, encoding: number, opcode: number, immediate: number, a?: Value, b?: Value, custom?: Write): ValueOf[T] {
  return new classes[type](encoding, opcode, immediate, a, b, custom) as ValueOf[T];
}

const classes = { i32: I32, i64: I64, f32: F32, f64: F64, v128: V128 } as const;

/** A value of `type` written by `write`. */
export function valueOf<T extends Type>(type: T, write: Write): ValueOf[T] {
  return encoded(type, Encoding.custom, 0, 0, undefined, undefined, write);
}

/** `a` if `condition` isn't 0, else `b`; both are computed. */
export function select<T extends Value>(condition: I32, a: T, b: T): T {
  if (condition.constant !== undefined) return condition.constant !== 0 ? a : b;
  return encoded(a.type, Encoding.custom, 0, 0, a, b, out => {
    condition.write(out);
    if (a.type === 'v128') {
      out.u8(0x1c);
      out.u32(1);
      out.u8(typeCode.v128);
    } else out.u8(0x1b);
  }) as unknown as T;
}

function fold32(code: number, x: number, y: number): number {
  switch (code) {
    case 0x6a: return x + y;
    case 0x6b: return x - y;
    case 0x6c: return Math.imul(x, y);
    case 0x71: return x & y;
    case 0x72: return x | y;
    case 0x73: return x ^ y;
    case 0x74: return x << y;
    case 0x75: return x >> y;
    case 0x76: return x >>> y;
    case 0x46: return +(x === y);
    case 0x47: return +(x !== y);
    case 0x48: return +(x < y);
    case 0x49: return +(x >>> 0 < y >>> 0);
    case 0x4a: return +(x > y);
    case 0x4b: return +(x >>> 0 > y >>> 0);
    case 0x4c: return +(x <= y);
    case 0x4d: return +(x >>> 0 <= y >>> 0);
    case 0x4e: return +(x >= y);
    case 0x4f: return +(x >>> 0 >= y >>> 0);
    default: throw new Error(`no folding of ${code}`);
  }
}

function fold64(code: number, x: bigint, y: bigint): bigint {
  switch (code) {
    case 0x7c: return x + y;
    case 0x7d: return x - y;
    case 0x7e: return x * y;
    case 0x83: return x & y;
    case 0x84: return x | y;
    case 0x85: return x ^ y;
    case 0x86: return x << (y & 63n);
    case 0x87: return x >> (y & 63n);
    case 0x88: return BigInt.asUintN(64, x) >> (y & 63n);
    default: throw new Error(`no folding of ${code}`);
  }
}

function low32(value: number | bigint): number {
  // ToInt32 is exact for safe integers.
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
}
