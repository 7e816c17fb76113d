/** madvise(2). */
import { Errno } from '../abi/errno.ts';
import * as M from '../abi/mman.ts';
import { PagedInode } from '../../fs/vfs/pagedFile.ts';
import { collectFrom } from './fileMappings.ts';
import { pageSize, type Memory } from './memory.ts';
import type { Vma } from './vma.ts';

const hints: readonly number[] = [
  M.MADV_NORMAL, M.MADV_RANDOM, M.MADV_SEQUENTIAL, M.MADV_HUGEPAGE, M.MADV_NOHUGEPAGE, M.MADV_DONTDUMP, M.MADV_DODUMP, M.MADV_COLD, M.MADV_PAGEOUT,
];

/** 0, -EINVAL for advice that Linux doesn't know, -ENOMEM when a part isn't mapped. */
export function advise(memory: Memory, address: number, length: number, advice: number): number {
  const end = address + length;
  switch (advice) {
    case M.MADV_DONTNEED:
    case M.MADV_FREE:
      return memory.each(address, end, false, (vma, from, to) => {
        if (vma.locked) return -Errno.EINVAL;
        if (advice === M.MADV_FREE && vma.source !== undefined) return -Errno.EINVAL;
        drop(vma, from, to);
        return 0;
      });
    case M.MADV_REMOVE:
      return memory.each(address, end, false, (vma, from, to) => punch(vma, from, to));
    case M.MADV_WILLNEED:
      return memory.each(address, end, false, (vma, from, to) => {
        const { inode } = vma;
        if (inode instanceof PagedInode) inode.readAhead(vma.indexOf(from), Math.min(32, (to - from) / pageSize));
        return 0;
      });
    case M.MADV_DONTFORK:
    case M.MADV_DOFORK:
      return mark(memory, address, end, vma => { vma.dontFork = advice === M.MADV_DONTFORK; });
    case M.MADV_WIPEONFORK:
    case M.MADV_KEEPONFORK:
      return memory.each(address, end, true, vma => {
        if (advice === M.MADV_WIPEONFORK && vma.source !== undefined) return -Errno.EINVAL;
        vma.wipeOnFork = advice === M.MADV_WIPEONFORK;
        return 0;
      });
    default:
      if (!hints.includes(advice)) return -Errno.EINVAL;
      return memory.each(address, end, false, () => 0);
  }
}

function mark(memory: Memory, start: number, end: number, set: (vma: Vma) => void): number {
  return memory.each(start, end, true, vma => {
    set(vma);
    return 0;
  });
}

/** Forgets the pages of a range: private ones are lost, shared ones come back from their source. */
function drop(vma: Vma, from: number, to: number): void {
  collectFrom(vma, from, to, false);
  vma.memory.space.unmap(from, to - from);
}

/** MADV_REMOVE of shared anonymous memory; files have fallocate(2). */
function punch(vma: Vma, from: number, to: number): number {
  if (vma.anonymous === undefined) return vma.inode === undefined ? -Errno.EINVAL : -Errno.EOPNOTSUPP;
  drop(vma, from, to);
  vma.anonymous.punch(vma.indexOf(from), vma.indexOf(to));
  return 0;
}
