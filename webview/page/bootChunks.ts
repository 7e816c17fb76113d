/** The part of the disk that a boot reads, fetched before the worker can ask for it, in few requests. */

/** As much of fs/block/manifest.ts as is needed; the worker checks the whole. */
interface Manifest {
  readonly boot: readonly number[];
  readonly files: readonly { readonly name: string }[];
  readonly chunks: readonly { readonly index: number; readonly file: number; readonly offset: number; readonly length: number }[];
}

/** `length` bytes from `offset` of a file of the image. */
export interface Range {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

interface Piece extends Range {
  readonly bytes: Promise<Uint8Array>;
}

/** Bytes of one request: several arrive side by side. */
const pieceSize = 1 << 19;
/** Holes between boot chunks that are fetched along: bitmaps and inodes that are read now and then. Bytes. */
const largestHole = 1 << 17;

/** Ranges that hold the boot chunks, in order and without overlap; none for a manifest that can't be read. */
export function bootRanges(text: string): Range[] {
  const { boot, chunks, files } = parse(text);
  const wanted = new Set(boot);
  const parts = chunks.filter(chunk => wanted.has(chunk.index)).sort((a, b) => a.file - b.file || a.offset - b.offset);
  const ranges: { file: number; offset: number; end: number }[] = [];
  for (const { file, offset, length } of parts) {
    const last = ranges.at(-1);
    const joins = last?.file === file && offset - last.end <= largestHole && offset + length - last.offset <= pieceSize;
    if (joins) last.end = offset + length;
    else ranges.push({ file, offset: last?.file === file && offset - last.end <= largestHole ? last.end : offset, end: offset + length });
  }
  return ranges.map(({ file, offset, end }) => ({ file: files[file]!.name, offset, length: end - offset }));
}

function parse(text: string): Manifest {
  try {
    const { boot, files, chunks } = JSON.parse(text) as Manifest;
    if (Array.isArray(boot) && Array.isArray(files) && Array.isArray(chunks) && chunks.every(chunk => files[chunk.file] !== undefined)) return { boot, files, chunks };
  } catch {
    // The worker says what is wrong with it.
  }
  return { boot: [], files: [], chunks: [] };
}

export class BootChunks {
  #pieces: Piece[] = [];

  /** Starts to fetch. */
  start(manifest: string, fetchRange: (range: Range) => Promise<Uint8Array>): void {
    this.#pieces = bootRanges(manifest).map(range => {
      const bytes = fetchRange(range);
      // Who reads it hears of a failure; nobody may.
      bytes.catch(() => undefined);
      return { ...range, bytes };
    });
  }

  /** The bytes of a range that is fetched already or on its way, or undefined. Rejects if their fetching failed, and then forgets all. */
  async read({ file, offset, length }: Range): Promise<Uint8Array | undefined> {
    const end = offset + length;
    const pieces = this.#pieces.filter(piece => piece.file === file && piece.offset < end && piece.offset + piece.length > offset);
    let covered = offset;
    for (const piece of pieces) if (piece.offset <= covered) covered = piece.offset + piece.length;
    if (covered < end) return undefined;
    const into = new Uint8Array(length);
    try {
      for (const piece of pieces) {
        const from = Math.max(offset, piece.offset);
        into.set((await piece.bytes).subarray(from - piece.offset, Math.min(end, piece.offset + piece.length) - piece.offset), from - offset);
      }
    } catch (error) {
      this.clear();
      throw error;
    }
    return into;
  }

  /** Frees what is there. */
  clear(): void {
    this.#pieces = [];
  }
}
