/**
 * How far the accesses of a block reach off one register: what is translated first is then checked for all of them. What is said here of an
 * instruction may be less than it does, never more than what its description does where nothing faults.
 */
import { OPERAND, Operand } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import type { Block, Step } from './discover.ts';
import { placeOf, type Place } from './place.ts';
import { changeOf } from './steady.ts';

/** Bytes that are accessed, from the place where the first access is, and whether some of them are written. */
export interface Reach {
  readonly from: number;
  readonly to: number;
  readonly writes: boolean;
}

/** Write their first operand. */
const writing: ReadonlySet<string> = new Set([
  'MOV', 'ADD', 'SUB', 'AND', 'OR', 'XOR', 'INC', 'DEC', 'NEG', 'NOT', 'SHL', 'SHR', 'SAR', 'ROL', 'ROR', 'ADC', 'SBB', 'SETcc',
  'MOVUPS', 'MOVAPS', 'MOVUPD', 'MOVAPD', 'MOVDQU', 'MOVDQA', 'MOVSS', 'MOVSD', 'MOVQ', 'MOVD',
]);
/** Access what their memory operand names; all others might not. */
const reading: ReadonlySet<string> = new Set([...writing, 'CMP', 'TEST', 'MOVZX', 'MOVSX', 'MOVSXD', 'IMUL', 'ADDSD', 'SUBSD', 'MULSD', 'DIVSD', 'ADDSS', 'SUBSS', 'MULSS', 'PXOR', 'PADDD', 'PADDQ']);
const pushing: ReadonlySet<string> = new Set(['PUSH', 'CALL']), popping: ReadonlySet<string> = new Set(['POP', 'RET']);

const rsp = 4;
/** No further than that from the first access. */
const farthest = 1024;

/** What the step at `at` of a block and those behind it access off the register of `place`, up to where that changes by more than a constant. */
export function reachOf({ steps }: Block, at: number, place: Place, size: number): Reach {
  let from = 0, to = size, writes = false, moved = 0;
  const add = (displacement: number, length: number, isWritten: boolean): void => {
    const distance = displacement + moved - place.displacement;
    if (Math.abs(distance) > farthest) return;
    from = Math.min(from, distance);
    to = Math.max(to, distance + length);
    writes ||= isWritten;
  };
  for (let i = at; i < steps.length; i++) {
    const step = steps[i]!, { operation } = step.row, own = memoryOf(step);
    if (own?.place.register === place.register) add(own.place.displacement, own.size, own.writes);
    if (place.register === rsp && pushing.has(operation)) add(-8, 8, true);
    if (place.register === rsp && popping.has(operation)) add(0, 8, false);
    const change = changeOf(step, place.register);
    if (change === undefined) break;
    moved += change;
  }
  return { from, to, writes };
}

/** The memory operand that an instruction accesses, if it is a register and a displacement. */
function memoryOf({ row, instruction }: Step): { readonly place: Place; readonly size: number; readonly writes: boolean } | undefined {
  if (instruction.memory === 0 || !reading.has(row.operation)) return undefined;
  const place = placeOf(row, instruction);
  if (!place) return undefined;
  const operand = new Operand();
  for (let index = 0; index < row.operands.length; index++) {
    operandAt(row, index, instruction, true, operand);
    if (operand.kind === OPERAND.MEMORY) return operand.width > 0 ? { place, size: operand.width, writes: index === 0 && writing.has(row.operation) } : undefined;
  }
  return undefined;
}
