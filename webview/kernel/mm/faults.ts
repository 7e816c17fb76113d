/** Page faults: what a page becomes at its first access, and the copy at the first write to a shared one. */
import { Errno } from '../abi/errno.ts';
import { PROT_EXEC, PROT_WRITE } from '../abi/mman.ts';
import { RLIMIT_STACK } from '../abi/resource.ts';
import { Access, Pte } from '../cpu.ts';
import { PagedInode } from '../../fs/vfs/pagedFile.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { Memory } from './memory.ts';
import type { Vma } from './vma.ts';

/** Why an access isn't possible. */
export const FaultResult = {
  resolved: 0,
  /** SIGSEGV, SEGV_MAPERR. */
  unmapped: 1,
  /** SIGSEGV, SEGV_ACCERR. */
  forbidden: 2,
  /** SIGBUS, BUS_ADRERR: behind the end of the file, or the disk failed. */
  noPage: 3,
  outOfMemory: 4,
} as const;

const pageSize = 4096;
/** Cached file pages mapped together around a fault: the aligned block of so many pages. */
const faultAround = 16;
/** stack_guard_gap */
const guardGap = 256 * pageSize;

/** See Memory.resolve. `access` is cpu.ts Access. */
export function resolveFault(memory: Memory, address: number, access: number): Attempt<number> {
  const vma = memory.find(address) ?? growStack(memory, address);
  if (vma === undefined) return FaultResult.unmapped;
  const { protection } = vma;
  const allowed = access === Access.write ? (protection & PROT_WRITE) !== 0 : access === Access.exec ? (protection & PROT_EXEC) !== 0 : protection !== 0;
  if (!allowed) return FaultResult.forbidden;
  const page = address - (address & 4095);
  const entry = memory.space.entry(page);
  memory.minorFaults++;
  if (entry !== 0) return resolvePresent(memory, vma, page, entry, access);
  return vma.source === undefined ? mapZeros(memory, vma, page, access) : mapSource(memory, vma, page, access);
}

/** A mapping right above that grows down, extended to `address`; undefined where there is none or it may not grow. */
function growStack(memory: Memory, address: number): Vma | undefined {
  const at = memory.indexAbove(address);
  const vma = memory.vmas[at];
  if (vma === undefined || !vma.growsDown || vma.start <= address) return undefined;
  const start = address - (address & 4095);
  if (vma.end - start > memory.limits.soft(RLIMIT_STACK)) return undefined;
  const below = memory.vmas[at - 1];
  if (below !== undefined && below.protection !== 0 && start - below.end < guardGap) return undefined;
  if (below !== undefined && below.end > start) return undefined;
  const pages = (vma.start - start) / pageSize;
  memory.totalPages += pages;
  memory.peakPages = Math.max(memory.peakPages, memory.totalPages);
  vma.pageOffset -= pages;
  vma.start = start;
  return vma;
}

/** Maps a frame of which the caller gives a reference away. */
function enter(memory: Memory, page: number, frame: number, bits: number): number {
  const { space } = memory;
  if (space.map(page, frame, bits)) return FaultResult.resolved;
  // No frame for a page table: once more after the page cache gave some back.
  const { pageCache, cpu } = memory.services;
  if (pageCache !== undefined && pageCache.reclaim(16) > 0 && space.map(page, frame, bits)) return FaultResult.resolved;
  cpu.frames.release(frame);
  return FaultResult.outOfMemory;
}

/** A copy of `frame`, which is held meanwhile: room for the copy may be made by taking pages out of mappings and the page cache. 0 when memory is out. */
function allocateCopy(memory: Memory, frame: number): number {
  const { frames } = memory.services.cpu;
  frames.retain(frame);
  const copy = memory.allocateDirty();
  if (copy !== 0) frames.copy(copy, frame);
  frames.release(frame);
  return copy;
}

