/**
 * What a description gets, whoever asks for it: the interpreter now, a compiler later. A description never knows where an operand is.
 *
 * How to write one. A file of a family exports a record from operations (`Row.operation`, mostly the SDM's mnemonic) to descriptions:
 *
 *     // SDM vol. 2 ADD. One text serves all widths and operand shapes.
 *     ADD: ({ code, dst, src, flags }) => {
 *       const a = code.let(...)                    // values are computed where a statement takes them: pin what is used twice, and
 *       const a = dst.readForWrite(), b = src.read();   // what must be read before a later store. `read` and `readForWrite` pin already.
 *       const r = pin(code, a.add(b));
 *       dst.write(r);                              // the store; it can't fault after readForWrite
 *       flags.add(a, b, r);
 *     },
 *     // SDM vol. 2 PADDB.
 *     PADDB: ({ dst, src, vector }) => dst.writeV128(dst.readV128().op2('i8x16.add', src.readV128())),
 *     // SDM vol. 2 PUSH: an access besides the operands.
 *     PUSH: ({ src, stack }) => stack.push(src.read()),
 *     // SDM vol. 2 DIV: too big to inline, faults.
 *     DIV: ({ code, src, control, helpers }) => { ... control.exitIf(divisor.isZero(), 'divide'); ... code.call(helpers.get('div64'), ...) },
 *
 * Precise faults: an instruction that faults must leave everything as it was. So: all reads, `readForWrite`s and `probe`s first, then
 * writes to registers, memory and flags. A plain `write` to memory may fault too, and is fine as long as nothing was changed before it.
 * Alignment (#GP) of rows flagged ALIGNED is checked by the accessor. What the row's feature lacks (CPUID) never reaches a description.
 *
 * Helpers (semantics/helpers/) are wasm functions in the same module, written with the same builder, for what is large: x87, string
 * loops, AES. They get values and addresses, never operands, and reach registers through state.ts. A helper that can fault takes and
 * gives what `memory` does: see `Memory.address`.
 */
import type { Row } from '../x86/rows.ts';
import type { Callable, Code } from '../wasm/code.ts';
import type { F32, F64, I32, I64, Type, V128 } from '../wasm/values.ts';
import type { Flags } from './flags.ts';
import type { FloatKnowledge } from './floatKnowledge.ts';
import type { Int, Width } from './int.ts';

/** An explicit or implicit operand: a register, memory, or an immediate. What doesn't fit its kind throws when the module is generated. */
export interface Operand {
  readonly isMemory: boolean;
  readonly isImmediate: boolean;
  /** In bytes, of this form; 0 where only the address counts. */
  readonly width: number;
  /** The value, zero-extended immediate or register part; pinned. Only for widths 1, 2, 4, 8. */
  read(): Int;
  /** As `read`, and makes sure that `write` will not fault. */
  readForWrite(): Int;
  /** Writes a register (32 bits clear the upper half, 8 and 16 bits keep the rest) or memory. */
  write(value: Int): void;
  /** A memory operand's effective address with its segment, pinned. */
  address(): I64;

  /** Sixteen bytes of an xmm register or memory (`width` bytes of memory, zero-extended, if it is less). Pinned. */
  readV128(): V128;
  /** Sixteen bytes; to memory only the low `width` bytes (4, 8, 16). */
  writeV128(value: V128): void;
  /** The low lane of an xmm register, or memory. Pinned. */
  readF32(): F32;
  readF64(): F64;
  /** The low 32 or 64 bits of an xmm register, mmx register, or memory. Pinned. */
  readLow32(): I32;
  readLow64(): I64;
  /** Writes the low lane and keeps the rest of an xmm register; memory gets just these bytes. */
  writeF32(value: F32): void;
  writeF64(value: F64): void;
  writeLow32(value: I32): void;
  writeLow64(value: I64): void;
  /** Number of an x87 operand ST(i) as a value, or of any register: for helpers that take register numbers. */
  registerNumber(): I32;
  /** Number of an xmm register where code is compiled, -1 of all else: for `Context.floats`. */
  readonly xmm: number;
}

/** Accesses besides the operands. Addresses are linear (segment bases added). All can fault. */
export interface Memory {
  /** Loads, pinned. */
  load(width: Width, address: I64): Int;
  loadV128(address: I64): V128;
  /** Stores. */
  store(address: I64, value: Int): void;
  storeV128(address: I64, value: V128): void;
  /** Makes sure that `size` (up to 4096) bytes at `address` can be read, or written; leaves by the fault if not. */
  probe(address: I64, size: number, write: boolean): void;
  /**
   * The host address of `size` (at most 16) bytes for a helper to read, after translation; bytes that cross a page are put together in a
   * bounce buffer. Pinned. Only for reading.
   */
  address(address: I64, size: number): I32;
  /** DS or the overriding segment's base plus a register: what XLAT, MASKMOV and string sources use. Zero without override. */
  segmentBase(): I64;
}

/** The stack at rsp. */
export interface Stack {
  /** Pushes; of width 2 or 8 (4 in 32-bit mode). rsp changes only if the store does not fault. */
  push(value: Int): void;
  /** The value at rsp, pinned; `release` then frees it. */
  peek(width: Width): Int;
  /** Adds `bytes` to rsp. */
  release(bytes: number | Int): void;
}

