/** Moves between vector registers, memory and general registers, and what only rearranges: SSE to SSE4.1 and MMX. */
import { I32, I64, V128 } from '../wasm/values.ts';
import { ADDRESSING } from '../x86/rows.ts';
import type { Context, Descriptions, Operand } from './contract.ts';
import { Int, type Width } from './int.ts';
import { Single, ZERO, type Known, type Range } from './floatKnowledge.ts';
import { isMmx } from './vectors.ts';

function whole({ dst, src, floats }: Context): void {
  const known = floats?.known(src.xmm);
  dst.writeV128(src.readV128());
  if (known) floats?.set(dst.xmm, known);
}

/** As `description`, and what is then known of the destination, by what was of it and the source. */
const knowing = (description: (context: Context) => void, known: (destination: Known, source: Known) => Known): (context: Context) => void => context => {
  const { dst, src, floats } = context;
  const after = floats && known(floats.known(dst.xmm), floats.known(src.xmm));
  description(context);
  if (after) floats.set(dst.xmm, after);
};
/** The doubles move, and of singles nothing is known. */
const doubles = (description: (context: Context) => void, known: (destination: Known, source: Known) => Omit<Known, 'singles'>): (context: Context) => void => (
  knowing(description, (to, from) => ({ singles: 0, ...known(to, from) })));

/** A low lane: from memory the rest of the register is cleared, from a register it is kept. */
function scalar(bytes: 4 | 8): (context: Context) => void {
  return context => {
    const { dst, src } = context;
    // Zeros are written behind what comes from memory.
    if (src.isMemory) return knowing(whole, () => (bytes === 8 ? { singles: 0, high: ZERO } : { singles: Single.others, high: ZERO }))(context);
    knowing(() => (bytes === 4 ? dst.writeF32(src.readF32()) : dst.writeF64(src.readF64())), (to, from) => (
      bytes === 8 ? { singles: 0, low: from.low, high: to.high } : { singles: (from.singles & Single.low) | (to.singles & Single.others), high: to.high }))(context);
  };
}

const isGeneral = (operand: Context['row']['operands'][number]): boolean => operand.addressing === ADDRESSING.E;

/** MOVD and MOVQ of all kinds: the upper part of a vector register is cleared. */
function movdq(bytes: 4 | 8): (context: Context) => void {
  return context => {
    const { row, dst, src, enterMmx } = context;
    const [to, from] = row.operands as [Context['row']['operands'][number], Context['row']['operands'][number]];
    if (isGeneral(to)) dst.write(bytes === 4 ? Int.clean(4, src.readLow32()) : Int.clean(8, src.readLow64()));
    if (isMmx(row)) {
      const value = bytes === 4 && !isGeneral(to) ? src.readLow32().toI64U() : src.readLow64();
      if (isGeneral(to) || dst.isMemory) {
        if (!isGeneral(to)) dst.writeLow64(value);
        enterMmx();
        return;
      }
      enterMmx();
      return dst.writeLow64(value);
    }
    if (isGeneral(to)) return;
    if (dst.isMemory) return dst.writeLow64(src.readLow64());
    const value = bytes === 4 && isGeneral(from) ? src.readLow32().toI64U() : src.readLow64();
    knowing(() => dst.writeV128(V128.zero().replace64(0, value)), (_, from) => ({ singles: 0, low: bytes === 8 ? from.low : undefined, high: ZERO }))(context);
  };
}

/** The upper half of a register with memory: MOVHPS, MOVHPD. */
function high({ dst, src }: Context): void {
  if (dst.isMemory) dst.writeF64(src.readV128().extractF64(1));
  else dst.writeV128(dst.readV128().replaceF64(1, src.readF64()));
}

function shuffled(indices: readonly number[]): (context: Context) => void {
  return ({ dst, src }) => dst.writeV128(dst.readV128().shuffle(src.readV128(), indices));
}

/** Indices of lanes of `size` bytes: below 16 / size the destination's, then the source's. */
function lanes(size: number, order: readonly number[]): number[] {
  return order.flatMap(lane => Array.from({ length: size }, (_, i) => lane * size + i));
}

