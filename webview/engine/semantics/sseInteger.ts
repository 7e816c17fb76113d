/** Packed integers: MMX, SSE2 to SSE4.2. */
import { I32, V128, select } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { ZEROS } from './floatKnowledge.ts';
import { combined, isMmx, mapped } from './vectors.ts';

type Binary = Parameters<V128['op2']>[0];
type Unary = Parameters<V128['op1']>[0];

const op = (name: Binary): Description => combined((a, b) => a.op2(name, b));
/** Where WebAssembly has the operands the other way round: `andnot` of the SDM inverts the first. */
const swapped = (name: Binary): Description => combined((a, b) => b.op2(name, a));
/** Of a register with itself, where that is known: zero. */
const exclusiveOr: Description = context => {
  const { dst, src, floats } = context;
  if (src.xmm < 0 || src.xmm !== dst.xmm) return op('v128.xor')(context);
  dst.writeV128(V128.zero());
  floats?.set(dst.xmm, ZEROS);
};
const un = (name: Unary): Description => mapped(a => a.op1(name));
const extended = (name: Unary): Description => mapped(a => a.op1(name));

/** Unpack: low or high halves interleaved. With MMX the halves are those of 64 bits. */
function unpack(laneBytes: number, high: boolean): Description {
  return combined((a, b, { row }) => {
    const size = isMmx(row) ? 8 : 16;
    const count = size / laneBytes / 2, first = high ? count : 0;
    const indices: number[] = [];
    for (let lane = first; lane < first + count; lane++) {
      for (const operand of [0, 16]) for (let i = 0; i < laneBytes; i++) indices.push(operand + lane * laneBytes + i);
    }
    while (indices.length < 16) indices.push(0);
    return a.shuffle(b, indices);
  });
}

/** Narrowing with saturation. MMX packs the operands' lower halves next to each other. */
function pack(name: Binary): Description {
  return combined((a, b, { row }) => (isMmx(row) ? a.replace64(1, b.extract64(0)).op2(name, V128.zero()) : a.op2(name, b)));
}

/** Shifts by a count in a register, memory or immediate: counts from the lane width on give zero, or the sign for arithmetic ones. */
function shift(name: Parameters<V128['shift']>[0], bits: number): Description {
  return ({ code, row, dst, src, enterMmx }) => {
    const arithmetic = name.endsWith('shr_s');
    const wide = src.isImmediate ? src.read().i64 : src.readLow64();
    const pinned = code.let(wide), known = pinned.constant;
    if (known !== undefined) {
      const by = known < 0n || known >= bits ? bits : Number(known), a = dst.readV128();
      const r = code.let(by < bits ? a.shift(name, by) : arithmetic ? a.shift(name, bits - 1) : V128.zero());
      if (isMmx(row)) enterMmx();
      return dst.writeV128(r);
    }
    const count = code.let(select(pinned.gtU(bits - 1), I32.of(bits - 1), pinned.toI32()));
    const shifted = dst.readV128().shift(name, count);
    const r = code.let(arithmetic ? shifted : select(pinned.gtU(bits - 1), V128.zero(), shifted));
    if (isMmx(row)) enterMmx();
    dst.writeV128(r);
  };
}

/** Upper halves of the products of words. */
function mulHigh(sign: 's' | 'u'): Description {
  const odd = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
  return combined((a, b) => a.op2(`i32x4.extmul_low_i16x8_${sign}`, b).shuffle(a.op2(`i32x4.extmul_high_i16x8_${sign}`, b), odd));
}

const low32 = V128.halves(0xffffffffn, 0xffffffffn);

/** SDM vol. 2 PMULHRSW: (a * b + 0x4000) >> 15; -32768 squared wraps. */
const pmulhrsw = combined((a, b, { code }) => {
  const r = code.let(a.op2('i16x8.q15mulr_sat_s', b));
  const overflow = a.op2('i16x8.eq', V128.splat16(-0x8000)).op2('v128.and', b.op2('i16x8.eq', V128.splat16(-0x8000)));
  return r.op2('v128.xor', overflow);
});

/** Sums of absolute differences of bytes, one for each half. */
const psadbw = combined((a, b, { code }) => {
  const difference = code.let(a.op2('i8x16.sub_sat_u', b).op2('v128.or', b.op2('i8x16.sub_sat_u', a)));
  const pairs = code.let(difference.op1('i16x8.extadd_pairwise_i8x16_u').op1('i32x4.extadd_pairwise_i16x8_u'));
  // Pairs of dwords: odd ones onto even ones.
  return pairs.op2('i32x4.add', pairs.shift('i64x2.shr_u', 32)).op2('v128.and', low32);
});

/** SDM vol. 2 PMADDUBSW: unsigned bytes of the first times signed ones of the second, pairs added with saturation. */
const pmaddubsw = combined((a, b, { code }) => {
  const mask = V128.splat16(0xff);
  const even = code.let(a.op2('v128.and', mask).op2('i16x8.mul', b.shift('i16x8.shl', 8).shift('i16x8.shr_s', 8)));
  const odd = code.let(a.shift('i16x8.shr_u', 8).op2('i16x8.mul', b.shift('i16x8.shr_s', 8)));
  return even.op2('i16x8.add_sat_s', odd);
});

