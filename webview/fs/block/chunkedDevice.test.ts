import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Errno } from '../../kernel/abi/errno.ts';
import { Wait, retry, runAsync, runNow } from '../../lib/wait.ts';
import { ChunkedDevice, type ChunkedDeviceOptions } from './chunkedDevice.ts';
import { imageId, manifestProblem, type Manifest, type ManifestChunk } from './manifest.ts';
import { streamCodec, type ChunkCodec, type ChunkSource } from './source.ts';

const chunkSize = 16384;
const count = 20;
const size = count * chunkSize - 4096;
/** Chunks 5 to 7 are zero; the last chunk is short. */
const disk = new Uint8Array(size).map((_, i) => (i >= 5 * chunkSize && i < 8 * chunkSize ? 0 : (i * 7 + (i >> 9)) & 0xff));

function pack(): { manifest: Manifest; file: Uint8Array } {
  const chunks: ManifestChunk[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const raw = disk.subarray(index * chunkSize, Math.min(size, (index + 1) * chunkSize));
    if (raw.every(byte => byte === 0)) continue;
    const packed = deflateRawSync(raw);
    chunks.push({ index, file: 0, offset, length: packed.length, sha256: createHash('sha256').update(raw).digest('hex') });
    parts.push(packed);
    offset += packed.length;
  }
  const manifest: Manifest = {
    format: 1, name: 'test', recipe: 'test', recipeHash: '0'.repeat(64), id: imageId({ size, chunkSize, chunks }), date: 0, size, blockSize: 4096, chunkSize,
    compression: 'deflate-raw', boot: [0, 1, 2, 3, 4, 8, 9], files: [{ name: 'chunks-000.bin', size: offset }], chunks, packages: [],
  };
  expect(manifestProblem(manifest)).toBeUndefined();
  // Not a Buffer, whose slice() would share its bytes.
  return { manifest, file: new Uint8Array(Buffer.concat(parts)) };
}
const { manifest, file } = pack();
const nodeCodec: ChunkCodec = { ...streamCodec, inflateNow: (packed, most) => inflateRawSync(packed, { maxOutputLength: most }) };

/** A device over `content`, and what was asked of its source. */
function make(change: Partial<ChunkedDeviceOptions> = {}, content: Uint8Array = file): { device: ChunkedDevice; requests: [number, number][]; lines: string[]; pauses: number[] } {
  const requests: [number, number][] = [];
  const lines: string[] = [];
  const pauses: number[] = [];
  const source: ChunkSource = {
    fetch: async (_name, offset, length) => {
      requests.push([offset, length]);
      await Promise.resolve();
      return content.slice(offset, offset + length);
    },
  };
  const device = new ChunkedDevice({
    manifest, source, codec: streamCodec, log: line => lines.push(line),
    delay: milliseconds => { pauses.push(milliseconds); return Promise.resolve(); }, ...change,
  });
  return { device, requests, lines, pauses };
}
const readAsync = async (device: ChunkedDevice, position: number, length: number): Promise<Uint8Array | number> => {
  const into = new Uint8Array(length).fill(0xaa);
  const result = await runAsync(retry(() => device.read(position, into)));
  return result === 0 ? into : result;
};
const same = (got: Uint8Array | number, position: number, length: number): void => {
  expect(got).toBeInstanceOf(Uint8Array);
  expect(Buffer.from(got as Uint8Array).equals(disk.subarray(position, position + length))).toBe(true);
};

