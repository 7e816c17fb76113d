/**
 * Whether a rounded result is exact, found out inline while MXCSR.PE isn't set yet, which may be so for ever in programs whose numbers are
 * integers. Operands and results are normal numbers or zeros. A "no" only means that it isn't certain.
 */
import type { Code } from '../wasm/code.ts';
import { F32, F64, I32, V128, type I64 } from '../wasm/values.ts';
import type { Float, Lane } from './floats.ts';

export type Inexact = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** Zeros at the end of a double's significand, of which the leading one is there even if the number is zero. */
const zeros = (bits: I64): I64 => bits.or(1n << 52n).ctz();
/** The product of two doubles has no more bits than a double. */
const fits = (a: I64, b: I64): I32 => zeros(a).add(zeros(b)).geU(53);

/** Knuth's two-sum: the error of a sum is computed exactly. */
function sumIsExact<T extends Float>(code: Code, a: T, b: T, r: T): I32 {
  type Same = F64;
  const x = a as Same, y = b as Same, sum = r as Same;
  const second = code.let(sum.sub(x)), first = sum.sub(second);
  const error = x.sub(first).add(y.sub(second));
  return error.eq((error instanceof F64 ? F64.of(0) : F32.of(0)) as Same);
}

const wide = (v: Float): F64 => (v instanceof F32 ? v.toF64() : v);

/** r is a * b rounded, and so on; of SQRT only `a` counts. */
export function isExact(code: Code, name: Inexact, a: Float, b: Float, r: Float): I32 {
  if (name === 'add') return sumIsExact(code, a, b, r);
  if (name === 'sub') return sumIsExact(code, a, code.let(b.neg()), r);
  // Products of singles are exact in double.
  const [x, y, product] = name === 'mul' ? [a, b, r] : name === 'div' ? [r, b, a] : [r, r, a];
  if (r instanceof F32) return wide(x).mul(wide(y)).eq(wide(product));
  const [m, n] = [x as F64, y as F64];
  const enough = fits(m.asI64(), n.asI64());
  return name === 'mul' ? enough : enough.and(m.mul(n).eq(product as F64));
}

/** The same of all lanes. */
export function areExact(code: Code, type: Lane, name: Inexact, a: V128, b: V128, r: V128): I32 {
  if (name === 'add' || name === 'sub') {
    const y = name === 'add' ? b : code.let(b.op1(`${type}.neg`));
    const second = code.let(r.op2(`${type}.sub`, a)), first = r.op2(`${type}.sub`, second);
    const error = a.op2(`${type}.sub`, first).op2(`${type}.add`, y.op2(`${type}.sub`, second));
    return error.op2(`${type}.ne`, V128.zero()).anyTrue().eqz();
  }
  const [x, y, product] = name === 'mul' ? [a, b, r] : name === 'div' ? [r, b, a] : [r, r, a];
  if (type === 'f64x2') {
    const enough = fits(x.extract64(0), y.extract64(0)).and(fits(x.extract64(1), y.extract64(1)));
    return name === 'mul' ? enough : enough.and(x.op2('f64x2.mul', y).op2('f64x2.ne', product).anyTrue().eqz());
  }
  const low = (v: V128): V128 => v.op1('f64x2.promote_low_f32x4');
  const high = (v: V128): V128 => low(v.shuffle(v, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]));
  const differ = (half: (v: V128) => V128): V128 => half(x).op2('f64x2.mul', half(y)).op2('f64x2.ne', half(product));
  return differ(low).op2('v128.or', differ(high)).anyTrue().eqz();
}
