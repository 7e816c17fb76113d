/**
 * Flags of compiled code: as the semantics of pending flags have them, in locals or in memory. After an addition or subtraction they are its
 * operands, and nothing is computed unless somebody asks. Their kind is constant along every way that the compiler knows.
 */
import { Flags } from '../semantics/flags.ts';
import { Int, type Width } from '../semantics/int.ts';
import { FlagKind, auxOf, resultOf, settleFlags, valuesOf, type FlagPlaces, type FlagValues } from '../semantics/pendingFlags.ts';
import type { Code, Variable } from '../wasm/code.ts';
import type { Float } from '../semantics/floats.ts';
import { I32, I64, select, type F64 } from '../wasm/values.ts';

/** Flags that aren't in their places yet: which of them change. */
interface Pending extends Partial<FlagValues> {
  readonly kind: I32;
}

/** Operands of the comparison of floats that set the flags. */
export interface Compared {
  readonly a: F64;
  readonly b: F64;
}

/** What a block that only one other leads to begins with. */
export interface CarriedFlags {
  readonly known: number;
  readonly pending: Pending | undefined;
}

/** Writes some flags. */
function write(places: FlagPlaces, { kind, aux, result, first, second }: Partial<FlagValues>): void {
  if (aux) places.aux.set(aux);
  if (result) places.result.set(result);
  if (first) places.first.set(first);
  if (second) places.second.set(second);
  if (kind) places.kind.set(kind);
}

/** The conditions after a comparison of floats: its OF and SF are 0. */
const unordered = ({ a, b }: Compared): I32 => a.ne(a).or(b.ne(b));
const equalOrUnordered = ({ a, b }: Compared): I32 => a.lt(b).or(a.gt(b)).eqz(), never = (): I32 => I32.of(0);
const comparisons: readonly ((compared: Compared) => I32)[] = [
  never, ({ a, b }) => a.ge(b).eqz(), equalOrUnordered, ({ a, b }) => a.gt(b).eqz(), never, unordered, never, equalOrUnordered,
];

export class RegionFlags extends Flags {
  readonly #places: FlagPlaces;
  /** Where they have to be when the region is left. */
  readonly #homes: FlagPlaces;
  readonly #carried: FlagPlaces;
  /** What the last instruction that set flags left, while it is not in its place: on the way out it is written there, else only when needed. */
  #pending: Pending | undefined;
  #compared: Compared | undefined;
  /** Where a block that only one other leads to finds them, by their type. */
  readonly #carriedFloats = new Map<string, { readonly a: Variable<F64>; readonly b: Variable<F64> }>();
  /** Depth of blocks at which the instruction began: what is written deeper happens on some ways only. */
  depth = 0;
  /** What is known here of the kind; FlagKind.unknown if nothing is. */
  known: number = FlagKind.unknown;
  /** The instruction writes what an addition or subtraction gives: then that is at hand later, and the first operand isn't. */
  writesResult = false;

  /** `carried`: locals that are for this alone. */
  constructor(code: Code, places: FlagPlaces, homes: FlagPlaces, carried: FlagPlaces) {
    super(code);
    this.#carried = carried;
    this.#places = places;
    this.#homes = homes;
    code.beforeBlock = () => this.flush();
  }

  begin(writesResult: boolean): void {
    this.depth = this.code.depth;
    this.writesResult = writesResult;
  }

  /** What is known at the start of a block, where the places hold the flags. */
  enter(known: number): void {
    this.known = known;
    this.#pending = undefined;
    this.#compared = undefined;
  }

  /** For a block that only this one leads to: what is pending stays so, in locals that outlast the block. */
  carry(): CarriedFlags {
    const { known } = this, pending = this.#pending;
    if (!pending) return { known, pending };
    const { kind, aux, result, first, second } = pending, carried = valuesOf(this.#carried);
    write(this.#carried, {
      ...(aux !== carried.aux && { aux }), ...(result !== carried.result && { result }), ...(first !== carried.first && { first }),
      ...(second !== carried.second && { second }),
    });
    const { aux: a, result: r, first: f, second: s } = carried;
    return { known, pending: { kind, ...(aux && { aux: a }), ...(result && { result: r }), ...(first && { first: f }), ...(second && { second: s }) } };
  }
  /** At the start of that block. */
  takeCarried({ known, pending }: CarriedFlags): void {
    this.known = known;
    this.#pending = pending;
  }

  /** For a block that only this one leads to: what was compared. */
  carryCompared(): Compared | undefined {
    const { code } = this, now = this.#compared;
    if (!now) return undefined;
    const { type } = now.a, { a, b } = this.#carriedFloats.get(type) ?? { a: code.declare(now.a), b: code.declare(now.b) };
    this.#carriedFloats.set(type, { a, b });
    if (now.a === a.value) return now;
    code.set(a, now.a);
    code.set(b, now.b);
    return { a: a.value, b: b.value };
  }
  takeCompared(compared: Compared | undefined): void {
    this.#compared = compared;
  }

