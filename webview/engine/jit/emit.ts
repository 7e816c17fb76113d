/**
 * Writes a region as one function: (block, budget) -> RegionOutcome. Branches are direct; only what enters a loop elsewhere than at its head,
 * from outside of the region for the most part, goes through a `br_table`.
 */
import { Code, load64, type Label } from '../wasm/code.ts';
import { I32, I64 } from '../wasm/values.ts';
import { OPERAND, REGISTER_NONE, REGISTER_RIP, SEGMENT, Operand as ResolvedOperand, type Instruction } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { ADDRESSING, FLAG, type Row } from '../x86/rows.ts';
import { FloatKnowledge } from '../semantics/floatKnowledge.ts';
import type { Descriptions } from '../semantics/contract.ts';
import type { BaseOperand } from '../semantics/operand.ts';
import { FlagKind } from '../semantics/pendingFlags.ts';
import type { FormTable } from '../interpreter/forms.ts';
import { displacementOf, segmentOf, segmentSlot } from '../interpreter/record.ts';
import { RegionOutcome, STATE, Slot } from '../state.ts';
import { RegionControl, RegionMemory, RegionRegisters, RegionStack, type Edges } from './access.ts';
import { StepContext, type RegionParts } from './context.ts';
import { Ending, RESOLVER, type Block, type Region, type Step } from './discover.ts';
import { perfectHash } from './perfectHash.ts';
import { expectedAt, loopFloats, type LoopFloats } from './floatLoops.ts';
import { placeOf } from './place.ts';
import { reachOf } from './reach.ts';
import { Loop, blocksOf, loopsOf, type Item } from './layout.ts';
import { FlagLiveness } from './liveness.ts';
import { RegionFrame, type Carried, type HelperSource } from './frame.ts';
import { Steadiness } from './steady.ts';
import { GeneralOperand, ImmediateOperand, MemoryOperand, MmxOperand, NumberedOperand, PlaceOperand, XmmOperand } from './operands.ts';

/** What is taken from the budget for an instruction. */
const instructionCost = 16;

/** Don't write what the subtraction gives whose flags they set. */
const comparing: ReadonlySet<string> = new Set(['CMP', 'CMPS', 'SCAS', 'CMPXCHG', 'CMPXCHG8B']);

/** Blocks and loops one behind the other. */
interface Scope {
  readonly items: readonly Item[];
  readonly loop: { readonly of: Loop; readonly top: Label } | undefined;
  /** Which of them is being written. */
  at: number;
  labels: readonly Label[];
}

/** A region's function before it is part of a module. */
export interface RegionCode {
  readonly code: Code;
  /** Names of the functions that it calls, by their index. */
  readonly imports: readonly string[];
}

/** What most runs of a region will be like. */
export interface Expectations {
  /** See Context. */
  readonly isInexactLikely: boolean;
  /** See RegionFrame. */
  readonly reusesTranslations: boolean;
  /** Doubles are NEAR (semantics/floatKnowledge.ts). */
  readonly expectsNear: boolean;
}

/** An instruction that a description can't be written out for here. */
export class UnfitInstruction extends Error {
  readonly step: Step;

  constructor(step: Step, cause: unknown) {
    super(`${step.row.source.join(' ')} can't be compiled`, { cause });
    this.step = step;
  }
}

/** Blocks that are entered from outside of the region, or from outside of a loop that they are in and not the head of. */
function dispatched({ blocks, items, order }: Region): Set<Block> {
  const loops = new Map<Block, Loop[]>();
  const note = (item: Item, around: Loop[]): void => {
    if (!(item instanceof Loop)) return void loops.set(item, around);
    for (const inner of item.items) note(inner, [...around, item]);
  };
  for (const item of items) note(item, []);
  const found = new Set(blocks.filter(block => block.isEntry));
  for (const block of blocks) {
    for (const address of block.successors) {
      const target = blocks[order.get(address) ?? -1];
      const entered = target && loops.get(target)!.find(loop => !loop.blocks.has(block));
      if (entered && entered.head !== target) found.add(target);
    }
  }
  return found;
}

