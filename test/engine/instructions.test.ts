/**
 * Every instruction form that has a description, with random and adversarial operands, here and on the machine's CPU: registers, flags,
 * vector and x87 state, memory, signal and fault address must agree. Cases come in groups: one encoding with so many states, so that code
 * that was decoded and compiled once serves all of them.
 *
 * INSTRUCTIONS is a regular expression of operations, CASES the number of cases in all, SEED repeats a run. TIERS=interpreter,eager lets
 * these tiers run the same cases, STATES of a group; PIECE=3/10 is the third tenth of them. CASE=row.group is a single group.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { Decoder } from '../../webview/engine/x86/decoder.ts';
import { fateOf } from '../../webview/engine/x86/features.ts';
import { Instruction } from '../../webview/engine/x86/instruction.ts';
import { FLAG, type Row } from '../../webview/engine/x86/rows.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Cases, START, runNatively } from '../harness/cases.ts';
import { InstructionComparison } from '../harness/comparison.ts';
import { CompiledForms } from '../harness/compiledForms.ts';
import { compileInterpreter, InstructionRunner } from '../harness/instruction.ts';
import { Random } from '../harness/random.ts';
import { fillState, type Variation } from '../harness/randomCases.ts';
import { encode, type Encoding } from '../harness/randomEncoding.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import { expectedDifferences, toleratedPart, toleratedUnits } from './expectedDifferences.ts';
import { interpretedAtTimes, interpretedForms } from './interpretedForms.ts';

const environment = process.env;
const seed = Number(environment['SEED'] ?? 20261124);
const filter = new RegExp(`^(${environment['INSTRUCTIONS'] ?? '.*'})$`);
const total = Number(environment['CASES'] ?? 1_000_000);
const [piece, pieces] = (environment['PIECE'] ?? '1/1').split('/').map(Number) as [number, number];
const [onlyRow, onlyGroup] = (environment['CASE'] ?? '').split('.').map(Number);

interface Plan {
  readonly tiers: readonly ('interpreter' | 'eager')[];
  readonly cases: number;
  /** Of a group. */
  readonly states: number;
}

/** Without TIERS: many encodings interpreted, some of them compiled. */
const plans: readonly Plan[] = environment['TIERS'] === undefined
  ? [{ tiers: ['interpreter'], cases: total, states: 8 }, { tiers: ['eager'], cases: total / 5, states: 50 }]
  : [{ tiers: environment['TIERS'].split(',') as Plan['tiers'][number][], cases: total, states: Number(environment['STATES'] ?? 200) }];

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

const allRows = ROWS.filter(comparable), rows = onlyGroup === undefined ? allRows : allRows.filter(row => row.id === onlyRow);
const families = new Map<string, Row[]>();
for (const row of rows) families.set(row.operation, [...families.get(row.operation) ?? [], row]);
const decoder = new Decoder(64), module = compileInterpreter({ rows: ROWS, descriptions, helpers });

/** Floating-point instructions also run with plain numbers, other rounding modes and unmasked exceptions. */
const variations: readonly Variation[] = [{}, {}, { plain: true }, { modes: true }, { modes: true, unmasked: true }];
/** Cases that are made and compared at once, about. */
const batch = 4000;
/** Bytes of code: an instruction, INT3, and what is no instruction, so that compiled code ends there. */
const codeSize = 24, noInstruction = 0x06;

