/** Multiplication and division. */
import { callValue, load64, type Code } from '../wasm/code.ts';
import { I64, select } from '../wasm/values.ts';
import { Scratch } from '../state.ts';
import { pin, type Context, type Descriptions } from './contract.ts';
import { Int } from './int.ts';

const rax = 0, rdx = 2;

/** Upper half of the product of two 64-bit numbers, from four products of halves. */
function multiplyHigh(code: Code, a: I64, b: I64, signed: boolean): I64 {
  const half = (v: I64): I64 => (signed ? v.shrS(32) : v.shrU(32));
  const al = code.let(a.and(0xffffffffn)), ah = code.let(half(a)), bl = code.let(b.and(0xffffffffn)), bh = code.let(half(b));
  const middle = code.let(ah.mul(bl).add(al.mul(bl).shrU(32)));
  const second = al.mul(bh).add(middle.and(0xffffffffn));
  return ah.mul(bh).add(half(middle)).add(half(code.let(second)));
}

/** Both halves of a product of two widths up to 8, pinned. */
function product({ code }: Context, a: Int, b: Int, signed: boolean): { low: Int; high: Int } {
  const { width } = a;
  if (width === 8) {
    return { low: pin(code, a.mul(b)), high: pin(code, Int.clean(8, multiplyHigh(code, a.i64, b.i64, signed))) };
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
  if (context.operands.length === 1) return multiply(true)(context);
  const { operands, dst, src } = context;
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
    const quotient = code.variable(I64.of(0)), remainder = code.variable(I64.of(0));
    code.if(high.isZero(), () => {
      code.set(quotient, low.i64.divU(d.i64));
      code.set(remainder, low.i64.sub(quotient.value.mul(d.i64)));
    }, () => {
      code.set(quotient, callValue(helpers.get<'i64'>('divide128'), high.i64, low.i64, d.i64));
      code.set(remainder, load64(Scratch.remainder));
    });
    registers.write(rax, Int.clean(8, quotient.value));
    registers.write(rdx, Int.clean(8, remainder.value));
    return divideFlags(context);
  }
  control.exitIf(d.isZero(), 'divide');
  const n = code.let(dividend(context, d.width, false)), wide = code.let(d.i64);
  const quotient = code.let(n.divU(wide));
  control.exitIf(quotient.shrU(d.bits).ne(0), 'divide');
  writeQuotient(context, d.width, quotient, code.let(n.sub(quotient.mul(wide))));
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
  writeQuotient(context, d.width, quotient, code.let(n.sub(quotient.mul(wide))));
}

/** Of 128 bits; at once if they are a sign-extended number and its negation isn't asked for. */
function idiv128(context: Context, d: I64): void {
  const { code, registers } = context;
  const high = registers.read(rdx, 8).i64, low = registers.read(rax, 8).i64;
  const quotient = code.variable(I64.of(0)), remainder = code.variable(I64.of(0));
  code.if(high.eq(low.shrS(63)).and(d.add(1).ne(0)), () => {
    code.set(quotient, low.divS(d));
    code.set(remainder, low.sub(quotient.value.mul(d)));
  }, () => {
    const wide = divideByMagnitudes(context, high, low, d);
    code.set(quotient, wide.quotient);
    code.set(remainder, wide.remainder);
  });
  registers.write(rax, Int.clean(8, quotient.value));
  registers.write(rdx, Int.clean(8, remainder.value));
  divideFlags(context);
}

/** The remainder has the dividend's sign. */
function divideByMagnitudes({ code, control, helpers }: Context, high: I64, low: I64, d: I64): { readonly quotient: I64; readonly remainder: I64 } {
  const negative = high.ltS(0);
  const absLow = code.let(select(negative, I64.of(0).sub(low), low));
  const absHigh = code.let(select(negative, I64.of(-1).sub(high).add(low.eqz().toI64U()), high));
  const absD = code.let(select(d.ltS(0), I64.of(0).sub(d), d));
  control.exitIf(absHigh.geU(absD), 'divide');
  const magnitude = code.let(callValue(helpers.get<'i64'>('divide128'), absHigh, absLow, absD));
  const opposite = code.let(high.xor(d).shrU(63).toI32());
  control.exitIf(magnitude.gtU(select(opposite, I64.of(-0x8000000000000000n), I64.of(0x7fffffffffffffffn))), 'divide');
  const remainder = code.let(load64(Scratch.remainder));
  return {
    quotient: code.let(select(opposite, I64.of(0).sub(magnitude), magnitude)),
    remainder: code.let(select(negative, I64.of(0).sub(remainder), remainder)),
  };
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

