/** Where a file's blocks are: ext2 "Direct/Indirect Block Addressing", up to the triply indirect block. Changes run inside transactions. */
import { Errno } from '../../kernel/abi/errno.ts';
import { Wait, retry, type Attempt, type Io } from '../../lib/wait.ts';
import type { Allocator } from './allocator.ts';
import { Buffer, type BufferCache } from './buffers.ts';

export const directBlocks = 12;
export const pointerCount = 15;

/** What a block map needs of its inode. */
export interface MappedInode {
  readonly ino: number;
  /** i_block. */
  readonly pointers: Uint32Array;
  /** i_blocks in 512-byte units. */
  sectors: number;
  /** Makes the inode part of the running transaction. 0, -errno or a Wait. */
  touch(): Attempt<number>;
}

export class BlockMap {
  readonly #buffers: BufferCache;
  readonly #allocator: Allocator;
  readonly #perBlock: number;
  readonly #sectorsPerBlock: number;
  readonly #damaged: (what: string) => void;
  /** Logical blocks that can be mapped. */
  readonly capacity: number;

  constructor(buffers: BufferCache, allocator: Allocator, damaged: (what: string) => void) {
    this.#buffers = buffers;
    this.#allocator = allocator;
    this.#damaged = damaged;
    this.#perBlock = buffers.blockSize / 4;
    this.#sectorsPerBlock = buffers.blockSize / 512;
    const n = this.#perBlock;
    this.capacity = directBlocks + n + n * n + n * n * n;
  }

  /** The block that holds logical block `logical`: 0 for a hole, -EUCLEAN for a block that can't be, -EIO, or a Wait. */
  map(inode: MappedInode, logical: number): Attempt<number> {
    if (logical < directBlocks) return this.#check(inode, inode.pointers[logical]!);
    const n = this.#perBlock;
    let left = logical - directBlocks;
    let level = 1;
    let span = n;
    while (left >= span) {
      left -= span;
      span *= n;
      if (++level > 3) return -Errno.EFBIG;
    }
    let block = this.#check(inode, inode.pointers[directBlocks - 1 + level]!);
    for (; level > 0 && block > 0; level--) {
      span /= n;
      const buffer = this.#buffers.get(block);
      if (!(buffer instanceof Buffer)) return buffer;
      block = this.#check(inode, buffer.view.getUint32(Math.floor(left / span) * 4, true));
      left %= span;
    }
    return block;
  }

  #check(inode: MappedInode, block: number): number {
    if (block === 0 || this.#allocator.isDataBlock(block)) return block;
    this.#damaged(`inode ${inode.ino} has block ${block}, which is outside of the file system or holds its own tables`);
    return -Errno.EUCLEAN;
  }

  /** As `map`, allocating what is missing. `isFresh` is then called with the new block. -ENOSPC, -EFBIG and the errors of `map`. */
  mapOrAllocate(inode: MappedInode, logical: number, isFresh?: (block: number) => void): Attempt<number> {
    const n = this.#perBlock;
    let left = logical - directBlocks;
    let level = 0;
    let span = 1;
    if (left >= 0) {
      level = 1;
      span = n;
      while (left >= span) {
        left -= span;
        span *= n;
        if (++level > 3) return -Errno.EFBIG;
      }
    }
    const slot = level === 0 ? logical : directBlocks - 1 + level;
    let block = this.#check(inode, inode.pointers[slot]!);
    if (block < 0) return block;
    if (block === 0) {
      const joined = inode.touch();
      if (joined !== 0) return joined;
      const made = this.#allocate(inode, logical, level, isFresh);
      if (made instanceof Wait || made < 0) return made;
      inode.pointers[slot] = made;
      block = made;
    }
    for (; level > 0; level--) {
      span /= n;
      const buffer = this.#buffers.get(block);
      if (!(buffer instanceof Buffer)) return buffer;
      const offset = Math.floor(left / span) * 4;
      left %= span;
      block = this.#check(inode, buffer.view.getUint32(offset, true));
      if (block < 0) return block;
      if (block === 0) {
        const joined = inode.touch();
        if (joined !== 0) return joined;
        const made = this.#allocate(inode, logical, level - 1, isFresh);
        if (made instanceof Wait || made < 0) return made;
        this.#buffers.change(buffer).view.setUint32(offset, made, true);
        block = made;
      }
    }
    return block;
  }

