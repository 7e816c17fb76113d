import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChunkedDevice } from '../webview/fs/block/chunkedDevice.ts';
import { imageId, manifestFormat, writeManifest, type Manifest } from '../webview/fs/block/manifest.ts';
import { Errno } from '../webview/kernel/abi/errno.ts';
import { retry, runAsync } from '../webview/lib/wait.ts';
import { exportDisk, openDisk, type OpenedDisk } from '../webview/vm/node/disk.ts';
import { chunksOf, writeChunks } from './chunker.ts';
import { layOutExt2, type Ext2Image } from './ext2writer.ts';
import { formatOrder, layoutOrder, readOrder } from './order.ts';
import { licenceNames } from './packages.ts';
import { fromDirectory } from './tree.ts';

const chunkSize = 64 * 1024;
let scratch = '';
let image: Ext2Image;
let folder = '';
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'image-'));
  const source = join(scratch, 'source/d');
  mkdirSync(source, { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(join(source, `f${i}`), Buffer.alloc(i * 5000, `content ${i} `));
  const uuid = Buffer.alloc(16, 7);
  image = layOutExt2(fromDirectory(join(scratch, 'source')), { size: 40 << 20, inodes: 1000, uuid, hashSeed: uuid, label: 'test', date: 1_700_000_000, order: { boot: ['/d/f30'], later: [] } });
  folder = await make('good');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes the image as chunks and a manifest into a folder of its own. */
async function make(name: string): Promise<string> {
  const target = join(scratch, name);
  const { files, chunks } = await writeChunks(image, chunkSize, target);
  const manifest: Manifest = {
    format: manifestFormat, name, recipe: 'test', recipeHash: '0'.repeat(64), id: imageId({ size: image.size, chunkSize, chunks }), date: 1_700_000_000, size: image.size,
    blockSize: 4096, chunkSize, compression: 'deflate-raw', boot: chunksOf(image.boot, chunkSize, chunks), files, chunks, packages: [],
  };
  writeFileSync(join(target, 'manifest.json'), writeManifest(manifest));
  return target;
}
const opened = (disk: OpenedDisk | string): OpenedDisk => {
  if (typeof disk === 'string') throw new Error(disk);
  return disk;
};
const expected = (): Buffer => {
  const bytes = Buffer.alloc(image.size);
  image.read(0, bytes);
  return bytes;
};

test('a chunked image exports to the same bytes, and e2fsck finds nothing', async () => {
  const path = join(scratch, 'exported.ext2');
  expect(exportDisk(opened(await openDisk(folder, scratch, () => undefined)).device, path)).toBe(0);
  expect(readFileSync(path).equals(expected())).toBe(true);
  expect(spawnSync('e2fsck', ['-fn', path]).status).toBe(0);
  const raw = opened(await openDisk(path, scratch, () => undefined));
  const into = new Uint8Array(8192);
  expect(raw.device.read(1024, into)).toBe(0);
  expect(Buffer.from(into).equals(expected().subarray(1024, 9216))).toBe(true);
});

test('two writings are the same files', async () => {
  const again = await make('again');
  for (const name of readdirSync(folder).filter(file => file.endsWith('.bin'))) expect(readFileSync(join(again, name)).equals(readFileSync(join(folder, name)))).toBe(true);
});

describe('over HTTP', () => {
  let server: Server;
  let ranges = true;
  beforeAll(async () => {
    server = createServer((request, response) => {
      try {
        const bytes = readFileSync(join(folder, request.url!.slice(1)));
        const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
        if (range === null || !ranges) response.end(bytes);
        else response.writeHead(206).end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  test.each([true, false])('reads with Range honoured: %s', async honoured => {
    ranges = honoured;
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { device } = opened(await openDisk(`${address}/manifest.json`, scratch, () => undefined));
    const bytes = expected();
    for (const [position, length] of [[0, 8192], [700_000 - (700_000 % 512), 300_032]] as const) {
      const into = new Uint8Array(length);
      expect(await runAsync(retry(() => device.read(position, into)))).toBe(0);
      expect(Buffer.from(into).equals(bytes.subarray(position, position + length))).toBe(true);
    }
    expect(await openDisk(`${address}/nothing.json`, scratch, () => undefined)).toMatch(/the server answered 404/);
  });
});

describe('what is wrong with an image is an errno and a line, or a sentence', () => {
  test('no such image, no such file, no manifest', async () => {
    expect(await openDisk('nothing', scratch, () => undefined)).toMatch(/^There is no disk image "nothing"\./);
    expect(await openDisk(join(scratch, 'nothing.ext2'), scratch, () => undefined)).toMatch(/can't be opened: ENOENT/);
    writeFileSync(join(scratch, 'bad.json'), '{"format": 1}');
    expect(await openDisk(join(scratch, 'bad.json'), scratch, () => undefined)).toMatch(/manifest is damaged: "name" is missing/);
  });

  test.each<[string, (file: string) => void]>([
    ['missing', file => rmSync(file)],
    ['truncated', file => truncateSync(file, 10)],
    ['overwritten', file => writeFileSync(file, Buffer.alloc(statSync(file).size, 0x5a))],
  ])('a chunk file that is %s', async (name, damage) => {
    const target = await make(name);
    damage(join(target, 'chunks-000.bin'));
    const lines: string[] = [];
    const { device } = opened(await openDisk(target, scratch, line => lines.push(line)));
    expect(device.read(0, new Uint8Array(4096))).toBe(-Errno.EIO);
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^Disk "${name}": chunk 0 \\(chunks-000.bin at 0, `))]);
  });
});

test('the chunks of a boot hold the superblock, the inode and the file', async () => {
  const { manifest, chunked } = opened(await openDisk(folder, scratch, () => undefined));
  expect(chunked).toBeInstanceOf(ChunkedDevice);
  expect(manifest!.boot[0]).toBe(0);
  const at = expected().indexOf('content 30 content 30');
  expect(manifest!.boot).toContain(Math.floor(at / chunkSize));
  expect(manifest!.boot.length).toBeLessThan(manifest!.chunks.length);
});

test('an order file is read as it was written, and unknown paths are left out', () => {
  const order = { boot: ['/a', '/b'], later: [['/c'], ['/d', '/e']] };
  expect(readOrder(formatOrder(order))).toEqual(order);
  expect(readOrder('')).toEqual({ boot: [], later: [] });
  const tree = fromDirectory(join(scratch, 'source'));
  expect(layoutOrder(tree, { boot: ['/gone'], later: [] }).bootCount).toBe(0);
  // The root, d and its files.
  expect(layoutOrder(tree, { boot: ['/d/f3'], later: [['/d/f3'], ['/d/f4']] }).nodes).toHaveLength(42);
});

test('licences by DEP 5 fields, by common-licenses, by wording', () => {
  expect(licenceNames('Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+\n\nFiles: x\nLicense: Expat\n text\n')).toEqual(['Expat', 'GPL-3+']);
  expect(licenceNames('On Debian systems see /usr/share/common-licenses/GPL-2.')).toEqual(['GPL-2']);
  expect(licenceNames('Permission is hereby granted, free of charge, to any person')).toEqual(['Expat']);
  expect(licenceNames('All rights reserved.')).toEqual(['see its copyright file']);
});
