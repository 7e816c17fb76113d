/** Which mappings exist of which file: how the page cache finds written pages, and how a truncated file loses its mapped pages. */
import { PROT_WRITE } from '../abi/mman.ts';
import { Pte } from '../cpu.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { Mappings } from '../../fs/vfs/pageCache.ts';
import { PagedInode } from '../../fs/vfs/pagedFile.ts';
import type { Vma } from './vma.ts';

const pageSize = 4096;

export class FileMappings implements Mappings {
  readonly #byInode = new Map<Inode, Set<Vma>>();

  add(vma: Vma): void {
    const { inode } = vma;
    if (inode === undefined) return;
    const vmas = this.#byInode.get(inode);
    if (vmas) vmas.add(vma);
    else this.#byInode.set(inode, new Set([vma]));
  }

  remove(vma: Vma): void {
    const { inode } = vma;
    if (inode === undefined) return;
    const vmas = this.#byInode.get(inode);
    if (vmas?.delete(vma) && vmas.size === 0) this.#byInode.delete(inode);
  }

  /** True while some process could write the file through a mapping, or has it mapped at all. */
  isMapped(inode: Inode): boolean {
    return this.#byInode.has(inode);
  }

  /**
   * Unmaps about `count` pages that files' mappings have from the page cache: first those that weren't touched since the last time, then
   * any. Written ones are reported to their file first. Answers how many.
   */
  shrink(count: number): number {
    const dropped = this.#shrinkOnce(count, true);
    return dropped >= count ? dropped : dropped + this.#shrinkOnce(count - dropped, false);
  }

  #shrinkOnce(count: number, sparesTouched: boolean): number {
    let dropped = 0;
    for (const [inode, vmas] of this.#byInode) {
      if (!(inode instanceof PagedInode)) continue;
      for (const vma of vmas) {
        dropped += dropFrom(vma, inode, vma.start, vma.end, count - dropped, sparesTouched);
        if (dropped >= count) return dropped;
      }
    }
    return dropped;
  }

  collectDirty(inode: Inode | undefined): void {
    if (inode === undefined) {
      for (const vmas of this.#byInode.values()) for (const vma of vmas) collectFrom(vma, vma.start, vma.end, true);
    } else {
      for (const vma of this.#byInode.get(inode) ?? []) collectFrom(vma, vma.start, vma.end, true);
    }
  }

  unmap(inode: PagedInode, first: number, end: number, copies: boolean): void {
    for (const vma of this.#byInode.get(inode) ?? []) {
      const from = Math.max(vma.start, vma.start + (first - vma.pageOffset) * pageSize);
      const to = Math.min(vma.end, vma.start + (end - vma.pageOffset) * pageSize);
      if (from >= to) continue;
      if (copies) vma.memory.space.unmap(from, to - from);
      else dropFrom(vma, inode, from, to, Infinity, false);
    }
  }
}

/** Unmaps up to `count` page cache pages of a range of one mapping. Written ones are reported first. */
function dropFrom(vma: Vma, inode: PagedInode, from: number, to: number, count: number, sparesTouched: boolean): number {
  const { space } = vma.memory;
  let dropped = 0;
  for (let page = space.nextEntry(from, to); page < to && dropped < count; page = space.nextEntry(page + pageSize, to)) {
    const entry = space.entry(page);
    const index = vma.indexOf(page);
    // A private copy is nobody else's.
    if (inode.pages.get(index) !== Math.floor(entry / 64)) continue;
    if (sparesTouched && (entry & Pte.accessed) !== 0) {
      space.clearBits(page, pageSize, Pte.accessed);
      continue;
    }
    if (vma.shared && (entry & Pte.dirty) !== 0) inode.pageDirtied(index);
    space.unmap(page, pageSize);
    dropped++;
  }
  return dropped;
}

/** Reports the pages of a shared mapping's range that were written since the last call; `rearm`: the next write shows again. */
export function collectFrom(vma: Vma, start: number, end: number, rearm: boolean): void {
  const { inode } = vma;
  if (inode === undefined || !vma.shared || (vma.mayProtect & PROT_WRITE) === 0) return;
  const { space } = vma.memory;
  for (let page = space.nextEntry(start, end); page < end; page = space.nextEntry(page + pageSize, end)) {
    if ((space.entry(page) & Pte.dirty) === 0) continue;
    if (rearm) space.clearBits(page, pageSize, Pte.dirty);
    inode.pageDirtied(vma.indexOf(page));
  }
}
