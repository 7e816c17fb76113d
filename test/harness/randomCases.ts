/**
 * Random and adversarial instruction cases for any row of the tables: the encoding is built from the row's own notation, so that a new
 * row is tested without a line here. A seed repeats a run.
 */
import { ADDRESSING, FLAG, MAP, PREFIX, TYPE, type Row } from '../../webview/engine/x86/rows.ts';
import { DATA, GS_BASE, READONLY, START, WINDOW, WINDOW_SIZE, type State } from './cases.ts';
import type { Random } from './random.ts';
import { fitState, fitString } from './fittingState.ts';

const interesting64 = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x100n, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n,
  0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn, 0xfffffffffffffffen, 0x5555555555555555n, 0xaaaaaaaaaaaaaaaan,
];

/** A 64-bit value: often an edge, sometimes a small number, else anything. */
export function value64(random: Random): bigint {
  switch (random.below(4)) {
    case 0: return random.pick(interesting64);
    case 1: return BigInt(random.below(72));
    default: return random.bits64();
  }
}

// Bit patterns of floating-point numbers at the edges: zeros, ones, denormals, largest, infinities, quiet and signalling NaNs, halves.
const doubles = [
  0n, 0x8000000000000000n, 0x3ff0000000000000n, 0xbff0000000000000n, 1n, 0x000fffffffffffffn, 0x0010000000000000n, 0x7fefffffffffffffn,
  0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000000n, 0xfff8000000000001n, 0x7ff0000000000001n, 0xfff4000000000000n,
  0x3fe0000000000000n, 0x4000000000000000n, 0x3ff8000000000000n, 0xc004000000000000n, 0x41dfffffffc00000n, 0x41e0000000000000n,
  0xc1e0000000000000n, 0xc1e0000000200000n, 0x43e0000000000000n, 0xc3e0000000000000n, 0x4340000000000000n, 0x3ca0000000000000n,
];
const floats = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
  0x7f800001, 0xffa00000, 0x3f000000, 0x40000000, 0x3fc00000, 0xc0200000, 0x4effffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x33800000,
];

/** Sixteen bytes for an xmm register or memory: integers, doubles, floats at their edges, or noise. */
export function fillVector(random: Random, out: Uint8Array, at: number): void {
  const view = new DataView(out.buffer, out.byteOffset + at, 16);
  const kind = random.below(5);
  for (let i = 0; i < 16; i += 4) {
    if (kind === 0 && (i & 4) === 0) view.setBigUint64(i, random.oneIn(3) ? nearOne(random) : random.pick(doubles), true);
    else if (kind === 1) view.setUint32(i, random.oneIn(3) ? 0x3f000000 + random.below(0x2000000) : random.pick(floats), true);
    else if (kind === 2) view.setUint32(i, random.pick([0, 1, 0x7f80, 0x80008000, 0xffffffff, 0x7fff7fff, 0x01010101, 0x00ff00ff, 0xff00ff00]), true);
    else if (kind > 2) view.setUint32(i, random.next(), true);
  }
}

/** A double of moderate size with a full mantissa. */
function nearOne(random: Random): bigint {
  return (BigInt(random.below(2)) << 63n) | (BigInt(1023 - 70 + random.below(140)) << 52n) | (random.bits64() >> 12n);
}

/** Fixed 80-bit numbers at the edges: exponent, mantissa's halves. Zero, one, infinity, NaNs, denormals, pseudo-denormal, smallest, largest. */
const extendedEdges = [
  [0, 0, 0], [0x3fff, 0x80000000, 0], [0x7fff, 0x80000000, 0], [0x7fff, 0xc0000000, 0], [0x7fff, 0x80000000, 1], [0, 0, 1], [0, 0x80000000, 0],
  [1, 0x80000000, 0], [0x7ffe, 0xffffffff, 0xffffffff],
] as const;

