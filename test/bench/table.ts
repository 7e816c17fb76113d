/** The table of the benchmarks: CPU seconds, ratios to native, whether results agree, geometric means by group. */

/** One run of a benchmark on an engine, as the driver writes it. */
export interface Run {
  readonly name: string;
  readonly engine: string;
  readonly error?: string;
  readonly rc?: number;
  /** CPU seconds of the thread that runs the guest. */
  readonly run?: number;
  /** User + system seconds, of native and QEMU. */
  readonly net?: number;
  readonly sec?: number;
  readonly check?: string;
  readonly counts?: Readonly<Record<string, number>>;
  readonly shares?: Readonly<Record<string, number>>;
}

export interface Measured {
  readonly started: string;
  readonly engines: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly runs: readonly Run[];
}

/** The engine that all are compared with. */
export const base = 'native-amd64';

export const groups = ['kernels, CPU', 'kernels, double', 'kernels, OS', 'programs'] as const;
export type Group = (typeof groups)[number];

const doubles = new Set(['k-nbody', 'k-mandel', 'k-math', 'k-matdbl']);
const systems = new Set(['k-syscall', 'k-pipe', 'k-fork', 'k-mmap', 'k-thread', 'k-signal', 'k-smc']);
/** Results that differ by nature: names and times of files, versions, the machine's speed. */
const varying = new Set(['find', 'tar', 'ls-R', 'dd-sys', 'gcc', 'py-start', 'node-start', 'bash-start']);

export function groupOf(name: string): Group {
  if (doubles.has(name)) return 'kernels, double';
  if (systems.has(name)) return 'kernels, OS';
  return name.startsWith('k-') ? 'kernels, CPU' : 'programs';
}

/** i386 programs may print other results. */
const isI386 = (engine: string): boolean => engine.startsWith('v86') || engine.includes('i386');

/** What is known of a benchmark on an engine. */
export interface Cell {
  /** Median of the runs of native and QEMU, which are many and short; the least of an emulator's few, which other load only slows. */
  readonly seconds?: number;
  readonly failure?: string;
  /** Whether the result is native's; undefined where it can't be compared. */
  readonly agrees?: boolean;
}

/** Median of the runs of native and QEMU, least of an emulator's. */
function secondsOf(runs: readonly Run[]): number {
  const seconds = runs.map(r => r.run ?? r.net ?? r.sec ?? NaN).sort((x, y) => x - y);
  return seconds[/^(native|qemu)/.test(runs[0]!.engine) ? (seconds.length - 1) >> 1 : 0]!;
}

/** Results of one or more runs: each is compared with native in its own run, and a later one replaces the earlier for what both measured. */
export class Results {
  readonly names: readonly string[];
  readonly engines: readonly string[];
  readonly #measured: readonly Measured[];

  constructor(measured: readonly Measured[]) {
    this.#measured = measured;
    const runs = measured.flatMap(m => m.runs);
    this.names = [...new Set(runs.map(r => r.name))];
    this.engines = [...new Set([base, ...runs.map(r => r.engine)])].filter(e => runs.some(r => r.engine === e));
  }

  cell(name: string, engine: string): Cell | undefined {
    const runs = this.#runs(name, engine);
    if (runs.length === 0) return undefined;
    const failed = runs.find(r => r.error !== undefined || r.rc);
    if (failed) return { failure: failed.error ?? `exit status ${failed.rc}` };
    const agrees = this.#agrees(name, engine, runs);
    return { seconds: secondsOf(runs), ...(agrees === undefined ? {} : { agrees }) };
  }

  /** The last run that measured it. */
  #measuredIn(name: string, engine: string): Measured | undefined {
    return this.#measured.findLast(m => m.runs.some(r => r.name === name && r.engine === engine));
  }

  #runs(name: string, engine: string): readonly Run[] {
    return this.#measuredIn(name, engine)?.runs.filter(r => r.name === name && r.engine === engine) ?? [];
  }

  #agrees(name: string, engine: string, runs: readonly Run[]): boolean | undefined {
    const expected = this.#runs(name, base)[0]?.check;
    if (varying.has(name) || expected === undefined || engine === base || isI386(engine)) return undefined;
    return runs.every(r => r.check === expected);
  }

  /** CPU seconds by those of native in the same run; undefined where either failed. */
  ratio(name: string, engine: string): number | undefined {
    const seconds = this.cell(name, engine)?.seconds;
    const native = this.#measuredIn(name, engine)?.runs.filter(r => r.name === name && r.engine === base && r.error === undefined && !r.rc) ?? [];
    return seconds === undefined || native.length === 0 ? undefined : Math.max(seconds, 0.001) / secondsOf(native);
  }

  /** Geometric mean of an engine's ratios, and of how many. */
  mean(engine: string, group?: Group): { value: number; count: number } {
    const ratios = this.names.filter(n => group === undefined || groupOf(n) === group).map(n => this.ratio(n, engine)).filter(r => r !== undefined);
    return { value: Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length), count: ratios.length };
  }

  /** Engines that are compared. */
  get others(): readonly string[] {
    return this.engines.filter(e => e !== base);
  }
}