  /** A new block for `inode`: of pointers if `level` > 0. */
  #allocate(inode: MappedInode, logical: number, level: number, isFresh: ((block: number) => void) | undefined): Attempt<number> {
    const block = this.#allocator.allocateBlock(this.#goal(inode, logical));
    if (block instanceof Wait || block < 0) return block;
    inode.sectors += this.#sectorsPerBlock;
    this.#lastAllocated = block;
    this.#lastOwner = inode.ino;
    if (level > 0) this.#buffers.fresh(block);
    else isFresh?.(block);
    return block;
  }

  // The block allocated last is the best neighbour for the next one of the same file.
  #lastAllocated = 0;
  #lastOwner = 0;

  #goal(inode: MappedInode, logical: number): number {
    if (this.#lastOwner === inode.ino) return this.#lastAllocated + 1;
    if (logical > 0) {
      const before = this.map(inode, logical - 1);
      if (typeof before === 'number' && before > 0) return before + 1;
    }
    return this.#allocator.goalOfInode(inode.ino);
  }

  /**
   * The first logical block at or after `from` that is mapped (or, with `hole`, isn't), skipping unmapped parts of the tree; `end` if there
   * is none before it. -errno or a Wait.
   */
  next(inode: MappedInode, from: number, end: number, hole: boolean): Attempt<number> {
    let at = from;
    // A damaged tree may seem to map more blocks than there are.
    let budget = this.#allocator.geometry.blocks;
    while (at < end) {
      if (budget-- <= 0) return -Errno.EUCLEAN;
      const found = this.map(inode, at);
      if (found instanceof Wait || found < 0) return found;
      if ((found === 0) === hole) return at;
      const skipped = found === 0 ? this.#unmappedEnd(inode, at) : at + 1;
      if (skipped instanceof Wait || skipped < 0) return skipped;
      at = skipped;
    }
    return end;
  }

  /** The logical block behind the largest unmapped subtree that contains the unmapped block `logical`. */
  #unmappedEnd(inode: MappedInode, logical: number): Attempt<number> {
    if (logical < directBlocks) return logical + 1;
    const n = this.#perBlock;
    let base = directBlocks;
    let span = n;
    let level = 1;
    while (logical >= base + span && level < 3) {
      base += span;
      span *= n;
      level++;
    }
    let block = inode.pointers[directBlocks - 1 + level]!;
    while (block !== 0 && level > 0) {
      span /= n;
      level--;
      const buffer = this.#buffers.get(block);
      if (!(buffer instanceof Buffer)) return buffer;
      const index = Math.floor((logical - base) / span);
      base += index * span;
      block = buffer.view.getUint32(index * 4, true);
    }
    return base + span;
  }

  /** Fetches the pointer blocks that `free` of the same range will read, so that it can run in one go. 0 or -errno. */
  *warm(inode: MappedInode, first: number, end: number): Io<number> {
    const n = this.#perBlock;
    let base = directBlocks;
    let span = n;
    for (let level = 1; level <= 3; level++) {
      if (first < base + span && end > base) {
        const warmed = yield* this.#warmTree(inode.pointers[directBlocks - 1 + level]!, level, first - base, end - base, { left: this.#allocator.geometry.blocks });
        if (warmed < 0) return warmed;
      }
      base += span;
      span *= n;
    }
    return 0;
  }

  *#warmTree(block: number, level: number, first: number, end: number, budget: { left: number }): Io<number> {
    if (block === 0 || !this.#allocator.isDataBlock(block) || budget.left-- <= 0) return 0;
    const buffer = yield* retry(() => this.#buffers.get(block));
    if (!(buffer instanceof Buffer)) return buffer;
    if (level === 1) return 0;
    const n = this.#perBlock;
    const span = n ** (level - 1);
    for (let i = Math.max(0, Math.floor(first / span)); i < n && i * span < end; i++) {
      const warmed = yield* this.#warmTree(buffer.view.getUint32(i * 4, true), level - 1, first - i * span, end - i * span, budget);
      if (warmed < 0) return warmed;
    }
    return 0;
  }

  /** Frees logical blocks `first` up to `end` and pointer blocks that become empty. The inode must be part of the transaction. 0, -errno, or a Wait. */
  free(inode: MappedInode, first: number, end: number): Attempt<number> {
    this.#lastOwner = 0;
    for (let logical = first; logical < Math.min(end, directBlocks); logical++) {
      const block = inode.pointers[logical]!;
      if (block === 0) continue;
      inode.pointers[logical] = 0;
      const freed = this.#freeBlock(inode, block);
      if (freed instanceof Wait || freed < 0) return freed;
    }
    const n = this.#perBlock;
    let base = directBlocks;
    let span = n;
    for (let level = 1; level <= 3; level++) {
      const slot = directBlocks - 1 + level;
      const block = inode.pointers[slot]!;
      if (block !== 0 && first < base + span && end > base) {
        const emptied = this.#freeTree(inode, block, level, Math.max(0, first - base), Math.min(span, end - base));
        if (emptied instanceof Wait || emptied < 0) return emptied;
        if (emptied > 0) inode.pointers[slot] = 0;
      }
      base += span;
      span *= n;
    }
    return 0;
  }

  #freeBlock(inode: MappedInode, block: number): Attempt<number> {
    const freed = this.#allocator.freeBlock(block);
    if (freed instanceof Wait || freed < 0) return freed;
    inode.sectors = Math.max(0, inode.sectors - this.#sectorsPerBlock);
    return freed;
  }

  /** Frees part of the tree below a block of pointers. 1 if nothing is left of it and it was freed itself, 0 if not, -errno, or a Wait. */
  #freeTree(inode: MappedInode, block: number, level: number, first: number, end: number): Attempt<number> {
    const n = this.#perBlock;
    const span = n ** (level - 1);
    const isWhole = first <= 0 && end >= span * n;
    if (!this.#allocator.isDataBlock(block)) {
      const freed = this.#allocator.freeBlock(block); // logs
      return freed instanceof Wait || freed < 0 ? freed : 1;
    }
    const buffer = this.#buffers.get(block);
    if (!(buffer instanceof Buffer)) return buffer;
    if (isWhole) {
      // Freed before what is below it: a damaged tree that leads back here finds it free and stops.
      const freed = this.#freeBlock(inode, block);
      if (freed instanceof Wait || freed <= 0) return freed instanceof Wait || freed < 0 ? freed : 1;
      return this.#freeChildren(inode, buffer, level, 0, n * span, false);
    }
    const answer = this.#freeChildren(inode, buffer, level, first, end, true);
    if (answer instanceof Wait || answer < 0) return answer;
    for (let i = 0; i < buffer.bytes.length; i += 4) if (buffer.view.getUint32(i, true) !== 0) return 0;
    const freed = this.#freeBlock(inode, block);
    return freed instanceof Wait || freed < 0 ? freed : 1;
  }

  #freeChildren(inode: MappedInode, buffer: Buffer, level: number, first: number, end: number, keeps: boolean): Attempt<number> {
    const n = this.#perBlock;
    const span = n ** (level - 1);
    for (let i = Math.floor(first / span); i < n && i * span < end; i++) {
      const child = buffer.view.getUint32(i * 4, true);
      if (child === 0) continue;
      const emptied = level === 1
        ? this.#freeBlock(inode, child)
        : this.#freeTree(inode, child, level - 1, Math.max(0, first - i * span), Math.min(span, end - i * span));
      if (emptied instanceof Wait || emptied < 0) return emptied;
      if (keeps && (level === 1 || emptied > 0)) this.#buffers.change(buffer).view.setUint32(i * 4, 0, true);
    }
    return 1;
  }
}
