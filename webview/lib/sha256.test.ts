import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256Hex } from './sha256.ts';

test('agrees with node:crypto at every length around the block borders', () => {
  const bytes = new Uint8Array(300).map((_, i) => (i * 167 + 13) & 0xff);
  for (let length = 0; length <= bytes.length; length++) {
    const part = bytes.subarray(0, length);
    expect(sha256Hex(part)).toBe(createHash('sha256').update(part).digest('hex'));
  }
});

test('agrees with node:crypto on a megabyte', () => {
  const bytes = new Uint8Array(1 << 20).map((_, i) => (i ^ (i >> 8) * 31) & 0xff);
  expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
});
