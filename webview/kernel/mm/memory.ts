/** A process's address space (mm_struct): its mappings in order of address, and what mmap(2), munmap(2), mprotect(2), brk(2) and fork(2) do to them. */
import { Errno } from '../abi/errno.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts';
import { RLIMIT_AS, RLIMIT_DATA } from '../abi/resource.ts';
import type { AddressSpace, Cpu } from '../cpu.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { PageCache } from '../../fs/vfs/pageCache.ts';
import type { ByteStringCache } from '../../lib/byteString.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import { collectFrom, type FileMappings } from './fileMappings.ts';
import { resolveFault } from './faults.ts';
import type { Limits } from './limits.ts';
import type { Placement } from './placement.ts';
import { SharedAnonymous } from './sharedAnonymous.ts';
import { UserMemory, userLimit } from './userMemory.ts';
import { Vma } from './vma.ts';

export const pageSize = 4096;
/** vm.max_map_count */
const maximumMappings = 65530;
/** vm.mmap_min_addr */
export const minimumAddress = 65536;

/** What the address spaces of a machine share. */
export interface MemoryServices {
  readonly cpu: Cpu;
  readonly mappings: FileMappings;
  readonly placement: Placement;
  readonly pageCache: PageCache | undefined;
  /** One frame of zeros that all untouched pages share. */
  readonly zeroFrame: number;
  /** Strings that programs pass. */
  readonly strings: ByteStringCache;
  /** Runs something that may have to wait for the disk while nobody waits for it (the last close of a mapped file). */
  background(io: Io<void>): void;
}

/** mmap(2) as the kernel asks for it. Addresses and lengths are page-aligned. */
export interface MapRequest {
  /** Wanted address; 0 for anywhere. */
  readonly address: number;
  readonly length: number;
  readonly protection: number;
  /** MAP_FIXED: replaces what is there. */
  readonly fixed?: boolean;
  /** MAP_FIXED_NOREPLACE. */
  readonly noReplace?: boolean;
  /** MAP_32BIT: below 2 GiB. */
  readonly low?: boolean;
  readonly shared?: boolean;
  readonly growsDown?: boolean;
  readonly locked?: boolean;
  /** A mapping of this file (a reference is taken), from page `pageOffset` on. */
  readonly file?: OpenFile | undefined;
  readonly pageOffset?: number;
  /** PROT_* that mprotect may give later. */
  readonly mayProtect?: number;
  readonly name?: string;
}

export class Memory {
  readonly services: MemoryServices;
  readonly space: AddressSpace;
  /** The copy module over this address space. */
  readonly user: UserMemory;
  limits: Limits;
  /** In order of address, without overlap. Changed here only. */
  readonly vmas: Vma[] = [];
  /** Tasks that use it (CLONE_VM). */
  #users = 1;
  #last: Vma | undefined;
  /** From #fullAbove up to mapTop there is no room for #fullFor bytes: thousands of mappings aren't looked through for each new one. */
  #fullAbove = 0;
  #fullFor = Infinity;
  /** Pages mapped. */
  totalPages = 0;
  peakPages = 0;
  minorFaults = 0;
  majorFaults = 0;
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  startBreak = 0;
  programBreak = 0;
  startStack = 0;
  argumentStart = 0;
  argumentEnd = 0;
  environmentStart = 0;
  environmentEnd = 0;
  auxiliaryVector: Uint8Array = new Uint8Array(0);
  /** MCL_FUTURE. */
  lockFuture = false;
  /** Where mappings without a place start to go down. */
  readonly mapTop: number;

  private constructor(services: MemoryServices, space: AddressSpace, limits: Limits) {
    this.services = services;
    this.space = space;
    this.limits = limits;
    this.mapTop = services.placement.mapTop;
    this.user = new UserMemory(space, services.cpu.frames, { resolve: (address, access) => resolveFault(this, address, access) }, services.strings);
  }

  /** Undefined when memory is out. */
  static create(services: MemoryServices, limits: Limits): Memory | undefined {
    const space = services.cpu.createAddressSpace();
    return space && new Memory(services, space, limits);
  }

  share(): this {
    this.#users++;
    return this;
  }

  get users(): number {
    return this.#users;
  }

