/**
 * jit/: compiles what runs often. This file: a region, the code around a hot address as basic blocks, found by following direct jumps across
 * pages, and calls of small functions. What is decoded but was never reached by the interpreter is taken for cold and left out.
 */
import type { Decoder } from '../x86/decoder.ts';
import { Instruction, REGISTER_NONE, REGISTER_RIP } from '../x86/instruction.ts';
import { ADDRESSING, type Row } from '../x86/rows.ts';
import { blocksOf, layOut, loopsOf, type Item } from './layout.ts';
import type { CodePage, CodePages } from './regionCompiler.ts';

/** An instruction of a region. */
export interface Step {
  readonly address: number;
  readonly row: Row;
  readonly instruction: Instruction;
}

/** How a block ends. */
export const Ending = {
  /** Goes on at `next`. */
  falls: 0,
  /** The last instruction is a jump or call. */
  jumps: 1,
  /** The interpreter does the instruction at `next`, which this tier leaves to it. */
  interpreted: 2,
} as const;
export type Ending = (typeof Ending)[keyof typeof Ending];

export class Block {
  readonly address: number;
  steps: Step[] = [];
  ending: Ending = Ending.falls;
  /** Address behind the last step. */
  next = 0;
  /** Blocks that direct branches, falling through and calls lead to. */
  successors: number[] = [];
  /** Target of a direct call that ends it. */
  callee: number | undefined;
  /** It ends with a jump or return to a computed address: whose targets, if any are known, are `ways`. */
  isIndirect = false;
  ways: number[] = [];
  /** It ends with a call of what is not in the region, or with a jump that is as good as a call: to where another module's function is (PLT). */
  callsOut = false;
  /** Of the successors: where control comes back to after what ends the block was done outside. */
  reentry: number | undefined;
  /** Control may come here from outside: the dispatcher knows it. */
  isEntry = false;

  constructor(address: number) {
    this.address = address;
  }
}

export interface Region {
  readonly head: number;
  /** In the order in which they are written. */
  readonly blocks: readonly Block[];
  /** The same blocks in their loops. */
  readonly items: readonly Item[];
  /** Position in `blocks` by address. */
  readonly order: ReadonlyMap<number, number>;
  /** Pages that it has code of: address and frame. */
  readonly pages: ReadonlyMap<number, number>;
  /** Where computed jumps were seen to lead; what the resolver knows. */
  readonly targets: readonly number[];
}

/** What a region may not become larger than; one whose computed jumps are known has proved that it is worth more. */
const mostBlocks = 50, mostSteps = 400, longestBlock = 64;
const mostBlocksWithTargets = 80, mostStepsWithTargets = 600;
/** Instructions of a function that is written where it is called. */
const mostStepsInside = 40;
/** Computed targets that are compared one by one; more are found by a table (RESOLVER). */
const mostCompared = 3;
/** Address that stands for the block that finds the block at a computed address. */
export const RESOLVER = -1;

export interface DiscoverOptions {
  readonly decoder: Decoder;
  readonly pages: CodePages;
  readonly rows: readonly Row[];
  /** This tier can write out the instruction. */
  readonly isFit: (row: Row, instruction: Instruction) => boolean;
}

/** A jump to an address in memory that the code names. */
function isFarJump({ row, instruction }: Step): boolean {
  return row.operation === 'JMP' && instruction.memory === 1 && instruction.base === REGISTER_RIP && instruction.index === REGISTER_NONE;
}

export class Discovery {
  readonly #options: DiscoverOptions;
  readonly #head: number;
  readonly #across = new Uint8Array(32);
  readonly #blocks = new Map<number, Block>();
  /** Block of each instruction. */
  readonly #owner = new Map<number, Block>();
  /** Pages that it has code of. */
  readonly #pages = new Map<number, number>();
  readonly #known = new Map<number, CodePage | undefined>();
  readonly #waiting: number[];
  /** Where control comes back to after it was outside. */
  readonly #entries = new Set<number>();
  readonly #targets: readonly number[];
  readonly #small = new Map<number, boolean>();
  #steps = 0;

  /** `targets`: where computed jumps of the region are known to lead. */
  constructor(options: DiscoverOptions, head: number, targets: readonly number[] = []) {
    this.#options = options;
    this.#head = head;
    this.#targets = targets.filter(target => target !== head && this.#isSeen(target));
    this.#waiting = [head, ...this.#targets];
  }