/** PSHUFD and the like with the order in the immediate: a swizzle whose indices are computed. */
function orderOf(immediate: I32, lane: number): I32 {
  return immediate.shrU(lane * 2).and(3);
}

function pshufd({ code, dst, src, src2, floats }: Context): void {
  const a = src.readV128(), immediate = code.let(src2.read().i32), known = immediate.constant;
  if (known !== undefined) {
    const from = floats?.known(src.xmm), double = (order: number): Range | undefined => (order === 4 ? from?.low : order === 14 ? from?.high : undefined);
    dst.writeV128(a.shuffle(a, lanes(4, [0, 2, 4, 6].map(bit => known >> bit & 3))));
    return floats?.set(dst.xmm, { singles: 0, low: double(known & 15), high: double(known >> 4 & 15) });
  }
  // Byte indices of four dwords: 4 * lane + 0..3.
  let indices = V128.zero();
  for (let i = 0; i < 4; i++) indices = indices.replace32(i, orderOf(immediate, i).mul(0x04040404).add(0x03020100));
  dst.writeV128(a.op2('i8x16.swizzle', indices));
}

/** PSHUFLW, PSHUFHW, PSHUFW: words of one half. */
function pshufWords(upper: boolean): (context: Context) => void {
  return ({ code, row, dst, src, src2, enterMmx }) => {
    const a = src.readV128(), immediate = code.let(src2.read().i32);
    const base = upper ? 8 : 0, known = immediate.constant;
    if (known !== undefined) {
      const words = [0, 2, 4, 6].map(bit => (known >> bit & 3) + base / 2), r = code.let(a.shuffle(a, lanes(2, upper ? [0, 1, 2, 3, ...words] : [...words, 4, 5, 6, 7])));
      if (isMmx(row)) enterMmx();
      return dst.writeV128(r);
    }
    let indices = V128.bytes(Array.from({ length: 16 }, (_, i) => i));
    for (let i = 0; i < 4; i++) {
      indices = indices.replace16(i + base / 2, orderOf(immediate, i).mul(0x0202).add(0x0100 + base * 0x0101));
    }
    const r = code.let(a.op2('i8x16.swizzle', indices));
    if (isMmx(row)) enterMmx();
    dst.writeV128(r);
  };
}

/** SHUFPS: two lanes of each operand. */
function shufps({ code, dst, src, src2 }: Context): void {
  const a = dst.readV128(), b = src.readV128(), immediate = code.let(src2.read().i32), known = immediate.constant;
  if (known !== undefined) return dst.writeV128(a.shuffle(b, lanes(4, [0, 2, 4, 6].map(bit => (known >> bit & 3) + (bit < 4 ? 0 : 4)))));
  const pick = (from: V128, lane: number): I32 => {
    const index = orderOf(immediate, lane).mul(0x04040404).add(0x03020100);
    return from.op2('i8x16.swizzle', V128.zero().replace32(0, index)).extract32(0);
  };
  dst.writeV128(V128.zero().replace32(0, pick(a, 0)).replace32(1, pick(a, 1)).replace32(2, pick(b, 2)).replace32(3, pick(b, 3)));
}

/** SHUFPD: one lane of each operand. */
function shufpd({ code, dst, src, src2, floats }: Context): void {
  const a = dst.readV128(), b = src.readV128(), immediate = code.let(src2.read().i32), known = immediate.constant;
  if (known !== undefined) {
    const low = floats?.known(dst.xmm)[(known & 1) !== 0 ? 'high' : 'low'], high = floats?.known(src.xmm)[(known & 2) !== 0 ? 'high' : 'low'];
    dst.writeV128(a.shuffle(b, lanes(8, [known & 1, 2 + (known >> 1 & 1)])));
    return floats?.set(dst.xmm, { singles: 0, low, high });
  }
  const pick = (from: V128, bit: number): I64 => {
    const index = immediate.shrU(bit).and(1).toI64U().mul(0x0808080808080808n).add(0x0706050403020100n);
    return from.op2('i8x16.swizzle', V128.zero().replace64(0, index)).extract64(0);
  };
  dst.writeV128(V128.zero().replace64(0, pick(a, 0)).replace64(1, pick(b, 1)));
}

