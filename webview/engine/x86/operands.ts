import { OPERAND } from './instruction.ts';
import type { Instruction, Operand } from './instruction.ts';
import { ADDRESSING, TYPE } from './rows.ts';
import type { Row } from './rows.ts';

/** Width in bytes of a TYPE code for this instruction. `long` is true in 64-bit mode. */
export function typeWidth(type: number, instruction: Instruction, long: boolean): number {
  if (type <= 64) return type;
  const vector = 16 << instruction.vectorLength;
  const size = instruction.operandSize;
  switch (type) {
    case TYPE.bs: case TYPE.v: return size;
    case TYPE.z: return size === 2 ? 2 : 4;
    case TYPE.y: return instruction.w !== 0 && long ? 8 : 4;
    case TYPE.x: return vector;
    case TYPE.xh: return vector >> 1;
    case TYPE.xq: return vector >> 2;
    case TYPE.xe: return vector >> 3;
    case TYPE.p: return size + 2;
    case TYPE.s: return long ? 10 : 6;
    case TYPE.a: return size * 2;
    case TYPE.m: return long ? 8 : 4;
    case TYPE.as: return instruction.addressSize;
    default: throw new Error(`unknown operand type ${type}`);
  }
}

function general(out: Operand, number: number, width: number, rex: number): void {
  const high = width === 1 && rex === 0 && number >= 4 && number < 8;
  out.kind = high ? OPERAND.HIGH_BYTE : OPERAND.GENERAL;
  out.number = high ? number - 4 : number;
  out.width = width;
}

function register(out: Operand, kind: number, number: number, width: number): void {
  out.kind = kind;
  out.number = number;
  out.width = width;
}

function immediate(out: Operand, width: number, low: number, high: number): void {
  out.kind = OPERAND.IMMEDIATE;
  out.width = width;
  out.low = low;
  out.high = high;
}

/**
 * Says what operand `index` of `row` is in `instruction` (decoded with that row, in 64-bit mode if `long`); fills `out`.
 * `out.kind` is OPERAND.NONE past the last operand.
 */
export function operandAt(row: Row, index: number, instruction: Instruction, long: boolean, out: Operand): void {
  out.kind = OPERAND.NONE;
  out.number = out.width = out.low = out.high = 0;
  const spec = row.operands[index];
  if (!spec) return;
  const inMemory = instruction.memory !== 0;
  const width = typeWidth(inMemory ? spec.memoryType : spec.type, instruction, long);
  const { reg, rm, rex } = instruction;
  switch (spec.addressing) {
    case ADDRESSING.E:
      if (inMemory) return register(out, OPERAND.MEMORY, 0, width);
      return general(out, rm, width, rex | instruction.vex);
    case ADDRESSING.R: case ADDRESSING.Z: return general(out, rm, width, rex | instruction.vex);
    case ADDRESSING.G: return general(out, reg, width, rex | instruction.vex);
    case ADDRESSING.B: return general(out, instruction.vvvv, width, 1);
    case ADDRESSING.GENERAL: return register(out, OPERAND.GENERAL, spec.fixed, width);
    case ADDRESSING.M: case ADDRESSING.O: return register(out, OPERAND.MEMORY, 0, width);
    case ADDRESSING.X: return register(out, OPERAND.STRING_SOURCE, 0, width);
    case ADDRESSING.Y: return register(out, OPERAND.STRING_DESTINATION, 0, width);
    case ADDRESSING.I:
      return index === 1 && row.operands[0]!.addressing === ADDRESSING.I
        ? immediate(out, width, instruction.immediate2, 0) // ENTER
        : immediate(out, spec.type === TYPE.z ? instruction.operandSize : width, instruction.immediate, instruction.immediateHigh);
    case ADDRESSING.CONSTANT: return immediate(out, width, spec.fixed, 0);
    case ADDRESSING.J:
      immediate(out, instruction.operandSize, instruction.immediate, instruction.immediateHigh);
      out.kind = OPERAND.RELATIVE;
      return;
    case ADDRESSING.A:
      immediate(out, instruction.operandSize + 2, instruction.immediate, 0);
      out.kind = OPERAND.FAR;
      out.number = instruction.immediate2;
      return;
    case ADDRESSING.V: return register(out, OPERAND.XMM, reg, width);
    case ADDRESSING.U: return register(out, OPERAND.XMM, rm, width);
    case ADDRESSING.W: return inMemory ? register(out, OPERAND.MEMORY, 0, width) : register(out, OPERAND.XMM, rm, width);
    case ADDRESSING.H: return register(out, OPERAND.XMM, instruction.vvvv, width);
    case ADDRESSING.L: return register(out, OPERAND.XMM, instruction.immediate >> 4 & (long ? 15 : 7), width);
    case ADDRESSING.XMM0: return register(out, OPERAND.XMM, 0, width);
    case ADDRESSING.P: return register(out, OPERAND.MMX, reg & 7, width);
    case ADDRESSING.N: return register(out, OPERAND.MMX, rm & 7, width);
    case ADDRESSING.Q: return inMemory ? register(out, OPERAND.MEMORY, 0, width) : register(out, OPERAND.MMX, rm & 7, width);
    case ADDRESSING.S: return register(out, OPERAND.SEGMENT, reg & 7, width);
    case ADDRESSING.SEGMENT: return register(out, OPERAND.SEGMENT, spec.fixed, width);
    case ADDRESSING.C: return register(out, OPERAND.CONTROL, reg, width);
    case ADDRESSING.D: return register(out, OPERAND.DEBUG, reg, width);
    case ADDRESSING.ST0: return register(out, OPERAND.ST, 0, width);
    case ADDRESSING.STI: return register(out, OPERAND.ST, rm & 7, width);
    case ADDRESSING.KREG: return register(out, OPERAND.MASK, reg & 7, width);
    case ADDRESSING.KVVVV: return register(out, OPERAND.MASK, instruction.vvvv & 7, width);
    case ADDRESSING.KRM: return register(out, OPERAND.MASK, rm & 7, width);
    default: throw new Error(`unknown addressing ${spec.addressing}`);
  }
}

/** The mnemonic of `instruction`, by operand (or, for JrCXZ, address) size where it depends on it. */
export function mnemonicOf(row: Row, instruction: Instruction): string {
  if (row.operation === 'JrCXZ') return instruction.addressSize === 8 ? 'JRCXZ' : instruction.addressSize === 4 ? 'JECXZ' : 'JCXZ';
  return row.mnemonics[instruction.operandSize === 8 ? 2 : instruction.operandSize === 2 ? 0 : 1];
}
