/**
 * tmpfs(5): files in memory. Names and attributes are JavaScript objects, file contents are pages of the page cache that are never
 * written anywhere. /tmp, /run, /dev/shm, memfd_create(2) and, as 'devtmpfs', /dev are made of it.
 */
import { Errno } from '../kernel/abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../kernel/abi/fcntl.ts';
import { S_IFDIR, S_IFMT, directoryType } from '../kernel/abi/stat.ts';
import type { ByteString } from '../lib/byteString.ts';
import type { Attempt, Io } from '../lib/wait.ts';
import type { Caller } from './vfs/caller.ts';
import type { FileSystem, FileSystemStatistics } from './vfs/fileSystem.ts';
import type { AttributeChange, DirectoryEntry, Inode, NewInode, Timespec } from './vfs/inode.ts';
import type { OpenFile } from './vfs/openFile.ts';
import { pageSize, type PageCache } from './vfs/pageCache.ts';
import { PagedFile, PagedInode } from './vfs/pagedFile.ts';
import { DirectoryFile } from './vfs/pathFile.ts';
import type { Path } from './vfs/path.ts';
import { XattrFlag, checkXattrName } from './vfs/xattrNames.ts';

export interface TmpfsOptions {
  /** st_dev. */
  device: number;
  cache: PageCache;
  now: () => Timespec;
  /** Bytes that files may take together; half of memory by default. */
  size?: number;
  /** Inodes that there may be; one per page of memory by default. */
  inodes?: number;
  /** Of the root directory; 0o1777 by default. */
  mode?: number;
  uid?: number;
  gid?: number;
  /** 'tmpfs' by default. */
  type?: ByteString;
}

const TMPFS_MAGIC = 0x01021994;
// What 32-bit page indices reach.
const fileSizeMaximum = 2 ** 31 * pageSize;

export class Tmpfs implements FileSystem {
  readonly type: ByteString;
  readonly device: number;
  readonly readOnly = false;
  readonly cachesNames = true;
  readonly options: ByteString;
  readonly root: TmpfsInode;
  readonly cache: PageCache;
  readonly now: () => Timespec;
  readonly pageLimit: number;
  readonly #inodeLimit: number;
  pagesUsed = 0;
  inodesUsed = 0;
  #nextIno = 1;

  constructor(options: TmpfsOptions) {
    this.type = options.type ?? 'tmpfs';
    this.device = options.device;
    this.cache = options.cache;
    this.now = options.now;
    const { total } = options.cache.frames;
    this.pageLimit = options.size === undefined ? Math.floor(total / 2) : Math.ceil(options.size / pageSize);
    this.#inodeLimit = options.inodes ?? total;
    this.options = `${options.size === undefined ? '' : `,size=${Math.ceil(options.size / 1024)}k`}${options.mode === undefined ? '' : `,mode=${options.mode.toString(8)}`}`;
    this.root = this.make({ mode: S_IFDIR | (options.mode ?? 0o1777), uid: options.uid ?? 0, gid: options.gid ?? 0, rdev: 0 })!;
    this.root.parent = this.root;
    this.root.linkCount = 2;
  }

  /** A new inode without a name, undefined when there are too many. */
  make(inode: NewInode): TmpfsInode | undefined {
    if (this.inodesUsed >= this.#inodeLimit) return undefined;
    this.inodesUsed++;
    return new TmpfsInode(this, this.#nextIno++, inode);
  }

  statistics(): FileSystemStatistics {
    const free = this.pageLimit - this.pagesUsed;
    return {
      type: TMPFS_MAGIC, blockSize: pageSize, blocks: this.pageLimit, blocksFree: free, blocksAvailable: free,
      files: this.#inodeLimit, filesFree: this.#inodeLimit - this.inodesUsed, nameLength: 255,
    };
  }

  *sync(): Io<number> {
    return 0;
  }

  unmounted(): void {
    this.root.dropTree();
  }
}

interface Entry {
  readonly inode: TmpfsInode;
  /** Grows with each entry of the directory: where getdents(2) goes on. */
  readonly position: number;
}

// Positions 0 and 1 are . and ..
const firstPosition = 2;
const directoryBatch = 512;
// What tmpfs says of a directory's size, per entry.
const entrySize = 20;

export class TmpfsInode extends PagedInode {
  override readonly fileSystem: Tmpfs;
  override readonly ino: number;
  override mode: number;
  override uid: number;
  override gid: number;
  override linkCount = 0;
  override size = 0;
  override atime: Timespec;
  override mtime: Timespec;
  override ctime: Timespec;
  protected override readonly livesInMemory = true;
  protected override readonly sizeMaximum = fileSizeMaximum;
  /** The directory that holds this one. */
  parent: TmpfsInode | undefined;
  readonly #entries: Map<ByteString, Entry> | undefined;
  #nextPosition = firstPosition;
  #target: ByteString = '';
  #xattrs: Map<ByteString, Uint8Array> | undefined;

  constructor(fileSystem: Tmpfs, ino: number, inode: NewInode) {
    super(fileSystem.cache);
    this.fileSystem = fileSystem;
    this.ino = ino;
    this.mode = inode.mode;
    this.uid = inode.uid;
    this.gid = inode.gid;
    this.rdev = inode.rdev;
    this.atime = this.mtime = this.ctime = fileSystem.now();
    if (this.isDirectory) this.#entries = new Map();
  }

  override get blocks(): number {
    return this.pages.size * (pageSize / 512);
  }

  // Names.

  override *lookup(name: ByteString): Io<Inode | number> {
    if (this.#entries === undefined) return -Errno.ENOTDIR;
    return this.#entries.get(name)?.inode ?? -Errno.ENOENT;
  }

  #enter(name: ByteString, inode: TmpfsInode): void {
    this.#entries!.set(name, { inode, position: this.#nextPosition++ });
    if (inode.isDirectory) {
      inode.parent = this;
      this.linkCount++;
    }
    this.#namesChanged();
  }

  #leave(name: ByteString, inode: TmpfsInode): void {
    this.#entries!.delete(name);
    if (inode.isDirectory) this.linkCount--;
    this.#namesChanged();
  }

  #namesChanged(): void {
    this.size = this.#entries!.size * entrySize;
    this.mtime = this.ctime = this.now();
  }

