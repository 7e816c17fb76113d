/**
 * Flags of compiled code: three locals and what they mean. After an addition or subtraction they are its operands, and nothing is computed
 * unless somebody asks; else they are the result and word of semantics/flags.ts. A number in a fourth local, constant along every way that
 * the compiler knows, tells which.
 */
import { Flags } from '../semantics/flags.ts';
import { Int, type Width } from '../semantics/int.ts';
import type { Code, Variable } from '../wasm/code.ts';
import { I32, I64, select } from '../wasm/values.ts';

/** What the locals mean. Others: `bits - 2` of an addition, 256 more for a subtraction, 512 more if `first` is the result. */
export const FlagKind = { word: 0, unknown: -1, logic: -2, subtraction: 256, result: 512 } as const;

export interface FlagLocals {
  readonly kind: Variable<I32>;
  /** First operand or the result, zero-extended; or the word of semantics/flags.ts. */
  readonly first: Variable<I64>;
  /** Second operand. */
  readonly second: Variable<I64>;
  /** The result, sign-extended. Not kept for additions and subtractions. */
  readonly result: Variable<I64>;
}

/** What the locals hold, or will. */
interface FlagValues {
  readonly kind: I32;
  readonly first: I64;
  readonly second: I64;
  readonly result: I64;
}

/** Flags that aren't in the locals yet: which of them change. */
interface Pending {
  readonly kind: number;
  readonly first: I64;
  readonly second: I64 | undefined;
  readonly result: I64 | undefined;
}

export class RegionFlags extends Flags {
  readonly #locals: FlagLocals;
  /** What the last instruction that set flags left, while it is not in the locals: on the way out it is written there, else only when needed. */
  #pending: Pending | undefined;
  /** Depth of blocks at which the instruction began: what is written deeper happens on some ways only. */
  depth = 0;
  /** What is known here of the kind; FlagKind.unknown if nothing is. */
  known: number = FlagKind.unknown;
  /** The instruction writes what an addition or subtraction gives: then that is at hand later, and the first operand isn't. */
  writesResult = false;

  constructor(code: Code, locals: FlagLocals) {
    super(code);
    this.#locals = locals;
    code.beforeBlock = () => this.flush();
  }

  begin(writesResult: boolean): void {
    this.depth = this.code.depth;
    this.writesResult = writesResult;
  }

  /** What is known at the start of a block, where the locals hold the flags. */
  enter(known: number): void {
    this.known = known;
    this.#pending = undefined;
  }

  /** Writes the flags to the locals, on the way here only. */
  write(): void {
    const { code } = this, locals = this.#locals;
    if (!this.#pending) return;
    const { kind, first, second, result } = this.#pending;
    code.set(locals.first, first);
    if (second) code.set(locals.second, second);
    if (result) code.set(locals.result, result);
    code.set(locals.kind, I32.of(kind));
  }
  /** From here on the locals hold the flags. */
  flush(): void {
    this.write();
    this.#pending = undefined;
  }

  get #now(): FlagValues {
    const { kind, first, second, result } = this.#locals, pending = this.#pending;
    if (!pending) return { kind: kind.value, first: first.value, second: second.value, result: result.value };
    return { kind: I32.of(pending.kind), first: pending.first, second: pending.second ?? second.value, result: pending.result ?? result.value };
  }

  #set(known: number, kind: number, first: I64, second: I64 | undefined, result: I64 | undefined): void {
    const { code } = this;
    // All values first: they may be made of the locals.
    const a = code.let(first), b = second && code.let(second), r = result && code.let(result);
    this.#pending = { kind, first: a, second: b, result: r };
    code.stored = true;
    this.known = known;
    if (code.depth === this.depth) return;
    this.flush();
    this.known = FlagKind.unknown;
  }

  #operation(kind: number, a: Int, b: Int, r: Int): void {
    const of = kind + a.bits - 2;
    if (this.writesResult) this.#set(of + FlagKind.result, of + FlagKind.result, r.i64, b.i64, undefined);
    else this.#set(of, of, a.i64, b.i64, undefined);
  }

  override add(a: Int, b: Int, r: Int): void {
    this.#operation(0, a, b, r);
  }
  override sub(a: Int, b: Int, r: Int): void {
    this.#operation(FlagKind.subtraction, a, b, r);
  }
  override logic(r: Int): void {
    this.#set(FlagKind.logic, FlagKind.word, I64.of(0), undefined, r.signed64);
  }
  protected override store(result: I64, aux: I32): void {
    this.#set(FlagKind.word, FlagKind.word, aux.toI64U(), undefined, result);
  }
  protected override storeAux(aux: I32): void {
    const word = this.code.let(aux);
    const result = this.code.let(this.getResult());
    this.store(result, word);
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
    settleFlags(this.code, this.#locals);
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
    if (this.known === FlagKind.word) return now.first.toI32();
    if (this.#isOperation) return auxOf(now, I32.of(this.known));
    return select(now.kind, auxOf(now, now.kind), now.first.toI32());
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

/** The word after an addition or subtraction: carries, see semantics/flags.ts. */
function auxOf({ first, second }: FlagValues, kind: I32): I32 {
  const isSubtraction = kind.and(FlagKind.subtraction), isResult = kind.and(FlagKind.result);
  const { constant } = kind;
  const either = (condition: I32, yes: I64, no: I64): I64 => (constant === undefined ? select(condition, yes, no) : condition.constant !== 0 ? yes : no);
  const b = second;
  const a = either(isResult, either(isSubtraction, first.add(b), first.sub(b)), first);
  const r = either(isResult, first, either(isSubtraction, first.sub(b), first.add(b)));
  const borrows = a.xor(-1).and(b).or(a.xor(-1).or(b).and(r));
  const carries = a.and(b).or(a.or(b).and(r.xor(-1)));
  const c = either(isSubtraction, borrows, carries);
  return c.shrU(kind.and(255).toI64U()).toI32().shl(30).or(c.toI32().and(8));
}

/** The sign-extended result where the kind is only known at run time. */
function resultOf({ kind, first, second, result }: FlagValues): I64 {
  const unused = I64.of(62).sub(kind.and(255).toI64U());
  const r = select(kind.and(FlagKind.result), first, select(kind.and(FlagKind.subtraction), first.sub(second), first.add(second)));
  return select(kind, r.shl(unused).shrS(unused), result);
}

/** Makes the locals `word`, whatever they are. */
export function settleFlags(code: Code, locals: FlagLocals): void {
  const { kind, first, second, result } = locals;
  const now = { kind: kind.value, first: first.value, second: second.value, result: result.value };
  code.if(kind.value, () => {
    const word = code.let(auxOf(now, kind.value));
    code.set(result, resultOf(now));
    code.set(first, word.toI64U());
    code.set(kind, I32.of(FlagKind.word));
  });
}
