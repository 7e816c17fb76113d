/** The headless VM: `npm run -s vm -- [options] [--] COMMAND`. See options.ts for the options, product page for the exit status. */
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TierDifference } from '../../engine/check/report.ts';
import type { HostTerminal } from '../../kernel/tty/hostTerminal.ts';
import { HostInputFile, HostOutputFile } from '../../kernel/files/hostStream.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { runAsync } from '../../lib/wait.ts';
import { BootError } from '../bootError.ts';
import { exitOf } from '../exitStatus.ts';
import { VirtualMachine } from '../machine.ts';
import { MachineProfile } from '../profile/machineProfile.ts';
import { reportText, speedscope } from '../profile/report.ts';
import { english } from '../sentence.ts';
import { serveIfCompiler, startCompiler } from './compileWorker.ts';
import { exportDisk, openDisk, type OpenedDisk } from './disk.ts';
import { NodeHostFiles } from './hostFiles.ts';
import { parseOptions, usage, UsageError, type Options } from './options.ts';
import { gatherStats, statsText } from './stats.ts';

/** A fault of ours. */
const faultStatus = 125;
const here = dirname(fileURLToPath(import.meta.url));

/** Where built images are: beside the program in a package, else in the project's build folder. */
function imagesFolder(): string {
  const beside = join(here, 'images');
  return existsSync(beside) ? beside : join(here, '../build/images');
}

function complain(sentence: string): void {
  process.stderr.write(`linux-vm: ${sentence}\n`);
}

/** Writes lines to a file, or to standard error for ''. */
function lineWriter(file: string): (line: string) => void {
  const fd = file === '' ? 2 : openSync(file, 'w');
  return line => { writeSync(fd, `${line}\n`); };
}

async function open(options: Options): Promise<OpenedDisk> {
  const disk = await openDisk(options.disk, imagesFolder(), complain);
  if (typeof disk === 'string') throw new BootError(disk);
  return disk;
}

async function boot(options: Options, disk: OpenedDisk, profile: MachineProfile | undefined): Promise<VirtualMachine> {
  const file = join(here, 'engine.wasm');
  if (!existsSync(file)) throw new BootError('The engine is not built: run npm run build.');
  return VirtualMachine.boot({
    engine: await WebAssembly.compile(readFileSync(file)), disk: disk.device, diskBlockSize: disk.blockSize, memory: options.memory * 2 ** 20, tiers: options.engine,
    compileThread: options.engine === 'jit' ? startCompiler(fileURLToPath(import.meta.url)) : undefined,
    log: complain, trace: options.strace === undefined ? undefined : lineWriter(options.strace),
    hostMounts: options.mounts.map(m => ({ files: new NodeHostFiles(resolve(m.host)), guest: m.guest, readOnly: m.readOnly })),
    failed: error => {
      if (error instanceof TierDifference) {
        process.stderr.write(`${error.message}\n`);
        process.exit(faultStatus);
      }
      complain(`the VM failed: ${error instanceof Error ? error.message : String(error)}`);
      if (error instanceof Error && error.stack) process.stderr.write(`${error.stack}\n`);
      process.exit(faultStatus);
    },
    halted: () => process.exit(0), profiler: profile?.profiler,
  });
}

/** Standard streams that are no terminal, as files of the guest. */
function connectStreams(machine: VirtualMachine): readonly [OpenFile, OpenFile, OpenFile] {
  const { files } = machine.kernel;
  const input = files.hostStream(path => new HostInputFile(path, () => process.stdin.resume()));
  process.stdin.on('data', (data: Buffer) => {
    input.push(new Uint8Array(data));
    process.stdin.pause();
  });
  process.stdin.on('end', () => input.end());
  process.stdin.on('error', () => input.end());
  const output = (stream: NodeJS.WriteStream): HostOutputFile => {
    const file: HostOutputFile = files.hostStream(path => new HostOutputFile(path, bytes => {
      stream.write(bytes, error => {
        if (error) file.break();
        else file.acknowledge(bytes.length);
      });
    }, 1 << 20));
    stream.on('error', () => file.break());
    return file;
  };
  return [input, output(process.stdout), output(process.stderr)];
}