/** Horizontal operations: even lanes with odd ones; the destination's results below the source's. */
function horizontal(name: Binary, laneBytes: 2 | 4): Description {
  return combined((a, b, { row }) => {
    const size = isMmx(row) ? 8 : 16;
    const pick = (odd: number): number[] => {
      const indices: number[] = [];
      for (const operand of [0, 16]) for (let at = odd * laneBytes; at < size; at += laneBytes * 2) for (let i = 0; i < laneBytes; i++) indices.push(operand + at + i);
      while (indices.length < 16) indices.push(0);
      return indices;
    };
    return a.shuffle(b, pick(0)).op2(name, a.shuffle(b, pick(1)));
  });
}

/** PSIGN: negated where the second is negative, zero where it is zero. */
function sign(lane: 'i8x16' | 'i16x8' | 'i32x4', bits: number): Description {
  return combined((a, b, { code }) => {
    const negative = code.let(b.shift(`${lane}.shr_s`, bits - 1));
    const negated = a.op2('v128.xor', negative).op2(`${lane}.sub`, negative);
    return negated.op2('v128.andnot', b.op2(`${lane}.eq`, V128.zero()));
  });
}

/** Products of even dwords. */
const pmuludq = combined((a, b, { code }) => {
  const x = code.let(a.op2('v128.and', low32)), y = code.let(b.op2('v128.and', low32));
  return x.op2('i64x2.mul', y);
});
const pmuldq = combined((a, b) => {
  const even = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];
  return a.shuffle(a, even).op2('i64x2.extmul_low_i32x4_s', b.shuffle(b, even));
});

/** PSHUFB: bytes of the destination by indices in the source; a set top bit gives zero. */
const pshufb = combined((a, b, { row }) => a.op2('i8x16.swizzle', b.op2('v128.and', V128.splat8(isMmx(row) ? 0x87 : 0x8f))));

/** SDM vol. 2 PTEST. */
function ptest({ code, dst, src, flags }: Context): void {
  const a = dst.readV128(), b = src.readV128();
  const zf = code.let(a.op2('v128.and', b).anyTrue().eqz()), cf = code.let(b.op2('v128.andnot', a).anyTrue().eqz());
  flags.assign({ cf, zf, pf: 0, af: 0, sf: 0, of: 0 });
}

/** The smallest word and its index. */
function phminposuw({ code, dst, src }: Context): void {
  const a = src.readV128();
  const best = code.variable(a.extract16U(0).shl(3));
  for (let i = 1; i < 8; i++) {
    const candidate = code.let(a.extract16U(i).shl(3).or(i));
    code.set(best, select(candidate.ltU(best.value), candidate, best.value));
  }
  dst.writeV128(V128.zero().replace32(0, best.value.shrU(3).or(best.value.and(7).shl(16))));
}

/** SDM vol. 2 MPSADBW: eight sums of four differences, of the second's block against the first's at each offset. */
function mpsadbw({ code, dst, src, src2 }: Context): void {
  const a = dst.readV128(), b = src.readV128(), immediate = code.let(src2.read().i32);
  const ramp = V128.bytes(Array.from({ length: 16 }, (_, i) => i));
  const block = code.let(V128.splat32(b.op2('i8x16.swizzle', ramp.op2('i8x16.add', V128.splat8(immediate.and(3).mul(4)))).extract32(0)));
  const from = code.let(a.op2('i8x16.swizzle', ramp.op2('i8x16.add', V128.splat8(immediate.and(4)))));
  let sums: V128 | undefined;
  for (let i = 0; i < 4; i++) {
    const widen = (v: V128): V128 => v.op1('i16x8.extend_low_i8x16_u');
    const at = code.let(widen(from.shuffle(from, Array.from({ length: 16 }, (_, k) => (k + i) & 15))));
    const against = code.let(V128.splat16(block.extract8U(i)));
    const difference = at.op2('i16x8.sub', against).op1('i16x8.abs');
    sums = code.let(sums ? sums.op2('i16x8.add', difference) : difference);
  }
  dst.writeV128(sums!);
}