  #make(name: ByteString, inode: NewInode): TmpfsInode | number {
    const made = this.fileSystem.make(inode);
    if (made === undefined) return -Errno.ENOSPC;
    made.linkCount = made.isDirectory ? 2 : 1;
    this.#enter(name, made);
    return made;
  }

  override *create(name: ByteString, inode: NewInode): Io<Inode | number> {
    return this.#make(name, inode);
  }

  override *mkdir(name: ByteString, inode: NewInode): Io<Inode | number> {
    return this.#make(name, inode);
  }

  override *symlink(name: ByteString, target: ByteString, inode: NewInode): Io<Inode | number> {
    const made = this.#make(name, inode);
    if (typeof made === 'number') return made;
    made.#target = target;
    made.size = target.length;
    return made;
  }

  override *link(name: ByteString, target: Inode): Io<number> {
    target.linkCount++;
    target.ctime = this.now();
    this.#enter(name, target as TmpfsInode);
    return 0;
  }

  override *unlink(name: ByteString, target: Inode): Io<number> {
    this.#leave(name, target as TmpfsInode);
    target.linkCount--;
    target.ctime = this.now();
    return 0;
  }

  override *rmdir(name: ByteString, target: Inode): Io<number> {
    if ((target as TmpfsInode).#entries!.size > 0) return -Errno.ENOTEMPTY;
    this.#leave(name, target as TmpfsInode);
    target.linkCount = 0;
    return 0;
  }

  override *rename(
    name: ByteString, source: Inode, newDirectory: Inode, newName: ByteString, replaced: Inode | undefined, exchange: boolean,
  ): Io<number> {
    const to = newDirectory as TmpfsInode;
    const moved = source as TmpfsInode;
    const other = replaced as TmpfsInode | undefined;
    if (other !== undefined && !exchange) {
      const removed = other.isDirectory ? yield* to.rmdir(newName, other) : yield* to.unlink(newName, other);
      if (removed < 0) return removed;
    }
    this.#leave(name, moved);
    if (exchange && other !== undefined) {
      to.#leave(newName, other);
      this.#enter(name, other);
      other.ctime = this.now();
    }
    to.#enter(newName, moved);
    moved.ctime = this.now();
    return 0;
  }

  override *createUnnamed(inode: NewInode): Io<Inode | number> {
    return this.fileSystem.make(inode) ?? -Errno.ENOSPC;
  }

  override *readDirectory(from: number, _path: Path): Io<DirectoryEntry[] | number> {
    if (this.#entries === undefined) return -Errno.ENOTDIR;
    const entries: DirectoryEntry[] = [];
    if (from <= 0) entries.push({ name: '.', ino: this.ino, type: S_IFDIR >> 12, next: 1 });
    if (from <= 1) entries.push({ name: '..', ino: this.parent?.ino ?? this.ino, type: S_IFDIR >> 12, next: firstPosition });
    for (const [name, { inode, position }] of this.#entries) {
      if (position < from) continue;
      entries.push({ name, ino: inode.ino, type: directoryType(inode.mode), next: position + 1 });
      if (entries.length >= directoryBatch) break;
    }
    return entries;
  }

  override *readlink(_caller: Caller): Io<ByteString | number> {
    return this.isSymlink ? this.#target : -Errno.EINVAL;
  }

  /** Gives back the pages of everything below. */
  dropTree(): void {
    for (const { inode } of this.#entries?.values() ?? []) inode.dropTree();
    this.#entries?.clear();
    this.dropPages(0, Infinity, true);
  }

  // Contents.

  override *open(path: Path, flags: number, caller: Caller): Io<OpenFile | number> {
    if (this.isDirectory) return new DirectoryFile(path, this, flags);
    return this.isRegular ? new PagedFile(path, this, flags, caller) : -Errno.ENXIO;
  }

  override pageCountChanged(change: number): void {
    this.fileSystem.pagesUsed += change;
  }

  protected override fillPages(): Attempt<number> {
    return -Errno.EIO; // pages are nowhere else: never asked
  }

  protected override storePage(): Attempt<number> {
    return 0;
  }

  protected override reserve(position: number, length: number): Attempt<number> {
    let room = this.fileSystem.pageLimit - this.fileSystem.pagesUsed;
    const end = position + length;
    for (let index = Math.floor(position / pageSize); index * pageSize < end; index++) {
      if (this.pages.has(index)) continue;
      if (--room < 0) return index * pageSize > position ? index * pageSize - position : -Errno.ENOSPC;
    }
    return length;
  }

  protected override unreserve(): void {}
  protected override attributesChanged(): void {}

  protected override now(): Timespec {
    return this.fileSystem.now();
  }

  override *seekData(position: number, hole: boolean): Io<number> {
    let index = Math.floor(position / pageSize);
    if (hole) {
      while (this.pages.has(index)) index++;
    } else if (!this.pages.has(index)) {
      index = Infinity;
      for (const present of this.pages.keys()) if (present * pageSize > position && present < index) index = present;
    }
    return Math.min(this.size, Math.max(position, index * pageSize));
  }

  override *truncate(size: number): Io<number> {
    if (!this.isRegular) return -Errno.EINVAL;
    if (size > fileSizeMaximum) return -Errno.EFBIG;
    this.truncatePages(size);
    this.mtime = this.ctime = this.now();
    return 0;
  }

  override *allocate(mode: number, offset: number, length: number): Io<number> {
    if (!this.isRegular) return -Errno.ENODEV;
    if (offset < 0 || length <= 0) return -Errno.EINVAL;
    if (offset + length > fileSizeMaximum) return -Errno.EFBIG;
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      if (!keepsSize) return -Errno.EOPNOTSUPP;
      this.zeroPages(offset, Math.min(offset + length, Math.max(this.size, offset)));
    } else if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)) !== 0) {
      return -Errno.EOPNOTSUPP;
    } else {
      if ((mode & FALLOC_FL_ZERO_RANGE) !== 0) this.zeroPages(offset, offset + length);
      const made = this.#fill(offset, length);
      if (made < 0) return made;
      if (!keepsSize && offset + length > this.size) this.truncatePages(offset + length);
    }
    this.mtime = this.ctime = this.now();
    return 0;
  }

  /** Gives every page of a range a frame, or none of them. */
  #fill(offset: number, length: number): number {
    const reserved = this.reserve(offset, length);
    if (reserved !== length) return -Errno.ENOSPC;
    const made: number[] = [];
    for (let index = Math.floor(offset / pageSize); index * pageSize < offset + length; index++) {
      if (this.pages.has(index)) continue;
      const frame = this.cache.allocateZeroed();
      if (frame === 0) {
        for (const back of made) this.dropPages(back, back + 1, false);
        return -Errno.ENOSPC;
      }
      this.cache.insert(this, index, frame, true);
      made.push(index);
    }
    return 0;
  }

  override *evict(): Io<void> {
    this.dropPages(0, Infinity, true);
    this.fileSystem.inodesUsed--;
  }

  // Attributes.

  override *setAttributes(change: AttributeChange): Io<number> {
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | change.mode;
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = this.now();
    return 0;
  }

  override *getXattr(name: ByteString): Io<Uint8Array | number> {
    const refused = checkXattrName(name);
    return refused < 0 ? refused : (this.#xattrs?.get(name) ?? -Errno.ENODATA);
  }

  override *setXattr(name: ByteString, value: Uint8Array, flags: number): Io<number> {
    const refused = checkXattrName(name);
    if (refused < 0) return refused;
    const exists = this.#xattrs?.has(name) ?? false;
    if (exists && (flags & XattrFlag.create) !== 0) return -Errno.EEXIST;
    if (!exists && (flags & XattrFlag.replace) !== 0) return -Errno.ENODATA;
    (this.#xattrs ??= new Map()).set(name, value.slice());
    this.ctime = this.now();
    return 0;
  }

  override *removeXattr(name: ByteString): Io<number> {
    if (!(this.#xattrs?.delete(name) ?? false)) return -Errno.ENODATA;
    this.ctime = this.now();
    return 0;
  }

  override *listXattr(): Io<ByteString[] | number> {
    return [...(this.#xattrs?.keys() ?? [])];
  }
}
