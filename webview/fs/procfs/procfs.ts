/**
 * procfs (proc(5)): what ps, top, free, df, mount, python, git and apt read. Formats the kernel's views (source.ts); owns no state of
 * the machine. Only what is really known is there: a file that can't be answered doesn't exist.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { S_IFDIR, S_IFLNK } from '../../kernel/abi/stat.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import { FixedChildren, PseudoDirectory, PseudoFile, PseudoLink, type Accept, type Children, type PseudoOwner, type Render } from '../pseudo.ts';
import type { Caller } from '../vfs/caller.ts';
import type { FileSystem, FileSystemStatistics } from '../vfs/fileSystem.ts';
import type { Inode } from '../vfs/inode.ts';
import type { Path } from '../vfs/path.ts';
import * as processText from './process.ts';
import type { ProcessView, SystemView, TaskView } from './source.ts';
import { sysctlTree } from './sysctl.ts';
import * as systemText from './system.ts';

const PROC_SUPER_MAGIC = 0x9fa0;
const rootIno = 1;

// Inode numbers: 2..999 fixed files, then a thousand per pid: 0 the directory, 1..99 its files, 100.. descriptors and threads' files.
const inoOf = (pid: number, part: number): number => 1000 * pid + part;

/** A file of /proc/PID: mode and text. `owned`: readable only with the right to look into the process. */
interface ProcessFile {
  mode: number;
  render(process: ProcessView, system: SystemView, task: TaskView | undefined): ByteString | Uint8Array | number;
  accept?(process: ProcessView, text: ByteString): number;
}

const processFiles: Readonly<Record<string, ProcessFile>> = {
  stat: { mode: 0o444, render: (p, _s, t) => processText.stat(p, t) },
  statm: { mode: 0o444, render: p => processText.statm(p.memory) },
  status: { mode: 0o444, render: (p, _s, t) => processText.status(p, t) },
  cmdline: { mode: 0o444, render: p => p.memory?.commandLine() ?? '' },
  environ: { mode: 0o400, render: p => p.memory?.environment() ?? '' },
  auxv: { mode: 0o400, render: p => p.memory?.auxiliaryVector() ?? '' },
  comm: {
    mode: 0o644,
    render: (p, _s, t) => `${t?.name ?? p.name}\n`,
    accept: (p, text) => {
      p.rename(text.replace(/\n$/, '').slice(0, 15));
      return 0;
    },
  },
  maps: { mode: 0o444, render: p => processText.maps(p.memory) },
  smaps: { mode: 0o444, render: p => processText.smaps(p.memory, false) },
  smaps_rollup: { mode: 0o444, render: p => processText.smaps(p.memory, true) },
  limits: { mode: 0o444, render: p => processText.limits(p) },
  io: { mode: 0o400, render: p => processText.io(p) },
  mounts: { mode: 0o444, render: (p, s) => (p.root ? processText.mounts(s, p.root) : -Errno.EINVAL) },
  mountinfo: { mode: 0o444, render: (p, s) => (p.root ? processText.mountInfo(s, p.root) : -Errno.EINVAL) },
  cgroup: { mode: 0o444, render: () => '0::/\n' },
  loginuid: { mode: 0o644, render: () => '4294967295' },
  sessionid: { mode: 0o444, render: () => '4294967295' },
  oom_score: { mode: 0o444, render: () => '0\n' },
  oom_score_adj: { mode: 0o644, render: () => '0\n', accept: () => 0 },
  personality: { mode: 0o400, render: () => '00000000\n' },
  wchan: { mode: 0o444, render: () => '0' },
};

/** Which of these a thread's directory lacks. */
const processOnly = new Set(['auxv', 'loginuid', 'sessionid']);

export class Procfs implements FileSystem {
  readonly type = 'proc';
  readonly device: number;
  readonly readOnly = false;
  readonly options = '';
  readonly cachesNames = false;
  readonly root: Inode;
  readonly #system: SystemView;
  readonly #fixed: FixedChildren;

