/**
 * Which accesses of a loop stay on a page for long, as far as its instructions tell: registers that they are addressed by keep their values or
 * are moved by small constants; indices have few values. A guess: what comes of it is right in any case.
 */
import { OPERAND, Operand, REGISTER_NONE, REGISTER_RIP, SEGMENT } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { displacementOf, segmentOf } from '../interpreter/record.ts';
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

export class Steadiness {
  /** By register: what its changes in a turn of the loop come to; infinite if they aren't constants. */
  readonly #steps = new Array<number>(16).fill(0);
  readonly #scratch = new Operand();

  constructor(loop: Loop) {
    for (const { steps } of loop.blocks) for (const step of steps) this.#note(step);
  }

  #note(step: Step): void {
    const { operation, operands } = step.row;
    if (writingPair.has(operation)) this.#steps[rax] = this.#steps[rdx] = Infinity;
    if (strings.has(operation)) this.#steps[rcx] = this.#steps[rsi] = this.#steps[rdi] = Infinity;
    if (operation === 'LEAVE' || operation === 'ENTER') this.#steps[rsp] = this.#steps[rbp] = Infinity;
    if (operands.length === 0 || readingFirst.has(operation)) return;
    const written = this.#register(step, 0);
    if (written >= 0) this.#steps[written]! += Math.abs(this.#increase(step, written));
    if (!writingBoth.has(operation)) return;
    const second = this.#register(step, 1);
    if (second >= 0) this.#steps[second] = Infinity;
  }

  /** The general register that an operand is, -1 if it is none. */
  #register({ row, instruction }: Step, index: number): number {
    operandAt(row, index, instruction, true, this.#scratch);
    const { kind, number } = this.#scratch;
    return kind === OPERAND.GENERAL || kind === OPERAND.HIGH_BYTE ? number : -1;
  }

  /** What an instruction adds to the register that it writes. */
  #increase(step: Step, written: number): number {
    const { row: { operation }, instruction } = step;
    if (operation === 'INC' || operation === 'DEC') return 1;
    if (operation === 'LEA') return instruction.base === written && instruction.index === REGISTER_NONE ? instruction.displacement : Infinity;
    if (operation !== 'ADD' && operation !== 'SUB') return Infinity;
    operandAt(step.row, 1, instruction, true, this.#scratch);
    return this.#scratch.kind === OPERAND.IMMEDIATE ? instruction.immediate : Infinity;
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
      if (this.#register(step, 0) !== register || readingFirst.has(operation)) continue;
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
