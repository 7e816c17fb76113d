/** One mapping of a process (vm_area_struct): a range of pages with one protection and one source. */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts';
import { Pte } from '../cpu.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Attempt } from '../../lib/wait.ts';
import type { Memory } from './memory.ts';
import type { SharedAnonymous } from './sharedAnonymous.ts';

/** Where the pages of a mapping come from: a file's inode, or shared anonymous memory. Undefined in a Vma: zeros. */
export interface PageSource {
  page(index: number, forWrite: boolean): Attempt<{ frame: number } | number>;
  pageDirtied(index: number): void;
}

export class Vma {
  start: number;
  end: number;
  /** PROT_READ, PROT_WRITE, PROT_EXEC. */
  protection: number;
  /** PROT_* that mprotect(2) may give: a shared mapping of a file opened for reading has no PROT_WRITE. */
  mayProtect = PROT_READ | PROT_WRITE | PROT_EXEC;
  readonly memory: Memory;
  shared = false;
  growsDown = false;
  dontFork = false;
  wipeOnFork = false;
  locked = false;
  /** The file, one reference of which is held, and its inode. */
  file: OpenFile | undefined;
  anonymous: SharedAnonymous | undefined;
  /** Page index of the source at `start`. */
  pageOffset = 0;
  /** '[heap]', '[stack]' or ''. */
  name = '';

  constructor(memory: Memory, start: number, end: number, protection: number) {
    this.memory = memory;
    this.start = start;
    this.end = end;
    this.protection = protection;
  }

  get inode(): Inode | undefined {
    return this.file?.inode;
  }

  get source(): PageSource | undefined {
    return this.file?.inode ?? this.anonymous;
  }

  /** Page index of the source behind `address`. */
  indexOf(address: number): number {
    return this.pageOffset + Math.floor((address - this.start) / 4096);
  }

  /** Pte bits of a page that may be accessed as `protection` says. On x86 whatever can be written or executed can be read. */
  get pteBits(): number {
    const { protection } = this;
    if (protection === 0) return 0;
    return Pte.read | ((protection & PROT_WRITE) !== 0 ? Pte.write : 0) | ((protection & PROT_EXEC) !== 0 ? Pte.exec : 0);
  }

  /** A mapping like this one of [start, end) in `memory`, holding references of its own; not entered anywhere. */
  copy(memory: Memory, start: number, end: number): Vma {
    const copy = new Vma(memory, start, end, this.protection);
    copy.mayProtect = this.mayProtect;
    copy.shared = this.shared;
    copy.growsDown = this.growsDown;
    copy.dontFork = this.dontFork;
    copy.wipeOnFork = this.wipeOnFork;
    copy.locked = this.locked;
    copy.file = this.file?.retain();
    copy.anonymous = this.anonymous?.retain();
    copy.pageOffset = this.pageOffset + Math.floor((start - this.start) / 4096);
    copy.name = this.name;
    return copy;
  }

  /** True when `next`, which follows directly, could be the same mapping. */
  continues(next: Vma): boolean {
    return this.end === next.start && this.protection === next.protection && this.mayProtect === next.mayProtect
      && this.shared === next.shared && this.growsDown === next.growsDown && this.dontFork === next.dontFork
      && this.wipeOnFork === next.wipeOnFork && this.locked === next.locked && this.file === next.file && this.anonymous === next.anonymous
      && this.name === next.name && (this.source === undefined || this.indexOf(this.end) === next.pageOffset);
  }
}
