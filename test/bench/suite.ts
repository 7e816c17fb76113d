/**
 * The 61 benchmarks beside one another: native, QEMU user mode, v86 in Chromium, and ours under Node and in Chromium, every engine in turn
 * for every benchmark. The programs and the peers are those of a folder beside the project, which is copied and set up once (as root).
 */
import { build } from 'esbuild';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { root } from '../harness/run.ts';
import { makeBenchImage } from './disk.ts';
import { Results, base, fullTable, meansTable, remarks, sharesTable, type Measured } from './table.ts';

const shared = join(root, '../shared/bench');
const folder = join(root, 'build/bench');
const dist = join(root, 'dist');

/** Engines by the name on the command line; those with a script are ours, the others the folder's own. */
const engines: Readonly<Record<string, { readonly name: string; readonly script?: 'nodeHost' | 'chromiumHost'; readonly tiers?: 'jit' | 'interpreter'; readonly profiled?: boolean }>> = {
  native: { name: base },
  qemu: { name: 'qemu-x86_64' },
  v86: { name: 'v86-chromium' },
  'v86-node': { name: 'v86-node' },
  node: { name: 'ours-node', script: 'nodeHost', tiers: 'jit' },
  chromium: { name: 'ours-chromium', script: 'chromiumHost', tiers: 'jit' },
  profile: { name: 'ours-node-profiled', script: 'nodeHost', tiers: 'jit', profiled: true },
  'node-interpreter': { name: 'ours-node-interpreter', script: 'nodeHost', tiers: 'interpreter' },
  'chromium-interpreter': { name: 'ours-chromium-interpreter', script: 'chromiumHost', tiers: 'interpreter' },
};

export interface SuiteOptions {
  /** Names of benchmarks; empty for all. */
  readonly names: readonly string[];
  readonly engines: readonly string[];
  readonly repeats: number;
  /** Seconds that one benchmark may take. */
  readonly timeout: number;
  /** Where the results go as JSON. */
  readonly out: string;
  /** The folder with the peers, set up or yet to be made. */
  readonly peers: string;
  /** Results of before, for the table alone. */
  readonly tables: readonly string[];
}

export const suiteUsage = `usage: npm run bench [-- [options] NAME...]      benchmarks beside native, QEMU and v86 (all of them without a NAME)
  --engines=A,B     of ${Object.keys(engines).join(', ')} (native,qemu,v86,node,chromium)
                    (profile: ours under Node, with where its time goes)
  --repeats=N       runs of each (1)
  --timeout=SEC     for one benchmark (300)
  --out=FILE        JSON (build/bench/results.json); FILE.md gets the table
  --peers=FOLDER    where the peers are or are set up (build/bench/peers)
  --table=FILE      no runs: the table of these results; repeatable, several are one
npm run bench -- figures [NAME...]             loop getppid forkexec k-* boot idle: the headless VM beside the machine's own CPU, the start, the rest`;

/** Reads the arguments; undefined if they are not understood. */
export function parseSuite(args: readonly string[]): SuiteOptions | undefined {
  const options = { names: [] as string[], engines: ['native', 'qemu', 'v86', 'node', 'chromium'], repeats: 1, timeout: 300, out: join(folder, 'results.json'), peers: join(folder, 'peers'), tables: [] as string[] };
  for (const arg of args) {
    const [, name, value = ''] = /^--([a-z]+)=(.+)$/.exec(arg) ?? [];
    if (!arg.startsWith('-')) options.names.push(arg);
    else if (name === 'engines') options.engines = value.split(',');
    else if (name === 'repeats' && Number(value) >= 1) options.repeats = Number(value);
    else if (name === 'timeout' && Number(value) > 0) options.timeout = Number(value);
    else if (name === 'out') options.out = resolve(value);
    else if (name === 'peers') options.peers = resolve(value);
    else if (name === 'table') options.tables.push(value);
    else return undefined;
  }
  return options.engines.every(engine => Object.hasOwn(engines, engine)) ? options : undefined;
}

/** The folder with the peers, copied and set up if it isn't. */
function preparePeers({ peers, engines: chosen }: SuiteOptions): void {
  const v86 = chosen.some(e => e.startsWith('v86'));
  if (existsSync(join(peers, 'build/bench-amd64.ext2')) && (!v86 || existsSync(join(peers, 'build/kern/initrd.gz')))) return;
  if (!existsSync(shared)) throw new Error(`There is no folder ${shared} with the benchmarks; --peers=FOLDER names another.`);
  if (process.getuid?.() !== 0) throw new Error('Only root can set the benchmarks up: sudo npm run bench');
  console.log(`The benchmarks are set up in ${peers}: four minutes, once.`);
  cpSync(shared, peers, { recursive: true });
  execFileSync(join(peers, 'setup.sh'), v86 ? [] : ['--amd64-only'], { stdio: 'inherit' });
}

