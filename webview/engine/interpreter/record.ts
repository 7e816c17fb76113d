/**
 * interpreter/: runs decoded records in one generated WebAssembly function. This file: the record, 16 bytes for one instruction
 * (recordWriter.ts makes them).
 *
 *   0 u16  form (forms.ts)
 *   2 u16  offset in its page (12 bits) and length (upper 4 bits)
 *   4 u8   first register: ModRM.reg
 *   5 u8   second register: ModRM.rm or the opcode's; or the base of an address
 *   6 u8   index of an address; segment of an implicit memory operand
 *   7 u8   log2 of the index's factor
 *   8 i32  displacement; high half of a 64-bit immediate; record that a branch leads to in its page, 0 while unknown
 *  12 i32  immediate or branch displacement; register of VEX.vvvv
 *
 * General registers, base and index are byte offsets from STATE (state.ts Slot), so that AH is 1 and "none" is the zero slot. Vector,
 * x87 and segment registers are 16 times their number.
 */
import { REGISTER_NONE, REGISTER_RIP, SEGMENT, type Instruction } from '../x86/instruction.ts';
import { ADDRESSING, type Row } from '../x86/rows.ts';
import { Slot } from '../state.ts';

export const Record = { size: 16, form: 0, place: 2, reg: 4, rm: 5, base: 5, index: 6, scale: 7, displacement: 8, immediate: 12 } as const;

/**
 * Fields of a record whose instruction compiled code starts with: low 32 bits of the number of the page for which it was compiled; slot in
 * the table, block and the number's upper bits; where the instruction's own records are now.
 */
export const Compiled = {
  page: 4, entry: 8, copy: 12, slotBits: 13, blockShift: 13, blockMask: 511, pageShift: 29,
} as const;

/** Which field of a record holds a register operand. */
export function fieldOf(addressing: number): number {
  switch (addressing) {
    case ADDRESSING.G: case ADDRESSING.V: case ADDRESSING.P: case ADDRESSING.S: case ADDRESSING.C: case ADDRESSING.D: return Record.reg;
    case ADDRESSING.B: case ADDRESSING.H: return Record.immediate;
    default: return Record.rm;
  }
}

/** Offset of a base or index register from STATE. */
export function slotOf(register: number): number {
  return register === REGISTER_NONE ? Slot.zero : register === REGISTER_RIP ? Slot.page : register * 8;
}

export function segmentSlot(segment: number): number {
  return segment === SEGMENT.FS ? Slot.fsBase : segment === SEGMENT.GS ? Slot.gsBase : Slot.zero;
}

/** LEA takes no notice of segments. */
export function segmentOf(row: Row, instruction: Instruction): number {
  return row.operation === 'LEA' ? SEGMENT.NONE : instruction.segment;
}

/** POP computes an address with rSP as if it were increased already. SDM vol. 2 POP. */
export function displacementOf(row: Row, instruction: Instruction): number {
  return instruction.displacement + (row.operation === 'POP' && instruction.base === 4 ? instruction.operandSize : 0);
}