/** PEXTRB/W/D/Q and EXTRACTPS: lane `immediate` modulo their number, zero-extended. */
function extract(bytes: Width): (context: Context) => void {
  return ({ code, row, dst, src, src2, enterMmx }) => {
    const mmx = isMmx(row);
    const at = code.let(src2.read().i32.and((mmx ? 8 : 16) / bytes - 1).mul(bytes));
    const value = code.let(at.constant === undefined ? laneAt(src.readV128(), bytes, at) : knownLane(src.readV128(), bytes, at.constant / bytes));
    if (mmx) enterMmx();
    dst.write(Int.cut(dst.width as Width, value));
  };
}

function knownLane(vector: V128, bytes: Width, lane: number): I64 {
  if (bytes === 8) return vector.extract64(lane);
  return (bytes === 4 ? vector.extract32(lane) : bytes === 2 ? vector.extract16U(lane) : vector.extract8U(lane)).toI64U();
}

/** The lane that starts at byte `at`, zero-extended to 64 bits. */
function laneAt(vector: V128, bytes: Width, at: I32): I64 {
  const wanted = V128.splat8(at).op2('i8x16.add', V128.bytes(Array.from({ length: 16 }, (_, i) => i)));
  const shifted = vector.op2('i8x16.swizzle', wanted).extract64(0);
  return bytes === 8 ? shifted : shifted.and((1n << BigInt(bytes * 8)) - 1n);
}

/** PINSRB/W/D/Q: lane `immediate` modulo their number. */
function insert(bytes: Width): (context: Context) => void {
  return ({ code, row, dst, src, src2, enterMmx }) => {
    const mmx = isMmx(row);
    const value = bytes === 8 ? src.read().i64 : src.read().i64.toI32();
    const at = code.let(src2.read().i32.and((mmx ? 8 : 16) / bytes - 1).mul(bytes));
    if (at.constant !== undefined) {
      const r = code.let(withLane(dst.readV128(), bytes, at.constant / bytes, value));
      if (mmx) enterMmx();
      return dst.writeV128(r);
    }
    const splat = code.let(splatOf(bytes, value));
    const position = V128.bytes(Array.from({ length: 16 }, (_, i) => i));
    // Bytes at..at+bytes-1: position - at below bytes.
    const mask = position.op2('i8x16.sub', V128.splat8(at)).op2('i8x16.lt_u', V128.splat8(bytes));
    const r = code.let(splat.bitselect(dst.readV128(), mask));
    if (mmx) enterMmx();
    dst.writeV128(r);
  };
}

function withLane(vector: V128, bytes: Width, lane: number, value: I32 | I64): V128 {
  if (value instanceof I64) return vector.replace64(lane, value);
  return bytes === 1 ? vector.replace8(lane, value) : bytes === 2 ? vector.replace16(lane, value) : vector.replace32(lane, value);
}

function splatOf(bytes: Width, value: I32 | I64): V128 {
  if (value instanceof I64) return V128.splat64(value);
  return bytes === 1 ? V128.splat8(value) : bytes === 2 ? V128.splat16(value) : V128.splat32(value);
}

/** PALIGNR: both operands shifted right by bytes. Counts from twice the width on give zero. */
function palignr({ code, row, dst, src, src2, enterMmx }: Context): void {
  const a = dst.readV128(), b = src.readV128(), count = code.let(src2.read().i32);
  const size = isMmx(row) ? 8 : 16, known = count.constant;
  if (size === 16 && known !== undefined) {
    const by = known & 255;
    return dst.writeV128(by <= 16 ? b.shuffle(a, bytesFrom(by)) : by < 32 ? a.shuffle(V128.zero(), bytesFrom(by - 16)) : V128.zero());
  }
  const wanted = code.let(V128.splat8(count).op2('i8x16.add_sat_u', V128.bytes(Array.from({ length: 16 }, (_, i) => i))));
  // Indices of 16 and more give 0 in a swizzle; those below `size` of the second are negative, so out of range, too.
  const low = size === 16 ? b : code.let(b.replace64(1, a.extract64(0)));
  const upper = size === 16 ? a.op2('i8x16.swizzle', wanted.op2('i8x16.sub', V128.splat8(size))) : V128.zero();
  const r = code.let(low.op2('i8x16.swizzle', wanted).op2('v128.or', upper));
  if (isMmx(row)) enterMmx();
  dst.writeV128(r);
}

