/** Single bits, bit scans, BMI1 and BMI2. */
import { callValue } from '../wasm/code.ts';
import { I32, type I64 } from '../wasm/values.ts';
import { pin, type Context, type Descriptions } from './contract.ts';
import { Int, selectInt, type Width } from './int.ts';

type Change = (a: Int, bit: Int) => Int;

/** BT, BTS, BTR, BTC. With a register as index a memory operand is a string of bits in both directions. CF is the bit; the rest stays. */
function bitTest(change?: Change): (context: Context) => void {
  return context => {
    const { code, dst, src, flags } = context;
    const width = dst.width as Width;
    const index = src.read();
    const within = code.let(index.i64.toI32().and(dst.width * 8 - 1));
    const bit = (): Int => Int.constant(width, 1).shl(within);
    if (dst.isMemory && !src.isImmediate) return bitString(context, index, within, change);
    const a = change ? dst.readForWrite() : dst.read();
    const cf = code.let(a.bit(within));
    if (change) dst.write(change(a, bit()));
    flags.change({ cf });
  };
}

function bitString({ code, dst, memory, flags, addressSize }: Context, index: Int, within: I32, change: Change | undefined): void {
  const width = dst.width as Width;
  const shift = { 1: 3, 2: 4, 4: 5, 8: 6 }[width];
  const sum = dst.address().add(index.signed64.shrS(shift).mul(width)), base = memory.segmentBase();
  const address = code.let(addressSize === 8 ? sum : sum.sub(base).and(0xffffffffn).add(base));
  if (change) memory.probe(address, width, true);
  const a = memory.load(width, address);
  if (change) memory.store(address, change(a, Int.constant(width, 1).shl(within)));
  flags.change({ cf: a.bit(within) });
}

function countZeros(a: Int, leading: boolean): Int {
  if (a.width === 8) return Int.clean(8, leading ? a.i64.clz() : a.i64.ctz());
  if (leading) return Int.clean(a.width, a.i32.clz().sub(32 - a.bits));
  return Int.clean(a.width, a.width === 4 ? a.i32.ctz() : a.i32.or(1 << a.bits).ctz());
}

/** BSF, BSR: of zero nothing is written. ZF tells; the other flags, undefined by the manual, are what costs least, since those before may not be at hand. */
function scan(reverse: boolean): (context: Context) => void {
  return ({ code, dst, src, flags }) => {
    const a = src.read();
    code.if(a.isZero().eqz(), () => {
      const zeros = countZeros(a, reverse);
      dst.write(reverse ? Int.constant(a.width, a.bits - 1).sub(zeros) : zeros);
    });
    flags.logic(a);
  };
}

/** TZCNT, LZCNT: CF is set for zero, ZF for the count 0. The others, undefined by the manual, are cleared. */
function count(leading: boolean): (context: Context) => void {
  return ({ code, dst, src, flags }) => {
    const a = src.read(), r = pin(code, countZeros(a, leading));
    dst.write(r);
    flags.assign({ cf: code.let(a.isZero()), pf: 0, af: 0, zf: code.let(r.isZero()), sf: 0, of: 0 });
  };
}

function popcnt({ code, dst, src, flags }: Context): void {
  const a = src.read();
  dst.write(a.width === 8 ? Int.clean(8, a.i64.popcnt()) : Int.clean(a.width, a.i32.popcnt()));
  flags.assign({ cf: 0, pf: 0, af: 0, zf: code.let(a.isZero()), sf: 0, of: 0 });
}

/** BLSR, BLSMSK, BLSI: `dst` from `src` and `src` - 1 or its negation. */
function lowest(r: (a: Int) => Int, cf: (a: Int) => I32): (context: Context) => void {
  return ({ code, dst, src, flags }) => {
    const a = src.read(), result = pin(code, r(a));
    dst.write(result);
    flags.result(result, cf(a), 0);
  };
}

const minusOne = (a: Int): Int => a.sub(Int.constant(a.width, 1));

/** The low `n` bits of `a`, all for n from the width on; `n` is an i32 below 256. */
function lowBits(a: Int, n: I32): Int {
  const mask = Int.constant(a.width, 1).shl(n).sub(Int.constant(a.width, 1));
  return selectInt(n.ltU(a.bits), a.and(mask), a);
}

function bextr({ code, dst, src, src2, flags }: Context): void {
  const a = src.read(), control = code.let(src2.read().i64.toI32());
  const start = code.let(control.and(0xff)), length = code.let(control.shrU(8).and(0xff));
  const shifted = pin(code, selectInt(start.ltU(a.bits), a.shrU(start), Int.constant(a.width, 0)));
  const r = pin(code, lowBits(shifted, length));
  dst.write(r);
  // AF and SF as on this CPU family.
  const even = code.let(r.i64.toI32().and(0xff).popcnt().and(1).xor(1));
  flags.assign({ cf: 0, pf: even, af: 1, zf: code.let(r.isZero()), sf: 0, of: 0 });
}

function bzhi({ code, dst, src, src2, flags }: Context): void {
  const a = src.read(), n = code.let(src2.read().i64.toI32().and(0xff));
  const r = pin(code, lowBits(a, n));
  dst.write(r);
  flags.result(r, n.geU(a.bits), 0);
}

/** PDEP, PEXT: a loop over the mask's bits, outlined. */
function byMask(helper: string): (context: Context) => void {
  return ({ dst, src, src2, helpers }) => {
    const a = src.read(), mask = src2.read();
    dst.write(Int.cut(dst.width as Width, callValue(helpers.get<'i64'>(helper), a.i64, mask.i64)));
  };
}

/** SDM vol. 2 CRC32: polynomial 11EDC6F41H, reflected. */
function crc32({ dst, src, helpers }: Context): void {
  const value = src.read(), crc = dst.read();
  const r: I64 = callValue(helpers.get<'i32'>('crc32c'), crc.truncate(4).i32, value.i64, I32.of(value.width)).toI64U();
  dst.write(dst.width === 8 ? Int.clean(8, r) : Int.cut(4, r));
}

export const bits: Descriptions = {
  BT: bitTest(),
  BTS: bitTest((a, bit) => a.or(bit)),
  BTR: bitTest((a, bit) => a.and(bit.not())),
  BTC: bitTest((a, bit) => a.xor(bit)),
  BSF: scan(false),
  BSR: scan(true),
  TZCNT: count(false),
  LZCNT: count(true),
  POPCNT: popcnt,
  ANDN: ({ code, dst, src, src2, flags }) => {
    const r = pin(code, src.read().not().and(src2.read()));
    dst.write(r);
    flags.logic(r);
  },
  BLSR: lowest(a => a.and(minusOne(a)), a => a.isZero()),
  BLSMSK: lowest(a => a.xor(minusOne(a)), a => a.isZero()),
  BLSI: lowest(a => a.and(a.neg()), a => a.isZero().eqz()),
  BEXTR: bextr,
  BZHI: bzhi,
  PDEP: byMask('pdep'),
  PEXT: byMask('pext'),
  CRC32: crc32,
};

