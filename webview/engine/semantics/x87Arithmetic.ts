/** x87: arithmetic, comparisons, conditional moves. */
import { load32, load64 } from '../wasm/code.ts';
import { I32 } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { RESULT, STATUS, Bit, addressOf, indefinite, isFull, physical, setResult } from './helpers/x87State.ts';
import { helper, loadFloat, loadInteger, pop, waiting } from './x87.ts';

/** The memory operand goes to OPERAND; gives D or 0. */
function memoryOperand(context: Context, integer: boolean): I32 {
  const { code, helpers } = context;
  let flags = I32.of(0);
  if (integer) loadInteger(context);
  // An SNaN is the operation's matter.
  else flags = code.let(loadFloat(context).and(Bit.D));
  code.call(helpers.get('x87Operand'));
  return flags;
}

/** `operation` as `x87Binary` has it: 0 +, 1 *, 2 -, 3 /, and 4 more for the reverse ones. */
function binary(operation: number, popping = false, integer = false): Description {
  return waiting(context => {
    const { code, dst } = context;
    if (dst.isMemory) {
      const flags = memoryOperand(context, integer);
      code.drop(helper(context, 'x87Binary', I32.of(operation), I32.of(0), I32.of(8), flags, I32.of(0)));
      return;
    }
    const { src } = context;
    const done = code.let(helper(context, 'x87Binary', I32.of(operation), dst.registerNumber(), src.registerNumber(), I32.of(0), dst.registerNumber()));
    if (popping) code.if(done, () => pop(context));
  });
}

function compare(pops: number, quiet: boolean, integer = false): Description {
  return waiting(context => {
    const { operands } = context;
    const [operand] = operands;
    const flags = operand?.isMemory ? memoryOperand(context, integer) : I32.of(0);
    const other = !operand ? I32.of(1) : operand.isMemory ? I32.of(8) : operand.registerNumber();
    outcome(context, other, flags, pops, quiet);
  });
}

function outcome(context: Context, other: I32, flags: I32, pops: number, quiet: boolean): void {
  const { code } = context;
  const done = code.let(helper(context, 'x87Compare', other, flags, I32.of(quiet ? 1 : 0)));
  code.store32(STATUS, load32(STATUS).and(~0x4500).or(load32(RESULT)));
  if (pops > 0) {
    code.if(done, () => {
      for (let i = 0; i < pops; i++) pop(context);
    });
  }
}

/** The newer instructions leave C1 on AMD's processors, unless the stack underflowed. */
function keepC1({ code }: Context, before: I32, exceptions: I32): void {
  code.if(exceptions.and(Bit.SF).eqz(), () => code.store32(STATUS, load32(STATUS).or(before)));
}

/** FCOMI and the like: to ZF, PF, CF. */
function compareFlags(popping: boolean, quiet: boolean): Description {
  return waiting(context => {
    const { code, src, flags } = context;
    const before = code.let(load32(STATUS).and(Bit.C1));
    const done = code.let(helper(context, 'x87Compare', src.registerNumber(), I32.of(0), I32.of(quiet ? 1 : 0)));
    keepC1(context, before, load32(RESULT + 8));
    const word = code.let(load32(RESULT)), bit = (n: number): I32 => word.shrU(n).and(1);
    flags.assign({ cf: bit(8), pf: bit(10), zf: bit(14), af: 0, sf: 0, of: 0 });
    if (popping) code.if(done, () => pop(context));
  });
}

function ftst(context: Context): void {
  const { code, helpers } = context;
  setResult(code, 0, 0);
  code.call(helpers.get('x87Operand'));
  outcome(context, I32.of(8), I32.of(0), 0, false);
}

