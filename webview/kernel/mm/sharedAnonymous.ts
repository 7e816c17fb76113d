/** Memory shared by MAP_SHARED | MAP_ANONYMOUS: pages that live as long as a mapping of them does. */
import { Errno } from '../abi/errno.ts';
import type { FrameStore } from '../../fs/vfs/frames.ts';

export class SharedAnonymous {
  readonly #frames: Pick<FrameStore, 'release'>;
  readonly #allocate: () => number;
  readonly #pages = new Map<number, number>();
  readonly #answer = { frame: 0 };
  #references = 1;

  /** `allocate` gives a zeroed frame, or 0 when memory is out. */
  constructor(frames: Pick<FrameStore, 'release'>, allocate: () => number) {
    this.#frames = frames;
    this.#allocate = allocate;
  }

  retain(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references > 0) return;
    for (const frame of this.#pages.values()) this.#frames.release(frame);
    this.#pages.clear();
  }

  /** Frames held. */
  get size(): number {
    return this.#pages.size;
  }

  page(index: number): { frame: number } | number {
    let frame = this.#pages.get(index);
    if (frame === undefined) {
      frame = this.#allocate();
      if (frame === 0) return -Errno.ENOMEM;
      this.#pages.set(index, frame);
    }
    this.#answer.frame = frame;
    return this.#answer;
  }

  pageDirtied(): void {}

  /** MADV_REMOVE: pages [first, end) become holes. Who has mapped them drops them too. */
  punch(first: number, end: number): void {
    for (let index = first; index < end; index++) {
      const frame = this.#pages.get(index);
      if (frame === undefined) continue;
      this.#pages.delete(index);
      this.#frames.release(frame);
    }
  }
}