/** It adds a constant to a register, or subtracts one. */
function increases({ operation }: Row, [first, second]: readonly BaseOperand[]): boolean {
  return (operation === 'ADD' || operation === 'SUB') && first instanceof GeneralOperand && first.width === 8 && second instanceof ImmediateOperand;
}

/** Blocks that control comes to from one place only. */
function ledToOnce({ blocks, order }: Region, entered: ReadonlySet<Block>): Set<Block> {
  const count = new Map<number, number>();
  for (const { successors } of blocks) for (const address of successors) count.set(address, (count.get(address) ?? 0) + 1);
  return new Set(blocks.filter(block => order.has(block.address) && count.get(block.address) === 1 && !entered.has(block) && block.address !== RESOLVER));
}

/** With fewer blocks than this, computed jumps don't make too many ways on which each local may be elsewhere. */
const fewBlocks = 40;

/** Instructions in loops count so much. */
const loopWeight = 5;

/** What is better for a region: registers in locals throughout if much of it is loops that call nothing, else in memory. */
function writesThrough({ blocks, items, order }: Region): boolean {
  if (order.has(RESOLVER) && blocks.length > fewBlocks) return true;
  if (!blocks.some(block => block.callsOut)) return false;
  const size = (some: readonly Block[]): number => some.reduce((sum, { steps }) => sum + steps.length, 0);
  const inLoops = (item: Item): number => {
    if (!(item instanceof Loop)) return 0;
    return [...item.blocks].some(block => block.callsOut) ? item.items.reduce((sum, inner) => sum + inLoops(inner), 0) : size([...item.blocks]);
  };
  return items.reduce((sum, item) => sum + inLoops(item), 0) * loopWeight < size(blocks);
}

function usesXmm({ blocks }: Region): boolean {
  return blocks.some(({ steps }) => steps.some(({ row }) => row.operands.some(({ addressing }) => addressing === ADDRESSING.V || addressing === ADDRESSING.W || addressing === ADDRESSING.U)));
}

export class RegionWriter {
  readonly #region: Region;
  readonly #descriptions: Descriptions;
  readonly #forms: FormTable;
  readonly #frame: RegionFrame;
  readonly #registers: RegionRegisters;
  readonly #memory: RegionMemory;
  readonly #stack: RegionStack;
  readonly #control: RegionControl;
  readonly #parts: RegionParts;
  readonly #scratch = new ResolvedOperand();
  /** What is known of the flags' kind where each block is reached from before it. */
  readonly #kinds: (number | undefined)[] = [];
  /** What is known there of registers and flags, if only one block leads there. */
  readonly #carried: (Carried | undefined)[] = [];
  /** Those blocks. */
  readonly #only: ReadonlySet<Block>;
  /** What is known of numbers there. */
  readonly #floats: (FloatKnowledge | undefined)[] = [];
  /** What is expected of numbers there, if it is a loop's head. */
  readonly #expected: (FloatKnowledge | undefined)[] = [];
  /** By a loop's head. */
  readonly #loopFloats = new Map<Block, LoopFloats>();
  /** The blocks and loops that are being written, outermost first. */
  readonly #scopes: Scope[] = [];
  /** Blocks that a dispatch may lead to. */
  readonly #dispatched: ReadonlySet<Block>;
  readonly #liveness: FlagLiveness;
  readonly #steady = new Map<Loop, Steadiness>();
  #position = 0;
  #hasLeft = false;

