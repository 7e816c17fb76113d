/** FNSTENV, FLDENV, FNSAVE, FRSTOR: the x87 state in memory. SDM vol. 1 figures 8-9 to 8-12. Descriptions have probed the addresses. */
import { callValue, load16U, load32, load64, type Code } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { STATE, Slot } from '../../state.ts';
import { MemoryHelper, type HelperDefinitions, type Helpers } from '../contract.ts';
import { CONTROL, STATUS, TAGS, TOP, addressOf, physical } from './x87State.ts';

const OPCODE = STATE + Slot.fpuOpcode, INSTRUCTION = STATE + Slot.fpuInstruction, OPERAND_ADDRESS = STATE + Slot.fpuOperand;

function put(code: Code, helpers: Helpers, address: I64, offset: number, value: I64, size: number): void {
  code.drop(callValue(helpers.get<'i32'>(MemoryHelper.storeSlow), address.add(offset), value, I32.of(size)));
}

const readable = (code: Code, helpers: Helpers, address: I64, size: number): I32 =>
  code.let(callValue(helpers.get<'i32'>(MemoryHelper.translate), address, I32.of(size), I32.of(0)));

/** The tag word: two bits a physical register, 0 a number, 1 zero, 2 what is neither, 3 empty. */
function tagWord(code: Code): I32 {
  const word = code.variable(I32.of(0));
  for (let i = 0; i < 8; i++) {
    const at = addressOf(I32.of(i));
    const m = code.let(load64(at)), exponent = code.let(load32(at, 8).and(0x7fff));
    const special = exponent.eq(0x7fff).or(exponent.eqz()).or(m.geS(0));
    const kind = select(m.eqz().and(exponent.eqz()), I32.of(1), select(special, I32.of(2), I32.of(0)));
    code.set(word, word.value.or(select(load32(TAGS).shrU(i).and(1), kind, I32.of(3)).shl(2 * i)));
  }
  return word.value;
}

/** (address, wide): seven fields of 32 bits, or of 16. All exceptions are masked then. */
function x87StoreEnvironment(code: Code, helpers: Helpers): void {
  const address = code.parameter(0, 'i64'), wide = code.parameter(1, 'i32');
  const status = code.let(load32(STATUS).or(load32(TOP).shl(11)));
  const words = [load32(CONTROL), status, tagWord(code)].map(word => code.let(word.toI64U()));
  const [instruction, operand] = [INSTRUCTION, OPERAND_ADDRESS].map(at => code.let(load64(at))) as [I64, I64];
  const opcode = load32(OPCODE).toI64U().shl(16);
  code.if(wide, () => {
    words.forEach((word, i) => put(code, helpers, address, 4 * i, word.or(0xffff0000n), 4));
    put(code, helpers, address, 12, instruction, 4);
    put(code, helpers, address, 16, opcode, 4);
    put(code, helpers, address, 20, operand, 4);
    put(code, helpers, address, 24, I64.of(0xffff0000n), 4);
  }, () => [...words, instruction, I64.of(0), operand, I64.of(0)].forEach((word, i) => put(code, helpers, address, 2 * i, word, 2)));
  code.store32(CONTROL, load32(CONTROL).or(0x3f));
  code.store32(STATUS, load32(STATUS).and(0x7f7f));
}

/** (address, wide). */
function x87LoadEnvironment(code: Code, helpers: Helpers): void {
  const address = code.parameter(0, 'i64'), wide = code.parameter(1, 'i32');
  const word = (i: number): I32 => code.let(load16U(readable(code, helpers, code.let(address.add(select(wide, I64.of(4 * i), I64.of(2 * i)))), 2)));
  const control = code.let(word(0).and(0x1f3f).or(0x40)), status = word(1), tags = word(2);
  code.store32(CONTROL, control);
  code.store32(TOP, status.shrU(11).and(7));
  // ES and B say whether an unmasked exception is pending.
  code.store32(STATUS, status.and(0x477f).or(status.and(control.xor(-1)).and(0x3f).eqz().xor(1).mul(0x8080)));
  const full = code.variable(I32.of(0));
  for (let i = 0; i < 8; i++) code.set(full, full.value.or(tags.shrU(2 * i).and(3).ne(3).shl(i)));
  code.store32(TAGS, full.value);
  const pointer = (i: number): I64 => {
    const at = readable(code, helpers, code.let(address.add(select(wide, I64.of(4 * i), I64.of(2 * i)))), 4);
    return load32(at).and(select(wide, I32.of(-1), I32.of(0xffff))).toI64U();
  };
  code.store64(INSTRUCTION, pointer(3));
  code.store64(OPERAND_ADDRESS, pointer(5));
}

/** (address of the registers): stores ST(0) to ST(7), ten bytes each. */
function x87StoreRegisters(code: Code, helpers: Helpers): void {
  const address = code.parameter(0, 'i64');
  for (let i = 0; i < 8; i++) {
    const from = code.let(addressOf(physical(i)));
    put(code, helpers, address, 10 * i, load64(from), 8);
    put(code, helpers, address, 10 * i + 8, load64(from, 8), 2);
  }
}

/** (address of the registers): loads ST(0) to ST(7) by the new TOP. */
function x87LoadRegisters(code: Code, helpers: Helpers): void {
  const address = code.parameter(0, 'i64');
  for (let i = 0; i < 8; i++) {
    const to = code.let(addressOf(physical(i))), from = readable(code, helpers, address.add(10 * i), 10);
    code.store64(to, load64(from));
    code.store64(to, load16U(from, 8).toI64U(), 8);
  }
}

export const x87EnvironmentHelpers: HelperDefinitions = {
  x87StoreEnvironment: { parameters: ['i64', 'i32'], result: undefined, body: x87StoreEnvironment },
  x87LoadEnvironment: { parameters: ['i64', 'i32'], result: undefined, body: x87LoadEnvironment },
  x87StoreRegisters: { parameters: ['i64'], result: undefined, body: x87StoreRegisters },
  x87LoadRegisters: { parameters: ['i64'], result: undefined, body: x87LoadRegisters },
};