const number = (value: number): string => (value < 10 ? value.toFixed(3) : value.toFixed(1));
const times = (value: number | undefined): string => (value === undefined || Number.isNaN(value) ? '–' : value < 100 ? value.toFixed(1) : value.toFixed(0));
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const head = (cells: readonly string[]): string[] => [row(cells), row(cells.map(() => '---'))];

/** Means by group, as Markdown. */
export function meansTable(results: Results): string {
  const lines = head(['ratio to native, geometric mean', ...results.others]);
  const cells = (group?: Group): string[] => results.others.map(engine => {
    const { value, count } = results.mean(engine, group);
    const wanted = results.names.filter(n => (group === undefined || groupOf(n) === group) && !n.endsWith('-sse')).length;
    return times(value) + (count < wanted ? ` (${count} of ${wanted})` : '');
  });
  for (const group of groups) if (results.names.some(n => groupOf(n) === group)) lines.push(row([group, ...cells(group)]));
  return [...lines, row(['all', ...cells()])].join('\n');
}

/** Every benchmark, as Markdown. */
export function fullTable(results: Results): string {
  const ours = results.others.filter(e => e.startsWith('ours'));
  const lines = head(['benchmark', 'native s', ...results.others.flatMap(e => [`${e} s`, 'x']), ...(ours.length > 0 ? ['result as native'] : [])]);
  for (const name of results.names) {
    const cells = results.others.flatMap(engine => {
      const cell = results.cell(name, engine);
      if (!cell) return ['', ''];
      return cell.seconds === undefined ? ['**failed**', '–'] : [number(cell.seconds), times(results.ratio(name, engine))];
    });
    const native = results.cell(name, base)?.seconds;
    lines.push(row([name, native === undefined ? '–' : number(native), ...cells, ...(ours.length > 0 ? [agreement(results, name, ours)] : [])]));
  }
  return lines.join('\n');
}

function agreement(results: Results, name: string, ours: readonly string[]): string {
  const cells = ours.map(engine => ({ engine, cell: results.cell(name, engine) })).filter(c => c.cell !== undefined);
  const failed = cells.filter(c => c.cell!.failure !== undefined || c.cell!.agrees === false);
  if (failed.length > 0) return failed.map(c => `**${c.engine}: ${c.cell!.failure === undefined ? 'differs' : 'failed'}**`).join(', ');
  return cells.some(c => c.cell!.agrees === true) ? 'yes' : varying.has(name) ? 'varies' : '';
}

/** Where time goes in the runs that were profiled: percent of what the guest's thread does, as the mean of a group's benchmarks; undefined if none was. */
export function sharesTable(measured: readonly Measured[]): string | undefined {
  const runs = measured.flatMap(m => m.runs).filter(run => run.shares !== undefined && run.error === undefined && !run.rc);
  if (runs.length === 0) return undefined;
  const parts = [...new Set(runs.flatMap(run => Object.keys(run.shares!)))];
  const percents = (chosen: readonly Run[]): string[] => parts.map(part => {
    const each = chosen.map(({ shares }) => (shares![part] ?? 0) / Object.values(shares!).reduce((sum, ms) => sum + ms, 0));
    return (each.reduce((sum, share) => sum + share, 0) / chosen.length * 100).toFixed(0);
  });
  const lines = head(['percent of time', ...parts]);
  for (const group of groups) {
    const chosen = runs.filter(run => groupOf(run.name) === group);
    if (chosen.length > 0) lines.push(row([`**${group}**`, ...percents(chosen)]));
  }
  lines.push(row(['**all**', ...percents(runs)]));
  for (const run of runs) lines.push(row([run.name, ...percents([run])]));
  return lines.join('\n');
}

/** What went wrong, and what ours is slower at than v86; one line each. */
export function remarks(results: Results): string[] {
  const lines: string[] = [];
  for (const name of results.names) {
    for (const engine of results.engines) {
      const cell = results.cell(name, engine);
      if (cell?.failure !== undefined) lines.push(`${name} failed on ${engine}: ${cell.failure.trim()}`);
      if (cell?.agrees === false) lines.push(`${name} on ${engine}: its result is not native's`);
      const [mine, v86] = [results.ratio(name, engine), results.ratio(name, 'v86-chromium')];
      if (engine.startsWith('ours') && mine !== undefined && v86 !== undefined && mine > v86) lines.push(`${name} on ${engine}: ${times(mine)} times native, v86 ${times(v86)}`);
    }
  }
  return lines;
}
