/** Where status flags matter: not at the start of a block from which all are set before anything reads them or can leave the region. */
import { OPERAND, Operand } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { Ending, type Block, type Region, type Step } from './discover.ts';

/** Set every status flag, read none, and can't leave when their operands are registers and constants. */
const defining: ReadonlySet<string> = new Set(['ADD', 'SUB', 'CMP', 'AND', 'OR', 'XOR', 'TEST', 'NEG']);
/** Neither read nor set flags, and can't leave when their operands are registers and constants. */
const transparent: ReadonlySet<string> = new Set(['MOV', 'MOVZX', 'MOVSX', 'MOVSXD', 'LEA', 'NOP', 'ENDBR64', 'NOT', 'BSWAP', 'CBW', 'CWD']);

function hasOnlyRegisters({ row, instruction }: Step, scratch: Operand): boolean {
  return row.operands.every((_, i) => {
    operandAt(row, i, instruction, true, scratch);
    return scratch.kind === OPERAND.GENERAL || scratch.kind === OPERAND.HIGH_BYTE || scratch.kind === OPERAND.IMMEDIATE;
  });
}

export class FlagLiveness {
  readonly #order: ReadonlyMap<number, number>;
  readonly #blocks: readonly Block[];
  readonly #known = new Map<Block, boolean>();
  readonly #scratch = new Operand();

  constructor({ order, blocks }: Pick<Region, 'order' | 'blocks'>) {
    this.#order = order;
    this.#blocks = blocks;
  }

  /** True if the flags at the start of `block` may be seen by anybody. */
  isLive(block: Block): boolean {
    let live = this.#known.get(block);
    if (live === undefined) {
      this.#known.set(block, true); // For ways that lead back here.
      live = this.#look(block);
      this.#known.set(block, live);
    }
    return live;
  }

  #look(block: Block): boolean {
    for (const step of block.steps) {
      const { operation } = step.row;
      if (operation === 'JMP' && !block.isIndirect) break;
      const isMoved = operation === 'LEA' || operation === 'NOP' || hasOnlyRegisters(step, this.#scratch);
      if (isMoved && defining.has(operation)) return false;
      if (!isMoved || !transparent.has(operation)) return true;
    }
    if (block.ending === Ending.interpreted || block.isIndirect || block.successors.length !== 1) return true;
    const next = this.#order.get(block.successors[0]!);
    // Where a branch leads back, the budget may be spent.
    return next === undefined || next <= this.#order.get(block.address)! || this.isLive(this.#blocks[next]!);
  }
}
