/** Says where the engine and the machine's CPU differ in the outcome of an instruction case. */
import { undefinedFlags } from '../engine/undefinedFlags.ts';
import type { Row } from '../../webview/engine/x86/rows.ts';
import { STATE_SIZE, WINDOW_SIZE, offsets, type Cases, type NativeResult } from './cases.ts';

/** CF PF AF ZF SF DF OF AC. */
const comparedFlags = 0x40cd5;
/** In the FXSAVE image: not the pointers to the last instruction and operand, not MXCSR_MASK, not what is reserved. */
const comparedFx = (at: number): boolean => at < 416 && !(at >= 6 && at < 24) && !(at >= 28 && at < 32) && !(at >= 32 && at < 160 && (at & 15) >= 10);

const hex = (value: bigint | number): string => value.toString(16);

/** Operations that touch a large area in an order of the processor's own: only the page of a fault is compared. */
const ownOrder = /^(FX.*|FLDENV|FNSTENV|FRSTOR|FNSAVE)$/;

/** An 80-bit number as an integer that grows with its magnitude by one each; its sign apart. */
function ordinal(fx: Uint8Array, at: number): { negative: boolean; place: bigint } {
  const view = new DataView(fx.buffer, fx.byteOffset + at, 10), high = view.getUint16(8, true);
  return { negative: (high & 0x8000) !== 0, place: (BigInt(high & 0x7fff) << 63n) + BigInt.asUintN(63, view.getBigUint64(0, true)) };
}

/**
 * A FXSAVE image of the machine's, with our x87 numbers where they differ by at most `units`, and with our C1 (rounded up) if the result is
 * inexact: it depends on the same bits.
 */
function withinUnits(ours: Uint8Array, native: Uint8Array, units: number): Uint8Array {
  const merged = native.slice();
  for (let at = 32; at < 160; at += 16) {
    const a = ordinal(ours, at), b = ordinal(native, at), apart = a.place - b.place;
    if (a.negative === b.negative && apart <= units && apart >= -units) merged.set(ours.subarray(at, at + 10), at);
  }
  const inexact = (native[2]! & 0x60) === 0x20;
  if (inexact) merged[3] = merged[3]! & ~2 | ours[3]! & 2;
  return merged;
}

/** Of each word of a state the bits that are compared where nothing is tolerated. */
function comparedBits(flags: number): Int32Array {
  const bytes = new Uint8Array(STATE_SIZE);
  bytes.fill(255, 0, offsets.rflags);
  bytes.set([flags & 255, flags >> 8 & 255, flags >> 16 & 255], offsets.rflags);
  for (let at = 0; at < 512; at++) if (comparedFx(at)) bytes[offsets.fx + at] = 255;
  bytes.fill(255, offsets.window, offsets.window + WINDOW_SIZE);
  return new Int32Array(bytes.buffer);
}

/** AMD's MXCSR has a bit MM that we don't offer: what loads it there is #GP here. */
function loadsMisalignedMode(ours: NativeResult, native: NativeResult): boolean {
  return (native.state.fx[26]! & 2) !== 0 && ours.trap === 13;
}

/** True if two outcomes are the same in all that is compared: most are, and it takes little to see it. */
function isSame(ours: NativeResult, native: NativeResult, bits: Int32Array): boolean {
  if (ours.signal !== native.signal || ours.trap !== native.trap) return false;
  if (native.trap === 14 && (((ours.error ^ native.error) & 18) !== 0 || ours.address !== native.address)) return false;
  const a = ours.state.words, b = native.state.words;
  for (let i = 0; i < bits.length; i++) if (((a[i]! ^ b[i]!) & bits[i]!) !== 0) return false;
  return true;
}

/** Control word, ST(0), ST(1) for a message. */
const stack = (fx: Uint8Array): string => [0, 32, 48].map(at => Buffer.from(fx.subarray(at, at + (at === 0 ? 2 : 10)).slice().reverse()).toString('hex')).join(' ');

/** All cases of one row. */
export class InstructionComparison {
  readonly differences: string[] = [];
  /** Cases that only agree by the units that results may differ by. */
  tolerated = 0;
  readonly #row: Row;
  readonly #units: number;
  readonly #undefinedFlags: number;
  readonly #bits: Int32Array;

  /** x87 results may differ by `units` of the last of 64 bits. */
  constructor(row: Row, units = 0) {
    this.#row = row;
    this.#units = units;
    this.#undefinedFlags = undefinedFlags[row.operation] ?? 0;
    this.#bits = comparedBits(comparedFlags & ~this.#undefinedFlags);
  }

