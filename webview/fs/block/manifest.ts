/**
 * Here live the disks below the file systems: the format of a chunked image, the device that fetches, checks and unpacks its chunks on
 * demand, the copy-on-write layer over a read-only image, and the device over a raw ext2 file. Nothing here knows what is stored on a
 * disk, and nothing here does input or output itself: bytes come through an injected source.
 *
 * An image is a folder (or a URL prefix): `manifest.json` and `chunks-NNN.bin`. The disk is cut into chunks of equal size; each is
 * compressed on its own (raw DEFLATE, RFC 1951) and they lie one after the other, in the order of the disk, in a few files small
 * enough for every extension gallery, to be read by HTTP Range. Chunks that are all zero are left out.
 */
import { sha256Hex } from '../../lib/sha256.ts';

/** The format described here; a reader refuses any other. */
export const manifestFormat = 1;

/** Where a chunk's bytes are and what they must be. */
export interface ManifestChunk {
  /** The chunk's place on the disk: it covers bytes `index * chunkSize` up to the next chunk or the end of the disk. */
  readonly index: number;
  /** Index into `files`. */
  readonly file: number;
  /** Where the compressed bytes start in that file, and how many they are. */
  readonly offset: number;
  readonly length: number;
  /**
   * SHA-256 of the *uncompressed* chunk, 64 hexadecimal digits. Uncompressed, because it then proves everything between the builder
   * and the guest (the network, a cache, the decompressor), and because an image keeps its identity when a newer zlib packs it differently.
   */
  readonly sha256: string;
}

export interface ManifestFile {
  readonly name: string;
  readonly size: number;
}

/** A Debian package in the image. */
export interface ManifestPackage {
  readonly name: string;
  readonly version: string;
  /** The source package's name, and its version where it differs from the binary's. */
  readonly source: string;
  /** Short licence names as the package's copyright file gives them (DEP 5 "License", or the files of common-licenses it points to). */
  readonly licences: readonly string[];
}

/** The content of `manifest.json`. */
export interface Manifest {
  readonly format: number;
  readonly name: string;
  /** The recipe's name, and the SHA-256 of its files and the builder's. */
  readonly recipe: string;
  readonly recipeHash: string;
  /** Identity of the disk's content: see `imageId`. */
  readonly id: string;
  /** When the newest package was made, in seconds since 1970; no file in the image is younger. */
  readonly date: number;
  /** Bytes of the whole disk, and of one file-system block. */
  readonly size: number;
  readonly blockSize: number;
  /** Uncompressed bytes of a chunk, a power of two. */
  readonly chunkSize: number;
  readonly compression: 'deflate-raw';
  /** The chunks that a boot to the prompt reads, in order of use, as far as known. */
  readonly boot: readonly number[];
  /** Lists of chunks that are read together, as by one program, in order of use: who lacks one will want the others. May be missing. */
  readonly together?: readonly (readonly number[])[];
  readonly files: readonly ManifestFile[];
  /** In ascending order of `index`; what is missing is zero. */
  readonly chunks: readonly ManifestChunk[];
  readonly packages: readonly ManifestPackage[];
}

/** SHA-256 over the disk's shape and the hashes of its chunks: equal exactly when the disks are equal, however they were packed. */
export function imageId(image: Pick<Manifest, 'size' | 'chunkSize' | 'chunks'>): string {
  const lines = [`terrarium disk ${image.size} ${image.chunkSize}`, ...image.chunks.map(chunk => `${chunk.index} ${chunk.sha256}`)];
  return sha256Hex(new TextEncoder().encode(lines.join('\n') + '\n'));
}

/** The text of a `manifest.json`, one chunk or package per line, the same for the same manifest. */
export function writeManifest(manifest: Manifest): string {
  const { files, chunks, packages, ...head } = manifest;
  const list = (items: readonly unknown[]): string => (items.length === 0 ? '[]' : `[\n${items.map(item => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`);
  const fields = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  fields.push(`  "files": ${list(files)}`, `  "chunks": ${list(chunks)}`, `  "packages": ${list(packages)}`);
  return `{\n${fields.join(',\n')}\n}\n`;
}

