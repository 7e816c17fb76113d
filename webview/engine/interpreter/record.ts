/**
 * interpreter/: runs decoded records in one generated WebAssembly function. This file: the record, 16 bytes for one instruction.
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
import { OPERAND, REGISTER_NONE, REGISTER_RIP, SEGMENT, type Instruction, type Operand } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { ADDRESSING, type Row } from '../x86/rows.ts';
import { Slot } from '../state.ts';
import { SpecialForm } from './forms.ts';

export const Record = { size: 16, form: 0, place: 2, reg: 4, rm: 5, base: 5, index: 6, scale: 7, displacement: 8, immediate: 12 } as const;

/**
 * Fields of a record whose instruction compiled code starts with: low 32 bits of the number of the page for which it was compiled; slot in
 * the table, block and the number's upper bits; where the instruction's own records are now.
 */
export const Compiled = {
  page: 4, entry: 8, copy: 12, slotBits: 13, blockShift: 13, blockMask: 127, pageShift: 29,
} as const;

/** Which field of a record holds a register operand. */
export function fieldOf(addressing: number): number {
  switch (addressing) {
    case ADDRESSING.G: case ADDRESSING.V: case ADDRESSING.P: case ADDRESSING.S: case ADDRESSING.C: case ADDRESSING.D: return Record.reg;
    case ADDRESSING.B: case ADDRESSING.H: return Record.immediate;
    default: return Record.rm;
  }
}

/** Byte that a register operand has in a record. */
function registerByte(operand: Operand): number {
  switch (operand.kind) {
    case OPERAND.GENERAL: return operand.number * 8;
    case OPERAND.HIGH_BYTE: return operand.number * 8 + 1;
    default: return operand.number * 16;
  }
}

/** Offset of a base or index register from STATE. */
function slotOf(register: number): number {
  return register === REGISTER_NONE ? Slot.zero : register === REGISTER_RIP ? Slot.page : register * 8;
}

export function segmentSlot(segment: number): number {
  return segment === SEGMENT.FS ? Slot.fsBase : segment === SEGMENT.GS ? Slot.gsBase : Slot.zero;
}

/**
 * Form of the record that must go before an instruction's own to compute its address (a segment, 32-bit arithmetic, more than 32 bits of
 * displacement); 0 if none must.
 */
export function addressForm(row: Row, instruction: Instruction): number {
  if (instruction.memory === 0 || row.operands.some(isOffset)) return 0;
  if (instruction.addressSize !== 8) return SpecialForm.address32;
  if (instruction.displacementHigh !== instruction.displacement >> 31) return SpecialForm.address64;
  return segmentOf(row, instruction) !== SEGMENT.NONE ? SpecialForm.address : 0;
}

/** LEA takes no notice of segments. */
export function segmentOf(row: Row, instruction: Instruction): number {
  return row.operation === 'LEA' ? SEGMENT.NONE : instruction.segment;
}

function isOffset(operand: Row['operands'][number]): boolean {
  return operand.addressing === ADDRESSING.O;
}

/** POP computes an address with rSP as if it were increased already. SDM vol. 2 POP. */
export function displacementOf(row: Row, instruction: Instruction): number {
  return instruction.displacement + (row.operation === 'POP' && instruction.base === 4 ? instruction.operandSize : 0);
}

/** Writes a record. `view` covers the whole memory; `offset` is the instruction's place in its page. Operands are resolved through `scratch`. */
export function writeRecord(
  view: DataView, at: number, form: number, row: Row, instruction: Instruction, offset: number, addressed: boolean, scratch: Operand,
): void {
  view.setUint16(at + Record.form, form, true);
  view.setUint16(at + Record.place, offset | instruction.length << 12, true);
  view.setInt32(at + Record.reg, 0, true);
  view.setInt32(at + Record.displacement, instruction.displacement, true);
  view.setInt32(at + Record.immediate, instruction.immediate | instruction.immediate2 << 16, true);
  if (instruction.memory === 0) view.setInt32(at + Record.displacement, instruction.immediateHigh, true);
  view.setUint8(at + Record.index, segmentSlot(instruction.segment));
  for (let i = 0; i < row.operands.length; i++) {
    operandAt(row, i, instruction, true, scratch);
    const { kind } = scratch;
    if (kind === OPERAND.GENERAL || kind === OPERAND.HIGH_BYTE || (kind >= OPERAND.XMM && kind <= OPERAND.DEBUG)) {
      const { addressing } = row.operands[i]!;
      if (addressing === ADDRESSING.GENERAL || addressing === ADDRESSING.XMM0 || addressing === ADDRESSING.ST0) continue;
      view.setUint8(at + fieldOf(addressing), registerByte(scratch));
    }
  }
  if (instruction.memory === 0) return;
  if (row.operands.some(isOffset)) view.setInt32(at + Record.immediate, instruction.displacementHigh, true);
  else writeAddress(view, at, row, instruction, offset, addressed);
}

function writeAddress(view: DataView, at: number, row: Row, instruction: Instruction, offset: number, addressed: boolean): void {
  if (addressed) {
    // The segment stays in the index's field, which this shape doesn't use.
    view.setUint8(at + Record.base, Slot.address);
    view.setUint8(at + Record.scale, 0);
    view.setInt32(at + Record.displacement, 0, true);
    return;
  }
  view.setUint8(at + Record.base, slotOf(instruction.base));
  view.setUint8(at + Record.index, slotOf(instruction.index));
  view.setUint8(at + Record.scale, instruction.scale);
  const relative = instruction.base === REGISTER_RIP ? offset + instruction.length : 0;
  view.setInt32(at + Record.displacement, displacementOf(row, instruction) + relative, true);
}

/** Writes the record that computes an address into Slot.address; its segment is in the first register's field. */
export function writeAddressRecord(view: DataView, at: number, form: number, row: Row, instruction: Instruction, offset: number): void {
  view.setUint16(at + Record.form, form, true);
  view.setUint16(at + Record.place, offset | instruction.length << 12, true);
  view.setUint8(at + Record.reg, segmentSlot(segmentOf(row, instruction)));
  view.setUint8(at + Record.base, slotOf(instruction.base));
  view.setUint8(at + Record.index, slotOf(instruction.index));
  view.setUint8(at + Record.scale, instruction.scale);
  const relative = instruction.base === REGISTER_RIP ? offset + instruction.length : 0;
  view.setInt32(at + Record.displacement, displacementOf(row, instruction) + relative, true);
  view.setInt32(at + Record.immediate, instruction.displacementHigh, true);
}

/** Writes the record that ends a run behind the instruction at `place` (offset and length). */
export function writeEnd(view: DataView, at: number, place: number): void {
  view.setUint16(at + Record.form, SpecialForm.end, true);
  view.setUint16(at + Record.place, place, true);
  view.setInt32(at + Record.displacement, 0, true);
  view.setInt32(at + Record.immediate, 0, true);
}
