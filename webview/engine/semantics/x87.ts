/**
 * x87: moves, loads, stores, control. Numbers are worked on by helpers (helpers/x87*.ts). SDM vol. 1 chapter 8. Not kept: opcode and addresses
 * of the last instruction; FNSTENV and FNSAVE give what was last loaded, FXSAVE zeros as AMD's processors do while no exception is pending.
 */
import { STATE, Slot } from '../state.ts';
import { callValue, load32, load64, type Code } from '../wasm/code.ts';
import { I32, I64 } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { CONTROL, RESULT, STATUS, TAGS, TOP, Bit, addressOf, indefinite, isFull, physical, setResult } from './helpers/x87State.ts';
import { Int } from './int.ts';

/** #MF if an x87 exception is pending. */
export function exitIfPending({ control }: Context): void {
  control.exitIf(load32(STATUS).and(0x80), 'x87');
}

/** Before all but the FN instructions. */
export function waiting(description: Description): Description {
  return context => {
    exitIfPending(context);
    description(context);
  };
}

export const helper = ({ helpers }: Context, name: string, ...args: Parameters<typeof callValue>[1][]): I32 => callValue(helpers.get<'i32'>(name), ...args);
const push = ({ code, helpers }: Context, flags: I32): void => code.call(helpers.get('x87Push'), flags);
export const pop = ({ code, helpers }: Context): void => code.call(helpers.get('x87Pop'));

/** RESULT from the memory operand, a float; gives D or I. */
export function loadFloat(context: Context): I32 {
  const { code, dst } = context;
  const bits = dst.width === 8 ? dst.readLow64() : dst.readLow32().toI64U();
  return code.let(helper(context, 'x87FromFloat', bits, I32.of(dst.width === 8 ? 1 : 0)));
}

export function loadInteger({ code, dst, helpers }: Context): void {
  code.call(helpers.get('x87FromInt'), dst.read().signed64);
}

function fld(context: Context): void {
  const { code, dst, memory } = context;
  if (dst.isMemory && dst.width === 10) {
    const low = memory.load(8, dst.address()), high = memory.load(2, dst.address().add(8));
    setResult(code, low.i64, high.i32);
    return push(context, I32.of(0));
  }
  if (dst.isMemory) return push(context, loadFloat(context));
  const from = code.let(physical(dst.registerNumber()));
  const flags = code.variable(I32.of(0));
  code.if(isFull(from), () => setResult(code, load64(addressOf(from)), load32(addressOf(from), 8)), () => {
    code.set(flags, I32.of(Bit.I | Bit.SF));
    indefinite(code);
  });
  push(context, flags.value);
}

function constant(mantissa: bigint, exponent: number, upDown: 0 | 1 | -1): Description {
  return waiting(context => {
    const { code } = context;
    setResult(code, mantissa, exponent);
    // Rounding by the control word: down and towards zero cut what nearest rounds up, and the other way round.
    const mode = load32(CONTROL).shrU(10).and(3);
    if (upDown === -1) code.store64(RESULT, I64.of(mantissa).sub(mode.and(1).toI64U()));
    if (upDown === 1) code.store64(RESULT, I64.of(mantissa).add(mode.eq(2).toI64U()));
    push(context, I32.of(0));
  });
}

/** FST, FSTP. */
function fst(popping: boolean): Description {
  return waiting(context => {
    const { code, dst, memory } = context;
    if (!dst.isMemory) {
      const from = code.let(physical(0)), flags = code.variable(I32.of(0));
      code.if(isFull(from), () => setResult(code, load64(addressOf(from)), load32(addressOf(from), 8)), () => {
        code.set(flags, I32.of(Bit.I | Bit.SF));
        indefinite(code);
      });
      const done = code.let(helper(context, 'x87Write', dst.registerNumber(), flags.value));
      if (popping) code.if(done, () => pop(context));
      return;
    }
    if (dst.width === 10) return fstp80(context);
    memory.probe(dst.address(), dst.width, true);
    code.if(code.let(helper(context, 'x87ToFloat', I32.of(dst.width === 8 ? 1 : 0))), () => {
      storeResult(context);
      if (popping) pop(context);
    });
  });
}

function storeResult({ dst, memory }: Context): void {
  memory.store(dst.address(), Int.cut(dst.width as 2 | 4 | 8, load64(RESULT)));
}

function fstp80(context: Context): void {
  const { code, dst, memory } = context;
  memory.probe(dst.address(), 10, true);
  const from = code.let(physical(0)), flags = code.variable(I32.of(0));
  code.if(isFull(from), () => setResult(code, load64(addressOf(from)), load32(addressOf(from), 8)), () => {
    code.set(flags, I32.of(Bit.I | Bit.SF));
    indefinite(code);
  });
  code.if(code.let(helper(context, 'x87Note', flags.value)).and(7).eqz(), () => {
    storeExtended(context);
    pop(context);
  });
}

/** Ten bytes of RESULT. */
function storeExtended({ dst, memory }: Context): void {
  memory.store(dst.address(), Int.clean(8, load64(RESULT)));
  memory.store(dst.address().add(8), Int.cut(2, load32(RESULT + 8)));
}

function fist(popping: boolean, truncate: boolean): Description {
  return waiting(context => {
    const { code, dst, memory } = context;
    memory.probe(dst.address(), dst.width, true);
    code.if(code.let(helper(context, 'x87ToInt', I32.of(dst.width * 8), I32.of(truncate ? 1 : 0))), () => {
      storeResult(context);
      if (popping) pop(context);
    });
  });
}

