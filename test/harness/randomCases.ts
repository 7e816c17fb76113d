/** Random and adversarial states for instruction cases: registers, flags, floating-point state, memory. A seed repeats them. */
import { WINDOW, WINDOW_SIZE, offsets, type State } from './cases.ts';
import type { Random } from './random.ts';

const interesting64 = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x100n, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n,
  0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn, 0xfffffffffffffffen, 0x5555555555555555n, 0xaaaaaaaaaaaaaaaan,
];

/** Sets a 64-bit register: often an edge, sometimes a small number, else anything. */
function fillGeneral(random: Random, state: State, register: number): void {
  const kind = random.below(4);
  if (kind === 0) state.setGpr(register, random.pick(interesting64));
  else state.setHalves(register, kind === 1 ? random.below(72) : random.next(), kind === 1 ? 0 : random.next());
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

const integers = [0, 1, 0x7f80, 0x80008000, 0xffffffff, 0x7fff7fff, 0x01010101, 0x00ff00ff, 0xff00ff00];

/** Sixteen bytes for an xmm register or memory: integers, doubles, floats at their edges, or noise. */
function fillVector(random: Random, view: DataView, at: number): void {
  const kind = random.below(5);
  for (let i = at; i < at + 16; i += 4) {
    if (kind === 0 && (i - at & 4) === 0) view.setBigUint64(i, random.oneIn(3) ? nearOne(random) : random.pick(doubles), true);
    else if (kind === 1) view.setUint32(i, random.oneIn(3) ? 0x3f000000 + random.below(0x2000000) : random.pick(floats), true);
    else if (kind === 2) view.setUint32(i, random.pick(integers), true);
    else if (kind > 2) view.setUint32(i, random.next(), true);
  }
}

/** Sixteen bytes of numbers as programs compute with: about 1 or whole ones, a zero now and then. */
function fillNumbers(random: Random, view: DataView, at: number, size: 4 | 8): void {
  const whole = random.oneIn(3);
  for (let i = at; i < at + 16; i += size) {
    const magnitude = whole ? random.below(1000) : (1 + random.below(1 << 30)) / (1 + random.below(1 << 20)), value = random.below(2) ? magnitude : -magnitude;
    if (size === 4) view.setFloat32(i, value, true);
    else view.setFloat64(i, value, true);
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
function fillExtended(random: Random, view: DataView, at: number): void {
  const sign = random.below(2) << 15;
  const high = random.next() | 0x80000000, low = random.next();
  switch (random.oneIn(40) ? 16 : random.below(16)) {
    case 0: return putExtended(view, at, sign | 0x3fff + random.below(64), high, low);
    case 1: return putExtended(view, at, sign | 0x3fff - random.below(64), high, low);
    case 2: return putExtended(view, at, sign | random.below(0x7fff), high, low);
    case 3: return putExtended(view, at, sign | 0x3fff + random.below(70), 0x80000000, 0);
    case 4: return putExtended(view, at, sign | 0x3ffe, high, low);
    case 5: return putExtended(view, at, sign, 0, low >>> random.below(32));
    case 6: return putExtended(view, at, sign | 0x3fff + random.below(40), 0x80000000 | random.next() & 0xffff00, 0);
    case 16: return putExtended(view, at, random.below(0x10000), random.next(), low);
    default: {
      const [exponent, top, bottom] = random.pick(extendedEdges);
      putExtended(view, at, sign | exponent, top, bottom);
    }
  }
}

function putExtended(view: DataView, at: number, exponent: number, high: number, low: number): void {
  view.setUint32(at, low, true);
  view.setUint32(at + 4, high, true);
  view.setUint16(at + 8, exponent, true);
}

/** What the generator may vary beyond operands. */
export interface Variation {
  /** Rounding modes other than nearest, DAZ and FTZ in MXCSR; all control words for x87. */
  readonly modes?: boolean;
  /** Unmasked floating-point exceptions too. */
  readonly unmasked?: boolean;
  /** Numbers in vectors are plain, of one size, and some result was inexact before: what compiled code is quick at. */
  readonly plain?: boolean;
}

const rsp = 4;
/** A stack pointer with room on both sides. */
export function stackPointer(random: Random): number {
  return WINDOW + 64 + random.below(32) * 8;
}

/** Fills registers, flags, FXSAVE image and window at random. Pointers into the data pages are put where an encoding wants them by Encoding.fit. */
export function fillState(random: Random, state: State, variation: Variation): void {
  for (let r = 0; r < 16; r++) fillGeneral(random, state, r);
  state.setGpr(rsp, BigInt(stackPointer(random)));
  state.rflags = 0x202 | (random.next() & 0x8d5) | (random.oneIn(4) ? 0x400 : 0);
  const { view } = state, { fx, window } = offsets, size = random.oneIn(2) ? 4 : 8;
  const vector = variation.plain ? (at: number) => fillNumbers(random, view, at, size) : (at: number) => fillVector(random, view, at);
  fillFx(random, state, variation);
  for (let r = 0; r < 16; r++) vector(fx + 160 + r * 16);
  for (let at = window; at < window + WINDOW_SIZE; at += 16) {
    if (!variation.plain && random.oneIn(3)) fillExtended(random, view, at);
    else vector(at);
  }
}

/** Control words and x87's registers. */
function fillFx(random: Random, { view, fx }: State, variation: Variation): void {
  let control = 0x37f;
  if (variation.modes) control = (control & ~0xf00) | (random.below(4) << 10) | (random.pick([0, 2, 3]) << 8);
  if (variation.unmasked && random.oneIn(2)) control &= ~random.below(64);
  view.setUint16(offsets.fx, control, true);
  const top = random.below(8);
  // Seldom with exceptions of an earlier instruction; an unmasked one of them is pending, which ES and B say.
  const raised = variation.unmasked && random.oneIn(4) ? random.below(64) : 0, pending = (raised & ~control) !== 0 ? 0x8080 : 0;
  view.setUint16(offsets.fx + 2, (top << 11) | (random.next() & 0x4700) | raised | pending, true);
  fx[4] = random.oneIn(2) ? 0xff : random.below(256);
  let mxcsr = 0x1f80;
  if (variation.modes) mxcsr |= (random.below(4) << 13) | (random.oneIn(3) ? 0x8000 : 0) | (random.oneIn(3) ? 0x40 : 0);
  if (variation.unmasked && random.oneIn(2)) mxcsr &= ~(random.below(64) << 7);
  if (variation.plain) mxcsr |= random.oneIn(4) ? 0 : 0x20;
  else if (!random.oneIn(2)) mxcsr |= random.below(64);
  view.setUint32(offsets.fx + 24, mxcsr, true);
  for (let r = 0; r < 8; r++) fillExtended(random, view, offsets.fx + 32 + r * 16);
}