  /** A task is gone; the last one frees everything. */
  release(): void {
    if (--this.#users > 0) return;
    for (const vma of this.vmas) {
      collectFrom(vma, vma.start, vma.end, false);
      this.#forget(vma);
    }
    this.vmas.length = 0;
    this.space.destroy();
  }

  /** Makes the page at `address` accessible: 0, a signal code (see faults.ts), or a Wait for the disk. */
  resolve(address: number, access: number): Attempt<number> {
    return resolveFault(this, address, access);
  }

  /** A zeroed frame, if need be at the page cache's expense; 0 when memory is out. */
  allocate(): number {
    const { cpu: { frames }, pageCache } = this.services;
    return frames.allocate() || (pageCache !== undefined && pageCache.reclaim(64) > 0 ? frames.allocate() : 0);
  }

  allocateDirty(): number {
    const { cpu: { frames }, pageCache } = this.services;
    return frames.allocateDirty() || (pageCache !== undefined && pageCache.reclaim(64) > 0 ? frames.allocateDirty() : 0);
  }

  // ---------------------------------------------------------------- looking up
  /** Index of the first mapping that ends above `address`; `vmas.length` if none does. */
  indexAbove(address: number): number {
    const { vmas } = this;
    let low = 0;
    let high = vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (vmas[middle]!.end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The mapping that contains `address`. */
  find(address: number): Vma | undefined {
    const last = this.#last;
    if (last !== undefined && last.start <= address && address < last.end) return last;
    const vma = this.vmas[this.indexAbove(address)];
    if (vma === undefined || vma.start > address) return undefined;
    this.#last = vma;
    return vma;
  }

  /** True when nothing is mapped in [start, end). */
  isFree(start: number, end: number): boolean {
    const next = this.vmas[this.indexAbove(start)];
    return next === undefined || next.start >= end;
  }

  /** True when every page of [start, end) is mapped. */
  isMapped(start: number, end: number): boolean {
    let at = start;
    for (let i = this.indexAbove(start); at < end; i++) {
      const vma = this.vmas[i];
      if (vma === undefined || vma.start > at) return false;
      at = vma.end;
    }
    return true;
  }

  /** The highest free range of `length` bytes below `top`, or -ENOMEM. */
  findFree(length: number, top: number): number {
    const { vmas } = this;
    let end = top === this.mapTop && length >= this.#fullFor ? this.#fullAbove : top;
    for (let i = this.indexAbove(end - 1); i >= 0; i--) {
      const vma = vmas[i];
      if (vma === undefined || vma.start >= end) continue;
      if (end - vma.end >= length) break;
      // A stack keeps its guard gap.
      end = Math.min(end, vma.growsDown ? vma.start - 256 * pageSize : vma.start);
    }
    const address = end - length;
    if (address < minimumAddress || !this.isFree(address, end)) return -Errno.ENOMEM;
    if (top === this.mapTop && length <= this.#fullFor) {
      this.#fullFor = length;
      this.#fullAbove = end;
    }
    return address;
  }

  // ---------------------------------------------------------------- mapping
  /** mmap(2): the address or -errno. */
  map(request: MapRequest): number {
    const { length, protection } = request;
    if (length <= 0 || length > userLimit) return -Errno.ENOMEM;
    if (this.#exceeds(length, request)) return -Errno.ENOMEM;
    const address = this.#choose(request);
    if (address < 0) return address;
    if (this.vmas.length >= maximumMappings) return -Errno.ENOMEM;
    if (request.fixed) this.unmap(address, length);
    const vma = new Vma(this, address, address + length, protection);
    vma.shared = request.shared ?? false;
    vma.growsDown = request.growsDown ?? false;
    vma.locked = (request.locked ?? false) || this.lockFuture;
    vma.name = request.name ?? '';
    if (request.file) {
      vma.file = request.file.retain();
      vma.pageOffset = request.pageOffset ?? 0;
      vma.mayProtect = request.mayProtect ?? vma.mayProtect;
    } else if (vma.shared) {
      vma.anonymous = new SharedAnonymous(this.services.cpu.frames, () => this.allocate());
    }
    this.insert(vma);
    return address;
  }

  #exceeds(length: number, request: MapRequest): boolean {
    const { limits } = this;
    const bytes = this.totalPages * pageSize + length;
    if (bytes > limits.soft(RLIMIT_AS)) return true;
    const isData = !request.shared && !request.growsDown && (request.protection & PROT_WRITE) !== 0;
    const most = limits.soft(RLIMIT_DATA);
    return isData && most !== Infinity && this.dataBytes + length > most;
  }

  #choose(request: MapRequest): number {
    const { address, length, file } = request;
    if (request.fixed || request.noReplace) {
      if (address + length > userLimit) return -Errno.ENOMEM;
      if (address < minimumAddress) return -Errno.EPERM;
      return request.noReplace && !this.isFree(address, address + length) ? -Errno.EEXIST : address;
    }
    if (address >= minimumAddress && address + length <= userLimit && this.isFree(address, address + length)) return address;
    if (request.low) return this.findFree(length, 2 ** 31);
    if (file && !request.shared && request.pageOffset === 0) {
      const place = this.services.placement.file(file.inode, length);
      if (place !== undefined && this.isFree(place, place + length)) return place;
    }
    return this.findFree(length, this.mapTop);
  }

  /** Enters a mapping whose range is free, joining it with a neighbour that it continues. */
  insert(vma: Vma): void {
    const { vmas } = this;
    const at = this.indexAbove(vma.start);
    this.totalPages += (vma.end - vma.start) / pageSize;
    this.peakPages = Math.max(this.peakPages, this.totalPages);
    const before = vmas[at - 1];
    if (before !== undefined && before.continues(vma)) {
      before.end = vma.end;
      this.#drop(vma);
      const after = vmas[at];
      if (after !== undefined && before.continues(after)) this.#join(before, after, at);
      return;
    }
    vmas.splice(at, 0, vma);
    this.services.mappings.add(vma);
    // Its guard gap may reach down to where was room.
    if (vma.growsDown) this.#fullFor = Infinity;
    const after = vmas[at + 1];
    if (after !== undefined && vma.continues(after)) this.#join(vma, after, at + 1);
  }

  #join(first: Vma, second: Vma, at: number): void {
    first.end = second.end;
    this.vmas.splice(at, 1);
    this.#forget(second);
  }

  /** Drops the references of a mapping that was entered. */
  #forget(vma: Vma): void {
    this.services.mappings.remove(vma);
    this.#drop(vma);
    if (this.#last === vma) this.#last = undefined;
  }

  /** Drops the references of a mapping. */
  #drop(vma: Vma): void {
    const closing = vma.file?.release();
    if (closing !== undefined) this.services.background(closing);
    vma.anonymous?.release();
  }

