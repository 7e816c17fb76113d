import { describe, expect, test } from 'vitest';
import { imageId, manifestProblem, readManifest, writeManifest, type Manifest } from './manifest.ts';

const chunks = [
  { index: 0, file: 0, offset: 0, length: 100, sha256: 'a'.repeat(64) },
  { index: 3, file: 0, offset: 100, length: 28, sha256: 'b'.repeat(64) },
];
const shape = { size: 1 << 20, chunkSize: 1 << 17, chunks };
const good: Manifest = {
  format: 1, name: 'base', recipe: 'base', recipeHash: 'c'.repeat(64), id: imageId(shape), date: 1_700_000_000, blockSize: 4096,
  compression: 'deflate-raw', boot: [0], files: [{ name: 'chunks-000.bin', size: 128 }],
  packages: [{ name: 'bash', version: '5.2.15-2+b13', source: 'bash', licences: ['GPL-3+'] }], ...shape,
};

/** `good` with the fields of `change` in it. */
function changed(change: Record<string, unknown>): unknown {
  return { ...good, ...change };
}
const chunk = (change: Record<string, unknown>): unknown => changed({ chunks: [{ ...chunks[0], ...change }, chunks[1]] });

test('what is written is read back', () => {
  expect(readManifest(writeManifest(good))).toEqual(good);
  const together = { ...good, together: [[0, 3], [3]] };
  expect(readManifest(writeManifest(together))).toEqual(together);
});

test('the id depends on content and shape, not on packing', () => {
  expect(imageId({ ...shape, chunks: chunks.map(c => ({ ...c, length: c.length + 1, offset: c.offset + 7 })) })).toBe(good.id);
  expect(imageId({ ...shape, size: 1 << 21 })).not.toBe(good.id);
  expect(imageId({ ...shape, chunks: [chunks[0]!, { ...chunks[1]!, index: 4 }] })).not.toBe(good.id);
});

describe('what is wrong is said in a sentence', () => {
  test.each<[unknown, RegExp]>([
    [null, /not a JSON object/],
    [[good], /not a JSON object/],
    [{}, /has format unknown/],
    [changed({ format: 2 }), /has format 2; this version reads format 1/],
    [changed({ name: '' }), /"name" is missing/],
    [changed({ id: 'd'.repeat(64) }), /id does not match its chunks/],
    [changed({ id: 7 }), /"id" is not a SHA-256/],
    [changed({ recipeHash: 'x' }), /"recipeHash"/],
    [changed({ date: -1 }), /"date"/],
    [changed({ blockSize: 4095 }), /"blockSize"/],
    [changed({ chunkSize: 2048 }), /"chunkSize"/],
    [changed({ chunkSize: 3 * 4096 }), /"chunkSize"/],
    [changed({ size: 4097 }), /multiple of the block size/],
    [changed({ size: 2 ** 60 }), /"size"/],
    [changed({ size: '1' }), /"size"/],
    [changed({ compression: 'zstd' }), /"compression" is "zstd"/],
    [changed({ boot: [0.5] }), /"boot"/],
    [changed({ together: [0] }), /"together"/],
    [changed({ together: [[0], ['1']] }), /"together"/],
    [changed({ files: {} }), /"files" is not a list/],
    [changed({ files: [{ name: '../secret', size: 128 }] }), /no plain name/],
    [changed({ files: [{ name: '..', size: 128 }] }), /no plain name/],
    [changed({ files: [good.files[0], good.files[0]] }), /listed twice/],
    [changed({ chunks: undefined }), /"chunks" is not a list/],
    [changed({ chunks: [chunks[1], chunks[0]] }), /chunk 0 is out of order/],
    [changed({ chunks: [chunks[0], chunks[0]] }), /chunk 0 is out of order/],
    [changed({ chunks: [{ ...chunks[0], index: 8 }] }), /chunk 8 lies beyond the end of the disk/],
    [chunk({ file: 1 }), /chunk 0 is in a file that is not listed/],
    [chunk({ offset: 64 }), /chunk 0 lies beyond the end of "chunks-000.bin"/],
    [chunk({ length: 0 }), /chunk 0 has no place/],
    [chunk({ sha256: 'A'.repeat(64) }), /chunk 0 has no SHA-256/],
    [changed({ packages: [{ name: 'x' }] }), /package "x" has no version/],
  ])('%#', (value, message) => {
    expect(manifestProblem(value)).toMatch(message);
  });

  test('not JSON', () => {
    expect(readManifest('{"format": 1')).toMatch(/^The disk's manifest is not JSON: /);
  });
});
