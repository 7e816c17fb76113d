/** Bitwise operations. */
import { pin, type Context, type Descriptions } from './contract.ts';
import type { Int } from './int.ts';

function combine(combined: (a: Int, b: Int) => Int): (context: Context) => void {
  return ({ code, dst, src, flags }) => {
    const b = src.read(), a = dst.readForWrite(), r = pin(code, combined(a, b));
    dst.write(r);
    flags.logic(r);
  };
}

export const logic: Descriptions = {
  AND: combine((a, b) => a.and(b)),
  OR: combine((a, b) => a.or(b)),
  XOR: combine((a, b) => a.xor(b)),
  TEST: ({ code, dst, src, flags }) => flags.logic(pin(code, dst.read().and(src.read()))),
  NOT: ({ dst }) => dst.write(dst.readForWrite().not()),
};
