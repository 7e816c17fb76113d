/**
 * The kernel's public face: a machine's processes on a processor that it is given, over file systems that it is given. It knows neither
 * WebAssembly nor the host; whoever owns it calls `runSlice` as long as there is something to do.
 */
import { Limits } from './mm/limits.ts';
import { FileMappings } from './mm/fileMappings.ts';
import type { MemoryServices } from './mm/memory.ts';
import { Placement } from './mm/placement.ts';
import type { Cpu } from './cpu.ts';
import { MachineFiles } from './files/machineFiles.ts';
import { Errno } from './abi/errno.ts';
import { become } from './exec/execute.ts';
import { pointOfNoReturn, prepareProgram } from './exec/program.ts';
import { Runner } from './run.ts';
import { SyscallTrace } from './syscalls/strace.ts';
import { syscallsByNumber } from './syscalls/table.ts';
import { TaskCredentials } from './task/credentials.ts';
import { Futexes } from './task/futexes.ts';
import type { HostNames, Machine } from './task/machine.ts';
import type { Process } from './task/process.ts';
import { ProcessTable } from './task/processTable.ts';
import { Scheduler } from './task/scheduler.ts';
import { FrameScratch, SignalActions } from './task/signals.ts';
import { FsInfo, Task, TaskState } from './task/task.ts';
import { Timers, type HostClock } from './time/timers.ts';
import type { Terminal } from './tty/terminal.ts';
import { O_NOCTTY, O_RDWR } from './abi/fcntl.ts';
import type { Devpts } from '../fs/devpts.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import type { FileSystem } from '../fs/vfs/fileSystem.ts';
import { Walk, type Namespace } from '../fs/vfs/namespace.ts';
import type { OpenFile } from '../fs/vfs/openFile.ts';
import type { PageCache } from '../fs/vfs/pageCache.ts';
import type { Mount, Path } from '../fs/vfs/path.ts';
import { ByteStringCache, type ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';

export interface KernelOptions {
  readonly cpu: Cpu;
  readonly namespace: Namespace;
  readonly pageCache: PageCache | undefined;
  readonly devpts: Devpts;
  /** A tmpfs that is mounted nowhere: memfd_create(2). */
  readonly memoryFileSystem: FileSystem;
  /** mount(2) of a new file system: -ENODEV for a type that the machine doesn't have. */
  readonly createFileSystem: (type: ByteString, source: ByteString, options: ByteString) => FileSystem | number;
  readonly clock: HostClock;
  /** Fills with random bytes. */
  readonly random: (bytes: Uint8Array) => void;
  readonly log: (line: string) => void;
  /** Gets one line per system call, as strace(1) prints it. */
  readonly trace?: ((line: string) => void) | undefined;
  /** A process that `spawn` started, or an orphan, has ended. */
  readonly exited: (process: Process, status: number) => void;
  readonly halt: (reason: 'halt' | 'restart') => void;
}

/** A program to be started by the host, as a child of init and leader of a session of its own. */
export interface SpawnOptions {
  readonly path: ByteString;
  /** Directories with colons between, for a `path` without a slash. */
  readonly searchPath?: ByteString;
  readonly argv: readonly ByteString[];
  /** NAME=value */
  readonly environment: readonly ByteString[];
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly cwd: ByteString;
  readonly umask: number;
  /** Standard input, output and error, whose references are taken over; undefined: the terminal. */
  readonly streams?: readonly [OpenFile, OpenFile, OpenFile] | undefined;
  /** The controlling terminal. */
  readonly terminal?: Terminal | undefined;
}

export class Kernel implements Machine {
  readonly cpu: Cpu;
  readonly namespace: Namespace;
  readonly files: MachineFiles;
  readonly memory: MemoryServices;
  readonly timers: Timers;
  readonly scheduler: Scheduler;
  readonly processes: ProcessTable;
  readonly futexes = new Futexes();
  readonly frameScratch = new FrameScratch();
  readonly names: HostNames = {
    sysname: 'Linux', nodename: 'terrarium', release: '6.1.0-terrarium', version: '#1 SMP Terrarium', machine: 'x86_64', domainname: '(none)',
  };
  readonly #options: KernelOptions;
  readonly #runner: Runner;
  /** Random bytes in store: each program needs 16, and asking the host costs more than making 1,000. What is given out is wiped. */
  readonly #randomPool = new Uint8Array(1024);
  #randomAt = this.#randomPool.length;

  constructor(options: KernelOptions) {
    const { cpu, namespace, clock } = options;
    this.#options = options;
    this.cpu = cpu;
    this.namespace = namespace;
    this.timers = new Timers(clock);
    this.scheduler = new Scheduler(this.timers);
    const zeroFrame = cpu.frames.allocate();
    if (zeroFrame === 0) throw new RangeError('no memory');
    this.memory = {
      cpu, mappings: new FileMappings(), placement: new Placement(() => this.#randomFraction()), pageCache: options.pageCache, zeroFrame,
      strings: new ByteStringCache(),
      background: io => this.scheduler.background(io),
    };
    if (options.pageCache) options.pageCache.mappings = this.memory.mappings;
    const most = Math.max(64, Math.min(16384, Math.floor(cpu.frames.total / 64)));
    this.processes = new ProcessTable(this, most, Limits.forMachine(Math.floor(most / 2)));
    this.files = new MachineFiles({
      namespace, devpts: options.devpts, jobControl: this.processes, timers: this.timers, now: () => this.timers.wall(),
      random: options.random, log: options.log, memoryFileSystem: options.memoryFileSystem, createFileSystem: options.createFileSystem,
      isWorkedIn: mount => this.#isWorkedIn(mount), rootChanged: (old, fresh) => this.#rootChanged(old, fresh),
    });
    this.#runner = new Runner(this, options.trace && new SyscallTrace(options.trace));
  }

  #isWorkedIn(mount: Mount): boolean {
    for (const task of this.processes.tasks) if (task.cwd.mount === mount || task.root.mount === mount) return true;
    return false;
  }

  /** pivot_root(2): who was at the old root comes along. */
  #rootChanged(old: Path, fresh: Path): void {
    const isOld = (path: Path): boolean => path.mount === old.mount && path.dentry === old.dentry;
    for (const { fs } of this.processes.tasks) {
      if (isOld(fs.root)) fs.root = fresh;
      if (isOld(fs.cwd)) fs.cwd = fresh;
    }
  }

  #randomFraction(): number {
    const bytes = new Uint8Array(4);
    this.#options.random(bytes);
    return new DataView(bytes.buffer).getUint32(0) / 2 ** 32;
  }

  random(bytes: Uint8Array): void {
    const pool = this.#randomPool;
    if (bytes.length > pool.length / 4) return this.#options.random(bytes);
    if (this.#randomAt + bytes.length > pool.length) {
      this.#options.random(pool);
      this.#randomAt = 0;
    }
    const taken = pool.subarray(this.#randomAt, this.#randomAt += bytes.length);
    bytes.set(taken);
    taken.fill(0);
  }

  log(line: string): void {
    this.#options.log(line);
  }

  exited(process: Process, status: number): void {
    this.#options.exited(process, status);
  }

  halt(reason: 'halt' | 'restart'): void {
    this.#options.halt(reason);
  }

  /** System calls made since boot. */
  get syscalls(): number {
    return this.#runner.syscalls;
  }

  get pageFaults(): number {
    return this.#runner.pageFaults;
  }

  /** System calls made since boot by name, the most frequent first. */
  get syscallsByName(): Record<string, number> {
    const counts = [...this.#runner.callCounts].map((count, number) => ({ count, name: syscallsByNumber[number]?.name ?? `${number}` }));
    return Object.fromEntries(counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count).map(({ name, count }) => [name, count]));
  }

  /**
   * Runs tasks for about that long. 'more': some could run on; else nanoseconds until the next deadline, Infinity when all sleep.
   */
  runSlice(milliseconds: number): 'more' | number {
    const { scheduler, timers } = this;
    let now = timers.now();
    const end = now + milliseconds * 1e6;
    scheduler.isInSlice = true;
    try {
      for (;;) {
        timers.expire(now);
        scheduler.runBackground();
        const task = scheduler.next();
        if (task === undefined) {
          now = timers.now();
          const { next } = timers;
          if (!scheduler.hasWork && next > now) return next === Infinity ? Infinity : next - now;
          // A timer that is always due (an interval of a nanosecond) must not keep the host's events out.
          if (now >= end) return 'more';
          continue;
        }
        now = this.#runner.run(task, now);
        if (now >= end) return scheduler.hasWork ? 'more' : Math.max(0, timers.next - now);
      }
    } finally {
      scheduler.isInSlice = false;
      scheduler.current = undefined;
    }
  }

  /** Starts a program. The process, or -errno of what keeps it from starting. */
  *spawn(options: SpawnOptions): Io<Process | number> {
    const credentials = TaskCredentials.login(options.uid, options.gid, options.groups);
    const { root } = this.namespace;
    const host: Caller = { credentials, umask: options.umask, root, cwd: root, fileSizeLimit: Infinity };
    const started = yield* this.namespace.resolve(host, root, options.cwd, Walk.follow | Walk.directory);
    const cwd = typeof started === 'number' ? root : started;
    const caller: Caller = { ...host, cwd };
    const found = yield* this.#find(caller, options);
    if (typeof found === 'number') return found;
    const limits = this.processes.init.limits.copy();
    const program = yield* prepareProgram({
      machine: this, caller, credentials, noNewPrivileges: false, limits, path: found.path, fileName: found.name,
      argv: options.argv.length === 0 ? [found.name] : options.argv, environment: options.environment,
    });
    if (program === pointOfNoReturn) return -Errno.ENOEXEC;
    if (typeof program === 'number') return program;
    const files = this.files.createTable();
    const streams = options.streams ?? (yield* this.#terminalStreams(caller, options.terminal));
    if (typeof streams === 'number') {
      program.memory.release();
      return streams;
    }
    for (const stream of streams) files.add(stream, false, Infinity);
    const process = this.processes.create(this.processes.init, limits);
    if (typeof process === 'number') {
      program.memory.release();
      yield* files.release();
      return process;
    }
    this.processes.move(process, process.pid, process.pid);
    this.#giveTerminal(process, options.terminal);
    const task = new Task(process.pid, {
      process, thread: this.cpu.createThread(), memory: program.memory.share(), files, fs: new FsInfo(root, cwd, options.umask), credentials,
      actions: new SignalActions(), name: program.name,
    });
    process.leader = task;
    this.processes.addTask(task);
    // `become` releases the memory that a task had: here the same one, held twice.
    yield* become(task, program);
    this.scheduler.enqueue(task);
    return process;
  }

  *#find(caller: Caller, { path, searchPath }: SpawnOptions): Io<{ path: Path; name: ByteString } | number> {
    const names = path.includes('/') || searchPath === undefined ? [path] : searchPath.split(':').map(directory => `${directory || '.'}/${path}`);
    let result: number = -Errno.ENOENT;
    for (const name of names) {
      const found = yield* this.namespace.resolve(caller, caller.cwd, name, Walk.follow);
      if (typeof found === 'number') {
        if (found !== -Errno.ENOENT && found !== -Errno.ENOTDIR) result = found;
        continue;
      }
      const allowed = yield* this.namespace.checkAccess(caller, found, 1);
      if (allowed === 0 && found.dentry.inode!.isRegular) return { path: found, name };
      result = -Errno.EACCES;
    }
    return result;
  }

  *#terminalStreams(caller: Caller, terminal: Terminal | undefined): Io<readonly OpenFile[] | number> {
    const name = terminal === undefined ? '/dev/null' : `/dev/pts/${terminal.index}`;
    const file = yield* this.namespace.open(caller, caller.root, name, O_RDWR | O_NOCTTY, 0);
    return typeof file === 'number' ? file : [file, file.retain(), file.retain()];
  }

  #giveTerminal(process: Process, terminal: Terminal | undefined): void {
    process.terminal = terminal;
    if (terminal === undefined) return;
    terminal.session = process.session;
    terminal.foregroundGroup = process.processGroup;
  }

  /** Live processes without init. */
  get processCount(): number {
    let count = 0;
    for (const process of this.processes.processes) if (process.leader !== undefined && !process.isZombie) count++;
    return count;
  }

  /** True while a program of the process's session runs or waits, besides the session leader: "something runs". */
  hasJobs(process: Process): boolean {
    for (const other of this.processes.processes) if (other !== process && other.session === process.session && !other.isZombie) return true;
    return false;
  }

  /** The task that could run next, for tests. */
  get isIdle(): boolean {
    return !this.scheduler.hasWork && this.scheduler.current?.state !== TaskState.running;
  }
}
