/** The disks of the headless VM: built images by name, chunked images by manifest file or URL, raw ext2 files. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { ChunkedDevice } from '../../fs/block/chunkedDevice.ts';
import { FileDevice } from '../../fs/block/fileDevice.ts';
import { readManifest, type Manifest } from '../../fs/block/manifest.ts';
import { streamCodec, type ChunkCodec, type ChunkSource } from '../../fs/block/source.ts';
import type { BlockDevice } from '../../fs/vfs/block.ts';

const sha256Now = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Raw DEFLATE and SHA-256 by Node, at once. */
export const nodeCodec: ChunkCodec = { ...streamCodec, inflateNow: (packed, size) => inflateRawSync(packed, { maxOutputLength: size }), sha256: sha256Now, sha256Now };

/** Fills `into` from an open file; throws if the file ends before. */
function readFully(fd: number, position: number, into: Uint8Array): void {
  for (let done = 0; done < into.length;) {
    const got = fs.readSync(fd, into, done, into.length - done, position + done);
    if (got === 0) throw new Error('the file is too short');
    done += got;
  }
}

/** The chunk files of a folder. They stay open once used. */
export function folderSource(folder: string): ChunkSource {
  const open = new Map<string, number>();
  const fetchNow = (file: string, offset: number, length: number): Uint8Array => {
    let fd = open.get(file);
    if (fd === undefined) open.set(file, fd = fs.openSync(join(folder, file), 'r'));
    const bytes = new Uint8Array(length);
    readFully(fd, offset, bytes);
    return bytes;
  };
  return { fetchNow, fetch: (file, offset, length) => new Promise(resolve => resolve(fetchNow(file, offset, length))) };
}

/** The chunk files beside a manifest on the web, by Range requests; a server that answers with the whole file is put up with. */
export function webSource(manifest: URL): ChunkSource {
  return {
    async fetch(file, offset, length) {
      const response = await fetch(new URL(file, manifest), { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
      if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
      const bytes = new Uint8Array(await response.arrayBuffer());
      return response.status === 206 ? bytes : bytes.subarray(offset, offset + length);
    },
  };
}

/** A read-only disk, and the size of its file system's blocks as far as known (what an overlay should use). */
export interface OpenedDisk {
  readonly device: BlockDevice;
  readonly blockSize: number;
  /** Of a chunked image. */
  readonly manifest?: Manifest;
  readonly chunked?: ChunkedDevice;
}

/** Opens what `--disk` names. `images` is the folder of built images. Returns a sentence about why it can't. */
export async function openDisk(disk: string, images: string, log: (line: string) => void): Promise<OpenedDisk | string> {
  if (/^https?:\/\//.test(disk)) return openWeb(new URL(disk), log);
  if (/^[\w-]+$/.test(disk) && !fs.existsSync(disk)) {
    const path = join(images, disk, 'manifest.json');
    if (!fs.existsSync(path)) return `There is no disk image "${disk}". "npm run image -- ${disk}" builds it.`;
    return openManifest(fs.readFileSync(path, 'utf8'), folderSource(dirname(path)), log);
  }
  try {
    if (disk.endsWith('.json')) return openManifest(fs.readFileSync(disk, 'utf8'), folderSource(dirname(disk)), log);
    if (fs.statSync(disk).isDirectory()) return openManifest(fs.readFileSync(join(disk, 'manifest.json'), 'utf8'), folderSource(disk), log);
    const fd = fs.openSync(disk, 'r');
    const file = { size: fs.fstatSync(fd).size, readNow: (position: number, into: Uint8Array) => readFully(fd, position, into) };
    return { device: new FileDevice(basename(disk), file, log), blockSize: blockSizeOf(fd, file.size) };
  } catch (error) {
    return `The disk ${disk} can't be opened: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

/** The block size that ext2's superblock names; the smallest one, which suits all, if the file is no ext2. */
function blockSizeOf(fd: number, size: number): number {
  const superblock = new Uint8Array(1024);
  if (size < 2048) return 1024;
  readFully(fd, 1024, superblock);
  const view = new DataView(superblock.buffer);
  const exponent = view.getUint32(24, true); // s_log_block_size
  return view.getUint16(56, true) === 0xef53 && exponent <= 6 ? 1024 << exponent : 1024;
}

async function openWeb(url: URL, log: (line: string) => void): Promise<OpenedDisk | string> {
  try {
    const response = await fetch(url);
    if (!response.ok) return `The disk ${url.href} can't be opened: the server answered ${response.status}.`;
    return openManifest(await response.text(), webSource(url), log);
  } catch (error) {
    return `The disk ${url.href} can't be opened: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

function openManifest(text: string, source: ChunkSource, log: (line: string) => void): OpenedDisk | string {
  const manifest = readManifest(text);
  if (typeof manifest === 'string') return manifest;
  const chunked = new ChunkedDevice({ manifest, source, codec: nodeCodec, log });
  return { device: chunked, chunked, manifest, blockSize: manifest.blockSize };
}

/** Writes a device as a raw, sparse file, for `--export`. The device must answer at once. Returns 0 or a negative errno. */
export function exportDisk(device: BlockDevice, path: string): number {
  const fd = fs.openSync(path, 'w');
  try {
    const piece = new Uint8Array(1 << 20);
    const zeros = Buffer.alloc(piece.length);
    for (let at = 0; at < device.size; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, device.size - at));
      const answer = device.read(at, part);
      if (typeof answer !== 'number') throw new Error('only a disk that answers at once can be exported');
      if (answer < 0) return answer;
      if (!zeros.subarray(0, part.length).equals(part)) fs.writeSync(fd, part, 0, part.length, at);
    }
    fs.ftruncateSync(fd, device.size);
    return 0;
  } finally {
    fs.closeSync(fd);
  }
}
