/**
 * RFLAGS as instructions leave and read them. Nothing is materialised: an operation stores its result and one word, from which each flag
 * is a few instructions away:
 *
 *   ZF = result is 0            SF = sign of result, inverted by aux bit 0
 *   PF = parity of the low byte of (result XOR aux bits 15-8)
 *   CF = aux bit 31             OF = aux bit 31 XOR aux bit 30           AF = aux bit 3
 *
 * For additions and subtractions these aux bits are simply the carries out of bits: the top one, the one below, and bit 3.
 */
import { I32, select, type F64, type I64 } from '../wasm/values.ts';
import { load32, load64, type Code } from '../wasm/code.ts';
import { STATE, Slot } from '../state.ts';
import type { Float } from './floats.ts';
import { Int } from './int.ts';

/** Status flags at their places in RFLAGS. */
export const Flag = { CF: 1, PF: 4, AF: 0x10, ZF: 0x40, SF: 0x80, DF: 0x400, OF: 0x800 } as const;

/** Values of flags to set: 0 or 1. */
export interface FlagValues {
  cf: I32 | number;
  pf: I32 | number;
  af: I32 | number;
  zf: I32 | number;
  sf: I32 | number;
  of: I32 | number;
}

const carry = -0x80000000;

/** The flags of the instruction at hand. Statements go to `code` at once. */
export class Flags {
  protected readonly code: Code;

  constructor(code: Code) {
    this.code = code;
  }

  /** The result and the word as they are now. */
  protected getResult(): I64 {
    return load64(STATE + Slot.flagResult);
  }
  protected getAux(): I32 {
    return load32(STATE + Slot.flagAux);
  }
  protected store(result: I64, aux: I32): void {
    this.code.store64(STATE + Slot.flagResult, result);
    this.storeAux(aux);
  }
  /** CF in bit 31, the rest 0. */
  protected carryBit(): I32 {
    return this.getAux().and(carry);
  }
  protected storeAux(aux: I32): void {
    this.code.store32(STATE + Slot.flagAux, aux);
  }