/** An 80-bit number: normal, or at an edge of the format; seldom any bits at all (unnormals). */
export function fillExtended(random: Random, out: Uint8Array, at: number): void {
  const sign = random.below(2) << 15;
  const high = random.next() | 0x80000000, low = random.next();
  switch (random.oneIn(40) ? 16 : random.below(16)) {
    case 0: return putExtended(out, at, sign | 0x3fff + random.below(64), high, low);
    case 1: return putExtended(out, at, sign | 0x3fff - random.below(64), high, low);
    case 2: return putExtended(out, at, sign | random.below(0x7fff), high, low);
    case 3: return putExtended(out, at, sign | 0x3fff + random.below(70), 0x80000000, 0);
    case 4: return putExtended(out, at, sign | 0x3ffe, high, low);
    case 5: return putExtended(out, at, sign, 0, low >>> random.below(32));
    case 6: return putExtended(out, at, sign | 0x3fff + random.below(40), 0x80000000 | random.next() & 0xffff00, 0);
    case 16: return putExtended(out, at, random.below(0x10000), random.next(), low);
    default: {
      const [exponent, top, bottom] = random.pick(extendedEdges);
      putExtended(out, at, sign | exponent, top, bottom);
    }
  }
}

function putExtended(out: Uint8Array, at: number, exponent: number, high: number, low: number): void {
  const view = new DataView(out.buffer, out.byteOffset + at, 10);
  view.setUint32(0, low, true);
  view.setUint32(4, high, true);
  view.setUint16(8, exponent, true);
}

/** What the generator may vary beyond operands. */
export interface Variation {
  /** Rounding modes other than nearest, DAZ and FTZ in MXCSR; all control words for x87. */
  readonly modes?: boolean;
  /** Unmasked floating-point exceptions too. */
  readonly unmasked?: boolean;
}

/** Fills registers, flags, FXSAVE image and window at random. Pointers into the data pages are put where the encoding wants them. */
export function fillState(random: Random, state: State, variation: Variation): void {
  for (let r = 0; r < 16; r++) state.setGpr(r, value64(random));
  state.setGpr(4, BigInt(WINDOW + 64 + random.below(32) * 8)); // rsp
  state.rflags = 0x202 | (random.next() & 0x8d5) | (random.oneIn(4) ? 0x400 : 0);
  fillFx(random, state.fx, variation);
  const { window } = state;
  for (let at = 0; at < WINDOW_SIZE; at += 16) {
    if (random.oneIn(3)) fillExtended(random, window, at);
    else fillVector(random, window, at);
  }
}

function fillFx(random: Random, fx: Uint8Array, variation: Variation): void {
  const view = new DataView(fx.buffer, fx.byteOffset, 512);
  let control = 0x37f;
  if (variation.modes) control = (control & ~0xf00) | (random.below(4) << 10) | (random.pick([0, 2, 3]) << 8);
  if (variation.unmasked && random.oneIn(2)) control &= ~random.below(64);
  view.setUint16(0, control, true);
  const top = random.below(8);
  // Seldom with exceptions of an earlier instruction; an unmasked one of them is pending, which ES and B say.
  const raised = variation.unmasked && random.oneIn(4) ? random.below(64) : 0, pending = (raised & ~control) !== 0 ? 0x8080 : 0;
  view.setUint16(2, (top << 11) | (random.next() & 0x4700) | raised | pending, true);
  fx[4] = random.oneIn(2) ? 0xff : random.below(256);
  let mxcsr = 0x1f80;
  if (variation.modes) mxcsr |= (random.below(4) << 13) | (random.oneIn(3) ? 0x8000 : 0) | (random.oneIn(3) ? 0x40 : 0);
  if (variation.unmasked && random.oneIn(2)) mxcsr &= ~(random.below(64) << 7);
  view.setUint32(24, mxcsr | (random.oneIn(2) ? 0 : random.below(64)), true);
  for (let r = 0; r < 8; r++) fillExtended(random, fx, 32 + r * 16);
  for (let r = 0; r < 16; r++) fillVector(random, fx, 160 + r * 16);
}

