/**
 * Every instruction form that has a description, with random and adversarial operands, here and on the machine's CPU: registers, flags,
 * vector and x87 state, memory, signal and fault address must agree. INSTRUCTIONS is a regular expression of operations, CASES the number
 * of cases in all, SEED repeats a run.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { fateOf } from '../../webview/engine/x86/features.ts';
import { FLAG, type Row } from '../../webview/engine/x86/rows.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Cases, runNatively } from '../harness/cases.ts';
import { InstructionComparison } from '../harness/comparison.ts';
import { compileInterpreter, InstructionRunner } from '../harness/instruction.ts';
import { Random, encode, fillState, type Variation } from '../harness/randomCases.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const filter = new RegExp(`^(${process.env['INSTRUCTIONS'] ?? '.*'})$`);
const total = Number(process.env['CASES'] ?? 1_000_000);

/** What can't be compared: it leaves for the kernel, asks about the processor, or would take segments from under the native runner. */
const incomparable = /^(SYSCALL|SYSENTER|CPUID|RDTSC|RDTSCP|INT)$/;

function comparable(row: Row): boolean {
  if ((row.flags & (FLAG.I64 | FLAG.ESCAPE)) !== 0 || fateOf(row) !== 'executed' || !Object.hasOwn(descriptions, row.operation)) return false;
  if (row.source[0] === '0F 0D reg') return false; // NOP to Intel, #UD to AMD
  return !incomparable.test(row.operation) && !/\b(Sw|FS|GS)\b/.test(row.source[2] ?? '') && filter.test(row.operation);
}

const rows = ROWS.filter(comparable);
const families = new Map<string, Row[]>();
for (const row of rows) families.set(row.operation, [...families.get(row.operation) ?? [], row]);
const perRow = Math.ceil(total / Math.max(rows.length, 1));
const runner = new InstructionRunner(compileInterpreter({ rows: ROWS, descriptions, helpers }));
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
  const comparison = new InstructionComparison(row);
  for (let i = 0; i < perRow; i++) comparison.add(cases, i, runner.run(cases, i), native(i));
  compared += perRow;
  return comparison.differences;
}

describe(`instructions, seed ${seed}`, () => {
  for (const [operation, forms] of families) {
    it(operation, () => {
      const random = new Random(seed + forms[0]!.id);
      const differences = forms.flatMap(row => compare(row, random));
      expect(differences.slice(0, 8)).toEqual([]);
    });
  }
  afterAll(() => console.log(`${compared} cases of ${rows.length} rows, seed ${seed}`));
});
