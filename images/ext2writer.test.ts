import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, ftruncateSync, linkSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layOutExt2, type Ext2Image, type Ext2Options } from './ext2writer.ts';
import { bytesContent, fromDirectory, type DirectoryNode, type TreeNode } from './tree.ts';

const mebibyte = 1 << 20;
const uuid = new Uint8Array(16).map((_, i) => i + 1);
const options: Ext2Options = { size: 300 * mebibyte, inodes: 20_000, uuid, hashSeed: uuid, label: 'test', date: 1_700_000_000 };

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'ext2writer-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes an image to a sparse file and returns its path. */
function save(image: Ext2Image, name: string): string {
  const path = join(scratch, name);
  const fd = openSync(path, 'w');
  const piece = new Uint8Array(mebibyte);
  const zeros = Buffer.alloc(mebibyte);
  for (let at = 0; at < image.size; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, image.size - at));
    if (image.read(at, part) && !zeros.subarray(0, part.length).equals(part)) writeSync(fd, part, 0, part.length, at);
  }
  ftruncateSync(fd, image.size);
  closeSync(fd);
  return path;
}

/** e2fsck -fn must say nothing but its five passes. */
function fsck(path: string): void {
  const run = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' });
  expect(run.stdout.split('\n').filter(line => !/^(Pass [1-5]|.*: \d+\/\d+ files)/.test(line)).join('\n').trim()).toBe('');
  expect(run.status).toBe(0);
}
const debugfs = (path: string, request: string): string => execFileSync('debugfs', ['-R', request, path], { encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });

const base = { permissions: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000 };
const directory = (entries: Record<string, TreeNode>): DirectoryNode => ({ kind: 'directory', ...base, permissions: 0o755, entries: new Map(Object.entries(entries)) });
/** A file of `size` bytes that differ from block to block, made without holding them. */
function patterned(size: number): TreeNode {
  return { kind: 'file', ...base, content: { size, read: (position, into) => { for (let i = 0; i < into.length; i++) into[i] = ((position + i) * 31 + ((position + i) >> 12)) & 0xff; } } };
}
const file = (text: string): TreeNode => ({ kind: 'file', ...base, content: bytesContent(Buffer.from(text, 'latin1')) });

