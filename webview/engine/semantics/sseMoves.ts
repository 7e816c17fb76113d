/** Moves of vector registers: MMX, SSE to SSE4.1. SDM vol. 2 MOVAPS to MOVUPS, MASKMOVDQU, MOVDDUP ... */
import { load32 } from '../wasm/code.ts';
import { ADDRESSING } from '../x86/rows.ts';
import { V128, type I64 } from '../wasm/values.ts';
import { STATE, Slot } from '../state.ts';
import type { Context, Description, Descriptions, Operand } from './contract.ts';
import { Int } from './int.ts';

/** Does the row name an mmx register? Then the x87 stack is in MMX mode afterwards. */
export function usesMmx({ row }: Context): boolean {
  return row.operands.some(o => o.addressing === ADDRESSING.P || o.addressing === ADDRESSING.N || (o.addressing === ADDRESSING.Q));
}

/** Runs `body`, and enters MMX mode once everything that can fault is behind it: so `body` returns the write. */
export function vector(body: (context: Context) => () => void): Description {
  return context => {
    const write = body(context);
    if (usesMmx(context)) context.enterMmx();
    write();
  };
}

const move = vector(({ dst, src }) => {
  const value = src.readV128();
  return () => dst.writeV128(value);
});

/** A scalar: from memory it clears the rest of the register, between registers it keeps it. */
function moveScalar(bits: 32 | 64): Description {
  return ({ dst, src }) => {
    if (src.isMemory) return dst.writeV128(src.readV128());
    if (bits === 32) dst.writeLow32(src.readLow32());
    else dst.writeLow64(src.readLow64());
  };
}

const low64 = (operand: Operand): I64 => operand.readLow64();

/** MOVD and MOVQ between vector registers and general registers or memory; what goes into a vector register clears the rest. */
const moveGeneral = vector(context => {
  const { dst, src, row } = context;
  const wide = row.operation === 'MOVQ';
  const value = wide ? low64(src) : src.readLow32().toI64U();
  const into = row.operands[0]!.addressing;
  return () => {
    if (into === ADDRESSING.V || (into === ADDRESSING.W && !dst.isMemory)) dst.writeV128(V128.zero().replace64(0, value));
    else if (into === ADDRESSING.P || (into === ADDRESSING.Q && !dst.isMemory)) dst.writeLow64(value);
    else if (wide || into === ADDRESSING.W || into === ADDRESSING.Q) dst.isMemory ? dst.writeLow64(value) : dst.write(Int.clean(8, value));
    else dst.write(Int.cut(4, value));
  };
});

/** Loads or stores the high half of a register. */
const moveHigh: Description = ({ dst, src }) => {
  if (dst.isMemory) dst.writeLow64(src.readV128().extract64(1));
  else dst.writeV128(dst.readV128().replace64(1, src.readLow64()));
};

/** Loads or stores the low half, the rest stays. */
const moveLow: Description = ({ dst, src }) => dst.writeLow64(src.readLow64());

/** MASKMOVDQU, MASKMOVQ: bytes whose mask has its top bit set, to DS:rDI. */
const maskMove = (bytes: 8 | 16): Description => context => {
  const { code, dst, src, registers, memory, addressSize } = context;
  const value = dst.readV128(), mask = src.readV128();
  const offset = registers.read(7, addressSize).i64;
  const address = code.let(offset.add(memory.segmentBase()));
  const bits = code.let(mask.bitmask(8).and(bytes === 8 ? 0xff : 0xffff));
  code.if(bits, () => memory.probe(address, bytes, true));
  if (bytes === 8) context.enterMmx();
  for (let i = 0; i < bytes; i++) {
    code.if(bits.shrU(i).and(1), () => memory.store(address.add(i), Int.clean(1, value.extract8U(i))));
  }
};

const mxcsrMask = 0xffff;

export const sseMoves: Descriptions = {
  MOVAPS: move, MOVAPD: move, MOVUPS: move, MOVUPD: move, MOVDQA: move, MOVDQU: move, LDDQU: move,
  MOVNTPS: move, MOVNTPD: move, MOVNTDQ: move, MOVNTDQA: move,
  MOVNTQ: vector(({ dst, src }) => {
    const value = src.readLow64();
    return () => dst.writeLow64(value);
  }),
  MOVSS: moveScalar(32), MOVSD: moveScalar(64),
  MOVD: moveGeneral, MOVQ: moveGeneral,
  MOVHPS: moveHigh, MOVHPD: moveHigh, MOVLPS: moveLow, MOVLPD: moveLow,
  MOVHLPS: ({ dst, src }) => dst.writeLow64(src.readV128().extract64(1)),
  MOVLHPS: ({ dst, src }) => dst.writeV128(dst.readV128().replace64(1, src.readLow64())),
  MOVSLDUP: ({ dst, src }) => shuffled(dst, src, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]),
  MOVSHDUP: ({ dst, src }) => shuffled(dst, src, [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
  MOVDDUP: ({ dst, src }) => dst.writeV128(V128.splat64(src.readLow64())),
  MOVQ2DQ: vector(({ dst, src }) => {
    const value = src.readLow64();
    return () => dst.writeV128(V128.zero().replace64(0, value));
  }),
  MOVDQ2Q: vector(({ dst, src }) => {
    const value = src.readLow64();
    return () => dst.writeLow64(value);
  }),
  MASKMOVDQU: maskMove(16), MASKMOVQ: maskMove(8),
  MOVMSKPS: ({ dst, src }) => dst.write(Int.clean(4, src.readV128().bitmask(32))),
  MOVMSKPD: ({ dst, src }) => dst.write(Int.clean(4, src.readV128().bitmask(64))),
  PMOVMSKB: context => {
    const bits = context.code.let(context.src.readV128().bitmask(8).and(usesMmx(context) ? 0xff : 0xffff));
    if (usesMmx(context)) context.enterMmx();
    context.dst.write(Int.clean(4, bits));
  },
  EMMS: ({ code }) => code.store32(STATE + Slot.fpuTags, 0),
  LDMXCSR: ({ code, dst, control }) => {
    const value = dst.read().i32;
    control.exitIf(value.and(~mxcsrMask), 'generalProtection');
    code.store32(STATE + Slot.mxcsr, value);
  },
  STMXCSR: ({ dst }) => dst.write(Int.clean(4, load32(STATE + Slot.mxcsr))),
};

function shuffled(dst: Operand, src: Operand, lanes: readonly number[]): void {
  const value = src.readV128();
  dst.writeV128(value.shuffle(value, lanes));
}
