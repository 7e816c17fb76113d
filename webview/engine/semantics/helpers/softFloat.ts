/**
 * Exact binary floating point in integers: all rounding modes, DAZ, FTZ and the exception flags of MXCSR (SDM vol. 1, 4.8, 4.9, 11.5).
 * Numbers are bit patterns in an i64, for singles as for doubles. Flags that an operation raises are gathered at `raised`, until
 * `raiseSimd` puts them into MXCSR. The fast paths of sseFloat.ts come here for whatever isn't plain.
 */
import { callValue, load32, load64, type Code, type Variable } from '../../wasm/code.ts';
import { F64, I32, I64, V128, select } from '../../wasm/values.ts';
import { STATE, Scratch, Slot } from '../../state.ts';
import type { HelperDefinition, HelperDefinitions, Helpers } from '../contract.ts';

const raised = Scratch.raised;
/** Bits of MXCSR. */
const Mx = { IE: 1, DE: 2, ZE: 4, OE: 8, UE: 16, PE: 32, DAZ: 0x40, OM: 0x400, UM: 0x800, FTZ: 0x8000 } as const;
const mxcsr = (): I32 => load32(STATE + Slot.mxcsr);
const rounding = (): I32 => mxcsr().shrU(13).and(3);
const raise = (code: Code, flags: I32 | number): void => code.store32(raised, load32(raised).or(flags));

