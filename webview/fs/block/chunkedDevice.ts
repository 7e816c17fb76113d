/** A read-only disk that is fetched, checked and unpacked chunk by chunk as it is read. */
import { Errno } from '../../kernel/abi/errno.ts';
import { sha256, toHex } from '../../lib/sha256.ts';
import { Wait, WaitQueue, type Attempt, type Io } from '../../lib/wait.ts';
import type { BlockDevice } from '../vfs/block.ts';
import type { Manifest, ManifestChunk } from './manifest.ts';
import type { ChunkCodec, ChunkSource } from './source.ts';

export interface ChunkedDeviceOptions {
  readonly manifest: Manifest;
  readonly source: ChunkSource;
  readonly codec: ChunkCodec;
  /** Told once for each failure, in one readable line. */
  readonly log: (line: string) => void;
  /** Bytes of unpacked chunks that are kept; the page cache keeps what is in use, so this need not be large. 32 MiB by default. */
  readonly cacheBytes?: number;
  /** Chunks after a missed one that are fetched with it. 1 by default. */
  readonly readAhead?: number;
  /** Milliseconds between tries after a failed fetch; as many tries more as there are numbers. */
  readonly retryDelays?: readonly number[];
  /** Milliseconds for which a failure is remembered, so that all who wait for a chunk hear of it; later reads try anew. */
  readonly failureMemory?: number;
  readonly delay?: (milliseconds: number) => Promise<void>;
  /** Milliseconds on any steady clock. */
  readonly now?: () => number;
}

/** What was fetched so far, for `--stats`. */
export interface ChunkStats { readonly chunks: number; readonly bytes: number; readonly requests: number; readonly failures: number }

interface Resident { readonly bytes: Uint8Array; used: number }
interface Pending { readonly queue: WaitQueue; readonly wait: Wait }

/** One request fetches neighbouring chunks up to this many compressed bytes: over an extension host each request costs 20 ms by itself. */
const largestRequest = 1 << 20;
/** Requests under way for prefetching; those that someone waits for come on top. */
const prefetchRequests = 3;

export class ChunkedDevice implements BlockDevice {
  readonly readOnly = true;
  readonly size: number;
  readonly #options: ChunkedDeviceOptions;
  readonly #chunkSize: number;
  /** By index; all-zero chunks are absent. */
  readonly #chunks = new Map<number, ManifestChunk>();
  /** By chunk, those that are read together with it, until one of them was missed. */
  readonly #together = new Map<number, readonly number[]>();
  readonly #resident = new Map<number, Resident>();
  readonly #pending = new Map<number, Pending>();
  /** Until when a failed chunk answers -EIO. */
  readonly #failed = new Map<number, number>();
  #wanted: number[] = [];
  #prefetching = 0;
  #clock = 0;
  /** At least this many chunks are kept, so that the largest read fits; see `#evict`. */
  #leastResident = 4;
  #chunkCount = 0;
  #byteCount = 0;
  #requestCount = 0;
  #failureCount = 0;

  constructor(options: ChunkedDeviceOptions) {
    this.#options = options;
    this.size = options.manifest.size;
    this.#chunkSize = options.manifest.chunkSize;
    for (const chunk of options.manifest.chunks) this.#chunks.set(chunk.index, chunk);
    for (const list of options.manifest.together ?? []) for (const index of list) this.#together.set(index, list);
  }

