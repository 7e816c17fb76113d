/** Rounding of x87 numbers to a precision and exponent range, and to integers. */
import { load32, load64, type Code, type Variable } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import type { HelperDefinitions, Helpers } from '../contract.ts';
import { Bit, CONTROL, RESULT, addressOf, call, indefinite, isFull, physical, setResult, topBit } from './x87State.ts';

/** 1 if rounding adds one: `rest` is what is cut off, as a fraction of 2^64; `odd` the last bit that stays. */
export function goesUp(mode: I32, rest: I64, odd: I32, sign: I32): I32 {
  const some = rest.eqz().xor(1);
  const nearest = rest.gtU(topBit).or(rest.eq(topBit).and(odd));
  return select(mode.eqz(), nearest, some.and(select(mode.eq(1), sign, select(mode.eq(2), sign.xor(1), I32.of(0)))));
}

/** Brings the top bit of a number of 128 bits to bit 127, and takes what it was shifted by from the exponent. Zero stays zero. */
export function normalize(code: Code, h: Variable<I64>, l: Variable<I64>, e: Variable<I32>): void {
  code.if(h.value.eqz(), () => {
    code.set(h, l.value);
    code.set(l, I64.of(0));
    code.set(e, e.value.sub(64));
  });
  const zeros = code.let(h.value.clz());
  code.if(zeros.eqz().xor(1), () => {
    code.set(h, h.value.shl(zeros).or(l.value.shrU(I64.of(64).sub(zeros))));
    code.set(l, l.value.shl(zeros));
    code.set(e, e.value.sub(zeros.toI32()));
  });
}

/** h:l shifted right by a positive count; ones that fall out leave a one at the end. */
export function shiftRight(code: Code, h: Variable<I64>, l: Variable<I64>, count: I32): void {
  const n = code.let(count.toI64U());
  code.if(count.geU(64), () => {
    const far = count.geU(128);
    const m = code.let(n.sub(64));
    const lost = code.let(l.value.eqz().xor(1).or(select(count.eq(64), I32.of(0), h.value.shl(I64.of(0).sub(m)).eqz().xor(1))));
    code.set(l, select(far, h.value.or(l.value).eqz().xor(1).toI64U(), h.value.shrU(m).or(lost.toI64U())));
    code.set(h, I64.of(0));
  }, () => code.if(count, () => {
    const back = code.let(I64.of(64).sub(n));
    const lost = code.let(l.value.shl(back).eqz().xor(1).toI64U());
    code.set(l, l.value.shrU(n).or(h.value.shl(back)).or(lost));
    code.set(h, h.value.shrU(n));
  }));
}

/**
 * (sign, exponent, h, l, precision, least, greatest) -> exceptions and C1. The number is h:l with its top bit set, times 2^exponent, biased
 * by 16383 without limits; RESULT gets `precision` bits. Unmasked overflow and underflow give wrapped exponents (SDM vol. 1 8.5.4).
 */
function x87Round(code: Code): void {
  const sign = code.parameter(0, 'i32'), precision = code.parameter(4, 'i32'), least = code.parameter(5, 'i32'), greatest = code.parameter(6, 'i32');
  const e = code.variable(code.parameter(1, 'i32')), h = code.variable(code.parameter(2, 'i64')), l = code.variable(code.parameter(3, 'i64'));
  const control = code.let(load32(CONTROL)), mode = code.let(control.shrU(10).and(3));
  const unit = code.let(I64.of(1).shl(I64.of(64).sub(precision.toI64U())));
  const flags = code.variable(I32.of(0)), tiny = code.variable(I32.of(0));
  const full = code.let(precision.eq(64));
  const rest = (): I64 => select(full, l.value, h.value.shl(precision.toI64U()).or(l.value.eqz().xor(1).toI64U()));
  const kept = (): I64 => h.value.and(I64.of(0).sub(unit));
  const up = (): I32 => {
    const r = code.let(rest()), k = code.let(kept());
    return code.let(goesUp(mode, r, k.and(unit).eqz().xor(1), sign));
  };
  code.if(e.value.ltS(least), () => {
    const carries = code.let(up().and(kept().add(unit).eqz()).and(e.value.eq(least.sub(1))));
    code.set(tiny, carries.xor(1));
    code.if(tiny.value.and(control.and(Bit.U).eqz()), () => {
      code.set(flags, I32.of(Bit.U));
      code.set(e, e.value.add(24576));
    }, () => {
      shiftRight(code, h, l, code.let(least.sub(e.value)));
      code.set(e, least);
    });
  });
  const r = code.let(rest());
  const increment = up();
  code.set(h, kept());
  code.if(increment, () => {
    code.set(h, h.value.add(unit));
    code.set(flags, flags.value.or(Bit.C1));
    code.if(h.value.eqz(), () => {
      code.set(h, I64.of(topBit));
      code.set(e, e.value.add(1));
    });
  });
  code.if(r.eqz().eqz(), () => code.set(flags, flags.value.or(Bit.P).or(tiny.value.shl(4))));
  code.if(e.value.gtS(greatest).and(flags.value.and(Bit.U).eqz().or(control.and(Bit.U))), () => {
    code.if(control.and(Bit.O), () => {
      const toInfinity = code.let(mode.eqz().or(mode.eq(1).and(sign)).or(mode.eq(2).and(sign.xor(1))));
      code.set(flags, toInfinity.mul(Bit.C1).or(Bit.O | Bit.P));
      code.set(h, select(toInfinity, I64.of(topBit), I64.of(0).sub(unit)));
      code.set(e, select(toInfinity, I32.of(0x7fff), greatest));
    }, () => {
      code.set(flags, flags.value.or(Bit.O));
      code.set(e, e.value.sub(24576));
    });
  });
  setResult(code, h.value, sign.shl(15).or(select(h.value.ltS(0), e.value, I32.of(0))));
  code.return(flags.value);
}