/** A binary format of IEEE 754. */
class Format {
  readonly width: 32 | 64;
  /** Bits of the significand with the leading one. */
  readonly precision: number;
  readonly maxExponent: number;
  readonly bias: number;
  constructor(width: 32 | 64) {
    this.width = width;
    this.precision = width === 32 ? 24 : 53;
    this.maxExponent = width === 32 ? 255 : 2047;
    this.bias = this.maxExponent >> 1;
  }
  get #one(): bigint { return 1n << BigInt(this.precision - 1); }
  get signBit(): bigint { return 1n << BigInt(this.width - 1); }
  get infinity(): bigint { return BigInt(this.maxExponent) * this.#one; }
  get quietBit(): bigint { return this.#one >> 1n; }
  /** The NaN of an invalid operation. */
  get indefinite(): bigint { return this.signBit | this.infinity | this.quietBit; }
  sign(x: I64): I64 { return x.and(this.signBit); }
  magnitude(x: I64): I64 { return x.and(this.signBit - 1n); }
  exponent(x: I64): I32 { return x.shrU(this.precision - 1).toI32().and(this.maxExponent); }
  fraction(x: I64): I64 { return x.and(this.#one - 1n); }
  isNaN(x: I64): I32 { return this.magnitude(x).gtU(this.infinity); }
  isSignalling(x: I64): I32 { return this.isNaN(x).and(x.and(this.quietBit).eqz()); }
  isInfinite(x: I64): I32 { return this.magnitude(x).eq(this.infinity); }
  isZero(x: I64): I32 { return this.magnitude(x).eqz(); }
  isDenormal(x: I64): I32 { return this.magnitude(x).sub(1).ltU(this.#one - 1n); }

  /** Significand with its leading one at bit 63, and exponent; of a finite number other than zero. */
  unpack(code: Code, x: I64): { m: I64; e: I32 } {
    const e = code.let(this.exponent(x));
    const raw = code.let(select(e.eqz(), this.fraction(x), this.fraction(x).or(this.#one)).shl(64 - this.precision));
    const zeros = code.let(raw.clz());
    return { m: code.let(raw.shl(zeros)), e: code.let(select(e.eqz(), I32.of(1), e).sub(zeros.toI32())) };
  }
}
const formats = { 32: new Format(32), 64: new Format(64) } as const;
type Width = 32 | 64;

/** m >> by (0 to 63 or more), with everything that is lost in the lowest bit. */
function shiftRightSticky(m: I64, by: I32): I64 {
  const wide = by.toI64U();
  const lost = m.shl(I64.of(64).sub(wide)).ne(0).and(by.ne(0));
  return select(by.gtU(63), m.ne(0).toI64U(), m.shrU(wide).or(lost.toI64U()));
}

/** 1 where a significand is to be rounded up: `low` is what is cut off, of `drop` bits; `q` what remains. */
function increment(code: Code, sign: I64, q: I64, low: I64, drop: number): I64 {
  const half = 1n << BigInt(drop - 1), mode = code.let(rounding());
  const nearest = low.gtU(half).or(low.eq(half).and(q.toI32().and(1)));
  const directed = low.ne(0).and(select(mode.eq(1), sign.ne(0), mode.eq(2).and(sign.eqz())));
  return select(mode.eqz(), nearest, directed).toI64U();
}

/** (sign bit, exponent, significand other than 0 whose bit 61 has the exponent's weight, lowest bit sticky) -> the number. */
function roundPack(width: Width): HelperDefinition {
  const f = formats[width], drop = 64 - f.precision, lowMask = (1n << BigInt(drop)) - 1n, top = 1n << BigInt(f.precision);
  return {
    parameters: ['i64', 'i32', 'i64'], result: 'i64',
    body(code) {
      const sign = code.parameter(0, 'i64'), zeros = code.let(code.parameter(2, 'i64').clz());
      const m = code.let(code.parameter(2, 'i64').shl(zeros)), e = code.variable(code.parameter(1, 'i32').add(2).sub(zeros.toI32()));
      const cut = code.let(m.shrU(drop)), low = code.let(m.and(lowMask));
      const q = code.variable(cut.add(increment(code, sign, cut, low, drop)));
      code.if(e.value.gtS(0), () => {
        code.if(q.value.eq(top), () => code.set(e, e.value.add(1)));
        code.if(e.value.geS(f.maxExponent), () => {
          // Not masked, it is inexact only if it were without a limit to the exponent.
          raise(code, select(mxcsr().and(Mx.OM).ne(0).or(low.ne(0)), I32.of(Mx.OE | Mx.PE), I32.of(Mx.OE)));
          const mode = code.let(rounding());
          const toInfinity = mode.eqz().or(select(sign.eqz(), mode.eq(2), mode.eq(1)));
          code.return(sign.or(select(toInfinity, I64.of(f.infinity), I64.of(f.infinity - 1n))));
        });
        code.if(low.ne(0), () => raise(code, Mx.PE));
        // The leading one adds 1 to the exponent; of a carry only the exponent is left.
        const packed = e.value.sub(1).toI64U().shl(f.precision - 1).add(select(q.value.eq(top), I64.of(top / 2n), q.value));
        code.return(sign.or(packed));
      });
      const tiny = code.let(e.value.eqz().and(q.value.eq(top)).eqz());
      const shifted = code.let(shiftRightSticky(m, code.let(I32.of(1).sub(e.value))));
      const cut2 = code.let(shifted.shrU(drop)), low2 = code.let(shifted.and(lowMask));
      const inexact = code.let(low2.ne(0));
      code.if(tiny, () => {
        code.if(mxcsr().and(Mx.UM).eqz(), () => {
          raise(code, Mx.UE);
          code.if(low.ne(0), () => raise(code, Mx.PE));
          code.return(sign);
        }, () => {
          code.if(mxcsr().and(Mx.FTZ), () => {
            raise(code, Mx.UE | Mx.PE);
            code.return(sign);
          });
          code.if(inexact, () => raise(code, Mx.UE));
        });
      });
      code.if(inexact, () => raise(code, Mx.PE));
      code.return(sign.or(cut2.add(increment(code, sign, cut2, low2, drop))));
    },
  };
}

/** What an operation begins with: DAZ, NaNs (the first operand's wins, made quiet). */
function operands(code: Code, f: Format, unary = false): { a: I64; b: I64 } {
  const a = code.variable(code.parameter(0, 'i64')), b = code.variable(unary ? I64.of(0) : code.parameter(1, 'i64'));
  code.if(mxcsr().and(Mx.DAZ), () => {
    for (const x of [a, b]) code.if(f.isDenormal(x.value), () => code.set(x, f.sign(x.value)));
  });
  code.if(f.isNaN(a.value).or(f.isNaN(b.value)), () => {
    code.if(f.isSignalling(a.value).or(f.isSignalling(b.value)), () => raise(code, Mx.IE));
    code.return(select(f.isNaN(a.value), a.value, b.value).or(f.quietBit));
  });
  return { a: code.let(a.value), b: code.let(b.value) };
}

function invalidIf(code: Code, f: Format, condition: I32): void {
  code.if(condition, () => {
    raise(code, Mx.IE);
    code.return(I64.of(f.indefinite));
  });
}
function denormals(code: Code, f: Format, ...values: I64[]): void {
  code.if(values.map(x => f.isDenormal(x)).reduce((x, y) => x.or(y)), () => raise(code, Mx.DE));
}

type Body = (code: Code, helpers: Helpers, f: Format) => void;
const pack = (helpers: Helpers, f: Format, sign: I64, e: I32, m: I64): I64 => callValue(helpers.get<'i64'>(`roundPack${f.width}`), sign, e, m);

const sum = (subtract: boolean): Body => (code, helpers, f) => {
  const given = operands(code, f), a = given.a, b = code.let(subtract ? given.b.xor(f.signBit) : given.b);
  const differ = code.let(f.sign(a.xor(b)).ne(0));
  invalidIf(code, f, f.isInfinite(a).and(f.isInfinite(b)).and(differ));
  denormals(code, f, a, b);
  code.if(f.isInfinite(a), () => code.return(a));
  code.if(f.isInfinite(b), () => code.return(b));
  const aIsLarger = code.let(f.magnitude(a).geU(f.magnitude(b)));
  const large = code.let(select(aIsLarger, a, b)), small = code.let(select(aIsLarger, b, a));
  const one = 1n << BigInt(f.precision - 1), shift = 62 - f.precision;
  const significand = (x: I64): I64 => select(f.exponent(x).eqz(), f.fraction(x), f.fraction(x).or(one)).shl(shift);
  const exponent = (x: I64): I32 => select(f.exponent(x).eqz(), I32.of(1), f.exponent(x));
  const e = code.let(exponent(large)), distance = code.let(e.sub(exponent(small)));
  const m = code.let(significand(large)), n = code.let(shiftRightSticky(code.let(significand(small)), distance));
  const r = code.let(select(differ, m.sub(n), m.add(n)));
  code.if(r.eqz(), () => code.return(select(differ, select(rounding().eq(1), I64.of(f.signBit), I64.of(0)), f.sign(a))));
  code.return(pack(helpers, f, f.sign(large), e, r));
};

const multiply: Body = (code, helpers, f) => {
  const { a, b } = operands(code, f), sign = code.let(f.sign(a.xor(b)));
  invalidIf(code, f, f.isInfinite(a).and(f.isZero(b)).or(f.isZero(a).and(f.isInfinite(b))));
  denormals(code, f, a, b);
  code.if(f.isInfinite(a).or(f.isInfinite(b)), () => code.return(sign.or(f.infinity)));
  code.if(f.isZero(a).or(f.isZero(b)), () => code.return(sign));
  const x = f.unpack(code, a), y = f.unpack(code, b);
  const m = code.let(callValue(helpers.get<'i64'>('mulHigh'), x.m, y.m).or(x.m.mul(y.m).ne(0).toI64U()));
  code.return(pack(helpers, f, sign, x.e.add(y.e).sub(f.bias + 1), m));
};

const divide: Body = (code, helpers, f) => {
  const { a, b } = operands(code, f), sign = code.let(f.sign(a.xor(b)));
  invalidIf(code, f, f.isInfinite(a).and(f.isInfinite(b)).or(f.isZero(a).and(f.isZero(b))));
  code.if(f.isZero(b), () => {
    code.if(f.isInfinite(a).eqz(), () => raise(code, Mx.ZE));
    code.return(sign.or(f.infinity));
  });
  denormals(code, f, a, b);
  code.if(f.isInfinite(a), () => code.return(sign.or(f.infinity)));
  code.if(f.isInfinite(b).or(f.isZero(a)), () => code.return(sign));
  const x = f.unpack(code, a), y = f.unpack(code, b);
  const quotient = code.let(callValue(helpers.get<'i64'>('divide128'), x.m.shrU(1), x.m.shl(63), y.m));
  code.return(pack(helpers, f, sign, x.e.sub(y.e).add(f.bias - 2), quotient.or(load64(Scratch.remainder).ne(0).toI64U())));
};

/** From the root of a double, which is right to 53 bits: the sign of what is missing makes the sticky bit. */
const root: Body = (code, helpers, f) => {
  const { a } = operands(code, f, true);
  code.if(f.isZero(a), () => code.return(a));
  invalidIf(code, f, f.sign(a).ne(0));
  denormals(code, f, a);
  code.if(f.isInfinite(a), () => code.return(a));
  const { m, e } = f.unpack(code, a), power = code.let(e.sub(f.bias)), odd = code.let(power.and(1));
  const n = code.let(m.shrU(11).shl(odd.toI64U()));
  const r = code.let(n.toF64U().mul(F64.of(2 ** 52)).sqrt().toI64U());
  const rest = code.let(r.mul(r).sub(n.shl(52)));
  const exact = r.shl(10);
  const sticky = code.let(select(rest.eqz(), exact, select(rest.ltS(0), exact.or(1), exact.sub(1))));
  code.return(pack(helpers, f, I64.of(0), power.sub(odd).shrS(1).add(f.bias - 1), sticky));
};

/** Double to single. */
const narrow: Body = (code, helpers) => {
  const f = formats[64], to = formats[32], x = code.variable(code.parameter(0, 'i64'));
  const sign = code.let(f.sign(x.value).shrU(32));
  code.if(f.isNaN(x.value), () => {
    code.if(f.isSignalling(x.value), () => raise(code, Mx.IE));
    code.return(sign.or(to.infinity | to.quietBit).or(f.fraction(x.value).shrU(29)));
  });
  code.if(mxcsr().and(Mx.DAZ).ne(0).and(f.isDenormal(x.value)), () => code.set(x, f.sign(x.value)));
  denormals(code, f, x.value);
  code.if(f.isInfinite(x.value), () => code.return(sign.or(to.infinity)));
  code.if(f.isZero(x.value), () => code.return(sign));
  const { m, e } = f.unpack(code, x.value);
  code.return(pack(helpers, to, sign, e.sub(f.bias - to.bias + 2), m));
};

/** Single to double. */
const widen: Body = code => {
  const f = formats[32], to = formats[64], x = code.variable(code.parameter(0, 'i64'));
  const sign = code.let(f.sign(x.value).shl(32));
  code.if(f.isNaN(x.value), () => {
    code.if(f.isSignalling(x.value), () => raise(code, Mx.IE));
    code.return(sign.or(to.infinity | to.quietBit).or(f.fraction(x.value).shl(29)));
  });
  code.if(mxcsr().and(Mx.DAZ).ne(0).and(f.isDenormal(x.value)), () => code.set(x, f.sign(x.value)));
  denormals(code, f, x.value);
  code.if(f.isInfinite(x.value), () => code.return(sign.or(to.infinity)));
  code.if(f.isZero(x.value), () => code.return(sign));
  const { m, e } = f.unpack(code, x.value);
  code.return(sign.or(e.add(to.bias - f.bias - 1).toI64U().shl(52).add(m.shrU(11))));
};

/** A signed integer to a number. */
const fromInteger: Body = (code, helpers, f) => {
  const x = code.parameter(0, 'i64'), negative = code.let(x.ltS(0));
  code.if(x.eqz(), () => code.return(x));
  code.return(pack(helpers, f, select(negative, I64.of(f.signBit), I64.of(0)), I32.of(f.bias + 61), select(negative, I64.of(0).sub(x), x)));
};

/** MIN, MAX: the second operand if either is a NaN or both are zero. */
const extreme = (greatest: boolean): Body => (code, _helpers, f) => {
  const a = code.variable(code.parameter(0, 'i64')), b = code.variable(code.parameter(1, 'i64'));
  const relation = code.let(relate(code, f, a, b, I32.of(1)));
  code.return(select(relation.eq(greatest ? Relation.greater : Relation.less), a.value, b.value));
};

/** How two numbers compare. */
const Relation = { less: 0, equal: 1, greater: 2, unordered: 3 } as const;

/** Flags of a comparison and its outcome; denormals become zero in `x` and `y` with DAZ. `quiet` NaNs raise too if `loud` isn't 0. */
function relate(code: Code, f: Format, x: Variable<I64>, y: Variable<I64>, loud: I32): I32 {
  const outcome = code.variable(I32.of(Relation.unordered));
  code.if(mxcsr().and(Mx.DAZ), () => {
    for (const v of [x, y]) code.if(f.isDenormal(v.value), () => code.set(v, f.sign(v.value)));
  });
  code.if(f.isNaN(x.value).or(f.isNaN(y.value)), () => {
    code.if(loud.or(f.isSignalling(x.value)).or(f.isSignalling(y.value)), () => raise(code, Mx.IE));
  }, () => {
    denormals(code, f, x.value, y.value);
    // As integers in two's complement; both zeros are 0.
    const order = (v: I64): I64 => select(f.sign(v).ne(0), I64.of(0).sub(f.magnitude(v)), v);
    const p = code.let(order(x.value)), q = code.let(order(y.value));
    code.set(outcome, select(p.ltS(q), I32.of(Relation.less), select(p.eq(q), I32.of(Relation.equal), I32.of(Relation.greater))));
  });
  return outcome.value;
}

function compare(width: Width): HelperDefinition {
  return {
    parameters: ['i64', 'i64', 'i32'], result: 'i32',
    body: code => code.return(relate(code, formats[width], code.variable(code.parameter(0, 'i64')), code.variable(code.parameter(1, 'i64')), code.parameter(2, 'i32'))),
  };
}

/** (number, rounding mode) -> the integer, or the least one if it doesn't fit. Denormals raise nothing but inexact. */
function toInteger(from: Width, to: Width): HelperDefinition {
  const f = formats[from], limit = 2 ** (to - 1);
  return {
    parameters: ['i64', 'i32'], result: 'i64',
    body(code, helpers) {
      const bits = code.let(flushed(f, code.parameter(0, 'i64'))), mode = code.parameter(1, 'i32');
      const x = code.let(from === 64 ? bits.asF64() : bits.toI32().asF32().toF64());
      const r = code.let(callValue(helpers.get<'f64'>('roundF64'), x, mode));
      code.if(r.lt(F64.of(limit)).and(r.ge(F64.of(-limit))).eqz(), () => {
        raise(code, Mx.IE);
        code.return(I64.of(-(1n << BigInt(to - 1))));
      });
      code.if(r.ne(x), () => raise(code, Mx.PE));
      code.return(r.toI64S());
    },
  };
}

const flushed = (f: Format, x: I64): I64 => select(mxcsr().and(Mx.DAZ).ne(0).and(f.isDenormal(x)), f.sign(x), x);

/** (number, rounding mode; bit 3: without inexact) -> the number rounded to an integer. */
const toIntegral: Body = (code, helpers, f) => {
  const bits = code.let(flushed(f, code.parameter(0, 'i64'))), control = code.parameter(1, 'i32');
  code.if(f.isNaN(bits), () => {
    code.if(f.isSignalling(bits), () => raise(code, Mx.IE));
    code.return(bits.or(f.quietBit));
  });
  const mode = control.and(3);
  const r = code.let(f.width === 64 ? callValue(helpers.get<'f64'>('roundF64'), bits.asF64(), mode).asI64()
    : callValue(helpers.get<'f32'>('roundF32'), bits.toI32().asF32(), mode).asI32().toI64U());
  code.if(r.ne(bits).and(control.and(8).eqz()), () => raise(code, Mx.PE));
  code.return(r);
};

/** Puts the gathered flags into MXCSR; 1 if one of them is not masked. Of exceptions before the computation only those are told then. */
function raiseSimd(code: Code): void {
  const flags = code.let(load32(raised)), unmasked = code.let(mxcsr().shrU(7).and(63).xor(63));
  code.store32(raised, 0);
  const before = flags.and(Mx.IE | Mx.DE | Mx.ZE);
  const told = code.let(select(before.and(unmasked), before, flags));
  code.store32(STATE + Slot.mxcsr, mxcsr().or(told));
  code.return(told.and(unmasked).ne(0));
}

/** A helper for all lanes from those for one: `nameOf` lane. */
function lanes(nameOf: (lane: number) => string, width: Width): HelperDefinition {
  return {
    parameters: ['v128', 'v128'], result: 'v128',
    body(code, helpers) {
      const [a, b] = [code.parameter(0, 'v128'), code.parameter(1, 'v128')], r = code.variable(a);
      for (let i = 0; i < 128 / width; i++) {
        const bits = (v: V128): I64 => (width === 64 ? v.extract64(i) : v.extract32(i).toI64U());
        const args = unaryNames.has(nameOf(i)) ? [bits(a)] : [bits(a), bits(b)];
        const value = code.let(callValue(helpers.get<'i64'>(`${nameOf(i)}${width}`), ...args));
        code.set(r, width === 64 ? r.value.replace64(i, value) : r.value.replace32(i, value.toI32()));
      }
      code.return(r.value);
    },
  };
}

const unaryNames = new Set(['softSqrt', 'softFromInteger']);
const bodies: Readonly<Record<string, Body>> = {
  softAdd: sum(false), softSub: sum(true), softMul: multiply, softDiv: divide, softSqrt: root, softFromInteger: fromInteger,
  softMin: extreme(false), softMax: extreme(true),
};

function forWidth(width: Width): HelperDefinitions {
  const made: Record<string, HelperDefinition> = { [`roundPack${width}`]: roundPack(width), [`softCompare${width}`]: compare(width) };
  for (const to of [32, 64] as const) made[`toInteger${width}To${to}`] = toInteger(width, to);
  made[`softRound${width}`] = { parameters: ['i64', 'i32'], result: 'i64', body: (code, helpers) => toIntegral(code, helpers, formats[width]) };
  for (const [name, body] of Object.entries(bodies)) {
    const parameters = unaryNames.has(name) ? ['i64'] as const : ['i64', 'i64'] as const;
    made[`${name}${width}`] = { parameters, result: 'i64', body: (code, helpers) => body(code, helpers, formats[width]) };
    if (name !== 'softFromInteger') made[`${name}Lanes${width}`] = lanes(() => name, width);
  }
  // ADDSUBPx.
  made[`softAddSubLanes${width}`] = lanes(i => (i & 1 ? 'softAdd' : 'softSub'), width);
  return made;
}

const definitions: HelperDefinitions = {
  ...forWidth(32), ...forWidth(64),
  softNarrow: { parameters: ['i64'], result: 'i64', body: (code, helpers) => narrow(code, helpers, formats[64]) },
  softWiden: { parameters: ['i64'], result: 'i64', body: (code, helpers) => widen(code, helpers, formats[32]) },
  raiseSimd: { parameters: [], result: 'i32', body: raiseSimd },
};

/** Descriptions look before they call. */
export const softFloatHelpers: HelperDefinitions = Object.fromEntries(Object.entries(definitions).map(([name, definition]) => [name, { ...definition, isRare: true }]));