  /** The region around `head`; undefined when nothing there can be compiled. */
  find(): Region | undefined {
    for (let address = this.#waiting.shift(); address !== undefined; address = this.#waiting.shift()) this.#visit(address);
    const head = this.#blocks.get(this.#head);
    if (!head || head.steps.length === 0) return undefined;
    head.isEntry = true;
    const targets = [this.#head, ...this.#targets].filter(target => (this.#blocks.get(target)?.steps.length ?? 0) > 0);
    for (const target of targets) this.#blocks.get(target)!.isEntry = true;
    this.#lead(targets);
    const items = layOut(this.#sorted(head), block => this.#edges(block));
    const blocks = items.flatMap(blocksOf);
    // A loop is left when the budget is spent, and entered again at its head.
    for (const { head } of loopsOf(items)) head.isEntry = head.address !== RESOLVER;
    return { head: this.#head, blocks, items, order: new Map(blocks.map((block, i) => [block.address, i])), pages: this.#pages, targets };
  }

  /** Blocks that control may go to from `block` without leaving the region. */
  #edges(block: Block): Block[] {
    const addresses = block.successors.filter(address => address !== block.reentry || block.callsOut || address === block.callee || block.ways.includes(address));
    return addresses.flatMap(address => this.#blocks.get(address) ?? []);
  }

  /** Tells computed jumps and returns their targets. */
  #lead(targets: readonly number[]): void {
    const learned = targets.length > 1 ? (targets.length > mostCompared ? [RESOLVER] : targets) : [];
    this.#findReturns();
    for (const block of this.#blocks.values()) {
      if (block.isIndirect && block.ways.length === 0) block.ways = [...learned];
      block.successors.push(...block.ways);
    }
    if (learned[0] !== RESOLVER) return;
    const resolver = new Block(RESOLVER);
    resolver.ending = Ending.jumps;
    resolver.next = RESOLVER;
    resolver.successors = [...targets];
    this.#blocks.set(RESOLVER, resolver);
  }

  #visit(address: number): void {
    if (this.#blocks.has(address)) return;
    const owner = this.#owner.get(address);
    if (owner) return this.#split(owner, address);
    if (this.#isFull) return;
    const block = new Block(address);
    this.#blocks.set(address, block);
    this.#fill(block);
  }

  get #isFull(): boolean {
    if (this.#targets.length > 0) return this.#blocks.size >= mostBlocksWithTargets || this.#steps >= mostStepsWithTargets;
    return this.#blocks.size >= mostBlocks || this.#steps >= mostSteps;
  }

  #fill(block: Block): void {
    let address = block.address;
    for (;;) {
      block.next = address;
      if (address !== block.address && this.#blocks.has(address)) return void block.successors.push(address);
      if (block.steps.length >= longestBlock || this.#steps >= mostStepsWithTargets) return this.#goOn(block, address);
      const step = this.#decode(address);
      if (!step || !this.#options.isFit(step.row, step.instruction)) {
        block.ending = Ending.interpreted;
        if (step) this.#enter(block, address + step.instruction.length);
        return;
      }
      block.steps.push(step);
      this.#owner.set(address, block);
      this.#steps++;
      address += step.instruction.length;
      block.next = address;
      if (this.#ends(block, step)) return;
    }
  }

  #goOn(block: Block, address: number): void {
    block.successors.push(address);
    this.#waiting.push(address);
  }

  /** The block at `address` is reached from outside of the region, after what ends `from`. */
  #enter(from: Block, address: number): void {
    this.#waiting.push(address);
    this.#entries.add(address);
    from.successors.push(address);
    from.reentry = address;
  }

  /** True if the step ends its block. */
  #ends(block: Block, step: Step): boolean {
    const { row, instruction } = step, { next } = block;
    const direct = row.operands.length > 0 && row.operands[0]!.addressing === ADDRESSING.J;
    const target = next + instruction.immediate;
    switch (row.operation) {
      case 'Jcc': case 'LOOP': case 'LOOPE': case 'LOOPNE': case 'JrCXZ':
        block.ending = Ending.jumps;
        this.#goOn(block, next);
        this.#jump(block, target);
        return true;
      case 'JMP':
        block.ending = Ending.jumps;
        if (direct) this.#jump(block, target);
        else if (isFarJump(step)) block.callsOut = true;
        else block.isIndirect = true;
        return true;
      case 'CALL':
        block.ending = Ending.jumps;
        if (direct && this.#isSeen(target) && (target === this.#head || this.#isSmall(target))) {
          block.callee = target;
          this.#jump(block, target);
        } else {
          block.callsOut = true;
          if (direct) this.#addStub(block, target);
        }
        if (this.#isSeen(next)) this.#enter(block, next);
        return true;
      case 'RET':
        block.ending = Ending.jumps;
        block.isIndirect = true;
        return true;
      case 'SYSCALL': case 'INT3': case 'INT':
        block.ending = Ending.jumps;
        this.#enter(block, next);
        return true;
      default:
        return false;
    }
  }

  /** What was never jumped to is left outside, unless another way leads there. */
  #jump(block: Block, target: number): void {
    block.successors.push(target);
    if (this.#isSeen(target)) this.#waiting.push(target);
  }

  /** What is called may be a jump to where another module's function is (PLT): then that jump is the last step of the block. */
  #addStub(block: Block, target: number): void {
    const steps: Step[] = [];
    for (let address = target; steps.length < 2 && this.#isSeen(address);) {
      const step = this.#decode(address);
      if (!step || !this.#options.isFit(step.row, step.instruction)) return;
      steps.push(step);
      if (isFarJump(step)) return void block.steps.push(...steps);
      if (step.row.operation !== 'ENDBR64') return;
      address += step.instruction.length;
    }
  }

  /** A function without loops to speak of that calls nothing: it is quicker where it is called. Only what the interpreter has reached counts. */
  #isSmall(target: number): boolean {
    let known = this.#small.get(target);
    if (known === undefined) this.#small.set(target, known = this.#measure(target));
    return known;
  }
  #measure(target: number): boolean {
    const seen = new Set<number>(), waiting = [target];
    let steps = 0;
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      while (!seen.has(address) && this.#isSeen(address)) {
        seen.add(address);
        const step = this.#decode(address);
        if (!step || ++steps > mostStepsInside || step.row.operation === 'CALL' || step.row.operation === 'SYSCALL') return false;
        address += step.instruction.length;
        if (step.row.operation === 'RET') break;
        const isBranch = step.row.operands[0]?.addressing === ADDRESSING.J;
        if (isBranch) waiting.push(address + step.instruction.immediate);
        if (step.row.operation !== 'JMP') continue;
        if (!isBranch) return false;
        break;
      }
    }
    return true;
  }

  #decode(address: number): Step | undefined {
    const { rows, decoder } = this.#options;
    const offset = address % 4096, page = address - offset, code = this.#page(page);
    if (!code) return undefined;
    this.#pages.set(page, code.frame);
    const instruction = new Instruction();
    let length = decoder.decode(code.bytes, code.at + offset, code.at + 4096, instruction);
    if (length === 0) {
      const second = this.#page(page + 4096);
      if (!second) return undefined;
      const here = 4096 - offset;
      this.#across.set(code.bytes.subarray(code.at + offset, code.at + 4096));
      this.#across.set(second.bytes.subarray(second.at, second.at + 32 - here), here);
      length = decoder.decode(this.#across, 0, 32, instruction);
      if (length > here) this.#pages.set(page + 4096, second.frame);
    }
    return length > 0 ? { address, row: rows[instruction.row]!, instruction } : undefined;
  }

  #page(address: number): CodePage | undefined {
    if (this.#known.has(address)) return this.#known.get(address);
    const page = this.#options.pages.page(address);
    this.#known.set(address, page);
    return page;
  }

  /** The interpreter has reached the code at this address. */
  #isSeen(address: number): boolean {
    const offset = address % 4096;
    return this.#page(address - offset)?.isSeen(offset) ?? false;
  }

