/** Puts a machine's tree together: ext2 at /, and proc, sys, dev, run and shm over it. */
import { populateDev } from '../fs/devfs.ts';
import { Devpts } from '../fs/devpts.ts';
import { Ext2 } from '../fs/ext2/ext2.ts';
import { MountFailure } from '../fs/ext2/layout.ts';
import { Procfs } from '../fs/procfs/procfs.ts';
import type { SystemView } from '../fs/procfs/source.ts';
import { Sysfs } from '../fs/sysfs.ts';
import { Tmpfs } from '../fs/tmpfs.ts';
import type { BlockDevice } from '../fs/vfs/block.ts';
import { superuser, type Caller } from '../fs/vfs/caller.ts';
import type { FileSystem } from '../fs/vfs/fileSystem.ts';
import type { FrameStore } from '../fs/vfs/frames.ts';
import type { Timespec } from '../fs/vfs/inode.ts';
import { Walk, type Namespace } from '../fs/vfs/namespace.ts';
import { PageCache } from '../fs/vfs/pageCache.ts';
import type { Path } from '../fs/vfs/path.ts';
import { Vfs } from '../fs/vfs/vfs.ts';
import { Errno, errnoName } from '../kernel/abi/errno.ts';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RELATIME } from '../kernel/abi/mount.ts';
import { type Io } from '../lib/wait.ts';
import { BootError, DiskError } from './bootError.ts';

/** Device numbers (major << 8 | minor) of the mounts, as stat(2) shows them. */
const devices = { disk: 0xfe00, proc: 0x15, sys: 0x16, dev: 0x05, pts: 0x17, shm: 0x18, run: 0x19, firstHost: 0x40 } as const;

export interface FileSystemOptions {
  readonly frames: FrameStore;
  readonly device: BlockDevice;
  /** What mount(8) shows as the disk. */
  readonly source: string;
  readonly now: () => Timespec;
  readonly log: (line: string) => void;
}

/** The tree before there is a kernel: the disk at /, and what else is made without one. */
export interface FileSystems {
  readonly vfs: Vfs;
  readonly cache: PageCache;
  readonly disk: Ext2;
  readonly devpts: Devpts;
  readonly host: Caller;
}

/** The umask of what the machine itself makes in its tree. */
const machineUmask = 0o022;

/** Mounts the disk. Throws BootError if it can't be. */
export function* mountDisk({ frames, device, source, now, log }: FileSystemOptions): Io<FileSystems> {
  const cache = new PageCache(frames);
  const disk = yield* Ext2.mount({ device, deviceNumber: devices.disk, cache, now, log });
  if (disk instanceof MountFailure) throw new DiskError(`The disk can't be mounted: ${disk.message}`, errnoName(disk.errno));
  const vfs = new Vfs({ root: disk, source, flags: MS_RELATIME, now });
  return { vfs, cache, disk, devpts: new Devpts(devices.pts, now), host: { ...superuser(vfs.root), umask: machineUmask } };
}

/** Mounts the rest. Needs the kernel's openers in place only once nodes are opened. */
export function* mountSystem({ vfs, cache, devpts, host }: FileSystems, system: SystemView, now: () => Timespec): Io<void> {
  const restricted = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  yield* mountAt(vfs, host, new Procfs(system, devices.proc), '/proc', 'proc', restricted | MS_RELATIME);
  yield* mountAt(vfs, host, new Sysfs(devices.sys, system.bootTime), '/sys', 'sysfs', restricted | MS_RELATIME);
  const dev = new Tmpfs({ device: devices.dev, cache, now, mode: 0o755, type: 'devtmpfs', size: 1 << 20 });
  yield* mountAt(vfs, host, dev, '/dev', 'udev', MS_NOSUID | MS_RELATIME);
  const place = yield* placeOf(vfs, host, '/dev');
  const made = yield* populateDev(vfs, { ...host, umask: 0 }, place);
  if (made < 0) throw new BootError('The device nodes could not be made.', errnoName(made));
  yield* mountAt(vfs, host, devpts, '/dev/pts', 'devpts', MS_NOSUID | MS_NOEXEC | MS_RELATIME);
  yield* mountAt(vfs, host, new Tmpfs({ device: devices.shm, cache, now }), '/dev/shm', 'tmpfs', MS_NOSUID | MS_NODEV);
  yield* mountAt(vfs, host, new Tmpfs({ device: devices.run, cache, now, mode: 0o755 }), '/run', 'tmpfs', MS_NOSUID | MS_NODEV | MS_RELATIME);
  yield* makeDirectories(vfs, { ...host, umask: 0 }, [['/run/lock', 0o1777], ['/run/user', 0o755]]);
}

function* makeDirectories(vfs: Namespace, caller: Caller, list: readonly (readonly [string, number])[]): Io<void> {
  for (const [path, mode] of list) {
    const made = yield* vfs.mkdir(caller, vfs.root, path, mode);
    if (made < 0) throw new BootError('{0} could not be made.', errnoName(made), path);
    const place = yield* placeOf(vfs, caller, path);
    yield* vfs.setAttributes(caller, place, { mode });
  }
}

function* placeOf(vfs: Namespace, caller: Caller, path: string): Io<Path> {
  const place = yield* vfs.resolve(caller, vfs.root, path, Walk.follow | Walk.directory);
  if (typeof place === 'number') throw new DiskError(`The disk has no directory ${path}.`, errnoName(place));
  return place;
}

/** Mounts `fileSystem` on the directory `path`, which is made if it isn't there. */
export function* mountAt(vfs: Namespace, caller: Caller, fileSystem: FileSystem, path: string, source: string, flags: number): Io<void> {
  yield* makeParents(vfs, caller, path);
  const place = yield* placeOf(vfs, caller, path);
  const mount = vfs.mount(fileSystem, place, source, flags);
  if (typeof mount === 'number') throw new BootError('{0} could not be mounted.', errnoName(mount), path);
}

/** Makes a directory and those above it; what is there stays. */
function* makeParents(vfs: Namespace, caller: Caller, path: string): Io<void> {
  const parts = path.split('/').filter(part => part !== '');
  for (let i = 1; i <= parts.length; i++) {
    const prefix = `/${parts.slice(0, i).join('/')}`;
    const there = yield* vfs.resolve(caller, vfs.root, prefix, Walk.follow);
    if (typeof there === 'number') yield* vfs.mkdir(caller, vfs.root, prefix, 0o755);
  }
}

/** mount(2) by a program: another instance of a file system without a device; -ENODEV for the rest. */
export function newFileSystem({ cache, devpts }: FileSystems, system: SystemView, type: string, now: () => Timespec): FileSystem | number {
  switch (type) {
    case 'tmpfs': return new Tmpfs({ device: devices.run, cache, now });
    case 'proc': return new Procfs(system, devices.proc);
    case 'sysfs': return new Sysfs(devices.sys, system.bootTime);
    case 'devpts': return devpts;
    default: return -Errno.ENODEV;
  }
}

/** st_dev of the n-th host directory. */
export function hostDevice(index: number): number {
  return devices.firstHost + index;
}
