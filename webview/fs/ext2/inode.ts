/** A file of an ext2 file system: attributes, contents through the page cache, and the face towards the VFS. */
import { Errno } from '../../kernel/abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../kernel/abi/fcntl.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../kernel/abi/stat.ts';
import { fromBytes, type ByteString } from '../../lib/byteString.ts';
import { Wait, retry, type Attempt, type Io } from '../../lib/wait.ts';
import type { Caller } from '../vfs/caller.ts';
import type { AttributeChange, DirectoryEntry, Inode, NewInode, Timespec } from '../vfs/inode.ts';
import type { OpenFile } from '../vfs/openFile.ts';
import { pageSize } from '../vfs/pageCache.ts';
import { PagedFile, PagedInode } from '../vfs/pagedFile.ts';
import { DirectoryFile } from '../vfs/pathFile.ts';
import type { Path } from '../vfs/path.ts';
import { pointerCount, type MappedInode } from './blockMap.ts';
import { Buffer, type Participant } from './buffers.ts';
import type { Ext2 } from './ext2.ts';
import { readInode, unsupportedFlags, writeInode, type InodeFields } from './inodeRecord.ts';
import { largeFileBit } from './layout.ts';
import type { NameFilter } from './nameFilter.ts';
import * as names from './names.ts';
import * as attributes from './xattrs.ts';

const largeFileSize = 2 ** 31;
// Blocks of one transaction of fallocate(2).
const allocateBatch = 2048;

export class Ext2Inode extends PagedInode implements InodeFields, MappedInode, Participant {
  override readonly fileSystem: Ext2;
  override readonly ino: number;
  override mode = 0;
  override uid = 0;
  override gid = 0;
  override linkCount = 0;
  override size = 0;
  override atime!: Timespec;
  override mtime!: Timespec;
  override ctime!: Timespec;
  createTime!: Timespec;
  dtime = 0;
  sectors = 0;
  flags = 0;
  generation = 0;
  xattrBlock = 0;
  extraSize = 0;
  readonly pointers = new Uint32Array(pointerCount);
  /** Attributes in memory are newer than the cached inode table. */
  isStale = false;
  /** The inode was freed: its number may be another file's. */
  isFreed = false;
  /** Of a directory: blocks below this one are full; the block where the last name was found. Hints only. */
  roomFrom = 0;
  foundIn = 0;
  /** The names of a large directory. */
  names: NameFilter | undefined;
  protected override readonly livesInMemory = false;
  protected override readonly sizeMaximum: number;
  /** The block of the inode table that holds the record, while the inode is part of a transaction. */
  record: Buffer | undefined;
  readonly recordBlock: number;
  readonly recordOffset: number;
  /** Logical blocks that the last `reserve` allocated. */
  readonly #fresh: number[] = [];

  constructor(fileSystem: Ext2, ino: number) {
    super(fileSystem.cache);
    this.fileSystem = fileSystem;
    this.ino = ino;
    const place = fileSystem.allocator.inodePlace(ino);
    this.recordBlock = place.block;
    this.recordOffset = place.offset;
    this.sizeMaximum = fileSystem.fileSizeMaximum;
    this.blockSize = fileSystem.geometry.blockSize;
  }

  /** Takes the fields from its record. 0, -EUCLEAN if they make no sense, -ESTALE for an inode that isn't in use. */
  load(buffer: Buffer): number {
    readInode(buffer.view, this.recordOffset, this.fileSystem.geometry.inodeSize, this);
    const kind = this.mode & S_IFMT;
    const { blockSize, blocks } = this.fileSystem.geometry;
    if (this.linkCount === 0 && (this.mode === 0 || this.dtime !== 0)) return -Errno.ESTALE;
    if ((this.flags & unsupportedFlags) !== 0) return -Errno.EUCLEAN;
    this.rdev = 0;
    switch (kind) {
      case S_IFREG:
        return this.size > this.sizeMaximum ? -Errno.EUCLEAN : 0;
      case S_IFDIR:
        return this.size % blockSize !== 0 || this.size > blocks * blockSize ? -Errno.EUCLEAN : 0;
      case S_IFLNK:
        return this.size > (this.isFastSymlink ? pointerCount * 4 - 1 : blockSize) ? -Errno.EUCLEAN : 0;
      case S_IFCHR:
      case S_IFBLK:
        this.rdev = this.pointers[0]! !== 0 ? this.pointers[0]! & 0xffff : this.pointers[1]!;
        return 0;
      case S_IFIFO:
      case S_IFSOCK:
        return 0;
      default:
        return -Errno.EUCLEAN;
    }
  }

