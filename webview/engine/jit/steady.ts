/**
 * Which accesses of a loop stay on a page for long, as far as its instructions tell: registers that they are addressed by keep their values or
 * are moved by small constants; indices have few values. A guess: what comes of it is right in any case.
 */
import { OPERAND, Operand, REGISTER_NONE, REGISTER_RIP, SEGMENT } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { displacementOf, segmentOf } from '../interpreter/record.ts';
import { ADDRESSING } from '../x86/rows.ts';
import type { Block, Step } from './discover.ts';
import type { Loop } from './layout.ts';

/** What a register is moved by in a turn of the loop, at most. */
const farthestStep = 64;
/** Displacements that are that close are most likely on one page. */
const bucketSize = 2048;

/** Write no general register that they name first. */
const readingFirst: ReadonlySet<string> = new Set(['CMP', 'TEST', 'BT', 'PUSH', 'JMP', 'CALL', 'MUL', 'DIV', 'IDIV']);
/** Write the second operand, too. */
const writingBoth: ReadonlySet<string> = new Set(['XCHG', 'XADD']);
/** Write rax and rdx without naming them. */
const writingPair: ReadonlySet<string> = new Set(['MUL', 'IMUL', 'DIV', 'IDIV', 'CWD', 'CBW', 'CMPXCHG', 'CMPXCHG8B', 'CPUID', 'RDTSC']);
/** Move rsi, rdi or rcx. */
const strings: ReadonlySet<string> = new Set(['MOVS', 'STOS', 'LODS', 'CMPS', 'SCAS']);

const rax = 0, rcx = 1, rdx = 2, rsp = 4, rbp = 5, rsi = 6, rdi = 7;

/** The general register that an operand is, -1 if it is none. */
function registerOf({ row, instruction }: Step, index: number, scratch = new Operand()): number {
  operandAt(row, index, instruction, true, scratch);
  const { kind, number } = scratch;
  return kind === OPERAND.GENERAL || kind === OPERAND.HIGH_BYTE ? number : -1;
}

/** What an instruction adds to the register that it writes, if that is a constant. */
function increaseOf({ row: { operation, operands }, instruction }: Step, written: number): number | undefined {
  if (operation === 'INC') return 1;
  if (operation === 'DEC') return -1;
  if (operation === 'LEA') return instruction.base === written && instruction.index === REGISTER_NONE ? instruction.displacement : undefined;
  const isConstant = operands[1]?.addressing === ADDRESSING.I;
  if (!isConstant || operation !== 'ADD' && operation !== 'SUB') return undefined;
  return operation === 'ADD' ? instruction.immediate : -instruction.immediate;
}

/** What an instruction adds to a general register; undefined if that is no constant. */
export function changeOf(step: Step, register: number): number | undefined {
  const { operation, operands } = step.row;
  if (writingPair.has(operation) && (register === rax || register === rdx)) return undefined;
  if (strings.has(operation) && (register === rcx || register === rsi || register === rdi)) return undefined;
  if ((operation === 'LEAVE' || operation === 'ENTER') && (register === rsp || register === rbp)) return undefined;
  if (writingBoth.has(operation) && registerOf(step, 1) === register) return undefined;
  const pushed = register !== rsp ? 0 : operation === 'PUSH' || operation === 'CALL' ? -8 : operation === 'POP' || operation === 'RET' ? 8 : 0;
  if (operands.length === 0 || readingFirst.has(operation) || registerOf(step, 0) !== register) return pushed;
  return increaseOf(step, register);
}

export class Steadiness {
  /** By register: what its changes in a turn of the loop come to; infinite if they aren't constants. */
  readonly #steps = new Array<number>(16).fill(0);
  readonly #scratch = new Operand();

  constructor(loop: Loop) {
    for (const { steps } of loop.blocks) for (const step of steps) {
      for (let register = 0; register < 16; register++) this.#steps[register]! += Math.abs(changeOf(step, register) ?? Infinity);
    }
  }

  /** A name for the page that the memory operand of step `at` of a block stays on, the same for those that are likely on the same one; undefined if it stays on none. */
  pageOf(block: Block, at: number): string | undefined {
    const { row, instruction, address } = block.steps[at]!, { base, index, scale, addressSize } = instruction;
    if (addressSize !== 8 || segmentOf(row, instruction) !== SEGMENT.NONE) return undefined;
    const displacement = displacementOf(row, instruction);
    if (base === REGISTER_RIP) return index === REGISTER_NONE ? `rip ${Math.floor((address + instruction.length + displacement) / 4096)}` : undefined;
    if (base !== REGISTER_NONE && this.#steps[base]! > farthestStep) return undefined;
    const place = `${base} ${Math.round(displacement / bucketSize)}`;
    if (index === REGISTER_NONE || this.#isSmall(block, at, index)) return place;
    return this.#steps[index]! * 2 ** scale <= farthestStep ? `${place} ${index} ${scale}` : undefined;
  }

  /** A register was made of a byte just before. */
  #isSmall({ steps }: Block, at: number, register: number): boolean {
    for (let i = at - 1; i >= 0; i--) {
      const step = steps[i]!, { operation } = step.row;
      if (registerOf(step, 0, this.#scratch) !== register || readingFirst.has(operation)) continue;
      if (operation === 'AND') {
        operandAt(step.row, 1, step.instruction, true, this.#scratch);
        return this.#scratch.kind === OPERAND.IMMEDIATE && step.instruction.immediate >= 0 && step.instruction.immediate < 256;
      }
      if (operation !== 'MOVZX') return false;
      operandAt(step.row, 1, step.instruction, true, this.#scratch);
      return this.#scratch.width === 1;
    }
    return false;
  }
}