  /** `device` is the st_dev that the VFS gave this mount. */
  constructor(system: SystemView, device: number) {
    this.#system = system;
    this.device = device;
    this.#fixed = new FixedChildren(this.#fixedFiles());
    this.root = new PseudoDirectory(this, rootIno, this.#systemOwner, this.#rootChildren());
  }

  statistics(): FileSystemStatistics {
    return { type: PROC_SUPER_MAGIC, blockSize: 4096, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0, nameLength: 255 };
  }

  *sync(): Io<number> {
    return 0;
  }

  get #systemOwner(): PseudoOwner {
    return { uid: 0, gid: 0, time: { seconds: this.#system.bootTime, nanoseconds: 0 } };
  }

  *#fixedFiles(): Iterable<readonly [ByteString, Inode]> {
    const system = this.#system;
    const owner = this.#systemOwner;
    const texts: [ByteString, Render][] = [
      ['meminfo', () => systemText.memInfo(system)], ['stat', () => systemText.stat(system)], ['uptime', () => systemText.uptime(system)],
      ['loadavg', () => systemText.loadAverage(system)], ['version', () => systemText.version(system)],
      ['cpuinfo', () => systemText.cpuInfo(system)], ['filesystems', () => systemText.fileSystems], ['vmstat', () => systemText.vmStat(system)],
      ['devices', () => systemText.devices], ['cmdline', () => 'root=/dev/vda rw\n'], ['swaps', () => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'],
      ['partitions', () => 'major minor  #blocks  name\n\n'], ['diskstats', () => ''],
    ];
    let ino = rootIno + 1;
    for (const [name, render] of texts) yield [name, new PseudoFile(this, ino++, 0o444, owner, render)];
    yield ['mounts', new PseudoLink(this, ino++, owner, () => 'self/mounts')];
    yield ['net', new PseudoLink(this, ino++, owner, () => 'self/net')];
    yield ['self', new PseudoLink(this, ino++, owner, caller => { const me = system.self(caller); return me ? String(me.pid) : -Errno.ENOENT; })];
    yield ['thread-self', new PseudoLink(this, ino++, owner, caller => {
      const me = system.self(caller);
      return me ? `${me.pid}/task/${me.tid}` : -Errno.ENOENT;
    })];
    yield ['sys', sysctlTree(this, system, ino, owner)];
  }

  #rootChildren(): Children {
    const system = this.#system;
    return {
      child: name => this.#fixed.child(name) ?? this.#processDirectory(name),
      list: () => this.#listRoot(system),
    };
  }

  *#listRoot(system: SystemView): Iterable<{ name: ByteString; kind: number; ino: number }> {
    yield* this.#fixed.list();
    for (const pid of system.pids) yield { name: String(pid), kind: S_IFDIR, ino: inoOf(pid, 0) };
  }

