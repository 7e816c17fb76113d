/** A guest thread's register file. It lies in the engine's memory while it is the last one that ran, else in a copy of its own. */
import { STATE, STATE_SIZE, Slot, TF } from './state.ts';

const FX = { control: 0, status: 2, tags: 4, opcode: 6, instruction: 8, operand: 16, mxcsr: 24, mxcsrMask: 28, st: 32, xmm: 160 } as const;
/** MXCSR bits that exist: 15-0. */
const mxcsrMask = 0xffff;
/** AC and ID, and TF. */
const otherFlags = 0x240000 | TF;

export class EngineThread {
  readonly #resident: DataView;
  readonly #residentBytes: Uint8Array;
  readonly #copy = new Uint8Array(STATE_SIZE);
  readonly #copyView = new DataView(this.#copy.buffer);
  /** Where the register file is now. */
  #view: DataView = this.#copyView;
  #bytes: Uint8Array = this.#copy;
  readonly #onFree: (thread: EngineThread) => void;
  instructions = 0;

  constructor(memory: ArrayBuffer, onFree: (thread: EngineThread) => void) {
    this.#onFree = onFree;
    this.#residentBytes = new Uint8Array(memory, STATE, STATE_SIZE);
    this.#resident = new DataView(memory, STATE, STATE_SIZE);
    this.rflags = 0x202;
    this.resetFpu();
  }

  /** Loads the register file into the engine's memory. Only one may be there. */
  enter(): void {
    this.#residentBytes.set(this.#copy);
    this.#view = this.#resident;
    this.#bytes = this.#residentBytes;
  }

  /** Saves it from there. */
  leave(): void {
    this.#copy.set(this.#residentBytes);
    this.#view = this.#copyView;
    this.#bytes = this.#copy;
  }

  get(reg: number): number {
    return this.#view.getUint32(reg * 8 + 4, true) * 2 ** 32 + this.#view.getUint32(reg * 8, true);
  }
  getSigned(reg: number): number {
    return this.#view.getInt32(reg * 8 + 4, true) * 2 ** 32 + this.#view.getUint32(reg * 8, true);
  }
  getInt(reg: number): number {
    return this.#view.getInt32(reg * 8, true);
  }
  getHigh(reg: number): number {
    return this.#view.getUint32(reg * 8 + 4, true);
  }
  set(reg: number, value: number): void {
    this.#setWide(Slot.gpr + reg * 8, value);
  }
  setHalves(reg: number, low: number, high: number): void {
    this.#view.setUint32(reg * 8, low, true);
    this.#view.setUint32(reg * 8 + 4, high, true);
  }

