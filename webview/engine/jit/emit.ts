/** Writes a region as one function: (block, budget) -> RegionOutcome. Forward branches are direct, all others go through a `br_table`. */
import { Code, load64, type Label } from '../wasm/code.ts';
import { I64 } from '../wasm/values.ts';
import { OPERAND, REGISTER_NONE, REGISTER_RIP, SEGMENT, Operand as ResolvedOperand, type Instruction } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { FLAG, type Row } from '../x86/rows.ts';
import type { Descriptions } from '../semantics/contract.ts';
import type { BaseOperand } from '../semantics/operand.ts';
import type { FormTable } from '../interpreter/forms.ts';
import { displacementOf, segmentOf, segmentSlot } from '../interpreter/record.ts';
import { RegionOutcome, STATE, Slot } from '../state.ts';
import { RegionControl, RegionMemory, RegionRegisters, RegionStack, type Edges } from './access.ts';
import { StepContext, type RegionParts } from './context.ts';
import { Ending, type Block, type Region, type Step } from './discover.ts';
import { FlagKind } from './flags.ts';
import { RegionFrame, type HelperSource } from './frame.ts';
import { GeneralOperand, ImmediateOperand, MemoryOperand, MmxOperand, NumberedOperand, PlaceOperand, XmmOperand } from './operands.ts';

/** What is taken from the budget for an instruction. */
const instructionCost = 16;

/** A region's function before it is part of a module. */
export interface RegionCode {
  readonly code: Code;
  /** Names of the functions that it calls, by their index. */
  readonly imports: readonly string[];
}

/** An instruction that a description can't be written out for here. */
export class UnfitInstruction extends Error {
  readonly step: Step;

  constructor(step: Step, cause: unknown) {
    super(`${step.row.source.join(' ')} can't be compiled`, { cause });
    this.step = step;
  }
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
  #position = 0;
  #labels: readonly Label[] = [];
  #top!: Label;
  #hasLeft = false;

