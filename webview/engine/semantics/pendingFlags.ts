/**
 * Flags that nobody has asked for yet: the operands of the addition or subtraction that sets them, and a number that tells which it was.
 * Compiled code leaves them so for the code that follows; the interpreter and everybody else finds the result and word of flags.ts.
 */
import { load32, load64, type Code } from '../wasm/code.ts';
import { I32, I64, select, type Value } from '../wasm/values.ts';
import { Run, STATE, Slot } from '../state.ts';

/** What is kept: 0 the result and word of flags.ts. Others: `bits - 2` of an addition, 256 more for a subtraction, 512 more if `first` is the result. */
export const FlagKind = { word: 0, unknown: -1, logic: -2, subtraction: 256, result: 512 } as const;

/** Something that holds a value: a local, or bytes in memory. */
export interface Place<T extends Value> {
  /** What it holds when a statement reads it. */
  readonly value: T;
  set(value: T): void;
}

export interface FlagPlaces {
  readonly kind: Place<I32>;
  /** The word of flags.ts, of kind `word` only. */
  readonly aux: Place<I32>;
  /** The result, sign-extended, of kind `word` only. */
  readonly result: Place<I64>;
  /** First operand or the result, zero-extended. */
  readonly first: Place<I64>;
  /** Second operand. */
  readonly second: Place<I64>;
}

/** What the places hold, or will. */
export type FlagValues = { readonly [name in keyof FlagPlaces]: FlagPlaces[name]['value'] };

/** Where flags are between regions. Writing there is no store that the instruction at hand makes. */
export function flagHomes(code: Code): FlagPlaces {
  const writing = (write: () => void): void => {
    const { stored } = code;
    write();
    code.stored = stored;
  };
  const word = (at: number): Place<I32> => ({ get value() { return load32(at); }, set: value => writing(() => code.store32(at, value)) });
  const long = (at: number): Place<I64> => ({ get value() { return load64(at); }, set: value => writing(() => code.store64(at, value)) });
  return {
    kind: word(Run.flagKind), aux: word(STATE + Slot.flagAux), result: long(STATE + Slot.flagResult),
    first: long(Run.flagFirst), second: long(Run.flagSecond),
  };
}

export function valuesOf({ kind, aux, result, first, second }: FlagPlaces): FlagValues {
  return { kind: kind.value, aux: aux.value, result: result.value, first: first.value, second: second.value };
}

/** The word after an addition or subtraction: carries, see semantics/flags.ts. */
export function auxOf({ first, second }: FlagValues, kind: I32): I32 {
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
export function resultOf({ kind, first, second, result }: FlagValues): I64 {
  const unused = I64.of(62).sub(kind.and(255).toI64U());
  const r = select(kind.and(FlagKind.result), first, select(kind.and(FlagKind.subtraction), first.sub(second), first.add(second)));
  return select(kind, r.shl(unused).shrS(unused), result);
}

/** Makes the places `word`, whatever they are. */
export function settleFlags(code: Code, places: FlagPlaces): void {
  const pinned = code.let(places.kind.value);
  code.if(pinned, () => {
    const now = { ...valuesOf(places), kind: pinned, first: code.let(places.first.value), second: code.let(places.second.value) };
    const word = code.let(auxOf(now, pinned));
    places.result.set(resultOf(now));
    places.aux.set(word);
    places.kind.set(I32.of(FlagKind.word));
  });
}
