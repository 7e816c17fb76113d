/**
 * What every form of the interpreter stands on: the current record, translation through the TLB, and the ways out. One `Frame` serves the
 * whole run function; nothing in it belongs to one instruction.
 */
import { callValue, load16U, load32, load64, load64From32S, load8U, type Code, type Label, type Variable } from '../wasm/code.ts';
import { I32, I64, V128, type Value } from '../wasm/values.ts';
import type { Control, ExitName, Memory, Stack } from '../semantics/contract.ts';
import { Int, type Width } from '../semantics/int.ts';
import { ExitCode, Run, STATE, Slot, Tlb } from '../state.ts';
import { tlbHit, tlbSlot, type TranslateFunctions } from '../mmu/translate.ts';
import { TranslatedMemory } from '../semantics/memory.ts';
import { loadInt, storeInt } from '../semantics/operand.ts';
import { Record } from './record.ts';

/** How a complete form ended. */
export const Outcome = { next: 0, fault: 1, leave: 2, jump: 3 } as const;
/** Complete forms in one function. */
export const groupSize = 256;

/** Where a form goes that is complete: in a function of its own or the one for all that are called. */
export interface Exits {
  /** Leaves with Run.exit at this instruction, which did not happen. */
  readonly fault: Label;
  /** Finds the record for `target`; `account` is what is left of the budget. */
  readonly jump: Label;
  /** Leaves with the exit in Run.exit; rip is stored already, `account` is what is left of the budget. */
  readonly leave: Label;
}

/** Where a form goes of the hot function, which calls nothing. */
export interface HotExits {
  /** The complete form does this instruction: whatever it needs a call for, or leaves with. It has changed nothing so far. */
  readonly fault: Label;
  readonly jump: Label;
  /** Goes to the record `rec`; `account` is set. */
  readonly run: Label;
  /** As `run`, but the budget is spent. */
  readonly spent: Label;
}

/** Locals of the function. */
export interface Locals {
  readonly rec: Variable<I32>;
  /** While records run: account - rec is what is left of the budget, in bytes of records. */
  readonly account: Variable<I32>;
  readonly target: Variable<I64>;
}

export class Frame {
  readonly code: Code;
  readonly control: InterpreterControl;
  readonly memory: Memory;
  readonly stack: Stack;
  readonly functions: TranslateFunctions;
  readonly exits: Exits | HotExits;
  readonly locals: Locals;

  constructor(code: Code, functions: TranslateFunctions, exits: Exits | HotExits, locals: Locals) {
    this.code = code;
    this.functions = functions;
    this.exits = exits;
    this.locals = locals;
    this.control = new InterpreterControl(this);
    this.memory = new InterpreterMemory(this);
    this.stack = new InterpreterStack(this);
  }

  /** The ways out of the hot function, if this is it. */
  get hot(): HotExits | undefined {
    return 'run' in this.exits ? this.exits : undefined;
  }

  get rec(): I32 {
    return this.locals.rec.value;
  }

  pin(value: Int): Int {
    return Int.clean(value.width, this.code.let(value.value as Value as I32));
  }

  /** Host address of `size` bytes, pinned: a TLB hit, or whatever the slow path finds; leaves on a fault. */
  translate(address: I64, size: number, write: boolean): I32 {
    const { code, hot } = this;
    const slot = code.let(tlbSlot(address));
    const here = address.toI32().add(load32(slot, Tlb.base + Tlb.addend));
    if (hot) {
      this.leaveIf(tlbHit(address, slot, size, write).eqz());
      return code.let(here);
    }
    const host = code.variable(here);
    code.if(tlbHit(address, slot, size, write).eqz(), () => {
      code.set(host, callValue(this.functions.translate, address, I32.of(size), I32.of(write ? 1 : 0)));
      code.brIf(this.exits.fault, host.value.eq(-1));
    });
    return host.value;
  }

  /** Leaves this instruction to the complete form. */
  leaveIf(condition: I32): void {
    if (this.code.stored) throw new Error('an instruction that has changed something can not begin anew');
    this.code.brIf(this.exits.fault, condition);
  }

  store(address: I64, width: Width, unpinned: Int): void {
    const { code } = this;
    const value = this.pin(unpinned);
    if (this.hot) return storeInt(code, this.translate(address, width, true), value);
    const slot = code.let(tlbSlot(address));
    code.if(tlbHit(address, slot, width, true),
      () => storeInt(code, address.toI32().add(load32(slot, Tlb.base + Tlb.addend)), value),
      () => this.storeSlow(address, width, value));
  }

  storeSlow(address: I64, width: Width, value: Int): void {
    this.code.brIf(this.exits.fault, callValue(this.functions.storeSlow, address, value.i64, I32.of(width)));
  }

