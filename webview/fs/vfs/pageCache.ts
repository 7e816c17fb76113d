/**
 * The page cache: file pages as frames of the machine's memory, so that read(2), write(2) and mappings see the same bytes. This class
 * knows which frame is whose and gives clean ones back under memory pressure (second chance over the frames in turn); what a page
 * contains and where it is stored is the inode's business (`PagedInode`).
 */
import type { FrameStore } from './frames.ts';
import type { PagedInode } from './pagedFile.ts';

export const pageSize = 4096;

/** What the page cache asks of whoever maps its frames: the kernel's memory management. */
export interface Mappings {
  /**
   * Calls `pageDirtied` for pages of `inode` (undefined: of every file) that were written through mappings since the last call, and has
   * the next write to each reported anew.
   */
  collectDirty(inode: PagedInode | undefined): void;
  /**
   * Mappings lose pages `first` up to (not including) `end` of the file, with private copies of them or without: the next access is a
   * fault (SIGBUS, a new page, or the old one with all its blocks reserved). Those written are reported to `pageDirtied` first, unless copies go.
   */
  unmap(inode: PagedInode, first: number, end: number, copies: boolean): void;
  /** Takes about `count` file pages out of mappings, so that the cache can give them back; they fault in again. Answers how many. */
  shrink?(count: number): number;
}

const used = 1;
const dirty = 2;
const pinned = 4;

export class PageCache {
  readonly frames: FrameStore;
  /** Set by the kernel once it maps files. */
  mappings: Mappings | undefined;
  /** Inodes with dirty pages. */
  readonly dirtyInodes = new Set<PagedInode>();
  /** Pages held, and how many of them are dirty or belong to a file system in memory. */
  cachedPages = 0;
  dirtyPages = 0;
  pinnedPages = 0;
  readonly #owners: (PagedInode | undefined)[];
  #indices: Int32Array;
  #flags: Uint8Array;
  #hand = 0;
  #isReclaiming = false;

  constructor(frames: FrameStore) {
    this.frames = frames;
    // Frame numbers may be larger than the count of frames: memory also holds what isn't a frame, and it may grow.
    const count = frames.bytes.length / pageSize;
    this.#owners = new Array<PagedInode | undefined>(count).fill(undefined);
    this.#indices = new Int32Array(count);
    this.#flags = new Uint8Array(count);
  }

  #grow(): void {
    const count = this.frames.bytes.length / pageSize;
    while (this.#owners.length < count) this.#owners.push(undefined);
    const indices = new Int32Array(count);
    indices.set(this.#indices);
    this.#indices = indices;
    const flags = new Uint8Array(count);
    flags.set(this.#flags);
    this.#flags = flags;
  }

  /** A frame for a page, its bytes undefined; 0 when memory is out even after reclaiming. */
  allocate(): number {
    return this.frames.allocateDirty() || (this.reclaim(64) > 0 ? this.frames.allocateDirty() : 0);
  }

  /** As `allocate`, zeroed. */
  allocateZeroed(): number {
    return this.frames.allocate() || (this.reclaim(64) > 0 ? this.frames.allocate() : 0);
  }

  /** Takes over the reference to `frame` as page `index` of `inode`. */
  insert(inode: PagedInode, index: number, frame: number, isPinned: boolean): void {
    if (frame >= this.#owners.length) this.#grow();
    this.#owners[frame] = inode;
    this.#indices[frame] = index;
    this.#flags[frame] = isPinned ? used | pinned : used;
    inode.pages.set(index, frame);
    this.cachedPages++;
    inode.pageCountChanged(1);
    if (isPinned) this.pinnedPages++;
  }

  touch(frame: number): void {
    this.#flags[frame]! |= used;
  }

  /** Drops page `index`, dirty or not. Mappings keep the frame's bytes. */
  remove(inode: PagedInode, index: number, frame: number): void {
    this.clean(inode, index, frame);
    if ((this.#flags[frame]! & pinned) !== 0) this.pinnedPages--;
    this.#owners[frame] = undefined;
    this.#flags[frame] = 0;
    inode.pages.delete(index);
    this.cachedPages--;
    inode.pageCountChanged(-1);
    this.frames.release(frame);
  }

  /** Notes that a page must be written back; pages of file systems in memory never are. */
  soil(inode: PagedInode, index: number, frame: number): void {
    const flags = this.#flags[frame]!;
    if ((flags & (dirty | pinned)) !== 0) return;
    this.#flags[frame] = flags | dirty | used;
    this.dirtyPages++;
    if (inode.dirtyPages.size === 0) this.dirtyInodes.add(inode);
    inode.dirtyPages.add(index);
  }

  /** The page is written back or of no use any more. */
  clean(inode: PagedInode, index: number, frame: number): void {
    if ((this.#flags[frame]! & dirty) === 0) return;
    this.#flags[frame]! &= ~dirty;
    this.dirtyPages--;
    inode.dirtyPages.delete(index);
    if (inode.dirtyPages.size === 0) this.dirtyInodes.delete(inode);
  }

  /** Frees up to `count` frames: clean unmapped pages first; if they don't suffice, dirty ones are written to their device. Returns how many. */
  reclaim(count: number): number {
    if (this.#isReclaiming) return 0;
    this.#isReclaiming = true;
    let freed = this.#sweep(count);
    if (freed < count && this.dirtyInodes.size > 0) {
      // What has to wait for the disk stays dirty for now.
      for (const inode of [...this.dirtyInodes]) inode.writeBack();
      freed += this.#sweep(count - freed);
    }
    // Pages that are mapped are held by their mappings: the last resort.
    if (freed < count && (this.mappings?.shrink?.(4 * count) ?? 0) > 0) {
      for (const inode of [...this.dirtyInodes]) inode.writeBack();
      freed += this.#sweep(count - freed);
    }
    this.#isReclaiming = false;
    return freed;
  }

  #sweep(count: number): number {
    const total = this.#owners.length;
    let freed = 0;
    for (let looked = 0; looked < 2 * total && freed < count; looked++) {
      const frame = this.#hand;
      this.#hand = frame + 1 === total ? 0 : frame + 1;
      const owner = this.#owners[frame];
      if (owner === undefined) continue;
      const flags = this.#flags[frame]!;
      if ((flags & (dirty | pinned)) !== 0 || this.frames.references(frame) > 1) continue;
      if ((flags & used) !== 0) {
        this.#flags[frame] = flags & ~used;
        continue;
      }
      this.remove(owner, this.#indices[frame]!, frame);
      freed++;
    }
    return freed;
  }
}