  constructor(region: Region, descriptions: Descriptions, forms: FormTable, helpers: HelperSource, { isInexactLikely, reusesTranslations, expectsNear }: Expectations) {
    this.#region = region;
    this.#descriptions = descriptions;
    this.#forms = forms;
    this.#frame = new RegionFrame(new Code(['i32', 'i32']), helpers, writesThrough(region), usesXmm(region), reusesTranslations);
    this.#registers = new RegionRegisters(this.#frame);
    this.#memory = new RegionMemory(this.#frame);
    this.#stack = new RegionStack(this.#frame);
    const edges: Edges = {
      direct: (target, condition) => (this.#now.callsOut ? this.#callDirectly(target) : this.#branch(target, condition)),
      indirect: target => this.#indirect(target),
    };
    this.#control = new RegionControl(this.#frame, edges);
    this.#parts = {
      code: this.#frame.code, flags: this.#frame.flags, registers: this.#registers, memory: this.#memory, stack: this.#stack, control: this.#control,
      helpers: this.#frame, isInexactLikely, floats: this.#frame.floats,
      expect: expectsNear ? condition => this.#frame.leaveOutlierUnless(condition) : undefined,
      enterMmx: () => {
        this.#frame.code.store32(STATE + Slot.fpuTop, 0);
        this.#frame.code.store32(STATE + Slot.fpuTags, 0xff);
      },
    };
    this.#dispatched = dispatched(region);
    this.#only = ledToOnce(region, this.#dispatched);
    this.#liveness = new FlagLiveness(region);
    for (const loop of expectsNear ? loopsOf(region.items) : []) {
      // Behind calls nothing is known.
      if (![...loop.blocks].some(block => block.callsOut || block.address === RESOLVER)) this.#loopFloats.set(loop.head, loopFloats(loop));
    }
  }

