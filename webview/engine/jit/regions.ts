/**
 * Compiled regions: has them made, lets the interpreter's records lead to them, and forgets them when their code is written or may
 * no longer be kept. One module holds one region; it imports the memory and the few functions that it calls.
 */
import { nearWords } from '../semantics/floats.ts';
import type { CodeCache, CodeSpace } from '../interpreter/codeCache.ts';
import { Regions as RegionTable, Run, STATE, Slot } from '../state.ts';
import type { CompileThread } from './compileMessages.ts';
import { CompileQueue } from './compileQueue.ts';
import { ExitSamples } from './exits.ts';
import type { Expectations } from './emit.ts';
import type { Profile } from './profile.ts';
import { RegionCompiler, type CodePage, type CodePages, type CompiledRegion, type CompilerOptions, type Task } from './regionCompiler.ts';

/** A region that the dispatcher knows. */
interface Installed {
  readonly slot: number;
  readonly head: number;
  /** How many instructions it has. */
  readonly size: number;
  readonly exits: ExitSamples;
  readonly frames: readonly number[];
  /** Where the dispatcher finds it. */
  readonly entries: readonly { readonly frame: number; readonly offset: number }[];
  /** Physical addresses of its instructions: start and end of each stretch. */
  readonly bytes: readonly number[];
  /** Its list of pages: address, number. */
  readonly list: number;
  readonly pages: number;
  /** Bytes of its module. */
  readonly moduleSize: number;
}

/** The code cache's limit: regions, and bytes of their modules (machine code is about four times as large). The coldest quarter goes first. */
const mostRegions = 4096, mostBytes = 24 << 20;
/** Regions are made again no more often than once in so many instructions, however many there were before. */
const instructionsPerRemake = 1 << 26;

/** What a region is made with, and instead of which ones, if it has their heads. */
interface Plan {
  readonly exits: ExitSamples;
  readonly instead: readonly Installed[];
  /** Physical address of its head. */
  readonly place: number;
}

export interface RegionsOptions extends CompilerOptions {
  readonly memory: WebAssembly.Memory;
  /** Regions' functions by slot. */
  readonly table: WebAssembly.Table;
  readonly code: CodeCache;
  readonly profile: Profile;
  readonly limits?: { readonly regions: number; readonly bytes: number } | undefined;
  /** Compiles beside the guest; without one its own thread does. `forms`: the section of the interpreter's module. */
  readonly elsewhere?: { readonly thread: CompileThread; readonly forms: Uint8Array<ArrayBuffer> } | undefined;
  /** The interpreter's exports: helpers by name. */
  readonly exports: WebAssembly.Exports;
}

/** Code as it is in the machine's memory. */
class LivePages implements CodePages {
  readonly isComplete = true;
  readonly #code: CodeCache;
  readonly #bytes: Uint8Array;
  readonly #space: CodeSpace;

  constructor(code: CodeCache, bytes: Uint8Array, space: CodeSpace) {
    this.#code = code;
    this.#bytes = bytes;
    this.#space = space;
  }

  page(address: number): CodePage | undefined {
    const frame = this.#space.executable(address), code = this.#code;
    return frame === 0 ? undefined : { frame, bytes: this.#bytes, at: frame * 4096, isSeen: offset => code.record(frame, offset) !== 0 };
  }
}

export class Regions {
  readonly #options: RegionsOptions;
  readonly #compiler: RegionCompiler;
  readonly #queue: CompileQueue<Plan> | undefined;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #bySlot: (Installed | undefined)[] = [];
  readonly #byFrame = new Map<number, Set<Installed>>();
  readonly #installed = new Set<Installed>();
  /** Bytes of their modules. */
  #size = 0;
  readonly #freeSlots: number[] = [];
  /** Lists of pages that can be used again, by number of pages. */
  readonly #freeLists = new Map<number, number[]>();
  #nextSlot = 0;
  /** Heads of regions whose accesses off one register were too often on two pages. */
  readonly #straying = new Set<number>();
  /** Heads of regions whose numbers were too often not NEAR. */
  readonly #outlying = new Set<number>();
  /** Instructions that a region may have. */
  #most = Infinity;
  /** How many instructions have been executed when a region may be made again. */
  #nextRemake = 0;
  compiled = 0;
  dropped = 0;
  /** Bytes of modules made, and the time that it took. */
  bytes = 0;
  seconds = 0;