/** (double) -> 1 if RESULT (an i64) may be stored: ST(0) as a float. */
function x87ToFloat(code: Code, helpers: Helpers): void {
  const double = code.parameter(0, 'i32');
  const pick = (a: number, b: number): I32 => select(double, I32.of(a), I32.of(b));
  const number = code.let(physical(0)), from = code.let(addressOf(number));
  const flags = code.variable(I32.of(0)), m = code.variable(load64(from)), se = code.variable(load32(from, 8));
  const exponent = code.let(se.value.and(0x7fff));
  const bad = code.let(exponent.eqz().xor(1).and(m.value.geS(0)));
  const width = code.let(pick(52, 23)), limit = code.let(pick(0x7ff, 0xff));
  const e = code.variable(I32.of(0));
  code.if(isFull(number).eqz().or(bad), () => {
    code.set(flags, select(isFull(number), I32.of(Bit.I), I32.of(Bit.I | Bit.SF)));
    code.set(m, I64.of(3n << 62n));
    code.set(se, I32.of(0xffff));
    code.set(e, limit);
  }, () => code.if(exponent.eq(0x7fff), () => {
    const nan = code.let(m.value.shl(1).eqz().xor(1));
    code.set(flags, nan.and(m.value.shrU(62).toI32().xor(1)).and(1));
    code.set(m, m.value.or(nan.toI64U().shl(62)));
    code.set(e, limit);
  }, () => code.if(m.value.eqz().xor(1), () => {
    const zeros = code.let(m.value.clz());
    const least = code.let(pick(15361, 16257));
    const biased = select(exponent, exponent, I32.of(1)).sub(zeros.toI32());
    // A denormal is tiny in any case, so its own D is not reported.
    code.set(flags, call(helpers, 'x87Round', se.value.shrU(15), biased, m.value.shl(zeros), I64.of(0), pick(53, 24), least, pick(17406, 16510)));
    // A store that an unmasked exception forbids was not inexact.
    const forbidden = flags.value.and(load32(CONTROL).xor(-1)).and(Bit.O | Bit.U);
    code.set(flags, select(forbidden, flags.value.and(Bit.O | Bit.U), flags.value));
    code.set(m, load64(RESULT));
    const rounded = code.let(load32(RESULT + 8).and(0x7fff));
    code.set(e, select(m.value.eqz().or(rounded.eqz()), I32.of(0), select(rounded.eq(0x7fff), limit, rounded.sub(least).add(1))));
  })));
  const fraction = m.value.shl(1).shrU(I64.of(64).sub(width.toI64U()));
  const bits = code.let(fraction.or(e.value.toI64U().shl(width.toI64U())).or(se.value.shrU(15).toI64U().shl(pick(63, 31).toI64U())));
  const unmasked = code.let(call(helpers, 'x87Note', flags.value).and(0x1f));
  code.store64(RESULT, bits);
  code.return(unmasked.eqz());
}

