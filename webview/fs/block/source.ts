/** What a chunked disk is read through: injected, so that the same device works over HTTP, the extension's files and Node's file system. */

/** Where a chunked image's files come from. */
export interface ChunkSource {
  /** The bytes [offset, offset + length) of one of the image's files. Rejects when they can't be had; shorter answers count as failures. */
  fetch(file: string, offset: number, length: number): Promise<Uint8Array>;
  /** The same at once, where the platform can; throws when they can't be had. A disk with it never makes a reader wait. */
  fetchNow?(file: string, offset: number, length: number): Uint8Array;
}

/** The platform's raw DEFLATE (RFC 1951) and, if it has a faster one, SHA-256. */
export interface ChunkCodec {
  /** Rejects (throws) when `packed` is damaged or holds more than `size` bytes. */
  inflate(packed: Uint8Array, size: number): Promise<Uint8Array>;
  inflateNow?(packed: Uint8Array, size: number): Uint8Array;
  sha256?(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  sha256Now?(bytes: Uint8Array): Uint8Array;
}

/** Decompression by the Compression Streams that browsers (and Node from 18) have. */
export const streamCodec: ChunkCodec = {
  async inflate(packed, size) {
    const stream = new DecompressionStream('deflate-raw');
    const writer = stream.writable.getWriter();
    // Its failure shows at the reader too.
    const written = writer.write(packed as Uint8Array<ArrayBuffer>).then(() => writer.close()).catch(() => undefined);
    const reader = stream.readable.getReader();
    const bytes = new Uint8Array(size);
    let filled = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > size) {
        await reader.cancel();
        throw new Error(`it unpacks to more than ${size} bytes`);
      }
      bytes.set(value, filled);
      filled += value.length;
    }
    await written;
    return bytes.subarray(0, filled);
  },
};

/** A random-access file that answers at once: a raw ext2 file under Node. */
export interface RandomAccessFile {
  readonly size: number;
  /** Fills `into` from `position`; throws when it can't. The range lies within the file. */
  readNow(position: number, into: Uint8Array): void;
}
