/** A block device in memory for tests of file systems; it can be told to make callers wait or to fail. */
import { Errno } from '../../webview/kernel/abi/errno.ts';
import type { BlockDevice } from '../../webview/fs/vfs/block.ts';
import { Wait, WaitQueue, type Attempt, type Io } from '../../webview/lib/wait.ts';

export class MemoryDevice implements BlockDevice {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  commits = 0;
  /** Called at each commit. */
  onCommit: (() => void) | undefined;
  /** Answers -EIO while true. */
  failsReads = false;
  failsWrites = false;
  /** Every read of a place not read before waits once, as for a chunk that must be fetched; `arrive` ends the waits. */
  chunkSize = 0;
  readonly #arrived = new Set<number>();
  readonly #asked = new Set<number>();
  readonly #queue = new WaitQueue();
  readonly #wait = new Wait([this.#queue], { interruptible: false });

  constructor(bytes: Uint8Array, readOnly = false) {
    this.bytes = bytes;
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.bytes.length;
  }

  /** True if someone waits for a chunk. */
  get isAsked(): boolean {
    return this.#asked.size > 0;
  }

  /** Forgets what has arrived: it must be waited for again. */
  forget(): void {
    this.#arrived.clear();
  }

  /** Brings the chunks that were asked for. */
  arrive(): void {
    for (const chunk of this.#asked) this.#arrived.add(chunk);
    this.#asked.clear();
    this.#queue.wake();
  }

  read(position: number, into: Uint8Array): Attempt<number> {
    check(position, into.length, this.size);
    if (this.failsReads) return -Errno.EIO;
    if (this.chunkSize > 0) {
      for (let chunk = Math.floor(position / this.chunkSize); chunk * this.chunkSize < position + into.length; chunk++) {
        if (this.#arrived.has(chunk)) continue;
        this.#asked.add(chunk);
        return this.#wait;
      }
    }
    into.set(this.bytes.subarray(position, position + into.length));
    return 0;
  }

  write(position: number, from: Uint8Array): Attempt<number> {
    check(position, from.length, this.size);
    if (this.readOnly) return -Errno.EROFS;
    if (this.failsWrites) return -Errno.EIO;
    this.bytes.set(from, position);
    return 0;
  }

  discard(position: number, length: number): void {
    check(position, length, this.size);
    this.bytes.fill(0, position, position + length);
  }

  *commit(): Io<number> {
    this.commits++;
    this.onCommit?.();
    return 0;
  }

  prefetch(position: number, length: number): void {
    check(position, length, this.size);
  }
}

function check(position: number, length: number, size: number): void {
  if (position < 0 || length < 0 || position + length > size || position % 512 !== 0 || length % 512 !== 0) {
    throw new RangeError(`device access out of range: ${position}+${length} of ${size}`);
  }
}