describe('reads', () => {
  test.each([[0, 512], [chunkSize - 512, 1024], [3 * chunkSize + 4096, 6 * chunkSize], [size - 4096, 4096], [0, size]])('%i, %i bytes', async (position, length) => {
    same(await readAsync(make().device, position, length), position, length);
  });

  test('zero chunks without a request, a resident chunk without a wait', async () => {
    const { device, requests } = make();
    const into = new Uint8Array(4096).fill(1);
    expect(device.read(6 * chunkSize, into)).toBe(0);
    expect(into.every(byte => byte === 0)).toBe(true);
    expect(requests).toHaveLength(0);
    await readAsync(device, 0, 4096);
    expect(device.read(4096, into)).toBe(0);
  });

  test('beyond the end is -EIO, writing is -EROFS', () => {
    const { device } = make();
    expect(device.read(size, new Uint8Array(512))).toBe(-Errno.EIO);
    expect(device.read(-512, new Uint8Array(512))).toBe(-Errno.EIO);
    expect(device.write()).toBe(-Errno.EROFS);
  });

  test('a read larger than the cache ends', async () => {
    const { device } = make({ cacheBytes: chunkSize });
    same(await readAsync(device, 0, size), 0, size);
  });
});

test('concurrent misses of a chunk are one request, with the chunk after it', async () => {
  const { device, requests } = make();
  const into = new Uint8Array(4096);
  const first = device.read(0, into);
  expect(first).toBeInstanceOf(Wait);
  expect(device.read(4096, into)).toBe(first);
  expect(device.read(chunkSize, into)).toBeInstanceOf(Wait);
  await runAsync(retry(() => device.read(chunkSize, into)));
  expect(requests).toEqual([[0, manifest.chunks[0]!.length + manifest.chunks[1]!.length]]);
  expect(device.stats).toEqual({ chunks: 2, bytes: requests[0]![1], requests: 1, failures: 0 });
});

test('what is read together comes once one of it is missed, and only once', async () => {
  const { device, requests } = make({ manifest: { ...manifest, together: [[9, 10, 11, 12, 2], [14, 15]] }, readAhead: 0 });
  await readAsync(device, 10 * chunkSize, 512);
  for (const index of [9, 11, 12, 2]) {
    await readAsync(device, index * chunkSize, 512);
    expect(device.read(index * chunkSize, new Uint8Array(512))).toBe(0);
  }
  const [tenth, ninth, eleventh, second] = [10, 9, 11, 2].map(index => manifest.chunks.find(chunk => chunk.index === index)!);
  const twelfth = manifest.chunks.find(chunk => chunk.index === 12)!;
  expect(requests).toEqual([
    [tenth!.offset, tenth!.length], [ninth!.offset, ninth!.length], [eleventh!.offset, eleventh!.length + twelfth.length], [second!.offset, second!.length],
  ]);
  expect(device.stats.chunks).toBe(5);
});

test('what a boot reads comes in few requests', async () => {
  const { device, requests } = make();
  device.prefetchBoot();
  // Chunks 5 to 7 are zero, so that 8 lies right behind 4 in the file.
  expect(requests).toHaveLength(1);
  same(await readAsync(device, 0, 10 * chunkSize), 0, 10 * chunkSize);
  expect(requests).toHaveLength(1);
});

test('the cache drops what was used least recently', async () => {
  const { device, requests } = make({ cacheBytes: 4 * chunkSize, readAhead: 0 });
  for (const index of [0, 1, 2, 3, 0, 4]) await readAsync(device, index * chunkSize, 512);
  const before = requests.length;
  await readAsync(device, 0, 512);
  expect(requests).toHaveLength(before);
  await readAsync(device, chunkSize, 512);
  expect(requests).toHaveLength(before + 1);
});

