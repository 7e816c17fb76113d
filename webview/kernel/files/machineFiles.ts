/** All that the kernel's own files share in one machine: names, locks, devices, terminals. Given to every task's system calls. */
import { Errno } from '../abi/errno.ts';
import { O_ACCMODE, O_PATH, O_RDONLY } from '../abi/fcntl.ts';
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE } from '../abi/inotify.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Devpts } from '../../fs/devpts.ts';
import type { FileSystem } from '../../fs/vfs/fileSystem.ts';
import { superuser, type Caller } from '../../fs/vfs/caller.ts';
import type { Inode, Timespec } from '../../fs/vfs/inode.ts';
import { Walk, type Namespace, type Openers } from '../../fs/vfs/namespace.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Mount, Path } from '../../fs/vfs/path.ts';
import { FileLocks } from '../ipc/locks.ts';
import { Fifos } from '../ipc/pipe.ts';
import type { TimerClock } from '../ipc/timerfd.ts';
import type { UnixSockets } from '../socket/unix.ts';
import { UnixAddresses } from '../socket/unixAddresses.ts';
import { registerTerminalDevices } from '../tty/devices.ts';
import type { JobControl } from '../tty/jobControl.ts';
import { Ptys } from '../tty/pty.ts';
import type { Terminal } from '../tty/terminal.ts';
import { AnonymousFiles } from './anonymous.ts';
import { StatScratch } from './statStructs.ts';
import { CharacterDevices, registerMemoryDevices } from './devices.ts';
import { MemoryFiles } from './memoryFile.ts';
import { FileTable, type CloseServices } from './fileTable.ts';

/** What a machine gives its files. */
export interface MachineFileOptions {
  readonly namespace: Namespace;
  /** Mounted on /dev/pts, or to be. */
  readonly devpts: Devpts;
  /** A tmpfs that is mounted nowhere: memfd_create(2). */
  readonly memoryFileSystem: FileSystem;
  readonly jobControl: JobControl;
  readonly timers: TimerClock;
  /** Wall-clock time. */
  now(): Timespec;
  /** Fills with random bytes of the host. */
  random(bytes: Uint8Array): void;
  log(line: string): void;
  /** mount(2) of a new file system: -ENODEV for a type that the machine doesn't have. */
  createFileSystem(type: ByteString, source: ByteString, options: ByteString): FileSystem | number;
  /** Some task's working or root directory is on the mount. */
  isWorkedIn(mount: Mount): boolean;
  /** pivot_root(2): tasks whose root or working directory is `old` go to `new_`. */
  rootChanged(old: Path, new_: Path): void;
}

export class MachineFiles implements Openers, CloseServices {
  readonly #options: MachineFileOptions;
  readonly namespace: Namespace;
  readonly timers: TimerClock;
  readonly anonymous: AnonymousFiles;
  readonly locks = new FileLocks();
  readonly fifos = new Fifos();
  readonly devices = new CharacterDevices();
  readonly ptys: Ptys;
  readonly memoryFiles: MemoryFiles;
  /** F_SETOWN and F_SETSIG of open files. */
  readonly owners = new WeakMap<OpenFile, { readonly pid: number; readonly signal: number }>();
  readonly #streams = new WeakMap<Inode, OpenFile>();
  readonly #ofdLocked = new WeakSet<OpenFile>();
  readonly unix: UnixSockets;
  /** For stat(2). */
  readonly statScratch = new StatScratch();
  /** Wall-clock time. */
  readonly now: () => Timespec;
  /** What /dev/console is: the machine's first terminal. */
  console: Terminal | undefined;

  constructor(options: MachineFileOptions) {
    const { namespace, devpts, jobControl } = options;
    this.#options = options;
    this.namespace = namespace;
    this.timers = options.timers;
    this.now = () => options.now();
    this.anonymous = new AnonymousFiles(namespace, this.now);
    this.ptys = new Ptys(jobControl, {
      add: (index, owner) => devpts.add(index, owner),
      remove: index => devpts.remove(index),
      pathOf: index => this.#slavePath(devpts, index),
    });
    this.unix = { addresses: new UnixAddresses(namespace), newPath: owner => this.anonymous.socket(owner.credentials) };
    this.memoryFiles = new MemoryFiles(namespace, options.memoryFileSystem);
    registerMemoryDevices(this.devices, options);
    registerTerminalDevices(this.devices, this.ptys, jobControl, () => this.console);
  }

  createFileSystem(type: ByteString, source: ByteString, options: ByteString): FileSystem | number {
    return this.#options.createFileSystem(type, source, options);
  }

  isWorkedIn(mount: Mount): boolean {
    return this.#options.isWorkedIn(mount);
  }

  rootChanged(old: Path, new_: Path): void {
    this.#options.rootChanged(old, new_);
  }

  /** An empty descriptor table. */
  createTable(): FileTable {
    return new FileTable(this);
  }

  releaseOwner(inode: Inode, owner: object): void {
    this.locks.releaseOwner(inode, owner);
  }

  closed(file: OpenFile): void {
    if (file.flags & O_PATH) return;
    this.namespace.notify(file.inode, (file.flags & O_ACCMODE) === O_RDONLY ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE, file.path);
  }

  /** Open file description locks go with their open file (F_OFD_SETLK). */
  dropOpenFileLocksAtClose(file: OpenFile): void {
    if (this.#ofdLocked.has(file)) return;
    this.#ofdLocked.add(file);
    file.whenReleased(() => this.locks.releaseOwner(file.inode, file));
  }

  /** ftruncate(2): the descriptor's access counts, not the file's permissions. */
  truncateOpen(caller: Caller, file: OpenFile, size: number): Io<number> {
    const credentials = { ...caller.credentials, overridesAccess: true };
    const { umask, root, cwd, fileSizeLimit } = caller;
    return this.namespace.truncate({ credentials, umask, root, cwd, fileSizeLimit }, file.path, size);
  }

  characterDevice(path: Path, inode: Inode, flags: number, caller: Caller): Io<OpenFile | number> {
    return this.devices.open(path, inode, flags, caller);
  }

  *blockDevice(): Io<OpenFile | number> {
    return -Errno.ENXIO;
  }

  *fifo(path: Path, inode: Inode, flags: number): Io<OpenFile | number> {
    const stream = this.#streams.get(inode);
    return stream ? stream.retain() : yield* this.fifos.open(path, inode, flags);
  }

  /** A standard stream of the host, shown as a pipe; opened again (/dev/stdout) it is the same open file. */
  hostStream<File extends OpenFile>(make: (path: Path) => File): File {
    // Whoever has it may open it again, whatever user the program has become.
    const file = make(this.anonymous.pipe({ uid: 0, gid: 0 }, 0o666));
    this.#streams.set(file.inode, file);
    return file;
  }

  /** The place of /dev/pts/N, if devpts is mounted: its names need no disk. */
  #slavePath(devpts: Devpts, index: number): Path | undefined {
    const mount = this.namespace.mounts.find(candidate => candidate.fileSystem === devpts);
    if (!mount) return undefined;
    const root: Path = { mount, dentry: mount.root };
    const step = this.namespace.resolve(superuser(root), root, String(index), Walk.follow).next();
    return step.done && typeof step.value !== 'number' ? step.value : undefined;
  }
}
