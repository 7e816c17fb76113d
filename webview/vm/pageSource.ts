/** The disk's chunks by way of the page, because a worker can't fetch what belongs to its webview. */
import { streamCodec, type ChunkCodec, type ChunkSource } from '../fs/block/source.ts';
import { sha256 } from '../lib/sha256.ts';
import type { PageToWorker, WorkerToPage } from '../protocol.ts';

type Fetched = Extract<PageToWorker, { type: 'fetched' }>;

/** Raw DEFLATE and SHA-256 by the browser; SHA-256 by ourselves where the page isn't a secure context. */
export const browserCodec: ChunkCodec = {
  ...streamCodec,
  sha256: async bytes => (globalThis.crypto?.subtle
    ? new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)) : sha256(bytes)),
};

export class PageSource implements ChunkSource {
  readonly #post: (message: WorkerToPage) => void;
  readonly #waiting = new Map<number, { resolve(bytes: Uint8Array): void; reject(error: Error): void }>();
  #nextId = 1;

  constructor(post: (message: WorkerToPage) => void) {
    this.#post = post;
  }

  fetch(file: string, offset: number, length: number): Promise<Uint8Array> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post({ type: 'fetch', id, file, offset, length });
    });
  }

  /** The page's answer to one of the fetches. */
  receive({ id, data, error }: Fetched): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (data) waiting.resolve(data);
    else waiting.reject(new Error(error));
  }
}
