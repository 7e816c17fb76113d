/** Operands of a region's instructions: constants, registers in locals, guest memory. See semantics/contract.ts. */
import { load16U, load32, load64, loadF32, loadF64, loadV128, loadV128From32, loadV128From64 } from '../wasm/code.ts';
import { F32, F64, I32, I64, V128 } from '../wasm/values.ts';
import { BaseOperand, loadInt, storeInt } from '../semantics/operand.ts';
import { Int, type Width } from '../semantics/int.ts';
import { STATE, Slot } from '../state.ts';
import type { Registers } from '../semantics/contract.ts';
import type { Place } from './place.ts';
import type { RegionFrame } from './frame.ts';

/** A general register, or the second byte of one. */
export class GeneralOperand extends BaseOperand {
  readonly #registers: Registers;
  readonly #number: number;
  readonly #high: boolean;

  constructor(registers: Registers, width: number, number: number, high: boolean) {
    super(width);
    this.#registers = registers;
    this.#number = number;
    this.#high = high;
  }

  override read(): Int {
    return this.#high ? this.#registers.readHigh(this.#number) : this.#registers.read(this.#number, this.width as Width);
  }
  override write(value: Int): void {
    if (this.#high) this.#registers.writeHigh(this.#number, value);
    else this.#registers.write(this.#number, value);
  }
  override readLow32(): I32 { return this.#registers.read(this.#number, 4).i32; }
  override readLow64(): I64 { return this.#registers.read(this.#number, 8).i64; }
  override registerNumber(): I32 { return I32.of(this.#number); }
}

export class XmmOperand extends BaseOperand {
  readonly #frame: RegionFrame;
  readonly #number: number;

  constructor(frame: RegionFrame, width: number, number: number) {
    super(width);
    this.#frame = frame;
    this.#number = number;
  }

  get #now(): V128 { return this.#frame.xmm(this.#number); }
  #set(value: V128): void { this.#frame.setXmm(this.#number, value); }

  override readV128(): V128 { return this.#frame.code.let(this.#now); }
  override writeV128(value: V128): void { this.#set(value); }
  override readF32(): F32 { return this.#frame.code.let(this.#now.extractF32(0)); }
  override readF64(): F64 { return this.#frame.lowDouble(this.#number); }
  override readLow32(): I32 { return this.#frame.code.let(this.#now.extract32(0)); }
  override readLow64(): I64 { return this.#frame.code.let(this.#now.extract64(0)); }
  override writeF32(value: F32): void { this.#set(this.#now.replaceF32(0, value)); }
  override writeF64(value: F64): void { this.#frame.setLowDouble(this.#number, value); }
  override writeLow32(value: I32): void { this.#set(this.#now.replace32(0, value)); }
  override writeLow64(value: I64): void { this.#set(this.#now.replace64(0, value)); }
  override get xmm(): number { return this.#number; }
  override registerNumber(): I32 { return I32.of(this.#number); }
}

/** An mmx register lives in memory with the x87 ones. */
export class MmxOperand extends BaseOperand {
  readonly #frame: RegionFrame;
  readonly #at: number;
  readonly #number: number;

  constructor(frame: RegionFrame, width: number, number: number) {
    super(width);
    this.#frame = frame;
    this.#number = number;
    this.#at = STATE + Slot.x87 + number * 16;
  }

  override readLow32(): I32 { return this.#frame.code.let(load32(this.#at)); }
  override readLow64(): I64 { return this.#frame.code.let(load64(this.#at)); }
  override readV128(): V128 { return this.#frame.code.let(V128.zero().replace64(0, load64(this.#at))); }
  override writeLow64(value: I64): void {
    this.#frame.code.store64(this.#at, value);
    this.#frame.code.store16(this.#at + 8, 0xffff);
  }
  override writeLow32(value: I32): void { this.writeLow64(value.toI64U()); }
  override writeV128(value: V128): void { this.writeLow64(value.extract64(0)); }
  override registerNumber(): I32 { return I32.of(this.#number); }
}

/** ST(i), a segment, control or debug register. */
export class NumberedOperand extends BaseOperand {
  readonly #number: number;

  constructor(width: number, number: number) {
    super(width);
    this.#number = number;
  }
  override registerNumber(): I32 { return I32.of(this.#number); }
}

export class ImmediateOperand extends BaseOperand {
  override get isImmediate(): boolean { return true; }
  readonly #low: number;
  readonly #high: number;

  constructor(width: number, low: number, high: number) {
    super(width);
    this.#low = low;
    this.#high = high;
  }

  override read(): Int {
    if (this.width < 8) return Int.constant(this.width as Width, this.#low);
    return Int.constant(8, BigInt(this.#high) << 32n | BigInt(this.#low >>> 0));
  }
  override readLow32(): I32 { return I32.of(this.#low); }
}

/** Memory. After `readForWrite` the store goes to the same place. */
export class MemoryOperand extends BaseOperand {
  override get isMemory(): boolean { return true; }
  readonly #frame: RegionFrame;
  readonly #place: Place | undefined;
  readonly #page: string | undefined;
  readonly #address: I64;
  /** What is still to be checked before the first access. */
  #aligned: boolean;
  #host: I32 | undefined;

  /** `place`, `page`: see RegionFrame.translate. */
  constructor(frame: RegionFrame, width: number, address: I64, aligned: boolean, place: Place | undefined, page: string | undefined) {
    super(width);
    this.#frame = frame;
    this.#place = place;
    this.#page = page;
    this.#address = frame.code.let(address);
    this.#aligned = aligned && width > 1;
  }

  override address(): I64 {
    if (this.#aligned) this.#frame.leaveIf(this.#address.toI32().and(this.width - 1));
    this.#aligned = false;
    return this.#address;
  }

  #at(size: number, write = false): I32 {
    return this.#frame.translate(this.address(), size, write, this.#place, this.#page);
  }

  override read(): Int { return this.#frame.pin(loadInt(this.width as Width, this.#at(this.width))); }
  override readForWrite(): Int {
    this.#host = this.#at(this.width, true);
    return this.#frame.pin(loadInt(this.width as Width, this.#host));
  }
  override write(value: Int): void {
    const pinned = this.#frame.pin(value);
    storeInt(this.#frame.code, this.#host ?? this.#at(this.width, true), pinned);
  }

  override readV128(): V128 {
    const { code } = this.#frame;
    switch (this.width) {
      case 16: case 0: return code.let(loadV128(this.#at(16)));
      case 8: return code.let(loadV128From64(this.#at(8)));
      case 4: return code.let(loadV128From32(this.#at(4)));
      case 2: return code.let(V128.zero().replace32(0, load16U(this.#at(2))));
      default: return code.let(V128.zero().replace32(0, loadInt(1, this.#at(1)).i32));
    }
  }
  override writeV128(value: V128): void {
    const { code } = this.#frame, pinned = code.let(value);
    if (this.width === 16 || this.width === 0) code.storeV128(this.#at(16, true), pinned);
    else storeInt(code, this.#at(this.width, true), Int.cut(this.width as Width, pinned.extract64(0)));
  }
  override readF32(): F32 { return this.#frame.code.let(loadF32(this.#at(4))); }
  override readF64(): F64 { return this.#frame.code.let(loadF64(this.#at(8))); }
  override readLow32(): I32 {
    const width = Math.min(4, this.width) as Width;
    return this.#frame.code.let(loadInt(width, this.#at(width)).i32);
  }
  override readLow64(): I64 { return this.#frame.code.let(load64(this.#at(8))); }
  override writeF32(value: F32): void {
    const pinned = this.#frame.code.let(value);
    this.#frame.code.storeF32(this.#at(4, true), pinned);
  }
  override writeF64(value: F64): void {
    const pinned = this.#frame.code.let(value);
    this.#frame.code.storeF64(this.#at(8, true), pinned);
  }
  override writeLow32(value: I32): void {
    const width = Math.min(4, this.width) as Width, pinned = this.#frame.code.let(value);
    storeInt(this.#frame.code, this.#at(width, true), Int.cut(width, pinned));
  }
  override writeLow64(value: I64): void {
    const pinned = this.#frame.code.let(value);
    this.#frame.code.store64(this.#at(8, true), pinned);
  }
}

/** A direct branch's target, or memory at rSI or rDI: what the description needs of it is elsewhere. */
export class PlaceOperand extends BaseOperand {
  readonly #kind: 'branch' | 'string';

  constructor(width: number, kind: 'branch' | 'string') {
    super(width);
    this.#kind = kind;
  }

  override get isMemory(): boolean { return this.#kind === 'string'; }
  override get isImmediate(): boolean { return this.#kind === 'branch'; }
}
