/** Comparisons of floating-point numbers in vector registers: COMISx, UCOMISx, CMPxx. */
import { callValue } from '../wasm/code.ts';
import { F64, I32, I64, V128, select } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { bitsOf, floatOf, isCalm, isOdd, isQuietNaN, laneBits, lanesOf, replaceLane, unless, widthOf, type Bits, type Float, type Lane } from './floats.ts';
import { finish, isKnownCalm, testCalm } from './sseFloat.ts';

/** What stands for the outcome of `softCompare` in another comparison: 0, 1 or 2 against 1, or a NaN. */
function standIn(width: Bits, relation: I32): Float {
  const number = select(relation.eq(3), F64.of(NaN), relation.toF64S());
  return width === 64 ? number : number.toF32();
}

/** COMISx, UCOMISx; the latter is quiet about quiet NaNs. */
const compareFlags = (width: Bits, loud: boolean): Description => context => {
  const { code, dst, src, flags, helpers } = context;
  const read = (operand: Context['src']): Float => (width === 64 ? operand.readF64() : operand.readF32());
  const b = read(src), a = read(dst), x = code.variable(a), y = code.variable(b);
  unless(code, slow => {
    if (loud || (isKnownCalm(context, dst, width) && isKnownCalm(context, src, width))) return testCalm(context, slow, dst, a, src, b);
    code.if(isOdd(a).or(isOdd(b)), () => code.brIf(slow, isCalm(a).or(isQuietNaN(a)).and(isCalm(b).or(isQuietNaN(b))).eqz()));
  }, () => {
    const relation = code.let(callValue(helpers.get<'i32'>(`softCompare${width}`), bitsOf(a), bitsOf(b), I32.of(loud ? 1 : 0)));
    finish(context);
    code.set(x, standIn(width, relation));
    code.set(y, floatOf(width, I64.of(width === 64 ? 0x3ff0000000000000n : 0x3f800000)));
  });
  flags.compareFloats(x.value, y.value);
};

/** CMPxx: which of less, equal, greater, unordered (bits 0 to 3) make a predicate true; the upper four are the negations. */
const outcomes = [0b0010, 0b0001, 0b0011, 0b1000, 0b1101, 0b1110, 0b1100, 0b0111];
const predicates = outcomes.reduce((table, set, i) => table | BigInt(set) << BigInt(i * 4), 0n);
/** Predicates that raise for quiet NaNs: 1, 2, 5, 6. */
const loudPredicates = 0b01100110;

/** The comparison of all lanes that is true for the outcomes of `predicate`. */
function comparedLanes(context: Context, type: Lane, predicate: I32, a: V128, b: V128): V128 {
  const known = predicate.constant;
  if (known === undefined) {
    const { code } = context, set = code.let(I64.of(predicates).shrU(predicate.shl(2).toI64U()).toI32());
    const chosen = (outcome: number, truths: V128): V128 => truths.op2('v128.and', V128.splat32(I32.of(0).sub(set.shrU(outcome).and(1))));
    const equal = code.let(a.op2(`${type}.eq`, b)), less = code.let(a.op2(`${type}.lt`, b)), greater = code.let(a.op2(`${type}.gt`, b));
    const ordered = equal.op2('v128.or', less).op2('v128.or', greater);
    return [chosen(0, less), chosen(1, equal), chosen(2, greater), chosen(3, ordered.op1('v128.not'))].reduce((x, y) => x.op2('v128.or', y));
  }
  const unordered = (): V128 => a.op2(`${type}.ne`, a).op2('v128.or', b.op2(`${type}.ne`, b));
  const base = [a.op2(`${type}.eq`, b), a.op2(`${type}.lt`, b), a.op2(`${type}.le`, b), unordered()][known & 3]!;
  return known >= 4 ? base.op1('v128.not') : base;
}

const compareMask = (type: Lane, isScalar: boolean): Description => context => {
  const { code, dst, src, src2, helpers } = context, lanes = lanesOf[type];
  const b = src.readV128(), a = dst.readV128(), width = widthOf(type), count = isScalar ? 1 : 128 / width;
  const predicate = code.let(src2.read().i32.and(7)), loud = code.let(I32.of(loudPredicates).shrU(predicate).and(1));
  const mask = code.variable(comparedLanes(context, type, predicate, a, b));
  unless(code, slow => {
    const x = code.let(lanes.abs(a)), y = code.let(lanes.abs(b));
    const first = code.let(lanes.isCalm(x)), second = code.let(lanes.isCalm(y));
    code.if(lanes.all(first.op2('v128.and', second), count).eqz(), () => code.scope(() => {
      const fine = (v: V128, calm: V128): V128 => calm.op2('v128.or', lanes.isQuietNaN(v));
      code.brIf(slow, loud.or(lanes.all(fine(a, first).op2('v128.and', fine(b, second)), count).eqz()));
    }));
  }, () => {
    const set = code.let(I64.of(predicates).shrU(predicate.shl(2).toI64U()).toI32());
    for (let i = 0; i < count; i++) {
      const relation = callValue(helpers.get<'i32'>(`softCompare${width}`), laneBits(a, width, i), laneBits(b, width, i), loud);
      code.set(mask, replaceLane(mask.value, width, i, code.let(I32.of(0).sub(set.shrU(relation).and(1))).toI64S()));
    }
    finish(context);
  });
  if (!isScalar) dst.writeV128(mask.value);
  else if (width === 64) dst.writeLow64(mask.value.extract64(0));
  else dst.writeLow32(mask.value.extract32(0));
};

export const sseCompare: Descriptions = {
  COMISS: compareFlags(32, true), UCOMISS: compareFlags(32, false), COMISD: compareFlags(64, true), UCOMISD: compareFlags(64, false),
  CMPPS: compareMask('f32x4', false), CMPPD: compareMask('f64x2', false), CMPSS: compareMask('f32x4', true), CMPSD: compareMask('f64x2', true),
};