  override get blocks(): number {
    return this.sectors;
  }

  /** The link's text lies in place of the block pointers: it has no block but that of its xattrs. */
  get isFastSymlink(): boolean {
    return this.isSymlink && this.sectors - (this.xattrBlock !== 0 ? this.fileSystem.geometry.blockSize / 512 : 0) <= 0;
  }

  /** True if the pointers are block numbers. */
  get hasBlocks(): boolean {
    return this.isRegular || this.isDirectory || (this.isSymlink && !this.isFastSymlink);
  }

  /** Stores a device number, as the kernel encodes it: old form for small numbers, new form for others. */
  setDevice(rdev: number): void {
    this.rdev = rdev;
    if (rdev === 0) return;
    this.pointers[rdev <= 0xffff ? 0 : 1] = rdev;
  }

  // Transactions.

  touch(): Attempt<number> {
    const { buffers } = this.fileSystem;
    if (buffers.has(this)) return 0;
    if (this.isFreed) return -Errno.ESTALE;
    const buffer = buffers.get(this.recordBlock);
    if (!(buffer instanceof Buffer)) return buffer;
    if (this.isStale) this.flushTo(buffer);
    this.record = buffers.change(buffer);
    buffers.join(this);
    return 0;
  }

  /** Writes attributes that were changed outside of transactions to the cached inode table. */
  flushTo(buffer: Buffer): void {
    this.fileSystem.buffers.amend(buffer, (_bytes, view) => writeInode(view, this.recordOffset, this.fileSystem.geometry.inodeSize, this));
    this.#isFresh();
  }