/** Writes an instruction of `row` to `code` (16 bytes) and makes its memory operand point into the data; false if the row can't be encoded. */
export function encode(random: Random, row: Row, code: Uint8Array, state: State): boolean {
  code.fill(0xcc);
  const bytes: number[] = [];
  const rexW = chooseRexW(random, row);
  const columns = [0, 0x66, 0xf3, 0xf2].filter((_, i) => (row.prefixes & (1 << i)) !== 0);
  if (!row.vex) legacyPrefixes(random, row, columns, bytes);
  const form = row.form === 'any' ? (random.oneIn(2) ? 'memory' : 'register') : row.form;
  const hasModrm = (row.flags & FLAG.MODRM) !== 0;
  const memory = hasModrm && row.modrm < 0 && form === 'memory' && (row.flags & FLAG.MODREG) === 0;
  if (memory && (row.flags & FLAG.LOCK) !== 0 && random.oneIn(4)) bytes.unshift(0xf0);
  const wide = row.vex ? 0 : rexW << 3;
  const place = memory ? chooseAddress(random, state) : undefined;
  const reg = row.digit >= 0 ? row.digit : random.below(16);
  const rm = memory ? 0 : random.below(16);
  const rexBits = wide | (reg > 7 ? 4 : 0) | (place ? place.rexXb : rm > 7 ? 1 : 0) | row.rexBits;
  const rexAllowed = (row.flags & FLAG.I64) === 0;
  if (row.vex) vexPrefix(random, row, rexBits, bytes);
  else {
    if (rexAllowed && (rexBits !== 0 || random.oneIn(3))) bytes.push(0x40 | rexBits);
    if (row.map !== MAP.ONE_BYTE) bytes.push(0x0f);
    if (row.map === MAP.M0F38) bytes.push(0x38);
    if (row.map === MAP.M0F3A) bytes.push(0x3a);
  }
  bytes.push(row.opcode | (row.registerInOpcode ? random.below(8) : 0));
  if (row.modrm >= 0) bytes.push(row.modrm);
  else if (hasModrm) {
    if (place) bytes.push(place.mod << 6 | (reg & 7) << 3 | place.rm, ...place.tail);
    else bytes.push(0xc0 | (reg & 7) << 3 | rm & 7);
  }
  const addressed = bytes.length;
  immediates(random, row, bytes, rexW, columns);
  const behind = bytes.length - addressed;
  bytes.unshift(...freePrefixes(random, row, place));
  // RIP is that of the next instruction.
  if (place?.mod === 0 && place.rm === 5) bytes.splice(bytes.length - behind - 4, 4, ...bytes32(place.target - (place.segment ? GS_BASE : 0) - START - bytes.length));
  if (bytes.length > 15) return false;
  const isString = row.operands.some(o => o.addressing === ADDRESSING.X || o.addressing === ADDRESSING.Y);
  if (isString) fitString(random, state, bytes[0] === 0x65 ? GS_BASE : 0);
  fitState(random, row, state, { target: place?.target, register: hasModrm && !place ? rm | (row.vex ? 0 : row.rexBits & 1) << 3 : undefined });
  code.set(bytes);
  return true;
}

/** Prefixes that any instruction may have: segments, address size. Seldom a LOCK, which mostly is illegal. */
function freePrefixes(random: Random, row: Row, place: Place | undefined): number[] {
  const prefixes: number[] = [];
  const isOffset = row.operands.some(o => o.addressing === ADDRESSING.O);
  if (place ? place.segment : !isOffset && random.oneIn(12)) prefixes.push(0x65);
  else if (random.oneIn(20)) prefixes.push(random.pick([0x26, 0x2e, 0x36, 0x3e]));
  if (!isOffset && random.oneIn(12)) prefixes.push(0x67);
  // VERW takes LOCK on AMD's processors.
  if (random.oneIn(80) && row.operation !== 'VERW') prefixes.push(0xf0);
  return prefixes;
}

function chooseRexW(random: Random, row: Row): number {
  if ((row.rexBits & 8) !== 0) return 1;
  return random.below(2);
}

function legacyPrefixes(random: Random, row: Row, columns: readonly number[], bytes: number[]): void {
  if (row.mandatory) {
    const mandatory = columns.filter(p => p !== 0);
    const prefix = columns.includes(0) && (mandatory.length === 0 || random.oneIn(2)) ? 0 : random.pick(mandatory.length > 0 ? mandatory : [0]);
    if (prefix !== 0) bytes.push(prefix);
    return;
  }
  // Near branches with 66 differ between makers; ours ignore it.
  if (random.oneIn(3) && columns.includes(0x66) && (row.flags & FLAG.F64) === 0) bytes.push(0x66);
  if ((row.flags & (FLAG.REP | FLAG.REPZ)) !== 0 && random.oneIn(2)) bytes.push(random.pick([0xf3, 0xf2]));
}

function vexPrefix(random: Random, row: Row, rex: number, bytes: number[]): void {
  const w = row.vexW >= 0 ? row.vexW : random.below(2);
  const l = row.vexL >= 0 ? row.vexL : 0;
  const pp = [PREFIX.NONE, PREFIX.P66, PREFIX.PF3, PREFIX.PF2].find(p => (row.prefixes & (1 << p)) !== 0) ?? 0;
  const usesVvvv = row.operands.some(o => o.addressing === ADDRESSING.B || o.addressing === ADDRESSING.H);
  const vvvv = usesVvvv ? random.below(16) : 0;
  bytes.push(0xc4, (~rex & 7) << 5 | row.map, w << 7 | (~vvvv & 15) << 3 | l << 2 | pp);
}

