import { describe, expect, test } from 'vitest';
import { MemoryDevice } from '../../../test/harness/memoryDevice.ts';
import { Errno } from '../../kernel/abi/errno.ts';
import { Wait, runNow } from '../../lib/wait.ts';
import { FileDevice } from './fileDevice.ts';
import { OverlayDevice, type OverlayBlock } from './overlay.ts';

const size = 64 * 4096;
const original = (): Uint8Array => new Uint8Array(size).map((_, i) => (i * 13 + (i >> 12)) & 0xff);

/** A small generator of repeatable random numbers below `limit` (xorshift32). */
function random(seed: number): (limit: number) => number {
  let x = seed;
  return limit => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % limit;
  };
}

test.each([1, 2, 3, 4])('random reads, writes and discards match plain memory, and the base keeps its bytes (seed %i)', seed => {
  const next = random(seed);
  const base = new MemoryDevice(original(), true);
  const overlay = new OverlayDevice({ base });
  const model = original();
  for (let step = 0; step < 2000; step++) {
    const position = next(size / 512) * 512;
    const length = (1 + next(Math.min(40, (size - position) / 512))) * 512;
    const kind = next(10);
    if (kind < 4) {
      const bytes = new Uint8Array(length).fill(next(256));
      expect(overlay.write(position, bytes)).toBe(0);
      model.set(bytes, position);
    } else if (kind === 4) {
      overlay.discard(position, length);
      model.fill(0, position, position + length);
    } else {
      const into = new Uint8Array(length).fill(0xee);
      expect(overlay.read(position, into)).toBe(0);
      expect(Buffer.from(into).equals(model.subarray(position, position + length))).toBe(true);
    }
  }
  expect(Buffer.from(base.bytes).equals(original())).toBe(true);
});

describe('waiting for the base', () => {
  test('a whole block is written at once, a part of one after its base has come', () => {
    const base = new MemoryDevice(original(), true);
    base.chunkSize = 4096;
    const overlay = new OverlayDevice({ base });
    expect(overlay.write(0, new Uint8Array(4096).fill(9))).toBe(0);
    const part = new Uint8Array(512).fill(7);
    expect(overlay.write(8192 + 512, part)).toBeInstanceOf(Wait);
    expect(overlay.blocks.has(2)).toBe(false);
    base.arrive();
    expect(overlay.write(8192 + 512, part)).toBe(0);
    const into = new Uint8Array(4096);
    expect(overlay.read(8192, into)).toBe(0);
    const expected = original().subarray(8192, 12288);
    expected.fill(7, 512, 1024);
    expect(Buffer.from(into).equals(expected)).toBe(true);
  });

  test('a base that fails makes a partial write fail and change nothing', () => {
    const base = new MemoryDevice(original(), true);
    base.failsReads = true;
    const overlay = new OverlayDevice({ base });
    expect(overlay.write(512, new Uint8Array(512))).toBe(-Errno.EIO);
    expect(overlay.bytes).toBe(0);
  });
});

test('a limit gives -ENOSPC, and room again after a discard', () => {
  const overlay = new OverlayDevice({ base: new MemoryDevice(original(), true), limit: 8192 });
  const block = new Uint8Array(4096);
  expect(overlay.write(0, new Uint8Array(8192))).toBe(0);
  expect(overlay.write(16384, block)).toBe(-Errno.ENOSPC);
  expect(overlay.write(4096, block)).toBe(0);
  overlay.discard(0, 4096);
  expect(overlay.write(16384, block)).toBe(0);
});

test('beyond the end is -EIO', () => {
  const overlay = new OverlayDevice({ base: new MemoryDevice(original(), true) });
  expect(overlay.read(size, new Uint8Array(512))).toBe(-Errno.EIO);
  expect(overlay.write(size - 512, new Uint8Array(1024))).toBe(-Errno.EIO);
});

test('commit hands over what changed since the last one, and again after an error', () => {
  const stored: ReadonlyMap<number, OverlayBlock>[] = [];
  let result = -Errno.EIO as number;
  const overlay = new OverlayDevice({
    base: new MemoryDevice(original(), true),
    store: function* (changed) {
      stored.push(new Map([...changed].map(([number, block]) => [number, block && block.slice()])));
      return result;
    },
  });
  overlay.write(4096, new Uint8Array(4096).fill(1));
  overlay.discard(8192, 4096);
  expect(runNow(overlay.commit())).toBe(-Errno.EIO);
  result = 0;
  expect(runNow(overlay.commit())).toBe(0);
  expect(runNow(overlay.commit())).toBe(0);
  expect(stored.map(blocks => [...blocks.keys()].sort())).toEqual([[1, 2], [1, 2]]);
  expect(stored[1]!.get(2)).toBeNull();

  const again = new OverlayDevice({ base: new MemoryDevice(original(), true) });
  for (const [number, block] of stored[1]!) again.restore(number, block);
  for (const position of [0, 4096, 8192, 12288]) {
    const [a, b] = [new Uint8Array(4096), new Uint8Array(4096)];
    overlay.read(position, a);
    again.read(position, b);
    expect(Buffer.from(a).equals(b)).toBe(true);
  }
});

test('a raw file is read at once, and its failures are -EIO and a line', () => {
  const bytes = original();
  const lines: string[] = [];
  let broken = false;
  const device = new FileDevice('raw', {
    size: bytes.length + 100,
    readNow: (position, into) => {
      if (broken) throw new Error('input/output error');
      into.set(bytes.subarray(position, position + into.length));
    },
  }, line => lines.push(line));
  expect(device.size).toBe(size);
  const into = new Uint8Array(512);
  expect(device.read(4096, into)).toBe(0);
  expect(Buffer.from(into).equals(bytes.subarray(4096, 4608))).toBe(true);
  expect(device.read(size, into)).toBe(-Errno.EIO);
  expect(device.write()).toBe(-Errno.EROFS);
  broken = true;
  expect(device.read(0, into)).toBe(-Errno.EIO);
  expect(lines).toEqual(['Disk "raw": 512 bytes at 0 can\'t be read: input/output error.']);
});