  /** Makes `address` a border between mappings. */
  split(address: number): void {
    const at = this.indexAbove(address);
    const vma = this.vmas[at];
    if (vma === undefined || vma.start >= address) return;
    const upper = vma.copy(this, address, vma.end);
    vma.end = address;
    this.vmas.splice(at + 1, 0, upper);
    this.services.mappings.add(upper);
  }

  /** munmap(2) of a page-aligned range; 0 or -ENOMEM when it would make too many mappings. */
  unmap(address: number, length: number): number {
    const end = address + length;
    if (this.isFree(address, end)) return 0;
    if (this.vmas.length >= maximumMappings && this.find(address) === this.find(end)) return -Errno.ENOMEM;
    this.split(address);
    this.split(end);
    const first = this.indexAbove(address);
    let last = first;
    for (; last < this.vmas.length && this.vmas[last]!.start < end; last++) {
      const vma = this.vmas[last]!;
      collectFrom(vma, vma.start, vma.end, false);
      this.space.unmap(vma.start, vma.end - vma.start);
      this.totalPages -= (vma.end - vma.start) / pageSize;
      this.#forget(vma);
    }
    this.vmas.splice(first, last - first);
    if (end > this.#fullAbove) this.#fullFor = Infinity;
    return 0;
  }

  /** mprotect(2) of a page-aligned range: 0, -ENOMEM for an unmapped part, -EACCES. What comes before the fault is changed, as on Linux. */
  protect(address: number, length: number, protection: number): number {
    const end = address + length;
    if (this.vmas[this.indexAbove(address)] === undefined) return -Errno.ENOMEM;
    this.split(address);
    this.split(end);
    let at = address;
    for (let i = this.indexAbove(address); at < end; i++) {
      const vma = this.vmas[i];
      if (vma === undefined || vma.start > at) return -Errno.ENOMEM;
      if ((protection & ~vma.mayProtect) !== 0) return -Errno.EACCES;
      vma.protection = protection;
      this.space.protect(vma.start, vma.end - vma.start, vma.pteBits);
      at = vma.end;
    }
    this.#joinAround(address, end);
    return 0;
  }

  /** Joins what belongs together in and next to [start, end). */
  #joinAround(start: number, end: number): void {
    for (let i = Math.max(0, this.indexAbove(start) - 1); i + 1 < this.vmas.length && this.vmas[i]!.start < end;) {
      const vma = this.vmas[i]!;
      const next = this.vmas[i + 1]!;
      if (vma.continues(next)) this.#join(vma, next, i + 1);
      else i++;
    }
  }