/** Reads the text of a `manifest.json`: the manifest, or a sentence that says what is wrong with it. */
export function readManifest(text: string): Manifest | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `The disk's manifest is not JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
  return manifestProblem(value) ?? (value as Manifest);
}

const largestDisk = 2 ** 44;
const hash = /^[0-9a-f]{64}$/;
/** A plain file name: nothing that could lead out of the image's folder. */
const fileName = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isPowerOfTwo = (value: unknown, least: number, most: number): value is number =>
  isCount(value) && value >= least && value <= most && Number.isInteger(Math.log2(value));
const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 200;

/** A sentence that says why `value` is not a manifest that this version reads, or undefined if it is one. Trusts nothing. */
export function manifestProblem(value: unknown): string | undefined {
  if (!isObject(value)) return 'The disk\'s manifest is not a JSON object.';
  if (value.format !== manifestFormat) {
    return `The disk's manifest has format ${JSON.stringify(value.format) ?? 'unknown'}; this version reads format ${manifestFormat}.`;
  }
  const problem = headProblem(value) ?? filesProblem(value.files) ?? chunksProblem(value) ?? packagesProblem(value.packages);
  if (problem !== undefined) return `The disk's manifest is damaged: ${problem}.`;
  const manifest = value as unknown as Manifest;
  return imageId(manifest) === manifest.id ? undefined : 'The disk\'s manifest is damaged: its id does not match its chunks.';
}

function headProblem(value: Fields): string | undefined {
  if (!isText(value.name)) return '"name" is missing';
  if (!isText(value.recipe)) return '"recipe" is missing';
  if (typeof value.recipeHash !== 'string' || !hash.test(value.recipeHash)) return '"recipeHash" is not a SHA-256';
  if (typeof value.id !== 'string' || !hash.test(value.id)) return '"id" is not a SHA-256';
  if (!isCount(value.date)) return '"date" is not a time in seconds';
  if (!isPowerOfTwo(value.blockSize, 1024, 65536)) return '"blockSize" is not a power of two from 1024 to 65536';
  if (!isPowerOfTwo(value.chunkSize, value.blockSize, 2 ** 24)) return '"chunkSize" is not a power of two from the block size to 16 MiB';
  if (!isCount(value.size) || value.size === 0 || value.size > largestDisk) return '"size" is not a positive number of bytes';
  if (value.size % value.blockSize !== 0) return '"size" is not a multiple of the block size';
  if (value.compression !== 'deflate-raw') return `"compression" is ${JSON.stringify(value.compression) ?? 'missing'}, not "deflate-raw"`;
  if (!Array.isArray(value.boot) || !value.boot.every(isCount)) return '"boot" is not a list of chunks';
  const { together = [] } = value;
  if (!Array.isArray(together) || !together.every(list => Array.isArray(list) && list.every(isCount))) return '"together" is not a list of lists of chunks';
  return undefined;
}

function filesProblem(files: unknown): string | undefined {
  if (!Array.isArray(files)) return '"files" is not a list';
  const names = new Set<string>();
  for (const [i, file] of files.entries()) {
    if (!isObject(file) || typeof file.name !== 'string' || !fileName.test(file.name)) return `file ${i} has no plain name`;
    if (names.has(file.name)) return `file "${file.name}" is listed twice`;
    names.add(file.name);
    if (!isCount(file.size)) return `file "${file.name}" has no size`;
  }
  return undefined;
}

function chunksProblem(value: Fields): string | undefined {
  if (!Array.isArray(value.chunks)) return '"chunks" is not a list';
  const files = value.files as readonly ManifestFile[];
  const count = Math.ceil((value.size as number) / (value.chunkSize as number));
  let previous = -1;
  for (const chunk of value.chunks as readonly unknown[]) {
    if (!isObject(chunk) || !isCount(chunk.index)) return 'a chunk has no index';
    const { index, file, offset, length, sha256 } = chunk;
    if (index <= previous) return `chunk ${index} is out of order`;
    if (index >= count) return `chunk ${index} lies beyond the end of the disk`;
    previous = index;
    if (!isCount(file) || file >= files.length) return `chunk ${index} is in a file that is not listed`;
    if (!isCount(offset) || !isCount(length) || length === 0) return `chunk ${index} has no place in its file`;
    if (offset + length > files[file]!.size) return `chunk ${index} lies beyond the end of "${files[file]!.name}"`;
    if (length > 2 * (value.chunkSize as number)) return `chunk ${index} is longer than a chunk can be`;
    if (typeof sha256 !== 'string' || !hash.test(sha256)) return `chunk ${index} has no SHA-256`;
  }
  return undefined;
}

function packagesProblem(packages: unknown): string | undefined {
  if (!Array.isArray(packages)) return '"packages" is not a list';
  for (const [i, entry] of packages.entries()) {
    if (!isObject(entry) || !isText(entry.name)) return `package ${i} has no name`;
    if (!isText(entry.version) || !isText(entry.source)) return `package "${entry.name}" has no version or source`;
    if (!Array.isArray(entry.licences) || !entry.licences.every(isText)) return `package "${entry.name}" has no list of licences`;
  }
  return undefined;
}