export const sseInteger: Descriptions = {
  PADDB: op('i8x16.add'), PADDW: op('i16x8.add'), PADDD: op('i32x4.add'), PADDQ: op('i64x2.add'),
  PSUBB: op('i8x16.sub'), PSUBW: op('i16x8.sub'), PSUBD: op('i32x4.sub'), PSUBQ: op('i64x2.sub'),
  PADDSB: op('i8x16.add_sat_s'), PADDSW: op('i16x8.add_sat_s'), PADDUSB: op('i8x16.add_sat_u'), PADDUSW: op('i16x8.add_sat_u'),
  PSUBSB: op('i8x16.sub_sat_s'), PSUBSW: op('i16x8.sub_sat_s'), PSUBUSB: op('i8x16.sub_sat_u'), PSUBUSW: op('i16x8.sub_sat_u'),
  PAND: op('v128.and'), POR: op('v128.or'), PXOR: exclusiveOr, PANDN: swapped('v128.andnot'),
  ANDPS: op('v128.and'), ORPS: op('v128.or'), XORPS: exclusiveOr, ANDNPS: swapped('v128.andnot'),
  ANDPD: op('v128.and'), ORPD: op('v128.or'), XORPD: exclusiveOr, ANDNPD: swapped('v128.andnot'),
  PCMPEQB: op('i8x16.eq'), PCMPEQW: op('i16x8.eq'), PCMPEQD: op('i32x4.eq'), PCMPEQQ: op('i64x2.eq'),
  PCMPGTB: op('i8x16.gt_s'), PCMPGTW: op('i16x8.gt_s'), PCMPGTD: op('i32x4.gt_s'), PCMPGTQ: op('i64x2.gt_s'),
  PMINUB: op('i8x16.min_u'), PMAXUB: op('i8x16.max_u'), PMINSW: op('i16x8.min_s'), PMAXSW: op('i16x8.max_s'),
  PMINSB: op('i8x16.min_s'), PMAXSB: op('i8x16.max_s'), PMINUW: op('i16x8.min_u'), PMAXUW: op('i16x8.max_u'),
  PMINSD: op('i32x4.min_s'), PMAXSD: op('i32x4.max_s'), PMINUD: op('i32x4.min_u'), PMAXUD: op('i32x4.max_u'),
  PAVGB: op('i8x16.avgr_u'), PAVGW: op('i16x8.avgr_u'),
  PMULLW: op('i16x8.mul'), PMULLD: op('i32x4.mul'), PMULHW: mulHigh('s'), PMULHUW: mulHigh('u'), PMADDWD: op('i32x4.dot_i16x8_s'),
  PMULUDQ: pmuludq, PMULDQ: pmuldq, PMULHRSW: pmulhrsw, PMADDUBSW: pmaddubsw, PSADBW: psadbw, MPSADBW: mpsadbw,
  PABSB: un('i8x16.abs'), PABSW: un('i16x8.abs'), PABSD: un('i32x4.abs'),
  PSIGNB: sign('i8x16', 8), PSIGNW: sign('i16x8', 16), PSIGND: sign('i32x4', 32),
  PUNPCKLBW: unpack(1, false), PUNPCKLWD: unpack(2, false), PUNPCKLDQ: unpack(4, false),
  PUNPCKHBW: unpack(1, true), PUNPCKHWD: unpack(2, true), PUNPCKHDQ: unpack(4, true),
  PACKSSWB: pack('i8x16.narrow_i16x8_s'), PACKUSWB: pack('i8x16.narrow_i16x8_u'), PACKSSDW: pack('i16x8.narrow_i32x4_s'), PACKUSDW: pack('i16x8.narrow_i32x4_u'),
  PSLLW: shift('i16x8.shl', 16), PSLLD: shift('i32x4.shl', 32), PSLLQ: shift('i64x2.shl', 64),
  PSRLW: shift('i16x8.shr_u', 16), PSRLD: shift('i32x4.shr_u', 32), PSRLQ: shift('i64x2.shr_u', 64),
  PSRAW: shift('i16x8.shr_s', 16), PSRAD: shift('i32x4.shr_s', 32),
  PHADDW: horizontal('i16x8.add', 2), PHADDD: horizontal('i32x4.add', 4), PHADDSW: horizontal('i16x8.add_sat_s', 2),
  PHSUBW: horizontal('i16x8.sub', 2), PHSUBD: horizontal('i32x4.sub', 4), PHSUBSW: horizontal('i16x8.sub_sat_s', 2),
  PSHUFB: pshufb, PTEST: ptest, PHMINPOSUW: phminposuw,
  PMOVSXBW: extended('i16x8.extend_low_i8x16_s'), PMOVSXWD: extended('i32x4.extend_low_i16x8_s'), PMOVSXDQ: extended('i64x2.extend_low_i32x4_s'),
  PMOVZXBW: extended('i16x8.extend_low_i8x16_u'), PMOVZXWD: extended('i32x4.extend_low_i16x8_u'), PMOVZXDQ: extended('i64x2.extend_low_i32x4_u'),
  PMOVSXBD: mapped(a => a.op1('i16x8.extend_low_i8x16_s').op1('i32x4.extend_low_i16x8_s')),
  PMOVZXBD: mapped(a => a.op1('i16x8.extend_low_i8x16_u').op1('i32x4.extend_low_i16x8_u')),
  PMOVSXWQ: mapped(a => a.op1('i32x4.extend_low_i16x8_s').op1('i64x2.extend_low_i32x4_s')),
  PMOVZXWQ: mapped(a => a.op1('i32x4.extend_low_i16x8_u').op1('i64x2.extend_low_i32x4_u')),
  PMOVSXBQ: mapped(a => a.op1('i16x8.extend_low_i8x16_s').op1('i32x4.extend_low_i16x8_s').op1('i64x2.extend_low_i32x4_s')),
  PMOVZXBQ: mapped(a => a.op1('i16x8.extend_low_i8x16_u').op1('i32x4.extend_low_i16x8_u').op1('i64x2.extend_low_i32x4_u')),
};