/** Bytes that the host's terminal may be behind before the guest's writers wait. */
const terminalWindow = 1 << 20;

/** The host's terminal in raw mode, connected to a pty of the guest. */
async function connectTerminal(machine: VirtualMachine, user: string): Promise<HostTerminal> {
  const owner = await machine.user(user);
  if (!owner) throw new BootError(`There is no user ${user} in the VM.`);
  const { stdin, stdout } = process;
  const terminal = machine.openTerminal(owner, stdout.columns ?? 80, stdout.rows ?? 24, terminalWindow);
  if ('text' in terminal) throw new BootError(terminal.text, '', ...terminal.args);
  terminal.onOutput(bytes => stdout.write(bytes, () => terminal.acknowledge(bytes.length)));
  stdin.setRawMode(true);
  stdin.on('data', (data: Buffer) => terminal.input(new Uint8Array(data)));
  stdout.on('resize', () => terminal.resize(stdout.columns, stdout.rows));
  process.on('exit', () => stdin.setRawMode(false));
  return terminal;
}

/** Ends when everything written is out. */
function finish(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

function writeStats(options: Options, machine: VirtualMachine, disk: OpenedDisk, started: number): void {
  if (options.stats === undefined) return;
  const stats = gatherStats(machine, disk, started);
  lineWriter(options.stats)(options.stats === '' ? statsText(stats) : JSON.stringify(stats));
}

async function writeProfile(options: Options, profile: MachineProfile): Promise<void> {
  const result = await profile.finish();
  process.stderr.write(`${reportText(result)}\n`);
  if (options.profile === undefined || options.profile === '') return;
  mkdirSync(dirname(resolve(options.profile)), { recursive: true });
  writeFileSync(options.profile, speedscope(result, options.command.join(' ') || 'login shell'));
  complain(`the flame view is in ${options.profile}: open it at speedscope.app, or with any program that reads its format`);
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const disk = await open(options);
  const profile = options.profile === undefined ? undefined : new MachineProfile();
  const machine = await boot(options, disk, profile);
  if (options.export !== undefined) {
    const synced = await runAsync(machine.fileSystems.vfs.syncAll());
    const written = synced < 0 ? synced : exportDisk(machine.overlay, options.export);
    if (written < 0) throw new BootError(`The disk can't be written to ${options.export}.`, String(written));
    return finish(0);
  }
  const onTerminal = process.stdin.isTTY && process.stdout.isTTY;
  const terminal = onTerminal ? await connectTerminal(machine, options.user) : undefined;
  const ended = (status: number): void => {
    terminal?.flush();
    writeStats(options, machine, disk, started);
    const { code } = exitOf(status);
    if (!profile) return finish(code);
    void writeProfile(options, profile).then(() => finish(code), (error: unknown) => {
      complain(error instanceof Error ? error.stack ?? error.message : String(error));
      finish(faultStatus);
    });
  };
  profile?.start(machine);
  const result = await machine.start({
    user: options.user, command: options.command, cwd: options.cwd, environment: options.environment, ended,
    ...(terminal ? { terminal } : { streams: connectStreams(machine) }),
  });
  if (!('text' in result)) return;
  complain(english(result));
  finish(127);
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args[0] === '--help') {
    process.stdout.write(`${usage}\n`);
    return;
  }
  try {
    const options = parseOptions(args);
    if (options.state !== undefined) throw new UsageError('--state: lasting storage is not there yet');
    await run(options);
  } catch (error) {
    if (error instanceof UsageError) complain(`${error.message}\n${usage}`);
    else if (error instanceof BootError) complain(error.detail === '' ? error.message : `${error.message} (${error.detail})`);
    else complain(error instanceof Error ? error.stack ?? error.message : String(error));
    process.exitCode = faultStatus;
  }
}

if (!serveIfCompiler()) await main();
