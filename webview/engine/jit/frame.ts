/**
 * What every instruction of a region stands on: registers in locals, translation through the TLB, the one way out. What this tier can't do
 * (a TLB miss, an exception) leaves before it has changed anything, and the interpreter does that instruction.
 */
import { load32, load64, loadV128, type Callable, type Code, type Label, type Variable } from '../wasm/code.ts';
import { I32, I64, V128, type Type, type Value } from '../wasm/values.ts';
import type { HelperDefinitions, Helpers } from '../semantics/contract.ts';
import { FloatKnowledge } from '../semantics/floats.ts';
import { Int, type Width } from '../semantics/int.ts';
import { storeInt } from '../semantics/operand.ts';
import { tlbHit, tlbSlot } from '../mmu/translate.ts';
import { RegionOutcome, Run, STATE, Slot, Tlb } from '../state.ts';
import { FlagKind, RegionFlags, settleFlags, type FlagLocals } from './flags.ts';

/** Bit of the local `where`: Run.target is set already. */
const targetIsSet = 4;
/** What the instruction at hand takes from the budget itself. */
const ownCost = 16;

/** What the region's function needs of the interpreter's module, by name. */
export type HelperSource = (name: string) => { readonly parameters: readonly Type[]; readonly result: Type | undefined; readonly usesRegisters: boolean; readonly isRare: boolean };

/** The functions of the interpreter's module that descriptions call. */
export function helperSource(helpers: HelperDefinitions): HelperSource {
  return name => {
    if (name === 'now') return { parameters: [], result: 'f64', usesRegisters: false, isRare: false };
    const helper = helpers[name];
    if (!helper) throw new Error(`no helper ${name}`);
    return { parameters: helper.parameters, result: helper.result, usesRegisters: helper.usesRegisters ?? false, isRare: helper.isRare ?? false };
  };
}

export class RegionFrame implements Helpers {
  readonly code: Code;
  readonly flags: RegionFlags;
  /** What is known of numbers at the instruction at hand. */
  readonly floats = new FloatKnowledge();
  /** Functions that the region calls, in the order of their indices. */
  readonly imports: string[] = [];
  /** Bit n: register n is used, is changed. */
  gprUsed = 0;
  gprChanged = 0;
  xmmUsed = 0;
  xmmChanged = 0;
  readonly #source: HelperSource;
  readonly #gpr: readonly Variable<I64>[];
  readonly #xmm: readonly Variable<V128>[];
  readonly #flagLocals: FlagLocals;
  readonly #callables = new Map<string, Callable>();
  /** The block, counted from 1, to which a dispatch is to lead; 0 if none is under way. */
  readonly enter: Variable<I32>;
  /** What is left of the budget: 16 for an instruction. */
  readonly left: Variable<I32>;
  /** Address times 8, `targetIsSet`, outcome: where and how to leave. */
  readonly #where: Variable<I64>;
  /** A computed address on its way to the resolver. */
  readonly goal: Variable<I64>;
  /** The common way out; set by `body`. */
  #exit!: Label;
  /** Address of the instruction at hand. */
  here = 0;
  /** What the budget is to get back when it is left to the interpreter: 16 for it and each one behind it in its block. */
  unspent = 0;
  /** The instruction at hand called a helper that may have stored; the code stamp before that. */
  #mayStore = false;
  #stamp: Variable<I32> | undefined;

