/**
 * vm/: the composition root, the only place where engine, kernel and file systems meet; the worker's and the headless VM's entries. This
 * file: a machine, put together and booted.
 */
import { Engine, type Tiers } from '../engine/engine.ts';
import type { CompileThread } from '../engine/jit/compileMessages.ts';
import { OverlayDevice } from '../fs/block/overlay.ts';
import { Hostfs, type HostFiles } from '../fs/hostfs.ts';
import { Tmpfs } from '../fs/tmpfs.ts';
import type { BlockDevice } from '../fs/vfs/block.ts';
import type { FileSystem } from '../fs/vfs/fileSystem.ts';
import { errnoName } from '../kernel/abi/errno.ts';
import { MS_RDONLY, MS_RELATIME } from '../kernel/abi/mount.ts';
import type { Cpu } from '../kernel/cpu.ts';
import { Kernel } from '../kernel/kernel.ts';
import type { Process } from '../kernel/task/process.ts';
import { HostTerminal } from '../kernel/tty/hostTerminal.ts';
import type { OpenFile } from '../fs/vfs/openFile.ts';
import { fromText, type ByteString } from '../lib/byteString.ts';
import { runAsync, type Io } from '../lib/wait.ts';
import type { Sentence } from '../protocol.ts';
import { BootError } from './bootError.ts';
import { Driver } from './driver.ts';
import { hostDevice, mountAt, mountDisk, mountSystem, newFileSystem, type FileSystems } from './fileSystems.ts';
import { sentence } from './sentence.ts';
import { KernelSystemView } from './systemView.ts';
import type { Profiler } from './profile/profiler.ts';
import { lookUpUser, readSmallFile, type User } from './users.ts';

export interface MachineOptions {
  /** The engine's compiled module. */
  readonly engine: WebAssembly.Module;
  /** Compiles beside the machine's thread; without one that does it. */
  readonly compileThread?: CompileThread | undefined;
  /** How code is run; without it `jit`. */
  readonly tiers?: Tiers;
  /** The read-only disk; what is written stays in memory. */
  readonly disk: BlockDevice;
  /** Bytes of the overlay's blocks: the file system's block size where it is known. */
  readonly diskBlockSize?: number;
  /** Guest RAM in bytes. */
  readonly memory: number;
  readonly log: (line: string) => void;
  /** One line per system call, as strace(1) prints it. */
  readonly trace?: ((line: string) => void) | undefined;
  readonly hostMounts?: readonly { files: HostFiles; guest: string; readOnly: boolean }[];
  /** The machine can't go on: a fault of ours. */
  readonly failed: (error: unknown) => void;
  /** reboot(2). */
  readonly halted?: () => void;
  /** Called behind each slice of time that programs had. */
  readonly afterSlice?: () => void;
  /** Sees where time goes. */
  readonly profiler?: Profiler | undefined;
}

/** What a program is started with. Text, not bytes. */
export interface ProgramOptions {
  /** Login user's name. */
  readonly user: string;
  /** Empty or absent: a login shell. */
  readonly command?: readonly string[];
  /** Empty or absent: the user's home. */
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Standard input, output and error, whose references are taken over; or a terminal. */
  readonly streams?: readonly [OpenFile, OpenFile, OpenFile];
  readonly terminal?: HostTerminal;
  /** Called with the wait status (wait(2)). */
  readonly ended: (status: number) => void;
}

/** What the kernel is made with besides the tree. */
interface KernelParts {
  /** Nanoseconds since boot. */
  readonly monotonic: () => number;
  readonly memoryFileSystem: FileSystem;
  readonly createFileSystem: (type: ByteString) => FileSystem | number;
}

