/** 128-bit products and quotients. */
import type { Code } from '../../wasm/code.ts';
import { I64, select } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinitions } from '../contract.ts';

const low32 = 0xffffffffn;

/** (a, b) -> upper half of the unsigned product, from four products of 32-bit halves. */
function mulHigh(code: Code): void {
  const a = code.parameter(0, 'i64'), b = code.parameter(1, 'i64');
  const al = code.let(a.and(low32)), ah = code.let(a.shrU(32)), bl = code.let(b.and(low32)), bh = code.let(b.shrU(32));
  const middle = code.let(ah.mul(bl).add(al.mul(bl).shrU(32)));
  const second = code.let(al.mul(bh).add(middle.and(low32)));
  code.return(ah.mul(bh).add(middle.shrU(32)).add(second.shrU(32)));
}

/**
 * (high, low, divisor), high < divisor -> quotient; the remainder is stored at Scratch.remainder. Long division by two digits of 32 bits: the
 * divisor is shifted up until its top bit is set, each digit estimated by the divisor's upper half and corrected at most twice.
 */
function divide128(code: Code): void {
  const high = code.parameter(0, 'i64'), low = code.parameter(1, 'i64'), divisor = code.parameter(2, 'i64');
  code.if(high.eqz(), () => {
    code.store64(Scratch.remainder, low.remU(divisor));
    code.return(low.divU(divisor));
  });
  const shift = code.let(divisor.clz());
  const d = code.let(divisor.shl(shift)), dh = code.let(d.shrU(32)), dl = code.let(d.and(low32));
  const spill = select(shift.eqz(), I64.of(0), low.shrU(I64.of(64).sub(shift)));
  const n = code.variable(high.shl(shift).or(spill)), rest = code.let(low.shl(shift));
  const quotient = code.variable(I64.of(0));
  for (const digit of [rest.shrU(32), rest.and(low32)]) {
    const q = code.variable(n.value.divU(dh)), r = code.variable(n.value.remU(dh));
    code.block(done => {
      code.loop(again => {
        const fits = q.value.leU(low32).and(q.value.mul(dl).leU(r.value.shl(32).or(digit)));
        code.brIf(done, fits);
        code.set(q, q.value.sub(1));
        code.set(r, r.value.add(dh));
        code.brIf(again, r.value.leU(low32));
      });
    });
    code.set(n, n.value.shl(32).or(digit).sub(q.value.mul(d)));
    code.set(quotient, quotient.value.shl(32).or(q.value));
  }
  code.store64(Scratch.remainder, n.value.shrU(shift));
  code.return(quotient.value);
}

export const wide: HelperDefinitions = {
  mulHigh: { parameters: ['i64', 'i64'], result: 'i64', body: mulHigh },
  divide128: { parameters: ['i64', 'i64', 'i64'], result: 'i64', isRare: true, body: divide128 },
};
