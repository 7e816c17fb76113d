/**
 * Flags of compiled code: three locals and what they mean. After an addition or subtraction they are its operands, and nothing is computed
 * unless somebody asks; else they are the result and word of semantics/flags.ts. A number in a fourth local, constant along every way that
 * the compiler knows, tells which.
 */
import { Flags } from '../semantics/flags.ts';
import { Int, type Width } from '../semantics/int.ts';
import type { Code, Variable } from '../wasm/code.ts';
import { I32, I64, select } from '../wasm/values.ts';

/** What the locals mean. Others: `bits - 2` of an addition, 256 more for a subtraction. */
export const FlagKind = { word: 0, unknown: -1, logic: -2, subtraction: 256 } as const;

export interface FlagLocals {
  readonly kind: Variable<I32>;
  /** First operand, zero-extended; or the word of semantics/flags.ts. */
  readonly first: Variable<I64>;
  /** Second operand. */
  readonly second: Variable<I64>;
  /** The result, sign-extended. Not kept for additions and subtractions. */
  readonly result: Variable<I64>;
}

export class RegionFlags extends Flags {
  readonly #locals: FlagLocals;
  /** Depth of blocks at which the instruction began: what is written deeper happens on some ways only. */
  depth = 0;
  /** What is known here of the kind; FlagKind.unknown if nothing is. */
  known: number = FlagKind.unknown;

  constructor(code: Code, locals: FlagLocals) {
    super(code);
    this.#locals = locals;
  }

  begin(): void {
    this.depth = this.code.depth;
  }

  #set(known: number, kind: number, first: I64, second: I64 | undefined, result: I64 | undefined): void {
    const { code } = this, locals = this.#locals;
    // All values first: they may be made of the locals.
    const a = code.let(first), b = second && code.let(second), r = result && code.let(result);
    code.set(locals.first, a);
    if (b) code.set(locals.second, b);
    if (r) code.set(locals.result, r);
    code.set(locals.kind, I32.of(kind));
    code.stored = true;
    this.known = code.depth === this.depth ? known : FlagKind.unknown;
  }

  override add(a: Int, b: Int, _r: Int): void {
    this.#set(a.bits - 2, a.bits - 2, a.i64, b.i64, undefined);
  }
  override sub(a: Int, b: Int, _r: Int): void {
    const kind = FlagKind.subtraction + a.bits - 2;
    this.#set(kind, kind, a.i64, b.i64, undefined);
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
    return this.known >= FlagKind.subtraction;
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
    const { result } = this.#locals;
    return this.known === FlagKind.unknown ? resultOf(this.#locals) : result.value;
  }
  protected override getAux(): I32 {
    this.#settle();
    const { first, kind } = this.#locals;
    if (this.known === FlagKind.logic) return I32.of(0);
    if (this.known === FlagKind.word) return first.value.toI32();
    if (this.#isOperation) return auxOf(this.#locals, I64.of(this.known & 255), I32.of(this.#isSubtraction ? 1 : 0));
    return select(kind.value, auxOf(this.#locals, kind.value.and(255).toI64U(), kind.value.shrU(8)), first.value.toI32());
  }
  protected override carryBit(): I32 {
    return this.#isOperation || this.known === FlagKind.logic ? this.cf().shl(31) : super.carryBit();
  }

  #operands(): [Int, Int] {
    return [Int.cut(this.#width, this.#locals.first.value), Int.cut(this.#width, this.#locals.second.value)];
  }
  /** The result of an addition or subtraction. */
  #difference(): Int {
    const [a, b] = this.#operands();
    return this.#isSubtraction ? a.sub(b) : a.add(b);
  }

  override cf(): I32 {
    if (this.known === FlagKind.logic) return I32.of(0);
    if (!this.#isOperation) return super.cf();
    const [a, b] = this.#operands();
    return this.#isSubtraction ? a.ltU(b) : this.#difference().ltU(a);
  }
  override zf(): I32 {
    if (!this.#isOperation) return super.zf();
    const [a, b] = this.#operands();
    return this.#isSubtraction ? a.eq(b) : this.#difference().isZero();
  }
  override sf(): I32 {
    if (this.#isOperation) return this.#difference().signed64.ltS(0);
    return this.known === FlagKind.logic ? this.#locals.result.value.ltS(0) : super.sf();
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
    const { result } = this.#locals;
    if (this.known === FlagKind.logic && pair >= 6) return pair === 6 ? result.value.ltS(0) : result.value.leS(0);
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

/** The word after an addition or subtraction of `shift` + 2 bits: carries, see semantics/flags.ts. */
function auxOf({ first, second }: FlagLocals, shift: I64, isSubtraction: I32): I32 {
  const a = first.value, b = second.value;
  const known = isSubtraction.constant;
  const borrows = (): I64 => a.xor(-1).and(b).or(a.xor(-1).or(b).and(a.sub(b)));
  const carries = (): I64 => a.and(b).or(a.or(b).and(a.add(b).xor(-1)));
  const c = known === 1 ? borrows() : known === 0 ? carries() : select(isSubtraction, borrows(), carries());
  return c.shrU(shift).toI32().shl(30).or(c.toI32().and(8));
}

/** The sign-extended result where the kind is only known at run time. */
function resultOf({ kind, first, second, result }: FlagLocals): I64 {
  const unused = I64.of(62).sub(kind.value.and(255).toI64U());
  const r = select(kind.value.shrU(8), first.value.sub(second.value), first.value.add(second.value));
  return select(kind.value, r.shl(unused).shrS(unused), result.value);
}

/** Makes the locals `word`, whatever they are. */
export function settleFlags(code: Code, locals: FlagLocals): void {
  const { kind, first, result } = locals;
  code.if(kind.value, () => {
    const word = code.let(auxOf(locals, kind.value.and(255).toI64U(), kind.value.shrU(8)));
    code.set(result, resultOf(locals));
    code.set(first, word.toI64U());
    code.set(kind, I32.of(FlagKind.word));
  });
}