describe('a directory of this machine', () => {
  let source = '';
  let image = '';
  beforeAll(() => {
    source = join(scratch, 'source');
    mkdirSync(join(source, 'a/b/c'), { recursive: true });
    writeFileSync(join(source, 'a/hello'), 'hello\n');
    linkSync(join(source, 'a/hello'), join(source, 'a/b/again'));
    chmodSync(join(source, 'a/hello'), 0o4751);
    utimesSync(join(source, 'a/hello'), 1_500_000_000, 1_500_000_001);
    writeFileSync(join(source, 'empty'), '');
    symlinkSync('x'.repeat(59), join(source, 'fast'));
    symlinkSync('y'.repeat(60), join(source, 'slow'));
    writeFileSync(Buffer.concat([Buffer.from(join(source, 'raw-')), Buffer.from([0xff, 0xe4])]), 'raw');
    for (let i = 0; i < 500; i++) writeFileSync(join(source, 'a/b/c', `file-with-a-rather-long-name-${i}`), `${i}`);
    execFileSync('mkfifo', [join(source, 'pipe')]);
    image = save(layOutExt2(fromDirectory(source), options), 'directory.ext2');
  });

  test('passes e2fsck', () => fsck(image));

  test('keeps modes, times, links and targets', () => {
    expect(debugfs(image, 'stat /a/hello')).toMatch(/Type: regular\s+Mode:\s+04751[\s\S]*Links: 2[\s\S]*mtime: 0x59682f01/);
    expect(debugfs(image, 'cat /a/b/again')).toBe('hello\n');
    expect(debugfs(image, 'stat /fast')).toMatch(/Type: symlink[\s\S]*Blockcount: 0[\s\S]*Fast link dest: "x{59}"/);
    expect(debugfs(image, 'stat /slow')).toMatch(/Type: symlink[\s\S]*Blockcount: 8/);
    expect(debugfs(image, 'stat /pipe')).toMatch(/Type: FIFO/);
    expect(debugfs(image, 'ls -p /')).toContain('/raw-\xff\xe4/');
    expect(debugfs(image, 'cat /a/b/c/file-with-a-rather-long-name-499')).toBe('499');
    expect(debugfs(image, 'ls -p /a/b/c').match(/file-with/g)).toHaveLength(500);
  });

  test('says what it is in the superblock', () => {
    const shown = execFileSync('dumpe2fs', ['-h', image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    expect(shown).toMatch(/Filesystem volume name:\s+test\n/);
    expect(shown).toMatch(/Filesystem UUID:\s+01020304-0506-0708-090a-0b0c0d0e0f10\n/);
    expect(shown).toMatch(/Filesystem features:\s+ext_attr filetype sparse_super large_file\n/);
    expect(shown).toMatch(/Filesystem state:\s+clean\n/);
  });

  test('gives the same bytes again', () => {
    expect(readFileSync(save(layOutExt2(fromDirectory(source), options), 'again.ext2')).equals(readFileSync(image))).toBe(true);
  });
});

test('files at the borders of direct, indirect and doubly indirect blocks read back', () => {
  const sizes = [1, 4095, 4096, 4097, 12 * 4096, 12 * 4096 + 1, 1036 * 4096, 1036 * 4096 + 1, 3000 * 4096 + 17];
  const path = save(layOutExt2(directory(Object.fromEntries(sizes.map(size => [`f${size}`, patterned(size)]))), options), 'sizes.ext2');
  fsck(path);
  for (const size of sizes) {
    const out = join(scratch, 'dumped');
    debugfs(path, `dump /f${size} ${out}`);
    const node = patterned(size);
    const expected = new Uint8Array(size);
    if (node.kind === 'file') node.content.read(0, expected);
    expect(readFileSync(out).equals(expected)).toBe(true);
  }
});

test('a file that crosses block groups passes e2fsck', () => {
  fsck(save(layOutExt2(directory({ big: patterned(200 * mebibyte), small: file('after') }), options), 'groups.ext2'));
});

test('a file over 2 GiB has its high size, and a triply indirect one passes e2fsck', () => {
  const holeSized: TreeNode = { kind: 'file', ...base, content: { size: 5 * 2 ** 30 + 1, read: () => undefined } };
  const path = save(layOutExt2(directory({ huge: holeSized }), { ...options, size: 6 * 2 ** 30 }), 'huge.ext2');
  fsck(path);
  expect(debugfs(path, 'stat /huge')).toMatch(/Size: 5368709121\n/);
});

test('device nodes keep small and large numbers, and large owners are whole', () => {
  const tree = directory({
    'null': { kind: 'char', ...base, major: 1, minor: 3 },
    'wide': { kind: 'block', ...base, major: 259, minor: 1025 },
    'owned': { kind: 'file', ...base, uid: 100_000, gid: 200_000, content: bytesContent(new Uint8Array(1)) },
  });
  const path = save(layOutExt2(tree, options), 'devices.ext2');
  fsck(path);
  expect(debugfs(path, 'stat /null')).toMatch(/character special[\s\S]*Device major\/minor number: 01:03/);
  expect(debugfs(path, 'stat /wide')).toMatch(/block special[\s\S]*\(New-style\) Device major\/minor number: 259:1025/);
  expect(debugfs(path, 'stat /owned')).toMatch(/User: 100000\s+Group: 200000/);
});

test('what a boot uses lies first, in the order of use', () => {
  const tree = directory({ a: patterned(50_000), usr: directory({ bin: directory({ sh: patterned(9000), other: patterned(9000) }), lib: directory({ c: patterned(9000) }) }) });
  const blockOf = (path: string, name: string): number => Number(/\(0(?:-\d+)?\):(\d+)/.exec(debugfs(path, `stat ${name}`))![1]);
  const image = layOutExt2(tree, { ...options, order: { boot: ['/usr/lib/c', '/usr/bin/sh', '/not/there'], later: [['/usr/bin/other']] } });
  const path = save(image, 'order.ext2');
  fsck(path);
  const blocks = ['/', '/usr', '/usr/lib', '/usr/lib/c', '/usr/bin', '/usr/bin/sh', '/usr/bin/other', '/lost+found', '/a'].map(name => blockOf(path, name));
  expect(blocks).toEqual([...blocks].sort((a, b) => a - b));
  const end = image.boot.at(-1)![1] / 4096;
  expect(end).toBeGreaterThan(blockOf(path, '/usr/bin/sh'));
  expect(end).toBeLessThanOrEqual(blockOf(path, '/usr/bin/other'));
  const later = blockOf(path, '/usr/bin/other');
  expect(image.together).toHaveLength(1);
  expect(image.together[0]!.some(([from, to]) => from <= later * 4096 && to > later * 4096)).toBe(true);
  expect(image.boot.some(([from, to]) => from <= later * 4096 && to > later * 4096)).toBe(false);
});

test('refuses what does not fit, with a sentence', () => {
  expect(() => layOutExt2(directory({ big: patterned(40 * mebibyte) }), { ...options, size: 32 * mebibyte, inodes: 100 })).toThrow(/do not fit into a disk/);
  expect(() => layOutExt2(directory(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, file('')]))), { ...options, inodes: 64 })).toThrow(/inodes/);
  expect(() => layOutExt2(directory({}), { ...options, size: 128 * mebibyte + 4096 })).toThrow(/last block group/);
});
