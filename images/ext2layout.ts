/** Where things lie in an ext2 file system: block groups, and the placing of files' blocks one after the other. */
import type { Content } from './tree.ts';

export const blockBytes = 4096;
const pointersPerBlock = blockBytes / 4;
const directBlocks = 12;

/** A run of blocks and how to make their bytes. */
export interface Segment {
  readonly block: number;
  readonly count: number;
  /** Fills zeroed `into` (whole blocks) from the segment's block number `from`. */
  fill(into: Uint8Array, from: number): void;
}

/** ext2 "Block Groups". All positions are block numbers. */
export interface Geometry {
  readonly blocks: number;
  readonly groups: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly descriptorBlocks: number;
  readonly firstInodeTable: number;
  groupStart(group: number): number;
  groupEnd(group: number): number;
  hasSuperblock(group: number): boolean;
  metadataOf(group: number): { readonly blockBitmap: number; readonly inodeBitmap: number; readonly inodeTable: number; readonly firstData: number };
  /** The byte position of an inode. */
  inodeAt(inode: number): number;
}

const isPowerOf = (n: number, base: number): boolean => {
  while (n > 1 && n % base === 0) n /= base;
  return n === 1;
};

/** The groups of a disk of `size` bytes with at least `inodes` inodes. Throws if its last group has no room for its own tables. */
export function geometry(size: number, inodes: number, inodeBytes: number): Geometry {
  const blocks = size / blockBytes;
  if (!Number.isInteger(blocks)) throw new Error(`the disk size ${size} is not a multiple of ${blockBytes}`);
  const blocksPerGroup = blockBytes * 8;
  const groups = Math.ceil(blocks / blocksPerGroup);
  const inodesPerBlock = blockBytes / inodeBytes;
  const inodesPerGroup = Math.ceil(inodes / groups / inodesPerBlock) * inodesPerBlock;
  if (inodesPerGroup > blockBytes * 8) throw new Error(`${inodes} inodes are too many for a disk of ${size} bytes`);
  const descriptorBlocks = Math.ceil((groups * 32) / blockBytes);
  const groupStart = (group: number): number => group * blocksPerGroup;
  // Feature sparse_super: copies only in groups 0, 1 and the powers of 3, 5 and 7.
  const hasSuperblock = (group: number): boolean => group <= 1 || isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
  const metadataOf: Geometry['metadataOf'] = group => {
    const blockBitmap = groupStart(group) + (hasSuperblock(group) ? 1 + descriptorBlocks : 0);
    const inodeTable = blockBitmap + 2;
    return { blockBitmap, inodeBitmap: blockBitmap + 1, inodeTable, firstData: inodeTable + inodesPerGroup / inodesPerBlock };
  };
  if (metadataOf(groups - 1).firstData >= blocks) throw new Error(`a disk of ${size} bytes has no room for the tables of its last block group`);
  return {
    blocks, groups, blocksPerGroup, inodesPerGroup, descriptorBlocks, groupStart, hasSuperblock, metadataOf,
    firstInodeTable: metadataOf(0).inodeTable,
    groupEnd: group => Math.min(groupStart(group + 1), blocks),
    inodeAt: inode => metadataOf(Math.floor((inode - 1) / inodesPerGroup)).inodeTable * blockBytes + ((inode - 1) % inodesPerGroup) * inodeBytes,
  };
}

/** Where a file's blocks are. */
export interface Placement {
  /** ext2 "i_block". */
  readonly pointers: Uint32Array;
  /** How many blocks it occupies, those of pointers included. */
  readonly blocks: number;
}

/** Hands out blocks from the start of the disk to its end, and remembers what goes into them. */
export class Ext2Placer {
  readonly segments: Segment[] = [];
  readonly #disk: Geometry;
  #next: number;
  #group = 0;

  constructor(disk: Geometry) {
    this.#disk = disk;
    this.#next = disk.metadataOf(0).firstData;
  }

  /** The next block to be handed out. */
  get position(): number {
    return this.#next;
  }

  /** Blocks in use, tables included. */
  get used(): number {
    let used = 0;
    for (let g = 0; g < this.#disk.groups; g++) {
      used += Math.max(this.#disk.metadataOf(g).firstData, Math.min(this.#next, this.#disk.groupEnd(g))) - this.#disk.groupStart(g);
    }
    return used;
  }

  /** ext2 "Block Bitmap" of a group: blocks beyond the end of the disk count as used. */
  bitmap(group: number): { bytes: Uint8Array; free: number } {
    const start = this.#disk.groupStart(group);
    const usedEnd = Math.max(this.#disk.metadataOf(group).firstData, this.#next);
    const end = this.#disk.groupEnd(group);
    const bytes = new Uint8Array(blockBytes);
    for (let i = 0; i < blockBytes * 8; i++) {
      if (start + i < usedEnd || start + i >= end) bytes[i >> 3]! |= 1 << (i & 7);
    }
    return { bytes, free: Math.max(0, end - usedEnd) };
  }

  /** Places a regular file. */
  file(content: Content): Placement {
    const { size } = content;
    return this.#place(Math.ceil(size / blockBytes), (into, block) => {
      const position = block * blockBytes;
      content.read(position, into.subarray(0, Math.min(into.length, size - position)));
    });
  }

  /** Places a directory or a long symlink. */
  bytes(bytes: Uint8Array): Placement {
    return this.#place(Math.ceil(bytes.length / blockBytes), (into, block) => into.set(bytes.subarray(block * blockBytes, block * blockBytes + into.length)));
  }

  #take(): number {
    if (this.#next >= this.#disk.groupEnd(this.#group)) {
      this.#group++;
      if (this.#group >= this.#disk.groups) throw new Error(`the files do not fit into a disk of ${this.#disk.blocks * blockBytes} bytes`);
      this.#next = this.#disk.metadataOf(this.#group).firstData;
    }
    return this.#next++;
  }

  /** Hands out `count` blocks and the indirect blocks before the ones they point to; `fill` is given blocks of the file. */
  #place(count: number, fill: (into: Uint8Array, block: number) => void): Placement {
    const pointers = new Uint32Array(15);
    let logical = 0;
    let tables = 0;
    let run: { block: number; count: number; logical: number } | undefined;
    const endRun = (): void => {
      if (run === undefined) return;
      const { logical: first } = run;
      this.segments.push({ block: run.block, count: run.count, fill: (into, from) => fill(into, first + from) });
      run = undefined;
    };
    const data = (): number => {
      const block = this.#take();
      if (run !== undefined && run.block + run.count === block) {
        run.count++;
      } else {
        endRun();
        run = { block, count: 1, logical };
      }
      logical++;
      return block;
    };
    const table = (depth: number): number => {
      const block = this.#take();
      tables++;
      endRun();
      const entries = new Uint32Array(pointersPerBlock);
      for (let i = 0; i < pointersPerBlock && logical < count; i++) entries[i] = depth === 1 ? data() : table(depth - 1);
      const bytes = new Uint8Array(entries.buffer);
      endRun();
      this.segments.push({ block, count: 1, fill: into => into.set(bytes) });
      return block;
    };
    for (let i = 0; i < directBlocks && logical < count; i++) pointers[i] = data();
    for (let depth = 1; depth <= 3 && logical < count; depth++) pointers[directBlocks + depth - 1] = table(depth);
    if (logical < count) throw new Error('a file is larger than ext2 allows');
    endRun();
    return { pointers, blocks: count + tables };
  }
}
