/** An ext2 file system on a block device: mounting, inodes in memory, writing back. */
import { Errno } from '../../kernel/abi/errno.ts';
import { S_IFDIR, S_IFMT } from '../../kernel/abi/stat.ts';
import { Mutex, Wait, retry, type Attempt, type Io } from '../../lib/wait.ts';
import type { BlockDevice } from '../vfs/block.ts';
import type { FileSystem, FileSystemStatistics } from '../vfs/fileSystem.ts';
import type { NewInode, Timespec } from '../vfs/inode.ts';
import type { PageCache } from '../vfs/pageCache.ts';
import { Allocator } from './allocator.ts';
import { BlockMap } from './blockMap.ts';
import { Buffer, BufferCache } from './buffers.ts';
import type { DirectoryFormat } from './directory.ts';
import { FileData } from './fileData.ts';
import { Ext2Inode } from './inode.ts';
import {
  EXT2_ERROR_FS, EXT2_ROOT_INO, EXT2_SUPER_MAGIC, MountFailure, Sb, hasSuperblock, readSuperblock, superblockPosition, superblockSize,
  type Geometry,
} from './layout.ts';
import { Orphans } from './orphans.ts';

export interface Ext2Options {
  device: BlockDevice;
  /** st_dev. */
  deviceNumber: number;
  cache: PageCache;
  now: () => Timespec;
  /** Takes one line about damage; each is said once. */
  log: (line: string) => void;
  readOnly?: boolean;
  /** Bytes of clean metadata to keep; 16 MiB by default. */
  metadataLimit?: number;
  /** Inodes to keep that nobody uses; 8192 by default. */
  inodeLimit?: number;
}

const defaultMetadataLimit = 16 << 20;
const defaultInodeLimit = 8192;
const messageLimit = 100;

export class Ext2 implements FileSystem {
  readonly type = 'ext2';
  readonly device: number;
  readonly readOnly: boolean;
  readonly cachesNames = true;
  readonly options = '';
  root!: Ext2Inode;
  readonly geometry: Geometry;
  readonly cache: PageCache;
  readonly buffers: BufferCache;
  readonly allocator: Allocator;
  readonly map: BlockMap;
  readonly data: FileData;
  readonly orphans: Orphans;
  readonly directoryFormat: DirectoryFormat;
  readonly fileSizeMaximum: number;
  readonly now: () => Timespec;
  /** Inodes whose attributes in memory are newer than the cached inode table. */
  readonly staleInodes = new Set<Ext2Inode>();
  readonly #blockDevice: BlockDevice;
  readonly #superblock: Buffer;
  readonly #superblockOffset: number;
  readonly #logLine: (line: string) => void;
  readonly #said = new Set<string>();
  readonly #syncLock = new Mutex();
  /** Inodes in memory, the least recently asked for first; what isn't kept any more may still be held by someone. */
  readonly #inodes = new Map<number, Ext2Inode>();
  readonly #dropped = new Map<number, WeakRef<Ext2Inode>>();
  readonly #inodeLimit: number;
  readonly #overheadBlocks: number;
  #foundDamage = false;
  #generation: number;