/** One plan: its cases, run here and natively. */
class Comparison {
  readonly #plan: Plan;
  readonly #runners: readonly { readonly tier: string; readonly runner: InstructionRunner }[];
  readonly forms = new CompiledForms();
  compared = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#runners = plan.tiers.map(tier => ({ tier, runner: new InstructionRunner(module, tier) }));
  }

  /** Differences of a row. */
  compare(row: Row): string[] {
    const { states, cases } = this.#plan, groups = Math.ceil(cases / Math.max(rows.length, 1) / states);
    const chosen = onlyGroup !== undefined ? [onlyGroup] : [...Array(groups).keys()].filter(group => group % pieces === piece - 1);
    const comparison = new InstructionComparison(row, toleratedUnits[row.operation]);
    const together = Math.ceil(batch / states);
    for (let at = 0; at < chosen.length; at += together) this.#compareGroups(row, chosen.slice(at, at + together), comparison);
    const most = chosen.length * states * this.#runners.length;
    if (comparison.tolerated > 10 + most * toleratedPart) comparison.differences.push(`${comparison.tolerated} of ${most} results differ in the last bit`);
    return comparison.differences;
  }

  #compareGroups(row: Row, groups: readonly number[], comparison: InstructionComparison): void {
    const { states } = this.#plan, cases = new Cases(groups.length * states, codeSize);
    const encodings = groups.map((group, i) => fill(row, group, cases, i * states, states));
    const native = runNatively(cases);
    for (const { tier, runner } of this.#runners) {
      for (let i = 0; i < cases.count; i++) {
        const result = native(i), at = Math.floor(i / states), encoding = encodings[at]!;
        comparison.add(cases, i, runner.run(cases, i), result, () => `SEED=${seed} TIERS=${tier} STATES=${states} CASE=${row.id}.${groups[at]}, state ${i % states}: `);
        // What it jumps to is interpreted the first time.
        if (tier === 'eager' && result.signal === 5) this.forms.add(encoding, runner.isCompiled, runner.ranCompiled || result.state.rip !== START + encoding.bytes.length);
      }
      this.compared += cases.count;
    }
  }

  /** A few encodings of a row that come to anything but #UD, or #GP of privileged ones. Registers must stay as they were. */
  accepted(row: Row, random: Random): string[] {
    const { runner } = this.#runners[0]!, cases = new Cases(1, codeSize), instruction = new Instruction();
    const found: string[] = [];
    for (let i = 0; i < 20; i++) {
      fill(row, random.next(), cases, 0, 1);
      // Prefixes may have made another instruction of it.
      if (decoder.decode(cases.code(0), 0, 16, instruction) <= 0 || instruction.row !== row.id) continue;
      const { signal, trap, state } = runner.run(cases, 0);
      const changed = [...Array(16).keys()].some(r => state.gpr(r) !== cases.state(0).gpr(r));
      const right = fateOf(row) === '#UD' ? signal === 4 : signal === 11 && trap === 13;
      if (!right || state.rip !== START || changed) found.push(`${row.source.join(' ')}: ${Buffer.from(cases.code(0)).toString('hex')}: signal ${signal}, trap ${trap}`);
    }
    return found;
  }
}

/** A group: an encoding of a row with `states` states, which are cases from `first` on. */
function fill(row: Row, group: number, cases: Cases, first: number, states: number): Encoding {
  const random = Random.of(seed, row.id, group), encoding = encode(random, row);
  for (let i = first; i < first + states; i++) {
    const state = cases.state(i);
    fillState(random, state, random.pick(variations));
    encoding.fit(random, state);
    cases.code(i).fill(0xcc).set([...encoding.bytes, 0xcc, noInstruction]);
  }
  return encoding;
}

/** Rows that user mode or this processor refuses, with what the engine must say. */
const refused = ROWS.filter(row => (row.flags & (FLAG.I64 | FLAG.ESCAPE)) === 0 && fateOf(row) !== 'executed' && filter.test(row.operation));

for (const plan of plans) {
  const comparison = new Comparison(plan);
  describe(`instructions, ${plan.tiers.join(' and ')}, seed ${seed}`, () => {
    for (const [operation, forms] of families) {
      it(operation, () => {
        const differences = forms.flatMap(row => comparison.compare(row));
        if (Object.hasOwn(expectedDifferences, operation)) expect(differences.length, expectedDifferences[operation]).toBeGreaterThan(0);
        else expect(differences.slice(0, 8)).toEqual([]);
      }, 300_000);
    }
    it('refuses what is not offered or not allowed', () => {
      const random = new Random(seed);
      expect(refused.flatMap(row => comparison.accepted(row, random)).slice(0, 8)).toEqual([]);
    });
    if (plan.tiers.includes('eager')) it('compiles all but what is left to the interpreter', () => {
      expect(comparison.forms.surprises(interpretedForms, interpretedAtTimes)).toEqual([]);
    });
    afterAll(() => console.log(`${comparison.compared} cases of ${rows.length} rows, seed ${seed}${plan.tiers.includes('eager') ? `; ${comparison.forms.summary}` : ''}`));
  });
}
