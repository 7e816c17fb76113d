/** What /dev holds: device nodes, links to the caller's descriptors, and the places where devpts and shared memory are mounted. */
import { S_IFCHR, S_ISVTX } from '../kernel/abi/stat.ts';
import type { ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';
import type { Caller } from './vfs/caller.ts';
import { Walk, type Namespace } from './vfs/namespace.ts';
import type { Path } from './vfs/path.ts';

interface DeviceNode {
  readonly name: ByteString;
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly gid: number;
}

const tty = 5;

const nodes: readonly DeviceNode[] = [
  { name: 'null', major: 1, minor: 3, mode: 0o666, gid: 0 },
  { name: 'zero', major: 1, minor: 5, mode: 0o666, gid: 0 },
  { name: 'full', major: 1, minor: 7, mode: 0o666, gid: 0 },
  { name: 'random', major: 1, minor: 8, mode: 0o666, gid: 0 },
  { name: 'urandom', major: 1, minor: 9, mode: 0o666, gid: 0 },
  { name: 'kmsg', major: 1, minor: 11, mode: 0o644, gid: 0 },
  { name: 'tty', major: 5, minor: 0, mode: 0o666, gid: tty },
  { name: 'console', major: 5, minor: 1, mode: 0o600, gid: tty },
  { name: 'ptmx', major: 5, minor: 2, mode: 0o666, gid: tty },
];

const links: readonly (readonly [name: ByteString, target: ByteString])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
];

/** Populates an empty directory, a tmpfs mounted on /dev, as root without umask would. 0, or the first -errno. */
export function* populateDev(namespace: Namespace, caller: Caller, dev: Path): Io<number> {
  for (const { name, major, minor, mode, gid } of nodes) {
    const made = yield* namespace.mknod(caller, dev, name, S_IFCHR | mode, (major << 8) | minor);
    if (typeof made === 'number') return made;
    const changed = gid === 0 ? 0 : yield* namespace.setAttributes(caller, made, { gid });
    if (changed < 0) return changed;
  }
  for (const [name, target] of links) {
    const made = yield* namespace.symlink(caller, dev, name, target);
    if (made < 0) return made;
  }
  for (const [name, mode] of [['pts', 0o755], ['shm', S_ISVTX | 0o777]] as const) {
    const made = yield* namespace.mkdir(caller, dev, name, mode);
    if (made < 0) return made;
    const place = yield* namespace.resolve(caller, dev, name, Walk.directory);
    if (typeof place === 'number') return place;
    // mkdir(2) leaves the sticky bit to the file system: be sure of it.
    const changed = yield* namespace.setAttributes(caller, place, { mode });
    if (changed < 0) return changed;
  }
  return 0;
}