  constructor(region: Region, descriptions: Descriptions, forms: FormTable, helpers: HelperSource) {
    this.#region = region;
    this.#descriptions = descriptions;
    this.#forms = forms;
    this.#frame = new RegionFrame(new Code(['i32', 'i32']), region.head, helpers);
    this.#registers = new RegionRegisters(this.#frame);
    this.#memory = new RegionMemory(this.#frame);
    this.#stack = new RegionStack(this.#frame, this.#memory);
    const edges: Edges = {
      direct: (target, condition) => this.#branch(target, condition),
      indirect: target => this.#indirect(target),
    };
    this.#control = new RegionControl(this.#frame, edges);
    this.#parts = {
      code: this.#frame.code, flags: this.#frame.flags, registers: this.#registers, memory: this.#memory, stack: this.#stack, control: this.#control,
      helpers: this.#frame,
      enterMmx: () => {
        this.#frame.code.store32(STATE + Slot.fpuTop, 0);
        this.#frame.code.store32(STATE + Slot.fpuTags, 0xff);
      },
    };
  }

  /** Throws UnfitInstruction. */
  write(): RegionCode {
    const frame = this.#frame, { code } = frame, { blocks } = this.#region;
    frame.write(() => code.loop(top => {
      this.#top = top;
      code.blocks(frame.block.value, blocks.map((block, position) => labels => {
        this.#labels = labels;
        this.#position = position;
        this.#block(block);
      }));
    }));
    return { code, imports: frame.imports };
  }

  #block(block: Block): void {
    const frame = this.#frame, { code, flags } = frame;
    const known = this.#kinds[this.#position];
    flags.known = block.isEntry || known === undefined ? FlagKind.unknown : known;
    this.#hasLeft = false;
    code.set(frame.left, frame.left.value.sub(block.steps.length * instructionCost));
    for (const step of block.steps) {
      const error = code.attempt(() => this.#step(step, block));
      if (error) throw new UnfitInstruction(step, error);
    }
    if (block.ending === Ending.interpreted) frame.leave(block.next, RegionOutcome.interpret);
    else if (!this.#hasLeft) this.#branch(block.next, undefined);
  }

  /** To a known address: inside the region or out of it. */
  #branch(target: number, condition: Parameters<Edges['direct']>[1]): void {
    if (condition?.constant === 0) return;
    const { code, flags, left } = this.#frame;
    const order = this.#region.order.get(target);
    if (!condition || condition.constant !== undefined) this.#hasLeft = true;
    if (order === undefined) {
      if (condition && condition.constant === undefined) this.#frame.leaveWhen(condition, target, RegionOutcome.jump);
      else this.#frame.leave(target, RegionOutcome.jump);
      return;
    }
    if (order > this.#position) {
      const before = this.#kinds[order];
      this.#kinds[order] = before === undefined || before === flags.known ? flags.known : FlagKind.unknown;
      if (condition && condition.constant === undefined) code.brIf(this.#labels[order]!, condition);
      else code.br(this.#labels[order]!);
      return;
    }
    const back = (): void => {
      this.#frame.leaveWhen(left.value.ltS(0), target, RegionOutcome.spent);
      code.set(this.#frame.block, I64.of(order).toI32());
      code.br(this.#top);
    };
    if (condition) code.if(condition, back);
    else back();
  }

  #indirect(target: I64): void {
    const { code, block } = this.#frame;
    this.#hasLeft = true;
    for (const address of this.#region.returns.get(this.#region.blocks[this.#position]!) ?? []) {
      const order = this.#region.order.get(address);
      if (order === undefined) continue;
      if (order > this.#position) {
        this.#kinds[order] = FlagKind.unknown;
        code.brIf(this.#labels[order]!, target.eq(I64.of(address)));
      } else code.if(target.eq(I64.of(address)), () => {
        this.#frame.leaveWhen(this.#frame.left.value.ltS(0), address, RegionOutcome.spent);
        code.set(block, I64.of(order).toI32());
        code.br(this.#top);
      });
    }
    this.#frame.leaveTo(target);
  }

  #step(step: Step, block: Block): void {
    const { address, row, instruction } = step, frame = this.#frame, control = this.#control;
    const form = this.#forms.formOf(row, instruction);
    frame.begin(address);
    control.behind = address + instruction.length;
    control.target = control.behind + instruction.immediate;
    this.#memory.segment = segmentSlot(segmentOf(row, instruction));
    const operands = row.operands.map((_, index) => this.#operand(step, index));
    this.#descriptions[row.operation]!(new StepContext(this.#parts, form, operands));
    // An exit behind the instruction (SYSCALL) is the end of the block; what would follow can't be reached.
    if (step === block.steps.at(-1) && (row.operation === 'SYSCALL' || row.operation.startsWith('INT'))) this.#hasLeft = true;
  }

  #operand({ row, instruction, address }: Step, index: number): BaseOperand {
    const resolved = this.#scratch, frame = this.#frame;
    operandAt(row, index, instruction, true, resolved);
    const { kind, number, width, low, high } = resolved;
    switch (kind) {
      case OPERAND.GENERAL: case OPERAND.HIGH_BYTE: return new GeneralOperand(this.#registers, width, number, kind === OPERAND.HIGH_BYTE);
      case OPERAND.XMM: return new XmmOperand(frame, width, number);
      case OPERAND.MMX: return new MmxOperand(frame, width, number);
      case OPERAND.MEMORY: return new MemoryOperand(frame, width, this.#address(row, instruction, address), (row.flags & FLAG.ALIGNED) !== 0);
      case OPERAND.STRING_SOURCE: case OPERAND.STRING_DESTINATION: return new PlaceOperand(width, 'string');
      case OPERAND.RELATIVE: return new PlaceOperand(width, 'branch');
      case OPERAND.IMMEDIATE: return new ImmediateOperand(width, low, high);
      default: return new NumberedOperand(width, number);
    }
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
