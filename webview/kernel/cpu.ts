/**
 * What the kernel asks of a processor. The engine implements this face; the kernel never imports the engine, it is handed a `Cpu`.
 * Here live only types: threads (register files), address spaces (page tables), frames (physical memory) and why a run ended.
 * Numbers: guest addresses are unsigned numbers, exact below 2^53; a 64-bit value that may exceed that is read as two halves.
 */

/** General registers by their SDM encoding, as indices of `CpuThread.get` and `set`. */
export const Reg = {
  rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7,
  r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15,
} as const;
export type Reg = (typeof Reg)[keyof typeof Reg];

/** The register file of one guest thread. Valid while the thread is not inside `Cpu.run`. */
export interface CpuThread {
  /** A register as an unsigned number: exact below 2^53, rounded above (such a value is never a valid address). */
  get(reg: Reg): number;
  /** A register as a signed 64-bit number, exact within ±2^53 (file offsets, time values, results). */
  getSigned(reg: Reg): number;
  /** Bits 31..0 of a register as a signed 32-bit number (descriptors, flags, pids). */
  getInt(reg: Reg): number;
  /** Bits 63..32 of a register, unsigned. */
  getHigh(reg: Reg): number;
  /** Writes a whole register; `value` is a safe integer, negative ones are sign-extended to 64 bits. */
  set(reg: Reg, value: number): void;
  /** Writes a register from its unsigned halves. */
  setHalves(reg: Reg, low: number, high: number): void;
  /** Address of the next instruction. After a syscall exit it is the one behind `syscall`; after a fault that of the faulting one. */
  rip: number;
  /** RFLAGS with pending flags materialised; writing sets CF PF AF ZF SF DF OF AC ID, others are fixed. */
  rflags: number;
  fsBase: number;
  gsBase: number;
  /** Writes the 512-byte FXSAVE image (SDM vol. 1 table 10-2, 64-bit form) of this thread to `out`. */
  saveFpu(out: Uint8Array): void;
  /** Loads an FXSAVE image of 512 bytes; reserved MXCSR bits are masked. */
  loadFpu(image: Uint8Array): void;
  /** x87, SSE and MXCSR as after execve(2): FINIT, MXCSR 0x1f80, registers zero. */
  resetFpu(): void;
  /** Makes this register file a copy of `other` (fork(2), clone(2)). */
  copyFrom(other: CpuThread): void;
  /** Guest instructions run by this thread so far (statistics; a safe integer). */
  readonly instructions: number;
  /** Frees the register file; the thread may not be used again. */
  free(): void;
}

/** Bits of a page table entry as the kernel gives and sees them. */
export const Pte = {
  /** Readable and present. A PROT_NONE page has no entry. */
  read: 1,
  write: 2,
  exec: 4,
  /** Private page that is shared for now: a write faults with `Fault.cow` instead of going through. Excludes `write`. */
  cow: 8,
  /** Set by `Cpu` when the page was written through this entry (page cache write-back). */
  dirty: 16,
  /** Set by `Cpu` when a translation through this entry was made (working set, reclaim). */
  accessed: 32,
} as const;

/** The page tables of one process. Ranges are in bytes and page-aligned. Entries hold one reference to their frame. */
export interface AddressSpace {
  /** Enters `frame` at page `address` with `bits` of Pte, replacing (and releasing) what was there. Takes over the caller's reference. False when no frame is left for a table. */
  map(address: number, frame: number, bits: number): boolean;
  /** The entry at `address`: frame * 64 + Pte bits, or 0 when there is none. */
  entry(address: number): number;
  /** Removes the entries of a range and releases their frames. */
  unmap(address: number, length: number): void;
  /** Sets read, write and exec of the present entries of a range; `write` on an entry that is `cow` leaves it `cow`. `bits` 0 keeps the frame but makes every access fault (PROT_NONE). */
  protect(address: number, length: number, bits: number): void;
  /** Clears the Pte bits in `mask` (dirty, accessed, write) of the present entries of a range; makes later accesses set them anew. */
  clearBits(address: number, length: number, mask: number): void;
  /** Copies the entries of a range to the same place in `child` (fork). `share`: as they are (MAP_SHARED); otherwise writable entries become `cow` in both. False when memory is short. */
  copyTo(child: AddressSpace, address: number, length: number, share: boolean): boolean;
  /** Moves the entries of a range to `to` (mremap). */
  move(address: number, length: number, to: number): boolean;
  /** First page at or above `address` and below `end` that has an entry, or `end`. */
  nextEntry(address: number, end: number): number;
  /** Pages of a range that have an entry. */
  countEntries(address: number, length: number): number;
  /**
   * Physical byte address behind a guest address for a kernel access, or -1 if that access would fault (absent, read-only, cow).
   * Valid up to the end of that page and until the next map, unmap or run. A write sets dirty and drops decoded code of the frame.
   */
  translate(address: number, write: boolean): number;
  /** Releases all entries and tables. */
  destroy(): void;
}

