/**
 * Ours under Node as a host of the benchmark driver: `nodeHost.mjs DISK ENGINE.WASM TIERS [profile]` boots the headless VM's machine
 * once on a raw ext2 file, with an empty tmpfs at /tmp as natively, and runs `bench.sh NAME` as root for each line. With `profile` it also
 * says where the time went, and takes more of it.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Tiers } from '../../../webview/engine/engine.ts';
import { HostInputFile, HostOutputFile } from '../../../webview/kernel/files/hostStream.ts';
import { exitOf } from '../../../webview/vm/exitStatus.ts';
import { VirtualMachine } from '../../../webview/vm/machine.ts';
import { MachineProfile } from '../../../webview/vm/profile/machineProfile.ts';
import type { Sample } from '../../../webview/vm/profile/profiler.ts';
import { startCompiler } from '../../../webview/vm/node/compileWorker.ts';
import { openDisk } from '../../../webview/vm/node/disk.ts';
import { english } from '../../../webview/vm/sentence.ts';
import { say, serve } from './driver.ts';
import { Markers, type Mark, type Result } from './markers.ts';

/** Bytes that may be under way before the guest's writers wait. */
const window = 1 << 20;
const memory = 2 ** 30;

/** The thread that runs the guest is Node's main one; its clock, by /proc/PID/task/TID/schedstat, has no compilers of wasm in it. */
function now(): Mark {
  const nanoseconds = Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]);
  return { wall: performance.now(), cpu: nanoseconds / 1e9 };
}

/** Answers in the guest's place when its thread is stuck in a loop without an end, for the driver would wait for ever. */
function watch(milliseconds: number): () => void {
  const script = `setTimeout(() => require('fs').writeSync(1, JSON.stringify({ error: 'timeout, and the VM answers no more' }) + '\\n'), ${milliseconds + 3000})`;
  const worker = new Worker(script, { eval: true });
  return () => void worker.terminate();
}

/** Runs a command as root to its end; its exit code. `output` is called from inside the guest's writes. */
async function runCommand(machine: VirtualMachine, command: readonly string[], output: (text: string) => void, complain: (text: string) => void): Promise<number> {
  const { files } = machine.kernel;
  const input = files.hostStream(path => new HostInputFile(path));
  input.end();
  const stream = (take: (text: string) => void): HostOutputFile => {
    const file: HostOutputFile = files.hostStream(path => new HostOutputFile(path, bytes => {
      take(Buffer.from(bytes).toString('latin1'));
      setImmediate(() => file.acknowledge(bytes.length));
    }, window));
    return file;
  };
  return new Promise((done, failed) => {
    void machine.start({ user: 'root', command, cwd: '/', streams: [input, stream(output), stream(complain)], ended: status => done(exitOf(status).code) })
      .then(started => { if ('text' in started) failed(new Error(english(started))); }, failed);
  });
}

/** The numbers among the engine's counters that a benchmark changed. */
function difference(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([key, value]) => [key, value - (before[key] ?? 0)]).filter(([, value]) => value !== 0));
}

/** Milliseconds by part; time outside of the machine is not the guest's. */
function partsOf(samples: readonly Sample[]): Record<string, number> {
  const parts: Record<string, number> = { compiled: 0, interpreted: 0, compiling: 0, decoding: 0, 'system calls': 0, 'page faults': 0, disk: 0, other: 0 };
  const names: Readonly<Record<string, string>> = { decode: 'decoding', compile: 'compiling', 'page fault': 'page faults', disk: 'disk' };
  for (const sample of samples) {
    if (!('activity' in sample)) parts[sample.region < 0 ? 'interpreted' : 'compiled']! += sample.milliseconds;
    else if (sample.activity !== 'outside') parts[names[sample.activity] ?? (sample.activity.startsWith('system call') ? 'system calls' : 'other')]! += sample.milliseconds;
  }
  return parts;
}

class NodeHost {
  readonly #machine: VirtualMachine;
  readonly #profile: MachineProfile | undefined;
  /** Why the machine can't go on. */
  broken: Promise<Result>;

  constructor(machine: VirtualMachine, profile: MachineProfile | undefined, broken: Promise<Result>) {
    this.#machine = machine;
    this.#profile = profile;
    this.broken = broken;
  }

  async bench(name: string, milliseconds: number): Promise<Result> {
    let begin: Mark | undefined;
    let end: Mark | undefined;
    let complaints = '';
    let parts: Record<string, number> = {};
    let shares: Record<string, number> = {};
    const samples = this.#profile?.profiler.samples;
    const markers = new Markers(which => {
      if (which === 'begin') {
        begin = now();
        if (samples) parts = partsOf(samples);
      } else {
        end = now();
        if (samples) shares = difference(parts, partsOf(samples));
      }
    });
    const before = this.#machine.engine.statistics;
    const unwatch = watch(milliseconds);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Result>(done => { timer = setTimeout(() => done({ error: 'timeout' }), milliseconds); });
    const run = runCommand(this.#machine, ['/bin/bash', '/bench/bench.sh', name], text => markers.feed(text), text => { complaints += text; })
      .then(() => ({ ...markers.result(begin, end, complaints), counts: difference(before, this.#machine.engine.statistics), ...(samples ? { shares } : {}) }), (error: Error) => ({ error: error.message }));
    try {
      return await Promise.race([run, late, this.broken]);
    } finally {
      clearTimeout(timer);
      unwatch();
    }
  }
}

async function main(): Promise<void> {
  const [disk = '', engine = '', tiers = 'jit', profiled] = process.argv.slice(2), program = join(dirname(engine), 'headless.mjs');
  const profile = profiled === 'profile' ? new MachineProfile() : undefined;
  const started = now();
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const opened = await openDisk(disk, '', log);
  if (typeof opened === 'string') throw new Error(opened);
  let fail: (result: Result) => void = () => {};
  const broken = new Promise<Result>(done => { fail = done; });
  const machine = await VirtualMachine.boot({
    engine: await WebAssembly.compile(readFileSync(engine)), disk: opened.device, diskBlockSize: opened.blockSize, memory,
    tiers: tiers as Tiers, compileThread: tiers === 'jit' ? startCompiler(program) : undefined, profiler: profile?.profiler, log,
    failed: error => {
      if (error instanceof Error) log(error.stack ?? error.message);
      fail({ error: `the VM failed: ${error instanceof Error ? error.message : String(error)}` });
    },
  });
  profile?.start(machine);
  let said = '';
  const note = (text: string): void => { said += text; };
  const status = await runCommand(machine, ['mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], note, note);
  if (status !== 0) throw new Error(`no tmpfs at /tmp: ${said}`);
  const up = now();
  say({ boot: (up.wall - started.wall) / 1000, run: up.cpu - started.cpu, rss: process.memoryUsage().rss, version: `Node ${process.version}` });
  const host = new NodeHost(machine, profile, broken);
  await serve((name, milliseconds) => host.bench(name, milliseconds));
  process.exit(0);
}

main().catch((error: unknown) => {
  say({ error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
});
