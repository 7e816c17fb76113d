/**
 * engine/: runs x86-64 user-mode code inside one WebAssembly.Memory; knows nothing of Linux. This file is the one description of what
 * lies where in the engine's own part of that memory: the register file of the running thread, the TLB, the jump cache, and what a run
 * leaves behind. Offsets are absolute byte addresses; all values are little-endian.
 */

/** The running thread's register file; what a switch of threads saves and loads. */
export const STATE = 1024;

/** Offsets from STATE. Slots up to 248 can be named by one byte of a decoded record. */
export const Slot = {
  /** rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8-r15: eight bytes each. */
  gpr: 0,
  /** Always 0: the base or index that an address doesn't have. */
  zero: 128,
  /** Virtual address of the page that code runs in. */
  page: 136,
  fsBase: 144,
  gsBase: 152,
  /** Effective address made by an address record (segments, 32-bit addresses) for the record behind it. */
  address: 160,
  /** i64: the next instruction, valid outside of a run. */
  rip: 168,
  /** i64: the last result, sign-extended to 64 bits. See semantics/flags.ts. */
  flagResult: 176,
  /** i32: what isn't in the result. See semantics/flags.ts. */
  flagAux: 184,
  /** i32: 0 or 1. */
  directionFlag: 188,
  /** i32: AC, ID and TF at their places in RFLAGS. */
  otherFlags: 192,
  /** i32. */
  mxcsr: 196,
  /** i32: x87 control word. */
  fpuControl: 200,
  /** i32: x87 status word without TOP. */
  fpuStatus: 204,
  /** i32: TOP, 0-7. */
  fpuTop: 208,
  /** i32: bit n is 1 when physical register n is not empty (FXSAVE's abridged tag word). */
  fpuTags: 212,
  /** i32: opcode of the last x87 instruction, as FXSAVE shows it. */
  fpuOpcode: 216,
  /** i64: its address and its operand's. */
  fpuInstruction: 224,
  fpuOperand: 232,
  /** 16 registers of 16 bytes. */
  xmm: 256,
  /** Physical x87 registers 0-7 in 16 bytes each: i64 mantissa, u16 sign and exponent, zeros. MMX register n is the mantissa of register n. */
  x87: 512,
} as const;

/** TF in Slot.otherFlags: the thread runs in single steps (interpreter/step.ts). */
export const TF = 0x100;

/** Bytes of a register file. */
export const STATE_SIZE = 640;

/** Of the run, not of a thread. Absolute addresses. */
export const Run = {
  /** i64: the lowest address that could not be accessed; i32: 0 read, 1 write, 2 fetch. */
  faultAddress: 2048,
  faultAccess: 2056,
  /** i32 */
  interruptVector: 2060,
  /** i32: bytes of records that may still run (16 for an instruction); a negative number ends the run at the next jump. */
  budget: 2064,
  /** i32: root table of the address space; its frame number. */
  root: 2068,
  /** i32: TLB misses since the start. */
  tlbMisses: 2072,
  /** i32: why the run ends (ExitCode), noted by who finds the fault before it leaves. */
  exit: 2076,
  /** i32, i64, i32: what forms leave for the run function: what is left of the budget, where they jump to, the record at hand. */
  account: 2080,
  target: 2088,
  record: 2096,
  /** i32: changes whenever other code may be mapped than before (see Regions). */
  codeStamp: 2100,
  /** For check/. i32, not 0: codeWritten is told of every store that misses the TLB; i32, not 0: 1 + the only region's slot that may run. */
  watchStores: 2104,
  onlyRegion: 2108,
  /** i32: 1 + slot of the compiled region that a jump leaves, 0 until that is known; i32: jumps out of regions since that was looked at. */
  region: 2176,
  regionJumps: 2180,
  /** i32, i64, i64: flags that compiled code has left for who asks (semantics/pendingFlags.ts). The kind is 0 outside of a run and for the interpreter. */
  flagKind: 2184,
  flagFirst: 2192,
  flagSecond: 2200,
  /** i32: regions that have called one another. */
  depth: 2208,
  /** i32: how often an access was not on the page where one off the same register had been (jit/anchors.ts); i64: where the last such instruction is. */
  strays: 2212,
  strayAt: 2216,
  /** The same of numbers that were not where compiled code expects them (semantics/floatKnowledge.ts NEAR). */
  outliers: 2280,
  outlierAt: 2272,
  /** 16 bytes each: see semantics/floats.ts nearWords. */
  nearFirst: 2240,
  nearLimit: 2256,
  /** i64, i32: where the last jump out of a region led, and 1 + slot of that region; 0 if there was none since that was looked at. */
  jumpTo: 2224,
  jumpFrom: 2232,
  /** 64 bytes: an access that crosses a page is put together here. */
  bounce: 2112,
} as const;

