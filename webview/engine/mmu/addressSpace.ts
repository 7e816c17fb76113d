/** The page tables of one process. Layout in state.ts PageTable and PteBit; the walk on a TLB miss is mmu/translate.ts. */
import { PageTable, PteBit } from '../state.ts';
import type { CodeOwner } from './codeOwner.ts';
import type { PhysicalFrames } from './frames.ts';
import type { TranslationCaches } from './tlb.ts';

/** Bits that the kernel gives and sees. */
const visible = PteBit.read | PteBit.write | PteBit.exec | PteBit.cow | PteBit.dirty | PteBit.accessed;
const entriesPerTable = 1024;
const rootEntries = 32;
const end = 2 ** PageTable.addressBits / 4096;

/** What address spaces share. */
export interface MmuParts {
  readonly frames: PhysicalFrames;
  readonly caches: TranslationCaches;
  readonly code: CodeOwner;
  /** The whole memory as page table entries. */
  readonly entries: Uint32Array;
  /** Root of the space whose translations are in the TLB. */
  activeRoot(): number;
}

/** Addresses are page-aligned bytes outside; inside they are page numbers. */
export class PageTables {
  readonly root: number;
  readonly #parts: MmuParts;
  /** The last leaf table found: its pages' number / 1024, and its frame. A leaf table stays where it is until `destroy`. */
  #leafNumber = -1;
  #leafTable = 0;
  isDestroyed = false;

  private constructor(parts: MmuParts, root: number) {
    this.#parts = parts;
    this.root = root;
  }

  /** Undefined when no frame is left. */
  static create(parts: MmuParts): PageTables | undefined {
    const root = parts.frames.allocate();
    return root === 0 ? undefined : new PageTables(parts, root);
  }