/** Sixteen indices of a shuffle. */
const bytesFrom = (first: number): number[] => Array.from({ length: 16 }, (_, i) => first + i);

/** Shifts of the whole register by bytes: more than 15 give zero. */
function byteShift(left: boolean): (context: Context) => void {
  return ({ code, dst, src }) => {
    const known = src.read().i32.constant;
    if (known !== undefined) {
      const by = Math.min(known & 255, 16), a = dst.readV128();
      // The other operand is zero.
      return dst.writeV128(left ? V128.zero().shuffle(a, bytesFrom(16 - by)) : a.shuffle(V128.zero(), bytesFrom(by)));
    }
    const count = code.let(V128.splat8(src.read().i32).op2('i8x16.min_u', V128.splat8(16)));
    const position = V128.bytes(Array.from({ length: 16 }, (_, i) => i));
    dst.writeV128(dst.readV128().op2('i8x16.swizzle', position.op2(left ? 'i8x16.sub' : 'i8x16.add', count)));
  };
}

/** Lanes chosen by bits of the immediate, the lowest for the lowest lane. */
function blend(laneBytes: 2 | 4 | 8): (context: Context) => void {
  return ({ code, dst, src, src2 }) => {
    const immediate = V128.splat16(code.let(src2.read().i32));
    const bits = V128.bytes(Array.from({ length: 8 }, (_, i) => [1 << Math.floor((i * 2) / laneBytes), 0]).flat());
    const mask = code.let(immediate.op2('v128.and', bits).op2('i16x8.eq', bits));
    dst.writeV128(src.readV128().bitselect(dst.readV128(), mask));
  };
}

/** Lanes chosen by the top bits of XMM0's lanes. */
function blendByXmm0(fill: (mask: V128) => V128): (context: Context) => void {
  return ({ code, dst, src, src2 }) => dst.writeV128(src.readV128().bitselect(dst.readV128(), code.let(fill(src2.readV128()))));
}

/** MASKMOVDQU, MASKMOVQ: bytes with a mask bit go to rDI. */
function maskmov(bytes: 8 | 16): (context: Context) => void {
  return ({ code, row, dst, src, registers, memory, addressSize, enterMmx }) => {
    const value = dst.readV128(), mask = code.let(src.readV128().bitmask(8).and(bytes === 8 ? 0xff : 0xffff));
    const base = code.let(registers.read(7, addressSize).i64.add(memory.segmentBase()));
    // As on this CPU family, x87 state is entered even if the store faults, and all bytes must be writable, also if none is written.
    if (isMmx(row)) enterMmx();
    memory.probe(base, bytes, true);
    for (let i = 0; i < bytes; i++) code.if(mask.and(1 << i), () => memory.store(base.add(i), Int.clean(1, value.extract8U(i))));
  };
}

/** A mask of lanes' signs in a general register. */
function signs(bits: 8 | 32 | 64): (context: Context) => void {
  return ({ code, row, dst, src, enterMmx }) => {
    const mask = code.let(src.readV128().bitmask(bits));
    if (isMmx(row)) enterMmx();
    dst.write(Int.cut(dst.width as Width, isMmx(row) ? mask.and(0xff) : mask));
  };
}

