/**
 * A host's directory as a file system of the guest: `--mount` of the headless VM, later the editor's workspace. The host is reached
 * through `HostFiles`, so nothing here knows Node or VS Code. Names and attributes may change behind our back: nothing of them is
 * cached; pages that are mapped are read anew when the file's size or time has changed.
 */
import { Errno } from '../kernel/abi/errno.ts';
import { O_ACCMODE, O_APPEND, O_RDONLY, O_TRUNC } from '../kernel/abi/fcntl.ts';
import { directoryType } from '../kernel/abi/stat.ts';
import type { ByteString } from '../lib/byteString.ts';
import type { Sink, Source } from '../lib/transfer.ts';
import type { Attempt, Io } from '../lib/wait.ts';
import type { Caller } from './vfs/caller.ts';
import type { FileSystem, FileSystemStatistics } from './vfs/fileSystem.ts';
import type { FrameStore } from './vfs/frames.ts';
import { Inode, type AttributeChange, type DirectoryEntry, type NewInode, type Timespec } from './vfs/inode.ts';
import { OpenFile } from './vfs/openFile.ts';
import type { Path } from './vfs/path.ts';
import { DirectoryFile } from './vfs/pathFile.ts';

/** lstat(2) on the host. */
export interface HostStatus {
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  readonly rdev: number;
  readonly size: number;
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
}

/** The host's side. Paths are byte strings relative to the mounted directory, '' for itself. Everything answers a negative errno on failure. */
export interface HostFiles {
  status(path: ByteString): HostStatus | number;
  list(path: ByteString): ByteString[] | number;
  readlink(path: ByteString): ByteString | number;
  /** Fills `into` from `offset`; how many bytes, fewer at the end. */
  read(path: ByteString, offset: number, into: Uint8Array): number;
  write(path: ByteString, offset: number, from: Uint8Array): number;
  truncate(path: ByteString, size: number): number;
  /** Makes an empty file or directory (by the mode's type bits); -EEXIST, -EPERM for other kinds. */
  create(path: ByteString, mode: number): number;
  symlink(path: ByteString, target: ByteString): number;
  link(path: ByteString, existing: ByteString): number;
  remove(path: ByteString, directory: boolean): number;
  rename(from: ByteString, to: ByteString): number;
  setAttributes(path: ByteString, change: AttributeChange): number;
  sync(path: ByteString): number;
  statistics(): FileSystemStatistics;
}

const pageSize = 4096;
// One read(2) or write(2) moves at most this much through a bounce buffer.
const bounceSize = 1 << 18;

export class Hostfs implements FileSystem {
  readonly type = 'hostfs';
  readonly device: number;
  readonly readOnly: boolean;
  readonly options = '';
  readonly cachesNames = false;
  readonly root: Inode;
  readonly host: HostFiles;
  readonly frames: FrameStore;
  readonly bounce = new Uint8Array(bounceSize);
  /** Inodes by host inode number, so that two names of a file are one inode and mappings are shared. */
  readonly #inodes = new Map<number, HostInode>();

  /** Fails with a negative errno when the directory isn't there. */
  static open(host: HostFiles, device: number, readOnly: boolean, frames: FrameStore): Hostfs | number {
    const status = host.status('');
    return typeof status === 'number' ? status : new Hostfs(host, device, readOnly, frames, status);
  }

  private constructor(host: HostFiles, device: number, readOnly: boolean, frames: FrameStore, status: HostStatus) {
    this.host = host;
    this.device = device;
    this.readOnly = readOnly;
    this.frames = frames;
    this.root = this.inode('', status);
  }

  /** The inode at `path`, whose status was just read. */
  inode(path: ByteString, status: HostStatus): HostInode {
    let inode = this.#inodes.get(status.ino);
    if (inode && ((inode.mode ^ status.mode) & 0o170000) !== 0) inode = undefined; // the number was used anew
    if (!inode) {
      inode = new HostInode(this, path, status);
      this.#inodes.set(status.ino, inode);
    } else {
      inode.path = path;
      inode.take(status);
    }
    return inode;
  }

  forget(inode: HostInode): void {
    if (this.#inodes.get(inode.ino) === inode) this.#inodes.delete(inode.ino);
  }

  statistics(): FileSystemStatistics {
    return this.host.statistics();
  }

  *sync(): Io<number> {
    return 0;
  }
}

class HostInode extends Inode {
  override readonly fileSystem: Hostfs;
  override readonly ino: number;
  override mode = 0;
  override uid = 0;
  override gid = 0;
  override linkCount = 1;
  override size = 0;
  override atime!: Timespec;
  override mtime!: Timespec;
  override ctime!: Timespec;
  path: ByteString;
  #blocks = 0;
  /** Frames of mapped pages by index; each holds a reference. */
  readonly #pages = new Map<number, number>();
  readonly #dirty = new Set<number>();