/** st_dev of memfd_create(2)'s files. */
const anonymousDevice = 0x1a;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class VirtualMachine {
  readonly kernel: Kernel;
  readonly engine: Engine;
  readonly fileSystems: FileSystems;
  readonly overlay: OverlayDevice;
  readonly #driver: Driver;
  readonly #endings = new Map<Process, (status: number) => void>();
  readonly #terminals = new Set<HostTerminal>();

  /** Boots: mounts the disk and all else. Rejects with BootError. */
  static async boot(options: MachineOptions): Promise<VirtualMachine> {
    const started = performance.now();
    const overlay = new OverlayDevice({ base: options.profiler?.disk(options.disk) ?? options.disk, blockSize: options.diskBlockSize ?? 1024 });
    const engine = makeEngine(options);
    const wall = (): { seconds: number; nanoseconds: number } => {
      const now = Date.now();
      return { seconds: Math.floor(now / 1000), nanoseconds: (now % 1000) * 1e6 };
    };
    const mount = { frames: engine.frames, device: overlay, source: '/dev/vda', now: wall, log: options.log };
    const fileSystems = await runAsync(mountDisk(mount));
    const view: KernelSystemView = new KernelSystemView(
      () => ({ machine: machine.kernel, vfs: fileSystems.vfs, cache: fileSystems.cache }), Math.floor(Date.now() / 1000), randomBytes);
    const machine: VirtualMachine = new VirtualMachine(options, engine, overlay, fileSystems, {
      memoryFileSystem: new Tmpfs({ device: anonymousDevice, cache: fileSystems.cache, now: wall }),
      monotonic: () => (performance.now() - started) * 1e6,
      createFileSystem: type => newFileSystem(fileSystems, view, type, wall),
    });
    await runAsync(mountSystem(fileSystems, view, wall));
    await runAsync(machine.#mountHost(options));
    const hostName = await runAsync(readSmallFile(fileSystems.vfs, fileSystems.host, '/etc/hostname'));
    if (hostName?.trim()) machine.kernel.names.nodename = hostName.trim();
    return machine;
  }

  private constructor(options: MachineOptions, engine: Engine, overlay: OverlayDevice, fileSystems: FileSystems, parts: KernelParts) {
    this.engine = engine;
    this.overlay = overlay;
    this.fileSystems = fileSystems;
    const cpu: Cpu = options.profiler?.cpu(engine) ?? engine;
    this.kernel = new Kernel({
      cpu, namespace: fileSystems.vfs, pageCache: fileSystems.cache, devpts: fileSystems.devpts,
      memoryFileSystem: parts.memoryFileSystem, createFileSystem: parts.createFileSystem,
      clock: { monotonic: parts.monotonic, wall: () => performance.timeOrigin + performance.now() },
      random: randomBytes, log: options.log, trace: options.trace,
      exited: (process, status) => this.#exited(process, status),
      halt: () => options.halted?.(),
    });
    fileSystems.vfs.openers = this.kernel.files;
    this.#driver = new Driver(options.profiler?.driven(this.kernel) ?? this.kernel, options.failed, options.afterSlice);
    this.kernel.scheduler.becameRunnable = () => this.#driver.wake();
  }

  *#mountHost({ hostMounts = [] }: MachineOptions): Io<void> {
    const { vfs, host } = this.fileSystems;
    for (const [index, { files, guest, readOnly }] of hostMounts.entries()) {
      const fileSystem = Hostfs.open(files, hostDevice(index), readOnly, this.engine.frames);
      if (typeof fileSystem === 'number') throw new BootError("The host's directory for {0} can't be read.", errnoName(fileSystem), guest);
      yield* mountAt(vfs, host, fileSystem, guest, 'host', readOnly ? MS_RDONLY | MS_RELATIME : MS_RELATIME);
    }
  }

  /** A user of the guest by name. */
  async user(name: string): Promise<User | undefined> {
    return runAsync(lookUpUser(this.fileSystems.vfs, this.fileSystems.host, fromText(name)));
  }

  /** A terminal that programs can be started on, or why there is none; `window` as in HostTerminal. */
  openTerminal(owner: User, columns: number, rows: number, window: number): HostTerminal | Sentence {
    const terminal = this.kernel.files.ptys.create(owner);
    if (typeof terminal === 'number') return sentence('There are too many terminals.');
    const host = new HostTerminal(this.kernel.files.ptys, terminal, window);
    host.resize(columns, rows);
    this.kernel.files.console ??= terminal;
    this.#terminals.add(host);
    return host;
  }

  closeTerminal(terminal: HostTerminal): void {
    if (!this.#terminals.delete(terminal)) return;
    if (this.kernel.files.console === terminal.terminal) this.kernel.files.console = [...this.#terminals][0]?.terminal;
    terminal.close();
  }

  /** Starts a program. Resolves to its process, or to why it can't be started. */
  async start(options: ProgramOptions): Promise<Process | Sentence> {
    const user = await this.user(options.user);
    if (!user) return sentence('There is no user {0} in the VM.', options.user);
    const shell = options.command === undefined || options.command.length === 0;
    const name = user.shell.slice(user.shell.lastIndexOf('/') + 1);
    const argv: ByteString[] = shell ? [`-${name}`] : options.command.map(fromText);
    const environment = this.#environment(user, options);
    const process = await runAsync(this.kernel.spawn({
      path: shell ? user.shell : argv[0]!, searchPath: environment['PATH'] ?? defaultPath, argv,
      environment: Object.entries(environment).map(([key, value]) => fromText(`${key}=${value}`)),
      uid: user.uid, gid: user.gid, groups: user.groups, cwd: options.cwd ? fromText(options.cwd) : user.home, umask: 0o022,
      streams: options.streams, terminal: options.terminal?.terminal,
    }));
    if (typeof process === 'number') return sentence("{0} can't be started: {1}.", shell ? user.shell : options.command[0]!, errnoName(process));
    this.#endings.set(process, options.ended);
    this.#driver.wake();
    return process;
  }

  #environment(user: User, options: ProgramOptions): Record<string, string> {
    return {
      TERM: options.terminal ? 'xterm-256color' : 'dumb', LANG: 'C.UTF-8', PATH: defaultPath, HOME: user.home, USER: user.name, LOGNAME: user.name,
      SHELL: user.shell, ...options.environment,
    };
  }

  #exited(process: Process, status: number): void {
    const ended = this.#endings.get(process);
    this.#endings.delete(process);
    ended?.(status);
  }

  /** Ends all activity. */
  stop(): void {
    this.#driver.stop();
  }
}

function makeEngine({ engine, memory, tiers = 'jit', compileThread, log }: MachineOptions): Engine {
  const started = performance.now();
  try {
    return new Engine({ module: engine, tiers, frames: Math.floor(memory / 4096), now: () => (performance.now() - started) * 1e6, compileThread, log });
  } catch (error) {
    // Anything else is a fault of ours, and must not send a person looking for memory.
    if (!(error instanceof RangeError)) throw error;
    throw new BootError('There is not enough memory for a VM of {0} MB; choose less.', String(error), Math.round(memory / 2 ** 20));
  }
}

/** Fills with random bytes of the host; crypto gives at most 64 KiB a call. */
function randomBytes(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536) as Uint8Array<ArrayBuffer>);
}
