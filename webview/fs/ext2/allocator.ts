/** Block and inode bitmaps (ext2 "Block Bitmap", "Inode Bitmap") and the counts in descriptors and superblock. All inside transactions. */
import { Errno } from '../../kernel/abi/errno.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import { Buffer, type BufferCache } from './buffers.ts';
import { Gd, Sb, descriptorSize, hasSuperblock, type Geometry } from './layout.ts';

/** The superblock and the group descriptors, resident as long as the file system is mounted. */
export interface Tables {
  readonly superblock: Buffer;
  /** Where the superblock starts in its buffer. */
  readonly superblockOffset: number;
  readonly descriptors: readonly Buffer[];
}

export class Allocator {
  readonly geometry: Geometry;
  readonly #buffers: BufferCache;
  readonly #tables: Tables;
  readonly #damaged: (what: string) => void;
  readonly #descriptorsPerBlock: number;

  constructor(geometry: Geometry, buffers: BufferCache, tables: Tables, damaged: (what: string) => void) {
    this.geometry = geometry;
    this.#buffers = buffers;
    this.#tables = tables;
    this.#damaged = damaged;
    this.#descriptorsPerBlock = geometry.blockSize / descriptorSize;
  }

  superblockField(field: number): number {
    return this.#tables.superblock.view.getUint32(this.#tables.superblockOffset + field, true);
  }

  setSuperblockField(field: number, value: number): void {
    this.#buffers.change(this.#tables.superblock).view.setUint32(this.#tables.superblockOffset + field, value, true);
  }

  get freeBlocks(): number {
    return Math.min(this.superblockField(Sb.freeBlocks), this.geometry.blocks);
  }

  get freeInodes(): number {
    return Math.min(this.superblockField(Sb.freeInodes), this.geometry.inodes);
  }

