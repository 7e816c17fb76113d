/** Shifts and rotates. A count of 0 (after masking to 5 or 6 bits) leaves the flags alone. */
import { I32, select, type I64 } from '../wasm/values.ts';
import { pin, type Context, type Descriptions } from './contract.ts';
import type { Flags } from './flags.ts';
import { Int } from './int.ts';

/** What a shift gives, with the flags that it changes. */
type Shift = (a: Int, count: I32, flags: Flags, context: Context) => Int;

/** Reads, shifts if the count isn't zero, writes in any case. */
function shifted(shift: Shift): (context: Context) => void {
  return context => {
    const { code, dst, src, flags } = context;
    const count = code.let(src.read().i32.and(dst.width === 8 ? 63 : 31));
    const a = dst.readForWrite();
    writeShifted(context, a, count, () => shift(a, count, flags, context));
  };
}

function writeShifted({ code, dst }: Context, a: Int, count: I32, shift: () => Int): void {
  if (count.constant !== undefined) return dst.write(count.constant === 0 ? a : shift());
  const result = code.variable(a.value as I32);
  code.if(count.ne(0), () => code.set(result, shift().value as I32));
  dst.write(Int.clean(a.width, result.value as I32 | I64));
}

/** SDM vol. 2 SAL/SHL. AF, undefined by the manual, is set as by this CPU family in all shifts. CF is the last bit out; OF, defined for a count of 1, is CF XOR the result's sign here for all. */
const shl: Shift = (a, count, flags, { code }) => {
  const r = pin(code, a.shl(count)), cf = code.let(a.shl(count.sub(1)).sign());
  flags.result(r, cf, cf.xor(r.sign()), 1);
  return r;
};
const shr: Shift = (a, count, flags, { code }) => {
  const before = pin(code, a.shrU(count.sub(1))), r = pin(code, before.shrU(1));
  flags.result(r, before.bit(0), before.sign(), 1);
  return r;
};
const sar: Shift = (a, count, flags, { code }) => {
  const before = pin(code, a.shrS(count.sub(1))), r = pin(code, before.shrS(1));
  flags.result(r, before.bit(0), 0, 1);
  return r;
};

/** Rotates by a count below the width. */
function rotateLeft(a: Int, count: I32): Int {
  if (a.width === 8) return Int.clean(8, a.i64.rotl(count.toI64U()));
  if (a.width === 4) return Int.clean(4, a.i32.rotl(count));
  return a.shl(count).or(a.shrU(I32.of(a.bits).sub(count)));
}

/** For widths 1 and 2 the count goes around more than once. */
function within(a: Int, count: I32): I32 {
  return a.width >= 4 ? count : count.and(a.bits - 1);
}

const rol: Shift = (a, count, flags, { code }) => {
  const r = pin(code, rotateLeft(a, code.let(within(a, count)))), cf = code.let(r.bit(0));
  flags.change({ cf, of: cf.xor(r.sign()) });
  return r;
};
const ror: Shift = (a, count, flags, { code }) => {
  const left = code.let(I32.of(a.bits).sub(within(a, count)).and(a.bits - 1));
  const r = pin(code, rotateLeft(a, left));
  flags.change({ cf: r.sign(), of: r.sign().xor(r.bit(a.bits - 2)) });
  return r;
};

/** Through CF: a rotation of width + 1 bits. `count` is up to the width; 0 for once around, which still sets OF. */
function throughCarry(a: Int, count: I32, flags: Flags, { code }: Context, left: boolean): Int {
  const carry = pin(code, Int.clean(1, flags.cf()).zeroExtend(a.width));
  const rest = code.let(I32.of(a.bits).sub(count));
  const one = count.sub(1);
  const r = left
    ? pin(code, a.shl(count).or(carry.shl(one)).or(a.shrU(rest).shrU(1)))
    : pin(code, a.shrU(count).or(carry.shl(rest)).or(a.shl(rest).shl(1)));
  const out = left ? a.shrU(rest).bit(0) : a.shrU(one).bit(0);
  const cf = code.let(a.width >= 4 ? out : select(count, out, carry.i32));
  flags.change({ cf, of: left ? cf.xor(r.sign()) : r.sign().xor(r.bit(a.bits - 2)) });
  return r;
}

function rotateThroughCarry(left: boolean): (context: Context) => void {
  return context => {
    const { code, dst, src, flags } = context;
    const count = code.let(src.read().i32.and(dst.width === 8 ? 63 : 31));
    const around = code.let(dst.width >= 4 ? count : count.remU(dst.width * 8 + 1));
    const a = dst.readForWrite();
    writeShifted(context, a, count, () => throughCarry(a, around, flags, context, left));
  };
}

/** SHLD, SHRD. With 16 bits and a count above 16 the second operand is shifted in twice and CF is 0, as on this CPU family. */
function double(left: boolean): (context: Context) => void {
  return context => {
    const { code, dst, src, src2, flags } = context;
    const count = code.let(src2.read().i32.and(dst.width === 8 ? 63 : 31));
    const b = src.read(), a = dst.readForWrite();
    writeShifted(context, a, count, () => {
      const { r, cf } = dst.width === 2 ? double16(a, b, count, context, left) : doubleWide(a, b, count, context, left);
      // OF is that of the last of `count` shifts by one, as on this CPU family.
      flags.result(r, cf, left ? cf.xor(r.sign().and(count.ltU(a.bits))) : r.sign().xor(r.bit(a.bits - 2)), 1);
      return r;
    });
  };
}

function double16(a: Int, b: Int, count: I32, { code }: Context, left: boolean): { r: Int; cf: I32 } {
  const twice = b.i32.shl(16).or(b.i32).toI64U();
  if (left) {
    const all = code.let(a.i64.shl(32).or(twice).shl(count.toI64U()));
    return { r: pin(code, Int.cut(2, all.shrU(32))), cf: code.let(all.shrU(48).toI32().and(1).and(count.leU(16))) };
  }
  const before = code.let(twice.shl(16).or(a.i64).shrU(count.sub(1).toI64U()));
  return { r: pin(code, Int.cut(2, before.shrU(1))), cf: code.let(before.toI32().and(1).and(count.leU(16))) };
}

function doubleWide(a: Int, b: Int, count: I32, { code }: Context, left: boolean): { r: Int; cf: I32 } {
  const rest = code.let(I32.of(a.bits).sub(count));
  return left
    ? { r: pin(code, a.shl(count).or(b.shrU(rest))), cf: code.let(a.shrU(rest).bit(0)) }
    : { r: pin(code, a.shrU(count).or(b.shl(rest))), cf: code.let(a.shrU(count.sub(1)).bit(0)) };
}

export const shifts: Descriptions = {
  SHL: shifted(shl), SHR: shifted(shr), SAR: shifted(sar), ROL: shifted(rol), ROR: shifted(ror),
  RCL: rotateThroughCarry(true), RCR: rotateThroughCarry(false), SHLD: double(true), SHRD: double(false),
  // BMI2: no flags.
  SHLX: ({ dst, src, src2 }) => dst.write(src.read().shl(src2.read().i32.and(dst.width * 8 - 1))),
  SHRX: ({ dst, src, src2 }) => dst.write(src.read().shrU(src2.read().i32.and(dst.width * 8 - 1))),
  SARX: ({ dst, src, src2 }) => dst.write(src.read().shrS(src2.read().i32.and(dst.width * 8 - 1))),
  RORX: ({ code, dst, src, src2 }) => {
    const bits = dst.width * 8;
    dst.write(rotateLeft(src.read(), code.let(I32.of(bits).sub(src2.read().i32).and(bits - 1))));
  },
};
