/**
 * devpts: a directory with one character device per pseudo-terminal pair, and a `ptmx` node. The kernel adds and removes the nodes as
 * pairs come and go; opening one goes through the kernel's device table like any device.
 */
import { Errno } from '../kernel/abi/errno.ts';
import { S_IFCHR, S_IFDIR, directoryType } from '../kernel/abi/stat.ts';
import type { ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';
import { AttributeInode } from './vfs/attributeInode.ts';
import type { Caller } from './vfs/caller.ts';
import type { FileSystem, FileSystemStatistics } from './vfs/fileSystem.ts';
import type { DirectoryEntry, Inode, NewInode, Timespec } from './vfs/inode.ts';
import type { OpenFile } from './vfs/openFile.ts';
import type { Path } from './vfs/path.ts';
import { DirectoryFile } from './vfs/pathFile.ts';

const DEVPTS_SUPER_MAGIC = 0x1cd1;
const ptmxDevice = (5 << 8) | 2;
/** Slaves have majors 136-143, 256 minors each. */
const slaveMajor = 136;

/** devpts(5). `gid` and `mode` are the mount options for new nodes: group tty, crw--w----. */
export class Devpts implements FileSystem {
  readonly type = 'devpts';
  readonly device: number;
  readonly readOnly = false;
  readonly options = ',gid=5,mode=620,ptmxmode=666';
  /** Nodes come and go behind the VFS's back. */
  readonly cachesNames = false;
  readonly root: Inode;
  readonly #nodes = new Map<ByteString, DevptsInode>();
  readonly #now: () => Timespec;

  constructor(device: number, now: () => Timespec) {
    this.device = device;
    this.#now = now;
    this.root = new DevptsRoot(this, this.#nodes, now());
    this.#nodes.set('ptmx', new DevptsInode(this, 2, { mode: S_IFCHR | 0o666, uid: 0, gid: 0, rdev: ptmxDevice }, now()));
  }

  /** A new pair: its node belongs to `owner` and group tty. */
  add(index: number, owner: { uid: number }): void {
    const rdev = ((slaveMajor + (index >> 8)) << 8) | (index & 0xff);
    this.#nodes.set(String(index), new DevptsInode(this, index + 3, { mode: S_IFCHR | 0o620, uid: owner.uid, gid: 5, rdev }, this.#now()));
  }

  remove(index: number): void {
    const node = this.#nodes.get(String(index));
    if (node) node.linkCount = 0;
    this.#nodes.delete(String(index));
  }

  /** The node of a pair. */
  node(index: number): Inode | undefined {
    return this.#nodes.get(String(index));
  }

  statistics(): FileSystemStatistics {
    return { type: DEVPTS_SUPER_MAGIC, blockSize: 4096, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0, nameLength: 255 };
  }

  *sync(): Io<number> {
    return 0;
  }
}

class DevptsInode extends AttributeInode {
  override blockSize = 1024;

  constructor(fileSystem: FileSystem, ino: number, made: NewInode, now: Timespec) {
    super(fileSystem, ino, made.mode, made, now);
    this.rdev = made.rdev;
  }
}

class DevptsRoot extends DevptsInode {
  readonly #nodes: ReadonlyMap<ByteString, Inode>;

  constructor(fileSystem: FileSystem, nodes: ReadonlyMap<ByteString, Inode>, now: Timespec) {
    super(fileSystem, 1, { mode: S_IFDIR | 0o755, uid: 0, gid: 0, rdev: 0 }, now);
    this.#nodes = nodes;
    this.linkCount = 2;
  }

  override *lookup(name: ByteString): Io<Inode | number> {
    return this.#nodes.get(name) ?? -Errno.ENOENT;
  }

  override *readDirectory(from: number, _path: Path): Io<DirectoryEntry[] | number> {
    const entries: DirectoryEntry[] = ['.', '..'].map((name, i) => ({ name, ino: 1, type: directoryType(S_IFDIR), next: i + 1 }));
    for (const [name, inode] of this.#nodes) entries.push({ name, ino: inode.ino, type: directoryType(inode.mode), next: entries.length + 1 });
    return entries.slice(from);
  }

  override *open(path: Path, flags: number, _caller: Caller): Io<OpenFile | number> {
    return new DirectoryFile(path, this, flags);
  }
}