  constructor(fileSystem: Hostfs, path: ByteString, status: HostStatus) {
    super();
    this.fileSystem = fileSystem;
    this.path = path;
    this.ino = status.ino;
    this.take(status);
  }

  /** Takes over attributes; drops pages when the file was changed by someone else. */
  take(status: HostStatus): void {
    const changed = this.mtime && (status.size !== this.size || status.mtime.seconds !== this.mtime.seconds || status.mtime.nanoseconds !== this.mtime.nanoseconds);
    if (changed) this.#dropPages();
    this.mode = status.mode;
    this.uid = status.uid;
    this.gid = status.gid;
    this.linkCount = status.linkCount;
    this.rdev = status.rdev;
    this.size = status.size;
    this.#blocks = status.blocks;
    this.atime = status.atime;
    this.mtime = status.mtime;
    this.ctime = status.ctime;
  }

  override get blocks(): number {
    return this.#blocks;
  }

  override get isMappable(): boolean {
    return this.isRegular;
  }

  #child(name: ByteString): ByteString {
    return this.path === '' ? name : `${this.path}/${name}`;
  }

  get #host(): HostFiles {
    return this.fileSystem.host;
  }

  override *refresh(): Io<number> {
    const status = this.#host.status(this.path);
    if (typeof status === 'number') return status;
    if (status.ino === this.ino) this.take(status);
    return 0;
  }

  override *lookup(name: ByteString): Io<Inode | number> {
    const path = this.#child(name);
    const status = this.#host.status(path);
    return typeof status === 'number' ? status : this.fileSystem.inode(path, status);
  }

  override *readDirectory(from: number, _path: Path): Io<DirectoryEntry[] | number> {
    const names = this.#host.list(this.path);
    if (typeof names === 'number') return names;
    const entries: DirectoryEntry[] = [];
    ['.', '..', ...names].slice(from, from + 256).forEach((name, i) => {
      const status = i + from < 2 ? this : this.#host.status(this.#child(name));
      if (typeof status !== 'number') entries.push({ name, ino: status.ino, type: directoryType(status.mode), next: from + i + 1 });
    });
    return entries;
  }

  *#made(path: ByteString, result: number, inode: NewInode): Io<Inode | number> {
    if (result < 0) return result;
    this.#host.setAttributes(path, { uid: inode.uid, gid: inode.gid }); // best effort: only a root host can give files away
    const status = this.#host.status(path);
    return typeof status === 'number' ? status : this.fileSystem.inode(path, status);
  }

  override *create(name: ByteString, inode: NewInode): Io<Inode | number> {
    const path = this.#child(name);
    return yield* this.#made(path, this.#host.create(path, inode.mode), inode);
  }
  override *mkdir(name: ByteString, inode: NewInode): Io<Inode | number> {
    const path = this.#child(name);
    return yield* this.#made(path, this.#host.create(path, inode.mode), inode);
  }
  override *symlink(name: ByteString, target: ByteString, inode: NewInode): Io<Inode | number> {
    const path = this.#child(name);
    return yield* this.#made(path, this.#host.symlink(path, target), inode);
  }
  override *link(name: ByteString, target: Inode): Io<number> {
    return target instanceof HostInode ? this.#host.link(this.#child(name), target.path) : -Errno.EXDEV;
  }
  override *unlink(name: ByteString, target: Inode): Io<number> {
    return this.#remove(name, target, false);
  }
  override *rmdir(name: ByteString, target: Inode): Io<number> {
    return this.#remove(name, target, true);
  }
  #remove(name: ByteString, target: Inode, directory: boolean): number {
    const result = this.#host.remove(this.#child(name), directory);
    if (result === 0) target.linkCount -= directory ? target.linkCount : 1;
    return result;
  }
  override *rename(
    name: ByteString, source: Inode, newDirectory: Inode, newName: ByteString, _replaced: Inode | undefined, exchange: boolean,
  ): Io<number> {
    if (!(newDirectory instanceof HostInode) || !(source instanceof HostInode)) return -Errno.EXDEV;
    if (exchange) return -Errno.EINVAL;
    const to = newDirectory.#child(newName);
    const result = this.#host.rename(this.#child(name), to);
    if (result === 0) source.path = to;
    return result;
  }
  override *readlink(_caller: Caller): Io<ByteString | number> {
    return this.#host.readlink(this.path);
  }
  override *setAttributes(change: AttributeChange): Io<number> {
    const result = this.#host.setAttributes(this.path, change);
    return result < 0 ? result : yield* this.refresh();
  }
  override *truncate(size: number): Io<number> {
    const result = this.#host.truncate(this.path, size);
    return result < 0 ? result : yield* this.refresh();
  }
  override *sync(_dataOnly: boolean): Io<number> {
    const written = this.writePages();
    return written < 0 ? written : this.#host.sync(this.path);
  }

  override *open(path: Path, flags: number, _caller: Caller): Io<OpenFile | number> {
    if (this.isDirectory) return new DirectoryFile(path, this, flags);
    if ((flags & O_TRUNC) !== 0 && (flags & O_ACCMODE) !== O_RDONLY) {
      const result = yield* this.truncate(0);
      if (result < 0) return result;
    }
    return new HostFile(path, this, flags);
  }

  override page(index: number, _forWrite: boolean): Attempt<{ frame: number } | number> {
    const known = this.#pages.get(index);
    if (known !== undefined) return { frame: known };
    if (index * pageSize >= this.size) return -Errno.ENXIO;
    const { frames } = this.fileSystem;
    const frame = frames.allocate();
    if (frame === 0) return -Errno.ENOMEM;
    const got = this.#host.read(this.path, index * pageSize, frames.bytes.subarray(frame * pageSize, (frame + 1) * pageSize));
    if (got < 0) {
      frames.release(frame);
      return got;
    }
    this.#pages.set(index, frame);
    return { frame };
  }

  override pageDirtied(index: number): void {
    this.#dirty.add(index);
  }

  /** Writes what was changed through mappings back to the host. */
  writePages(): number {
    for (const index of this.#dirty) {
      const frame = this.#pages.get(index);
      this.#dirty.delete(index);
      if (frame === undefined) continue;
      const length = Math.min(pageSize, this.size - index * pageSize);
      if (length <= 0) continue;
      const written = this.#host.write(this.path, index * pageSize, this.fileSystem.frames.bytes.subarray(frame * pageSize, frame * pageSize + length));
      if (written < 0) return written;
    }
    return 0;
  }

  #dropPages(): void {
    for (const frame of this.#pages.values()) this.fileSystem.frames.release(frame);
    this.#pages.clear();
    this.#dirty.clear();
  }

  override *evict(): Io<void> {
    this.#dropPages();
    this.fileSystem.forget(this);
  }

  /** Reads through mapped pages where there are some, so that a mapping and read(2) agree. */
  readInto(into: Uint8Array, offset: number): number {
    if (this.#dirty.size > 0) {
      const written = this.writePages();
      if (written < 0) return written;
    }
    return this.#host.read(this.path, offset, into);
  }

  writeFrom(from: Uint8Array, offset: number): number {
    const written = this.#host.write(this.path, offset, from);
    if (written <= 0) return written;
    const { frames } = this.fileSystem;
    for (let at = 0; at < written;) {
      const index = Math.floor((offset + at) / pageSize);
      const within = (offset + at) % pageSize;
      const length = Math.min(pageSize - within, written - at);
      const frame = this.#pages.get(index);
      if (frame !== undefined) {
        frames.bytes.set(from.subarray(at, at + length), frame * pageSize + within);
        frames.written(frame);
      }
      at += length;
    }
    const status = this.#host.status(this.path);
    if (typeof status !== 'number') {
      this.mtime = status.mtime; // our own change: the pages stay
      this.size = status.size;
      this.take(status);
    }
    return written;
  }
}

class HostFile extends OpenFile {
  override get isSeekable(): boolean {
    return true;
  }

  get #inode(): HostInode {
    return this.inode as HostInode;
  }

  override read(sink: Sink, position: number): Attempt<number> {
    const { bounce } = this.#inode.fileSystem;
    const got = this.#inode.readInto(bounce.subarray(0, Math.min(bounce.length, sink.remaining)), position);
    if (got <= 0) return got;
    const taken = sink.put(bounce, 0, got);
    return taken === 0 ? -Errno.EFAULT : taken;
  }

  override write(source: Source, position: number): Attempt<number> {
    const { bounce } = this.#inode.fileSystem;
    const length = source.get(bounce, 0, Math.min(bounce.length, source.remaining));
    if (length === 0) return source.remaining > 0 ? -Errno.EFAULT : 0;
    const append = (this.flags & O_APPEND) !== 0;
    const at = append ? this.#inode.size : position;
    const written = this.#inode.writeFrom(bounce.subarray(0, length), at);
    if (append && written > 0) this.position = at + written;
    return written;
  }

  protected override close(): Io<void> | undefined {
    this.#inode.writePages();
    return undefined;
  }
}
