/**
 * Random programs of functions, loops and jump tables (harness/randomControlFlow.ts) end with the same registers and memory whichever tiers
 * run them, wherever their runs are cut. CASES is the number of programs, SEED repeats a run, PROGRAM runs one of its programs alone.
 */
import { expect, it, vi } from 'vitest';
import { Engine, type Tiers } from '../../webview/engine/engine.ts';
import type { CompileThread } from '../../webview/engine/jit/compileMessages.ts';
import type { PageTables } from '../../webview/engine/mmu/addressSpace.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import type { EngineThread } from '../../webview/engine/thread.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Exit, Reg } from '../../webview/kernel/cpu.ts';
import { compileInterpreter } from '../harness/instruction.ts';
import { LateCompiler } from '../harness/lateCompiler.ts';
import { Random } from '../harness/random.ts';
import { CODE, DATA, DATA_SIZE, STACK, STACK_SIZE, TABLES, TABLES_SIZE, randomControlFlow, type Program } from '../harness/randomControlFlow.ts';

/** In programs so short nothing would be hot: looks where they are 64 times as often, and doesn't go by the clock, so that a seed repeats a run. */
vi.mock('../../webview/engine/jit/profile.ts', async original => {
  const { Profile } = await original<typeof import('../../webview/engine/jit/profile.ts')>(), factor = 64;
  return {
    Profile: class extends Profile {
      override get interval(): number { return this.isEager ? super.interval : super.interval / factor | 0; }
      override inCompiled(jumps: number): void { super.inCompiled(jumps * factor); }
      override compiled(): void { super.compiled(0); }
    },
  };
});

const seed = Number(process.env['SEED'] ?? 20261125), total = Number(process.env['CASES'] ?? 40);
const only = process.env['PROGRAM'] === undefined ? undefined : Number(process.env['PROGRAM']);
const module = compileInterpreter({ rows: ROWS, descriptions, helpers });
/** Registers and memory that a program starts with: a program is run with several, by turns. */
interface Start {
  readonly gprs: readonly (readonly [low: number, high: number])[];
  readonly rsp: number;
  readonly data: Uint8Array;
  readonly stack: Uint8Array;
  readonly fpu: Uint8Array;
}
const starts = 3;
/** Instructions at which a run is cut. */
const budgets = [64, 65, 100, 333, 1000, 5000];
/** How often a program runs in one engine: `jit` has to find out first what is hot. */
const runs = { interpreter: starts, jit: 15, elsewhere: 15, eager: 9 };

function randomStart(random: Random): Start {
  const fpu = new Uint8Array(512);
  fpu.set([0x7f, 3]);
  fpu.set([0x80, 0x1f], 24);
  fpu.set(random.bytes(256), 160);
  return {
    gprs: Array.from({ length: 16 }, () => (random.oneIn(3) ? [random.below(100), 0] : [random.next(), random.next()] as const)),
    rsp: STACK + 0x3000 + 8 * random.below(60) + (random.oneIn(3) ? random.below(8) : 0),
    data: random.bytes(DATA_SIZE), stack: random.bytes(STACK_SIZE), fpu,
  };
}

/** An engine with a program in memory. Pages that follow each other don't do so in physical memory. */
class Machine {
  readonly engine: Engine;
  readonly #space: PageTables;
  readonly #thread: EngineThread;
  readonly #program: Program;
  /** Page by address. */
  readonly #frames = new Map<number, number>();

  constructor(tiers: Tiers, program: Program, log: (line: string) => void, compileThread?: CompileThread) {
    this.engine = new Engine({ module, frames: 64, now: () => 0, tiers, log, compileThread });
    this.#space = this.engine.createAddressSpace()!;
    this.#thread = this.engine.createThread();
    this.#program = program;
    const areas = [[CODE, program.code.length, 5], [TABLES, TABLES_SIZE, 1], [DATA, DATA_SIZE, 3], [STACK, STACK_SIZE, 3]] as const;
    for (const [start, size, access] of areas) {
      for (let page = Math.ceil(size / 4096) - 1; page >= 0; page--) {
        const frame = this.engine.frames.allocate();
        this.#frames.set(start + page * 4096, frame);
        this.#space.map(start + page * 4096, frame, access);
      }
    }
    this.#write(CODE, program.code);
    this.#write(TABLES, program.tables);
  }

