/** Moves file pages between the page cache's frames and the device. */
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { BlockDevice } from '../vfs/block.ts';
import type { FrameStore } from '../vfs/frames.ts';
import { pageSize } from '../vfs/pageCache.ts';
import type { BlockMap } from './blockMap.ts';
import type { Ext2Inode } from './inode.ts';

// Consecutive blocks are read from the device at once, up to this many bytes.
const bounceSize = 1 << 17;

export class FileData {
  readonly #device: BlockDevice;
  readonly #frames: FrameStore;
  readonly #map: BlockMap;
  readonly #blockSize: number;
  readonly #bounce = new Uint8Array(bounceSize);

  constructor(device: BlockDevice, frames: FrameStore, map: BlockMap, blockSize: number) {
    this.#device = device;
    this.#frames = frames;
    this.#map = map;
    this.#blockSize = blockSize;
  }

  /** Fills frames with consecutive pages of a file; holes and what is past the end become zero. 0, -errno, or a Wait. */
  fill(inode: Ext2Inode, first: number, frames: readonly number[]): Attempt<number> {
    const size = this.#blockSize;
    const perPage = pageSize / size;
    const count = Math.min(frames.length * perPage, Math.ceil(inode.size / size) - first * perPage);
    const logicalBase = first * perPage;
    for (let at = 0; at < count;) {
      const block = this.#map.map(inode, logicalBase + at);
      if (block instanceof Wait || block < 0) return block;
      let run = 1;
      while (at + run < count && (run + 1) * size <= bounceSize) {
        const next = this.#map.map(inode, logicalBase + at + run);
        if (next instanceof Wait || next !== (block === 0 ? 0 : block + run)) break;
        run++;
      }
      const answer = block === 0 ? this.#zero(frames, at * size, run * size) : this.#read(frames, at * size, block * size, run * size);
      if (answer !== 0) return answer;
      at += run;
    }
    const end = Math.max(0, Math.min(frames.length * pageSize, inode.size - first * pageSize));
    return this.#zero(frames, end, frames.length * pageSize - end);
  }

  #zero(frames: readonly number[], start: number, length: number): number {
    const { bytes } = this.#frames;
    for (let at = start; at < start + length;) {
      const within = at % pageSize;
      const part = Math.min(pageSize - within, start + length - at);
      const base = frames[Math.floor(at / pageSize)]! * pageSize + within;
      bytes.fill(0, base, base + part);
      at += part;
    }
    return 0;
  }

  #read(frames: readonly number[], start: number, position: number, length: number): Attempt<number> {
    const { bytes } = this.#frames;
    const first = Math.floor(start / pageSize);
    const last = Math.floor((start + length - 1) / pageSize);
    let isContiguous = true;
    for (let i = first; i < last; i++) isContiguous &&= frames[i + 1] === frames[i]! + 1;
    if (isContiguous) {
      const base = frames[first]! * pageSize + (start % pageSize);
      return this.#device.read(position, bytes.subarray(base, base + length));
    }
    const bounce = this.#bounce.subarray(0, length);
    const read = this.#device.read(position, bounce);
    if (read instanceof Wait || read < 0) return read;
    for (let at = 0; at < length;) {
      const within = (start + at) % pageSize;
      const part = Math.min(pageSize - within, length - at);
      bytes.set(bounce.subarray(at, at + part), frames[Math.floor((start + at) / pageSize)]! * pageSize + within);
      at += part;
    }
    return 0;
  }

  /** Writes the mapped blocks of a page; its place was reserved when it became dirty. 0, -errno, or a Wait. */
  store(inode: Ext2Inode, index: number, frame: number): Attempt<number> {
    const size = this.#blockSize;
    const perPage = pageSize / size;
    const { bytes } = this.#frames;
    const count = Math.min(perPage, Math.ceil(inode.size / size) - index * perPage);
    for (let at = 0; at < count;) {
      const block = this.#map.map(inode, index * perPage + at);
      if (block instanceof Wait || block < 0) return block;
      let run = 1;
      while (block !== 0 && at + run < count && this.#map.map(inode, index * perPage + at + run) === block + run) run++;
      if (block !== 0) {
        const base = frame * pageSize + at * size;
        const written = this.#device.write(block * size, bytes.subarray(base, base + run * size));
        if (written instanceof Wait || written < 0) return written;
      }
      at += run;
    }
    return 0;
  }
}