  /** Calls `visit` for the part of each mapping in [start, end), after making borders there when `split`. -ENOMEM when a part is unmapped, but visits the rest. */
  each(start: number, end: number, split: boolean, visit: (vma: Vma, from: number, to: number) => number): number {
    if (split) {
      this.split(start);
      this.split(end);
    }
    let result = 0;
    let at = start;
    for (let i = this.indexAbove(start); i < this.vmas.length && this.vmas[i]!.start < end; i++) {
      const vma = this.vmas[i]!;
      if (vma.start > at) result = -Errno.ENOMEM;
      const answer = visit(vma, Math.max(start, vma.start), Math.min(end, vma.end));
      if (answer < 0) return answer;
      at = vma.end;
    }
    if (split) this.#joinAround(start, end);
    return at < end ? -Errno.ENOMEM : result;
  }

  /** brk(2): the new program break, or the old one when it can't be moved there. */
  setBreak(address: number): number {
    if (address < this.startBreak || address > userLimit) return this.programBreak;
    if (address - this.startBreak > this.limits.soft(RLIMIT_DATA)) return this.programBreak;
    const from = Math.ceil(this.programBreak / pageSize) * pageSize;
    const to = Math.ceil(address / pageSize) * pageSize;
    if (to < from) this.unmap(to, from - to);
    if (to > from) {
      if (!this.isFree(from, to + pageSize)) return this.programBreak;
      const mapped = this.map({ address: from, length: to - from, protection: PROT_READ | PROT_WRITE, noReplace: true, name: '[heap]' });
      if (mapped < 0) return this.programBreak;
    }
    return (this.programBreak = address);
  }

  /** fork(2): a copy whose private pages are shared until written. Undefined when memory is out. */
  fork(limits: Limits): Memory | undefined {
    const child = Memory.create(this.services, limits);
    if (child === undefined) return undefined;
    child.#copyFrom(this);
    for (const vma of this.vmas) {
      if (vma.dontFork) continue;
      const copy = vma.copy(child, vma.start, vma.end);
      copy.locked = false;
      child.vmas.push(copy);
      child.totalPages += (vma.end - vma.start) / pageSize;
      this.services.mappings.add(copy);
      if (vma.wipeOnFork) continue;
      if (this.space.copyTo(child.space, vma.start, vma.end - vma.start, vma.shared)) continue;
      child.release();
      return undefined;
    }
    child.peakPages = child.totalPages;
    return child;
  }

  #copyFrom(other: Memory): void {
    this.startCode = other.startCode;
    this.endCode = other.endCode;
    this.startData = other.startData;
    this.endData = other.endData;
    this.startBreak = other.startBreak;
    this.programBreak = other.programBreak;
    this.startStack = other.startStack;
    this.argumentStart = other.argumentStart;
    this.argumentEnd = other.argumentEnd;
    this.environmentStart = other.environmentStart;
    this.environmentEnd = other.environmentEnd;
    this.auxiliaryVector = other.auxiliaryVector;
  }

  // ---------------------------------------------------------------- figures
  /** Bytes of private writable mappings without stacks (RLIMIT_DATA, VmData). */
  get dataBytes(): number {
    return this.#sum(vma => !vma.shared && !vma.growsDown && (vma.protection & PROT_WRITE) !== 0);
  }

  get stackBytes(): number {
    return this.#sum(vma => vma.growsDown);
  }

  get textBytes(): number {
    return this.#sum(vma => vma.file !== undefined && (vma.protection & PROT_EXEC) !== 0 && (vma.protection & PROT_WRITE) === 0);
  }

  get lockedBytes(): number {
    return this.#sum(vma => vma.locked);
  }

  #sum(counts: (vma: Vma) => boolean): number {
    let bytes = 0;
    for (const vma of this.vmas) if (counts(vma)) bytes += vma.end - vma.start;
    return bytes;
  }

  /** Pages present in [start, end). */
  residentPages(start: number, end: number): number {
    return this.space.countEntries(start, end - start);
  }

  /** Pages present in all mappings (RSS). */
  get resident(): number {
    let pages = 0;
    for (const vma of this.vmas) pages += this.residentPages(vma.start, vma.end);
    return pages;
  }
}
