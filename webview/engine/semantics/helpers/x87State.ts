/**
 * x87 helpers' common ground. Numbers are handed on in memory: 16 bytes as in the register file (i64 mantissa, sign and exponent). Exceptions
 * are handed on as bits of the status word (SDM vol. 1 8.1.3), with C1 where it says "rounded up" or "stack overflow".
 */
import { callValue, load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { STATE, Scratch, Slot } from '../../state.ts';
import type { HelperDefinitions, Helpers } from '../contract.ts';

/** Where a memory operand is put, and where results are. */
export const OPERAND = Scratch.x87Operand;
export const RESULT = Scratch.x87Result;
export const CONTROL = STATE + Slot.fpuControl, STATUS = STATE + Slot.fpuStatus, TOP = STATE + Slot.fpuTop, TAGS = STATE + Slot.fpuTags;
export const Bit = { I: 1, D: 2, Z: 4, O: 8, U: 16, P: 32, SF: 64, C1: 0x200 } as const;
export const topBit = 1n << 63n;

export const physical = (i: I32 | number): I32 => load32(TOP).add(i).and(7);
export const addressOf = (number: I32): I32 => number.shl(4).add(STATE + Slot.x87);
export const call = (helpers: Helpers, name: string, ...args: Parameters<typeof callValue>[1][]): I32 => callValue(helpers.get<'i32'>(name), ...args);
export const isFull = (number: I32): I32 => load32(TAGS).shrU(number).and(1);

export function setResult(code: Code, mantissa: I64 | bigint | number, exponent: I32 | number): void {
  code.store64(RESULT, mantissa);
  code.store64(RESULT + 8, I32.of(exponent).toI64U());
}
/** The QNaN that masked invalid operations give. */
export const indefinite = (code: Code): void => setResult(code, 3n << 62n, 0xffff);

/** (flags) -> flags of them that are unmasked: notes exceptions in the status word. */
function x87Note(code: Code): void {
  const flags = code.parameter(0, 'i32');
  const status = code.let(load32(STATUS).and(~Bit.C1).or(flags));
  const unmasked = code.let(flags.and(load32(CONTROL).xor(-1)).and(0x3f));
  code.store32(STATUS, status.or(unmasked.eqz().eqz().mul(0x8080)));
  code.return(unmasked);
}

/** (flags, quiet): pushes RESULT; with `quiet`, an SNaN becomes quiet. */
function x87Push(code: Code, helpers: Helpers): void {
  const flags = code.variable(code.parameter(0, 'i32'));
  const to = code.let(physical(7));
  code.if(isFull(to), () => {
    code.set(flags, select(flags.value.and(Bit.SF), I32.of(Bit.I | Bit.SF), I32.of(Bit.I | Bit.SF | Bit.C1)));
    indefinite(code);
  }, () => code.if(flags.value.and(Bit.I), () => code.store64(RESULT, load64(RESULT).or(1n << 62n))));
  // An unmasked D comes with the push, on AMD's processors.
  code.if(call(helpers, 'x87Note', flags.value).and(Bit.I), () => code.return());
  code.store32(TOP, to);
  code.store32(TAGS, load32(TAGS).or(I32.of(1).shl(to)));
  store(code, addressOf(to));
}

function store(code: Code, to: I32): void {
  code.store64(to, load64(RESULT));
  code.store64(to, load64(RESULT + 8), 8);
}

/** (): frees ST(0). */
function x87Pop(code: Code): void {
  const top = code.let(load32(TOP));
  code.store32(TAGS, load32(TAGS).and(I32.of(1).shl(top).xor(-1)));
  code.store32(TOP, top.add(1).and(7));
}

/** (i, flags) -> 1 if RESULT went to ST(i), 0 if an unmasked exception forbade it. */
function x87Write(code: Code, helpers: Helpers): void {
  code.if(call(helpers, 'x87Note', code.parameter(1, 'i32')).and(7), () => code.return(I32.of(0)));
  const to = code.let(physical(code.parameter(0, 'i32')));
  code.store32(TAGS, load32(TAGS).or(I32.of(1).shl(to)));
  store(code, addressOf(to));
  code.return(I32.of(1));
}

/** (bits, double) -> D or I; RESULT is the number, an SNaN still signalling. */
function x87FromFloat(code: Code): void {
  const bits = code.parameter(0, 'i64'), double = code.parameter(1, 'i32');
  const pick = (a: number, b: number): I32 => select(double, I32.of(a), I32.of(b));
  const width = code.let(pick(52, 23)), wide = code.let(width.toI64U());
  const limit = code.let(pick(0x7ff, 0xff));
  const exponent = code.let(bits.shrU(wide).toI32().and(limit));
  const sign = code.let(bits.shrU(pick(63, 31).toI64U()).toI32().and(1).shl(15));
  const fraction = code.let(bits.shl(I64.of(64).sub(wide)).shrU(1));
  code.if(exponent.eqz(), () => {
    code.if(fraction.eqz(), () => { setResult(code, 0, sign); code.return(I32.of(0)); });
    const zeros = code.let(fraction.clz());
    setResult(code, fraction.shl(zeros), sign.or(pick(15361, 16257).sub(zeros.toI32())));
    code.return(I32.of(Bit.D));
  });
  code.if(exponent.eq(limit), () => {
    setResult(code, fraction.or(topBit), sign.or(0x7fff));
    code.return(fraction.eqz().xor(1).and(fraction.shrU(62).toI32().xor(1)));
  });
  setResult(code, fraction.or(topBit), sign.or(exponent.add(pick(15360, 16256))));
  code.return(I32.of(0));
}

/** (signed integer): RESULT. */
function x87FromInt(code: Code): void {
  const value = code.parameter(0, 'i64');
  code.if(value.eqz(), () => { setResult(code, 0, 0); code.return(); });
  const negative = code.let(value.shrS(63));
  const magnitude = code.let(value.xor(negative).sub(negative)), zeros = code.let(magnitude.clz());
  setResult(code, magnitude.shl(zeros), negative.toI32().and(0x8000).or(I32.of(0x403e).sub(zeros.toI32())));
}

/** (): OPERAND = RESULT. */
function x87Operand(code: Code): void {
  store(code, I32.of(OPERAND));
}

export const x87StateHelpers: HelperDefinitions = {
  x87Note: { parameters: ['i32'], result: 'i32', body: x87Note },
  x87Push: { parameters: ['i32'], result: undefined, body: x87Push },
  x87Pop: { parameters: [], result: undefined, body: x87Pop },
  x87Write: { parameters: ['i32', 'i32'], result: 'i32', body: x87Write },
  x87FromFloat: { parameters: ['i64', 'i32'], result: 'i32', body: code => { x87FromFloat(code); code.unreachable(); } },
  x87FromInt: { parameters: ['i64'], result: undefined, body: x87FromInt },
  x87Operand: { parameters: [], result: undefined, body: x87Operand },
};