  /** Cuts a block in two at an instruction of it. */
  #split(block: Block, address: number): void {
    const at = block.steps.findIndex(step => step.address === address);
    const rest = new Block(address);
    rest.steps = block.steps.splice(at);
    rest.ending = block.ending;
    rest.next = block.next;
    rest.successors = block.successors;
    rest.callee = block.callee;
    rest.reentry = block.reentry;
    block.ending = Ending.falls;
    block.next = address;
    block.successors = [address];
    block.callee = undefined;
    block.reentry = undefined;
    rest.callsOut = block.callsOut;
    block.callsOut = false;
    rest.isIndirect = block.isIndirect;
    rest.ways = block.ways;
    block.isIndirect = false;
    block.ways = [];
    this.#blocks.set(address, rest);
    for (const step of rest.steps) this.#owner.set(step.address, rest);
  }

  /** Reverse postorder from the head; blocks that only the outside leads to come last. */
  #sorted(head: Block): Block[] {
    for (const address of this.#entries) {
      const block = this.#blocks.get(address);
      if (block && block.steps.length > 0) block.isEntry = true;
    }
    const visited = new Set<Block>(), postorder: Block[] = [];
    const visit = (start: Block): void => {
      const stack: { block: Block; at: number }[] = [{ block: start, at: 0 }];
      visited.add(start);
      for (let top = stack.at(-1); top; top = stack.at(-1)) {
        const successor = top.block.successors[top.at++];
        if (successor === undefined) {
          postorder.push(top.block);
          stack.pop();
          continue;
        }
        const block = this.#blocks.get(successor);
        if (!block || visited.has(block)) continue;
        visited.add(block);
        stack.push({ block, at: 0 });
      }
    };
    visit(head);
    return postorder.reverse();
  }

  /** Where the `ret`s of functions that are called inside of the region may go. */
  #findReturns(): void {
    const callers = new Map<number, number[]>();
    for (const block of this.#blocks.values()) {
      if (block.reentry === undefined || !this.#blocks.has(block.reentry)) continue;
      if (block.callee !== undefined) callers.set(block.callee, [...(callers.get(block.callee) ?? []), block.reentry]);
    }
    for (const [callee, addresses] of callers) this.#eachReturn(callee, block => {
      block.ways = [...new Set([...block.ways, ...addresses])].slice(0, 8);
    });
  }

  /** Visits the blocks of a function that end in `ret`; what it calls is not part of it. */
  #eachReturn(callee: number, visit: (block: Block) => void): void {
    const visited = new Set<number>(), waiting = [callee];
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      const block = this.#blocks.get(address);
      if (!block || visited.has(address)) continue;
      visited.add(address);
      if (block.steps.at(-1)?.row.operation === 'RET') visit(block);
      else waiting.push(...block.successors.filter(successor => successor !== block.callee), ...(block.callee === undefined ? block.ways : []));
    }
  }
}