  /** Parameters of `code`: block, budget. */
  constructor(code: Code, source: HelperSource) {
    this.code = code;
    this.#source = source;
    const variable = <T extends Value>(like: T): Variable<T> => code.declare(like);
    this.enter = variable(I32.of(0));
    this.left = variable(I32.of(0));
    this.#where = variable(I64.of(0));
    this.goal = variable(I64.of(0));
    this.#flagLocals = { kind: variable(I32.of(0)), first: variable(I64.of(0)), second: variable(I64.of(0)), result: variable(I64.of(0)) };
    this.#gpr = Array.from({ length: 16 }, () => variable(I64.of(0)));
    this.#xmm = Array.from({ length: 16 }, () => variable(V128.zero()));
    this.flags = new RegionFlags(code, this.#flagLocals);
  }

  /** Writes the function: `body`, before it the loads of what it uses, behind it the stores of what it changes. */
  write(body: () => void): void {
    const { code } = this;
    code.block(exit => {
      this.#exit = exit;
      body();
    });
    this.#writeExit();
    code.prepend(() => {
      code.set(this.enter, code.parameter(0, 'i32').add(1));
      code.set(this.left, code.parameter(1, 'i32'));
      this.#load();
    });
  }

  #load(): void {
    const { code } = this;
    this.#gpr.forEach((local, n) => { if ((this.gprUsed >> n & 1) !== 0) code.set(local, load64(STATE + Slot.gpr + n * 8)); });
    this.#xmm.forEach((local, n) => { if ((this.xmmUsed >> n & 1) !== 0) code.set(local, loadV128(STATE + Slot.xmm + n * 16)); });
    this.#loadFlags();
  }
  #loadFlags(): void {
    const { code } = this, { kind, first, result } = this.#flagLocals;
    code.set(kind, I32.of(FlagKind.word));
    code.set(first, load32(STATE + Slot.flagAux).toI64U());
    code.set(result, load64(STATE + Slot.flagResult));
  }

  #store(gpr: number, xmm: number): void {
    const { code } = this;
    this.#gpr.forEach((local, n) => { if ((gpr >> n & 1) !== 0) code.store64(STATE + Slot.gpr + n * 8, local.value); });
    this.#xmm.forEach((local, n) => { if ((xmm >> n & 1) !== 0) code.storeV128(STATE + Slot.xmm + n * 16, local.value); });
    settleFlags(code, this.#flagLocals);
    code.store64(STATE + Slot.flagResult, this.#flagLocals.result.value);
    code.store32(STATE + Slot.flagAux, this.#flagLocals.first.value.toI32());
  }

  #writeExit(): void {
    const { code } = this;
    this.flags.enter(FlagKind.unknown);
    this.#store(this.gprChanged, this.xmmChanged);
    const where = this.#where.value;
    code.if(where.toI32().and(targetIsSet).eqz(), () => code.store64(Run.target, where.shrU(3)));
    code.store32(Run.account, this.left.value);
    code.return(where.toI32().and(3));
  }

  /** The next instruction to be written is the one at `here`. `writesResult`: see RegionFlags. */
  begin(here: number, unspent: number, writesResult: boolean): void {
    this.here = here;
    this.unspent = unspent;
    this.code.stored = false;
    this.flags.begin(writesResult);
  }

  /** Leaves. What is written behind it isn't reached. */
  leave(address: number, outcome: RegionOutcome): void {
    this.flags.write();
    this.code.set(this.#where, I64.of(address * 8 + outcome));
    this.code.br(this.#exit);
  }
  leaveWhen(condition: I32, address: number, outcome: RegionOutcome): void {
    this.code.unlikely(condition, () => this.leave(address, outcome));
  }
  /** Leaves to a computed address. */
  leaveTo(target: I64, outcome: RegionOutcome = RegionOutcome.jump): void {
    this.flags.write();
    this.code.store64(Run.target, target);
    this.code.set(this.#where, I64.of(targetIsSet | outcome));
    this.code.br(this.#exit);
  }

  /** Leaves this instruction to the interpreter. */
  leaveIf(condition: I32): void {
    if (this.code.stored) throw new Error('an instruction that has changed something can not begin anew');
    if (condition.constant === 0) return;
    this.code.unlikely(condition, () => this.#leaveAlways());
  }

  /** What follows can't be reached. */
  #leaveAlways(): void {
    if (this.code.stored) throw new Error('an instruction that has changed something can not begin anew');
    this.code.set(this.left, this.left.value.add(this.unspent));
    this.leave(this.here, RegionOutcome.interpret);
  }

  pin(value: Int): Int {
    return Int.clean(value.width, this.code.let(value.value as Value as I32));
  }

  // ---------------------------------------------------------------- registers
  gpr(number: number): I64 {
    this.gprUsed |= 1 << number;
    return this.#gpr[number]!.value;
  }
  setGpr(number: number, value: I64): void {
    this.gprUsed |= 1 << number;
    this.gprChanged |= 1 << number;
    this.code.set(this.#gpr[number]!, value);
    this.code.stored = true;
  }
  xmm(number: number): V128 {
    this.xmmUsed |= 1 << number;
    return this.#xmm[number]!.value;
  }
  setXmm(number: number, value: V128): void {
    this.xmmUsed |= 1 << number;
    this.xmmChanged |= 1 << number;
    this.code.set(this.#xmm[number]!, value);
    this.floats.set(number, 0);
    this.code.stored = true;
  }

  // ---------------------------------------------------------------- memory
  /** Host address of `size` bytes, pinned. */
  translate(address: I64, size: number, write: boolean): I32 {
    const { code } = this;
    const slot = code.let(tlbSlot(address));
    this.leaveIf(tlbHit(address, slot, size, write).eqz());
    return code.let(address.toI32().add(load32(slot, Tlb.base + Tlb.addend)));
  }

  store(address: I64, width: Width, value: Int): void {
    const pinned = this.pin(value);
    storeInt(this.code, this.translate(address, width, true), pinned);
  }
  storeV128(address: I64, value: V128): void {
    const pinned = this.code.let(value);
    this.code.storeV128(this.translate(address, 16, true), pinned);
  }

  // ---------------------------------------------------------------- calls
  /** A function of the interpreter's module. One that works on the register file gets it in memory, and what it leaves there is taken back. */
  get<R extends Type | undefined>(name: string): Callable<R> {
    const { parameters, result, usesRegisters, isRare } = this.#source(name);
    if (isRare) return { type: { parameters, result }, index: -1, leave: () => this.#leaveAlways() } as Callable as Callable<R>;
    let callable = this.#callables.get(name);
    if (!callable) {
      callable = { type: { parameters, result }, index: this.imports.length };
      this.imports.push(name);
      this.#callables.set(name, callable);
    }
    if (!usesRegisters) return callable as Callable<R>;
    this.gprUsed = this.gprChanged = this.xmmUsed = this.xmmChanged = 0xffff;
    this.#mayStore = true;
    this.#stamp ??= this.code.declare(I32.of(0));
    return { ...callable, before: () => this.#storeAll(), after: () => this.#reload() } as Callable<R>;
  }

  /** Behind an instruction that called a helper which may have stored to code (a string operation): leaves if that was so, since it may be what follows. */
  leaveIfCodeChanged(behind: number): void {
    if (!this.#mayStore) return;
    this.#mayStore = false;
    this.code.unlikely(load32(Run.codeStamp).ne(this.#stamp!.value), () => {
      this.code.set(this.left, this.left.value.add(this.unspent - ownCost));
      this.leave(behind, RegionOutcome.jump);
    });
  }

  #storeAll(): void {
    this.code.set(this.#stamp!, load32(Run.codeStamp));
    this.flags.flush();
    this.#store(0xffff, 0xffff);
  }
  #reload(): void {
    this.#load();
    this.floats.forget();
    this.flags.known = this.code.depth === this.flags.depth ? FlagKind.word : FlagKind.unknown;
  }
}
