/** Which frames a slice stores to, with their contents before it and after its first pass. */
import type { CodeOwner } from '../mmu/codeOwner.ts';

interface Written {
  readonly before: Int32Array;
  /** After the pass in compiled code. */
  readonly after: Int32Array;
}

/** A stretch of bytes that isn't the same in both passes. */
export interface MemoryDifference {
  readonly frame: number;
  readonly offset: number;
  readonly before: Uint8Array;
  readonly compiled: Uint8Array;
  readonly interpreted: Uint8Array;
}

/** Bytes of a difference that are shown. */
const longest = 32;

export class WrittenFrames {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #code: CodeOwner;
  readonly #frames = new Map<number, Written>();
  readonly #unused: Written[] = [];

  constructor(memory: ArrayBuffer, code: CodeOwner) {
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#code = code;
  }

  /** No frame is written any more. */
  clear(): void {
    for (const written of this.#frames.values()) this.#unused.push(written);
    this.#frames.clear();
  }

  /** The frames are what they are now. */
  renew(): void {
    for (const [frame, { before }] of this.#frames) before.set(this.#words.subarray(frame * 1024, frame * 1024 + 1024));
  }

  /** The frame is about to be written, perhaps not for the first time. */
  add(frame: number): void {
    if (this.#frames.has(frame)) return;
    const written = this.#unused.pop() ?? { before: new Int32Array(1024), after: new Int32Array(1024) };
    const now = this.#words.subarray(frame * 1024, frame * 1024 + 1024);
    written.before.set(now);
    // For a frame that only the second pass writes.
    written.after.set(now);
    this.#frames.set(frame, written);
  }

  /** As `renew`; answers what makes the frames be again what they were. */
  advance(): () => void {
    const kept = [...this.#frames].map(([frame, { before }]) => ({ frame, before: before.slice() }));
    this.renew();
    return () => { for (const { frame, before } of kept) this.#frames.get(frame)!.before.set(before); };
  }

  /** Keeps what the first pass has made of memory. */
  keep(): void {
    for (const [frame, { after }] of this.#frames) after.set(this.#words.subarray(frame * 1024, frame * 1024 + 1024));
  }

  /** Makes memory what it was at the start. */
  restore(): void {
    for (const [frame, { before }] of this.#frames) {
      if (this.#is(frame, before)) continue;
      this.#words.set(before, frame * 1024);
      this.#code.drop(frame);
    }
  }

  #is(frame: number, content: Int32Array): boolean {
    const at = frame * 1024;
    for (let i = 0; i < 1024; i++) if (this.#words[at + i] !== content[i]) return false;
    return true;
  }

  /** Memory is what the first pass has made of it. */
  get isSame(): boolean {
    for (const [frame, { after }] of this.#frames) if (!this.#is(frame, after)) return false;
    return true;
  }

  /** Where memory isn't what the first pass has made of it. */
  differences(): MemoryDifference[] {
    const found: MemoryDifference[] = [];
    for (const [frame, written] of this.#frames) {
      const before = new Uint8Array(written.before.buffer), after = new Uint8Array(written.after.buffer);
      const now = this.#bytes.subarray(frame * 4096, frame * 4096 + 4096);
      for (let at = 0; at < 4096; at++) {
        if (now[at] === after[at]) continue;
        const start = at;
        while (at < 4096 && at - start < longest && now[at] !== after[at]) at++;
        found.push({ frame, offset: start, before: before.slice(start, at), compiled: after.slice(start, at), interpreted: now.slice(start, at) });
      }
    }
    return found;
  }
}
