// The notation of the tables: how a line such as ['0F A3', 'BT', 'Ev,Gv'] is read, and the `Row` that it becomes.

/**
 * One line of a table: encoding, mnemonic, operands, attributes. All are words of the SDM's notation (vol. 2, 3.1.1 and appendix A).
 *
 * Encoding: `[prefix] [0F [38|3A]] opcode[+r|+cc] [ModRM byte] [/digit] [mem|reg] [REX.W|REX.B]`, in hexadecimal, or
 * `VEX[.L0|.L1][.66|.F3|.F2].0F[38|3A][.W0|.W1] opcode ...`.
 * - prefix: `NP` (none of 66, F3, F2), `66`, `F3`, `F2` (mandatory ones), `NFx` (neither F3 nor F2); without a word any of them is legal.
 * - `+r`: the low three bits are a register (operand `Z`); `+cc`: sixteen rows, one for each condition.
 * - a byte after the opcode is the whole ModRM byte; `/0`..`/7` its reg field; `/r` says that there is one although no operand does.
 * - `mem`, `reg`: only with a memory, a register operand in ModRM.rm.
 * - `REX.W`, `REX.B`: chosen instead of the row without the word if that bit is set.
 * - no `.L0`/`.L1`: both; no `.W0`/`.W1`: ignored (WIG).
 * `EVEX` and `XOP` alone stand for all instructions of that encoding.
 *
 * Mnemonic: `CBW|CWDE|CDQE` are names for operand sizes 2, 4 and 8; `Jcc` is completed by the condition.
 *
 * Operands, separated by commas: `Eb`, `Gv` ... (see `ADDRESSING` and `TYPE`), a pair `Rd/Mb` (register form / memory form), or a
 * fixed one: `AL`, `AX`, `eAX`, `rAX`, `CL`, `DX`, `1`, `ES`..., `ST0`, `STi`, `XMM0`, `Kreg`, `Kvvvv`, `Krm`.
 *
 * Attributes, separated by spaces: words given at `FLAG`, and a CPUID feature (see `FEATURES`; `base` if none is named).
 */
export type RowSource = readonly [encoding: string, mnemonic: string, operands?: string, attributes?: string];

/** `Row.flags`. The comment gives the word in the table. */
export const FLAG = {
  /** `lock`: LOCK is legal if the destination is memory. */
  LOCK: 1 << 0,
  /** `d64`: operand size 8 by default in 64-bit mode, 2 with 66, never 4 (stack operations). */
  D64: 1 << 1,
  /** `f64`: operand size 8 always in 64-bit mode (near branches). */
  F64: 1 << 2,
  /** `i64`: invalid in 64-bit mode. */
  I64: 1 << 3,
  /** `o64`: only in 64-bit mode. */
  O64: 1 << 4,
  /** `rep`: F3 and F2 repeat rCX times. */
  REP: 1 << 5,
  /** `repz`: F3 repeats while equal, F2 while not equal. */
  REPZ: 1 << 6,
  /** `priv`: #GP(0) above privilege level 0 (or IOPL). */
  PRIVILEGED: 1 << 7,
  /** A memory operand must be aligned to its size, else #GP(0): legacy SSE's 16-byte operands but for rows with the word `u`; also the word `aligned`. */
  ALIGNED: 1 << 8,
  /** `vsib`: the index register is an xmm or ymm register. */
  VSIB: 1 << 9,
  /** The operation is one byte wide: `Instruction.operandSize` is 1. Derived from the operands. */
  BYTE: 1 << 10,
  /** A ModRM byte follows the opcode. Derived from encoding and operands. */
  MODRM: 1 << 11,
  /** `ud`: decoded for its length and name, but always #UD (UD0, UD1, UD2). */
  UD: 1 << 12,
  /** `no66`: 66 doesn't change the operand size (MOV CR, and the like). */
  NO66: 1 << 13,
  /** `hint`: a NOP now, something else on other processors (ENDBR64, multi-byte NOP, PREFETCHh). */
  HINT: 1 << 14,
  /** `modreg`: ModRM.rm is a register whatever mod says (MOV CR, MOV DR). */
  MODREG: 1 << 15,
  /** Stands for a family of encodings of which only the length is known (EVEX, XOP); always #UD. */
  ESCAPE: 1 << 16,
} as const;