/** SDM vol. 2 FXAM: class in C3, C2, C0; the sign in C1, also of an empty register. */
function fxam({ code }: Context): void {
  const number = code.let(physical(0)), at = code.let(addressOf(number));
  const m = code.let(load64(at)), se = code.let(load32(at, 8)), exponent = code.let(se.and(0x7fff));
  const kind = code.variable(I32.of(0x400));
  code.if(isFull(number).eqz(), () => code.set(kind, I32.of(0x4100)),
    () => code.if(exponent.eqz(), () => code.set(kind, I32.of(0x4000).or(m.eqz().xor(1).shl(10))),
      () => code.if(m.geS(0), () => code.set(kind, I32.of(0)),
        () => code.if(exponent.eq(0x7fff), () => code.set(kind, I32.of(0x100).or(m.shl(1).eqz().shl(10)))))));
  code.store32(STATUS, load32(STATUS).and(~0x4700).or(kind.value).or(se.shrU(15).and(1).shl(9)));
}

/** FCMOVcc. */
function move(condition: number): Description {
  return waiting(context => {
    const { code, src, flags } = context;
    const to = code.let(physical(0)), from = code.let(physical(src.registerNumber()));
    const taken = code.let(flags.condition(condition)), exceptions = code.variable(I32.of(0));
    const source = code.variable(to);
    code.if(taken, () => code.set(source, from));
    code.if(isFull(to).and(isFull(from)), () => setResult(code, load64(addressOf(source.value)), load32(addressOf(source.value), 8)), () => {
      code.set(exceptions, I32.of(Bit.I | Bit.SF));
      indefinite(code);
    });
    const before = code.let(load32(STATUS).and(Bit.C1));
    code.drop(helper(context, 'x87Write', I32.of(0), exceptions.value));
    keepC1(context, before, exceptions.value);
  });
}

/** What a helper does from stack to stack. */
function stacked(name: string, popping = false): Description {
  return waiting(context => {
    const done = context.code.let(helper(context, name));
    if (popping) context.code.if(done, () => pop(context));
  });
}

export const x87Arithmetic: Descriptions = {
  FADD: binary(0), FMUL: binary(1), FSUB: binary(2), FSUBR: binary(6), FDIV: binary(3), FDIVR: binary(7),
  FADDP: binary(0, true), FMULP: binary(1, true), FSUBP: binary(2, true), FSUBRP: binary(6, true), FDIVP: binary(3, true), FDIVRP: binary(7, true),
  FIADD: binary(0, false, true), FIMUL: binary(1, false, true), FISUB: binary(2, false, true), FISUBR: binary(6, false, true),
  FIDIV: binary(3, false, true), FIDIVR: binary(7, false, true),
  FSQRT: stacked('x87SquareRoot'), FPREM: stacked('x87Prem'), FPREM1: stacked('x87Prem1'), FSCALE: stacked('x87ScaleStack'), FXTRACT: stacked('x87Extract'),
  FSIN: stacked('x87Sin'), FCOS: stacked('x87Cos'), FSINCOS: stacked('x87SinCos'), FPTAN: stacked('x87Tan'), FPATAN: stacked('x87Atan', true),
  F2XM1: stacked('x87F2xm1'), FYL2X: stacked('x87Fyl2x', true), FYL2XP1: stacked('x87Fyl2xp1', true),
  FCOM: compare(0, false), FCOMP: compare(1, false), FCOMPP: compare(2, false), FICOM: compare(0, false, true), FICOMP: compare(1, false, true),
  FUCOM: compare(0, true), FUCOMP: compare(1, true), FUCOMPP: compare(2, true),
  FCOMI: compareFlags(false, false), FCOMIP: compareFlags(true, false), FUCOMI: compareFlags(false, true), FUCOMIP: compareFlags(true, true),
  FTST: waiting(ftst), FXAM: waiting(fxam),
  FCMOVB: move(2), FCMOVE: move(4), FCMOVBE: move(6), FCMOVU: move(10), FCMOVNB: move(3), FCMOVNE: move(5), FCMOVNBE: move(7), FCMOVNU: move(11),
};
