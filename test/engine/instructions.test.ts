/**
 * Every instruction form that has a description, with random and adversarial operands, here and on the machine's CPU: registers, flags,
 * vector and x87 state, memory, signal and fault address must agree. INSTRUCTIONS is a regular expression of operations, CASES the number
 * of cases in all, SEED repeats a run.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { Decoder } from '../../webview/engine/x86/decoder.ts';
import { fateOf } from '../../webview/engine/x86/features.ts';
import { Instruction } from '../../webview/engine/x86/instruction.ts';
import { FLAG, type Row } from '../../webview/engine/x86/rows.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Cases, START, runNatively } from '../harness/cases.ts';
import { InstructionComparison } from '../harness/comparison.ts';
import { compileInterpreter, InstructionRunner } from '../harness/instruction.ts';
import { Random } from '../harness/random.ts';
import { encode, fillState, type Variation } from '../harness/randomCases.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import { expectedDifferences, toleratedPart, toleratedUnits } from './expectedDifferences.ts';

const seed = Number(process.env['SEED'] ?? 20261124);
const filter = new RegExp(`^(${process.env['INSTRUCTIONS'] ?? '.*'})$`);
const total = Number(process.env['CASES'] ?? 1_000_000);

/**
 * What can't be compared: it leaves for the kernel, asks about the processor, is emulated by Linux, or would take segments from under the
 * native runner.
 */
const incomparable = /^(SYSCALL|SYSENTER|CPUID|RDTSC|RDTSCP|INT|INT1|SGDT|SIDT|SLDT|STR|SMSW|LFS|LGS)$/;

function comparable(row: Row): boolean {
  if ((row.flags & (FLAG.I64 | FLAG.ESCAPE)) !== 0 || !filter.test(row.operation)) return false;
  // Control registers that don't exist are #UD to the machine, #GP to us.
  if (fateOf(row) === '#GP' || (row.flags & FLAG.UD) !== 0) return row.operation !== 'MOV';
  if (fateOf(row) !== 'executed' || !Object.hasOwn(descriptions, row.operation)) return false;
  if (row.source[0] === '0F 0D reg') return false; // NOP to Intel, #UD to AMD
  if (row.source[0] === 'CA') return false; // RETF n: the machine looks for an outer stack behind the n bytes before it refuses a selector
  return !incomparable.test(row.operation) && !/\b(Sw|FS|GS)\b/.test(row.source[2] ?? '');
}

const rows = ROWS.filter(comparable);
const families = new Map<string, Row[]>();
for (const row of rows) families.set(row.operation, [...families.get(row.operation) ?? [], row]);
const perRow = Math.ceil(total / Math.max(rows.length, 1));
/** Interpreted, or with TIERS=eager compiled. */
const tiers = process.env['TIERS'] === 'eager' ? 'eager' : 'interpreter';
const runner = new InstructionRunner(compileInterpreter({ rows: ROWS, descriptions, helpers }), tiers);
let compared = 0;

/** Floating-point instructions also run with other rounding modes and unmasked exceptions. */
const variations: readonly Variation[] = [{}, {}, { modes: true }, { modes: true, unmasked: true }];

function compare(row: Row, random: Random): string[] {
  const cases = new Cases(perRow);
  for (let i = 0; i < perRow; i++) {
    const state = cases.state(i);
    fillState(random, state, random.pick(variations));
    while (!encode(random, row, cases.code(i), state)) { /* too long: again */ }
  }
  const native = runNatively(cases);
  const comparison = new InstructionComparison(row, toleratedUnits[row.operation]);
  for (let i = 0; i < perRow; i++) comparison.add(cases, i, runner.run(cases, i), native(i));
  compared += perRow;
  if (comparison.tolerated > 10 + perRow * toleratedPart) comparison.differences.push(`${comparison.tolerated} of ${perRow} results differ in the last bit`);
  return comparison.differences;
}

/** Rows that user mode or this processor refuses, with what the engine must say. */
const refused = ROWS.filter(row => (row.flags & (FLAG.I64 | FLAG.ESCAPE)) === 0 && fateOf(row) !== 'executed' && filter.test(row.operation));

/** A few encodings of a row that come to anything but #UD, or #GP of privileged ones. Registers must stay as they were. */
function accepted(row: Row, random: Random): string[] {
  const cases = new Cases(1), decoder = new Decoder(64), instruction = new Instruction();
  const found: string[] = [];
  for (let i = 0; i < 20; i++) {
    fillState(random, cases.state(0), {});
    while (!encode(random, row, cases.code(0), cases.state(0))) { /* too long: again */ }
    // Prefixes may have made another instruction of it.
    if (decoder.decode(cases.code(0), 0, 16, instruction) <= 0 || instruction.row !== row.id) continue;
    const { signal, trap, state } = runner.run(cases, 0);
    const changed = [...Array(16).keys()].some(r => state.gpr(r) !== cases.state(0).gpr(r));
    const right = fateOf(row) === '#UD' ? signal === 4 : signal === 11 && trap === 13;
    if (!right || state.rip !== START || changed) found.push(`${row.source.join(' ')}: ${Buffer.from(cases.code(0)).toString('hex')}: signal ${signal}, trap ${trap}`);
  }
  return found;
}

describe(`instructions, seed ${seed}`, () => {
  for (const [operation, forms] of families) {
    it(operation, () => {
      const random = new Random(seed + forms[0]!.id);
      const differences = forms.flatMap(row => compare(row, random));
      if (Object.hasOwn(expectedDifferences, operation)) expect(differences.length, expectedDifferences[operation]).toBeGreaterThan(0);
      else expect(differences.slice(0, 8)).toEqual([]);
    });
  }
  it('refuses what is not offered or not allowed', () => {
    const random = new Random(seed);
    expect(refused.flatMap(row => accepted(row, random)).slice(0, 8)).toEqual([]);
  });
  afterAll(() => console.log(`${compared} cases of ${rows.length} rows, seed ${seed}`));
});