  /** Mounts. Damage that can't be worked around, unknown features and I/O errors are a MountFailure. */
  static *mount(options: Ext2Options): Io<Ext2 | MountFailure> {
    const { device } = options;
    const failedRead = new MountFailure(Errno.EIO, 'The file system could not be read.');
    if (device.size < superblockPosition + superblockSize) return new MountFailure(Errno.EINVAL, 'The device is too small for a file system.');
    const bytes = new Uint8Array(superblockSize);
    if ((yield* retry(() => device.read(superblockPosition, bytes))) < 0) return failedRead;
    const geometry = readSuperblock(bytes, device.size);
    if (geometry instanceof MountFailure) return geometry;
    const buffers = new BufferCache(device, geometry.blockSize, options.metadataLimit ?? defaultMetadataLimit);
    const load = function* (block: number): Io<Buffer | undefined> {
      const buffer = yield* retry(() => buffers.get(block));
      return buffer instanceof Buffer ? buffer : undefined;
    };
    const superblock = yield* load(Math.floor(superblockPosition / geometry.blockSize));
    if (superblock === undefined) return failedRead;
    const descriptors: Buffer[] = [];
    for (let i = 0; i < geometry.descriptorBlocks; i++) {
      const buffer = yield* load(geometry.firstDataBlock + 1 + i);
      if (buffer === undefined) return failedRead;
      descriptors.push(buffer);
    }
    const fileSystem = new Ext2(options, geometry, buffers, superblock, descriptors);
    const bad = fileSystem.allocator.findBadDescriptor();
    if (bad !== undefined) return new MountFailure(Errno.EUCLEAN, `The file system's descriptor of block group ${bad} is damaged.`);
    const root = yield* retry(() => fileSystem.inode(EXT2_ROOT_INO));
    if (root === -Errno.EIO) return failedRead;
    if (typeof root === 'number' || !root.isDirectory) return new MountFailure(Errno.EUCLEAN, "The file system's root directory is damaged.");
    fileSystem.root = root;
    if (geometry.mustReadOnly !== undefined && !device.readOnly && options.readOnly !== true) {
      fileSystem.log(`ext2: mounted read-only because of features that may only be read: ${geometry.mustReadOnly}`);
    }
    if (!geometry.isClean) fileSystem.log('ext2: the file system was not cleanly unmounted or has errors; e2fsck is recommended');
    yield* fileSystem.#freeOrphans();
    return fileSystem;
  }

