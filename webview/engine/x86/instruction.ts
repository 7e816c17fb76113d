// x86/: what an x86 instruction *looks like*: tables of instruction forms in the SDM's notation (oneByte.ts, twoByte.ts, ...),
// the decoder that the tables drive, and the disassembler. What an instruction *does* lives in semantics/; nothing here
// knows of registers' values, memory, WebAssembly or Linux.

/** `Instruction.base` and `.index`: no register. */
export const REGISTER_NONE = 16;
/** `Instruction.base`: the address of the next instruction (RIP- or, with a 32-bit address size, EIP-relative). */
export const REGISTER_RIP = 17;

/** Segment register numbers, as in ModRM.reg of MOV Sreg. */
export const SEGMENT = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, NONE: 6 } as const;

/** `decode`'s results that aren't a length. */
export const DECODE = {
  /** The instruction goes on past `limit`: call again with more bytes. */
  MORE: 0,
  /** #UD: no such instruction in this mode, or a LOCK prefix where none may be. */
  INVALID: -1,
  /** #GP(0): longer than 15 bytes. */
  TOO_LONG: -2,
} as const;

/**
 * One decoded instruction; the decoder fills a reused one, so a consumer copies what it keeps.
 * All fields are numbers that fit in 32 bits (V8 small integers), so that filling one allocates nothing.
 */
export class Instruction {
  /** Index into `ROWS`. */
  row = 0;
  /** In bytes, prefixes included, 1..15. Also set, where known, when `decode` says INVALID. */
  length = 0;
  /**
   * Width of the operation in bytes: 1 for a byte form (`Eb`, `AL`), else 2, 4 or 8 by mode, 66, REX.W or VEX.W
   * and the row's D64 or F64. Where a row has neither `v`, `z` nor `y` operands it means nothing, but for stack
   * operations, near branches and string operations.
   */
  operandSize = 0;
  /** In bytes: 2, 4 or 8. */
  addressSize = 0;
  /** 1 with a LOCK prefix (only where the row allows it and the destination is memory). */
  lock = 0;
  /** The last of F2 and F3 that isn't part of the opcode: 0, 0xF2 or 0xF3. Means something only to rows with REP or REPZ. */
  rep = 0;
  /** The segment override that counts: SEGMENT.FS or GS, else SEGMENT.NONE; the other four are flat. */
  segment: number = SEGMENT.NONE;
  /** The last segment prefix seen, whether or not it means anything: 0 or its byte (also 2E and 3E as branch hints). */
  segmentPrefix = 0;
  /** The REX prefix (0x40..0x4F), or 0. A byte register 4..7 is AH, CH, DH, BH only when it is 0. */
  rex = 0;
  /** The ModRM byte, or -1. */
  modrm = -1;
  /** ModRM.mod, 0..3; 3 means that `rm` is a register. */
  mod = 0;
  /** ModRM.reg extended by REX.R or VEX.R, 0..15. */
  reg = 0;
  /** ModRM.rm when `mod` is 3, else, in rows with a register in the opcode (`+r`), its low three bits; extended by REX.B, 0..15. */
  rm = 0;
  /** 1 if the instruction has an explicit memory operand (ModRM or `moffs`), described by the next six fields. */
  memory = 0;
  /** General register 0..15, REGISTER_NONE or REGISTER_RIP. In 16-bit addressing BX, BP, SI or DI. */
  base: number = REGISTER_NONE;
  /** General register 0..15 (an xmm or ymm one for VSIB), or REGISTER_NONE. */
  index: number = REGISTER_NONE;
  /** log2 of the index's factor, 0..3. */
  scale = 0;
  /** Displacement, low half; signed. */
  displacement = 0;
  /** Displacement, high half: the sign, but for a 64-bit `moffs` the address's bits 32..63 (signed). */
  displacementHigh = 0;
  /** The immediate's (or branch displacement's) low half; signed; extended by the type of its operand (`Ib` by zeros). */
  immediate = 0;
  /** The immediate's high half, signed. */
  immediateHigh = 0;
  /** A second immediate: ENTER's level, a far pointer's selector; zero-extended. */
  immediate2 = 0;
  /** 1 for a VEX-encoded instruction. */
  vex = 0;
  /** VEX.vvvv as a register number, 0..15. */
  vvvv = 0;
  /** VEX.L: 0 for 128 bits (and for legacy SSE), 1 for 256. */
  vectorLength = 0;
  /** REX.W or VEX.W. */
  w = 0;
  /** Offset of the opcode's last byte from the instruction's start: what goes before are prefixes and escapes. */
  opcodeOffset = 0;
}

/** What an operand is in a given instruction: `Operand.kind`. */
export const OPERAND = {
  NONE: 0,
  /** General register `number` 0..15, its low `width` bytes. */
  GENERAL: 1,
  /** Bits 8..15 of general register `number` 0..3: AH, CH, DH, BH. */
  HIGH_BYTE: 2,
  /** The instruction's explicit memory operand: `width` bytes (0: the row says, as FXSAVE, or only the address counts, as LEA). */
  MEMORY: 3,
  /** Memory at DS:rSI (the segment can be overridden), `width` bytes. */
  STRING_SOURCE: 4,
  /** Memory at ES:rDI, `width` bytes. */
  STRING_DESTINATION: 5,
  /** A constant: `low`, `high`. */
  IMMEDIATE: 6,
  /** A branch: the next instruction's address plus `low`. */
  RELATIVE: 7,
  /** A far pointer: offset `low`, selector `number`. */
  FAR: 8,
  /** XMM or YMM register `number`, of which `width` bytes are used. */
  XMM: 9,
  /** MMX register `number` 0..7. */
  MMX: 10,
  /** x87 ST(`number`). */
  ST: 11,
  /** Segment register `number` (6 and 7 do not exist). */
  SEGMENT: 12,
  CONTROL: 13,
  DEBUG: 14,
  /** AVX-512 mask register `number` 0..7. */
  MASK: 15,
} as const;

/** The resolution of one operand by `operandAt` (operands.ts); reused like `Instruction`. */
export class Operand {
  /** One of OPERAND. */
  kind: number = OPERAND.NONE;
  /** Register number, where `kind` is a register. */
  number = 0;
  /** In bytes. For an immediate: of the operation, after extension. */
  width = 0;
  /** Value of a constant or branch displacement, low half, signed. */
  low = 0;
  /** High half, signed. */
  high = 0;
}
