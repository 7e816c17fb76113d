/** MOV and what else moves or extends integers. */
import { ADDRESSING } from '../x86/rows.ts';
import { Int, selectInt, type Width } from './int.ts';
import type { Context, Descriptions } from './contract.ts';
import { loadSelector, selector } from './segments.ts';

/** SDM vol. 2 MOV, general and segment registers. */
function mov(context: Context): void {
  const { dst, src, row } = context;
  if (row.operands[1]!.addressing === ADDRESSING.S) dst.write(selector(src.registerNumber()).zeroExtend(dst.width as Width));
  else if (row.operands[0]!.addressing === ADDRESSING.S) loadSelector(dst.registerNumber(), src.read().truncate(2), context);
  else dst.write(src.read());
}

/** Reverses the bytes. */
function swapBytes(value: Int): Int {
  if (value.width === 2) return value.shl(8).or(value.shrU(8));
  const swap = (v: Int, mask: bigint, by: number): Int => {
    const m = Int.constant(v.width, mask);
    return v.shrU(by).and(m).or(v.and(m).shl(by));
  };
  const bytes = swap(value, 0x00ff00ff00ff00ffn, 8), words = swap(bytes, 0x0000ffff0000ffffn, 16);
  return value.width === 8 ? words.shrU(32).or(words.shl(32)) : words;
}

export const moves: Descriptions = {
  MOV: mov,
  MOVNTI: ({ dst, src }) => dst.write(src.read()),
  MOVZX: ({ dst, src }) => dst.write(src.read().zeroExtend(dst.width as Width)),
  MOVSX: ({ dst, src }) => dst.write(src.read().signExtend(dst.width as Width)),
  /** With 16 bits this CPU family still reads 32 from memory. */
  MOVSXD: ({ dst, src, size, memory }) => {
    const a = size === 2 && src.isMemory ? memory.load(4, src.address()) : src.read();
    dst.write(a.signExtend(dst.width as Width));
  },
  LEA: ({ dst, src }) => dst.write(Int.cut(dst.width as Width, src.address())),
  XCHG: ({ dst, src }) => {
    const a = dst.readForWrite(), b = src.read();
    dst.write(b);
    src.write(a);
  },
  /** With 16 bits the result is undefined; this CPU family gives zero. */
  BSWAP: ({ dst, size }) => dst.write(size === 2 ? Int.constant(2, 0) : swapBytes(dst.read())),
  MOVBE: ({ dst, src }) => dst.write(swapBytes(src.read())),
  /** A 32-bit destination is cleared above also when nothing is moved. */
  CMOVcc: ({ row, dst, src, flags }) => {
    const b = src.read(), a = dst.read();
    dst.write(selectInt(flags.condition(row.condition), b, a));
  },
  SETcc: ({ row, dst, flags }) => dst.write(Int.clean(1, flags.condition(row.condition))),
  XLAT: ({ registers, memory, addressSize }) => {
    const sum = registers.read(3, 8).i64.add(registers.read(0, 1).i64);
    const offset = addressSize === 4 ? sum.and(0xffffffffn) : sum;
    registers.write(0, memory.load(1, offset.add(memory.segmentBase())));
  },
  /** CBW, CWDE, CDQE. */
  CBW: ({ size, registers }) => registers.write(0, registers.read(0, (size / 2) as Width).signExtend(size)),
  /** CWD, CDQ, CQO. */
  CWD: ({ size, registers }) => registers.write(2, Int.constant(size, 0).sub(Int.clean(1, registers.read(0, size).sign()).zeroExtend(size))),
};