/** (bits, truncate) -> 1 if RESULT (an i64) may be stored: ST(0) as an integer of 16, 32 or 64 bits. */
function x87ToInt(code: Code, helpers: Helpers): void {
  const width = code.parameter(0, 'i32'), truncate = code.parameter(1, 'i32');
  const number = code.let(physical(0)), from = code.let(addressOf(number));
  const m = code.let(load64(from)), se = code.let(load32(from, 8)), exponent = code.let(se.and(0x7fff)), sign = code.let(se.shrU(15));
  const least = code.let(I64.of(1).shl(width.sub(1).toI64U()));
  const flags = code.variable(I32.of(Bit.I)), value = code.variable(least);
  const bad = exponent.eqz().xor(1).and(m.geS(0)).or(exponent.gtS(16383 + 63));
  code.if(isFull(number).eqz(), () => code.set(flags, I32.of(Bit.I | Bit.SF)), () => code.if(bad.eqz(), () => {
    const h = code.variable(m), l = code.variable(I64.of(0));
    shiftRight(code, h, l, code.let(I32.of(16383 + 63).sub(exponent)));
    const mode = code.let(select(truncate, I32.of(3), load32(CONTROL).shrU(10).and(3)));
    const up = code.let(goesUp(mode, l.value, h.value.toI32().and(1), sign));
    const carried = code.let(up.and(h.value.eq(-1)));
    code.set(h, h.value.add(up.toI64U()));
    code.if(carried.or(h.value.gtU(least.sub(sign.xor(1).toI64U()))).eqz(), () => {
      code.set(flags, l.value.eqz().xor(1).mul(Bit.P).or(up.mul(Bit.C1)));
      code.set(value, select(sign, I64.of(0).sub(h.value), h.value));
    });
  }));
  const unmasked = code.let(call(helpers, 'x87Note', flags.value).and(1));
  code.store64(RESULT, value.value);
  code.return(unmasked.eqz());
}

/** () -> 1 if done: ST(0) = ST(0) rounded to an integer. */
function x87RoundInt(code: Code, helpers: Helpers): void {
  const number = code.let(physical(0)), from = code.let(addressOf(number));
  const m = code.let(load64(from)), se = code.let(load32(from, 8)), exponent = code.let(se.and(0x7fff)), sign = code.let(se.shrU(15));
  const flags = code.variable(I32.of(Bit.I));
  const bad = exponent.eqz().xor(1).and(m.geS(0));
  code.if(isFull(number).eqz(), () => {
    code.set(flags, I32.of(Bit.I | Bit.SF));
    indefinite(code);
  }, () => code.if(bad, () => indefinite(code), () => code.if(m.eqz().or(exponent.geS(16383 + 63)), () => {
    const nan = code.let(exponent.eq(0x7fff).and(m.shl(1).eqz().xor(1)));
    code.set(flags, nan.and(m.shrU(62).toI32().and(1).xor(1)));
    setResult(code, m.or(nan.toI64U().shl(62)), se);
  }, () => {
    const denormal = code.let(exponent.eqz());
    const h = code.variable(m), l = code.variable(I64.of(0));
    shiftRight(code, h, l, code.let(I32.of(16383 + 63).sub(exponent)));
    const up = code.let(goesUp(load32(CONTROL).shrU(10).and(3), l.value, h.value.toI32().and(1), sign));
    code.set(flags, denormal.shl(1).or(l.value.eqz().xor(1).mul(Bit.P)).or(up.mul(Bit.C1)));
    code.set(h, h.value.add(up.toI64U()));
    const zeros = code.let(h.value.clz());
    const biased = select(h.value.eqz(), I32.of(0), I32.of(16383 + 63).sub(zeros.toI32()));
    setResult(code, h.value.shl(zeros), sign.shl(15).or(biased));
    code.if(flags.value.and(load32(CONTROL).xor(-1)).and(Bit.D), () => code.set(flags, I32.of(Bit.D)));
  })));
  code.return(call(helpers, 'x87Write', I32.of(0), flags.value));
}

/** (sign, exponent, h, l) -> exceptions: as `x87Round`, to the precision of the control word. */
function x87RoundControl(code: Code, helpers: Helpers): void {
  const control = code.let(load32(CONTROL).shrU(8).and(3));
  const precision = select(control.eqz(), I32.of(24), select(control.eq(2), I32.of(53), I32.of(64)));
  code.return(call(helpers, 'x87Round', code.parameter(0, 'i32'), code.parameter(1, 'i32'), code.parameter(2, 'i64'), code.parameter(3, 'i64'),
    precision, I32.of(1), I32.of(0x7ffe)));
}

export const x87RoundingHelpers: HelperDefinitions = {
  x87Round: { parameters: ['i32', 'i32', 'i64', 'i64', 'i32', 'i32', 'i32'], result: 'i32', body: x87Round },
  x87RoundControl: { parameters: ['i32', 'i32', 'i64', 'i64'], result: 'i32', body: x87RoundControl },
  x87RoundInt: { parameters: [], result: 'i32', body: x87RoundInt },
  x87ToFloat: { parameters: ['i32'], result: 'i32', body: x87ToFloat },
  x87ToInt: { parameters: ['i32', 'i32'], result: 'i32', body: x87ToInt },
};