  /** The places hold the flags from here on. */
  flush(): void {
    if (this.#pending) write(this.#places, this.#pending);
    this.#pending = undefined;
  }

  /** Writes what leaving here takes, when it is called: the places hold then what they hold now. */
  leaving(): () => void {
    const pending = this.#pending, { known } = this, homes = this.#homes;
    if (pending) return () => write(homes, pending);
    if (this.#places === homes) return () => {};
    const { kind, aux, result, first, second } = valuesOf(this.#places);
    if (known === FlagKind.unknown) return () => write(homes, { kind, aux, result, first, second });
    return () => write(homes, known > 0 ? { kind: I32.of(known), first, second } : { kind: I32.of(FlagKind.word), aux, result });
  }

  get #now(): FlagValues {
    return { ...valuesOf(this.#places), ...this.#pending };
  }

  #set(known: number, { kind, aux, result, first, second }: Pending): void {
    const { code } = this;
    // All values first: they may be made of what the places hold.
    this.#pending = {
      kind, ...(aux && { aux: code.let(aux) }), ...(result && { result: code.let(result) }), ...(first && { first: code.let(first) }),
      ...(second && { second: code.let(second) }),
    };
    code.stored = true;
    this.known = known;
    this.#compared = undefined;
    if (code.depth === this.depth) return;
    this.flush();
    this.known = FlagKind.unknown;
  }

  #operation(kind: number, a: Int, b: Int, r: Int): void {
    const known = kind + a.bits - 2 + (this.writesResult ? FlagKind.result : 0);
    this.#set(known, { kind: I32.of(known), first: this.writesResult ? r.i64 : a.i64, second: b.i64 });
  }

  override add(a: Int, b: Int, r: Int): void {
    this.#operation(0, a, b, r);
  }
  override sub(a: Int, b: Int, r: Int): void {
    this.#operation(FlagKind.subtraction, a, b, r);
  }
  override logic(r: Int): void {
    this.#set(FlagKind.logic, { kind: I32.of(FlagKind.word), aux: I32.of(0), result: r.signed64 });
  }
  protected override store(result: I64, aux: I32): void {
    this.#set(FlagKind.word, { kind: I32.of(FlagKind.word), aux, result });
  }
  protected override storeAux(aux: I32): void {
    const word = this.code.let(aux);
    const result = this.code.let(this.getResult());
    this.store(result, word);
  }

  override compareFloats(a: Float, b: Float): void {
    const [x, y] = [this.code.let(a as F64), this.code.let(b as F64)];
    super.compareFloats(x, y);
    if (this.code.depth === this.depth) this.#compared = { a: x, b: y };
  }

  get #isOperation(): boolean {
    return this.known > 0;
  }
  get #isSubtraction(): boolean {
    return this.known > 0 && (this.known & FlagKind.subtraction) !== 0;
  }
  get #width(): Width {
    return ((this.known & 255) + 2) / 8 as Width;
  }

  /** Where nothing is known of the kind: makes it `word`, if that can be done for all ways that lead on. */
  #settle(): void {
    if (this.known !== FlagKind.unknown || this.code.depth !== this.depth) return;
    settleFlags(this.code, this.#places);
    this.known = FlagKind.word;
  }

  protected override getResult(): I64 {
    this.#settle();
    if (this.#isOperation) return this.#difference().signed64;
    return this.known === FlagKind.unknown ? resultOf(this.#now) : this.#now.result;
  }
  protected override getAux(): I32 {
    this.#settle();
    const now = this.#now;
    if (this.known === FlagKind.logic) return I32.of(0);
    if (this.known === FlagKind.word) return now.aux;
    if (this.#isOperation) return auxOf(now, I32.of(this.known));
    return select(now.kind, auxOf(now, now.kind), now.aux);
  }
  protected override carryBit(): I32 {
    return this.#isOperation || this.known === FlagKind.logic ? this.cf().shl(31) : super.carryBit();
  }

  #operands(): [Int, Int] {
    const { first, second } = this.#now, a = Int.cut(this.#width, first), b = Int.cut(this.#width, second);
    if ((this.known & FlagKind.result) === 0) return [a, b];
    return [this.#isSubtraction ? a.add(b) : a.sub(b), b];
  }
  /** The result of an addition or subtraction. */
  #difference(): Int {
    if ((this.known & FlagKind.result) !== 0) return Int.cut(this.#width, this.#now.first);
    const [a, b] = this.#operands();
    return this.#isSubtraction ? a.sub(b) : a.add(b);
  }

  override cf(): I32 {
    if (this.known === FlagKind.logic) return I32.of(0);
    if (!this.#isOperation) return super.cf();
    const [a, b] = this.#operands();
    return this.#isSubtraction ? a.ltU(b) : this.#difference().ltU(b);
  }
  override zf(): I32 {
    if (!this.#isOperation) return super.zf();
    if (!this.#isSubtraction || (this.known & FlagKind.result) !== 0) return this.#difference().isZero();
    const [a, b] = this.#operands();
    return a.eq(b);
  }
  override sf(): I32 {
    if (this.#isOperation) return this.#difference().signed64.ltS(0);
    return this.known === FlagKind.logic ? this.#now.result.ltS(0) : super.sf();
  }
  override of(): I32 {
    return this.known === FlagKind.logic ? I32.of(0) : super.of();
  }

  override condition(code: number): I32 {
    const even = this.#condition(code >> 1);
    if (!even) return super.condition(code);
    return (code & 1) !== 0 ? even.eqz() : even;
  }
  /** Conditions that need no flag: SDM vol. 1 appendix B. */
  #condition(pair: number): I32 | undefined {
    if (this.#compared) return comparisons[pair]!(this.#compared);
    const { result } = this.#now;
    if (this.known === FlagKind.logic && pair >= 6) return pair === 6 ? result.ltS(0) : result.leS(0);
    if (!this.#isSubtraction) return undefined;
    const [a, b] = this.#operands();
    switch (pair) {
      case 3: return a.width === 8 ? a.i64.leU(b.i64) : a.i32.leU(b.i32);
      case 6: return a.ltS(b);
      case 7: return a.width === 8 ? a.i64.leS(b.i64) : a.signed32.leS(b.signed32);
      default: return undefined;
    }
  }
}
