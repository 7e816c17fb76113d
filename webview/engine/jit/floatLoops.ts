/**
 * What is expected of numbers where loops begin: whatever leads there sees to it, so that it needn't be found out in each turn. Doubles that
 * a loop takes from the turn before or from outside are NEAR (semantics/floatKnowledge.ts), and MXCSR has been looked at.
 */
import { NEAR, isNear, type FloatKnowledge, type Known } from '../semantics/floatKnowledge.ts';
import { OPERAND, Operand } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import type { Step } from './discover.ts';
import type { Loop } from './layout.ts';

const arithmetic = /^(ADD|SUB|MUL|DIV|SQRT)(S|P)D$/;
/** All of the source, or the low double between registers. */
const moving: ReadonlySet<string> = new Set(['MOVAPD', 'MOVAPS', 'MOVUPD', 'MOVUPS', 'MOVDQA', 'MOVDQU', 'MOVSD']);
/** Their first operand is only read. */
const reading = /^U?COMIS[SD]$/;

/** Masks have bit n for register n. */
export interface LoopFloats {
  /** Whose low and high doubles are operands before anything is written there. */
  readonly low: number;
  readonly high: number;
  readonly written: number;
  readonly computes: boolean;
}

/** Numbers of the vector registers that are an instruction's operands, -1 for others. */
function xmmOperands({ row, instruction }: Step, scratch: Operand): number[] {
  return row.operands.map((_, i) => {
    operandAt(row, i, instruction, true, scratch);
    return scratch.kind === OPERAND.XMM ? scratch.number : -1;
  });
}

/** Takes the loop's blocks for executed one after the other: a guess. */
export function loopFloats({ blocks }: Loop): LoopFloats {
  const scratch = new Operand();
  let low = 0, high = 0, written = 0, computes = false;
  /** By register: the one whose value at the start it holds, -1 for none. */
  const holds = Array.from({ length: 16 }, (_, n) => n);
  for (const step of [...blocks].flatMap(block => block.steps)) {
    const { operation } = step.row, [dst = -1, src = -1] = xmmOperands(step, scratch), [, name, kind] = arithmetic.exec(operation) ?? [];
    for (const register of name === undefined ? [] : name === 'SQRT' ? [src] : [dst, src]) {
      computes = true;
      const from = register < 0 ? -1 : holds[register]!;
      if (from < 0) continue;
      low |= 1 << from;
      if (kind === 'P') high |= 1 << from;
    }
    if (dst < 0 || reading.test(operation)) continue;
    written |= 1 << dst;
    holds[dst] = moving.has(operation) && src >= 0 ? holds[src]! : -1;
  }
  return { low, high, written, computes };
}

/** What is expected at a loop's head of the register `n`; `before` is known of it wherever the loop is entered from before it. */
export function expectedAt({ low, high, written }: LoopFloats, n: number, before: Known | undefined): Known {
  const stays = (written >> n & 1) === 0 && before?.low !== undefined && isNear(before.low);
  return { singles: 0, low: (low >> n & 1) !== 0 || stays ? NEAR : undefined, high: (high >> n & 1) !== 0 ? NEAR : undefined };
}

/** Of what is `expected` of a register, what is not known to be so. */
export function missing(expected: Known, floats: FloatKnowledge, n: number): { readonly low: boolean; readonly high: boolean } {
  const { low, high } = floats.known(n);
  return { low: expected.low !== undefined && !(low && isNear(low)), high: expected.high !== undefined && !(high && isNear(high)) };
}