  private constructor(options: Ext2Options, geometry: Geometry, buffers: BufferCache, superblock: Buffer, descriptors: Buffer[]) {
    this.device = options.deviceNumber;
    this.readOnly = options.readOnly === true || options.device.readOnly || geometry.mustReadOnly !== undefined;
    this.geometry = geometry;
    this.cache = options.cache;
    this.buffers = buffers;
    this.now = options.now;
    this.#logLine = options.log;
    this.#blockDevice = options.device;
    this.#superblock = superblock;
    this.#superblockOffset = superblockPosition % geometry.blockSize;
    this.#inodeLimit = options.inodeLimit ?? defaultInodeLimit;
    this.#generation = options.now().seconds >>> 0;
    const damaged = (what: string): void => this.damaged(what);
    this.allocator = new Allocator(geometry, buffers, { superblock, superblockOffset: this.#superblockOffset, descriptors }, damaged);
    this.map = new BlockMap(buffers, this.allocator, damaged);
    this.data = new FileData(options.device, options.cache.frames, this.map, geometry.blockSize);
    this.orphans = new Orphans(this);
    this.directoryFormat = { hasFiletype: geometry.hasFiletype, inodes: geometry.inodes };
    // i_blocks counts 512-byte units in 32 bits, its pointer blocks included; revision 0 has 31-bit sizes.
    const countLimit = 2 ** 41 - geometry.blockSize * (3 + geometry.blockSize / 4 + 2);
    this.fileSizeMaximum = geometry.revision === 0 ? 2 ** 31 - 1 : Math.min(this.map.capacity * geometry.blockSize, countLimit);
    let overhead = geometry.firstDataBlock;
    for (let group = 0; group < geometry.groups; group++) {
      overhead += 2 + geometry.inodeTableBlocks + (hasSuperblock(geometry, group) ? 1 + geometry.descriptorBlocks : 0);
    }
    this.#overheadBlocks = Math.min(overhead, geometry.blocks);
  }

  /** Says a line once. */
  log(line: string): void {
    if (this.#said.has(line) || this.#said.size >= messageLimit) return;
    this.#said.add(line);
    this.#logLine(line);
  }

  /** The file system contradicts itself: it says so once, and is marked for e2fsck. */
  damaged(what: string): void {
    this.#foundDamage = true;
    this.log(`ext2: the file system is damaged: ${what}`);
  }

  // Inodes.

  /** The inode of a number found in a directory: -EUCLEAN if it can't be, -EIO, or a Wait. */
  inode(ino: number): Attempt<Ext2Inode | number> {
    const known = this.resident(ino);
    if (known !== undefined) return known;
    const { inodes, firstInode } = this.geometry;
    if (ino < 1 || ino > inodes || (ino < firstInode && ino !== EXT2_ROOT_INO)) {
      this.damaged(`a directory has an entry of inode ${ino}`);
      return -Errno.EUCLEAN;
    }
    const inode = new Ext2Inode(this, ino);
    const buffer = this.buffers.get(inode.recordBlock);
    if (!(buffer instanceof Buffer)) return buffer;
    const loaded = inode.load(buffer);
    if (loaded < 0) {
      this.damaged(loaded === -Errno.ESTALE ? `a directory has an entry of the deleted inode ${ino}` : `inode ${ino} makes no sense`);
      return -Errno.EUCLEAN;
    }
    this.remember(inode);
    return inode;
  }

  /** An inode that is in memory. */
  resident(ino: number): Ext2Inode | undefined {
    const kept = this.#inodes.get(ino);
    if (kept !== undefined) return kept;
    const reference = this.#dropped.get(ino);
    if (reference === undefined) return undefined;
    const held = reference.deref();
    this.#dropped.delete(ino);
    if (held !== undefined) this.#inodes.set(ino, held);
    return held;
  }

  remember(inode: Ext2Inode): void {
    if (this.#inodes.get(inode.ino) === inode) return;
    this.#inodes.set(inode.ino, inode);
    this.#dropped.delete(inode.ino);
    if (this.#inodes.size > this.#inodeLimit) this.#shrink();
  }

  forget(inode: Ext2Inode): void {
    if (this.#inodes.get(inode.ino) === inode) this.#inodes.delete(inode.ino);
    if (this.#dropped.get(inode.ino)?.deref() === inode) this.#dropped.delete(inode.ino);
  }

  /** Keeps only a weak reference to inodes that have nothing to lose. */
  #shrink(): void {
    let tries = 128;
    for (const [ino, inode] of this.#inodes) {
      if (this.#inodes.size <= this.#inodeLimit || tries-- === 0) break;
      this.#inodes.delete(ino);
      if (inode === this.root || inode.isStale || inode.pages.size > 0 || inode.openCount > 0 || inode.record !== undefined) {
        this.#inodes.set(ino, inode);
      } else {
        this.#dropped.set(ino, new WeakRef(inode));
      }
    }
    if (this.#dropped.size > 4 * this.#inodeLimit) {
      for (const [ino, reference] of this.#dropped) if (reference.deref() === undefined) this.#dropped.delete(ino);
    }
  }

  /** Allocates an inode in a transaction; it has no link yet. `parent`: the directory it goes into. */
  makeInode(inode: NewInode, parent: number, isTop: boolean): Attempt<Ext2Inode | number> {
    const { inodeSize } = this.geometry;
    const ino = this.allocator.allocateInode(parent, (inode.mode & S_IFMT) === S_IFDIR, isTop);
    if (ino instanceof Wait || ino < 0) return ino;
    const made = new Ext2Inode(this, ino);
    const joined = made.touch();
    if (joined !== 0) return joined;
    made.record!.bytes.fill(0, made.recordOffset, made.recordOffset + inodeSize);
    made.mode = inode.mode;
    made.uid = inode.uid;
    made.gid = inode.gid;
    made.atime = made.mtime = made.ctime = made.createTime = this.now();
    made.extraSize = Math.min(32, inodeSize - 128);
    made.generation = this.#generation = (this.#generation * 1664525 + 1013904223) >>> 0;
    return made;
  }

  /** The cached block of a directory or symbolic link: 0 for a hole, -errno, or a Wait. */
  fileBlock(inode: Ext2Inode, logical: number): Attempt<Buffer | number> {
    const block = this.map.map(inode, logical);
    return block instanceof Wait || block <= 0 ? block : this.buffers.get(block);
  }

  // Changing.

  /** Runs a change as a transaction, waiting and starting anew as long as it lacks blocks. */
  *change<T>(change: () => Attempt<T | number>): Io<T | number> {
    if (this.readOnly) return -Errno.EROFS;
    for (;;) {
      const answer = this.buffers.transact(change);
      if (!(answer instanceof Wait)) return answer;
      yield answer;
    }
  }

  hasReadOnlyCompatible(bit: number): boolean {
    return this.geometry.revision > 0 && (this.allocator.superblockField(Sb.readOnlyCompatible) & bit) !== 0;
  }

  /** Notes in the superblock that a feature is used now. In a transaction. */
  setReadOnlyCompatible(bit: number): void {
    if (this.geometry.revision === 0 || this.hasReadOnlyCompatible(bit)) return;
    this.allocator.setSuperblockField(Sb.readOnlyCompatible, this.allocator.superblockField(Sb.readOnlyCompatible) | bit);
  }

  /** What a block holds isn't of use. */
  discard(block: number): void {
    this.#blockDevice.discard(block * this.geometry.blockSize, this.geometry.blockSize);
  }

  statistics(): FileSystemStatistics {
    const { allocator, geometry } = this;
    const reserved = Math.min(allocator.superblockField(Sb.reservedBlocks), geometry.blocks);
    return {
      type: EXT2_SUPER_MAGIC, blockSize: geometry.blockSize, blocks: geometry.blocks - this.#overheadBlocks,
      blocksFree: allocator.freeBlocks, blocksAvailable: Math.max(0, allocator.freeBlocks - reserved),
      files: geometry.inodes, filesFree: allocator.freeInodes, nameLength: 255,
    };
  }

  unmounted(): void {
    for (const inode of this.#inodes.values()) inode.drop();
  }

  // Writing back.

  *sync(): Io<number> {
    if (this.readOnly) return 0;
    yield* this.#syncLock.acquire();
    try {
      const stored = yield* this.#storeAll();
      const committed = yield* this.#blockDevice.commit();
      return stored < 0 ? stored : committed;
    } finally {
      this.#syncLock.release();
    }
  }

  *#storeAll(): Io<number> {
    let result = 0;
    this.cache.mappings?.collectDirty(undefined);
    for (const inode of [...this.cache.dirtyInodes]) {
      if (inode.fileSystem !== this) continue;
      const written = yield* retry(() => inode.writeBack());
      if (written < 0) result = written;
    }
    // One plain pass from a consistent state: if it has to wait, it starts anew.
    const written = yield* retry(() => this.#storeMetadata());
    return written < 0 ? written : result;
  }

  #storeMetadata(): Attempt<number> {
    let result = 0;
    for (const inode of [...this.staleInodes]) {
      const buffer = this.buffers.get(inode.recordBlock);
      if (buffer instanceof Wait) return buffer;
      if (typeof buffer === 'number') result = buffer;
      else inode.flushTo(buffer);
    }
    if (this.buffers.dirtyCount > 0 || this.#foundDamage) this.#stampSuperblock();
    const written = this.buffers.writeDirty();
    return written instanceof Wait || written < 0 ? written : result;
  }

  #stampSuperblock(): void {
    const { seconds } = this.now();
    this.buffers.amend(this.#superblock, (_bytes, view) => {
      view.setUint32(this.#superblockOffset + Sb.writeTime, seconds, true);
      const state = view.getUint16(this.#superblockOffset + Sb.state, true);
      if (this.#foundDamage) view.setUint16(this.#superblockOffset + Sb.state, state | EXT2_ERROR_FS, true);
    });
    this.#foundDamage = false;
  }

  /** Frees what was deleted but open when the file system was last in use. */
  *#freeOrphans(): Io<void> {
    if (this.readOnly) return;
    for (let count = 0; this.orphans.first !== 0; count++) {
      const ino = this.orphans.first;
      const inode = ino < this.geometry.firstInode || ino > this.geometry.inodes || count > this.geometry.inodes
        ? -Errno.EUCLEAN : yield* retry(() => this.#orphan(ino));
      if (typeof inode === 'number') {
        this.damaged(`the list of orphans contains inode ${ino}`);
        yield* this.change(() => {
          this.orphans.clear();
          return 0;
        });
        return;
      }
      yield* inode.linkCount === 0 ? inode.evict() : this.#rescueOrphan(inode);
      if (this.orphans.first === ino) { // it could not be freed
        yield* this.change(() => {
          this.orphans.clear();
          return 0;
        });
      }
    }
  }

  /** An inode on the list of orphans: it may have no links and a "deletion time". */
  #orphan(ino: number): Attempt<Ext2Inode | number> {
    const inode = new Ext2Inode(this, ino);
    const buffer = this.buffers.get(inode.recordBlock);
    if (!(buffer instanceof Buffer)) return buffer;
    const loaded = inode.load(buffer);
    if (inode.mode === 0 || (loaded < 0 && loaded !== -Errno.ESTALE)) return -Errno.EUCLEAN;
    this.remember(inode);
    return inode;
  }

  /** A file with links on the list: a truncation that wasn't finished. */
  *#rescueOrphan(inode: Ext2Inode): Io<void> {
    if (inode.isRegular) yield* inode.truncate(inode.size);
    yield* this.change(() => this.orphans.remove(inode));
  }
}