  #processDirectory(name: ByteString): Inode | undefined {
    if (!/^[1-9][0-9]{0,9}$/.test(name)) return undefined;
    const pid = Number(name);
    const process = this.#system.process(pid);
    if (!process) return undefined;
    const owner = ownerOf(process, this.#system);
    return new PseudoDirectory(this, inoOf(pid, 0), owner, this.#processChildren(pid, owner, undefined), rootIno);
  }

  /** Children of /proc/PID, or of /proc/PID/task/TID. A process that has ended meanwhile answers ESRCH. */
  #processChildren(pid: number, owner: PseudoOwner, tid: number | undefined): Children {
    const names = Object.keys(processFiles).filter(name => tid === undefined || !processOnly.has(name));
    const links = ['cwd', 'root', 'exe'];
    const directories = tid === undefined ? ['fd', 'fdinfo', 'task', 'net'] : ['fd', 'fdinfo'];
    const make = (name: ByteString): Inode | undefined => {
      const at = names.indexOf(name);
      if (at >= 0) return this.#processFile(pid, tid, name, 1 + at, owner);
      if (links.includes(name)) return this.#placeLink(pid, name as 'cwd' | 'root' | 'exe', owner);
      if (!directories.includes(name)) return undefined;
      const ino = inoOf(pid, 60 + directories.indexOf(name));
      if (name === 'task') return new PseudoDirectory(this, ino, owner, this.#taskChildren(pid, owner), inoOf(pid, 0));
      if (name === 'net') return new PseudoDirectory(this, ino, owner, new FixedChildren([]), inoOf(pid, 0));
      return new PseudoDirectory(this, ino, owner, this.#descriptorChildren(pid, owner, name === 'fdinfo'), inoOf(pid, 0), 0o500);
    };
    return {
      child: make,
      list: function* () {
        for (const name of [...names, ...links, ...directories]) {
          const inode = make(name);
          if (inode) yield { name, kind: inode.mode, ino: inode.ino };
        }
      },
    };
  }

  #processFile(pid: number, tid: number | undefined, name: ByteString, part: number, owner: PseudoOwner): Inode {
    const file = processFiles[name]!;
    const system = this.#system;
    const task = (process: ProcessView): TaskView | undefined => (tid === undefined ? undefined : [...process.threads].find(t => t.tid === tid));
    const render: Render = () => {
      const process = system.process(pid);
      return process ? file.render(process, system, task(process)) : -Errno.ESRCH;
    };
    const accept: Accept | undefined = file.accept && (text => {
      const process = system.process(pid);
      return process ? file.accept!(process, text) : -Errno.ESRCH;
    });
    return new PseudoFile(this, inoOf(pid, part), file.mode, owner, render, accept);
  }

  #placeLink(pid: number, name: 'cwd' | 'root' | 'exe', owner: PseudoOwner): Inode {
    const system = this.#system;
    const place = (caller: Caller): Path | number => {
      const process = system.process(pid);
      if (!process) return -Errno.ESRCH;
      if (!process.allows(caller)) return -Errno.EACCES;
      return (name === 'exe' ? process.executable : process[name]) ?? -Errno.ENOENT;
    };
    const text = (caller: Caller): ByteString | number => {
      const path = place(caller);
      return typeof path === 'number' ? path : system.pathName(path, caller.root);
    };
    return new PseudoLink(this, inoOf(pid, 50 + name.charCodeAt(0) % 10), owner, text, place);
  }

  #taskChildren(pid: number, owner: PseudoOwner): Children {
    const system = this.#system;
    const directory = (tid: number): Inode => new PseudoDirectory(this, inoOf(tid, 99), owner, this.#processChildren(pid, owner, tid), inoOf(pid, 62));
    return {
      child: name => {
        const tid = Number(name);
        return [...(system.process(pid)?.threads ?? [])].some(t => t.tid === tid && String(tid) === name) ? directory(tid) : undefined;
      },
      list: function* () {
        for (const { tid } of system.process(pid)?.threads ?? []) yield { name: String(tid), kind: S_IFDIR, ino: inoOf(tid, 99) };
      },
    };
  }

  #descriptorChildren(pid: number, owner: PseudoOwner, info: boolean): Children {
    const system = this.#system;
    const find = (fd: number) => {
      for (const [number, file] of system.process(pid)?.descriptors() ?? []) if (number === fd) return file;
      return undefined;
    };
    return {
      child: name => {
        const fd = Number(name);
        const file = String(fd) === name ? find(fd) : undefined;
        if (!file) return undefined;
        const ino = inoOf(pid, 100 + fd);
        if (info) {
          return new PseudoFile(this, ino, 0o400, owner, () => `pos:\t${file.position}\nflags:\t0${file.flags.toString(8)}\nmnt_id:\t${file.path.mount.id}\nino:\t${file.inode.ino}\n`);
        }
        const permissions = 0o100 | ((file.flags & 3) === 1 ? 0o200 : (file.flags & 3) === 2 ? 0o600 : 0o400);
        return new PseudoLink(this, ino, owner, caller => system.pathName(file.path, caller.root),
          caller => (system.process(pid)?.allows(caller) ? file.path : -Errno.EACCES), permissions);
      },
      list: function* () {
        for (const [fd] of system.process(pid)?.descriptors() ?? []) yield { name: String(fd), kind: S_IFLNK, ino: inoOf(pid, 100 + fd) };
      },
    };
  }
}

function ownerOf(process: ProcessView, system: SystemView): PseudoOwner {
  const start = system.bootTime + process.startTime / 1e9;
  return { uid: process.uids[1], gid: process.gids[1], time: { seconds: Math.floor(start), nanoseconds: 0 } };
}
