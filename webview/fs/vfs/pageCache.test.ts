import { beforeEach, describe, expect, it } from 'vitest';
import { mke2fs } from '../../../test/harness/e2fsprogs.ts';
import { mount, type Mounted } from '../../../test/harness/ext2.ts';
import { Errno } from '../../kernel/abi/errno.ts';
import { O_CREAT, O_RDWR } from '../../kernel/abi/fcntl.ts';
import { BufferSink, BufferSource } from '../../lib/transfer.ts';
import { retry } from '../../lib/wait.ts';
import type { OpenFile } from './openFile.ts';
import type { PagedInode } from './pagedFile.ts';

let mounted: Mounted;
let file: OpenFile;
const image = mke2fs(8192, '-t', 'ext2', '-b', '1024');

beforeEach(() => {
  mounted = mount(image.slice(), { frames: 256 });
  file = mounted.run(mounted.vfs.open(mounted.root, mounted.vfs.root, '/f', O_RDWR | O_CREAT, 0o644)) as OpenFile;
});

const write = (length: number, position: number, fill = 1): unknown => mounted.run(retry(() => file.write(new BufferSource(new Uint8Array(length).fill(fill)), position)));
const read = (length: number, position: number): Uint8Array => {
  const sink = new BufferSink(new Uint8Array(length));
  mounted.run(retry(() => file.read(sink, position)));
  return sink.taken;
};
const page = (index: number, forWrite: boolean): number => {
  const answer = mounted.run(retry(() => file.inode.page(index, forWrite)));
  if (typeof answer === 'number') throw new Error(`page ${index}: ${answer}`);
  return answer.frame;
};
const bytesOf = (frame: number): Uint8Array => mounted.cache.frames.bytes.subarray(frame * 4096, (frame + 1) * 4096);

describe('pages that are mapped', () => {
  it('show what was written, and what they get is read and stored', () => {
    write(6000, 0);
    const frame = page(1, true);
    expect([bytesOf(frame)[0], bytesOf(frame)[6000 - 4096]]).toEqual([1, 0]);
    bytesOf(frame)[5] = 77;
    file.inode.pageDirtied(1);
    expect(read(1, 4096 + 5)).toEqual(Uint8Array.of(77));
    write(1, 4096 + 6, 78);
    expect(bytesOf(frame)[6]).toBe(78);
    expect(mounted.run(mounted.fileSystem.sync())).toBe(0);
    const again = mount(mounted.device.bytes);
    const other = again.run(again.vfs.open(again.root, again.vfs.root, '/f', O_RDWR, 0)) as OpenFile;
    const sink = new BufferSink(new Uint8Array(2));
    other.read(sink, 4096 + 5);
    expect(sink.taken).toEqual(Uint8Array.of(77, 78));
  });

  it('get blocks for holes when they will be written to', () => {
    mounted.run(file.inode.truncate(100_000));
    expect(file.inode.blocks).toBe(0);
    page(3, false);
    expect(file.inode.blocks).toBe(0);
    page(3, true);
    expect(file.inode.blocks).toBe(8 + 2); // four blocks of data and one of pointers
    expect(file.inode.page(25, false)).toBe(-Errno.ENXIO);
  });

  it('are unmapped when the file is cut, and are zero behind its end when it grows again', () => {
    const gone: [number, number, boolean][] = [];
    mounted.cache.mappings = { collectDirty: () => {}, unmap: (_inode, first, end, copies) => gone.push([first, end, copies]) };
    write(12_000, 0);
    const frame = page(0, true);
    mounted.run(file.inode.truncate(100));
    // What is left of the cut page stays in private copies, but the next store to it is a fault: it may need blocks.
    expect(gone).toEqual([[1, Infinity, true], [0, 1, false]]);
    expect(bytesOf(frame)[100]).toBe(0);
    bytesOf(frame)[200] = 5; // a mapping may write behind the end
    mounted.run(file.inode.truncate(300));
    expect(read(300, 0)[200]).toBe(0);
  });

  it('are asked for their changes before they are stored', () => {
    write(4096, 0);
    mounted.run(mounted.fileSystem.sync());
    const frame = page(0, true);
    mounted.run(mounted.fileSystem.sync());
    bytesOf(frame)[0] = 9;
    mounted.cache.mappings = { collectDirty: (inode: PagedInode | undefined) => void (inode ?? file.inode).pageDirtied(0), unmap: () => {} };
    mounted.run(mounted.fileSystem.sync());
    mounted.cache.mappings = undefined;
    expect(mounted.device.bytes.includes(9)).toBe(true);
    expect(mounted.cache.dirtyPages).toBe(0);
  });
});

describe('memory pressure', () => {
  it('takes clean pages first, then dirty ones, never mapped ones', () => {
    for (let i = 0; i < 4; i++) write(100_000, i * 100_000, 3);
    const frame = page(2, false);
    mounted.cache.frames.retain(frame);
    expect(mounted.cache.dirtyPages).toBe(98);
    expect(mounted.cache.reclaim(1000)).toBe(97);
    expect(mounted.cache.cachedPages).toBe(1);
    expect(page(2, false)).toBe(frame);
    for (let i = 0; i < 4; i++) expect(read(100_000, i * 100_000).every(byte => byte === 3)).toBe(true);
  });

  it('lets files be larger than memory', () => {
    for (let i = 0; i < 30; i++) expect(write(100_000, i * 100_000, i + 1)).toBe(100_000);
    for (let i = 0; i < 30; i++) expect(read(1, i * 100_000 + 50_000)).toEqual(Uint8Array.of(i + 1));
  });

  it('loses nothing of a write that extends the file when its own pages must make room', () => {
    // Only mapped pages and those of the write are in memory.
    const held: number[] = [];
    for (let left = mounted.cache.frames.free - 8; left > 0; left--) held.push(mounted.cache.frames.allocate());
    expect(write(499, 0, 1)).toBe(499);
    expect(write(100_000, 499, 2)).toBe(100_000);
    for (const frame of held) mounted.cache.frames.release(frame);
    const taken = read(100_499, 0);
    expect([taken.length, taken.indexOf(2), taken.indexOf(0)]).toEqual([100_499, 499, -1]);
  });

  it('keeps what is written to a hole whose page was cut before', () => {
    mounted = mount(mke2fs(8192, '-t', 'ext2', '-b', '4096').slice(), { frames: 256 });
    file = mounted.run(mounted.vfs.open(mounted.root, mounted.vfs.root, '/f', O_RDWR | O_CREAT, 0o644)) as OpenFile;
    mounted.run(file.inode.truncate(5000));
    mounted.run(file.inode.truncate(499));
    expect(write(100, 499, 7)).toBe(100);
    mounted.run(mounted.fileSystem.sync());
    mounted.cache.reclaim(1000);
    expect(read(100, 499)).toEqual(new Uint8Array(100).fill(7));
  });

  it('reads ahead for who reads in order', () => {
    write(100_000, 0, 3);
    mounted.run(mounted.fileSystem.sync());
    mounted.cache.reclaim(1000);
    for (let i = 0; i < 6; i++) read(4096, i * 4096);
    expect((file.inode as PagedInode).pages.size).toBeGreaterThan(8);
  });
});

it('a source that faults leaves neither blocks behind the end nor bytes of others in holes', () => {
  const faulting = new BufferSource(new Uint8Array(10));
  const short = { remaining: 50_000, get: (into: Uint8Array, offset: number, length: number): number => faulting.get(into, offset, length) };
  expect(mounted.run(retry(() => file.write(short, 0)))).toBe(10);
  expect(file.inode.size).toBe(10);
  expect(file.inode.blocks).toBe(2);
});
