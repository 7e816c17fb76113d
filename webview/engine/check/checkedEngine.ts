/** What check/ asks of the engine whose runs it checks. */
import type { CodeCache, CodeSpace } from '../interpreter/codeCache.ts';
import type { Regions } from '../jit/regions.ts';
import type { TranslationCaches } from '../mmu/tlb.ts';

/** The address space that runs. */
export interface CheckedSpace extends CodeSpace {
  /** First page from `address` on, below `end`, that is mapped, or `end`. */
  nextEntry(address: number, end: number): number;
  /** See CodeSpace. */
  translate(address: number, write: boolean): number;
  /** Frame * 64 + bits, see PageTables. */
  entry(address: number): number;
}

export interface CheckedEngine {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly code: CodeCache;
  readonly caches: TranslationCaches;
  readonly regions: Regions;
  /** The interpreter's `run`: from Slot.rip with Run.budget until an exit. */
  enter(): number;
  /** Decodes at Slot.rip: 0, or an exit. */
  decode(space: CheckedSpace): number;
}