  #isFresh(): void {
    this.isStale = false;
    this.fileSystem.staleInodes.delete(this);
  }

  store(): void {
    writeInode(this.record!.view, this.recordOffset, this.fileSystem.geometry.inodeSize, this);
    this.record = undefined;
    this.#isFresh();
    if (this.isFreed) this.fileSystem.forget(this);
    else this.fileSystem.remember(this);
  }

  restore(): void {
    this.isFreed = false;
    this.load(this.record!);
    this.record = undefined;
  }

  protected override attributesChanged(): void {
    if (this.fileSystem.readOnly) return;
    this.isStale = true;
    this.fileSystem.staleInodes.add(this);
  }

  protected override now(): Timespec {
    return this.fileSystem.now();
  }

  // Contents.

  protected override fillPages(first: number, frames: readonly number[]): Attempt<number> {
    return this.fileSystem.data.fill(this, first, frames);
  }

  protected override storePage(index: number, frame: number): Attempt<number> {
    return this.fileSystem.data.store(this, index, frame);
  }

  protected override reserve(position: number, length: number): Attempt<number> {
    const { map, geometry } = this.fileSystem;
    if (this.fileSystem.readOnly) return -Errno.EROFS;
    if (this.#fresh.length > 0) this.#fresh.length = 0;
    const first = Math.floor(position / geometry.blockSize);
    const last = Math.floor((position + length - 1) / geometry.blockSize);
    // Even a dirty page may have no place: part of a hole was zeroed by a truncation or a punch.
    for (let logical = first; logical <= last; logical++) {
      const block = map.map(this, logical);
      if (block instanceof Wait || block < 0) return block;
      if (block === 0) return this.#reserveMissing(position, length, logical, last);
    }
    return position + length > largeFileSize - 1 ? this.#allowLarge(length) : length;
  }

  #reserveMissing(position: number, length: number, first: number, last: number): Attempt<number> {
    const { buffers, map, geometry } = this.fileSystem;
    return buffers.transact<number>(() => {
      this.#fresh.length = 0;
      if (position + length > largeFileSize - 1) this.fileSystem.setReadOnlyCompatible(largeFileBit);
      let logical = first;
      const isFresh = (): void => void this.#fresh.push(logical);
      for (; logical <= last; logical++) {
        const block = map.mapOrAllocate(this, logical, isFresh);
        if (block instanceof Wait) return block;
        if (block < 0) return logical * geometry.blockSize > position ? logical * geometry.blockSize - position : block;
      }
      return length;
    });
  }

  #allowLarge(length: number): Attempt<number> {
    if (this.fileSystem.hasReadOnlyCompatible(largeFileBit)) return length;
    return this.fileSystem.buffers.transact<number>(() => {
      this.fileSystem.setReadOnlyCompatible(largeFileBit);
      return length;
    });
  }

  protected override unreserve(used: number): void {
    const { buffers, map, geometry } = this.fileSystem;
    const end = Math.ceil(this.size / geometry.blockSize);
    if (this.#fresh.some(logical => logical >= end)) {
      // All of it was just used and is resident: no Wait. If it fails, blocks stay beyond the end, which e2fsck would free.
      buffers.transact(() => {
        const joined = this.touch();
        return joined === 0 ? map.free(this, end, map.capacity) : joined;
      });
    }
    for (const logical of this.#fresh) {
      // What was used may be clean already: written back to make room in memory.
      if (logical >= end || logical * geometry.blockSize < used) continue;
      if (this.dirtyPages.has(Math.floor((logical * geometry.blockSize) / pageSize))) continue;
      const block = map.map(this, logical);
      if (typeof block === 'number' && block > 0) this.fileSystem.discard(block);
    }
    this.#fresh.length = 0;
  }

  override *open(path: Path, flags: number, caller: Caller): Io<OpenFile | number> {
    if (this.isDirectory) return new DirectoryFile(path, this, flags);
    return this.isRegular ? new PagedFile(path, this, flags, caller) : -Errno.ENXIO;
  }

  override *truncate(size: number): Io<number> {
    const { map, geometry } = this.fileSystem;
    if (!this.isRegular) return -Errno.EINVAL;
    if (size > this.sizeMaximum) return -Errno.EFBIG;
    const first = Math.ceil(size / geometry.blockSize);
    if (size < this.size) {
      const warmed = yield* map.warm(this, first, map.capacity);
      if (warmed < 0) return warmed;
    }
    return yield* this.fileSystem.change(() => this.#truncateNow(size, first));
  }

  #truncateNow(size: number, first: number): Attempt<number> {
    const prepared = this.prepareTruncate(size);
    if (prepared !== 0) return prepared;
    const joined = this.touch();
    if (joined !== 0) return joined;
    if (size < this.size) {
      const freed = this.fileSystem.map.free(this, first, this.fileSystem.map.capacity);
      if (freed instanceof Wait || freed < 0) return freed;
    }
    if (size > largeFileSize - 1) this.fileSystem.setReadOnlyCompatible(largeFileBit);
    // Nothing can fail from here on.
    this.truncatePages(size);
    this.mtime = this.ctime = this.now();
    return 0;
  }

  override *allocate(mode: number, offset: number, length: number): Io<number> {
    if (!this.isRegular) return -Errno.ENODEV;
    if (offset < 0 || length <= 0) return -Errno.EINVAL;
    if (offset + length > this.sizeMaximum) return -Errno.EFBIG;
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      return keepsSize ? yield* this.#punch(offset, offset + length) : -Errno.EOPNOTSUPP;
    }
    // ext2 has no way to say that blocks beyond the end are meant.
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)) !== 0 || (keepsSize && offset + length > this.size)) return -Errno.EOPNOTSUPP;
    if ((mode & FALLOC_FL_ZERO_RANGE) !== 0) {
      const punched = yield* this.#punch(offset, offset + length);
      if (punched < 0) return punched;
    }
    return yield* this.#allocateRange(offset, offset + length);
  }

  *#punch(start: number, limit: number): Io<number> {
    const { map, geometry } = this.fileSystem;
    const first = Math.ceil(start / geometry.blockSize);
    const warmed = yield* map.warm(this, first, Math.ceil(Math.min(limit, this.size) / geometry.blockSize));
    if (warmed < 0) return warmed;
    return yield* this.fileSystem.change(() => {
      // Here, since the file may have grown while blocks were fetched.
      const end = Math.min(limit, this.size);
      if (start >= end) return 0;
      const last = end === this.size ? Math.ceil(end / geometry.blockSize) : Math.floor(end / geometry.blockSize);
      const prepared = this.preparePunch(start, end);
      if (prepared !== 0) return prepared;
      const joined = this.touch();
      if (joined !== 0) return joined;
      if (last > first) {
        const freed = map.free(this, first, last);
        if (freed instanceof Wait || freed < 0) return freed;
      }
      this.zeroPages(start, end);
      this.mtime = this.ctime = this.now();
      return 0;
    });
  }

  *#allocateRange(start: number, end: number): Io<number> {
    const { map, geometry } = this.fileSystem;
    const before = this.size;
    let grown = before;
    const last = Math.ceil(end / geometry.blockSize);
    for (let first = Math.floor(start / geometry.blockSize); first < last; first += allocateBatch) {
      const until = Math.min(last, first + allocateBatch);
      const fresh: number[] = [];
      const done = yield* this.fileSystem.change(() => {
        fresh.length = 0;
        const joined = this.touch();
        if (joined !== 0) return joined;
        for (let logical = first; logical < until; logical++) {
          const block = map.mapOrAllocate(this, logical, made => void fresh.push(made));
          if (block instanceof Wait || block < 0) return block;
        }
        const size = Math.min(end, until * geometry.blockSize);
        if (size > largeFileSize - 1) this.fileSystem.setReadOnlyCompatible(largeFileBit);
        if (size > this.size) {
          this.truncatePages(size);
          grown = size;
        }
        this.ctime = this.now();
        return 0;
      });
      // What was in these blocks before must not show.
      for (const block of fresh) if (done === 0) this.fileSystem.discard(block);
      if (done < 0) {
        // Unless someone else made it longer meanwhile.
        if (grown > before && this.size === grown) yield* this.truncate(before);
        return done;
      }
    }
    return 0;
  }

  /** Gives back its pages, which were written or are of no use. */
  drop(): void {
    this.dropPages(0, Infinity, true);
  }

  override *seekData(position: number, hole: boolean): Io<number> {
    const { map, geometry } = this.fileSystem;
    const end = Math.ceil(this.size / geometry.blockSize);
    const found = yield* retry(() => map.next(this, Math.floor(position / geometry.blockSize), end, hole));
    return found < 0 ? found : Math.min(this.size, Math.max(position, found * geometry.blockSize));
  }

  override *sync(_dataOnly: boolean): Io<number> {
    return yield* this.fileSystem.sync();
  }

  override *evict(): Io<void> {
    if (this.isFreed || this.fileSystem.readOnly) return;
    this.dropPages(0, Infinity, true);
    const { map, allocator } = this.fileSystem;
    if (this.hasBlocks) yield* map.warm(this, 0, map.capacity);
    const freed = yield* this.fileSystem.change(() => {
      if (this.isFreed) return 0;
      const joined = this.touch();
      if (joined !== 0) return joined;
      const removed = this.fileSystem.orphans.remove(this);
      if (removed !== 0) return removed;
      if (this.hasBlocks) {
        const emptied = map.free(this, 0, map.capacity);
        if (emptied instanceof Wait || emptied < 0) return emptied;
      }
      const bare = attributes.freeBlock(this);
      if (bare !== 0) return bare;
      const gone = allocator.freeInode(this.ino, this.isDirectory);
      if (gone instanceof Wait || gone < 0) return gone;
      this.dtime = this.now().seconds >>> 0;
      this.isFreed = true;
      return 0;
    });
    if (freed < 0) this.fileSystem.log(`ext2: inode ${this.ino} could not be freed; it stays on the list of orphans`);
  }

  // Names: see names.ts.

  override *lookup(name: ByteString): Io<Inode | number> {
    if (!this.isDirectory) return -Errno.ENOTDIR;
    const ino = yield* retry(() => names.find(this, name));
    return ino < 0 ? ino : yield* retry(() => this.fileSystem.inode(ino));
  }
  override *create(name: ByteString, inode: NewInode): Io<Inode | number> {
    return yield* this.fileSystem.change(() => names.create(this, name, inode));
  }
  override *mkdir(name: ByteString, inode: NewInode): Io<Inode | number> {
    return yield* this.fileSystem.change(() => names.mkdir(this, name, inode));
  }
  override *symlink(name: ByteString, target: ByteString, inode: NewInode): Io<Inode | number> {
    return yield* this.fileSystem.change(() => names.symlink(this, name, target, inode));
  }
  override *createUnnamed(inode: NewInode): Io<Inode | number> {
    return yield* this.fileSystem.change(() => names.createUnnamed(this, inode));
  }
  override *link(name: ByteString, target: Inode): Io<number> {
    return yield* this.fileSystem.change(() => names.link(this, name, target as Ext2Inode));
  }
  override *unlink(name: ByteString, target: Inode): Io<number> {
    return yield* this.fileSystem.change(() => names.unlink(this, name, target as Ext2Inode));
  }
  override *rmdir(name: ByteString, target: Inode): Io<number> {
    return yield* this.fileSystem.change(() => names.rmdir(this, name, target as Ext2Inode));
  }
  override *rename(
    name: ByteString, source: Inode, newDirectory: Inode, newName: ByteString, replaced: Inode | undefined, exchange: boolean,
  ): Io<number> {
    const from = { directory: this as Ext2Inode, name, inode: source as Ext2Inode };
    const to = { directory: newDirectory as Ext2Inode, name: newName, inode: replaced as Ext2Inode | undefined };
    return yield* this.fileSystem.change(() => (exchange ? names.exchange(from, to) : names.rename(from, to)));
  }
  override *readDirectory(from: number, _path: Path): Io<DirectoryEntry[] | number> {
    return this.isDirectory ? yield* retry(() => names.list(this, from)) : -Errno.ENOTDIR;
  }
  override *readlink(_caller: Caller): Io<ByteString | number> {
    if (!this.isSymlink) return -Errno.EINVAL;
    if (this.isFastSymlink) return fromBytes(new Uint8Array(this.pointers.buffer, 0, this.size));
    const buffer = yield* retry(() => this.fileSystem.fileBlock(this, 0));
    if (!(buffer instanceof Buffer)) return buffer === 0 ? -Errno.EUCLEAN : buffer;
    return fromBytes(buffer.bytes.subarray(0, this.size));
  }

  // Attributes.

  override *setAttributes(change: AttributeChange): Io<number> {
    if (this.fileSystem.readOnly) return -Errno.EROFS;
    if (this.isFreed) return -Errno.ESTALE;
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | change.mode;
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = this.now();
    this.attributesChanged();
    return 0;
  }

  override *getXattr(name: ByteString): Io<Uint8Array | number> {
    const value = attributes.get(this, name);
    return value instanceof Wait ? yield* retry(() => attributes.get(this, name)) : value;
  }
  override *setXattr(name: ByteString, value: Uint8Array, flags: number): Io<number> {
    return yield* this.fileSystem.change(() => attributes.set(this, name, value, flags));
  }
  override *removeXattr(name: ByteString): Io<number> {
    return yield* this.fileSystem.change(() => attributes.set(this, name, undefined, 0));
  }
  override *listXattr(): Io<ByteString[] | number> {
    return yield* retry(() => attributes.list(this));
  }
}
