/** Registers, memory, stack and branches as descriptions see them (semantics/contract.ts), in a region. */
import { load64 } from '../wasm/code.ts';
import { I32, I64, type V128 } from '../wasm/values.ts';
import type { Control, ExitName, Registers, Stack } from '../semantics/contract.ts';
import { Int, type Width } from '../semantics/int.ts';
import { TranslatedMemory } from '../semantics/memory.ts';
import { loadInt } from '../semantics/operand.ts';
import { ExitCode, RegionOutcome, Run, STATE, Slot } from '../state.ts';
import type { RegionFrame } from './frame.ts';

const rsp = 4;

export class RegionRegisters implements Registers {
  readonly #frame: RegionFrame;

  /** The register that the instruction at hand increases by a constant, -1 for none, and by what. */
  increased = -1;
  by = 0;

  constructor(frame: RegionFrame) {
    this.#frame = frame;
  }

  read(number: number, width: Width): Int {
    return this.#frame.pin(Int.cut(width, this.#frame.gpr(number)));
  }
  write(number: number, value: Int): void {
    const frame = this.#frame;
    if (value.width >= 4) frame.setGpr(number, value.i64, value.width === 8 && number === this.increased ? this.by : undefined);
    else frame.setGpr(number, frame.gpr(number).and(value.width === 2 ? ~0xffffn : ~0xffn).or(value.i64));
  }
  readHigh(number: number): Int {
    return this.#frame.pin(Int.cut(1, this.#frame.gpr(number).shrU(8)));
  }
  writeHigh(number: number, value: Int): void {
    this.#frame.setGpr(number, this.#frame.gpr(number).and(~0xff00n).or(value.i64.shl(8)));
  }
  readXmm(number: number): V128 { return this.#frame.code.let(this.#frame.xmm(number)); }
  writeXmm(number: number, value: V128): void { this.#frame.setXmm(number, value); }
}

export class RegionMemory extends TranslatedMemory<RegionFrame> {
  /** Slot of the base of the segment that the instruction names. */
  segment: number = Slot.zero;

  segmentBase(): I64 {
    return this.segment === Slot.zero ? I64.of(0) : load64(STATE + this.segment);
  }
}

export class RegionStack implements Stack {
  readonly #frame: RegionFrame;

  constructor(frame: RegionFrame) {
    this.#frame = frame;
  }

  push(value: Int): void {
    const frame = this.#frame, pinned = frame.pin(value);
    const top = frame.code.let(frame.gpr(rsp).sub(value.width));
    frame.store(top, value.width, pinned, { register: rsp, displacement: -value.width });
    frame.setGpr(rsp, top, -value.width);
  }
  peek(width: Width): Int {
    const frame = this.#frame, top = frame.code.let(frame.gpr(rsp));
    return frame.pin(loadInt(width, frame.translate(top, width, false, { register: rsp, displacement: 0 })));
  }
  release(bytes: number | Int): void {
    const frame = this.#frame;
    if (typeof bytes === 'number') frame.setGpr(rsp, frame.gpr(rsp).add(bytes), bytes);
    else frame.setGpr(rsp, frame.gpr(rsp).add(bytes.i64));
  }
}

/** Where branches of the instruction at hand lead: what the region's writer decides. */
export interface Edges {
  /** To a known address. */
  direct(target: number, condition: I32 | undefined): void;
  indirect(target: I64): void;
}

export class RegionControl implements Control {
  readonly #frame: RegionFrame;
  readonly #edges: Edges;
  /** Address behind the instruction at hand, and where its branch leads. */
  behind = 0;
  target = 0;

  constructor(frame: RegionFrame, edges: Edges) {
    this.#frame = frame;
    this.#edges = edges;
  }

  next(): I64 { return I64.of(this.behind); }
  branch(condition?: I32): void { this.#edges.direct(this.target, condition); }
  jump(target: I64): void { this.#edges.indirect(this.#frame.code.let(target)); }
  checkTarget(target: I64): void {
    this.#frame.leaveIf(target.shl(16).shrS(16).ne(target));
  }
  /** Whatever it is, the interpreter does it again. */
  exit(_name: ExitName): void { this.#frame.leaveIf(I32.of(1)); }
  exitIf(condition: I32, name: ExitName): void {
    // What a helper noted after it changed registers (a string operation's progress) is noted again.
    if (name === 'pageFault') this.#frame.code.stored = false;
    this.#frame.leaveIf(condition);
  }
  exitAfter(name: 'syscall' | 'breakpoint' | 'interrupt' | 'step', target?: I64): void {
    this.#frame.code.store32(Run.exit, ExitCode[name]);
    if (target) this.#frame.leaveTo(target, RegionOutcome.leave);
    else this.#frame.leave(this.behind, RegionOutcome.leave);
  }
  again(): void {
    this.#frame.leave(this.#frame.here, RegionOutcome.jump);
  }
}
