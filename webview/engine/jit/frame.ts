/**
 * What every instruction of a region stands on: registers in locals or in memory, translation through the TLB, the ways out. What this tier can't do
 * (a TLB miss, an exception) leaves before it has changed anything, and the interpreter does that instruction.
 */
import { callValue, load32, load64, loadV128, type Callable, type Code, type Label, type Variable } from '../wasm/code.ts';
import { I32, I64, V128, type F64, type Type, type Value } from '../wasm/values.ts';
import type { HelperDefinitions, Helpers } from '../semantics/contract.ts';
import { FloatKnowledge, NOTHING } from '../semantics/floatKnowledge.ts';
import { areNear, isFar, isUnsettled, isUnusual, isZero, lanesOf } from '../semantics/floats.ts';
import { Int, type Width } from '../semantics/int.ts';
import { storeInt } from '../semantics/operand.ts';
import { FlagKind, flagHomes, settleFlags, valuesOf, type FlagPlaces, type Place } from '../semantics/pendingFlags.ts';
import { tlbHit, tlbSlot } from '../mmu/translate.ts';
import { RegionOutcome, Run, STATE, Slot, Tlb } from '../state.ts';
import { Anchors, type AnchorsAt } from './anchors.ts';
import { missing } from './floatLoops.ts';
import { PageCaches } from './pageCaches.ts';
import type { Place as MemoryPlace } from './place.ts';
import type { Reach } from './reach.ts';
import { RegionFlags, type CarriedFlags, type Compared } from './flags.ts';
import { RegisterLocals } from './registerLocals.ts';

/** What the instruction at hand takes from the budget itself. */
const ownCost = 16;

/** What the region's function needs of the interpreter's module, by name. */
export type HelperSource = (name: string) => { readonly parameters: readonly Type[]; readonly result: Type | undefined; readonly usesRegisters: boolean; readonly isRare: boolean };

/** The functions of the interpreter's module that descriptions call. */
export function helperSource(helpers: HelperDefinitions): HelperSource {
  return name => {
    if (name === 'now') return { parameters: [], result: 'f64', usesRegisters: false, isRare: false };
    if (name === 'enter') return { parameters: ['i64', 'i32'], result: 'i32', usesRegisters: false, isRare: false };
    const helper = helpers[name];
    if (!helper) throw new Error(`no helper ${name}`);
    return { parameters: helper.parameters, result: helper.result, usesRegisters: helper.usesRegisters ?? false, isRare: helper.isRare ?? false };
  };
}

/** Instructions whose descriptions change something and then may still fail are the interpreter's. */
export class ChangedAlready extends Error {
  constructor() {
    super('an instruction that has changed something can not begin anew');
  }
}

const allRegisters = Array.from({ length: 16 }, (_, n) => n);

/** Ways out of which it is counted how often they are taken, and noted where. */
interface Count {
  readonly number: number;
  readonly at: number;
}
const counts = { stray: { number: Run.strays, at: Run.strayAt }, outlier: { number: Run.outliers, at: Run.outlierAt } } as const;

/** What is known where a block begins that only one other leads to: registers in locals, flags. */
export interface Carried {
  readonly gpr: number;
  readonly xmm: number;
  /** Not if they are in their places. */
  readonly flags: CarriedFlags | undefined;
  readonly compared: Compared | undefined;
  readonly anchors: AnchorsAt;
}

export class RegionFrame implements Helpers {
  readonly code: Code;
  readonly flags: RegionFlags;
  /** What is known of numbers at the instruction at hand. */
  readonly floats = new FloatKnowledge();
  /** Functions that the region calls, in the order of their indices. */
  readonly imports: string[] = [];
  readonly #source: HelperSource;
  readonly #gpr: RegisterLocals<I64>;
  readonly #xmm: RegisterLocals<V128>;
  /** Where flags are here and where they are outside. */
  readonly #flagPlaces: FlagPlaces;
  readonly #flagHomes: FlagPlaces;
  readonly #callables = new Map<string, Callable>();
  /** The block, counted from 1, to which a dispatch is to lead; 0 if none is under way. */
  readonly enter: Variable<I32>;
  /** Low doubles of vector registers that the block at hand has computed: what comes next need not wait until they are among the others. */
  readonly #lows: (F64 | undefined)[] = Array.from({ length: 16 }, () => undefined);
  /** What is left of the budget: 16 for an instruction. */
  readonly left: Variable<I32>;
  /** The way out when a called region did not come back. */
  #unwinding: Label | undefined;
  /** How to leave. */
  readonly #outcome: Variable<I32>;
  /** A computed address on its way to the resolver. */
  readonly goal: Variable<I64>;
  /** The last way out that was made for an instruction: others of it may be the same. */
  #last: { readonly key: string; readonly label: Label } | undefined;
  /** Address of the instruction at hand. */
  here = 0;
  /** What the budget is to get back when it is left to the interpreter: 16 for it and each one behind it in its block. */
  unspent = 0;
  /** What it and those behind it access off a register. */
  reach: (place: MemoryPlace, size: number) => Reach = (_, size) => ({ from: 0, to: size, writes: false });
  /** The instruction at hand called a helper that may have stored; the code stamp before that. */
  #mayStore = false;
  #stamp: Variable<I32> | undefined;