/** Physical memory: 4 KiB frames with reference counts inside one WebAssembly.Memory. Frame 0 is never given out. */
export interface Frames {
  readonly total: number;
  readonly free: number;
  /** A zeroed frame with one reference, or 0 when none is left. */
  allocate(): number;
  /** As `allocate`, contents arbitrary: for the caller that fills it whole. */
  allocateDirty(): number;
  retain(frame: number): void;
  release(frame: number): void;
  references(frame: number): number;
  /** Copies 4096 bytes between frames. */
  copy(to: number, from: number): void;
  /** The frame's 4096 bytes. The view is made anew by each call: don't on hot paths, use `bytes` with `frame * 4096`. Call `written` after a write. */
  view(frame: number): Uint8Array;
  /** Whole physical memory; frame n is at byte n * 4096. The memory never grows, so the view stays valid. */
  readonly bytes: Uint8Array;
  readonly words: DataView;
  /** Says that the kernel or a file system changed the frame's bytes: decoded code of the frame is dropped. */
  written(frame: number): void;
}

/** Why `Cpu.run` came back. */
export const Exit = {
  /** `syscall`: rax has the number, rcx and r11 are set as the instruction does. */
  syscall: 1,
  /** A page fault: `faultAddress`, `faultAccess`. Registers are as before the instruction. */
  pageFault: 2,
  /** The budget is spent; nothing happened. */
  budget: 3,
  /** #DE */
  divide: 4,
  /** #UD: an instruction that is invalid or that CPUID does not announce. */
  undefinedInstruction: 5,
  /** #GP: non-canonical address, privileged instruction, misaligned SSE operand. `faultAddress` is 0 as on Linux. */
  generalProtection: 6,
  /** INT3: rip is behind it. */
  breakpoint: 7,
  /** Unmasked x87 exception (#MF). */
  x87: 8,
  /** Unmasked SSE exception (#XM). */
  simd: 9,
  /** #OF (INTO), #BR (BOUND): i386. */
  overflow: 10,
  bound: 11,
  /** INT n other than 3 (i386's int 0x80): `interruptVector`. */
  interrupt: 12,
  /** #AC with EFLAGS.AC: not raised by us now. */
  alignment: 13,
  /** Trap flag: one instruction was executed (ptrace single step). */
  singleStep: 14,
} as const;
export type Exit = (typeof Exit)[keyof typeof Exit];

export const Access = { read: 0, write: 1, exec: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** What a processor can count; a snapshot, for `--stats`. */
export interface CpuStatistics {
  instructions: number;
  tlbMisses: number;
  decodedInstructions: number;
  codePagesInvalidated: number;
  /** Of the compiling tier: regions made, forgotten, bytes of their modules, seconds that it took. */
  regionsCompiled: number;
  regionsDropped: number;
  regionBytes: number;
  compileSeconds: number;
}

/** An x86-64 processor in user mode with its memory. */
export interface Cpu {
  readonly frames: Frames;
  createThread(): CpuThread;
  /** False answer: undefined when no frame is left. */
  createAddressSpace(): AddressSpace | undefined;
  /**
   * Runs `thread` in `space` for at most about `budget` guest instructions (checked at taken backward and indirect jumps).
   * Switching thread or space costs under a microsecond.
   */
  run(thread: CpuThread, space: AddressSpace, budget: number): Exit;
  /** Asks the current `run` to end with Exit.budget at the next budget check (from inside a callback). */
  interrupt(): void;
  /** After pageFault: the lowest address that could not be accessed, exact below 2^53. */
  readonly faultAddress: number;
  readonly faultAccess: Access;
  readonly interruptVector: number;
  /** One line: mnemonic and bytes at the thread's rip, for the log of #UD. */
  describeInstruction(thread: CpuThread, space: AddressSpace): string;
  readonly statistics: CpuStatistics;
}
