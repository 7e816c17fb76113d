/** Operands as the interpreter finds them: fields of the record, the register file in memory, guest memory through the TLB. */
import { load32, load64, load64From32S, load8U, loadF32, loadF64, loadV128, loadV128From32, loadV128From64 } from '../wasm/code.ts';
import { F32, F64, I32, I64, V128 } from '../wasm/values.ts';
import { Int, type Width } from '../semantics/int.ts';
import { BaseOperand, loadInt, storeInt } from '../semantics/operand.ts';
import { Run, STATE, Slot } from '../state.ts';
import type { Frame } from './frame.ts';
import { Record } from './record.ts';

abstract class FrameOperand extends BaseOperand {
  protected readonly frame: Frame;

  constructor(frame: Frame, width: number) {
    super(width);
    this.frame = frame;
  }
}

/** A general register: its byte offset from STATE is `place`. */
export class GeneralOperand extends FrameOperand {
  readonly #place: I32;

  constructor(frame: Frame, width: number, place: I32) {
    super(frame, width);
    this.#place = place;
  }

  override read(): Int {
    return this.frame.pin(loadInt(this.width as Width, this.#place, STATE + Slot.gpr));
  }
  override write(value: Int): void {
    const { code } = this.frame;
    switch (this.width) {
      case 1: return code.store8(this.#place, value.i32, STATE + Slot.gpr);
      case 2: return code.store16(this.#place, value.i32, STATE + Slot.gpr);
      default: return code.store64(this.#place, value.i64, STATE + Slot.gpr); // 32 bits clear the upper half
    }
  }
  override readLow32(): I32 {
    return this.frame.code.let(load32(this.#place, STATE + Slot.gpr));
  }
  override readLow64(): I64 {
    return this.frame.code.let(load64(this.#place, STATE + Slot.gpr));
  }
  override registerNumber(): I32 {
    return this.#place.shrU(3);
  }
}

/** An xmm register: sixteen times its number is `place`. */
export class XmmOperand extends FrameOperand {
  readonly #place: I32;

  constructor(frame: Frame, width: number, place: I32) {
    super(frame, width);
    this.#place = place;
  }

  get #at(): number {
    return STATE + Slot.xmm;
  }
  override readV128(): V128 { return this.frame.code.let(loadV128(this.#place, this.#at)); }
  override writeV128(value: V128): void { this.frame.code.storeV128(this.#place, value, this.#at); }
  override readF32(): F32 { return this.frame.code.let(loadF32(this.#place, this.#at)); }
  override readF64(): F64 { return this.frame.code.let(loadF64(this.#place, this.#at)); }
  override readLow32(): I32 { return this.frame.code.let(load32(this.#place, this.#at)); }
  override readLow64(): I64 { return this.frame.code.let(load64(this.#place, this.#at)); }
  override writeF32(value: F32): void { this.frame.code.storeF32(this.#place, value, this.#at); }
  override writeF64(value: F64): void { this.frame.code.storeF64(this.#place, value, this.#at); }
  override writeLow32(value: I32): void { this.frame.code.store32(this.#place, value, this.#at); }
  override writeLow64(value: I64): void { this.frame.code.store64(this.#place, value, this.#at); }
  override registerNumber(): I32 { return this.#place.shrU(4); }
}

/** An mmx register: the mantissa of a physical x87 register. Writing sets its exponent to ones; `enterMmx` does the rest. */
export class MmxOperand extends FrameOperand {
  readonly #place: I32;

  constructor(frame: Frame, width: number, place: I32) {
    super(frame, width);
    this.#place = place;
  }

  override readLow32(): I32 { return this.frame.code.let(load32(this.#place, STATE + Slot.x87)); }
  override readLow64(): I64 { return this.frame.code.let(load64(this.#place, STATE + Slot.x87)); }
  /** The register in the low half, zeros above. */
  override readV128(): V128 { return this.frame.code.let(V128.zero().replace64(0, load64(this.#place, STATE + Slot.x87))); }
  override writeLow64(value: I64): void {
    this.frame.code.store64(this.#place, value, STATE + Slot.x87);
    this.frame.code.store16(this.#place, 0xffff, STATE + Slot.x87 + 8);
  }
  override writeLow32(value: I32): void { this.writeLow64(value.toI64U()); }
  /** Takes the low half. */
  override writeV128(value: V128): void { this.writeLow64(value.extract64(0)); }
  override registerNumber(): I32 { return this.#place.shrU(4); }
}

/** ST(i) or a segment, control or debug register: only its number is known here. */
export class NumberedOperand extends FrameOperand {
  readonly #number: I32;

  constructor(frame: Frame, width: number, number: I32) {
    super(frame, width);
    this.#number = number;
  }
  override registerNumber(): I32 { return this.#number; }
}

/** A constant: in the record, or of the row. `wide` is a 64-bit one whose high half is in the displacement. */
export class ImmediateOperand extends FrameOperand {
  override get isImmediate(): boolean { return true; }
  readonly #constant: number | undefined;
  readonly #wide: boolean;
  readonly #shift: number;

  constructor(frame: Frame, width: number, constant: number | undefined, wide = false, shift = 0) {
    super(frame, width);
    this.#constant = constant;
    this.#wide = wide;
    this.#shift = shift;
  }

  override read(): Int {
    const width = this.width as Width;
    if (this.#constant !== undefined) return Int.constant(width, this.#constant);
    const { rec } = this.frame;
    if (this.#wide) {
      return this.frame.pin(Int.clean(8, load64From32S(rec, Record.displacement).shl(32).or(load32(rec, Record.immediate).toI64U())));
    }
    if (width === 8) return this.frame.pin(Int.clean(8, load64From32S(rec, Record.immediate)));
    const word = load32(rec, Record.immediate);
    return this.frame.pin(Int.cut(width, this.#shift === 0 ? word : word.shrU(this.#shift)));
  }
  override readLow32(): I32 { return this.read().i32; }
}

/** Memory: translated where it is read or written. After `readForWrite` the store goes to the same place. */
export class MemoryOperand extends FrameOperand {
  override get isMemory(): boolean { return true; }
  readonly #address: I64;
  /** What is still to be checked before the first access. */
  #aligned: boolean;
  #host: I32 | undefined;

  /** Computes the address at once, since the instruction may change the registers that it is made of. `aligned`: #GP if it isn't. */
  constructor(frame: Frame, width: number, indexed: boolean, aligned: boolean) {
    super(frame, width);
    const { code, rec } = frame;
    const based = load64(load8U(rec, Record.base), STATE).add(load64From32S(rec, Record.displacement));
    const index = (): I64 => load64(load8U(rec, Record.index), STATE).shl(load8U(rec, Record.scale).toI64U());
    this.#address = code.let(indexed ? based.add(index()) : based);
    this.#aligned = aligned && width > 1;
  }

  override address(): I64 {
    if (this.#aligned) this.frame.control.exitIf(this.#address.toI32().and(this.width - 1), 'generalProtection');
    this.#aligned = false;
    return this.#address;
  }

  #read(size: number): I32 {
    return this.frame.translate(this.address(), size, false);
  }

  override read(): Int {
    const width = this.width as Width;
    return this.frame.pin(loadInt(width, this.#read(width)));
  }
  override readForWrite(): Int {
    const width = this.width as Width;
    this.#host = this.frame.translate(this.address(), width, true);
    return this.frame.pin(loadInt(width, this.#host));
  }
  override write(value: Int): void {
    const width = this.width as Width;
    if (!this.#host) return this.frame.store(this.address(), width, value);
    const { code } = this.frame;
    const host = this.#host;
    if (this.frame.hot) return storeInt(code, host, value);
    // Bytes in the bounce buffer belong to two pages.
    code.if(host.eq(Run.bounce), () => this.frame.storeSlow(this.address(), width, value), () => storeInt(code, host, value));
  }

  override readV128(): V128 {
    const { code } = this.frame;
    if (this.width === 16 || this.width === 0) return code.let(loadV128(this.#read(16)));
    if (this.width === 8) return code.let(loadV128From64(this.#read(8)));
    if (this.width === 4) return code.let(loadV128From32(this.#read(4)));
    return code.let(V128.zero().replace32(0, loadInt(this.width as Width, this.#read(this.width)).i32));
  }
  override writeV128(value: V128): void {
    if (this.width === 16 || this.width === 0) return this.frame.storeV128(this.address(), value);
    this.frame.store(this.address(), this.width as Width, Int.cut(this.width as Width, value.extract64(0)));
  }
  override readF32(): F32 { return this.frame.code.let(loadF32(this.#read(4))); }
  override readF64(): F64 { return this.frame.code.let(loadF64(this.#read(8))); }
  override readLow32(): I32 {
    const width = Math.min(4, this.width) as Width;
    return this.frame.code.let(loadInt(width, this.#read(width)).i32);
  }
  override readLow64(): I64 { return this.frame.code.let(load64(this.#read(8))); }
  override writeF32(value: F32): void { this.writeLow32(value.asI32()); }
  override writeF64(value: F64): void { this.writeLow64(value.asI64()); }
  override writeLow32(value: I32): void {
    const width = Math.min(4, this.width) as Width;
    this.frame.store(this.address(), width, Int.cut(width, value));
  }
  override writeLow64(value: I64): void { this.frame.store(this.address(), 8, Int.clean(8, value)); }
}

/** Memory at an address in the instruction (moffs): 64 bits in displacement and immediate, plus a segment. */
export class OffsetOperand extends FrameOperand {
  override get isMemory(): boolean { return true; }
  readonly #address: I64;

  constructor(frame: Frame, width: number) {
    super(frame, width);
    const { code, rec } = frame;
    this.#address = code.let(load64(rec, Record.displacement).add(load64(load8U(rec, Record.index), STATE)));
  }

  override address(): I64 { return this.#address; }
  override read(): Int {
    const width = this.width as Width;
    return this.frame.pin(loadInt(width, this.frame.translate(this.#address, width, false)));
  }
  override write(value: Int): void { this.frame.store(this.#address, this.width as Width, value); }
}

/** The target of a direct branch: `control.branch` knows it; CALL needs no more. */
export class BranchOperand extends FrameOperand {
  override get isImmediate(): boolean { return true; }
}

/** Memory at rSI or rDI for string operations: an address, not a place; descriptions use registers and `memory`. */
export class StringOperand extends FrameOperand {
  override get isMemory(): boolean { return true; }
}