/** CPUID features that a row may name; `base` is what every processor of the mode has. */
export const FEATURES = [
  'base', 'x87', 'cmov', 'fxsr', 'mmx', 'sse', 'sse2', 'sse3', 'ssse3', 'sse4.1', 'sse4.2', 'popcnt', 'cx16', 'movbe', 'lzcnt',
  'bmi1', 'bmi2', 'aes', 'pclmul', 'sha', 'tsc', 'rdtscp', 'clflush', 'clflushopt', 'clwb', 'cet', 'prefetchw', 'syscall', 'xsave',
  'xsaveopt', 'xsavec', 'xsaves', 'fsgsbase', 'rdrand', 'rdseed', 'rdpid', 'adx', 'rtm', 'monitor', 'invpcid', 'smap', 'pku', 'movdiri',
  'movdir64b', 'waitpkg', 'serialize', 'gfni', 'vmx', 'svm', 'avx', 'avx2', 'fma', 'fma4', 'f16c', 'vaes', 'vpclmul', 'avxvnni', 'avx512', 'xop',
  '3dnow', 'ptwrite', 'cldemote', 'uintr', 'enqcmd', 'clzero', 'mcommit', 'lwp',
] as const;
export type Feature = (typeof FEATURES)[number];

/** Legal 66/F3/F2 prefixes of a row: a mask of `1 << PREFIX.x`. */
export const PREFIX = { NONE: 0, P66: 1, PF3: 2, PF2: 3 } as const;

/** Opcode maps. The numbers are VEX.mmmmm's. */
export const MAP = { ONE_BYTE: 0, M0F: 1, M0F38: 2, M0F3A: 3, /** EVEX and XOP: not dispatched by map. */ NONE: 4 } as const;

/**
 * How an operand is found: the SDM's first letter (appendix A.2.1); `Z` (register in the opcode) and the fixed ones are ours.
 * The letter `w` of a pair is written by its own letters: `Rd/Mb` is E, `Ux/Mq` is W, `Nq/Md` is Q.
 */
export const ADDRESSING = {
  /** Far pointer in the instruction. */ A: 1,
  /** General register, VEX.vvvv. */ B: 2,
  /** Control register, ModRM.reg. */ C: 3,
  /** Debug register, ModRM.reg. */ D: 4,
  /** General register or memory, ModRM.rm. */ E: 5,
  /** General register, ModRM.reg. */ G: 6,
  /** XMM or YMM register, VEX.vvvv. */ H: 7,
  /** Immediate. */ I: 8,
  /** Relative branch. */ J: 9,
  /** XMM or YMM register, bits 4..7 of the immediate byte. */ L: 10,
  /** Memory, ModRM.rm. */ M: 11,
  /** MMX register, ModRM.rm. */ N: 12,
  /** Memory at an absolute offset in the instruction (moffs). */ O: 13,
  /** MMX register, ModRM.reg. */ P: 14,
  /** MMX register or memory, ModRM.rm. */ Q: 15,
  /** General register, ModRM.rm. */ R: 16,
  /** Segment register, ModRM.reg. */ S: 17,
  /** XMM or YMM register, ModRM.rm. */ U: 18,
  /** XMM or YMM register, ModRM.reg. */ V: 19,
  /** XMM or YMM register or memory, ModRM.rm. */ W: 20,
  /** Memory at DS:rSI. */ X: 21,
  /** Memory at ES:rDI. */ Y: 22,
  /** General register in the opcode's low three bits. */ Z: 23,
  /** Fixed general register `OperandSpec.fixed` (AL, CL, DX, rAX ...). */ GENERAL: 24,
  /** Fixed segment register. */ SEGMENT: 25,
  /** The constant `fixed`. */ CONSTANT: 26,
  /** ST(0). */ ST0: 27,
  /** ST(i), ModRM.rm. */ STI: 28,
  /** XMM0. */ XMM0: 29,
  /** AVX-512 mask register in ModRM.reg, VEX.vvvv, ModRM.rm. */ KREG: 30, KVVVV: 31, KRM: 32,
} as const;