  constructor(options: RegionsOptions) {
    this.#options = options;
    const { buffer } = options.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#view = new DataView(buffer);
    for (let i = 0; i < 16; i += 4) {
      this.#view.setInt32(Run.nearFirst + i, nearWords.first, true);
      this.#view.setInt32(Run.nearLimit + i, nearWords.limit, true);
    }
    this.#compiler = new RegionCompiler(options);
    const { elsewhere, code, log } = options;
    this.#queue = elsewhere && new CompileQueue({ ...elsewhere, code, bytes: this.#bytes, log, done: (task, plan, region) => this.#done(task, plan, region) });
    code.onForget = (frame, start, end) => (frame === undefined ? this.#dropAll() : this.#dropBytes(frame, start, end));
  }

  /** Compiles the code around an address of `space` that the interpreter has decoded, now or soon. False if it is known that nothing comes of it. */
  compile(space: CodeSpace, address: number): boolean {
    return this.#compile(space, address, new ExitSamples(), []);
  }

  /**
   * The region in `slot` was left to an address of `space`; it is made again if it is often left to the same ones, in one with the regions that
   * begin there. `instructions` have been executed so far, which pays for it.
   */
  left(space: CodeSpace, slot: number, address: number, instructions: number): void {
    const region = this.#bySlot[slot];
    if (!region) return;
    region.exits.note(address);
    const found = instructions < this.#nextRemake ? undefined : region.exits.look();
    if (!found) return;
    this.#nextRemake = instructions + instructionsPerRemake;
    const instead = new Set([region]);
    let exits = found;
    // The list grows: jumps lead from the regions that begin at its places to more of them.
    for (let i = 0; i < exits.targets.length; i++) for (const other of this.#headedBy(space, exits.targets[i]!)) {
      if (instead.has(other)) continue;
      instead.add(other);
      exits = exits.with(other.exits);
    }
    this.#compile(space, region.head, exits, [...instead]);
  }

  /** The instruction at an address has often found itself on another page than was hoped for: its regions are made again without that hope. */
  strayed(space: CodeSpace, address: number): void {
    this.#disappointed(space, address, this.#straying);
  }
  /** The same of numbers. */
  outlying(space: CodeSpace, address: number): void {
    this.#disappointed(space, address, this.#outlying);
  }

  #disappointed(space: CodeSpace, address: number, heads: Set<number>): void {
    const at = placeOf(space, address), frame = Math.floor(at / 4096);
    for (const region of [...this.#byFrame.get(frame) ?? []]) {
      if (!overlaps(region.bytes, at, at + 1)) continue;
      if (heads.size >= mostRegions) heads.clear();
      heads.add(region.head);
      this.#compile(space, region.head, region.exits, [region]);
    }
  }

  #headedBy(space: CodeSpace, address: number): Installed[] {
    return [...this.#byFrame.get(space.executable(address - address % 4096)) ?? []].filter(region => region.head === address);
  }

  #compile(space: CodeSpace, head: number, exits: ExitSamples, instead: readonly Installed[]): boolean {
    const started = performance.now(), plan: Plan = { exits, instead, place: placeOf(space, head) };
    const task: Task = {
      head, targets: exits.targets, expectations: this.#expectations(head), most: this.#most,
    };
    let success = true;
    if (this.#queue?.isAlive) this.#queue.request(space, task, plan);
    else {
      const region = this.#compiler.compile(task, new LivePages(this.#options.code, this.#bytes, space));
      success = region !== undefined && this.#install(region, task, plan);
    }
    this.#spent(started);
    return success;
  }

  /** What another thread has compiled is there. */
  #done(task: Task, plan: Plan, region: CompiledRegion | undefined): void {
    const started = performance.now();
    if (!region || !this.#install(region, task, plan)) this.#options.profile.failed(plan.place);
    this.#spent(started);
  }

  #spent(started: number): void {
    const milliseconds = performance.now() - started;
    this.seconds += milliseconds / 1000;
    this.#options.profile.compiled(milliseconds);
  }

