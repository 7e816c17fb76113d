/**
 * Sequences of floating-point instructions on few registers, compiled, interpreted and on the machine's CPU: what compiled code knows of a
 * number after one instruction (semantics/floats.ts FloatKnowledge) must hold in the next ones. CASES is their number, SEED repeats a run.
 */
import { describe, expect, it } from 'vitest';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Cases, runNatively } from '../harness/cases.ts';
import { InstructionComparison } from '../harness/comparison.ts';
import { compileInterpreter, InstructionRunner } from '../harness/instruction.ts';
import { Random } from '../harness/random.ts';
import { fillState } from '../harness/randomCases.ts';

const seed = Number(process.env['SEED'] ?? 20261124), count = Number(process.env['CASES'] ?? 2000);

/** Prefix and opcode behind 0F of instructions with two vector registers. */
const arithmetic = [0x58, 0x59, 0x5c, 0x5e, 0x51, 0x5d, 0x5f].flatMap(opcode => [0xf2, 0xf3, 0x66, 0].map(prefix => [prefix, opcode]));
const others = [
  [0x66, 0x2e], [0x66, 0x2f], [0, 0x2f], [0xf2, 0x10], [0xf3, 0x10], [0, 0x28], [0x66, 0x14], [0x66, 0x15], [0xf2, 0x12], [0xf3, 0x7e],
  [0xf2, 0x5a], [0xf3, 0x5a], [0, 0x5a], [0x66, 0x5a], [0xf2, 0x2c], [0xf2, 0x2d], [0xf2, 0x2a], [0xf3, 0x2a], [0, 0x57], [0xf3, 0xe6], [0, 0x5b],
  [0x66, 0x7c], [0x66, 0xd0], [0xf2, 0x7c], [0x66, 0x57],
];
/** What makes anything of a number: integers, masks, halves of others. */
const spoiling = [[0xf3, 0x5b], [0x66, 0x5b], [0x66, 0x54], [0x66, 0x56], [0, 0x12], [0, 0x16], [0x66, 0x62], [0x66, 0xfe], [0x66, 0xfb], [0xf2, 0xe6]];

/** Four instructions of four bytes at most. */
function sequence(random: Random): number[] {
  return Array.from({ length: 4 }, () => {
    const [prefix, opcode] = random.pick([arithmetic, arithmetic, others, spoiling][random.below(4)]!) as [number, number];
    const modrm = 0xc0 | random.below(3) << 3 | random.below(3);
    return prefix === 0 ? [0x0f, opcode, modrm] : [prefix, 0x0f, opcode, modrm];
  }).flat();
}

/** Registers of numbers that programs compute with: doubles or singles about 1, whole ones, with a denormal, a zero or a NaN now and then. */
function fillNumbers(random: Random, fx: Uint8Array): void {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.length), whole = random.oneIn(2);
  const one = (): number => {
    const value = (random.below(2) ? 1 : -1) * (whole ? random.below(100) : (1 + random.below(1 << 30)) / (1 + random.below(1 << 20)));
    return random.oneIn(40) ? random.pick([0, -0, 5e-324, 1e-310, Infinity, NaN, 1e308, 2e-308, 1e-45]) : value;
  };
  for (let at = 160; at < 160 + 3 * 16; at += 8) {
    if (random.oneIn(3)) [0, 4].forEach(lane => view.setFloat32(at + lane, one(), true));
    else view.setFloat64(at, one(), true);
  }
}

describe(`sequences of float instructions, seed ${seed}`, () => {
  const module = compileInterpreter({ rows: ROWS, descriptions, helpers });
  for (const tiers of ['interpreter', 'eager'] as const) {
    it(tiers, () => {
      const random = new Random(seed), runner = new InstructionRunner(module, tiers), cases = new Cases(count);
      for (let i = 0; i < count; i++) {
        fillState(random, cases.state(i), random.pick([{}, {}, { modes: true }, { modes: true, unmasked: true }]));
        if (!random.oneIn(4)) fillNumbers(random, cases.state(i).fx);
        cases.code(i).fill(0xcc);
        cases.code(i).set(sequence(random));
      }
      const native = runNatively(cases), comparison = new InstructionComparison(ROWS.find(row => row.operation === 'ADDSD')!);
      for (let i = 0; i < count; i++) comparison.add(cases, i, runner.run(cases, i), native(i));
      expect(comparison.differences.slice(0, 8)).toEqual([]);
    }, 300_000);
  }
});