  storeV128(address: I64, unpinned: V128): void {
    const { code } = this;
    const value = code.let(unpinned);
    if (this.hot) return code.storeV128(this.translate(address, 16, true), value);
    const slot = code.let(tlbSlot(address));
    code.if(tlbHit(address, slot, 16, true),
      () => code.storeV128(address.toI32().add(load32(slot, Tlb.base + Tlb.addend)), value),
      () => code.brIf(this.exits.fault, callValue(this.functions.storeSlowV128, address, value)));
  }

  /** Address of this instruction. */
  here(): I64 {
    return here(this.rec);
  }
  /** Address of the next one. */
  next(): I64 {
    const place = this.code.let(load16U(this.rec, Record.place));
    return load64(STATE + Slot.page).add(place.and(0xfff).add(place.shrU(12)).toI64U());
  }

  /** Takes the record at hand out of the count of instructions: it only helps the next one. */
  uncount(): void {
    this.code.set(this.locals.account, this.locals.account.value.add(Record.size));
  }

  /** Looks this instruction up anew. */
  lookUp(): void {
    this.code.set(this.locals.target, this.here());
    this.settle(-Record.size);
    this.code.br(this.exits.jump);
  }

  /** Goes to the next instruction as a jump: the end of a run of records, which is none itself. */
  end(): void {
    this.uncount();
    this.control.branch();
  }

  /** Sets `account` to what is left of the budget after this record and `further` bytes. */
  settle(further = 0): void {
    const { account } = this.locals;
    this.code.set(account, account.value.sub(this.rec).sub(Record.size + further));
  }
}

/** Address of the instruction of a record in the page that is running. */
export function here(rec: I32): I64 {
  return load64(STATE + Slot.page).add(load16U(rec, Record.place).and(0xfff).toI64U());
}

/** What `again` takes from the budget beyond its own record. */
const againCost = 64 * Record.size;

/** See contract.ts. */
export class InterpreterControl implements Control {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  next(): I64 {
    return this.#frame.next();
  }

  branch(condition?: I32): void {
    if (condition) this.#frame.code.if(condition, () => this.#branch());
    else this.#branch();
  }

  #branch(): void {
    const { code, rec, locals, hot } = this.#frame;
    this.#frame.settle();
    if (hot) {
      const known = code.let(load32(rec, Record.displacement)), left = code.let(locals.account.value);
      code.if(known, () => {
        code.set(locals.account, left.add(known));
        code.set(locals.rec, known);
        code.brIf(hot.run, left.geS(0));
        code.br(hot.spent);
      });
    }
    code.set(locals.target, this.next().add(load64From32S(rec, Record.immediate)));
    code.br(this.#frame.exits.jump);
  }

  checkTarget(target: I64): void {
    this.exitIf(target.shl(16).shrS(16).ne(target), 'generalProtection');
  }

  jump(target: I64): void {
    this.#frame.code.set(this.#frame.locals.target, target);
    this.#frame.settle();
    this.#frame.code.br(this.#frame.exits.jump);
  }

  /** `pageFault` is what a helper that found a fault has noted already, a page fault or #GP. */
  exit(name: ExitName): void {
    if (this.#frame.hot) return this.#frame.leaveIf(I32.of(1));
    if (name !== 'pageFault') this.#frame.code.store32(Run.exit, ExitCode[name]);
    this.#frame.code.br(this.#frame.exits.fault);
  }
  exitIf(condition: I32, name: ExitName): void {
    if (this.#frame.hot) return this.#frame.leaveIf(condition);
    this.#frame.code.if(condition, () => this.exit(name));
  }
  exitAfter(name: 'syscall' | 'breakpoint' | 'interrupt' | 'step', target = this.next()): void {
    const { code, exits } = this.#frame;
    if (!('leave' in exits)) throw new Error('the hot function knows no exit behind an instruction');
    code.store64(STATE + Slot.rip, target);
    code.store32(Run.exit, ExitCode[name]);
    this.#frame.settle();
    code.br(exits.leave);
  }
  again(): void {
    this.#frame.code.set(this.#frame.locals.target, this.#frame.here());
    this.#frame.settle(againCost);
    this.#frame.code.br(this.#frame.exits.jump);
  }
}

class InterpreterMemory extends TranslatedMemory<Frame> {
  segmentBase(): I64 {
    return load64(load8U(this.frame.rec, Record.index), STATE);
  }
}

class InterpreterStack implements Stack {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  get #rsp(): I64 {
    return load64(STATE + Slot.gpr + 4 * 8);
  }
  push(value: Int): void {
    const frame = this.#frame;
    const pinned = frame.pin(value);
    const top = frame.code.let(this.#rsp.sub(value.width));
    frame.store(top, value.width, pinned);
    frame.code.store64(STATE + Slot.gpr + 4 * 8, top);
  }
  peek(width: Width): Int {
    const frame = this.#frame;
    return frame.pin(loadInt(width, frame.translate(frame.code.let(this.#rsp), width, false)));
  }
  release(bytes: number | Int): void {
    const count = typeof bytes === 'number' ? I64.of(bytes) : bytes.i64;
    this.#frame.code.store64(STATE + Slot.gpr + 4 * 8, this.#rsp.add(count));
  }
}

