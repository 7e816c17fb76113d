/** Memory operands that are a register and a displacement. */
import { REGISTER_NONE, REGISTER_RIP, SEGMENT, type Instruction } from '../x86/instruction.ts';
import type { Row } from '../x86/rows.ts';
import { displacementOf, segmentOf } from '../interpreter/record.ts';

export interface Place {
  readonly register: number;
  readonly displacement: number;
}

/** Undefined if the memory operand is more than that. */
export function placeOf(row: Row, instruction: Instruction): Place | undefined {
  const { base, index, addressSize } = instruction;
  if (base === REGISTER_NONE || base === REGISTER_RIP || index !== REGISTER_NONE || addressSize !== 8 || segmentOf(row, instruction) !== SEGMENT.NONE) return undefined;
  return { register: base, displacement: displacementOf(row, instruction) };
}