function fbld(context: Context): void {
  const { code, dst, helpers, memory } = context;
  const low = memory.load(8, dst.address()), high = memory.load(2, dst.address().add(8));
  code.call(helpers.get('x87FromDecimal'), low.i64, high.i32);
  push(context, I32.of(0));
}

function fbstp(context: Context): void {
  const { code, dst, memory } = context;
  memory.probe(dst.address(), 10, true);
  code.if(code.let(helper(context, 'x87ToDecimal')), () => {
    storeExtended(context);
    pop(context);
  });
}

/** FCHS, FABS. */
function signed(change: (exponent: I32) => I32): Description {
  return waiting(context => {
    const { code } = context;
    const at = code.let(physical(0)), flags = code.variable(I32.of(0));
    code.if(isFull(at), () => setResult(code, load64(addressOf(at)), change(load32(addressOf(at), 8))), () => {
      code.set(flags, I32.of(Bit.I | Bit.SF));
      indefinite(code);
    });
    code.drop(helper(context, 'x87Write', I32.of(0), flags.value));
  });
}

/** Empty registers count as indefinite. */
function fxch(context: Context): void {
  const { code, dst } = context;
  const a = code.let(physical(0)), b = code.let(physical(dst.registerNumber()));
  const full = code.let(isFull(a).and(isFull(b)));
  const unmasked = code.let(helper(context, 'x87Note', full.xor(1).mul(Bit.I | Bit.SF)).and(1));
  code.if(unmasked.eqz(), () => {
    for (const number of [a, b]) {
      code.if(isFull(number).eqz(), () => {
        code.store64(addressOf(number), 3n << 62n);
        code.store64(addressOf(number), 0xffff, 8);
        code.store32(TAGS, load32(TAGS).or(I32.of(1).shl(number)));
      });
    }
    const [m, n] = [a, b].map(number => code.let(load64(addressOf(number)))) as [I64, I64];
    const [s, t] = [a, b].map(number => code.let(load64(addressOf(number), 8))) as [I64, I64];
    code.store64(addressOf(a), n);
    code.store64(addressOf(a), t, 8);
    code.store64(addressOf(b), m);
    code.store64(addressOf(b), s, 8);
  });
}

function fldcw({ code, dst }: Context): void {
  const control = code.let(dst.read().i32.and(0x1f3f).or(0x40));
  code.store32(CONTROL, control);
  const status = code.let(load32(STATUS).and(0x7f7f));
  code.store32(STATUS, status.or(status.and(control.xor(-1)).and(0x3f).eqz().xor(1).mul(0x8080)));
}

/** FINCSTP, FDECSTP. */
function turn(by: number): Description {
  return waiting(({ code }) => {
    code.store32(TOP, physical(by));
    code.store32(STATUS, load32(STATUS).and(~Bit.C1));
  });
}

function free(popping: boolean): Description {
  return waiting(context => {
    const { code, dst } = context;
    code.store32(TAGS, load32(TAGS).and(I32.of(1).shl(physical(dst.registerNumber())).xor(-1)));
    code.store32(STATUS, load32(STATUS).and(~Bit.C1));
    if (popping) pop(context);
  });
}

/** SDM vol. 2 FINIT. */
export function initialize(code: Code): void {
  code.store32(CONTROL, 0x37f);
  for (const at of [STATUS, TOP, TAGS, STATE + Slot.fpuOpcode]) code.store32(at, 0);
  for (const at of [Slot.fpuInstruction, Slot.fpuOperand]) code.store64(STATE + at, 0);
}

const nothing: Description = () => {};

export const x87: Descriptions = {
  FLD: waiting(fld), FST: fst(false), FSTP: fst(true), FXCH: waiting(fxch),
  FILD: waiting(context => { loadInteger(context); push(context, I32.of(0)); }),
  FIST: fist(false, false), FISTP: fist(true, false), FISTTP: fist(true, true),
  FLDZ: constant(0n, 0, 0), FLD1: constant(1n << 63n, 0x3fff, 0),
  FLDL2T: constant(0xd49a784bcd1b8afen, 0x4000, 1), FLDL2E: constant(0xb8aa3b295c17f0bcn, 0x3fff, -1),
  FLDPI: constant(0xc90fdaa22168c235n, 0x4000, -1), FLDLG2: constant(0x9a209a84fbcff799n, 0x3ffd, -1), FLDLN2: constant(0xb17217f7d1cf79acn, 0x3ffe, -1),
  FBLD: waiting(fbld), FBSTP: waiting(fbstp),
  FCHS: signed(e => e.xor(0x8000)), FABS: signed(e => e.and(0x7fff)),
  FRNDINT: waiting(context => context.code.drop(helper(context, 'x87RoundInt'))),
  FINCSTP: turn(1), FDECSTP: turn(7), FFREE: free(false), FFREEP: free(true),
  FLDCW: waiting(fldcw),
  FNSTCW: ({ dst }) => dst.write(Int.clean(2, load32(CONTROL))),
  FNSTSW: ({ code, dst }) => dst.write(Int.clean(2, code.let(load32(STATUS).or(load32(TOP).shl(11))))),
  FNCLEX: ({ code }) => code.store32(STATUS, load32(STATUS).and(0x7f00)),
  FNINIT: ({ code }) => initialize(code),
  /** SDM vol. 2 EMMS: all registers empty; TOP as after any MMX instruction, on AMD's processors. */
  EMMS: waiting(({ code }) => {
    code.store32(TAGS, 0);
    code.store32(TOP, 0);
  }),
  FWAIT: waiting(nothing), FNOP: waiting(nothing), FENI: nothing, FDISI: nothing, FSETPM: nothing,
};
