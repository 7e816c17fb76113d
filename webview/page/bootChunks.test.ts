import { expect, test } from 'vitest';
import { BootChunks, bootRanges, type Range } from './bootChunks.ts';

const file = (index: number, at: readonly [index: number, offset: number, length: number][]) => at.map(([chunk, offset, length]) => ({ index: chunk, file: index, offset, length }));
const manifest = (boot: readonly number[], chunks: readonly object[]): string => JSON.stringify({ boot, files: [{ name: 'a' }, { name: 'b' }], chunks });

test('neighbouring boot chunks and small holes between them are one range, cut into pieces', () => {
  const chunks = [...file(0, [[0, 0, 10], [1, 10, 100], [2, 110, 20], [3, 130, 1 << 19], [4, (1 << 19) + 130, 50]]), ...file(1, [[7, 0, 5], [8, 5, 1 << 18], [9, (1 << 18) + 5, 5]])];
  expect(bootRanges(manifest([2, 0, 3, 9, 7], chunks))).toEqual([
    { file: 'a', offset: 0, length: 130 }, { file: 'a', offset: 130, length: 1 << 19 }, { file: 'b', offset: 0, length: 5 }, { file: 'b', offset: (1 << 18) + 5, length: 5 },
  ]);
});

test('a hole before a cut is fetched too, so that a range over both pieces is covered', () => {
  const chunks = file(0, [[0, 0, 400_000], [1, 400_000, 100_000], [2, 500_000, 200_000]]);
  expect(bootRanges(manifest([0, 2], chunks))).toEqual([{ file: 'a', offset: 0, length: 400_000 }, { file: 'a', offset: 400_000, length: 300_000 }]);
});

test('a manifest that cannot be read has none', () => {
  for (const text of ['', '{}', 'null', manifest([0], file(2, [[0, 0, 1]]))]) expect(bootRanges(text)).toEqual([]);
});

test('ranges are answered from one or more pieces, others and failures are not', async () => {
  const whole = Uint8Array.from({ length: 700_000 }, (_, i) => i % 251);
  const asked: Range[] = [];
  const boot = new BootChunks();
  boot.start(manifest([0, 2], file(0, [[0, 0, 400_000], [1, 400_000, 100_000], [2, 500_000, 200_000]])), async range => {
    asked.push(range);
    return whole.slice(range.offset, range.offset + range.length);
  });
  expect(asked).toHaveLength(2);
  for (const [offset, length] of [[0, 700_000], [5, 10], [399_999, 2], [690_000, 10_000]] as const) {
    expect(Buffer.compare((await boot.read({ file: 'a', offset, length }))!, whole.slice(offset, offset + length))).toBe(0);
  }
  expect(await boot.read({ file: 'a', offset: 690_000, length: 10_001 })).toBeUndefined();
  expect(await boot.read({ file: 'b', offset: 0, length: 1 })).toBeUndefined();
  boot.clear();
  expect(await boot.read({ file: 'a', offset: 5, length: 10 })).toBeUndefined();
  boot.start(manifest([0], file(0, [[0, 0, 10]])), () => Promise.reject(new Error('offline')));
  await expect(boot.read({ file: 'a', offset: 0, length: 10 })).rejects.toThrow('offline');
  expect(await boot.read({ file: 'a', offset: 0, length: 10 })).toBeUndefined();
});