  get stats(): ChunkStats {
    return { chunks: this.#chunkCount, bytes: this.#byteCount, requests: this.#requestCount, failures: this.#failureCount };
  }

  /** Fetches what a boot reads, in its order. */
  prefetchBoot(): void {
    this.#want(this.#options.manifest.boot);
  }

  read(position: number, into: Uint8Array): Attempt<number> {
    const end = position + into.length;
    // A damaged file system may ask for what isn't there.
    if (position < 0 || end > this.size) return -Errno.EIO;
    const first = Math.floor(position / this.#chunkSize);
    const last = Math.floor((end - 1) / this.#chunkSize);
    if (last - first + 3 > this.#leastResident) this.#leastResident = last - first + 3;
    let wait: Wait | undefined;
    for (let index = first; index <= last; index++) {
      const start = index * this.#chunkSize;
      const from = Math.max(position, start);
      const part = into.length === end - from && end <= start + this.#chunkSize ? into : into.subarray(from - position, Math.min(end, start + this.#chunkSize) - position);
      const answer = this.#readChunk(index, from - start, part);
      if (answer instanceof Wait) wait ??= answer;
      else if (answer < 0) return answer;
    }
    return wait ?? 0;
  }

  write(): Attempt<number> {
    return -Errno.EROFS;
  }

  discard(): void {
    // A read-only disk keeps what it has.
  }

  *commit(): Io<number> {
    return 0;
  }

  prefetch(position: number, length: number): void {
    const wanted: number[] = [];
    for (let index = Math.floor(position / this.#chunkSize); index * this.#chunkSize < position + length; index++) wanted.push(index);
    this.#want(wanted);
  }

  #readChunk(index: number, offset: number, into: Uint8Array): Attempt<number> {
    let resident = this.#resident.get(index);
    if (resident === undefined) {
      const chunk = this.#chunks.get(index);
      if (chunk === undefined) {
        into.fill(0);
        return 0;
      }
      const pending = this.#pending.get(index);
      if (pending !== undefined) return pending.wait;
      if (this.#hasFailed(index)) return -Errno.EIO;
      if (this.#options.source.fetchNow === undefined || this.#options.codec.inflateNow === undefined) return this.#miss(chunk);
      resident = this.#loadNow(chunk);
      if (resident === undefined) return -Errno.EIO;
    }
    resident.used = ++this.#clock;
    if (into.length === this.#chunkSize) into.set(resident.bytes);
    else into.set(resident.bytes.subarray(offset, offset + into.length));
    return 0;
  }

  #hasFailed(index: number): boolean {
    const until = this.#failed.get(index);
    if (until === undefined) return false;
    if (this.#now() < until) return true;
    this.#failed.delete(index);
    return false;
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))();
  }

  /** Bytes of a chunk: the last one of a disk may be shorter. */
  #sizeOf(index: number): number {
    return Math.min(this.#chunkSize, this.size - index * this.#chunkSize);
  }

  #loadNow(chunk: ManifestChunk): Resident | undefined {
    const { source, codec, manifest } = this.#options;
    this.#requestCount++;
    try {
      const packed = source.fetchNow!(manifest.files[chunk.file]!.name, chunk.offset, chunk.length);
      if (packed.length !== chunk.length) throw new Error(`${packed.length} bytes arrived instead of ${chunk.length}`);
      const bytes = codec.inflateNow!(packed, this.#sizeOf(chunk.index));
      this.#check(chunk, bytes, (codec.sha256Now ?? sha256)(bytes));
      return this.#keep(chunk, bytes);
    } catch (error) {
      this.#fail(chunk, error);
      return undefined;
    }
  }

  #check(chunk: ManifestChunk, bytes: Uint8Array, hash: Uint8Array): void {
    if (bytes.length !== this.#sizeOf(chunk.index)) throw new Error(`it unpacks to ${bytes.length} bytes instead of ${this.#sizeOf(chunk.index)}`);
    const found = toHex(hash);
    if (found !== chunk.sha256) throw new Error(`its SHA-256 is ${found.slice(0, 16)}..., not ${chunk.sha256.slice(0, 16)}...`);
  }

  #keep(chunk: ManifestChunk, bytes: Uint8Array): Resident {
    const resident = { bytes, used: ++this.#clock };
    this.#resident.set(chunk.index, resident);
    this.#chunkCount++;
    this.#byteCount += chunk.length;
    this.#evict();
    return resident;
  }

  /** Drops the chunks used least recently. A read that spans many chunks finds all of them at its next try, however small the limit. */
  #evict(): void {
    const limit = Math.max(this.#leastResident, Math.floor((this.#options.cacheBytes ?? 32 << 20) / this.#chunkSize));
    while (this.#resident.size > limit) {
      let oldest = -1;
      let used = Infinity;
      for (const [index, resident] of this.#resident) {
        if (resident.used < used) {
          used = resident.used;
          oldest = index;
        }
      }
      this.#resident.delete(oldest);
    }
  }

  #fail(chunk: ManifestChunk, error: unknown): void {
    const { manifest, log, failureMemory = 2000 } = this.#options;
    this.#failureCount++;
    this.#failed.set(chunk.index, this.#now() + failureMemory);
    const reason = error instanceof Error ? error.message : String(error);
    log(`Disk "${manifest.name}": chunk ${chunk.index} (${manifest.files[chunk.file]!.name} at ${chunk.offset}, ${chunk.length} bytes) can't be used: ${reason}.`);
  }

  /** Starts to fetch a chunk that someone waits for, with the ones that follow it. */
  #miss(chunk: ManifestChunk): Wait {
    const run = [chunk];
    for (let next = chunk.index + 1; run.length <= (this.#options.readAhead ?? 1); next++) {
      if (!this.#extends(run, next)) break;
    }
    void this.#fetchRun(run);
    const together = this.#together.get(chunk.index);
    if (together) {
      for (const index of together) this.#together.delete(index);
      this.#want(together);
    }
    return this.#pending.get(chunk.index)!.wait;
  }

  /** Adds chunk `index` to a run if it is missing, lies right behind the run in the same file, and keeps the request small. */
  #extends(run: ManifestChunk[], index: number): boolean {
    const last = run.at(-1)!;
    const chunk = this.#chunks.get(index);
    if (chunk === undefined || !this.#isMissing(index) || chunk.file !== last.file || chunk.offset !== last.offset + last.length) return false;
    if (chunk.offset + chunk.length - run[0]!.offset > largestRequest) return false;
    run.push(chunk);
    return true;
  }

  #isMissing(index: number): boolean {
    return this.#chunks.has(index) && !this.#resident.has(index) && !this.#pending.has(index) && !this.#hasFailed(index);
  }

  #want(indexes: readonly number[]): void {
    // Where reads are answered at once there is nothing to gain.
    if (this.#options.source.fetchNow !== undefined && this.#options.codec.inflateNow !== undefined) return;
    for (const index of indexes) if (this.#isMissing(index)) this.#wanted.push(index);
    this.#pumpPrefetches();
  }

  #pumpPrefetches(): void {
    while (this.#prefetching < prefetchRequests && this.#wanted.length > 0) {
      const index = this.#wanted.shift()!;
      if (!this.#isMissing(index)) continue;
      const run = [this.#chunks.get(index)!];
      while (this.#wanted.length > 0 && this.#extends(run, this.#wanted[0]!)) this.#wanted.shift();
      this.#prefetching++;
      void this.#fetchRun(run).then(() => {
        this.#prefetching--;
        this.#pumpPrefetches();
      });
    }
  }

  /** Fetches neighbouring chunks in one request; each wakes its readers when it is there or has failed. Never rejects. */
  async #fetchRun(run: readonly ManifestChunk[]): Promise<void> {
    for (const { index } of run) {
      const queue = new WaitQueue();
      this.#pending.set(index, { queue, wait: new Wait([queue], { interruptible: false }) });
    }
    const first = run[0]!;
    let packed: Uint8Array | undefined;
    let failure: unknown;
    try {
      packed = await this.#fetch(first.file, first.offset, run.reduce((sum, chunk) => sum + chunk.length, 0));
    } catch (error) {
      failure = error;
    }
    for (const chunk of run) {
      try {
        if (packed === undefined) throw failure;
        const bytes = await this.#unpack(chunk, packed.subarray(chunk.offset - first.offset, chunk.offset - first.offset + chunk.length));
        this.#keep(chunk, bytes);
      } catch (error) {
        this.#fail(chunk, error);
      }
      const { queue } = this.#pending.get(chunk.index)!;
      this.#pending.delete(chunk.index);
      queue.wake();
    }
  }

  async #unpack(chunk: ManifestChunk, packed: Uint8Array): Promise<Uint8Array> {
    const { codec } = this.#options;
    const bytes = await codec.inflate(packed, this.#sizeOf(chunk.index)).catch((error: unknown) => {
      throw new Error(`it can't be unpacked (${error instanceof Error ? error.message : String(error)})`);
    });
    this.#check(chunk, bytes, await (codec.sha256 ?? sha256)(bytes));
    return bytes;
  }

  /** Fetches a range, trying again after failures. */
  async #fetch(file: number, offset: number, length: number): Promise<Uint8Array> {
    const { source, manifest, retryDelays = [200, 800, 3200], delay = pause } = this.#options;
    for (let tries = 0; ; tries++) {
      this.#requestCount++;
      try {
        const bytes = await source.fetch(manifest.files[file]!.name, offset, length);
        if (bytes.length !== length) throw new Error(`${bytes.length} bytes arrived instead of ${length}`);
        return bytes;
      } catch (error) {
        const milliseconds = retryDelays[tries];
        if (milliseconds === undefined) throw error;
        await delay(milliseconds);
      }
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