  #blockAt(address: number): Block | undefined {
    const order = this.#region.order.get(address);
    return order === undefined ? undefined : this.#region.blocks[order];
  }

  /** Throws UnfitInstruction. */
  write(): RegionCode {
    const frame = this.#frame;
    frame.write(() => this.#scope(this.#region.items, undefined));
    return { code: frame.code, imports: frame.imports };
  }

  /** Writes blocks and loops one behind the other. */
  #scope(items: readonly Item[], loop: Scope['loop']): void {
    const scope: Scope = { items, loop, at: 0, labels: [] };
    this.#scopes.push(scope);
    const { code } = this.#frame;
    code.blocks(items.map((item, at) => labels => {
      scope.at = at;
      scope.labels = labels;
      if (item instanceof Loop) this.#loop(item);
      else this.#block(item);
    }), labels => this.#dispatch(scope, labels));
    this.#scopes.pop();
  }

  #loop(loop: Loop): void {
    const { code } = this.#frame, blocks = [...loop.blocks], write = (): void => code.loop(top => this.#scope(loop.items, { of: loop, top }));
    this.#beginLoop(loop);
    if (blocks.some(block => block.callsOut)) write();
    else this.#frame.loop(write, !blocks.some(block => block.address === RESOLVER));
  }

  /** What is expected of numbers at its head, which a dispatch may lead to from here. */
  #beginLoop({ head }: Loop): void {
    const frame = this.#frame, order = this.#region.order.get(head.address)!;
    // Of a loop around this one with the same head.
    if (this.#expected[order]) return;
    const expected = this.#expect(head, this.#floats[order]);
    this.#expected[order] = expected;
    if (!expected || !this.#dispatched.has(head)) return;
    frame.code.unlikely(frame.enter.value.eq(order + 1), () => frame.expectFloats(head.address, expected, new FloatKnowledge(), this.#parts.isInexactLikely));
  }

  /** Where a scope begins: goes on to the block that is to be entered. */
  #dispatch({ items, loop }: Scope, labels: readonly Label[]): void {
    const { code, enter } = this.#frame;
    const targets = items.flatMap((item, at) => blocksOf(item).map(block => ({ at, block })));
    if (!targets.some(({ block }, i) => i > 0 && this.#dispatched.has(block))) return;
    const first = this.#region.order.get(targets[0]!.block.address)!;
    const table = targets.map(({ at, block }) => labels[this.#dispatched.has(block) ? at : 0]!);
    const write = (): void => code.brTable(enter.value.sub(1 + first), table);
    if (loop) code.unlikely(enter.value, write);
    else write();
  }

  #block(block: Block): void {
    const frame = this.#frame, { code, flags } = frame;
    this.#position = this.#region.order.get(block.address)!;
    const known = this.#kinds[this.#position];
    // The resolver may be the head of a loop without being an entry.
    flags.enter(block.isEntry || block.address === RESOLVER || known === undefined ? FlagKind.unknown : known);
    frame.enterBlock();
    const carried = this.#carried[this.#position];
    if (carried) frame.takeCarried(carried);
    this.#enterFloats(block);
    this.#hasLeft = false;
    if (this.#dispatched.has(block)) code.set(frame.enter, I32.of(0));
    if (block.address === RESOLVER) return this.#resolver();
    code.set(frame.left, frame.left.value.sub(block.steps.length * instructionCost));
    for (const [i, step] of block.steps.entries()) {
      const error = code.attempt(() => this.#step(block, i));
      if (error) throw new UnfitInstruction(step, error);
    }
    if (block.ending === Ending.interpreted) frame.leave(block.next, RegionOutcome.interpret);
    else if (!this.#hasLeft) this.#branch(block.next, undefined);
    // What is written next is not reached from here: a loop that begins there must not write this block's flags.
    flags.enter(FlagKind.unknown);
  }

  /** Only where all ways to the block have been written: not at the head of a loop, nor where a dispatch leads. */
  #enterFloats(block: Block): void {
    const { floats } = this.#frame, before = this.#floats[this.#position], isHead = this.#scopes.at(-1)!.loop?.of.head === block;
    const expected = isHead ? this.#expected[this.#position] : undefined;
    if (expected) floats.take(expected);
    else if (before && !this.#dispatched.has(block) && !isHead) floats.take(before);
    else floats.forget();
  }

  /** What is expected of numbers at a loop's head. `before`: what is known wherever the loop is entered from before it, if that is known yet. */
  #expect(head: Block, before?: FloatKnowledge): FloatKnowledge | undefined {
    const loop = this.#loopFloats.get(head);
    if (!loop?.computes || !this.#parts.expect) return undefined;
    const expected = new FloatKnowledge();
    for (let n = 0; n < 16; n++) expected.set(n, expectedAt(loop, n, before?.known(n)));
    expected.isSettled = true;
    return expected;
  }

  /** To a known address: inside the region or out of it. */
  #branch(target: number, condition: I32 | undefined): void {
    if (condition?.constant === 0) return;
    const unknown = condition?.constant === undefined ? condition : undefined;
    if (!unknown) this.#hasLeft = true;
    const block = this.#blockAt(target);
    if (block) return this.#goTo(block, unknown);
    if (unknown) this.#frame.leaveWhen(unknown, target, RegionOutcome.jump);
    else this.#frame.leave(target, RegionOutcome.jump);
  }

  /** To a block of the region, if `condition` is not 0. */
  #goTo(block: Block, condition: I32 | undefined): void {
    const frame = this.#frame, { code, flags, left, enter, floats } = frame;
    const order = this.#region.order.get(block.address)!;
    this.#floats[order] = floats.joined(this.#floats[order]);
    const carried = this.#only.has(block) ? frame.carry() : undefined;
    this.#carried[order] = carried;
    if (!carried?.flags && this.#liveness.isLive(block)) {
      const before = this.#kinds[order];
      this.#kinds[order] = before === undefined || before === flags.known ? flags.known : FlagKind.unknown;
      flags.flush();
    }
    const { label, isBack, isDirect } = this.#way(block);
    const expected = isDirect ? this.#expected[order] ?? this.#expect(block) : undefined, isMet = !expected || frame.meets(expected);
    if (!isBack && isDirect && isMet) {
      if (condition) code.brIf(label, condition);
      else code.br(label);
      return;
    }
    const go = (): void => {
      if (!isMet) frame.expectFloats(block.address, expected, floats, this.#parts.isInexactLikely);
      if (isBack) code.unlikely(left.value.ltS(0), () => {
        if (block.address === RESOLVER) this.#frame.leaveTo(this.#frame.goal.value, RegionOutcome.spent);
        else this.#frame.leave(block.address, RegionOutcome.spent);
      });
      if (!isDirect) code.set(enter, I32.of(order + 1));
      code.br(label);
    };
    if (condition) code.unlikely(condition, go);
    else go();
  }

  /** The branch that leads to a block from where the code is; not direct: by a dispatch at the head of a loop. */
  #way(block: Block): { readonly label: Label; readonly isBack: boolean; readonly isDirect: boolean } {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const { items, loop, at, labels } = this.#scopes[i]!;
      if (loop?.of.head === block) return { label: loop.top, isBack: true, isDirect: true };
      const found = items.findIndex(item => (item instanceof Loop ? item.blocks.has(block) : item === block));
      if (found < 0) continue;
      if (found > at) {
        const item = items[found]!;
        return { label: labels[found]!, isBack: false, isDirect: !(item instanceof Loop) || item.head === block };
      }
    }
    throw new Error('a branch against the order of blocks');
  }

  /** The block that is being written. */
  get #now(): Block {
    return this.#region.blocks[this.#position]!;
  }

  /** A call; the last step of its block may be the jump that it leads to. */
  #callDirectly(target: number): void {
    if (this.#now.steps.at(-1)!.row.operation === 'CALL') this.#callOut(I64.of(target));
  }

  /** Calls what is not in the region; or jumps there, which leaves it to return to who called this region. */
  #callOut(target: I64): void {
    const { reentry, steps } = this.#now;
    this.#hasLeft = true;
    const behind = reentry === undefined ? undefined : this.#blockAt(reentry);
    if (behind) {
      this.#frame.call(target, behind.address);
      this.#goTo(behind, undefined);
    } else if (steps.at(-1)!.row.operation === 'JMP') this.#frame.callLast(target);
    else this.#frame.leaveTo(target, RegionOutcome.returned);
  }

  #indirect(target: I64): void {
    const frame = this.#frame, block = this.#now;
    if (block.callsOut) return this.#callOut(target);
    this.#hasLeft = true;
    for (const address of block.ways) {
      const way = this.#blockAt(address);
      if (!way) continue;
      if (address === RESOLVER) {
        frame.code.set(frame.goal, target);
        return this.#goTo(way, undefined);
      }
      this.#goTo(way, target.eq(I64.of(address)));
    }
    frame.leaveTo(target, block.steps.at(-1)!.row.operation === 'RET' ? RegionOutcome.returned : RegionOutcome.jump);
  }

  /** Goes to the block at the address that is `goal`: by a table without collisions, then one comparison. */
  #resolver(): void {
    const { code, goal } = this.#frame;
    const byLowerHalf = new Map(this.#region.targets.filter(address => this.#region.order.has(address)).map(address => [address | 0, address]));
    const targets = [...byLowerHalf.values()];
    const { multiplier, bits, places } = perfectHash(targets);
    const index = goal.value.toI32().mul(multiplier).shrU(32 - bits);
    code.block(missing => {
      const bodies = targets.map(address => () => {
        this.#goTo(this.#blockAt(address)!, goal.value.eq(I64.of(address)));
        code.br(missing);
      });
      code.blocks(bodies, labels => code.brTable(index, places.map(i => (i < 0 ? missing : labels[i]!))));
    });
    this.#frame.leaveTo(goal.value);
  }

  #step(block: Block, at: number): void {
    const step = block.steps[at]!, { address, row, instruction } = step, frame = this.#frame, control = this.#control;
    const form = this.#forms.formOf(row, instruction);
    frame.begin(address, (block.steps.length - at) * instructionCost, !comparing.has(row.operation));
    frame.reach = (place, size) => reachOf(block, at, place, size);
    control.behind = address + instruction.length;
    control.target = control.behind + instruction.immediate;
    this.#memory.segment = segmentSlot(segmentOf(row, instruction));
    const operands = row.operands.map((_, index) => this.#operand(block, at, index));
    this.#registers.increased = increases(row, operands) ? operands[0]!.registerNumber().constant! : -1;
    if (this.#registers.increased >= 0) this.#registers.by = row.operation === 'ADD' ? instruction.immediate : -instruction.immediate;
    this.#descriptions[row.operation]!(new StepContext(this.#parts, form, operands));
    if (!this.#hasLeft) frame.leaveIfCodeChanged(control.behind);
    // An exit behind the instruction (SYSCALL) is the end of the block; what would follow can't be reached.
    if (step === block.steps.at(-1) && (row.operation === 'SYSCALL' || row.operation.startsWith('INT'))) this.#hasLeft = true;
  }

  #operand(block: Block, at: number, index: number): BaseOperand {
    const { row, instruction, address } = block.steps[at]!, resolved = this.#scratch, frame = this.#frame;
    operandAt(row, index, instruction, true, resolved);
    const { kind, number, width, low, high } = resolved;
    switch (kind) {
      case OPERAND.GENERAL: case OPERAND.HIGH_BYTE: return new GeneralOperand(this.#registers, width, number, kind === OPERAND.HIGH_BYTE);
      case OPERAND.XMM: return new XmmOperand(frame, width, number);
      case OPERAND.MMX: return new MmxOperand(frame, width, number);
      case OPERAND.MEMORY: return new MemoryOperand(
        frame, width, this.#address(row, instruction, address), (row.flags & FLAG.ALIGNED) !== 0, placeOf(row, instruction), this.#steadiness?.pageOf(block, at));
      case OPERAND.STRING_SOURCE: case OPERAND.STRING_DESTINATION: return new PlaceOperand(width, 'string');
      case OPERAND.RELATIVE: return new PlaceOperand(width, 'branch');
      case OPERAND.IMMEDIATE: return new ImmediateOperand(width, low, high);
      default: return new NumberedOperand(width, number);
    }
  }

  /** Of the innermost loop around what is being written. */
  get #steadiness(): Steadiness | undefined {
    const loop = this.#scopes.findLast(scope => scope.loop)?.loop!.of;
    if (!loop) return undefined;
    const known = this.#steady.get(loop) ?? new Steadiness(loop);
    this.#steady.set(loop, known);
    return known;
  }

  /** Effective address with its segment. */
  #address(row: Row, instruction: Instruction, here: number): I64 {
    const frame = this.#frame, { base, index, scale, addressSize } = instruction;
    const displacement = instruction.displacementHigh !== instruction.displacement >> 31
      ? BigInt(instruction.displacementHigh) << 32n | BigInt(instruction.displacement >>> 0)
      : BigInt(displacementOf(row, instruction));
    const parts: I64[] = [];
    if (base === REGISTER_RIP) parts.push(I64.of(BigInt(here + instruction.length) + displacement));
    else if (base !== REGISTER_NONE) parts.push(frame.gpr(base));
    if (index !== REGISTER_NONE) parts.push(frame.gpr(index).shl(scale));
    if (base !== REGISTER_RIP && (displacement !== 0n || parts.length === 0)) parts.push(I64.of(displacement));
    let sum = parts.reduce((a, b) => a.add(b));
    if (addressSize === 4) sum = sum.and(0xffffffffn);
    const segment = segmentOf(row, instruction);
    return segment === SEGMENT.NONE ? sum : sum.add(load64(STATE + segmentSlot(segment)));
  }
}
