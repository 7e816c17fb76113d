/** Addition, subtraction, comparison. */
import { pin, type Context, type Descriptions } from './contract.ts';
import { Int } from './int.ts';

function add({ code, dst, src, flags }: Context, withCarry: boolean): void {
  const b = src.read(), a = dst.readForWrite();
  const sum = a.add(b);
  const r = pin(code, withCarry ? sum.add(carryIn(flags.cf(), a)) : sum);
  dst.write(r);
  if (withCarry) flags.addWithCarry(a, b, r);
  else flags.add(a, b, r);
}

function subtract({ code, dst, src, flags }: Context, withCarry: boolean): void {
  const b = src.read(), a = dst.readForWrite();
  const difference = a.sub(b);
  const r = pin(code, withCarry ? difference.sub(carryIn(flags.cf(), a)) : difference);
  dst.write(r);
  if (withCarry) flags.subWithBorrow(a, b, r);
  else flags.sub(a, b, r);
}

function carryIn(cf: Int['i32'], like: Int): Int {
  return Int.clean(1, cf).zeroExtend(like.width);
}

export const arithmetic: Descriptions = {
  ADD: context => add(context, false),
  ADC: context => add(context, true),
  SUB: context => subtract(context, false),
  SBB: context => subtract(context, true),
  CMP: ({ code, dst, src, flags }) => {
    const a = dst.read(), b = src.read(), r = pin(code, a.sub(b));
    flags.sub(a, b, r);
  },
  INC: ({ code, dst, flags }) => {
    const a = dst.readForWrite(), r = pin(code, a.add(Int.constant(a.width, 1)));
    dst.write(r);
    flags.inc(a, r);
  },
  DEC: ({ code, dst, flags }) => {
    const a = dst.readForWrite(), r = pin(code, a.sub(Int.constant(a.width, 1)));
    dst.write(r);
    flags.dec(a, r);
  },
  NEG: ({ code, dst, flags }) => {
    const a = dst.readForWrite(), zero = Int.constant(a.width, 0), r = pin(code, zero.sub(a));
    dst.write(r);
    flags.sub(zero, a, r);
  },
};