  #descriptor(group: number): Buffer {
    return this.#tables.descriptors[Math.floor(group / this.#descriptorsPerBlock)]!;
  }

  #descriptorOffset(group: number): number {
    return (group % this.#descriptorsPerBlock) * descriptorSize;
  }

  /** A block number of a group's descriptor. */
  tableBlock(group: number, field: number): number {
    return this.#descriptor(group).view.getUint32(this.#descriptorOffset(group) + field, true);
  }

  count(group: number, field: number): number {
    return this.#descriptor(group).view.getUint16(this.#descriptorOffset(group) + field, true);
  }

  #addCount(group: number, field: number, change: number): void {
    const buffer = this.#buffers.change(this.#descriptor(group));
    const offset = this.#descriptorOffset(group) + field;
    const value = buffer.view.getUint16(offset, true) + change;
    buffer.view.setUint16(offset, Math.min(0xffff, Math.max(0, value)), true);
  }

  #addTotal(field: number, change: number): void {
    this.setSuperblockField(field, Math.max(0, this.superblockField(field) + change));
  }

  groupOfBlock(block: number): number {
    return Math.floor((block - this.geometry.firstDataBlock) / this.geometry.blocksPerGroup);
  }

  #groupStart(group: number): number {
    return this.geometry.firstDataBlock + group * this.geometry.blocksPerGroup;
  }

  #groupLength(group: number): number {
    return Math.min(this.geometry.blocksPerGroup, this.geometry.blocks - this.#groupStart(group));
  }

  /** True for a block that a file may have: inside the file system and none of its own tables. */
  isDataBlock(block: number): boolean {
    const { firstDataBlock, blocks, inodeTableBlocks, descriptorBlocks, reservedDescriptorBlocks } = this.geometry;
    if (block <= firstDataBlock || block >= blocks) return false;
    const group = this.groupOfBlock(block);
    const start = this.#groupStart(group);
    if (block - start <= descriptorBlocks + reservedDescriptorBlocks && hasSuperblock(this.geometry, group)) return false;
    const table = this.tableBlock(group, Gd.inodeTable);
    if (block >= table && block < table + inodeTableBlocks) return false;
    return block !== this.tableBlock(group, Gd.blockBitmap) && block !== this.tableBlock(group, Gd.inodeBitmap);
  }

  /** Allocates a block near `goal` (a block number). The number, -ENOSPC, -EIO, or a Wait. */
  allocateBlock(goal: number): Attempt<number> {
    const { groups, firstDataBlock, blocks } = this.geometry;
    if (goal <= firstDataBlock || goal >= blocks) goal = firstDataBlock + 1;
    const first = this.groupOfBlock(goal);
    let failure = -Errno.ENOSPC as number;
    for (let i = 0; i < groups; i++) {
      const group = (first + i) % groups;
      if (this.count(group, Gd.freeBlocks) === 0) continue;
      const found = this.#allocateBlockIn(group, i === 0 ? goal - this.#groupStart(group) : 0);
      if (found instanceof Wait || found > 0) return found;
      if (found !== -Errno.ENOSPC) failure = found;
    }
    return failure;
  }

  #allocateBlockIn(group: number, from: number): Attempt<number> {
    const bitmap = this.#buffers.get(this.tableBlock(group, Gd.blockBitmap));
    if (!(bitmap instanceof Buffer)) return bitmap;
    const length = this.#groupLength(group);
    const start = this.#groupStart(group);
    let bit = from;
    for (let round = 0; round < 2; round++) {
      const end = round === 0 ? length : from;
      for (bit = findZero(bitmap.bytes, round === 0 ? from : 0, end); bit < end; bit = findZero(bitmap.bytes, bit + 1, end)) {
        if (!this.isDataBlock(start + bit)) {
          this.#damaged(`the block bitmap of group ${group} calls block ${start + bit} free, which holds the file system's own tables`);
          continue;
        }
        setBit(this.#buffers.change(bitmap).bytes, bit);
        this.#addCount(group, Gd.freeBlocks, -1);
        this.#addTotal(Sb.freeBlocks, -1);
        return start + bit;
      }
    }
    this.#damaged(`group ${group} has fewer free blocks than it says`);
    return -Errno.ENOSPC;
  }

  /** Frees a block; its cached metadata is forgotten. 1 if it was in use, 0 if it was free already (damage), -EIO, or a Wait. */
  freeBlock(block: number): Attempt<number> {
    if (!this.isDataBlock(block)) {
      this.#damaged(`a file has block ${block}, which is outside of the file system or holds its own tables`);
      return 0;
    }
    const group = this.groupOfBlock(block);
    const bitmap = this.#buffers.get(this.tableBlock(group, Gd.blockBitmap));
    if (!(bitmap instanceof Buffer)) return bitmap;
    const bit = block - this.#groupStart(group);
    if (!hasBit(bitmap.bytes, bit)) {
      this.#damaged(`block ${block} is in use and called free`);
      return 0;
    }
    clearBit(this.#buffers.change(bitmap).bytes, bit);
    this.#addCount(group, Gd.freeBlocks, 1);
    this.#addTotal(Sb.freeBlocks, 1);
    this.#buffers.free(block);
    return 1;
  }

  groupOfInode(ino: number): number {
    return Math.floor((ino - 1) / this.geometry.inodesPerGroup);
  }

  /** Block and offset in it of an inode's record. The number must be inside of the file system. */
  inodePlace(ino: number): { block: number; offset: number } {
    const { inodesPerGroup, inodeSize, blockSize } = this.geometry;
    const position = ((ino - 1) % inodesPerGroup) * inodeSize;
    const table = this.tableBlock(this.groupOfInode(ino), Gd.inodeTable);
    return { block: table + Math.floor(position / blockSize), offset: position % blockSize };
  }

  /** A block number to look for free blocks from, for an inode without blocks. */
  goalOfInode(ino: number): number {
    return this.#groupStart(this.groupOfInode(ino));
  }

  /**
   * Allocates an inode: a file in its directory's group, a directory in the directory's group unless that is fuller than the average
   * ("Orlov" without debts; top directories are spread over the groups). The number, -ENOSPC, -EIO, or a Wait.
   */
  allocateInode(parent: number, isDirectory: boolean, isTop: boolean): Attempt<number> {
    const { groups } = this.geometry;
    const own = this.groupOfInode(parent);
    const first = isDirectory ? this.#directoryGroup(own, isTop) : own;
    let failure = -Errno.ENOSPC as number;
    for (let i = 0; i < groups; i++) {
      const group = (first + i) % groups;
      if (this.count(group, Gd.freeInodes) === 0) continue;
      const found = this.#allocateInodeIn(group, isDirectory);
      if (found instanceof Wait || found > 0) return found;
      if (found !== -Errno.ENOSPC) failure = found;
    }
    return failure;
  }

  #directoryGroup(own: number, isTop: boolean): number {
    const { groups } = this.geometry;
    const averageInodes = this.freeInodes / groups;
    const averageBlocks = this.freeBlocks / groups;
    let best = own;
    let fewest = Infinity;
    for (let i = 0; i < groups; i++) {
      const group = (own + i) % groups;
      const inodes = this.count(group, Gd.freeInodes);
      const blocks = this.count(group, Gd.freeBlocks);
      if (!isTop) {
        if (inodes > averageInodes / 4 && blocks > averageBlocks / 4) return group;
        continue;
      }
      const directories = this.count(group, Gd.usedDirectories);
      if (inodes >= averageInodes && blocks >= averageBlocks && directories < fewest) {
        fewest = directories;
        best = group;
      }
    }
    return best;
  }

  #allocateInodeIn(group: number, isDirectory: boolean): Attempt<number> {
    const { inodesPerGroup, firstInode } = this.geometry;
    const bitmap = this.#buffers.get(this.tableBlock(group, Gd.inodeBitmap));
    if (!(bitmap instanceof Buffer)) return bitmap;
    const bit = findZero(bitmap.bytes, group === 0 ? firstInode - 1 : 0, inodesPerGroup);
    if (bit >= inodesPerGroup) {
      this.#damaged(`group ${group} has fewer free inodes than it says`);
      return -Errno.ENOSPC;
    }
    setBit(this.#buffers.change(bitmap).bytes, bit);
    this.#addCount(group, Gd.freeInodes, -1);
    this.#addTotal(Sb.freeInodes, -1);
    if (isDirectory) this.#addCount(group, Gd.usedDirectories, 1);
    return group * inodesPerGroup + bit + 1;
  }

  /** 1, 0 if it was free already (damage), -EIO, or a Wait. */
  freeInode(ino: number, isDirectory: boolean): Attempt<number> {
    const group = this.groupOfInode(ino);
    const bitmap = this.#buffers.get(this.tableBlock(group, Gd.inodeBitmap));
    if (!(bitmap instanceof Buffer)) return bitmap;
    const bit = (ino - 1) % this.geometry.inodesPerGroup;
    if (!hasBit(bitmap.bytes, bit)) {
      this.#damaged(`inode ${ino} is in use and called free`);
      return 0;
    }
    clearBit(this.#buffers.change(bitmap).bytes, bit);
    this.#addCount(group, Gd.freeInodes, 1);
    this.#addTotal(Sb.freeInodes, 1);
    if (isDirectory) this.#addCount(group, Gd.usedDirectories, -1);
    return 1;
  }

  /** The first group whose tables lie where they may not, undefined if all are right. */
  findBadDescriptor(): number | undefined {
    const { groups, inodeTableBlocks, firstDataBlock, descriptorBlocks } = this.geometry;
    for (let group = 0; group < groups; group++) {
      const start = Math.max(this.#groupStart(group), group === 0 ? firstDataBlock + 1 + descriptorBlocks : 0);
      const end = this.#groupStart(group) + this.#groupLength(group);
      const table = this.tableBlock(group, Gd.inodeTable);
      const bitmaps = [this.tableBlock(group, Gd.blockBitmap), this.tableBlock(group, Gd.inodeBitmap)];
      if (table < start || table + inodeTableBlocks > end) return group;
      if (bitmaps.some(block => block < start || block >= end || (block >= table && block < table + inodeTableBlocks))) return group;
      if (bitmaps[0] === bitmaps[1]) return group;
    }
    return undefined;
  }
}

function hasBit(bytes: Uint8Array, bit: number): boolean {
  return (bytes[bit >>> 3]! & (1 << (bit & 7))) !== 0;
}

function setBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3]! |= 1 << (bit & 7);
}

function clearBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3]! &= ~(1 << (bit & 7));
}

/** The first bit in `from` up to `end` that isn't set; `end` if there is none. */
function findZero(bytes: Uint8Array, from: number, end: number): number {
  let bit = from;
  while (bit < end) {
    const byte = bytes[bit >>> 3]!;
    if (byte === 0xff) {
      bit = (bit | 7) + 1;
      continue;
    }
    if ((byte & (1 << (bit & 7))) === 0) return bit;
    bit++;
  }
  return end;
}
