/** What a machine writes, over a disk that stays as it is. */
import { Errno } from '../../kernel/abi/errno.ts';
import { Wait, type Attempt, type Io } from '../../lib/wait.ts';
import type { BlockDevice } from '../vfs/block.ts';

/** A block of the overlay: its bytes, or null for one that was discarded and is zero. */
export type OverlayBlock = Uint8Array | null;

export interface OverlayOptions {
  readonly base: BlockDevice;
  /** Bytes of a block, a power of two: that of the file system, so that it writes and discards whole ones. 4096 by default. */
  readonly blockSize?: number;
  /** The most bytes of changed blocks; beyond it a write gives -ENOSPC. No limit by default. */
  readonly limit?: number;
  /**
   * Makes blocks durable in one step, for `commit`: all blocks changed since the last one, by number. It must take the bytes over before its
   * first wait. 0 or a negative errno; after an error they are handed over again with the next commit. Without it nothing outlives the machine.
   */
  readonly store?: (changed: ReadonlyMap<number, OverlayBlock>) => Io<number>;
}

export class OverlayDevice implements BlockDevice {
  readonly readOnly = false;
  readonly size: number;
  readonly blockSize: number;
  readonly #options: OverlayOptions;
  readonly #base: BlockDevice;
  readonly #blocks = new Map<number, OverlayBlock>();
  #changed = new Set<number>();
  #bytes = 0;

  constructor(options: OverlayOptions) {
    this.#options = options;
    this.#base = options.base;
    this.size = options.base.size;
    this.blockSize = options.blockSize ?? 4096;
  }

  /** Bytes of memory that changed blocks take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All blocks that differ from the base, by number; for export and for storing. */
  get blocks(): ReadonlyMap<number, OverlayBlock> {
    return this.#blocks;
  }

  /** Puts back a stored block (takes `block` over) without counting it as changed. */
  restore(number: number, block: OverlayBlock): void {
    this.#put(number, block);
  }

  read(position: number, into: Uint8Array): Attempt<number> {
    const end = position + into.length;
    if (position < 0 || end > this.size) return -Errno.EIO;
    if (this.#blocks.size === 0) return this.#base.read(position, into);
    let at = position;
    while (at < end) {
      const number = Math.floor(at / this.blockSize);
      const block = this.#blocks.get(number);
      let stop = Math.min(end, (number + 1) * this.blockSize);
      if (block === undefined) {
        // One read for a whole run of unchanged blocks.
        while (stop < end && !this.#blocks.has(stop / this.blockSize)) stop = Math.min(end, stop + this.blockSize);
        const answer = this.#base.read(at, at === position && stop === end ? into : into.subarray(at - position, stop - position));
        if (answer !== 0) return answer;
      } else if (block === null) {
        into.fill(0, at - position, stop - position);
      } else {
        const offset = at - number * this.blockSize;
        into.set(stop - at === this.blockSize ? block : block.subarray(offset, offset + stop - at), at - position);
      }
      at = stop;
    }
    return 0;
  }

  write(position: number, from: Uint8Array): Attempt<number> {
    const end = position + from.length;
    if (position < 0 || end > this.size) return -Errno.EIO;
    const prepared = this.#prepare(position, end);
    if (prepared !== 0) return prepared;
    for (let at = position; at < end;) {
      const number = Math.floor(at / this.blockSize);
      const stop = Math.min(end, (number + 1) * this.blockSize);
      const block = this.#blocks.get(number) ?? this.#put(number, new Uint8Array(this.blockSize));
      block!.set(from.subarray(at - position, stop - position), at - number * this.blockSize);
      this.#changed.add(number);
      at = stop;
    }
    return 0;
  }

  discard(position: number, length: number): void {
    const end = Math.min(position + length, this.size);
    if (position < 0) return;
    for (let at = position; at < end;) {
      const number = Math.floor(at / this.blockSize);
      const start = number * this.blockSize;
      const stop = Math.min(end, start + this.blockSize);
      if (stop - at === this.blockSize) {
        this.#put(number, null);
        this.#changed.add(number);
      } else if (this.#own(number) === 0) {
        // Part of a block, by a file system of smaller blocks. (Only a base that answers at once can be read here.)
        this.#blocks.get(number)?.fill(0, at - start, stop - start);
        this.#changed.add(number);
      }
      at = stop;
    }
  }

  *commit(): Io<number> {
    const { store } = this.#options;
    if (store === undefined || this.#changed.size === 0) return 0;
    const numbers = this.#changed;
    this.#changed = new Set();
    const result = yield* store(new Map([...numbers].map(number => [number, this.#blocks.get(number) ?? null])));
    if (result < 0) for (const number of numbers) this.#changed.add(number);
    return result;
  }

  prefetch(position: number, length: number): void {
    this.#base.prefetch(position, length);
  }

  #put(number: number, block: OverlayBlock): OverlayBlock {
    this.#bytes += (block?.length ?? 0) - (this.#blocks.get(number)?.length ?? 0);
    this.#blocks.set(number, block);
    return block;
  }

  /** Makes room for a write and brings in the blocks at its ends that it covers only partly; nothing is changed unless all of that is done. */
  #prepare(position: number, end: number): Attempt<number> {
    const first = Math.floor(position / this.blockSize);
    const last = Math.floor((end - 1) / this.blockSize);
    const { limit } = this.#options;
    if (limit !== undefined) {
      let more = 0;
      for (let number = first; number <= last; number++) if (!this.#blocks.get(number)) more += this.blockSize;
      if (more > 0 && this.#bytes + more > limit) return -Errno.ENOSPC;
    }
    if (position > first * this.blockSize) {
      const answer = this.#own(first);
      if (answer !== 0) return answer;
    }
    return end < Math.min(this.size, (last + 1) * this.blockSize) ? this.#own(last) : 0;
  }

  /** Copies a block of the base into the overlay, if it isn't there. */
  #own(number: number): Attempt<number> {
    if (this.#blocks.has(number)) return 0;
    const start = number * this.blockSize;
    const block = new Uint8Array(this.blockSize);
    const answer = this.#base.read(start, start + this.blockSize > this.size ? block.subarray(0, this.size - start) : block);
    if (answer instanceof Wait || answer < 0) return answer;
    this.#put(number, block);
    return 0;
  }
}