function mapZeros(memory: Memory, vma: Vma, page: number, access: number): number {
  const bits = vma.pteBits;
  if (access !== Access.write) {
    const { zeroFrame, cpu } = memory.services;
    cpu.frames.retain(zeroFrame);
    return enter(memory, page, zeroFrame, (bits & ~Pte.write) | Pte.cow);
  }
  const frame = memory.allocate();
  return frame === 0 ? FaultResult.outOfMemory : enter(memory, page, frame, bits);
}

function mapSource(memory: Memory, vma: Vma, page: number, access: number): Attempt<number> {
  const { frames } = memory.services.cpu;
  const write = access === Access.write;
  const answer = vma.source!.page(vma.indexOf(page), write && vma.shared);
  if (answer instanceof Wait) {
    memory.majorFaults++;
    return answer;
  }
  if (typeof answer === 'number') return answer === -Errno.ENOMEM ? FaultResult.outOfMemory : FaultResult.noPage;
  const { frame } = answer;
  const bits = vma.pteBits;
  if (write && !vma.shared) {
    const copy = allocateCopy(memory, frame);
    return copy === 0 ? FaultResult.outOfMemory : enter(memory, page, copy, bits);
  }
  frames.retain(frame);
  // A write to a page that isn't reported to the file yet must fault: marked as copy-on-write, in shared mappings too.
  const entered = enter(memory, page, frame, write || vma.anonymous !== undefined ? bits : (bits & ~Pte.write) | Pte.cow);
  if (!write && entered === FaultResult.resolved) mapAround(memory, vma, page);
  return entered;
}

/** Maps neighbours that are in the page cache already, so that they don't fault one by one. */
function mapAround(memory: Memory, vma: Vma, page: number): void {
  const { inode } = vma;
  if (!(inode instanceof PagedInode)) return;
  const { space, services: { cpu: { frames } } } = memory;
  const block = faultAround * pageSize;
  const start = Math.max(vma.start, page - (page & (block - 1)));
  const end = Math.min(vma.end, page - (page & (block - 1)) + block);
  const bits = (vma.pteBits & ~Pte.write) | Pte.cow;
  const last = Math.ceil(inode.size / pageSize);
  for (let at = start; at < end; at += pageSize) {
    if (at === page) continue;
    const index = vma.indexOf(at);
    const frame = index < last ? inode.pages.get(index) : undefined;
    if (frame === undefined || space.entry(at) !== 0) continue;
    frames.retain(frame);
    if (!space.map(at, frame, bits)) {
      frames.release(frame);
      return;
    }
  }
}

function resolvePresent(memory: Memory, vma: Vma, page: number, entry: number, access: number): Attempt<number> {
  const { space, services: { cpu: { frames }, zeroFrame } } = memory;
  const frame = Math.floor(entry / 64);
  const wanted = access === Access.write ? Pte.write : access === Access.exec ? Pte.exec : Pte.read;
  if ((entry & wanted) !== 0) return FaultResult.resolved;
  const bits = vma.pteBits;
  if (access !== Access.write) {
    space.protect(page, pageSize, bits);
    return FaultResult.resolved;
  }
  if ((entry & Pte.cow) === 0) {
    space.protect(page, pageSize, bits);
    return FaultResult.resolved;
  }
  if (vma.shared) {
    const answer = vma.source!.page(vma.indexOf(page), true);
    if (answer instanceof Wait) return answer;
    if (typeof answer === 'number') return answer === -Errno.ENOMEM ? FaultResult.outOfMemory : FaultResult.noPage;
    frames.retain(answer.frame);
    return enter(memory, page, answer.frame, bits);
  }
  if (frame !== zeroFrame && frames.references(frame) === 1) {
    frames.retain(frame);
    return enter(memory, page, frame, bits);
  }
  const copy = frame === zeroFrame ? memory.allocate() : allocateCopy(memory, frame);
  return copy === 0 ? FaultResult.outOfMemory : enter(memory, page, copy, bits);
}