  /** The running thread has computed something inexact: MXCSR.PE; the rest is what regions with that head have been like. */
  #expectations(head: number): Expectations {
    return {
      isInexactLikely: (this.#words[(STATE + Slot.mxcsr) >> 2]! & 0x20) !== 0, reusesTranslations: !this.#straying.has(head), expectsNear: !this.#outlying.has(head),
    };
  }

  #install(region: CompiledRegion, { head }: Task, { exits, instead }: Plan): boolean {
    const has = new Set(region.blocks);
    for (const other of instead) if (this.#installed.has(other) && has.has(other.head)) this.#drop(other);
    if (exits.targets.some(target => !has.has(target))) exits.rest();
    this.#makeRoom();
    const list = this.#pageList(region);
    if (list === undefined) return false;
    const slot = this.#freeSlots.pop() ?? this.#nextSlot++;
    const { memory, table, code: cache } = this.#options;
    const instance = new WebAssembly.Instance(region.module, { env: { memory }, engine: this.#options.exports });
    table.set(slot, instance.exports['region'] as () => number);
    const at = RegionTable.base + slot * RegionTable.entrySize;
    this.#words[(at + RegionTable.stamp) >> 2] = 0;
    this.#words[(at + RegionTable.pages) >> 2] = list;
    const frames = [...new Set(region.pages.values())];
    for (const frame of frames) cache.watch(frame);
    const entries = region.entries.flatMap(i => {
      const address = region.blocks[i]!, offset = address % 4096, frame = region.pages.get(address - offset)!;
      return cache.compiledAt(frame, offset, Math.floor(address / 4096), slot, i) ? [{ frame, offset }] : [];
    });
    const installed: Installed = {
      slot, head, size: region.size, exits, frames, entries, bytes: region.bytes, list, pages: region.pages.size, moduleSize: region.moduleSize,
    };
    this.#installed.add(installed);
    this.#bySlot[slot] = installed;
    this.#size += region.moduleSize;
    for (const frame of frames) {
      const known = this.#byFrame.get(frame);
      if (known) known.add(installed);
      else this.#byFrame.set(frame, new Set([installed]));
    }
    this.compiled++;
    this.bytes += region.moduleSize;
    if (entries.length === 0) this.#drop(installed);
    return entries.length > 0;
  }

  /** Forgets the regions that have not been entered for the longest time, if there are too many. */
  #makeRoom(): void {
    const { regions, bytes } = this.#options.limits ?? { regions: mostRegions, bytes: mostBytes };
    // The stamp for which a region's pages were checked tells when it was last entered, as long as stamps change.
    if (this.compiled % 256 === 0) this.#options.code.age();
    if (this.#installed.size < regions && this.#size < bytes) return;
    const now = this.#words[Run.codeStamp >> 2]!;
    const age = ({ slot }: Installed): number => (now - this.#words[(RegionTable.base + slot * RegionTable.entrySize + RegionTable.stamp) >> 2]!) >>> 0;
    const coldest = [...this.#installed].map(region => ({ region, age: age(region) })).sort((a, b) => b.age - a.age);
    for (const { region } of coldest.slice(0, Math.ceil(coldest.length / 4))) this.#drop(region);
  }

  /** Address of the region's list of pages, see state.ts Regions. */
  #pageList({ pages }: CompiledRegion): number | undefined {
    const at = this.#freeLists.get(pages.size)?.pop() ?? this.#options.code.room(16 + pages.size * 16);
    if (at === undefined) return undefined;
    this.#view.setInt32(at, pages.size, true);
    let next = at + 16;
    for (const [page, frame] of pages) {
      this.#view.setBigUint64(next, BigInt(page), true);
      this.#view.setInt32(next + 8, frame, true);
      next += 16;
    }
    return at;
  }

  /** Drops what has been compiled of some bytes of a frame: other code may be there from now on. True if there was any. */
  #dropBytes(frame: number, start: number, end: number): boolean {
    this.#queue?.forget(frame);
    const regions = this.#byFrame.get(frame);
    let some = false;
    for (const region of regions ?? []) {
      if (end - start < 4096 && !overlaps(region.bytes, frame * 4096 + start, frame * 4096 + end)) continue;
      this.#drop(region);
      some = true;
    }
    this.#options.profile.written(frame * 4096 + start, frame * 4096 + end);
    return some;
  }

  /**
   * True if the code at an address that is compiled is also compiled for this space: other processes may have other pages around it, or
   * the same one elsewhere.
   */
  isUsable(space: CodeSpace, address: number): boolean {
    const page = address - address % 4096, slot = this.#options.code.regionAt(space.executable(page), address % 4096);
    const list = this.#words[(RegionTable.base + slot * RegionTable.entrySize + RegionTable.pages) >> 2]!;
    let isHere = false;
    for (let i = 0, at = list + 16; i < this.#view.getInt32(list, true); i++, at += 16) {
      const other = this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
      if (space.executable(other) !== this.#view.getInt32(at + 8, true)) return false;
      isHere ||= other === page;
    }
    return isHere;
  }

  /** Drops the region that begins at an address, so that it can be made for another space. */
  dropAt(space: CodeSpace, address: number): void {
    const slot = this.#options.code.regionAt(space.executable(address - address % 4096), address % 4096);
    const region = this.#bySlot[slot];
    if (region) this.#drop(region);
  }

  #drop(region: Installed): void {
    for (const { frame, offset } of region.entries) this.#options.code.notCompiled(frame, offset);
    for (const frame of region.frames) {
      const known = this.#byFrame.get(frame)!;
      known.delete(region);
      if (known.size === 0) this.#byFrame.delete(frame);
    }
    this.#options.table.set(region.slot, null);
    this.#bySlot[region.slot] = undefined;
    this.#freeSlots.push(region.slot);
    // Where it is known by address, it must not be called any more.
    this.#options.code.age();
    this.#installed.delete(region);
    this.#size -= region.moduleSize;
    const lists = this.#freeLists.get(region.pages);
    if (lists) lists.push(region.list);
    else this.#freeLists.set(region.pages, [region.list]);
    this.dropped++;
  }

  /** For check/: a slot of the table that no region will have. */
  reserveSlot(): number {
    return this.#nextSlot++;
  }

  /** For check/: the regions that have run since Run.codeStamp had this value. */
  entered(stamp: number): { readonly head: number; readonly size: number }[] {
    const stampOf = (slot: number): number => this.#words[(RegionTable.base + slot * RegionTable.entrySize + RegionTable.stamp) >> 2]!;
    return [...this.#installed].filter(({ slot }) => stampOf(slot) !== 0 && (stampOf(slot) - stamp | 0) >= 0);
  }

  /** For check/: forgets all regions; from now on they have at most so many instructions. */
  limit(most: number): void {
    this.#dropAll();
    this.#most = most;
  }

  #dropAll(): boolean {
    this.#queue?.forget(undefined);
    for (const region of this.#installed) this.#drop(region);
    this.#freeLists.clear();
    return true;
  }
}

/** Physical address of code. */
function placeOf(space: CodeSpace, address: number): number {
  return space.executable(address - address % 4096) * 4096 + address % 4096;
}

function overlaps(stretches: readonly number[], start: number, end: number): boolean {
  for (let i = 0; i < stretches.length; i += 2) if (stretches[i]! < end && start < stretches[i + 1]!) return true;
  return false;
}
