/** SSE4.2 string comparisons: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1). */
import { callValue } from '../wasm/code.ts';
import { I32, V128, select } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { Int } from './int.ts';

const rax = 0, rcx = 1, rdx = 2;

/** Elements of a register: 16, or 8 where the immediate says words. */
const elements = (immediate: I32): I32 => I32.of(16).shrU(immediate.and(1));

/** The absolute value of a length in rAX or rDX, at most `count`. */
function explicitLength({ code, registers, row, size }: Context, register: number, count: I32): I32 {
  const wide = size === 8 || (row.rexBits & 8) !== 0;
  const value = wide ? registers.read(register, 8).i64 : registers.read(register, 4).i32.toI64S();
  const v = code.let(value), sign = code.let(v.shrS(63));
  const magnitude = code.let(v.xor(sign).sub(sign));
  return code.let(select(magnitude.gtU(16), count, select(magnitude.toI32().gtU(count), count, magnitude.toI32())));
}

/** Elements before the first zero. */
function implicitLength({ code }: Context, v: V128, immediate: I32, count: I32): I32 {
  const bytes = v.op2('i8x16.eq', V128.zero()).bitmask(8), words = v.op2('i16x8.eq', V128.zero()).bitmask(16);
  return code.let(select(immediate.and(1), words, bytes).or(I32.of(1).shl(count)).ctz());
}

/** Bits of IntRes2 as a mask: of bits, or of whole elements if bit 6 of the immediate is set. */
function expanded(bits: I32, immediate: I32): V128 {
  const byBit = (test: V128, splat: V128, eq: 'i8x16.eq' | 'i16x8.eq'): V128 => splat.op2('v128.and', test).op2(eq, test);
  const byteBits = [1, 2, 4, 8, 16, 32, 64, 128];
  const low = V128.bytes(new Array<number>(8).fill(0).concat(new Array<number>(8).fill(1)));
  const spread = V128.splat16(bits).op2('i8x16.swizzle', low);
  const bytes = byBit(V128.bytes([...byteBits, ...byteBits]), spread, 'i8x16.eq');
  const words = byBit(V128.bytes(byteBits.flatMap(bit => [bit, 0])), V128.splat16(bits), 'i16x8.eq');
  return select(immediate.and(0x40), select(immediate.and(1), words, bytes), V128.zero().replace32(0, bits));
}

function compare(isExplicit: boolean, isIndex: boolean): Description {
  return context => {
    const { code, dst, src, src2, registers, flags, helpers } = context;
    const b = src.readV128(), a = dst.readV128(), immediate = code.let(src2.read().i32), count = code.let(elements(immediate));
    const lengthA = isExplicit ? explicitLength(context, rax, count) : implicitLength(context, a, immediate, count);
    const lengthB = isExplicit ? explicitLength(context, rdx, count) : implicitLength(context, b, immediate, count);
    const bits = code.let(callValue(helpers.get<'i32'>('compareStrings'), a, b, immediate, lengthA, lengthB));
    if (isIndex) {
      const least = bits.or(I32.of(1).shl(count)).ctz(), most = select(bits.eqz(), count, I32.of(31).sub(bits.clz()));
      registers.write(rcx, Int.clean(4, code.let(select(immediate.and(0x40), most, least))));
    } else registers.writeXmm(0, code.let(expanded(bits, immediate)));
    flags.assign({ cf: bits.ne(0), zf: code.let(lengthB.ltU(count)), sf: code.let(lengthA.ltU(count)), of: code.let(bits.and(1)), af: 0, pf: 0 });
  };
}

export const sseStrings: Descriptions = {
  PCMPESTRI: compare(true, true), PCMPESTRM: compare(true, false), PCMPISTRI: compare(false, true), PCMPISTRM: compare(false, false),
};
