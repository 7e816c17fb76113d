/** Physical memory for tests of the page cache: a plain array of frames. */
import type { FrameStore } from '../../webview/fs/vfs/frames.ts';

export class MemoryFrames implements FrameStore {
  readonly bytes: Uint8Array;
  readonly total: number;
  readonly #references: Uint32Array;
  readonly #free: number[] = [];

  constructor(total: number) {
    this.total = total;
    this.bytes = new Uint8Array(total * 4096);
    this.#references = new Uint32Array(total);
    for (let frame = total - 1; frame > 0; frame--) this.#free.push(frame);
  }

  get free(): number {
    return this.#free.length;
  }

  allocate(): number {
    const frame = this.allocateDirty();
    if (frame !== 0) this.bytes.fill(0, frame * 4096, (frame + 1) * 4096);
    return frame;
  }

  allocateDirty(): number {
    const frame = this.#free.pop() ?? 0;
    if (frame !== 0) {
      this.#references[frame] = 1;
      this.bytes.fill(0xa5, frame * 4096, (frame + 1) * 4096);
    }
    return frame;
  }

  retain(frame: number): void {
    if (this.#references[frame] === 0) throw new Error(`frame ${frame} is free`);
    this.#references[frame]!++;
  }

  release(frame: number): void {
    if (this.#references[frame] === 0) throw new Error(`frame ${frame} is free`);
    if (--this.#references[frame]! === 0) this.#free.push(frame);
  }

  references(frame: number): number {
    return this.#references[frame]!;
  }

  written(): void {}
}