  #setWide(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
  }
  #getWide(at: number): number {
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }

  get rip(): number { return this.#getWide(Slot.rip); }
  set rip(value: number) { this.#setWide(Slot.rip, value); }
  get fsBase(): number { return this.#getWide(Slot.fsBase); }
  set fsBase(value: number) { this.#setWide(Slot.fsBase, value); }
  get gsBase(): number { return this.#getWide(Slot.gsBase); }
  set gsBase(value: number) { this.#setWide(Slot.gsBase, value); }

  /** See semantics/flags.ts for the form in which the flags are kept. */
  get rflags(): number {
    return rflagsOf(this.#view);
  }
  set rflags(value: number) {
    const view = this.#view;
    const bit = (n: number): number => value >>> n & 1;
    view.setInt32(Slot.flagResult, bit(6) !== 0 ? 0 : 0x10000, true);
    view.setInt32(Slot.flagResult + 4, 0, true);
    view.setInt32(Slot.flagAux, bit(0) << 31 | (bit(0) ^ bit(11)) << 30 | (bit(2) ^ 1) << 8 | bit(4) << 3 | bit(7), true);
    view.setInt32(Slot.directionFlag, bit(10), true);
    view.setInt32(Slot.otherFlags, value & otherFlags, true);
  }

  /** TF: after each instruction a debug exception. */
  get isStepping(): boolean {
    return (this.#view.getInt32(Slot.otherFlags, true) & TF) !== 0;
  }

  saveFpu(out: Uint8Array): void {
    const view = this.#view;
    const image = new DataView(out.buffer, out.byteOffset, 512);
    out.fill(0, 0, 512);
    const top = view.getInt32(Slot.fpuTop, true);
    image.setUint16(FX.control, view.getInt32(Slot.fpuControl, true), true);
    image.setUint16(FX.status, view.getInt32(Slot.fpuStatus, true) & ~0x3800 | top << 11, true);
    image.setUint8(FX.tags, view.getInt32(Slot.fpuTags, true));
    image.setUint16(FX.opcode, view.getInt32(Slot.fpuOpcode, true), true);
    copyWide(image, FX.instruction, view, Slot.fpuInstruction);
    copyWide(image, FX.operand, view, Slot.fpuOperand);
    image.setUint32(FX.mxcsr, view.getInt32(Slot.mxcsr, true), true);
    image.setUint32(FX.mxcsrMask, mxcsrMask, true);
    const bytes = this.#bytes;
    for (let i = 0; i < 8; i++) {
      const at = Slot.x87 + ((top + i) & 7) * 16;
      copyWide(image, FX.st + i * 16, view, at);
      image.setUint16(FX.st + i * 16 + 8, view.getUint16(at + 8, true), true);
    }
    out.set(bytes.subarray(Slot.xmm, Slot.xmm + 256), FX.xmm);
  }

  loadFpu(image: Uint8Array): void {
    const view = this.#view;
    const from = new DataView(image.buffer, image.byteOffset, 512);
    const status = from.getUint16(FX.status, true), top = status >> 11 & 7;
    view.setInt32(Slot.fpuControl, from.getUint16(FX.control, true) & 0x1f3f | 0x40, true);
    view.setInt32(Slot.fpuStatus, status & ~0x3800, true);
    view.setInt32(Slot.fpuTop, top, true);
    view.setInt32(Slot.fpuTags, from.getUint8(FX.tags), true);
    view.setInt32(Slot.fpuOpcode, from.getUint16(FX.opcode, true) & 0x7ff, true);
    copyWide(view, Slot.fpuInstruction, from, FX.instruction);
    copyWide(view, Slot.fpuOperand, from, FX.operand);
    view.setInt32(Slot.mxcsr, from.getUint32(FX.mxcsr, true) & mxcsrMask, true);
    const bytes = this.#bytes;
    for (let i = 0; i < 8; i++) {
      const at = Slot.x87 + ((top + i) & 7) * 16;
      copyWide(view, at, from, FX.st + i * 16);
      view.setUint16(at + 8, from.getUint16(FX.st + i * 16 + 8, true), true);
      view.setUint16(at + 10, 0, true);
      view.setInt32(at + 12, 0, true);
    }
    bytes.set(image.subarray(FX.xmm, FX.xmm + 256), Slot.xmm);
  }

  /** As execve(2) leaves it: FINIT, MXCSR 0x1f80, registers zero. */
  resetFpu(): void {
    const view = this.#view;
    this.#bytes.fill(0, Slot.mxcsr, STATE_SIZE);
    view.setInt32(Slot.fpuControl, 0x37f, true);
    view.setInt32(Slot.mxcsr, 0x1f80, true);
  }

  /** The register file may not be used again. */
  free(): void {
    this.#onFree(this);
  }

  copyFrom(other: EngineThread): void {
    this.#bytes.set(other.#bytes);
  }
}

/** Copies 64 bits. */
function copyWide(to: DataView, at: number, from: DataView, place: number): void {
  to.setInt32(at, from.getInt32(place, true), true);
  to.setInt32(at + 4, from.getInt32(place + 4, true), true);
}

/** RFLAGS of a register file. */
export function rflagsOf(view: DataView): number {
  const low = view.getInt32(Slot.flagResult, true), high = view.getInt32(Slot.flagResult + 4, true), aux = view.getInt32(Slot.flagAux, true);
  const carry = aux >>> 31;
  const overflow = carry ^ (aux >>> 30 & 1);
  const zero = low === 0 && high === 0 ? 1 : 0;
  const sign = high >>> 31 ^ (aux & 1);
  return 0x202 | carry | evenParity(low ^ aux >> 8) << 2 | (aux >> 3 & 1) << 4 | zero << 6 | sign << 7 | overflow << 11
    | view.getInt32(Slot.directionFlag, true) << 10 | view.getInt32(Slot.otherFlags, true);
}

/** 1 if the low byte has an even number of ones. */
function evenParity(value: number): number {
  let v = value & 0xff;
  v ^= v >> 4;
  v ^= v >> 2;
  return (v ^ v >> 1) & 1 ^ 1;
}
