/**
 * Regular files over the page cache. `PagedInode` is what ext2 and tmpfs have in common: reading and writing through cached pages, pages
 * for mappings, truncation of the cache, write-back. A file system says how a page is filled and stored and how room is reserved.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { O_APPEND, O_NOATIME, SEEK_DATA, SEEK_HOLE } from '../../kernel/abi/fcntl.ts';
import { MS_NOATIME } from '../../kernel/abi/mount.ts';
import { S_IFMT, S_ISGID, S_ISUID } from '../../kernel/abi/stat.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, type Attempt, type Io } from '../../lib/wait.ts';
import type { Caller } from './caller.ts';
import { Inode, type Timespec } from './inode.ts';
import { OpenFile } from './openFile.ts';
import { pageSize, type PageCache } from './pageCache.ts';
import type { Path } from './path.ts';
import { isReadOnly, withoutSetIds } from './permissions.ts';

// One call moves at most this much, and at most an eighth of memory: its pages are made resident before the first byte is moved.
const transferMaximum = 1 << 20;
// Pages read at once for a page fault, and at most ahead of a sequential reader.
const faultCluster = 8;
const readAheadMaximum = 32;
const daySeconds = 86400;

export abstract class PagedInode extends Inode {
  readonly cache: PageCache;
  /** Frames by page index; each is a reference. Changed by PageCache only. */
  readonly pages = new Map<number, number>();
  readonly dirtyPages = new Set<number>();
  /** Reusable answer of `page`. */
  readonly #frame = { frame: 0 };
  readonly #transferMaximum: number;
  /** The end of the bytes that are being copied into a page, 0 for none: they are not behind the file's end, though its size is set after. */
  #copyEnd = 0;

  constructor(cache: PageCache) {
    super();
    this.cache = cache;
    this.#transferMaximum = Math.min(transferMaximum, Math.ceil(cache.frames.total / 8) * pageSize);
  }

  /** True where a page that isn't cached is a hole, because pages are stored nowhere else (tmpfs). */
  protected abstract readonly livesInMemory: boolean;
  /** Largest size in bytes. */
  protected abstract readonly sizeMaximum: number;
  /** Fills `frames` with pages `first`, `first + 1`, ... of the store (zeros for holes and past the end). 0, -errno or a Wait with nothing done. */
  protected abstract fillPages(first: number, frames: readonly number[]): Attempt<number>;
  /** Writes page `index` from its frame to the store. 0, -errno or a Wait. */
  protected abstract storePage(index: number, frame: number): Attempt<number>;
  /** Makes sure that bytes `position` to `position + length` have a place in the store: how many of them, from `position`, or -errno or a Wait. */
  protected abstract reserve(position: number, length: number): Attempt<number>;
  /**
   * What was reserved last was used only up to byte `end` (0 for not at all): nothing may be left beyond the file's end, nor may old bytes
   * of the store show in holes.
   */
  protected abstract unreserve(end: number): void;
  /** Size, times or mode were changed in memory. */
  protected abstract attributesChanged(): void;
  protected abstract now(): Timespec;
  /** The first byte at or after `position` that is data or hole; `size` for no more data. */
  abstract seekData(position: number, hole: boolean): Io<number>;

  /** Called when the cache holds one page more or less. */
  pageCountChanged(_change: number): void {}

  override get isMappable(): boolean {
    return this.isRegular;
  }

  /** Makes pages `first` to `last` resident. 0, -errno, or a Wait. */
  #load(first: number, last: number): Attempt<number> {
    for (let index = first; index <= last; index++) {
      if (this.pages.has(index)) continue;
      let end = index + 1;
      while (end <= last && !this.pages.has(end)) end++;
      const loaded = this.#loadRun(index, end - index);
      if (loaded !== 0) return loaded;
      index = end - 1;
    }
    return 0;
  }

  #loadRun(first: number, count: number): Attempt<number> {
    const frames: number[] = [];
    let answer: Attempt<number> = 0;
    for (let i = 0; i < count; i++) {
      const frame = this.cache.allocate();
      if (frame === 0) {
        answer = -Errno.ENOMEM;
        break;
      }
      frames.push(frame);
    }
    if (answer === 0) answer = this.fillPages(first, frames);
    for (let i = 0; i < frames.length; i++) {
      if (answer === 0 && !this.pages.has(first + i)) this.cache.insert(this, first + i, frames[i]!, false);
      else this.cache.frames.release(frames[i]!);
    }
    return answer;
  }

  /** Reads ahead up to `count` pages from `first`, if they can be had without waiting. */
  readAhead(first: number, count: number): void {
    const end = Math.min(first + count, Math.ceil(this.size / pageSize));
    let from = first;
    while (from < end && this.pages.has(from)) from++;
    if (from < end && !this.livesInMemory) this.#load(from, end - 1);
  }

  /** read(2) at `position`: bytes moved, 0 at the end, -errno, or a Wait with nothing moved. */
  readAt(sink: Sink, position: number): Attempt<number> {
    const length = Math.min(sink.remaining, this.size - position, this.#transferMaximum);
    if (length <= 0) return 0;
    const first = Math.floor(position / pageSize);
    const within = position - first * pageSize;
    const frame = this.pages.get(first);
    if (frame !== undefined && within + length <= pageSize) {
      this.cache.touch(frame);
      const taken = sink.put(this.cache.frames.bytes, frame * pageSize + within, length);
      return taken === 0 ? -Errno.EFAULT : taken;
    }
    return this.#readPages(sink, position, length);
  }

  #readPages(sink: Sink, position: number, length: number): Attempt<number> {
    const first = Math.floor(position / pageSize);
    const last = Math.floor((position + length - 1) / pageSize);
    if (!this.livesInMemory) {
      const loaded = this.#load(first, last);
      // A damaged page further on doesn't take away what is readable before it.
      if (loaded !== 0 && (loaded instanceof Wait || !this.pages.has(first))) return loaded;
    }
    const end = position + length;
    let at = position;
    while (at < end) {
      const index = Math.floor(at / pageSize);
      const within = at - index * pageSize;
      const part = Math.min(pageSize - within, end - at);
      let frame = this.pages.get(index);
      if (frame === undefined && !this.livesInMemory) {
        // Damaged, or reclaimed while the others were loaded.
        const loaded = this.#load(index, index);
        if (loaded !== 0) return at === position ? loaded : at - position;
        frame = this.pages.get(index);
      }
      const taken = frame === undefined ? sink.zero(part) : sink.put(this.cache.frames.bytes, frame * pageSize + within, part);
      if (frame !== undefined) this.cache.touch(frame);
      at += taken;
      if (taken < part) break;
    }
    return at === position ? -Errno.EFAULT : at - position;
  }

  /** write(2) at `position`: bytes moved, -errno, or a Wait with nothing moved. `limit` is RLIMIT_FSIZE. */
  writeAt(source: Source, position: number, limit: number): Attempt<number> {
    let length = Math.min(source.remaining, this.#transferMaximum);
    if (length === 0) return 0;
    const maximum = Math.min(this.sizeMaximum, limit);
    if (position >= maximum) return -Errno.EFBIG;
    length = Math.min(length, maximum - position);
    const resident = this.#loadEdges(position, length);
    if (resident !== 0) return resident;
    const reserved = this.reserve(position, length);
    if (reserved instanceof Wait || reserved < 0) return reserved;
    if (position > this.size) this.#prepareGrowth();
    const written = this.#copyHeld(source, position, Math.min(length, reserved));
    if (written < length) this.unreserve(written > 0 ? position + written : 0);
    if (written <= 0) return written;
    this.mtime = this.ctime = this.now();
    this.attributesChanged();
    return written;
  }

  /** Pages that a write covers only partly must be filled from the store first. */
  #loadEdges(position: number, length: number): Attempt<number> {
    if (this.livesInMemory) return 0;
    const end = position + length;
    const first = Math.floor(position / pageSize);
    const last = Math.floor((end - 1) / pageSize);
    const start = first * pageSize;
    if (start < this.size && (position > start || (first === last && end < Math.min(start + pageSize, this.size))) && !this.pages.has(first)) {
      const loaded = this.#loadRun(first, 1);
      if (loaded !== 0) return loaded;
    }
    const lastStart = last * pageSize;
    if (last > first && end < Math.min(lastStart + pageSize, this.size) && !this.pages.has(last)) {
      const loaded = this.#loadHolding(first, last);
      if (loaded !== 0) return loaded;
    }
    return 0;
  }

  /** Makes page `index` resident; page `held` is not reclaimed for it. */
  #loadHolding(held: number, index: number): Attempt<number> {
    const { frames } = this.cache;
    const frame = this.pages.get(held);
    if (frame !== undefined) frames.retain(frame);
    const loaded = this.#loadRun(index, 1);
    if (frame !== undefined) frames.release(frame);
    return loaded;
  }

  /** `#copyIn` with the first and last page kept from being reclaimed: their bytes around the written ones are needed. */
  #copyHeld(source: Source, position: number, length: number): number {
    const { frames } = this.cache;
    const first = this.pages.get(Math.floor(position / pageSize)) ?? 0;
    const last = this.pages.get(Math.floor((position + length - 1) / pageSize)) ?? 0;
    if (first !== 0) frames.retain(first);
    if (last !== 0) frames.retain(last);
    const written = this.#copyIn(source, position, length);
    if (first !== 0) frames.release(first);
    if (last !== 0) frames.release(last);
    return written;
  }

  #copyIn(source: Source, position: number, length: number): number {
    const { cache } = this;
    const end = position + length;
    let at = position;
    while (at < end) {
      const index = Math.floor(at / pageSize);
      const within = at - index * pageSize;
      const part = Math.min(pageSize - within, end - at);
      let frame = this.pages.get(index);
      const isFresh = frame === undefined;
      if (frame === undefined) {
        // Not in the store or covered entirely: what isn't written must be zero.
        frame = cache.allocateZeroed();
        if (frame === 0) return at === position ? -Errno.ENOMEM : at - position;
        cache.insert(this, index, frame, this.livesInMemory);
      }
      this.#copyEnd = at + part;
      const taken = source.get(cache.frames.bytes, frame * pageSize + within, part);
      this.#copyEnd = 0;
      if (isFresh && taken < part && at < this.size) {
        // The page was to be covered entirely and isn't: what the store has stands.
        cache.remove(this, index, frame);
        break;
      }
      if (taken > 0) {
        cache.frames.written(frame);
        cache.soil(this, index, frame);
      }
      at += taken;
      // Now, not when all is copied: room for the next page may be made by writing this one back, which goes up to the size.
      if (taken > 0 && at > this.size) this.size = at;
      if (taken < part) break;
    }
    return at === position ? -Errno.EFAULT : at - position;
  }

  override page(index: number, forWrite: boolean): Attempt<{ frame: number } | number> {
    let frame = this.pages.get(index);
    if (index * pageSize >= this.size) return -Errno.ENXIO;
    if (frame === undefined) {
      if (this.livesInMemory) {
        const reserved = this.reserve(index * pageSize, pageSize);
        if (reserved instanceof Wait || reserved < 0) return reserved;
        frame = this.cache.allocateZeroed();
        if (frame === 0) return -Errno.ENOMEM;
        this.cache.insert(this, index, frame, true);
      } else {
        const loaded = this.#load(index, index);
        if (loaded !== 0) return loaded;
        frame = this.pages.get(index)!;
        // Not at the expense of the page that is asked for.
        this.cache.frames.retain(frame);
        this.readAhead(index + 1, faultCluster - 1);
        this.cache.frames.release(frame);
      }
    }
    if (forWrite && !this.livesInMemory) {
      const reserved = this.reserve(index * pageSize, Math.min(pageSize, this.size - index * pageSize));
      if (reserved instanceof Wait || reserved < 0) return reserved;
      frame = this.pages.get(index);
      if (frame === undefined) return this.page(index, forWrite);
      this.cache.soil(this, index, frame);
    }
    this.cache.touch(frame);
    this.#frame.frame = frame;
    return this.#frame;
  }

  override pageDirtied(index: number): void {
    const frame = this.pages.get(index);
    if (frame === undefined) return;
    this.cache.soil(this, index, frame);
    this.mtime = this.ctime = this.now();
    this.attributesChanged();
  }

  /** Before the end moves away from the last page: what a mapping wrote behind it goes, and what one writes there from now on needs blocks. */
  #prepareGrowth(): void {
    if (this.size % pageSize === 0) return;
    this.#faultAnew(Math.floor(this.size / pageSize));
    this.#zeroTail();
  }

  /** The next store to page `index` through a mapping is a fault, which reserves its blocks: it may lack some now. */
  #faultAnew(index: number): void {
    if (!this.livesInMemory) this.cache.mappings?.unmap(this, index, index + 1, false);
  }

  /** Bytes beyond the end in the last page become zero (a mapping may have written there). */
  #zeroTail(): void {
    const end = Math.max(this.size, this.#copyEnd);
    const within = end % pageSize;
    const frame = within === 0 ? undefined : this.pages.get(Math.floor(end / pageSize));
    if (frame !== undefined) this.cache.frames.bytes.fill(0, frame * pageSize + within, (frame + 1) * pageSize);
  }

  /** Makes a partly cut page resident before the file becomes `size` bytes long. */
  protected prepareTruncate(size: number): Attempt<number> {
    const index = Math.floor(size / pageSize);
    if (this.livesInMemory || size % pageSize === 0 || size >= this.size || this.pages.has(index)) return 0;
    return this.#loadRun(index, 1);
  }

  /** Forgets cached pages beyond `size` and zeroes the rest of the last one. Sets `this.size`. */
  protected truncatePages(size: number): void {
    if (size > this.size) this.#prepareGrowth();
    const shrinks = size < this.size;
    this.size = size;
    if (!shrinks) return;
    this.dropPages(Math.ceil(size / pageSize), Infinity, true);
    const within = size % pageSize;
    const index = Math.floor(size / pageSize);
    const frame = within === 0 ? undefined : this.pages.get(index);
    if (frame === undefined) return;
    this.#faultAnew(index);
    this.#zeroTail();
    this.cache.frames.written(frame);
    this.cache.soil(this, index, frame);
  }

  /** Drops pages `first` up to `end` from cache and mappings; with `copies` their private copies, too. */
  protected dropPages(first: number, end: number, copies: boolean): void {
    if (this.pages.size === 0 && !copies) return;
    this.cache.mappings?.unmap(this, first, end, copies);
    if (end - first <= this.pages.size) {
      for (let index = first; index < end; index++) this.#drop(index);
    } else {
      for (const index of [...this.pages.keys()]) if (index >= first && index < end) this.#drop(index);
    }
  }

  #drop(index: number): void {
    const frame = this.pages.get(index);
    if (frame !== undefined) this.cache.remove(this, index, frame);
  }

  /** Zeroes the cached bytes from `start` to `end`; whole pages are dropped. The store's blocks are the file system's. */
  protected zeroPages(start: number, end: number): void {
    const first = Math.ceil(start / pageSize);
    const last = Math.floor(end / pageSize);
    if (last > first) this.dropPages(first, last, false);
    if (first > last) {
      this.#zeroWithin(start, end);
      return;
    }
    this.#zeroWithin(start, first * pageSize);
    this.#zeroWithin(last * pageSize, end);
  }

  #zeroWithin(start: number, end: number): void {
    if (start >= end) return;
    const index = Math.floor(start / pageSize);
    const frame = this.pages.get(index);
    if (frame === undefined) return;
    this.#faultAnew(index);
    this.cache.frames.bytes.fill(0, frame * pageSize + (start - index * pageSize), frame * pageSize + (end - index * pageSize));
    this.cache.frames.written(frame);
    this.cache.soil(this, index, frame);
  }

  /** Makes the pages resident that a hole from `start` to `end` covers partly. */
  protected preparePunch(start: number, end: number): Attempt<number> {
    if (this.livesInMemory) return 0;
    for (const edge of [start, end]) {
      const index = Math.floor(edge / pageSize);
      if (edge % pageSize === 0 || edge > this.size || this.pages.has(index)) continue;
      const loaded = this.#loadHolding(Math.floor(start / pageSize), index);
      if (loaded !== 0) return loaded;
    }
    return 0;
  }

  /** Writes dirty pages to the store, as they are now. 0, -errno (the page stays dirty), or a Wait after which to call again. */
  writeBack(): Attempt<number> {
    this.cache.mappings?.collectDirty(this);
    if (this.dirtyPages.size === 0) return 0;
    this.#zeroTail();
    let result = 0;
    for (const index of [...this.dirtyPages].sort((a, b) => a - b)) {
      const frame = this.pages.get(index)!;
      const stored = this.storePage(index, frame);
      if (stored instanceof Wait) return stored;
      if (stored < 0) result = stored;
      else this.cache.clean(this, index, frame);
    }
    return result;
  }

  /** relatime: reading changes atime only if it is older than the last change or a day. */
  accessed(): void {
    const { atime, mtime, ctime } = this;
    if (isLater(atime, mtime) && isLater(atime, ctime)) {
      const now = this.now();
      if (now.seconds - atime.seconds < daySeconds) return;
      this.atime = now;
    } else {
      this.atime = this.now();
    }
    this.attributesChanged();
  }

  /** A write by someone who isn't privileged clears the set-id bits. */
  dropSetIds(): void {
    this.mode = (this.mode & S_IFMT) | (withoutSetIds(this.mode) & 0o7777);
    this.attributesChanged();
  }
}

