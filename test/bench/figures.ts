/**
 * Single figures (`npm run bench -- figures [NAME...]`): the headless VM beside the machine's own CPU, in one run, since machines are noisy:
 * ratios count. `os` is all that programs/os.c measures of system calls, faults and processes; `boot` and `idle` measure the VM in VS Code and
 * Chromium, and at rest. Prints a table and writes build/bench.json. The kernels are those of a benchmark folder beside the project, if there is one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from '../harness/run.ts';
import { headless } from '../harness/vm.ts';
import { bootFigures, idleFigures, showFigures } from './boot.ts';
import type { Figure } from './processes.ts';

const folder = join(root, 'build/bench');
const kernels = join(root, '../shared/bench/bench/kern.c');
const cpuKernels = ['sieve', 'matint', 'qsort', 'crc32', 'sha256', 'strings', 'malloc', 'vm', 'calls', 'int64', 'list'];
const doubleKernels = ['matdbl', 'nbody', 'mandel', 'math'];
const osKernels = ['syscall', 'pipe', 'fork', 'mmap', 'thread', 'signal', 'smc'];

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly native: number;
  readonly ours: number;
  /** Millions of guest instructions a second. */
  readonly rate?: number;
  readonly agrees?: boolean;
}

function compile(source: string, program: string): void {
  execFileSync('gcc', ['-O2', '-static', '-o', join(folder, program), source, '-lm', '-lpthread'], { stdio: 'inherit' });
}

/** Runs a program of the folder in the VM; output, and the figures of --stats. */
async function inVm(args: readonly string[]): Promise<{ output: string; stats: { instructions: number; cpuSeconds: number } }> {
  const stats = join(folder, 'stats.json');
  const outcome = await run(process.execPath, [headless, '--user', 'root', '--mount', `${folder}:/mnt/host`, `--stats=${stats}`, '--', ...args], { timeoutSeconds: 600 });
  if (outcome.status !== 0) throw new Error(`${args.join(' ')}: status ${outcome.status}: ${outcome.stderr}`);
  return { output: outcome.stdout, stats: JSON.parse(readFileSync(stats, 'utf8')) };
}

/** What the system costs: nanoseconds an operation of os.c's benchmarks that are wanted. */
async function osRows(wanted: (name: string) => boolean): Promise<Row[]> {
  const program = join(folder, 'os');
  const names = (await run(program, [])).stdout.trim().split('\n').filter(name => wanted(name) || wanted('os'));
  if (names.length === 0) return [];
  const native = perOperation((await run(program, names, { timeoutSeconds: 600 })).stdout);
  const ours = perOperation((await inVm(['/mnt/host/os', ...names])).output);
  return names.map(name => ({ name, unit: 'ns', native: native.get(name)!, ours: ours.get(name)! }));
}

/** os.c's output: name and nanoseconds a line. */
function perOperation(output: string): Map<string, number> {
  return new Map(output.trim().split('\n').map(line => {
    const [name = '', nanoseconds] = line.split(' ');
    return [name, Number(nanoseconds)] as const;
  }));
}

async function kernelRow(name: string, idle: { instructions: number; cpuSeconds: number }): Promise<Row> {
  const started = process.hrtime.bigint();
  const native = await run(join(folder, 'kern'), [name]);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const { output, stats } = await inVm(['/mnt/host/kern', name]);
  const ours = stats.cpuSeconds - idle.cpuSeconds;
  return { name: `k-${name}`, unit: 's', native: seconds, ours, rate: (stats.instructions - idle.instructions) / ours / 1e6, agrees: output === native.stdout };
}

const mean = (values: readonly number[]): number => Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);

function show(rows: readonly Row[]): void {
  console.log('| benchmark | native | VM | unit | ratio | M instr/s | same result |\n| --- | --- | --- | --- | --- | --- | --- |');
  for (const r of rows) {
    console.log(`| ${r.name} | ${r.native.toFixed(3)} | ${r.ours.toFixed(3)} | ${r.unit} | ${(r.ours / r.native).toFixed(1)} | ${r.rate?.toFixed(0) ?? ''} | ${r.agrees === undefined ? '' : r.agrees ? 'yes' : 'NO'} |`);
  }
  for (const [group, names] of Object.entries({ cpu: cpuKernels, double: doubleKernels, os: osKernels })) {
    const chosen = rows.filter(r => names.some(n => r.name === `k-${n}`));
    if (chosen.length === 0) continue;
    console.log(`${group}: ${mean(chosen.map(r => r.ours / r.native)).toFixed(1)} times native, ${mean(chosen.map(r => r.rate!)).toFixed(0)} M instr/s (geometric means of ${chosen.length})`);
  }
}

/** Measures what is named, or all. */
export async function runFigures(chosen: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  compile(join(root, 'test/bench/programs/os.c'), 'os');
  const wanted = (name: string): boolean => chosen.length === 0 || chosen.includes(name);
  const rows: Row[] = [];
  const idle = (await inVm(['/bin/true'])).stats;
  rows.push(...await osRows(wanted));
  if (existsSync(kernels)) {
    compile(kernels, 'kern');
    for (const name of [...cpuKernels, ...doubleKernels, ...osKernels]) {
      if (!wanted(`k-${name}`)) continue;
      try {
        rows.push(await kernelRow(name, idle));
      } catch (error) {
        console.log(`k-${name} failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } else console.log('No benchmark folder beside the project: the kernels are left out.');
  if (rows.length > 0) show(rows);
  const figures: Figure[] = [];
  if (wanted('boot')) figures.push(...await bootFigures());
  if (wanted('idle')) figures.push(...await idleFigures());
  if (figures.length > 0) showFigures(figures);
  writeFileSync(join(root, 'build/bench.json'), JSON.stringify({ date: new Date().toISOString(), node: process.version, rows, figures }, undefined, 1));
}