  /** Registers are in memory, written at once; locals hold those that the block at hand has used. Otherwise they are in locals throughout. */
  readonly #writesThrough: boolean;
  readonly #anchors: Anchors;
  readonly #pages: PageCaches;
  /** Accesses off one register are on one page most of the time. */
  readonly #reusesTranslations: boolean;
  /** Some instruction of the region works on vectors. */
  readonly #usesXmm: boolean;

  /** Parameters of `code`: block, budget. */
  constructor(code: Code, source: HelperSource, writesThrough: boolean, usesXmm: boolean, reusesTranslations: boolean) {
    this.code = code;
    this.#anchors = new Anchors(code);
    this.#pages = new PageCaches(code);
    this.#reusesTranslations = reusesTranslations;
    this.#usesXmm = usesXmm;
    this.#writesThrough = writesThrough;
    this.#source = source;
    const variable = <T extends Value>(like: T): Variable<T> => code.declare(like);
    this.enter = variable(I32.of(0));
    this.left = variable(I32.of(0));
    this.#outcome = variable(I32.of(0));
    this.goal = variable(I64.of(0));
    const place = <T extends Value>(like: T): Place<T> => {
      const local = variable(like);
      return { value: local.value, set: value => code.set(local, value) };
    };
    this.#flagHomes = flagHomes(code);
    const flagLocals = (): FlagPlaces => (
      { kind: place(I32.of(0)), aux: place(I32.of(0)), result: place(I64.of(0)), first: place(I64.of(0)), second: place(I64.of(0)) });
    this.#flagPlaces = writesThrough ? this.#flagHomes : flagLocals();
    const gprAt = (n: number): number => STATE + Slot.gpr + n * 8, xmmAt = (n: number): number => STATE + Slot.xmm + n * 16;
    this.#gpr = new RegisterLocals(code, { like: I64.of(0), load: n => load64(gprAt(n)), store: (n, value) => code.store64(gprAt(n), value) }, writesThrough);
    this.#xmm = new RegisterLocals(code, { like: V128.zero(), load: n => loadV128(xmmAt(n)), store: (n, value) => code.storeV128(xmmAt(n), value) }, writesThrough);
    this.flags = new RegionFlags(code, this.#flagPlaces, this.#flagHomes, writesThrough ? flagLocals() : this.#flagPlaces);
  }

  /** Writes the function: `body`, before it the loads of what it uses, behind it the ways out with the stores of what it changes. */
  write(body: () => void): void {
    const { code } = this;
    body();
    this.flags.enter(FlagKind.unknown);
    code.finishOutside(() => {
      if (!this.#writesThrough) this.#storeRegisters();
      code.store32(Run.account, this.left.value);
      // A jump to another region, which will return to who called this one. From none, a jump is noted, to learn where jumps lead.
      code.if(load32(Run.depth).ne(0).and(this.#outcome.value.eq(RegionOutcome.jump)), () => {
        code.return(callValue(this.get<'i32'>('enter'), load64(Run.target), this.left.value));
      });
      code.return(this.#outcome.value);
    });
    code.prepend(() => {
      code.set(this.enter, code.parameter(0, 'i32').add(1));
      code.set(this.left, code.parameter(1, 'i32'));
      this.#load();
      if (!this.#writesThrough) this.#takeFlags();
    });
  }

  /** Brings the flags from outside to their places. */
  #takeFlags(): void {
    const places = this.#flagPlaces, { kind, aux, result, first, second } = valuesOf(this.#flagHomes);
    places.kind.set(kind);
    places.aux.set(aux);
    places.result.set(result);
    places.first.set(first);
    places.second.set(second);
  }

  #load(): void {
    this.#anchors.take(undefined);
    this.#lows.fill(undefined);
    this.#gpr.reload();
    this.#xmm.reload();
  }
  /** Writes a loop that calls nothing compiled. `keeps`: throughout it locals hold what it uses, which is loaded before it. */
  loop(loop: () => void, keeps: boolean): void {
    this.#pages.loop(keeps ? () => this.#keep(loop) : loop);
  }
  #keep(loop: () => void): void {
    const { code } = this, { length } = code.out, gpr = this.#gpr, xmm = this.#xmm;
    if (!this.#writesThrough || gpr.kept !== undefined) return loop();
    gpr.kept = xmm.kept = 0;
    loop();
    const [generals, vectors] = [gpr.kept, xmm.kept];
    gpr.kept = xmm.kept = undefined;
    code.insert(length, () => {
      gpr.load(generals);
      xmm.load(vectors);
    });
  }
  #storeRegisters(): void {
    this.#gpr.store(this.#gpr.changed);
    this.#xmm.store(this.#xmm.changed);
  }

  /** The next instruction to be written is the one at `here`. `writesResult`: see RegionFlags. */
  begin(here: number, unspent: number, writesResult: boolean): void {
    this.here = here;
    this.unspent = unspent;
    this.code.stored = false;
    this.#last = undefined;
    this.flags.begin(writesResult);
  }

  /** Leaves. What is written behind it isn't reached. */
  leave(address: number, outcome: RegionOutcome): void {
    this.code.br(this.#wayOut(I64.of(address), outcome));
  }
  leaveWhen(condition: I32, address: number, outcome: RegionOutcome): void {
    this.code.brIf(this.#wayOut(I64.of(address), outcome), condition);
  }
  /** Leaves to a computed address, which a statement has computed. */
  leaveTo(target: I64, outcome: RegionOutcome = RegionOutcome.jump): void {
    this.code.br(this.#wayOut(target, outcome));
  }

  /** Calls what may be compiled at `target`. Goes on behind it if that comes back to `behind`. */
  call(target: I64, behind: number): void {
    const { code, left } = this;
    this.#goHome();
    code.set(this.#outcome, callValue(this.get<'i32'>('enter'), target, left.value));
    code.set(left, load32(Run.account));
    this.#unwinding ??= code.outside(() => code.return(this.#outcome.value));
    code.brIf(this.#unwinding, this.#outcome.value.ne(RegionOutcome.returned).or(load64(Run.target).ne(I64.of(behind))));
    this.#load();
    if (!this.#writesThrough) this.#takeFlags();
    this.floats.forget();
    this.flags.enter(FlagKind.unknown);
  }
  /** Leaves to code that returns to who called this region. */
  callLast(target: I64): void {
    this.#goHome();
    this.code.return(callValue(this.get<'i32'>('enter'), target, this.left.value));
  }

  /** Puts registers and flags where other code finds them. */
  #goHome(): void {
    this.flags.flush();
    if (this.#writesThrough) return;
    this.flags.leaving()();
    this.#useAll();
    this.#storeRegisters();
  }
  /** Other code works on all registers; where a region has no vectors, those are never in its locals. */
  #useAll(): void {
    this.#gpr.useAll();
    if (this.#usesXmm) this.#xmm.useAll();
  }

  /** Leaves this instruction to the interpreter. */
  leaveIf(condition: I32): void {
    if (condition.constant !== 0) this.code.brIf(this.#wayBack(), condition);
  }
  /** The way out that leaves this instruction to the interpreter. */
  #wayBack(count?: Count): Label {
    if (this.code.stored) throw new ChangedAlready();
    return this.#wayOut(I64.of(this.here), RegionOutcome.interpret, this.unspent, count);
  }
  /** Leaves this instruction to the interpreter because of numbers that were not expected. */
  leaveOutlierUnless(condition: I32): void {
    this.code.brIf(this.#wayBack(counts.outlier), condition.eqz());
  }

  /** A way out: it stands behind everything, where it is in nobody's way, and is the same for all of an instruction that leave alike. */
  #wayOut(target: I64, outcome: RegionOutcome, unspent = 0, count?: Count): Label {
    const { code, flags, left } = this;
    const key = `${target.constant} ${outcome} ${unspent} ${count?.at}`;
    if (target.isConstant && this.#last?.key === key) return this.#last.label;
    const writeFlags = flags.leaving();
    const label = code.outside(end => {
      writeFlags();
      if (count) code.store32(count.number, load32(count.number).add(1));
      if (count) code.store64(count.at, target);
      if (unspent !== 0) code.set(left, left.value.add(unspent));
      code.store64(Run.target, target);
      code.set(this.#outcome, I32.of(outcome));
      code.br(end);
    });
    this.#last = { key, label };
    return label;
  }

  pin(value: Int): Int {
    return Int.clean(value.width, this.code.let(value.value as Value as I32));
  }

  // ---------------------------------------------------------------- registers
  gpr(number: number): I64 {
    return this.#gpr.read(number, !this.#isOnSomeWays);
  }
  /** `by`: what it gets more than it had, if that is known. */
  setGpr(number: number, value: I64, by?: number): void {
    this.#anchors.changed(number, this.#isOnSomeWays ? undefined : by);
    this.#gpr.set(number, value, !this.#isOnSomeWays);
  }
  xmm(number: number): V128 {
    return this.#xmm.read(number, !this.#isOnSomeWays);
  }
  setXmm(number: number, value: V128): void {
    this.#xmm.set(number, value, !this.#isOnSomeWays);
    this.floats.set(number, NOTHING);
    this.#lows[number] = undefined;
  }
  /** A register's low double, pinned. */
  lowDouble(number: number): F64 {
    return this.#lows[number] ?? this.code.let(this.xmm(number).extractF64(0));
  }
  setLowDouble(number: number, value: F64): void {
    const pinned = this.code.let(value);
    this.setXmm(number, this.xmm(number).replaceF64(0, pinned));
    if (!this.#isOnSomeWays) this.#lows[number] = pinned;
  }
  /** All that is expected at a loop's head is known to be so. */
  meets(expected: FloatKnowledge): boolean {
    return this.floats.isSettled && allRegisters.every(n => {
      const { low, high } = missing(expected.known(n), this.floats, n);
      return !low && !high;
    });
  }
  /** Leaves at the head of a loop, at `address`, to which a branch leads, if what is expected there is neither known nor so. */
  expectFloats(address: number, expected: FloatKnowledge, known: FloatKnowledge, isInexactLikely: boolean): void {
    const { code } = this, leaveUnless = (condition: I32): void => this.code.brIf(this.#wayOut(I64.of(address), RegionOutcome.interpret, 0, counts.outlier), condition.eqz());
    this.#last = undefined;
    if (!known.isSettled) leaveUnless((isInexactLikely ? isUnsettled() : isUnusual()).eqz());
    for (const n of allRegisters) {
      const { low, high } = missing(expected.known(n), known, n);
      if (!low && !high) continue;
      const v = this.#xmm.read(n, false), number = low && high ? undefined : code.let(v.extractF64(low ? 0 : 1)), all = (truths: V128): I32 => lanesOf.f64x2.all(truths);
      if (number) code.unlikely(isFar(number), () => leaveUnless(isZero(number)));
      else code.unlikely(all(areNear(v)).eqz(), () => leaveUnless(all(areNear(v).op2('v128.or', lanesOf.f64x2.isZero(v)))));
    }
    this.#last = undefined;
  }
  /** What is written here happens on some of the ways through the instruction at hand. */
  get #isOnSomeWays(): boolean {
    return this.code.depth !== this.flags.depth;
  }
  /** A block begins: nothing is known. */
  enterBlock(): void {
    this.#gpr.known = this.#xmm.known = 0;
    this.#anchors.take(undefined);
    this.#lows.fill(undefined);
    this.#last = undefined;
  }
  /** For a block that only the one at hand leads to: what it begins with. */
  carry(): Carried {
    return { gpr: this.#gpr.known, xmm: this.#xmm.known, flags: this.#writesThrough ? this.flags.carry() : undefined, compared: this.flags.carryCompared(), anchors: this.#anchors.now };
  }
  takeCarried({ gpr, xmm, flags, compared, anchors }: Carried): void {
    this.#gpr.known = gpr;
    this.#xmm.known = xmm;
    if (flags) this.flags.takeCarried(flags);
    this.flags.takeCompared(compared);
    this.#anchors.take(anchors);
  }

  // ---------------------------------------------------------------- memory
  /**
   * Host address of `size` bytes, pinned. `place`: what the address is made of, if it is no more than a register and a displacement. `page`: a name
   * for the page that it is on for many turns of the loop at hand.
   */
  translate(address: I64, size: number, write: boolean, place?: MemoryPlace, page?: string): I32 {
    const { code } = this, near = place && this.#reusesTranslations ? this.#anchors.find(place, size, write, !this.#isOnSomeWays) : undefined;
    if (near) {
      if (near.elsewhere.constant !== 0) code.brIf(this.#wayBack(counts.stray), near.elsewhere);
      return code.let(near.host);
    }
    const reach = place && this.#reusesTranslations && !this.#isOnSomeWays ? this.reach(place, size) : undefined, writes = write || (reach?.writes ?? false);
    const known = page === undefined ? undefined : this.#pages.find(`${page} ${writes}`, address, size, () => this.#lookUp(address, size, writes));
    const host = known ?? code.let(address.toI32().add(this.#lookUp(address, size, writes)));
    if (!place || !reach) return host;
    const { from, to } = reach;
    if (to - from > size) code.brIf(this.#wayBack(counts.stray), address.toI32().and(4095).add(from).gtU(4096 - (to - from)));
    this.#anchors.set(place, { from, to, writes }, address.toI32(), host);
    return host;
  }
  /** What the host address has more than the low half of the guest's, by the TLB. */
  #lookUp(address: I64, size: number, write: boolean): I32 {
    const slot = this.code.let(tlbSlot(address));
    this.leaveIf(tlbHit(address, slot, size, write).eqz());
    return load32(slot, Tlb.base + Tlb.addend);
  }
  store(address: I64, width: Width, value: Int, place?: MemoryPlace): void {
    const pinned = this.pin(value);
    storeInt(this.code, this.translate(address, width, true, place), pinned);
  }
  storeV128(address: I64, value: V128): void {
    const pinned = this.code.let(value);
    this.code.storeV128(this.translate(address, 16, true), pinned);
  }

  // ---------------------------------------------------------------- calls
  /** A function of the interpreter's module. One that works on the register file gets it in memory, and what it leaves there is taken back. */
  get<R extends Type | undefined>(name: string): Callable<R> {
    const { parameters, result, usesRegisters, isRare } = this.#source(name);
    if (isRare) return { type: { parameters, result }, index: -1, leave: () => this.code.br(this.#wayBack()) } as Callable as Callable<R>;
    let callable = this.#callables.get(name);
    if (!callable) {
      callable = { type: { parameters, result }, index: this.imports.length };
      this.imports.push(name);
      this.#callables.set(name, callable);
    }
    if (!usesRegisters) return callable as Callable<R>;
    this.#useAll();
    this.#mayStore = true;
    this.#stamp ??= this.code.declare(I32.of(0));
    return { ...callable, before: () => this.#storeAll(), after: () => this.#reload() } as Callable<R>;
  }

  /** Behind an instruction that called a helper which may have stored to code (a string operation): leaves if that was so, since it may be what follows. */
  leaveIfCodeChanged(behind: number): void {
    if (!this.#mayStore) return;
    this.#mayStore = false;
    this.code.brIf(this.#wayOut(I64.of(behind), RegionOutcome.jump, this.unspent - ownCost), load32(Run.codeStamp).ne(this.#stamp!.value));
  }

  #storeAll(): void {
    this.code.set(this.#stamp!, load32(Run.codeStamp));
    this.flags.flush();
    settleFlags(this.code, this.#flagPlaces);
    if (this.#writesThrough) return;
    this.#storeRegisters();
    this.#flagHomes.aux.set(this.#flagPlaces.aux.value);
    this.#flagHomes.result.set(this.#flagPlaces.result.value);
  }
  #reload(): void {
    this.#load();
    if (!this.#writesThrough) {
      this.#flagPlaces.aux.set(this.#flagHomes.aux.value);
      this.#flagPlaces.result.set(this.#flagHomes.result.value);
    }
    this.floats.forget();
    this.flags.known = this.code.depth === this.flags.depth ? FlagKind.word : FlagKind.unknown;
  }
}