  #write(address: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 4096) {
      const frame = this.#frames.get(address + at)!;
      this.engine.frames.bytes.set(bytes.subarray(at, at + 4096), frame * 4096);
      this.engine.frames.written(frame);
    }
  }
  #read(address: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 4096) bytes.set(this.engine.frames.view(this.#frames.get(address + at)!), at);
    return bytes;
  }

  /** Runs the program to its end in turns of what `budget` says, and gives what is there then, each under its name. */
  run(start: Start, budget: () => number, between = (): void => {}): Map<string, string> {
    const thread = this.#thread, before = thread.instructions;
    start.gprs.forEach(([low, high], reg) => thread.setHalves(reg, low, high));
    thread.set(Reg.rsp, start.rsp);
    thread.set(Reg.rbx, DATA + 4096);
    thread.set(Reg.r12, DATA + 4096 - 24);
    thread.rflags = 0x202;
    thread.loadFpu(start.fpu);
    this.#write(DATA, start.data);
    this.#write(STACK, start.stack);
    thread.rip = this.#program.entry;
    let exit: number = Exit.budget;
    while (exit === Exit.budget && thread.instructions - before < 4 * this.#program.cost) {
      exit = this.engine.run(thread, this.#space, budget());
      between();
    }
    return this.#result(exit);
  }
  #result(exit: number): Map<string, string> {
    const thread = this.#thread, fpu = new Uint8Array(512);
    thread.saveFpu(fpu);
    const result = new Map([['exit', String(exit)], ['rip', thread.rip.toString(16)], ['flags', thread.rflags.toString(16)]]);
    for (const [name, reg] of Object.entries(Reg)) result.set(name, `${thread.getHigh(reg).toString(16)}:${(thread.getInt(reg) >>> 0).toString(16)}`);
    result.set('mxcsr', Buffer.from(fpu.subarray(24, 28)).toString('hex'));
    for (let i = 0; i < 16; i++) result.set(`xmm${i}`, Buffer.from(fpu.subarray(160 + 16 * i, 176 + 16 * i)).toString('hex'));
    for (const [address, size] of [[DATA, DATA_SIZE], [STACK, STACK_SIZE]] as const) {
      const bytes = Buffer.from(this.#read(address, size).buffer);
      for (let at = 0; at < size; at += 8) result.set(`8 bytes at ${(address + at).toString(16)}`, bytes.toString('hex', at, at + 8));
    }
    return result;
  }
  get instructions(): number { return this.#thread.instructions; }
}

function differences(ours: ReadonlyMap<string, string>, expected: ReadonlyMap<string, string>): string {
  const wrong = [...ours].filter(([name, value]) => value !== expected.get(name));
  return wrong.slice(0, 12).map(([name, value]) => `${name} ${value}, not ${expected.get(name)}`).join('; ');
}

/** What is wrong in a program, and what has been done to find that. */
function tryProgram(number: number, counts: { instructions: number; compiled: Record<Exclude<keyof typeof runs, 'interpreter'>, number> }): string[] {
  const random = new Random(Math.imul(seed, 0x9e3779b1) + Math.imul(number, 0x85ebca6b)), program = randomControlFlow(random);
  const states = Array.from({ length: starts }, () => randomStart(random));
  const interpreter = new Machine('interpreter', program, () => {}), expected = states.map(start => interpreter.run(start, () => 1 << 24));
  const found = expected.flatMap((result, i) => (result.get('exit') === String(Exit.syscall) ? [] : [`start ${i} ended with ${result.get('exit')} at ${result.get('rip')}`]));
  counts.instructions += interpreter.instructions / starts;
  for (const tiers of ['interpreter', 'jit', 'elsewhere', 'eager'] as const) {
    const late = tiers === 'elsewhere' ? new LateCompiler() : undefined;
    const machine = new Machine(late ? 'jit' : tiers as Tiers, program, line => found.push(line), late);
    for (let run = 0; run < runs[tiers] && found.length === 0; run++) {
      const budget = random.pick([...budgets, 0]);
      const ended = machine.run(states[run % starts]!, () => budget || random.pick(budgets), () => late?.work(random.below(3), random.below(3)));
      const wrong = differences(ended, expected[run % starts]!);
      if (wrong) found.push(`${tiers}, run ${run}, budget ${budget || 'mixed'}: ${wrong}`);
    }
    if (tiers !== 'interpreter') counts.compiled[tiers] += machine.engine.statistics.regionsCompiled;
  }
  return found.map(text => `seed ${seed}, program ${number}: ${text}`);
}

it(`control flow in all tiers, seed ${seed}`, () => {
  const found: string[] = [], counts = { instructions: 0, compiled: { jit: 0, elsewhere: 0, eager: 0 } };
  const numbers = only === undefined ? Array.from({ length: total }, (_, i) => i) : [only];
  for (const number of numbers) if (found.length < 3) found.push(...tryProgram(number, counts));
  if (process.env['VERBOSE']) console.log(counts);
  expect(found.join('\n')).toBe('');
  // Programs are long enough, and compiled.
  expect(counts.instructions / numbers.length).toBeGreaterThan(only === undefined ? 10_000 : 0);
  expect(counts.compiled.jit).toBeGreaterThan(only === undefined ? numbers.length : -1);
  expect(counts.compiled.elsewhere).toBeGreaterThan(only === undefined ? numbers.length : -1);
  expect(counts.compiled.eager).toBeGreaterThan(numbers.length);
}, 120_000);