/**
 * Exits by name: numbers in state.ts, ExitCode. rip is that of this instruction, registers as they were, unless said otherwise. `pageFault`
 * is whatever fault a helper found and noted (MemoryHelper): `control.exitIf(result.eq(-1), 'pageFault')`.
 */
export type ExitName = 'pageFault' | 'divide' | 'undefinedInstruction' | 'generalProtection' | 'x87' | 'simd' | 'overflow' | 'bound';

/** Where the instruction goes. Without a word from a description, to the next one. */
export interface Control {
  /** Address of the next instruction. */
  next(): I64;
  /** To the branch's target (operand of type J) if `condition` holds, else on; without one always. */
  branch(condition?: I32): void;
  /** To a computed address, which `checkTarget` has approved. */
  jump(target: I64): void;
  /** #GP if an address to jump to isn't canonical: before anything is changed. */
  checkTarget(target: I64): void;
  /** Leaves with that exit; the instruction did not happen. */
  exit(name: ExitName): void;
  exitIf(condition: I32, name: ExitName): void;
  /** Leaves with rip behind the instruction (or at `target`): SYSCALL, INT3, INT n; a POPF or IRET that has set TF. */
  exitAfter(name: 'syscall' | 'breakpoint' | 'interrupt' | 'step', target?: I64): void;
  /** Does the same instruction again (a REP whose share of the budget is used up). Ends the run if the budget is spent. */
  again(): void;
}

/** Registers that an instruction names implicitly. Numbers: rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6, rdi 7. */
export interface Registers {
  read(number: number, width: Width): Int;
  write(number: number, value: Int): void;
  /** AH, CH, DH, BH. */
  readHigh(number: number): Int;
  writeHigh(number: number, value: Int): void;
  readXmm(number: number): V128;
  writeXmm(number: number, value: V128): void;
}

/** Functions of the module by name; see helpers/. */
export interface Helpers {
  /** Throws when there is none of that name. */
  get<R extends Type | undefined>(name: string): Callable<R>;
}

/** A form of an instruction that is being written out. */
export interface Context {
  readonly code: Code;
  readonly row: Row;
  /** Width of the operation in bytes as the decoder has it (`Instruction.operandSize`). */
  readonly size: Width;
  /** Operands in the row's order: `dst` is the first, `src` the second, `src2` the third. */
  readonly operands: readonly Operand[];
  readonly dst: Operand;
  readonly src: Operand;
  readonly src2: Operand;
  readonly flags: Flags;
  readonly registers: Registers;
  readonly memory: Memory;
  readonly stack: Stack;
  readonly control: Control;
  readonly helpers: Helpers;
  /** REP prefix of a string operation: 0, 0xf3, 0xf2. */
  readonly rep: number;
  /** Address width in bytes: 8, or 4 with prefix 67. */
  readonly addressSize: 4 | 8;
  /** MXCSR says most likely that a result was inexact before: what is needed to find that out now isn't worth its code. */
  readonly isInexactLikely: boolean;
  /** What a compiler knows of numbers here. A description only adds to it what holds behind it; writes make registers unknown by themselves. */
  readonly floats: FloatKnowledge | undefined;
  /**
   * Where compiled code expects doubles to be NEAR (semantics/floatKnowledge.ts): leaves the instruction unless `condition`. Before anything is
   * written. The code is made anew without that expectation if it leaves often.
   */
  readonly expect: ((condition: I32) => void) | undefined;
  /** For MMX instructions, before the first mmx write: TOP = 0, all tags full (SDM vol. 1 9.6.2). */
  enterMmx(): void;
}

export type Description = (context: Context) => void;

/** Descriptions by operation. */
export type Descriptions = Readonly<Record<string, Description>>;

/** Pins an Int. */
export function pin(code: Code, value: Int): Int {
  return (value.constructor as typeof Int).clean(value.width, code.let(value.value));
}

/** A helper: declared for all before any body is written, so that helpers may call each other. */
export interface HelperDefinition {
  readonly parameters: readonly Type[];
  readonly result: Type | undefined;
  /** It works on the register file in memory (general and xmm registers, flags), not only on its parameters. */
  readonly usesRegisters?: boolean;
  /**
   * It is only called where inline code has seen that an operand or a mode is out of the ordinary, and nothing has been changed yet: a tier
   * that has another one below it may leave the instruction to that.
   */
  readonly isRare?: boolean;
  /** Writes the body; parameters are `code.parameter(i, type)`. */
  body(code: Code, helpers: Helpers): void;
}

export type HelperDefinitions = Readonly<Record<string, HelperDefinition>>;

/** Names of helpers that the MMU gives (mmu/translate.ts), for helpers that reach guest memory themselves. */
export const MemoryHelper = {
  /**
   * (address i64, size i32, access 0 read | 1 write) -> i32: host address of the bytes, or -1 with the fault noted (state.ts Run). For a read
   * that crosses a page: the bounce buffer. For a write that crosses a page or hits decoded code: the bounce buffer's address, unfilled;
   * finish with `storeSlow*`.
   */
  translate: 'translate',
  /** (address i64, value i64, size i32) -> i32: stores 1-8 bytes wherever they are; 0, or -1 with the fault noted. */
  storeSlow: 'storeSlow',
  /** (address i64, value v128) -> i32. */
  storeSlowV128: 'storeSlowV128',
} as const;
