/**
 * Whether a rounded result is exact, found out inline while MXCSR.PE isn't set yet, which may be so for ever in programs whose numbers are
 * integers. Operands and results are normal numbers or zeros. A "no" only means that it isn't certain.
 */
import type { Code, Label } from '../wasm/code.ts';
import { F32, I32, I64, V128, type F64 } from '../wasm/values.ts';
import type { Float, Lane } from './floats.ts';

export type Inexact = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** Zeros at the end of a double's significand, of which the leading one is there even if the number is zero. */
const zeros = (bits: I64): I64 => bits.or(1n << 52n).ctz();
/** The product of two doubles has no more bits than a double. */
const fits = (a: I64, b: I64): I32 => zeros(a).add(zeros(b)).geU(53);
/** So it is if both have at most half as many bits: a double's last 27 are zero. */
const lowerHalf = (1n << 27n) - 1n;

/**
 * The smaller operand of a sum is what the sum differs from the greater one by, exactly, if nothing was rounded: of both operands that is so only then
 * (T. Dekker, 1971: the difference from the greater one has no error).
 */
function sumIsExact<T extends Float>(name: 'add' | 'sub', a: T, b: T, r: T): I32 {
  type Same = F64;
  const x = a as Same, y = b as Same, sum = r as Same;
  return name === 'add' ? sum.sub(x).eq(y).and(sum.sub(y).eq(x)) : x.sub(sum).eq(y).and(sum.add(y).eq(x));
}

const wide = (v: Float): F64 => (v instanceof F32 ? v.toF64() : v);

/** r is a * b rounded, and so on; of SQRT only `a` counts. Branches to `slow` where that is sooner known not to be certain. */
export function isExact(code: Code, slow: Label, name: Inexact, a: Float, b: Float, r: Float): I32 {
  if (name === 'add' || name === 'sub') return sumIsExact(name, a, b, r);
  // Products of singles are exact in double.
  const [x, y, product] = name === 'mul' ? [a, b, r] : name === 'div' ? [r, b, a] : [r, r, a];
  if (r instanceof F32) return wide(x).mul(wide(y)).eq(wide(product));
  const [m, n] = [x as F64, y as F64];
  const [p, q] = [m.asI64(), n.asI64()];
  code.if(p.or(q).and(lowerHalf).ne(0), () => code.brIf(slow, fits(p, q).eqz()));
  return name === 'mul' ? I32.of(1) : m.mul(n).eq(product as F64);
}

/** The same of all lanes. */
export function areExact(code: Code, slow: Label, type: Lane, name: Inexact, a: V128, b: V128, r: V128): I32 {
  if (name === 'add' || name === 'sub') {
    const [first, second] = name === 'add' ? [r.op2(`${type}.sub`, a), r.op2(`${type}.sub`, b)] : [a.op2(`${type}.sub`, r), r.op2(`${type}.add`, b)];
    return first.op2(`${type}.ne`, b).op2('v128.or', second.op2(`${type}.ne`, a)).bitmask(type === 'f64x2' ? 64 : 32).eqz();
  }
  const [x, y, product] = name === 'mul' ? [a, b, r] : name === 'div' ? [r, b, a] : [r, r, a];
  if (type === 'f64x2') {
    const few = x.op2('v128.or', y).op2('v128.and', V128.splat64(I64.of(lowerHalf))).op2('i64x2.eq', V128.zero());
    code.if(few.bitmask(64).ne(3), () => code.brIf(slow, fits(x.extract64(0), y.extract64(0)).and(fits(x.extract64(1), y.extract64(1))).eqz()));
    return name === 'mul' ? I32.of(1) : x.op2('f64x2.mul', y).op2('f64x2.ne', product).bitmask(64).eqz();
  }
  const low = (v: V128): V128 => v.op1('f64x2.promote_low_f32x4');
  const high = (v: V128): V128 => low(v.shuffle(v, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]));
  const differ = (half: (v: V128) => V128): V128 => half(x).op2('f64x2.mul', half(y)).op2('f64x2.ne', half(product));
  return differ(low).op2('v128.or', differ(high)).anyTrue().eqz();
}