describe('failures', () => {
  test('a network error is tried again with growing pauses', async () => {
    let failures = 2;
    const source: ChunkSource = { fetch: (_name, offset, length) => (failures-- > 0 ? Promise.reject(new Error('connection lost')) : Promise.resolve(file.slice(offset, offset + length))) };
    const { device, pauses, lines } = make({ source });
    same(await readAsync(device, 0, 4096), 0, 4096);
    expect(pauses).toEqual([200, 800]);
    expect(lines).toEqual([]);
  });

  test('a lasting one is -EIO and one line, for a while; then it is tried anew', async () => {
    let now = 0;
    let broken = true;
    const source: ChunkSource = { fetch: (_name, offset, length) => (broken ? Promise.reject(new Error('connection lost')) : Promise.resolve(file.slice(offset, offset + length))) };
    const { device, pauses, lines } = make({ source, now: () => now, readAhead: 0 });
    expect(await readAsync(device, 2 * chunkSize, 4096)).toBe(-Errno.EIO);
    expect(device.read(2 * chunkSize, new Uint8Array(512))).toBe(-Errno.EIO);
    expect(pauses).toHaveLength(3);
    expect(lines).toEqual([expect.stringMatching(/^Disk "test": chunk 2 \(chunks-000\.bin at \d+, \d+ bytes\) can't be used: connection lost\.$/)]);
    broken = false;
    now += 2001;
    same(await readAsync(device, 2 * chunkSize, 4096), 2 * chunkSize, 4096);
  });

  test('a short answer is a failure', async () => {
    const { device, lines } = make({ readAhead: 0 }, file.subarray(0, 100));
    expect(await readAsync(device, 0, 4096)).toBe(-Errno.EIO);
    expect(lines[0]).toMatch(/100 bytes arrived instead of \d+/);
  });

  test('a wrong hash is -EIO and leaves the neighbour usable', async () => {
    const chunks = manifest.chunks.map(chunk => (chunk.index === 1 ? { ...chunk, sha256: 'f'.repeat(64) } : chunk));
    const { device, lines } = make({ manifest: { ...manifest, chunks } });
    same(await readAsync(device, 0, 4096), 0, 4096);
    expect(await readAsync(device, chunkSize, 4096)).toBe(-Errno.EIO);
    expect(lines).toEqual([expect.stringMatching(/chunk 1 .*its SHA-256 is [0-9a-f]{16}\.\.\., not f{16}\.\.\./)]);
  });

  test.each([...Array(24).keys()])('a flipped bit never gives wrong bytes (%i)', async seed => {
    const damaged = file.slice();
    const at = (seed * 7919) % manifest.chunks[0]!.length;
    damaged[at]! ^= 1 << (seed & 7);
    const { device, lines } = make({ readAhead: 0 }, damaged);
    const got = await readAsync(device, 0, chunkSize);
    // Unused bits at the end of a DEFLATE stream may flip without effect; then the bytes are right.
    if (typeof got === 'number') expect([got, lines.length]).toEqual([-Errno.EIO, 1]);
    else same(got, 0, chunkSize);
  });

  test('a chunk that unpacks to more than a chunk is refused', async () => {
    const bomb = deflateRawSync(new Uint8Array(50 << 20));
    const chunks = [{ ...manifest.chunks[0]!, length: bomb.length }];
    const { device, lines } = make({ manifest: { ...manifest, chunks } }, bomb);
    expect(await readAsync(device, 0, 512)).toBe(-Errno.EIO);
    expect(lines[0]).toMatch(/more than 16384 bytes/);
  });
});

describe('a source that answers at once', () => {
  const at = (content: Uint8Array): ChunkSource => ({
    fetch: () => Promise.reject(new Error('not to be called')),
    fetchNow: (_name, offset, length) => content.subarray(offset, offset + length),
  });

  test('never makes a reader wait', () => {
    const { device, lines } = make({ source: at(file), codec: nodeCodec });
    device.prefetchBoot();
    const into = new Uint8Array(size);
    expect([runNow(retry(() => device.read(0, into))), lines]).toEqual([0, []]);
    same(into, 0, size);
  });

  test('a missing file, a short one and a damaged one are -EIO and a line', () => {
    const missing: ChunkSource = { ...at(file), fetchNow: () => { throw new Error('no such file'); } };
    const damaged = file.slice();
    damaged.fill(0x55, 0, 50);
    for (const source of [missing, at(file.subarray(0, 10)), at(damaged)]) {
      const { device, lines } = make({ source, codec: nodeCodec });
      expect(device.read(0, new Uint8Array(512))).toBe(-Errno.EIO);
      expect(lines).toHaveLength(1);
    }
  });
});