/** How wide an operand is: the SDM's second letters (appendix A.2.2). Codes up to 64 are widths in bytes. */
export const TYPE = {
  /** Not said: only the address counts, or the row's own layout (FXSAVE). */ none: 0,
  b: 1, w: 2, d: 4, q: 8, /** 80-bit real or BCD. */ t: 10, dq: 16, qq: 32, ss: 4, sd: 8, si: 4, pi: 8,
  /** Sign-extended byte immediate. */ bs: 65,
  /** Operand size: 2, 4, 8. */ v: 66,
  /** Operand size, but 4 for 8. */ z: 67,
  /** 4, or 8 with operand size 8. */ y: 68,
  /** 16, or 32 with VEX.L. */ x: 69, ps: 69, pd: 69,
  /** Half, quarter, eighth of x. */ xh: 70, xq: 71, xe: 72,
  /** Far pointer in memory: operand size plus 2. */ p: 73,
  /** Pseudo-descriptor: 6, 10 in 64-bit mode. */ s: 74,
  /** BOUND's pair: twice the operand size. */ a: 75,
  /** The mode's word: 4, 8 in 64-bit mode, whatever the prefixes. */ m: 76,
  /** Address size. */ as: 77,
} as const;

/** One operand of a row. */
export interface OperandSpec {
  /** As written in the table. */
  readonly text: string;
  /** One of ADDRESSING. */
  readonly addressing: number;
  /** One of TYPE's codes: of the register form. */
  readonly type: number;
  /** One of TYPE's codes: of the memory form; the same but for pairs such as `Rd/Mb`. */
  readonly memoryType: number;
  /** Register number or constant of a fixed operand. */
  readonly fixed: number;
}

/** One instruction form: the parsed line of a table. */
export interface Row {
  /** Index in `ROWS`, and the decoder's answer. */
  readonly id: number;
  readonly source: RowSource;
  /** One of MAP. */
  readonly map: number;
  readonly opcode: number;
  /** `+r`: eight opcodes. */
  readonly registerInOpcode: boolean;
  /** Mask of `1 << PREFIX.x`: in which columns of 66/F3/F2 the row stands. */
  readonly prefixes: number;
  /** True if the row names its prefixes (`NP`, `NFx`, `66`, `F3`, `F2`), and so goes before rows that don't. */
  readonly mandatory: boolean;
  /** Required whole ModRM byte, or -1. */
  readonly modrm: number;
  /** Required ModRM.reg, or -1. */
  readonly digit: number;
  /** What ModRM.rm may be. */
  readonly form: 'any' | 'memory' | 'register';
  /** REX bits (8: W, 1: B) that choose this row over its neighbour; 0 for most. */
  readonly rexBits: number;
  readonly vex: boolean;
  /** Required VEX.L, or -1. */
  readonly vexL: number;
  /** Required VEX.W, or -1. */
  readonly vexW: number;
  /** SDM mnemonic; where it depends on the operand size, see `mnemonics`. */
  readonly mnemonic: string;
  /** Mnemonics for operand sizes 2, 4, 8 (all the same for most rows). */
  readonly mnemonics: readonly [string, string, string];
  /**
   * Key of the description in semantics/: the mnemonic, but for `+cc` rows the family (`Jcc`, `SETcc`, `CMOVcc`), and for sized
   * names the first (`CBW`). String operations are `MOVS`, `CMPS` ... for all widths, so that they differ from SSE's MOVSD and CMPSD.
   */
  readonly operation: string;
  /** Condition code 0..15 of a `+cc` row, else -1. */
  readonly condition: number;
  readonly operands: readonly OperandSpec[];
  readonly feature: Feature;
  /** A mask of FLAG. */
  readonly flags: number;
}
