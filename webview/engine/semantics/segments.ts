/**
 * Segment registers and far transfers as a program sees them under 64-bit Linux: flat segments with fixed selectors. Selectors are not
 * kept: what was loaded into DS, ES, FS and GS reads as null.
 */
import { I32, I64, select } from '../wasm/values.ts';
import { STATE, Slot } from '../state.ts';
import type { Context, Control, Descriptions, Operand } from './contract.ts';
import { loadFlags, stepIfSet } from './flagsInstructions.ts';
import { Int, type Width } from './int.ts';

/** Numbers as in ModRM.reg. */
const CS = 1, SS = 2, FS = 4, GS = 5;
/** __USER32_CS, __USER_DS, __USER_CS. */
const user32Code = 0x23, userData = 0x2b, userCode = 0x33;

/** The selector in a segment register: CS and SS as Linux sets them, the others null. */
export function selector(number: I32): Int {
  return Int.clean(2, select(number.eq(CS), I32.of(userCode), select(number.eq(SS), I32.of(userData), I32.of(0))));
}

/**
 * Loads a segment register: null selectors (not into SS) and those of Linux's flat segments are accepted, all else is #GP. CS and the
 * numbers 6 and 7 are #UD. A flat segment in FS or GS has base 0; a null selector leaves the base.
 */
export function loadSelector(number: I32, value: Int, { code, control }: Context): void {
  control.exitIf(number.eq(CS).or(number.gtU(GS)), 'undefinedInstruction');
  const isNull = code.let(value.i32.ltU(4).and(number.ne(SS)));
  const isFlat = value.i32.eq(userData).or(value.i32.eq(userCode).or(value.i32.eq(user32Code)).and(number.ne(SS)));
  control.exitIf(isNull.or(isFlat).eqz(), 'generalProtection');
  code.if(isNull.eqz().and(number.eq(FS)), () => code.store64(STATE + Slot.fsBase, 0));
  code.if(isNull.eqz().and(number.eq(GS)), () => code.store64(STATE + Slot.gsBase, 0));
}

/** Width of the offset in a far pointer: this CPU family knows none of 64 bits. */
function offsetWidth(size: Width): Width {
  return size === 8 ? 4 : size;
}

/** LSS, LFS, LGS: an offset and behind it a selector. */
function loadFar(number: number): (context: Context) => void {
  return context => {
    const { size, dst, src, memory } = context;
    const address = src.address(), width = offsetWidth(size);
    const offset = memory.load(width, address), value = memory.load(2, address.add(width));
    loadSelector(I32.of(number), value, context);
    dst.write(offset.zeroExtend(size));
  };
}

/** Only 64-bit code can be reached. */
function checkCode(control: Control, value: Int, target: I64): void {
  control.exitIf(value.i32.ne(userCode), 'generalProtection');
  control.checkTarget(target);
}

/** JMPF, CALLF through memory. */
function farTarget({ size, dst, memory, control }: Context): I64 {
  const address = dst.address(), width = offsetWidth(size);
  const offset = memory.load(width, address).i64;
  checkCode(control, memory.load(2, address.add(width)), offset);
  return offset;
}

function callFar(context: Context): void {
  const { code, size, memory, registers, control } = context;
  const target = farTarget(context);
  const top = code.let(registers.read(4, 8).i64.sub(size * 2));
  memory.probe(top, size * 2, true);
  memory.store(code.let(top.add(size)), Int.constant(size, userCode));
  memory.store(top, Int.cut(size, code.let(control.next())));
  registers.write(4, Int.clean(8, top));
  control.jump(target);
}

function retFar({ code, size, operands, memory, registers, control }: Context): void {
  const top = registers.read(4, 8).i64;
  const target = memory.load(size, top).i64;
  checkCode(control, memory.load(size, code.let(top.add(size))).truncate(2), target);
  const argument = operands.length > 0 ? operands[0]!.read().i64 : I64.of(0);
  registers.write(4, Int.clean(8, code.let(top.add(size * 2).add(argument))));
  control.jump(target);
}

/** IRET in 64-bit mode takes five words, whatever it returns to. */
function iret(context: Context): void {
  const { code, size, memory, registers, control } = context;
  const top = registers.read(4, 8).i64;
  const word = (index: number): Int => memory.load(size, code.let(top.add(size * index)));
  const target = word(0).i64, codeSelector = word(1), flags = word(2), newTop = word(3), stackSelector = word(4);
  control.exitIf(stackSelector.truncate(2).i32.ne(userData), 'generalProtection');
  checkCode(control, codeSelector.truncate(2), target);
  loadFlags(context, flags.zeroExtend(8).i64.toI32());
  registers.write(4, newTop.zeroExtend(8));
  stepIfSet(context, target);
  control.jump(target);
}

/** Segments of the GDT that user mode may look at, by selector without privilege level. */
const visible = [
  { selector: user32Code & ~3, access: 0xcffb00, limit: -1, writable: false },
  { selector: userData & ~3, access: 0xcff300, limit: -1, writable: true },
  { selector: userCode & ~3, access: 0xaffb00, limit: -1, writable: false },
  // Its limit is the number of the processor.
  { selector: 0x78, access: 0x40f500, limit: 0, writable: false },
] as const;

/** The selector of a register or of two bytes of memory. */
function selectorOf(operand: Operand): I32 {
  return operand.read().truncate(2).i32.and(~3);
}

/** LAR, LSL: ZF says whether there is such a segment. */
function describeSegment(field: 'access' | 'limit'): (context: Context) => void {
  return ({ code, dst, src, flags }) => {
    const wanted = code.let(selectorOf(src));
    const width = dst.width as Width;
    code.block(end => {
      for (const segment of visible) {
        code.if(wanted.eq(segment.selector), () => {
          dst.write(Int.cut(width, I64.of(segment[field] >>> 0)));
          flags.changeZero(I32.of(1));
          code.br(end);
        });
      }
      flags.changeZero(I32.of(0));
    });
  };
}

/** VERR, VERW. */
function verify(suits: (segment: (typeof visible)[number]) => boolean): (context: Context) => void {
  return ({ code, dst, flags }) => {
    const wanted = code.let(selectorOf(dst));
    flags.changeZero(code.let(visible.filter(suits).reduce((any, segment) => any.or(wanted.eq(segment.selector)), I32.of(0))));
  };
}

/** Values that Linux shows to programs where the processor keeps its own from them (UMIP). */
function storeTable(base: bigint): (context: Context) => void {
  return ({ dst, memory }) => {
    const address = dst.address();
    memory.probe(address, 10, true);
    memory.store(address, Int.constant(2, 0));
    memory.store(address.add(2), Int.constant(8, base));
  };
}
function storeWord(value: number): (context: Context) => void {
  return ({ dst }) => dst.write(Int.constant(dst.width as Width, value));
}

export const segments: Descriptions = {
  LSS: loadFar(SS), LFS: loadFar(FS), LGS: loadFar(GS),
  JMPF: context => context.control.jump(farTarget(context)),
  CALLF: callFar,
  RETF: retFar,
  IRET: iret,
  LAR: describeSegment('access'),
  LSL: describeSegment('limit'),
  VERR: verify(() => true),
  VERW: verify(segment => segment.writable),
  SGDT: storeTable(0xfffffffffffe0000n),
  SIDT: storeTable(0xffffffffffff0000n),
  SLDT: storeWord(0),
  STR: storeWord(0x40),
  SMSW: storeWord(0x80050033),
};
