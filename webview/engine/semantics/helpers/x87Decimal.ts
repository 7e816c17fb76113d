/** FBLD, FBSTP: eighteen decimal digits, four bits each, and a sign. SDM vol. 1 4.7. */
import { load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64 } from '../../wasm/values.ts';
import type { HelperDefinitions, Helpers } from '../contract.ts';
import { Bit, CONTROL, RESULT, addressOf, call, isFull, physical, setResult } from './x87State.ts';
import { goesUp, shiftRight } from './x87Rounding.ts';

/** (digits 0 to 15, digits 16 and 17 with the sign in bit 15): RESULT. Digits above nine count as what they are, as on AMD's processors. */
function x87FromDecimal(code: Code, helpers: Helpers): void {
  const low = code.parameter(0, 'i64'), high = code.parameter(1, 'i32');
  const value = code.variable(high.shrU(4).and(15).mul(10).add(high.and(15)).toI64U()), rest = code.variable(low), left = code.variable(I32.of(16));
  code.loop(again => {
    code.set(value, value.value.mul(10).add(rest.value.shrU(60)));
    code.set(rest, rest.value.shl(4));
    code.set(left, left.value.sub(1));
    code.brIf(again, left.value);
  });
  code.call(helpers.get('x87FromInt'), value.value);
  setResult(code, load64(RESULT), load32(RESULT + 8).or(high.and(0x8000)));
}

/** () -> 1 if RESULT (ten bytes) may be stored: ST(0) as decimal digits. */
function x87ToDecimal(code: Code, helpers: Helpers): void {
  const number = code.let(physical(0)), from = code.let(addressOf(number));
  const m = code.let(load64(from)), se = code.let(load32(from, 8)), exponent = code.let(se.and(0x7fff)), sign = code.let(se.shrU(15).and(1));
  const flags = code.variable(I32.of(Bit.I)), low = code.variable(I64.of(3n << 62n)), high = code.variable(I32.of(0xffff));
  const bad = exponent.eqz().xor(1).and(m.geS(0)).or(exponent.gtS(16383 + 59));
  code.if(isFull(number).eqz(), () => code.set(flags, I32.of(Bit.I | Bit.SF)), () => code.if(bad.eqz(), () => {
    const h = code.variable(m), l = code.variable(I64.of(0));
    shiftRight(code, h, l, code.let(I32.of(16383 + 63).sub(exponent)));
    const up = code.let(goesUp(load32(CONTROL).shrU(10).and(3), l.value, h.value.toI32().and(1), sign));
    code.set(h, h.value.add(up.toI64U()));
    code.if(h.value.ltU(10n ** 18n), () => {
      code.set(flags, l.value.eqz().xor(1).mul(Bit.P).or(up.mul(Bit.C1)));
      code.set(low, I64.of(0));
      const place = code.variable(I64.of(0));
      code.loop(again => {
        code.set(low, low.value.or(h.value.remU(10).shl(place.value)));
        code.set(h, h.value.divU(10));
        code.set(place, place.value.add(4));
        code.brIf(again, place.value.ltU(64));
      });
      code.set(high, sign.shl(15).or(h.value.remU(10).or(h.value.divU(10).shl(4)).toI32()));
    });
  }));
  const unmasked = code.let(call(helpers, 'x87Note', flags.value).and(1));
  setResult(code, low.value, high.value);
  code.return(unmasked.eqz());
}

export const x87DecimalHelpers: HelperDefinitions = {
  x87FromDecimal: { parameters: ['i64', 'i32'], result: undefined, body: x87FromDecimal },
  x87ToDecimal: { parameters: [], result: 'i32', body: x87ToDecimal },
};
