/** Opens the disk that a machine boots from: a read-only image under an overlay in memory. */
import { ChunkedDevice } from '../fs/block/chunkedDevice.ts';
import { FileDevice } from '../fs/block/fileDevice.ts';
import { readManifest } from '../fs/block/manifest.ts';
import { OverlayDevice } from '../fs/block/overlay.ts';
import type { ChunkCodec, ChunkSource, RandomAccessFile } from '../fs/block/source.ts';

/** A disk and what `--stats` says of it. */
export interface Disk {
  readonly device: OverlayDevice;
  /** As mount(8) shows it. */
  readonly name: string;
  /** Chunks read so far; 0 for a raw file. */
  chunksRead(): number;
}

/** What a person can do about a machine that doesn't start: one sentence, and the detail for the log. */
export class BootError extends Error {
  readonly detail: string;

  constructor(sentence: string, detail = '') {
    super(sentence);
    this.detail = detail;
  }
}

/** A chunked image, by its manifest's text. Throws BootError. */
export function openChunked(manifestText: string, source: ChunkSource, codec: ChunkCodec, log: (line: string) => void): Disk {
  const manifest = readManifest(manifestText);
  if (typeof manifest === 'string') throw new BootError(`The disk image can't be used: ${manifest}`);
  const base = new ChunkedDevice({ manifest, source, codec, log });
  base.prefetchBoot();
  return { device: new OverlayDevice({ base }), name: '/dev/vda', chunksRead: () => base.stats.chunks };
}

/** A raw ext2 file. */
export function openRaw(name: string, file: RandomAccessFile, log: (line: string) => void): Disk {
  return { device: new OverlayDevice({ base: new FileDevice(name, file, log) }), name: '/dev/vda', chunksRead: () => 0 };
}
