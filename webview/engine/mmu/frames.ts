/** Physical memory: 4 KiB frames with reference counts in the machine's one memory. */
import type { CodeOwner } from './codeOwner.ts';

export class PhysicalFrames {
  readonly total: number;
  readonly bytes: Uint8Array;
  readonly words: DataView;
  readonly #first: number;
  readonly #references: Int32Array;
  /** Released frames, as a stack; frames from `#fresh` on were never used and are still zero. */
  readonly #released: Int32Array;
  #releasedCount = 0;
  #fresh: number;
  readonly #code: CodeOwner;

  /** Frames `first` to `first + total - 1` of `memory` can be given out. */
  constructor(memory: ArrayBuffer, first: number, total: number, code: CodeOwner) {
    this.total = total;
    this.bytes = new Uint8Array(memory);
    this.words = new DataView(memory);
    this.#first = this.#fresh = first;
    this.#references = new Int32Array(total);
    this.#released = new Int32Array(total);
    this.#code = code;
  }

  get free(): number {
    return this.#releasedCount + this.#first + this.total - this.#fresh;
  }

  /** A zeroed frame with one reference, or 0 when none is left. */
  allocate(): number {
    const isFresh = this.#releasedCount === 0;
    const frame = this.allocateDirty();
    if (frame !== 0 && !isFresh) this.bytes.fill(0, frame * 4096, frame * 4096 + 4096);
    return frame;
  }

  /** As `allocate`, contents arbitrary. */
  allocateDirty(): number {
    let frame;
    if (this.#releasedCount > 0) frame = this.#released[--this.#releasedCount]!;
    else if (this.#fresh < this.#first + this.total) frame = this.#fresh++;
    else return 0;
    this.#references[frame - this.#first] = 1;
    return frame;
  }

  retain(frame: number): void {
    this.#references[frame - this.#first]!++;
  }

  /** Gives back one reference; the last one frees the frame. Throws for a frame that isn't in use. */
  release(frame: number): void {
    const at = frame - this.#first;
    const left = --this.#references[at]!;
    if (left > 0) return;
    if (left < 0) {
      this.#references[at] = 0;
      throw new Error(`frame ${frame} is released but not in use`);
    }
    this.#code.drop(frame);
    this.#released[this.#releasedCount++] = frame;
  }

  references(frame: number): number {
    return this.#references[frame - this.#first]!;
  }

  copy(to: number, from: number): void {
    this.bytes.copyWithin(to * 4096, from * 4096, from * 4096 + 4096);
  }

  view(frame: number): Uint8Array {
    return this.bytes.subarray(frame * 4096, frame * 4096 + 4096);
  }

  /** Says that something outside of guest code changed the frame's bytes. */
  written(frame: number): void {
    this.#code.drop(frame);
  }
}
