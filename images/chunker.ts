/** Cuts a disk into compressed, hashed chunks. */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import type { ManifestChunk, ManifestFile } from '../webview/fs/block/manifest.ts';

const compress = promisify<Uint8Array, { level: number; memLevel: number }, Buffer>(deflateRaw);

/** Extension galleries refuse files over 32 MiB; small files also arrive in parallel. */
const largestFile = 8 * 2 ** 20;
/** How many chunks are compressed at the same time. */
const inFlight = 8;

/** What is cut: `read` fills a range and says whether any of it may differ from zero. */
export interface DiskBytes { readonly size: number; read(position: number, into: Uint8Array): boolean }

export interface Chunks { readonly files: readonly ManifestFile[]; readonly chunks: readonly ManifestChunk[] }

/** Writes `chunks-NNN.bin` files into `directory`. Chunks that are all zero are left out. */
export async function writeChunks(disk: DiskBytes, chunkSize: number, directory: string): Promise<Chunks> {
  mkdirSync(directory, { recursive: true });
  const files: { name: string; size: number }[] = [];
  const chunks: ManifestChunk[] = [];
  const zeros = Buffer.alloc(chunkSize);
  const pending: { index: number; sha256: string; bytes: Promise<Buffer> }[] = [];
  let fd = -1;

  const writeOldest = async (): Promise<void> => {
    const { index, sha256, bytes } = pending.shift()!;
    const packed = await bytes;
    if (files.length === 0 || files.at(-1)!.size + packed.length > largestFile) {
      if (fd >= 0) closeSync(fd);
      const name = `chunks-${String(files.length).padStart(3, '0')}.bin`;
      fd = openSync(join(directory, name), 'w');
      files.push({ name, size: 0 });
    }
    const file = files.at(-1)!;
    writeSync(fd, packed, 0, packed.length, file.size);
    chunks.push({ index, file: files.length - 1, offset: file.size, length: packed.length, sha256 });
    file.size += packed.length;
  };

  try {
    for (let index = 0; index * chunkSize < disk.size; index++) {
      const raw = Buffer.alloc(Math.min(chunkSize, disk.size - index * chunkSize));
      if (!disk.read(index * chunkSize, raw) || raw.equals(zeros.subarray(0, raw.length))) continue;
      pending.push({ index, sha256: createHash('sha256').update(raw).digest('hex'), bytes: compress(raw, { level: 9, memLevel: 9 }) });
      if (pending.length >= inFlight) await writeOldest();
    }
    while (pending.length > 0) await writeOldest();
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  return { files, chunks };
}

/** The chunks that byte ranges [start, end) of the disk lie in, each once, in the order of the ranges; all-zero ones left out. */
export function chunksOf(ranges: readonly (readonly [number, number])[], chunkSize: number, chunks: readonly ManifestChunk[]): number[] {
  const present = new Set(chunks.map(chunk => chunk.index));
  const used = new Set<number>();
  for (const [start, end] of ranges) {
    for (let index = Math.floor(start / chunkSize); index * chunkSize < end; index++) if (present.has(index)) used.add(index);
  }
  return [...used];
}