/** INSERTPS: a lane of the source into a lane, then lanes cleared. */
function insertps({ code, dst, src, src2 }: Context): void {
  const immediate = code.let(src2.read().i32);
  const value = insertedLane(src, immediate);
  const at = immediate.shrU(4).and(3);
  const lane = V128.bytes([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  const here = lane.op2('i8x16.eq', V128.splat8(at));
  const bits = V128.bytes([1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8]);
  const cleared = V128.splat8(immediate).op2('v128.and', bits).op2('i8x16.eq', bits);
  dst.writeV128(code.let(V128.splat32(code.let(value)).bitselect(dst.readV128(), here)).op2('v128.andnot', cleared));
}

function insertedLane(src: Operand, immediate: I32): I32 {
  if (src.isMemory) return src.readLow32();
  return laneAt(src.readV128(), 4, immediate.shrU(6).and(3).mul(4)).toI32();
}

/** What lies in the low doubles, or high ones, of two registers, put together. */
const lows = (to: Known, from: Known): Omit<Known, 'singles'> => ({ low: to.low, high: from.low });
const highs = (to: Known, from: Known): Omit<Known, 'singles'> => ({ low: to.high, high: from.high });

export const sseMoves: Descriptions = {
  MOVAPS: whole, MOVUPS: whole, MOVAPD: whole, MOVUPD: whole, MOVDQA: whole, MOVDQU: whole, LDDQU: whole,
  MOVNTPS: whole, MOVNTPD: whole, MOVNTDQ: whole, MOVNTDQA: whole,
  MOVSS: scalar(4), MOVSD: scalar(8),
  MOVD: movdq(4), MOVQ: movdq(8), MOVNTQ: movdq(8),
  MOVQ2DQ: ({ dst, src, code, enterMmx }) => {
    const value = code.let(src.readV128());
    enterMmx();
    dst.writeV128(value);
  },
  MOVDQ2Q: ({ dst, src, enterMmx }) => {
    const value = src.readLow64();
    enterMmx();
    dst.writeLow64(value);
  },
  MOVLPS: ({ dst, src }) => dst.writeF64(src.readF64()),
  MOVLPD: ({ dst, src }) => dst.writeF64(src.readF64()),
  MOVHPS: high, MOVHPD: high,
  MOVHLPS: doubles(({ dst, src }) => dst.writeF64(src.readV128().extractF64(1)), (to, from) => ({ low: from.high, high: to.high })),
  MOVLHPS: doubles(({ dst, src }) => dst.writeV128(dst.readV128().replaceF64(1, src.readF64())), lows),
  MOVSLDUP: ({ dst, src }) => dst.writeV128(src.readV128().shuffle(V128.zero(), lanes(4, [0, 0, 2, 2]))),
  MOVSHDUP: ({ dst, src }) => dst.writeV128(src.readV128().shuffle(V128.zero(), lanes(4, [1, 1, 3, 3]))),
  MOVDDUP: doubles(({ dst, src }) => dst.writeV128(V128.splat64(src.readLow64())), (_, { low }) => ({ low, high: low })),
  UNPCKLPS: shuffled(lanes(4, [0, 4, 1, 5])), UNPCKHPS: shuffled(lanes(4, [2, 6, 3, 7])),
  UNPCKLPD: doubles(shuffled(lanes(8, [0, 2])), lows), UNPCKHPD: doubles(shuffled(lanes(8, [1, 3])), highs),
  PUNPCKLQDQ: doubles(shuffled(lanes(8, [0, 2])), lows), PUNPCKHQDQ: doubles(shuffled(lanes(8, [1, 3])), highs),
  PSHUFD: pshufd, PSHUFLW: pshufWords(false), PSHUFHW: pshufWords(true), PSHUFW: pshufWords(false), SHUFPS: shufps, SHUFPD: shufpd,
  PEXTRB: extract(1), PEXTRW: extract(2), PEXTRD: extract(4), PEXTRQ: extract(8), EXTRACTPS: extract(4),
  PINSRB: insert(1), PINSRW: insert(2), PINSRD: insert(4), PINSRQ: insert(8), INSERTPS: insertps,
  PALIGNR: palignr, PSLLDQ: byteShift(true), PSRLDQ: byteShift(false),
  PBLENDW: blend(2), BLENDPS: blend(4), BLENDPD: blend(8),
  PBLENDVB: blendByXmm0(mask => mask.shift('i8x16.shr_s', 7)),
  BLENDVPS: blendByXmm0(mask => mask.shift('i32x4.shr_s', 31)),
  BLENDVPD: blendByXmm0(mask => mask.shift('i64x2.shr_s', 63)),
  MASKMOVDQU: maskmov(16), MASKMOVQ: maskmov(8),
  PMOVMSKB: signs(8), MOVMSKPS: signs(32), MOVMSKPD: signs(64),
};