function isLater(a: Timespec, b: Timespec): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds);
}

/**
 * An open regular file in the page cache. O_SYNC and O_DSYNC need a sleep, which `write` cannot do: whoever writes drives `inode.sync`
 * afterwards.
 */
export class PagedFile extends OpenFile {
  readonly #file: PagedInode;
  readonly #sizeLimit: number;
  readonly #isPrivileged: boolean;
  readonly #keepsAtime: boolean;
  /** Page after the last one read, and how far to read ahead. */
  #next = 0;
  #window = 0;

  constructor(path: Path, inode: PagedInode, flags: number, caller: Caller) {
    super(path, inode, flags);
    this.#file = inode;
    this.#sizeLimit = caller.fileSizeLimit;
    this.#isPrivileged = caller.credentials.overridesOwnership;
    this.#keepsAtime = isReadOnly(path.mount) || (path.mount.flags & MS_NOATIME) !== 0;
  }

  override get isSeekable(): boolean {
    return true;
  }

  override read(sink: Sink, position: number): Attempt<number> {
    const got = this.#file.readAt(sink, position);
    if (got instanceof Wait || got <= 0) return got;
    if (!this.#keepsAtime && (this.flags & O_NOATIME) === 0) this.#file.accessed();
    const first = Math.floor(position / pageSize);
    const next = Math.floor((position + got - 1) / pageSize) + 1;
    if (next !== this.#next) {
      this.#window = first === this.#next || first + 1 === this.#next ? Math.min(readAheadMaximum, this.#window * 2 + 4) : 0;
      this.#next = next;
      if (this.#window > 0 && !this.#file.pages.has(next)) this.#file.readAhead(next, this.#window);
    }
    return got;
  }

  override write(source: Source, position: number): Attempt<number> {
    const file = this.#file;
    const appends = (this.flags & O_APPEND) !== 0;
    const at = appends ? file.size : position;
    const written = file.writeAt(source, at, this.#sizeLimit);
    if (written instanceof Wait || written <= 0) return written;
    if ((file.mode & (S_ISUID | S_ISGID)) !== 0 && !this.#isPrivileged) file.dropSetIds();
    if (appends) this.position = at + written;
    return written;
  }

  override *seek(offset: number, whence: number): Io<number> {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -Errno.EINVAL;
    if (offset < 0 || offset >= this.#file.size) return -Errno.ENXIO;
    const at = yield* this.#file.seekData(offset, whence === SEEK_HOLE);
    return whence === SEEK_DATA && at >= this.#file.size ? -Errno.ENXIO : at;
  }
}