  /** Compares one outcome; a difference becomes a line with the instruction's bytes. `name`: how the case can be had again. */
  add(cases: Cases, index: number, ours: NativeResult, native: NativeResult, name = (): string => ''): void {
    if (isSame(ours, native, this.#bits) || loadsMisalignedMode(ours, native)) return;
    const found = [...signals(ours, native, ownOrder.test(this.#row.operation) ? ~0xfffn : -1n), ...this.#registers(cases, index, ours, native)];
    // An ENTER that faults may have stored some of the frame pointers.
    if (this.#row.operation !== 'ENTER' || native.signal === 5) found.push(...memory(ours, native, this.#row.operation.startsWith('FXSAVE')));
    if (found.length === 0) return;
    const bytes = Buffer.from(cases.code(index)).toString('hex').replace(/(cc06)?(cc)*$/, '');
    this.differences.push(`${name()}${this.#row.source.join(' ')}: ${bytes}: ${found.join('; ')}`);
  }

  #registers(cases: Cases, index: number, ours: NativeResult, native: NativeResult): string[] {
    const found: string[] = [];
    for (let r = 0; r < 16; r++) {
      const [a, b] = [ours.state.gpr(r), native.state.gpr(r)];
      if (a !== b) found.push(`r${r} is ${hex(a)}, not ${hex(b)}, was ${hex(cases.state(index).gpr(r))}`);
    }
    const mask = comparedFlags & ~this.#undefinedFlags;
    const flags = (ours.state.rflags ^ native.state.rflags) & mask;
    if (flags !== 0) found.push(`flags differ in ${hex(flags)}: ${hex(ours.state.rflags)}, not ${hex(native.state.rflags)}, were ${hex(cases.state(index).rflags)}`);
    const fx = ours.state.fx;
    let nativeFx = native.state.fx;
    if (this.#units > 0) {
      const exact = nativeFx;
      nativeFx = withinUnits(fx, exact, this.#units);
      if (nativeFx.some((byte, i) => byte !== exact[i])) this.tolerated++;
    }
    const at = fx.findIndex((byte, i) => byte !== nativeFx[i] && comparedFx(i));
    if (at >= 0) {
      const start = at < 32 ? at & ~1 : at & ~15, end = at < 32 ? start + 2 : start + 16;
      const shown = (from: Uint8Array): string => Buffer.from(from.subarray(start, end)).toString('hex');
      found.push(`FXSAVE byte ${start}: ${shown(fx)}, not ${shown(nativeFx)}, were ${shown(cases.state(index).fx)}`
        + (start === 2 ? `, with ${[cases.state(index).fx, nativeFx].map(from => stack(from)).join(' to ')}` : ''));
    }
    return found;
  }
}

/** #SS is #GP to us: both are a segmentation fault, but Linux calls the first SIGBUS. */
function kind({ signal, trap }: NativeResult): string {
  return trap === 12 ? '11/13' : `${signal}/${trap}`;
}

/** `addressBits`: those of a fault's address that are compared. */
function signals(ours: NativeResult, native: NativeResult, addressBits: bigint): string[] {
  if (kind(ours) !== kind(native)) return [`signal/trap ${kind(ours)}@${hex(ours.address)}, not ${kind(native)}@${hex(native.address)}`];
  // Addresses beyond 2^53 are rounded.
  const found: string[] = [];
  if (ours.state.rip !== native.state.rip && native.state.rip < 2 ** 53) found.push(`rip ${hex(ours.state.rip)}, not ${hex(native.state.rip)}`);
  if (native.trap !== 14) return found;
  // Error code: 2 write, 16 fetch.
  if ((ours.error & 18) !== (native.error & 18)) found.push(`error ${ours.error}, not ${native.error}`);
  if (native.address < 2n ** 53n && (ours.address & addressBits) !== (native.address & addressBits)) found.push(`fault at ${hex(ours.address)}, not ${hex(native.address)}`);
  return found;
}

/** `saved`: AMD's MXCSR_MASK is 0x2ffff, since MXCSR has a bit MM that we don't offer; its byte is not compared. */
function memory(ours: NativeResult, native: NativeResult, saved: boolean): string[] {
  const window = ours.state.window, nativeWindow = native.state.window;
  const at = window.findIndex((byte, i) => byte !== nativeWindow[i] && !(saved && nativeWindow[i] === 2 && nativeWindow[i - 1] === 0xff && byte === 0));
  if (at < 0) return [];
  const shown = (from: Uint8Array): string => Buffer.from(from.subarray(at, at + 16)).toString('hex');
  return [`memory at window + ${at}: ${shown(window)}, not ${shown(nativeWindow)}`];
}