  get #active(): boolean {
    return this.#parts.activeRoot() === this.root;
  }

  /** Index in `entries` of the entry of a page, or -1 where there is no table. */
  #find(page: number): number {
    const number = Math.floor(page / entriesPerTable);
    if (number === this.#leafNumber) return this.#leafTable * entriesPerTable + (page & PageTable.mask);
    const { entries } = this.#parts;
    const top = entries[this.root * entriesPerTable + Math.floor(page / 2 ** 30)]!;
    if (top === 0) return -1;
    const middle = entries[top * entriesPerTable + (Math.floor(page / 2 ** 20) & PageTable.mask)]!;
    if (middle === 0) return -1;
    const leaf = entries[middle * entriesPerTable + (number & PageTable.mask)]!;
    if (leaf === 0) return -1;
    this.#leafNumber = number;
    this.#leafTable = leaf;
    return leaf * entriesPerTable + (page & PageTable.mask);
  }

  /** As `#find`, and makes missing tables; -1 when no frame is left. */
  #make(page: number): number {
    const known = this.#find(page);
    if (known >= 0) return known;
    const top = this.#below(this.root, Math.floor(page / 2 ** 30));
    const middle = top === 0 ? 0 : this.#below(top, Math.floor(page / 2 ** 20) & PageTable.mask);
    const leaf = middle === 0 ? 0 : this.#below(middle, Math.floor(page / entriesPerTable) & PageTable.mask);
    return leaf === 0 ? -1 : leaf * entriesPerTable + (page & PageTable.mask);
  }

  /** The table that an upper entry leads to, made if there is none; 0 when no frame is left. */
  #below(table: number, index: number): number {
    const { entries, frames } = this.#parts;
    const at = table * entriesPerTable + index;
    return entries[at]! || (entries[at] = frames.allocate());
  }

  /** Calls `visit` for each stretch of a range of pages that lies in one leaf table: first page, index of its entry, number of pages. */
  #eachStretch(first: number, last: number, visit: (page: number, at: number, count: number) => void): void {
    for (let page = first; page < last;) {
      const at = this.#find(page);
      const stop = at >= 0 ? Math.min(last, (Math.floor(page / entriesPerTable) + 1) * entriesPerTable) : Math.min(last, this.#skip(page));
      if (at >= 0) visit(page, at, stop - page);
      page = stop;
    }
  }

  /** Calls `visit` with the page and index of each present entry of a range of pages. */
  #each(first: number, last: number, visit: (page: number, at: number) => void): void {
    const { entries } = this.#parts;
    this.#eachStretch(first, last, (page, at, count) => {
      for (let i = 0; i < count; i++) if (entries[at + i] !== 0) visit(page + i, at + i);
    });
  }

  /** First page behind `page`, which has no leaf table, that may have one. */
  #skip(page: number): number {
    const { entries } = this.#parts;
    const top = entries[this.root * entriesPerTable + Math.floor(page / 2 ** 30)]!;
    if (top === 0) return (Math.floor(page / 2 ** 30) + 1) * 2 ** 30;
    const middle = entries[top * entriesPerTable + (Math.floor(page / 2 ** 20) & PageTable.mask)]!;
    if (middle === 0) return (Math.floor(page / 2 ** 20) + 1) * 2 ** 20;
    return (Math.floor(page / 2 ** 10) + 1) * 2 ** 10;
  }

  /** Of these pages something is no longer as the TLB may have it; `code`: of pages that can be executed. */
  #forget(address: number, length: number, code: boolean): void {
    if (!this.#active) return;
    this.#parts.caches.invalidate(address / 4096, Math.ceil(length / 4096), code);
    if (code) this.#parts.caches.codeMoved();
  }

  map(address: number, frame: number, bits: number): boolean {
    const { entries, frames } = this.#parts;
    const at = this.#make(address / 4096);
    if (at < 0) return false;
    const before = entries[at]!;
    entries[at] = frame * 4096 + ((bits & visible) | PteBit.present);
    // Of a page that wasn't there nothing is remembered.
    if (before === 0) return true;
    frames.release(before >>> 12);
    this.#forget(address, 4096, ((before | bits) & PteBit.exec) !== 0);
    return true;
  }

  entry(address: number): number {
    const at = this.#find(Math.floor(address / 4096));
    if (at < 0) return 0;
    const entry = this.#parts.entries[at]!;
    return (entry >>> 12) * 64 + (entry & visible);
  }

  unmap(address: number, length: number): void {
    const { entries, frames } = this.#parts;
    let gone = 0;
    this.#each(address / 4096, (address + length) / 4096, (_, at) => {
      const entry = entries[at]!;
      gone |= entry;
      entries[at] = 0;
      frames.release(entry >>> 12);
    });
    if (gone !== 0) this.#forget(address, length, (gone & PteBit.exec) !== 0);
  }

  /** `cow` stays whatever `bits` say, so that a later `write` can't reach a shared frame. */
  protect(address: number, length: number, bits: number): void {
    const { entries } = this.#parts;
    const access = PteBit.read | PteBit.write | PteBit.exec;
    let changed = 0;
    this.#each(address / 4096, (address + length) / 4096, (_, at) => {
      const entry = entries[at]!;
      const given = bits & access & ((entry & PteBit.cow) !== 0 ? ~PteBit.write : -1);
      changed |= (entry & access) ^ given;
      entries[at] = (entry & ~access) | given;
    });
    if (changed !== 0) this.#forget(address, length, (changed & PteBit.exec) !== 0);
  }

  clearBits(address: number, length: number, mask: number): void {
    const { entries } = this.#parts;
    let cleared = 0;
    this.#each(address / 4096, (address + length) / 4096, (_, at) => {
      cleared |= entries[at]! & mask & visible;
      entries[at] = entries[at]! & ~(mask & visible);
    });
    if (cleared !== 0) this.#forget(address, length, (cleared & (PteBit.exec | PteBit.accessed)) !== 0);
  }

  /** Not shared: all entries become `cow` in both, also those that can't be written now, since mprotect(2) may change that. */
  copyTo(child: PageTables, address: number, length: number, share: boolean): boolean {
    let enough = true;
    let lost = 0;
    this.#eachStretch(address / 4096, (address + length) / 4096, (page, at, count) => {
      if (enough) lost |= this.#copyStretch(child, page, at, count, share);
      enough &&= lost >= 0;
    });
    if (lost !== 0) this.#forget(address, length, false);
    return enough;
  }

  /** The bits that the stretch's own entries lost, together; -1 when no frame is left. */
  #copyStretch(child: PageTables, page: number, at: number, count: number, share: boolean): number {
    const { entries, frames } = this.#parts;
    let target = -1;
    let lost = 0;
    for (let i = 0; i < count; i++) {
      let entry = entries[at + i]!;
      if (entry === 0) continue;
      // One table of the parent is one of the child.
      if (target < 0) {
        target = child.#make(page + i) - i;
        if (target + i < 0) return -1;
      }
      if (!share) {
        lost |= entry & PteBit.write;
        entries[at + i] = entry = (entry & ~PteBit.write) | PteBit.cow;
      }
      const before = entries[target + i]!;
      entries[target + i] = entry & ~PteBit.accessed;
      frames.retain(entry >>> 12);
      if (before !== 0) frames.release(before >>> 12);
    }
    return lost;
  }

  move(address: number, length: number, to: number): boolean {
    const { entries, frames } = this.#parts;
    const moved: { page: number; entry: number }[] = [];
    const distance = (to - address) / 4096;
    // Tables first, so that a lack of memory leaves all as it was.
    let enough = true;
    this.#each(address / 4096, (address + length) / 4096, (page, at) => {
      moved.push({ page: page + distance, entry: entries[at]! });
      enough &&= this.#make(page + distance) >= 0;
    });
    if (!enough) return false;
    this.#each(address / 4096, (address + length) / 4096, (_, at) => { entries[at] = 0; });
    for (const { page, entry } of moved) {
      const at = this.#find(page);
      const before = entries[at]!;
      entries[at] = entry;
      if (before !== 0) frames.release(before >>> 12);
    }
    this.#forget(address, length, true);
    this.#forget(to, length, true);
    return true;
  }

  nextEntry(address: number, limit: number): number {
    const { entries } = this.#parts;
    const last = Math.min(end, Math.floor(limit / 4096));
    for (let page = Math.ceil(address / 4096); page < last;) {
      const at = this.#find(page);
      if (at < 0) {
        page = this.#skip(page);
        continue;
      }
      const stop = Math.min(last, (Math.floor(page / entriesPerTable) + 1) * entriesPerTable);
      for (let i = 0; page + i < stop; i++) if (entries[at + i] !== 0) return (page + i) * 4096;
      page = stop;
    }
    return limit;
  }

  countEntries(address: number, length: number): number {
    const { entries } = this.#parts;
    let found = 0;
    this.#eachStretch(address / 4096, (address + length) / 4096, (_, at, count) => {
      for (let i = 0; i < count; i++) if (entries[at + i] !== 0) found++;
    });
    return found;
  }

  translate(address: number, write: boolean): number {
    const { entries, code } = this.#parts;
    if (address < 0 || address >= end * 4096) return -1;
    const at = this.#find(Math.floor(address / 4096));
    if (at < 0) return -1;
    const entry = entries[at]!;
    const needed = write ? PteBit.write : PteBit.read | PteBit.write | PteBit.exec;
    if ((entry & needed) === 0) return -1;
    const frame = entry >>> 12;
    entries[at] = entry | PteBit.accessed | (write ? PteBit.dirty : 0);
    if (write) code.drop(frame);
    return frame * 4096 + (address & 4095);
  }

  /** Frame behind an executable page, or 0. */
  executable(address: number): number {
    const at = this.#find(Math.floor(address / 4096));
    if (at < 0) return 0;
    const entry = this.#parts.entries[at]!;
    return (entry & PteBit.exec) !== 0 ? entry >>> 12 : 0;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.#free(this.root, 3);
    this.#leafNumber = -1;
    if (this.#active) this.#parts.caches.flush();
  }

  /** Gives back a table, `depth` levels above the leaves, and all that it leads to. */
  #free(table: number, depth: number): void {
    const { entries, frames } = this.#parts;
    const first = table * entriesPerTable;
    const behind = first + (depth === 3 ? rootEntries : entriesPerTable);
    for (let at = first; at < behind; at++) {
      const entry = entries[at]!;
      if (entry === 0) continue;
      if (depth === 0) frames.release(entry >>> 12);
      else this.#free(entry, depth - 1);
    }
    frames.release(table);
  }
}
