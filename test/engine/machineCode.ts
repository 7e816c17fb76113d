// Makes machine code for the decoder's tests: every instruction starts in a slot of its own that is filled up with NOPs, so that
// objdump, which reads on and on, is in step again at the next slot.
import type { Mode } from '../../webview/engine/x86/dispatch.ts';
import { Random } from '../harness/random.ts';

/** Bytes of a slot: an instruction of up to 15 bytes, a second that starts in its last byte, and NOPs. */
export const SLOT = 32;

const PREFIXES = [0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65] as const;

/** Numbers of 32 bits that a seed repeats. */
function randomNumbers(seed: number): () => number {
  const random = new Random(seed);
  return () => random.next();
}

/** `count` slots of random legacy prefixes, REX or VEX prefix, opcode map and bytes. */
export function randomCode(mode: Mode, count: number, seed: number): Uint8Array {
  const random = randomNumbers(seed);
  const code = new Uint8Array(count * SLOT).fill(0x90);
  for (let slot = 0; slot < count; slot++) {
    let p = slot * SLOT;
    const end = p + SLOT / 2;
    if (random() % 2) for (let many = random() % 3; many >= 0; many--) code[p++] = PREFIXES[random() % PREFIXES.length]!;
    if (mode === 64 && random() % 2) code[p++] = 0x40 | random() & 15;
    p = randomLead(code, p, mode, random);
    while (p < end) code[p++] = random() & 0xFF;
  }
  return code;
}

/** Nothing, 0F, 0F 38, 0F 3A or a VEX prefix, half of those with vvvv unused. */
function randomLead(code: Uint8Array, at: number, mode: Mode, random: () => number): number {
  let p = at;
  const kind = random() % 8;
  if (kind < 3) return p;
  if (kind < 6) {
    code[p++] = 0x0F;
    if (kind === 5) code[p++] = random() % 2 ? 0x38 : 0x3A;
    return p;
  }
  const fixed = mode === 32 ? 0xC0 : 0, unused = random() % 2 ? 0x78 : 0;
  if (kind === 6) {
    code[p++] = 0xC4;
    code[p++] = random() & 0xE0 | 1 + random() % 3 | fixed;
    code[p++] = random() & 0xFF | unused;
  } else {
    code[p++] = 0xC5;
    code[p++] = random() & 0xFF | fixed | unused;
  }
  return p;
}

/**
 * Every combination of opcode map, opcode, ModRM and one of the prefixes none, 66, F3, F2, with and without REX.W in 64-bit mode;
 * bytes after ModRM are random. `step` takes every step-th ModRM byte only.
 */
export function everyOpcode(mode: Mode, seed: number, step: number): Uint8Array {
  const random = randomNumbers(seed);
  const maps = [[], [0x0F], [0x0F, 0x38], [0x0F, 0x3A]], prefixes = [[], [0x66], [0xF3], [0xF2]], rexes = mode === 64 ? [[], [0x48]] : [[]];
  const perOpcode = Math.ceil(256 / step);
  const code = new Uint8Array(maps.length * prefixes.length * rexes.length * 256 * perOpcode * SLOT).fill(0x90);
  let slot = 0, start = 0;
  for (const map of maps) for (const prefix of prefixes) for (const rex of rexes) for (let opcode = 0; opcode < 256; opcode++) {
    for (let modrm = start++ % step; modrm < 256; modrm += step) {
      let p = slot++ * SLOT;
      for (const byte of [...prefix, ...rex, ...map, opcode, modrm]) code[p++] = byte;
      while (p % SLOT < SLOT / 2) code[p++] = random() & 0xFF;
    }
  }
  return code.subarray(0, slot * SLOT);
}

/** Every combination of VEX map, opcode, pp, L, W and a step-th of the ModRM bytes; vvvv once used, once not. */
export function everyVexOpcode(mode: Mode, seed: number, step: number): Uint8Array {
  const random = randomNumbers(seed);
  const code = new Uint8Array(3 * 256 * 16 * 2 * Math.ceil(256 / step) * SLOT).fill(0x90);
  let slot = 0, start = 0;
  for (let map = 1; map <= 3; map++) for (let opcode = 0; opcode < 256; opcode++) for (let bits = 0; bits < 32; bits++) {
    const vvvv = bits & 16 ? 0x78 : random() & 0x78;
    for (let modrm = start++ % step; modrm < 256; modrm += step) {
      let p = slot++ * SLOT;
      for (const byte of [0xC4, 0xE0 & (mode === 32 ? 0xFF : random()) | map, (bits & 8) << 4 | vvvv | bits & 7, opcode, modrm]) code[p++] = byte;
      while (p % SLOT < SLOT / 2) code[p++] = random() & 0xFF;
    }
  }
  return code.subarray(0, slot * SLOT);
}
