/**
 * Random sequences of instructions (harness/randomSequences.ts), compiled as soon as they are met, and on the machine's CPU: registers,
 * flags, xmm, memory, and where and why they end must agree. CASES is the number of sequences, SEED repeats a run, TIERS=interpreter is
 * the other tier.
 */
import { expect, it } from 'vitest';
import { Cases, START, runNatively, type NativeResult } from '../harness/cases.ts';
import { compileInterpreter, InstructionRunner } from '../harness/instruction.ts';
import { Random } from '../harness/random.ts';
import { fillState } from '../harness/randomCases.ts';
import { randomSequence, type Sequence } from '../harness/randomSequences.ts';
import { Disassembler } from '../../webview/engine/x86/disassembler.ts';
import { Decoder } from '../../webview/engine/x86/decoder.ts';
import { Instruction } from '../../webview/engine/x86/instruction.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';

const seed = Number(process.env['SEED'] ?? 20261124), total = Number(process.env['CASES'] ?? 4000);
const tiers = process.env['TIERS'] === 'interpreter' ? 'interpreter' : 'eager';
/** Bytes of the longest sequence. */
const codeSize = 480;
const hex = (value: bigint | number): string => value.toString(16);

function differences(ours: NativeResult, native: NativeResult, { undefinedAt }: Sequence): string[] {
  const found: string[] = [];
  const say = (what: string, a: bigint | number, b: bigint | number): void => { if (a !== b) found.push(`${what} ${hex(a)}, not ${hex(b)}`); };
  const vector = (trap: number): number => (trap === 12 ? 13 : trap);
  say('trap', vector(ours.trap), vector(native.trap));
  if (native.state.rip < 2 ** 53) say('rip', ours.state.rip, native.state.rip);
  if (native.trap === 14) {
    say('error', ours.error & 18, native.error & 18);
    say('address', ours.address, native.address);
  }
  for (let r = 0; r < 16; r++) say(`r${r}`, ours.state.gpr(r), native.state.gpr(r));
  const mask = 0xcd5 & ~(undefinedAt.get(native.state.rip - START) ?? 0);
  say('flags', ours.state.rflags & mask, native.state.rflags & mask);
  const part = (what: string, a: Uint8Array, b: Uint8Array): void => {
    const at = a.findIndex((byte, i) => byte !== b[i]);
    if (at >= 0) found.push(`${what} + ${at}: ${Buffer.from(a.subarray(at & ~7, (at & ~7) + 8)).toString('hex')}, not ${Buffer.from(b.subarray(at & ~7, (at & ~7) + 8)).toString('hex')}`);
  };
  part('MXCSR', ours.state.fx.subarray(24, 28), native.state.fx.subarray(24, 28));
  part('xmm', ours.state.fx.subarray(160, 416), native.state.fx.subarray(160, 416));
  part('window', ours.state.window, native.state.window);
  return found;
}

function listing(bytes: readonly number[]): string {
  const code = Uint8Array.from([...bytes, ...Array(16).fill(0xcc)]), instruction = new Instruction(), decoder = new Decoder(64), disassembler = new Disassembler(64);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = decoder.decode(code, at, code.length, instruction);
    if (length <= 0) return `${lines.join('\n')}\n  ${hex(START + at)}  no instruction`;
    lines.push(`  ${hex(START + at)}  ${disassembler.format(instruction, code, at, START + at)}`);
    at += length;
  }
  return lines.join('\n');
}

it(`sequences in tier ${tiers}, seed ${seed}`, () => {
  const random = new Random(seed), runner = new InstructionRunner(compileInterpreter({ rows: ROWS, descriptions, helpers }), tiers);
  const found: string[] = [];
  let whole = 0;
  for (let done = 0; done < total && found.length < 3; done += 1000) {
    const count = Math.min(1000, total - done), cases = new Cases(count, codeSize);
    const sequences = Array.from({ length: count }, (_, i): Sequence => {
      const state = cases.state(i);
      fillState(random, state, {});
      const sequence = randomSequence(random, state, 5 + random.below(26));
      cases.code(i).fill(0xcc);
      cases.code(i).set(sequence.bytes);
      return sequence;
    });
    const native = runNatively(cases);
    for (let i = 0; i < count; i++) {
      const result = native(i), wrong = differences(runner.run(cases, i), result, sequences[i]!);
      if (result.signal === 5) whole++;
      if (wrong.length > 0) found.push(`sequence ${done + i}, ended at ${hex(result.state.rip)}: ${wrong.join('; ')}\n${listing(sequences[i]!.bytes)}`);
    }
  }
  expect(found.slice(0, 3).join('\n')).toBe('');
  // Most must come to their end, or little is compared.
  expect(whole / total).toBeGreaterThan(0.4);
});
