/** Bytes between a terminal and its master: a ring that grows, with a mark above which writers sleep. */
import type { Sink } from '../../lib/transfer.ts';

/** Above so many bytes a program's writes wait; echo still goes in. */
export const outputLimit = 16384;

export class OutputQueue {
  #ring = new Uint8Array(4096);
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes that a program may still write. */
  get room(): number {
    return Math.max(0, outputLimit - this.#length);
  }

  push(byte: number): void {
    if (this.#length === this.#ring.length) this.#grow(this.#length + 1);
    this.#ring[(this.#start + this.#length++) & (this.#ring.length - 1)] = byte;
  }

  append(bytes: Uint8Array, from: number, to: number): void {
    const count = to - from;
    if (this.#length + count > this.#ring.length) this.#grow(this.#length + count);
    const ring = this.#ring;
    const end = (this.#start + this.#length) & (ring.length - 1);
    const first = Math.min(count, ring.length - end);
    ring.set(bytes.subarray(from, from + first), end);
    if (first < count) ring.set(bytes.subarray(from + first, to), 0);
    this.#length += count;
  }

  /** Moves bytes to `sink`; how many it took. */
  drain(sink: Sink): number {
    let moved = 0;
    while (this.#length > 0 && sink.remaining > 0) {
      const count = Math.min(this.#length, this.#ring.length - this.#start, sink.remaining);
      const taken = sink.put(this.#ring, this.#start, count);
      this.#start = (this.#start + taken) & (this.#ring.length - 1);
      this.#length -= taken;
      moved += taken;
      if (taken < count) break;
    }
    if (this.#length === 0) this.#start = 0;
    return moved;
  }

  /** Takes out the first byte; there must be one. */
  shift(): number {
    const byte = this.#ring[this.#start]!;
    this.#start = (this.#start + 1) & (this.#ring.length - 1);
    this.#length--;
    return byte;
  }

  /** Takes out up to `maximum` bytes as an array of their own. */
  take(maximum: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(maximum, this.#length));
    const first = Math.min(bytes.length, this.#ring.length - this.#start);
    bytes.set(this.#ring.subarray(this.#start, this.#start + first));
    bytes.set(this.#ring.subarray(0, bytes.length - first), first);
    this.#start = (this.#start + bytes.length) & (this.#ring.length - 1);
    this.#length -= bytes.length;
    return bytes;
  }

  clear(): void {
    this.#start = this.#length = 0;
  }

  #grow(needed: number): void {
    let size = this.#ring.length;
    while (size < needed) size *= 2;
    const ring = new Uint8Array(size);
    const first = Math.min(this.#length, this.#ring.length - this.#start);
    ring.set(this.#ring.subarray(this.#start, this.#start + first));
    ring.set(this.#ring.subarray(0, this.#length - first), first);
    this.#ring = ring;
    this.#start = 0;
  }
}