interface Place {
  readonly mod: number;
  readonly rm: number;
  readonly rexXb: number;
  /** SIB and displacement. */
  readonly tail: readonly number[];
  /** The address, and whether GS is to be added to get there. */
  readonly target: number;
  readonly segment: boolean;
}

/** Which address a memory operand gets: mostly inside the window, aligned or not; sometimes across the pages' ends, read-only, unmapped. */
function chooseTarget(random: Random): number {
  const kind = random.below(40);
  if (kind === 0) return READONLY + random.below(64) * 16;
  if (kind === 1) return DATA - 1 - random.below(20);
  if (kind === 2) return DATA + 0x2000 - random.below(20);
  const aligned = random.oneIn(2) ? ~15 : -1;
  return WINDOW + ((32 + random.below(WINDOW_SIZE - 96)) & aligned);
}

const bases = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

function bytes32(value: number): number[] {
  return [value, value >> 8, value >> 16, value >> 24].map(b => b & 0xff);
}

/** Sets registers so that the address comes to a target; a wish for RSP or no base is met by the displacement. */
function chooseAddress(random: Random, state: State): Place {
  const target = chooseTarget(random), segment = random.oneIn(12);
  const offset = segment ? target - GS_BASE : target;
  const common = { target, segment };
  // The displacement is completed when the length is known.
  if (random.oneIn(12)) return { mod: 0, rm: 5, rexXb: 0, tail: [0, 0, 0, 0], ...common };
  if (random.oneIn(12)) return { mod: 2, rm: 4, rexXb: 0, tail: [0x24, ...bytes32(offset - Number(state.gpr(4)))], ...common };
  if (random.oneIn(12)) return { mod: 0, rm: 4, rexXb: 0, tail: [0x25, ...bytes32(offset)], ...common };
  const size = random.below(3);
  const displacement = [0, (random.next() << 24) >> 24, (random.next() | 0) >> random.below(20)][size]!;
  const tail = size === 2 ? bytes32(displacement) : size === 1 ? [displacement & 0xff] : [];
  const base = random.pick(size === 0 ? bases.filter(r => (r & 7) !== 5) : bases);
  if ((base & 7) === 4 || random.oneIn(3)) {
    const index = random.pick(bases.filter(r => r !== base));
    const scale = random.below(4);
    state.setGpr(base, BigInt.asUintN(64, BigInt(offset) - BigInt(displacement) - (state.gpr(index) << BigInt(scale))));
    return { mod: size, rm: 4, rexXb: (index > 7 ? 2 : 0) | (base > 7 ? 1 : 0), tail: [scale << 6 | (index & 7) << 3 | base & 7, ...tail], ...common };
  }
  state.setGpr(base, BigInt.asUintN(64, BigInt(offset) - BigInt(displacement)));
  return { mod: size, rm: base & 7, rexXb: base > 7 ? 1 : 0, tail, ...common };
}

function immediates(random: Random, row: Row, bytes: number[], rexW: number, columns: readonly number[]): void {
  const short = bytes.includes(0x66) && columns.includes(0x66) && rexW === 0;
  const size = rexW ? 8 : short ? 2 : 4;
  const push = (count: number): void => {
    const small = random.oneIn(2);
    for (let i = 0; i < count; i++) bytes.push(small ? (i === 0 ? random.below(70) : 0) : random.below(256));
  };
  for (const operand of row.operands) {
    if (operand.addressing === ADDRESSING.I) {
      if (operand.type === TYPE.w) push(2);
      else if (operand.type === TYPE.z) push(size === 2 ? 2 : 4);
      else if (operand.type === TYPE.v) push(size);
      else push(1);
    } else if (operand.addressing === ADDRESSING.L) push(1);
    else if (operand.addressing === ADDRESSING.J) {
      // Never back into the instruction, which might not end then.
      if (operand.type === TYPE.b) bytes.push(random.oneIn(2) ? random.below(128) : 128 + random.below(96));
      else bytes.push(random.below(256), random.below(3), 0, 0);
    } else if (operand.addressing === ADDRESSING.O) {
      const target = chooseTarget(random);
      for (let i = 0; i < 8; i++) bytes.push(i < 4 ? (target >>> (8 * i)) & 0xff : 0);
    }
  }
}