async function buildHosts(): Promise<void> {
  if (!existsSync(join(dist, 'worker.js')) || !existsSync(join(dist, 'engine.wasm'))) throw new Error('Nothing is built: npm run build');
  const entry = (name: string): string => join(root, 'test/bench/hosts', `${name}.ts`);
  const common = { bundle: true, logLevel: 'warning', sourcemap: 'inline' } as const;
  await build({ ...common, entryPoints: [entry('nodeHost'), entry('chromiumHost')], outdir: folder, outExtension: { '.js': '.mjs' }, platform: 'node', format: 'esm', target: 'node20', packages: 'external' });
  await build({ ...common, entryPoints: [entry('page')], outdir: folder, platform: 'browser', format: 'iife', target: 'es2022' });
}

/** The driver's argument for one of our engines. */
function hostArgument(engine: string, peers: string): string {
  const { name, script, tiers, profiled } = engines[engine]!;
  const args = script === 'nodeHost'
    ? [join(peers, 'build/bench-amd64.ext2'), join(dist, 'engine.wasm'), tiers, ...(profiled ? ['profile'] : [])]
    : [join(folder, 'image'), dist, join(folder, 'page.js'), tiers];
  return `--host=${name}=${process.execPath} --enable-source-maps ${join(folder, `${script}.mjs`)} ${args.join(' ')}`;
}

/** Runs the driver; its results. A benchmark that fails doesn't end it. */
async function measure(options: SuiteOptions): Promise<Measured> {
  const own = options.engines.filter(e => engines[e]!.script !== undefined);
  const others = options.engines.filter(e => engines[e]!.script === undefined).map(e => engines[e]!.name);
  const all = readFileSync(join(options.peers, 'bench/names'), 'utf8').split('\n').filter(name => name !== '' && !name.endsWith('-sse'));
  const unknown = options.names.filter(name => !all.includes(name));
  if (unknown.length > 0) throw new Error(`There is no benchmark ${unknown.join(', ')}; there are ${all.join(', ')}.`);
  rmSync(options.out, { force: true });
  const child = spawn(process.execPath, [
    join(options.peers, 'node/drive.mjs'), `--engines=${others.join(',')}`, ...own.map(e => hostArgument(e, options.peers)),
    `--reps=${options.repeats}`, `--timeout=${options.timeout}`, `--out=${options.out}`, ...(options.names.length > 0 ? options.names : all),
  ], { stdio: 'inherit' });
  await new Promise<void>((done, failed) => child.once('error', failed).once('close', () => done()));
  if (!existsSync(options.out)) throw new Error('The driver ended without results.');
  return JSON.parse(readFileSync(options.out, 'utf8')) as Measured;
}

/** Where and with what a run was made. */
function circumstances(measured: readonly Measured[]): string {
  const versions = new Map<string, string>();
  for (const { engines: known } of measured) for (const [name, { version }] of Object.entries(known)) if (typeof version === 'string') versions.set(name, version);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const kernel = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
  return [
    `${measured[0]!.started.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}, ${cpus().length} x ${cpus()[0]!.model}, Linux ${kernel}, Node ${process.version}`,
    ...[...versions].map(([name, version]) => `${name}: ${version}`),
  ].join('; ');
}

/** Runs what is asked for, prints the table and writes it beside the JSON. */
export async function runSuite(options: SuiteOptions): Promise<void> {
  let measured = options.tables.map(file => JSON.parse(readFileSync(file, 'utf8')) as Measured);
  if (measured.length === 0) {
    mkdirSync(folder, { recursive: true });
    preparePeers(options);
    await buildHosts();
    if (options.engines.some(e => engines[e]!.script === 'chromiumHost')) await makeBenchImage(join(options.peers, 'build/full-amd64'), join(options.peers, 'build/prepared-amd64'), join(folder, 'image'));
    measured = [await measure(options)];
  }
  const results = new Results(measured);
  const shares = sharesTable(measured);
  const text = [circumstances(measured), meansTable(results), fullTable(results), ...(shares ? [shares] : []), remarks(results).map(line => `- ${line}`).join('\n')].join('\n\n');
  console.log(`\n${text}`);
  if (options.tables.length === 0) writeFileSync(`${options.out}.md`, `${text}\n`);
}
