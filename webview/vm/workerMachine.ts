/** The machine in its worker: boots on the page's word, serves terminals and files, and reports how it is. */
import { ChunkedDevice } from '../fs/block/chunkedDevice.ts';
import { readManifest, type Manifest } from '../fs/block/manifest.ts';
import { errnoName } from '../kernel/abi/errno.ts';
import { runAsync } from '../lib/wait.ts';
import type { BootMessage, FileRequestMessage, LogLine, PageToWorker, VmStatus, WorkerToPage } from '../protocol.ts';
import type { CompileThread } from '../engine/jit/compileMessages.ts';
import { BootError, DiskError } from './bootError.ts';
import { compileThread } from './compilePort.ts';
import { FileService } from './fileService.ts';
import { VirtualMachine } from './machine.ts';
import { PageSource, browserCodec } from './pageSource.ts';
import { ProgramWatch } from './programWatch.ts';
import { sentence } from './sentence.ts';
import { TerminalService } from './terminalService.ts';
import { setTimeZone } from './timeZone.ts';
import type { User } from './users.ts';

const loginUser = 'user';
/** The page's own sentences in the same cases. */
const brokenSentence = sentence('The Linux VM stopped because of an error of its own.');
const diskSentence = sentence("The Linux VM's disk is missing or damaged. If starting again doesn't help, install the extension again.");

/** Messages that are not for terminals and files. */
type NotServed = 'boot' | 'fetched' | 'compiler.failed';

interface Services {
  readonly machine: VirtualMachine;
  readonly files: FileService;
  readonly terminals: TerminalService;
}

export class WorkerMachine {
  readonly #post: (message: WorkerToPage) => void;
  readonly #source: PageSource;
  /** What came before the machine ran; undefined once it runs. */
  #early: Exclude<PageToWorker, { type: NotServed }>[] | undefined = [];
  #services: Services | undefined;
  #machine: VirtualMachine | undefined;
  #programs: ProgramWatch | undefined;
  #compiler: CompileThread | undefined;
  #hasEnded = false;

  constructor(post: (message: WorkerToPage) => void) {
    this.#post = message => {
      if (!this.#hasEnded) post(message);
    };
    this.#source = new PageSource(this.#post);
  }

  receive(message: PageToWorker): void {
    try {
      this.#receive(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The machine can't go on. The first error is the one that is reported. */
  fail(error: unknown): void {
    if (error instanceof DiskError) {
      this.#end({ state: 'error', message: diskSentence, detail: error.detail ? `${error.message} (${error.detail})` : error.message });
    } else if (error instanceof BootError) this.#end({ state: 'error', message: error.sentence, detail: error.detail });
    else this.#end({ state: 'error', message: brokenSentence, detail: error instanceof Error ? error.stack ?? error.message : String(error) });
  }

  #receive(message: PageToWorker): void {
    if (message.type === 'boot') void this.#boot(message).catch((error: unknown) => this.fail(error));
    else if (message.type === 'fetched') this.#source.receive(message);
    else if (message.type === 'compiler.failed') this.#compiler?.onAnswer({ type: 'failed', reason: message.reason });
    else if (this.#early) this.#early.push(message);
    else this.#serve(message);
  }

  #serve(message: Exclude<PageToWorker, { type: NotServed }>): void {
    const services = this.#services;
    if (!services || this.#hasEnded) return;
    const served = message.type === 'file.request' ? this.#answer(services, message) : services.terminals.receive(message);
    served.catch((error: unknown) => this.fail(error));
  }

  async #answer({ files }: Services, { id, request }: FileRequestMessage): Promise<void> {
    this.#post({ type: 'file.answer', id, outcome: await files.answer(request) });
  }

  async #boot({ manifest: text, engine, memory, tiers, compiler, timeZone }: BootMessage): Promise<void> {
    const started = performance.now();
    const manifest = readManifest(text);
    if (typeof manifest === 'string') throw new DiskError(manifest);
    this.#progress(0.55);
    const disk = this.#openDisk(manifest);
    this.#compiler = compiler && compileThread(compiler);
    const machine = await VirtualMachine.boot({
      engine, disk, diskBlockSize: manifest.blockSize, memory, ...(tiers ? { tiers } : {}), compileThread: this.#compiler, log: line => this.#log('warning', line),
      failed: error => this.fail(error), halted: () => this.#end({ state: 'off' }), afterSlice: () => this.#programs?.afterSlice(),
    });
    this.#machine = machine;
    if (this.#hasEnded) return machine.stop();
    this.#progress(0.9);
    const user = await machine.user(loginUser);
    if (!user) throw new DiskError(`The disk has no user "${loginUser}".`);
    const zone = await runAsync(setTimeZone(machine.fileSystems.vfs, machine.fileSystems.host, timeZone));
    if (zone < 0) this.#log('info', `The time zone "${timeZone}" is not set (${errnoName(zone)}).`);
    this.#run(machine, user);
    const { chunks, bytes } = disk.stats;
    this.#log('info', `Up after ${Math.round(performance.now() - started)} ms with ${memory / 2 ** 20} MB; ${chunks} chunks (${bytes} bytes) of disk "${manifest.name}".`);
  }

  #openDisk(manifest: Manifest): ChunkedDevice {
    const disk = new ChunkedDevice({ manifest, source: this.#source, codec: browserCodec, log: line => this.#log('error', line) });
    disk.prefetchBoot();
    return disk;
  }

  #run(machine: VirtualMachine, user: User): void {
    const { vfs, host } = machine.fileSystems;
    const credentials = { uid: user.uid, gid: user.gid, groups: user.groups, overridesAccess: false, overridesOwnership: false };
    const files = new FileService(vfs, { ...host, credentials }, changes => this.#post({ type: 'file.changes', changes }));
    const terminals = new TerminalService(machine, user, this.#post);
    const { processes } = machine.kernel;
    this.#programs = new ProgramWatch({
      get processes() { return processes.processes; }, init: processes.init, isShell: process => terminals.isShell(process),
      terminalId: terminal => terminals.idOf(terminal),
    }, programs => this.#post({ type: 'programs', programs }));
    this.#services = { machine, files, terminals };
    this.#post({ type: 'status', status: { state: 'running' } });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.#serve(message);
  }

  #progress(fraction: number): void {
    this.#post({ type: 'status', status: { state: 'starting', stage: 'boot', fraction } });
  }

  #log(level: LogLine['level'], text: string): void {
    this.#post({ type: 'log', line: { level, text } });
  }

  /** The last thing that the page hears. */
  #end(status: VmStatus): void {
    this.#machine?.stop();
    this.#programs?.stop();
    this.#post({ type: 'status', status });
    this.#hasEnded = true;
  }
}