/** Scratch of helpers, shared out so that what calls each other doesn't overlap: 256 bytes from 2304 on. Absolute addresses. */
export const Scratch = {
  /** i64: the remainder of divide128. */
  remainder: 2304,
  /** PCMPxSTRx: both operands, 32 bytes. */
  strings: 2304,
  /** A memory operand and a result of x87: 16 bytes each. */
  x87Operand: 2336,
  x87Result: 2352,
  /** FXSAVE: a row of the image, 16 bytes. */
  fxsaveRow: 2368,
  /** x87's transcendental functions: the low half of a product, a reduced argument (20 bytes), a logarithm. */
  x87Low: 2400,
  x87Reduced: 2416,
  x87Logarithm: 2440,
  /** i32: MXCSR flags that an operation has raised so far. */
  raised: 2552,
} as const;

/**
 * The TLB: direct-mapped by bits of the page number; entries of 32 bytes: i64 read tag, i64 write tag (the page's address, -1 for none),
 * i32 addend: host address = low 32 bits of the guest address + addend. Large, since two pages in turn that share an entry are a hundred
 * times slower than two that don't.
 */
export const Tlb = { base: 131072, entries: 4096, entrySize: 32, readTag: 0, writeTag: 8, addend: 16 } as const;

/** Which entries of the TLB are in use: i32 their number, which is `entries` if that is not known; then i32 offsets, some of them twice. */
export const TlbLog = { base: 8192, entries: 4096 } as const;

/** The same for code: direct-mapped, entries of 16 bytes: i64 the page's address (-1 for none), i32 its frame's code table (FRAME_TABLES). */
export const CodeTlb = { base: 40960, entries: 512, entrySize: 16, tag: 0, table: 8 } as const;

/**
 * Compiled regions by slot (jit/regions.ts): i32 the code stamp for which the pages were checked, i32 address of the list of pages: their
 * number, then for each an i64 address and an i32 frame in 16 bytes.
 */
export const Regions = { base: 65536, count: 8192, entrySize: 8, stamp: 0, pages: 4 } as const;

/**
 * Where compiled code begins, by address: direct-mapped (interpreter/generator.ts), entries of 16 bytes: i64 address, i32 the code stamp for which it
 * was entered, i32 slot and block as in a record (interpreter/record.ts Compiled).
 */
export const JumpCache = { base: 262144, entries: 4096, entrySize: 16, address: 0, stamp: 8, entry: 12 } as const;

/** One i32 per frame: address of its code table, or 0 while it holds no decoded code. Stores to frames with a table must be seen. */
export const FRAME_TABLES = 327680;
/** A code table: one i32 per byte of the page: address of the record of the instruction that starts there, or 0. */
export const CODE_TABLE_SIZE = 4096 * 4;

/** Code tables and decoded records (interpreter/record.ts) lie behind FRAME_TABLES. Committed only as far as used. */
export const CODE_SIZE = 64 << 20;

/** Where the parts lie for `frames` frames of guest RAM; `pages` is the memory's size in 64 KiB. */
export function layout(frames: number): { code: number; codeEnd: number; firstFrame: number; pages: number } {
  // FRAME_TABLES covers the engine's own part as well, so that a frame's number indexes it.
  const own = Math.ceil((FRAME_TABLES + CODE_SIZE + frames * 4) / 4096) + 64;
  const code = (FRAME_TABLES + (frames + own) * 4 + 4095) & ~4095;
  const codeEnd = code + CODE_SIZE;
  const firstFrame = codeEnd / 4096;
  return { code, codeEnd, firstFrame, pages: Math.ceil(((firstFrame + frames) * 4096) / 65536) };
}

/** Bits of page table entries, below the frame number at bit 12: the bits of the kernel's Pte, and `present`. */
export const PteBit = { read: 1, write: 2, exec: 4, cow: 8, dirty: 16, accessed: 32, present: 64 } as const;

/** Why a run ended: the numbers of the kernel's Exit, and those that the engine handles itself. */
export const ExitCode = {
  syscall: 1, pageFault: 2, budget: 3, divide: 4, undefinedInstruction: 5, generalProtection: 6, breakpoint: 7, x87: 8, simd: 9,
  overflow: 10, bound: 11, interrupt: 12, alignment: 13, singleStep: 14,
  /** No record for rip: decode and go on. */
  decode: 32,
  /** The record at rip was made for another second page: decode it anew. */
  redecode: 33,
  /** TF has been set: on in single steps. */
  step: 34,
} as const;

/** Page tables: a root of 32 entries (address bits 46-42), then three levels of 1,024 (bits 41-32, 31-22, 21-12), each in a frame. Upper entries are frame numbers, 0 for none. */
export const PageTable = { addressBits: 47, rootShift: 42, shifts: [32, 22, 12], mask: 1023 } as const;

/** How a region ends: its result. Where the thread goes on is in Run.target, what is left of the budget in Run.account. */
export const RegionOutcome = {
  /** Goes on there. */
  jump: 0,
  /** The interpreter does the instruction there. */
  interpret: 1,
  /** Goes on there after a return, or a call that could not be made: the region that called goes on if it is there. */
  returned: 2,
  /** The run ends with Run.exit. */
  leave: 3,
  /** The budget is spent. */
  spent: 4,
} as const;
export type RegionOutcome = (typeof RegionOutcome)[keyof typeof RegionOutcome];
