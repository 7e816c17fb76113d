/** Multiplication and division. */
import { callValue, load64 } from '../wasm/code.ts';
import { I64, select } from '../wasm/values.ts';
import { Scratch } from '../state.ts';
import { pin, type Context, type Descriptions } from './contract.ts';
import { Int } from './int.ts';

const rax = 0, rdx = 2;

/** Both halves of a product of two widths up to 8, pinned. */
function product({ code, helpers }: Context, a: Int, b: Int, signed: boolean): { low: Int; high: Int } {
  const { width } = a;
  if (width === 8) {
    const low = pin(code, a.mul(b));
    const unsigned = callValue(helpers.get<'i64'>('mulHigh'), a.i64, b.i64);
    if (!signed) return { low, high: pin(code, Int.clean(8, unsigned)) };
    const correction = a.i64.shrS(63).and(b.i64).add(b.i64.shrS(63).and(a.i64));
    return { low, high: pin(code, Int.clean(8, unsigned.sub(correction))) };
  }
  const wide = code.let(signed ? a.signed64.mul(b.signed64) : a.i64.mul(b.i64));
  return { low: pin(code, Int.cut(width, wide)), high: pin(code, Int.cut(width, wide.shrU(a.bits))) };
}

/** CF and OF: whether the high half is more than an extension of the low one. The rest stays, as on this CPU family. */
function multiplyFlags({ code, flags }: Context, low: Int, high: Int, signed: boolean): void {
  const significant = code.let(signed ? high.ne(low.shrS(low.bits - 1)) : high.isZero().eqz());
  flags.change({ cf: significant, of: significant });
}

/** One operand: rAX times it, into rDX:rAX, or AX for bytes. */
function multiply(signed: boolean): (context: Context) => void {
  return context => {
    const { code, dst, registers } = context;
    const b = dst.read(), a = registers.read(rax, b.width);
    const { low, high } = product(context, a, b, signed);
    if (b.width === 1) registers.write(rax, Int.clean(2, code.let(low.i32.or(high.i32.shl(8)))));
    else {
      registers.write(rax, low);
      registers.write(rdx, high);
    }
    multiplyFlags(context, low, high, signed);
  };
}

function imul(context: Context): void {
  const { operands, dst, src } = context;
  if (operands.length === 1) return multiply(true)(context);
  const b = operands.length === 3 ? context.src2.read() : dst.read(), a = src.read();
  if (dst.width === 8) {
    const { low, high } = product(context, a, b, true);
    dst.write(low);
    return multiplyFlags(context, low, high, true);
  }
  const wide = context.code.let(a.signed64.mul(b.signed64));
  const low = pin(context.code, Int.cut(a.width, wide));
  dst.write(low);
  const overflow = context.code.let(wide.ne(low.signed64));
  context.flags.change({ cf: overflow, of: overflow });
}

/** The dividend as an i64 for divisors of up to 4 bytes, zero- or sign-extended. */
function dividend({ registers }: Context, width: 1 | 2 | 4, signed: boolean): I64 {
  if (width === 1) return signed ? registers.read(rax, 2).signed64 : registers.read(rax, 2).i64;
  const both = registers.read(rdx, width).i64.shl(width * 8).or(registers.read(rax, width).i64);
  return signed && width === 2 ? both.toI32().toI64S() : both;
}

function writeQuotient(context: Context, width: 1 | 2 | 4, quotient: I64, remainder: I64): void {
  const { registers } = context;
  divideFlags(context);
  registers.write(rax, Int.cut(width, quotient));
  if (width === 1) registers.writeHigh(rax, Int.cut(1, remainder));
  else registers.write(rdx, Int.cut(width, remainder));
}

/** The manual doesn't define flags after a division. This CPU family leaves CF and OF, sets AF, clears the others. */
function divideFlags({ flags }: Context): void {
  flags.keepCarryAndOverflow(Int.constant(4, 1), 1);
}

/** DIV. #DE for a zero divisor and for a quotient that is too wide. Flags: see `divideFlags`. */
function div(context: Context): void {
  const { code, dst, registers, control, helpers } = context;
  const d = dst.read();
  if (d.width === 8) {
    const high = registers.read(rdx, 8), low = registers.read(rax, 8);
    control.exitIf(high.ltU(d).eqz(), 'divide');
    const quotient = code.let(callValue(helpers.get<'i64'>('divide128'), high.i64, low.i64, d.i64));
    registers.write(rax, Int.clean(8, quotient));
    registers.write(rdx, Int.clean(8, load64(Scratch.remainder)));
    return divideFlags(context);
  }
  control.exitIf(d.isZero(), 'divide');
  const n = code.let(dividend(context, d.width, false)), wide = code.let(d.i64);
  const quotient = code.let(n.divU(wide));
  control.exitIf(quotient.shrU(d.bits).ne(0), 'divide');
  writeQuotient(context, d.width, quotient, code.let(n.remU(wide)));
}

function idiv(context: Context): void {
  const { code, dst, control } = context;
  const d = dst.read();
  control.exitIf(d.isZero(), 'divide');
  if (d.width === 8) return idiv128(context, d.i64);
  const n = code.let(dividend(context, d.width, true)), wide = code.let(d.signed64);
  // The one quotient that traps in WebAssembly is too wide anyway.
  control.exitIf(n.eq(-0x8000000000000000n).and(wide.eq(-1)), 'divide');
  const quotient = code.let(n.divS(wide));
  control.exitIf(Int.cut(d.width, quotient).signed64.ne(quotient), 'divide');
  writeQuotient(context, d.width, quotient, code.let(n.remS(wide)));
}

/** By magnitudes: the remainder has the dividend's sign. */
function idiv128(context: Context, d: I64): void {
  const { code, registers, control, helpers } = context;
  const high = registers.read(rdx, 8).i64, low = registers.read(rax, 8).i64;
  const negative = high.ltS(0);
  const absLow = code.let(select(negative, I64.of(0).sub(low), low));
  const absHigh = code.let(select(negative, I64.of(-1).sub(high).add(low.eqz().toI64U()), high));
  const absD = code.let(select(d.ltS(0), I64.of(0).sub(d), d));
  control.exitIf(absHigh.geU(absD), 'divide');
  const magnitude = code.let(callValue(helpers.get<'i64'>('divide128'), absHigh, absLow, absD));
  const opposite = code.let(high.xor(d).shrU(63).toI32());
  control.exitIf(magnitude.gtU(select(opposite, I64.of(-0x8000000000000000n), I64.of(0x7fffffffffffffffn))), 'divide');
  const remainder = code.let(load64(Scratch.remainder));
  const quotient = code.let(select(opposite, I64.of(0).sub(magnitude), magnitude));
  const signedRemainder = code.let(select(negative, I64.of(0).sub(remainder), remainder));
  registers.write(rax, Int.clean(8, quotient));
  registers.write(rdx, Int.clean(8, signedRemainder));
  divideFlags(context);
}

export const multiplications: Descriptions = {
  MUL: multiply(false),
  IMUL: imul,
  DIV: div,
  IDIV: idiv,
  /** The low half is written first, so that equal destinations get the high one. No flags. */
  MULX: context => {
    const { dst, src, src2, registers } = context;
    const { low, high } = product(context, registers.read(rdx, dst.width as 4 | 8), src2.read(), false);
    src.write(low);
    dst.write(high);
  },
};