  /** Aux word of a vector of carries out of each bit. */
  #carries(carries: Int): I32 {
    if (carries.width === 8) {
      const v = this.code.let(carries.i64);
      return v.shrU(32).toI32().and(0xc0000000 | 0).or(v.toI32().and(8));
    }
    const v = this.code.let(carries.i32);
    return carries.width === 4 ? v.and(0xc0000008 | 0) : v.shl(32 - carries.bits).and(0xc0000000 | 0).or(v.and(8));
  }

  /** After r = a + b. */
  add(a: Int, b: Int, r: Int): void {
    this.addWithCarry(a, b, r);
  }
  /** After r = a + b + carry. */
  addWithCarry(a: Int, b: Int, r: Int): void {
    this.store(r.signed64, this.#carries(a.and(b).or(a.or(b).and(r.not()))));
  }
  /** After r = a - b; also CMP and NEG (a = 0). */
  sub(a: Int, b: Int, r: Int): void {
    this.subWithBorrow(a, b, r);
  }
  /** After r = a - b - borrow. */
  subWithBorrow(a: Int, b: Int, r: Int): void {
    this.store(r.signed64, this.#carries(a.not().and(b).or(a.not().or(b).and(r))));
  }
  /** After AND, OR, XOR, TEST: CF, OF and AF are 0. */
  logic(r: Int): void {
    this.store(r.signed64, I32.of(0));
  }
  /** INC: as add of 1, CF stays. */
  inc(a: Int, r: Int): void {
    this.#keepCarry(r, this.#carries(a.and(r.not())));
  }
  /** DEC: as sub of 1, CF stays. */
  dec(a: Int, r: Int): void {
    this.#keepCarry(r, this.#carries(a.not().and(r)));
  }
  /** Takes OF and AF from `aux`, CF from what was. */
  #keepCarry(r: Int, aux: I32): void {
    const fresh = this.code.let(aux);
    const before = this.code.let(this.carryBit());
    // OF is bit 31 XOR bit 30: when CF is exchanged, bit 30 follows.
    const changed = fresh.xor(before).and(carry);
    this.store(r.signed64, fresh.xor(changed).xor(changed.shrU(1)));
  }

  /** Result flags (ZF, SF, PF) from `r`, with CF, OF and AF given as 0 or 1. Shifts, bit counts. */
  result(r: Int, cf: I32 | number, of: I32 | number, af: I32 | number = 0): void {
    this.store(r.signed64, auxOf(this.code, cf, of, af));
  }

  /** Result flags from `r` and AF; CF and OF stay. */
  keepCarryAndOverflow(r: Int, af: number): void {
    this.store(r.signed64, this.getAux().and(0xc0000000 | 0).or(af << 3));
  }

  /** Sets all six. */
  assign({ cf, pf, af, zf, sf, of }: FlagValues): void {
    const aux = auxOf(this.code, cf, of, af);
    // ZF needs the result 0, whose parity is even and sign plus: the other two are expressed as inversions.
    const parity = I32.of(pf).xor(1).shl(8);
    this.store(I32.of(zf).eqz().toI64U().shl(16), aux.or(I32.of(sf)).or(parity));
  }
  /** After a comparison of two floats of one type, COMISD and the like: CF less or unordered, ZF equal or unordered, PF unordered; the others are 0. */
  compareFloats(a: Float, b: Float): void {
    const [x, y] = [a as F64, b as F64];
    const pf = this.code.let(x.ne(x).or(y.ne(y)));
    this.assign({ cf: this.code.let(x.ge(y).eqz()), zf: this.code.let(x.lt(y).or(x.gt(y)).eqz()), pf, af: 0, sf: 0, of: 0 });
  }
  /** Sets some of CF and OF, keeps the rest. */
  change(values: Partial<Pick<FlagValues, 'cf' | 'of'>>): void {
    const aux = this.code.let(this.getAux());
    const cf = this.code.let(values.cf !== undefined ? I32.of(values.cf) : aux.shrU(31));
    const of = values.of !== undefined ? I32.of(values.of) : aux.shrU(31).xor(aux.shrU(30)).and(1);
    this.storeAux(aux.and(0x3fffffff).or(cf.shl(31)).or(cf.xor(of).shl(30)));
  }
  /** Sets ZF, keeps the rest (CMPXCHG8B, LAR). */
  changeZero(zf: I32): void {
    const now = this.code.let(this.materialise());
    this.load(select(zf, now.or(Flag.ZF), now.and(~Flag.ZF)));
  }

  cf(): I32 { return this.getAux().shrU(31); }
  of(): I32 {
    const aux = this.code.let(this.getAux());
    return aux.shrU(31).xor(aux.shrU(30)).and(1);
  }
  af(): I32 { return this.getAux().shrU(3).and(1); }
  zf(): I32 { return this.getResult().eqz(); }
  sf(): I32 { return this.getResult().shrU(63).toI32().xor(this.getAux().and(1)); }
  pf(): I32 { return this.getResult().toI32().xor(this.getAux().shrU(8)).and(0xff).popcnt().and(1).xor(1); }

  /** The condition of Jcc, SETcc, CMOVcc (SDM vol. 1 appendix B) as 0 or 1. */
  condition(code: number): I32 {
    const positive = this.#positive(code >> 1);
    return (code & 1) !== 0 ? positive.eqz() : positive;
  }
  #positive(pair: number): I32 {
    switch (pair) {
      case 0: return this.of();
      case 1: return this.cf();
      case 2: return this.zf();
      case 3: return this.cf().or(this.zf());
      case 4: return this.sf();
      case 5: return this.pf();
      case 6: return this.sf().xor(this.of());
      default: return this.sf().xor(this.of()).or(this.zf());
    }
  }

  /** Status flags at their places in RFLAGS (no DF). */
  materialise(): I32 {
    return this.cf().or(this.pf().shl(2)).or(this.af().shl(4)).or(this.zf().shl(6)).or(this.sf().shl(7)).or(this.of().shl(11));
  }
  /** Takes the status flags from a word laid out as RFLAGS. */
  load(word: I32): void {
    const w = this.code.let(word);
    const bit = (n: number): I32 => w.shrU(n).and(1);
    this.assign({ cf: bit(0), pf: bit(2), af: bit(4), zf: bit(6), sf: bit(7), of: bit(11) });
  }
}

function auxOf(code: Code, cf: I32 | number, of: I32 | number, af: I32 | number): I32 {
  const c = code.let(I32.of(cf));
  return c.shl(31).or(c.xor(of).shl(30)).or(I32.of(af).shl(3));
}
