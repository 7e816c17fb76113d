/** Mutated ext2 images: mounts each, reads all that it finds, changes it, writes back. Nothing may be thrown and nothing may take long. */
import { MountFailure } from '../../webview/fs/ext2/layout.ts';
import type { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import type { Path } from '../../webview/fs/vfs/path.ts';
import { O_CREAT, O_RDONLY, O_RDWR, RENAME_EXCHANGE, SEEK_DATA, SEEK_HOLE } from '../../webview/kernel/abi/fcntl.ts';
import { toBytes } from '../../webview/lib/byteString.ts';
import { BufferSink, BufferSource } from '../../webview/lib/transfer.ts';
import { retry } from '../../webview/lib/wait.ts';
import { debugfs, mke2fs } from '../harness/e2fsprogs.ts';
import { mount, tryMount, type Mounted } from '../harness/ext2.ts';
import { Random } from '../harness/random.ts';

const blockSize = 1024;
// An image that takes longer than this counts as a hang.
const secondsPerImage = 5;
const interesting = [0, 1, 2, 3, 5, 7, 8, 10, 11, 12, 16, 255, 256, 1023, 1024, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];

/** A small image with one of everything. */
export function sampleImage(): Uint8Array {
  const mounted = mount(mke2fs(512, '-t', 'ext2', '-b', '1024', '-N', '64', '-I', '256', '-O', '^resize_inode'));
  const { vfs, root, run } = mounted;
  const write = (path: string, length: number, position = 0): void => {
    const file = run(vfs.open(root, vfs.root, path, O_RDWR | O_CREAT, 0o644)) as OpenFile;
    run(retry(() => file.write(new BufferSource(new Uint8Array(length).fill(65)), position)));
    const closing = file.release();
    if (closing) run(closing);
  };
  for (const name of ['/a', '/a/b', '/c']) run(vfs.mkdir(root, vfs.root, name, 0o755));
  write('/a/small', 100);
  write('/a/indirect', 20_000);
  write('/a/b/double', 3000, 290_000);
  write('/c/triple', 3000, 70_000_000);
  for (let i = 0; i < 12; i++) write(`/c/${'n'.repeat(100)}${i}`, 10);
  run(vfs.symlink(root, vfs.root, '/short', 'a/b'));
  run(vfs.symlink(root, vfs.root, '/long', 'l/'.repeat(60)));
  const place = run(vfs.resolve(root, vfs.root, '/a/small', 0)) as Path;
  run(place.dentry.inode!.setXattr('user.a', toBytes('1'), 0));
  run(place.dentry.inode!.setXattr('user.b', new Uint8Array(500), 0));
  write('/orphan', 5000);
  const orphan = run(vfs.open(root, vfs.root, '/orphan', O_RDONLY, 0)) as OpenFile;
  run(vfs.unlink(root, vfs.root, '/orphan'));
  run(mounted.fileSystem.sync());
  if (orphan.inode.linkCount !== 0) throw new Error('the sample has no orphan');
  return mounted.device.bytes;
}

/** Blocks that hold metadata: where mutations matter. */
function metadataBlocks(image: Uint8Array): number[] {
  const { output } = debugfs(image, ['stat <2>', 'blocks /a', 'blocks /a/b', 'blocks /c', 'blocks /a/indirect', 'blocks /a/b/double', 'blocks /c/triple', 'blocks /long']);
  const named = [...output.matchAll(/\b(\d{2,3})\b/g)].map(match => Number(match[1])).filter(block => block < image.length / blockSize);
  return [...new Set([...Array.from({ length: 24 }, (_, i) => i + 1), ...named])];
}

function mutate(image: Uint8Array, metadata: readonly number[], random: Random): Uint8Array {
  const bytes = image.slice();
  const view = new DataView(bytes.buffer);
  const count = 1 + random.below(random.chance(0.7) ? 4 : 40);
  for (let i = 0; i < count; i++) {
    const block = random.pick(metadata) * blockSize;
    // The superblock's fields lie in its first part.
    const offset = random.below(random.chance(0.2) ? 128 : blockSize);
    switch (random.below(7)) {
      case 0: bytes[block + offset] = random.below(256); break;
      case 1: bytes[block + offset]! ^= 1 << random.below(8); break;
      case 2: view.setUint32(block + (offset & ~3), random.pick(interesting), true); break;
      case 3: view.setUint32(block + (offset & ~3), random.pick(metadata), true); break;
      case 4: view.setUint16(block + (offset & ~1), random.pick(interesting) & 0xffff, true); break;
      case 5: bytes.copyWithin(block, random.pick(metadata) * blockSize, random.pick(metadata) * blockSize + blockSize); break;
      default: {
        // A block full of pointers to itself or to another.
        const target = random.chance(0.5) ? block / blockSize : random.pick(metadata);
        if (random.chance(0.3)) for (let at = 0; at < blockSize; at += 4) view.setUint32(block + at, target, true);
        else view.setUint32(block + (offset & ~3), target, true);
      }
    }
  }
  return bytes.subarray(0, random.chance(0.02) ? 1024 * random.below(512) : bytes.length);
}

/** Reads what can be reached, at most some hundred names. */
function* paths(mounted: Mounted): Generator<string> {
  const { run, vfs, root } = mounted;
  const left = [''];
  let budget = 150;
  for (let path = left.shift(); path !== undefined && budget > 0; path = left.shift()) {
    const place = run(vfs.resolve(root, vfs.root, path || '/', 0));
    yield path || '/';
    budget--;
    if (typeof place === 'number' || !place.dentry.inode!.isDirectory || path.length > 600) continue;
    for (let from = 0, calls = 0; calls < 600; calls++) {
      const entries = run(place.dentry.inode!.readDirectory(from, place));
      if (typeof entries === 'number' || entries.length === 0) break;
      for (const entry of entries) if (entry.name !== '.' && entry.name !== '..' && left.length < 300) left.push(`${path}/${entry.name}`);
      const { next } = entries[entries.length - 1]!;
      if (next <= from) throw new Error(`readdir of ${path} goes from ${from} to ${next}`);
      from = next;
    }
  }
}

function readAll(mounted: Mounted, path: string, random: Random): void {
  const { run, vfs, root } = mounted;
  const place = run(vfs.resolve(root, vfs.root, path, 0));
  if (typeof place === 'number') return;
  const inode = place.dentry.inode!;
  if (inode.isSymlink) run(vfs.readlink(root, place));
  const names = run(inode.listXattr());
  if (typeof names !== 'number') for (const name of names) run(inode.getXattr(name));
  if (!inode.isRegular) return;
  const file = run(vfs.openPath(root, place, O_RDONLY));
  if (typeof file === 'number') return;
  for (let i = 0; i < 6; i++) {
    const position = i === 0 ? 0 : Math.floor(random.below(2 ** 31) / 2 ** 31 * inode.size);
    run(retry(() => file.read(new BufferSink(new Uint8Array(9000)), position)));
    run(retry(() => inode.page(Math.floor(position / 4096), false)));
  }
  run(file.seek(0, SEEK_HOLE));
  run(file.seek(1, SEEK_DATA));
  const closing = file.release();
  if (closing) run(closing);
}

function changeSome(mounted: Mounted, found: readonly string[], random: Random): void {
  const { run, vfs, root } = mounted;
  for (let i = 0; i < 12; i++) {
    const path = random.pick(found);
    const other = random.chance(0.5) ? random.pick(found) : `${path}/new${i}`;
    switch (random.below(8)) {
      case 0: run(vfs.unlink(root, vfs.root, path)); break;
      case 1: run(vfs.rmdir(root, vfs.root, path)); break;
      case 2: run(vfs.rename(root, vfs.root, path, vfs.root, other, random.chance(0.3) ? RENAME_EXCHANGE : 0)); break;
      case 3: run(vfs.mkdir(root, vfs.root, other, 0o755)); break;
      case 4: run(vfs.symlink(root, vfs.root, other, 'x'.repeat(random.below(200)))); break;
      default: {
        const file = run(vfs.open(root, vfs.root, random.chance(0.6) ? path : other, O_RDWR | O_CREAT, 0o644));
        if (typeof file === 'number') break;
        const size = Math.floor(file.inode.size);
        const bytes = new Uint8Array(random.below(8000)).fill(66);
        run(retry(() => file.write(new BufferSource(bytes), random.below(Math.max(1, Math.min(size, 2 ** 31))))));
        if (random.chance(0.4)) run(file.inode.truncate(random.below(2) * random.below(100_000)));
        if (random.chance(0.3)) run(file.inode.allocate(3, random.below(10_000), random.below(2 ** 31)));
        run(file.inode.setXattr('user.new', bytes.subarray(0, 300), 0));
        const closing = file.release();
        if (closing) run(closing);
      }
    }
  }
}

/** Tries `count` images; throws with the seed at the first that does harm. Returns how many could be mounted, and in how many damage was seen. */
export function fuzzExt2(count: number, seed: number, sample = sampleImage()): { mounted: number; damaged: number; slowest: number } {
  const metadata = metadataBlocks(sample);
  let mountedCount = 0;
  let damaged = 0;
  let slowest = 0;
  for (let i = 0; i < count; i++) {
    const random = new Random(seed + i);
    const started = performance.now();
    try {
      const mounted = tryMount(mutate(sample, metadata, random), { frames: 64 });
      if (!(mounted instanceof MountFailure)) {
        mountedCount++;
        const found: string[] = [];
        for (const path of paths(mounted)) {
          found.push(path);
          readAll(mounted, path, random);
        }
        mounted.fileSystem.statistics();
        changeSome(mounted, found, random);
        mounted.run(mounted.vfs.syncAll());
        if (mounted.log.some(line => line.includes('damaged'))) damaged++;
        for (const line of mounted.log) if (line.includes('\n') || line.length > 300) throw new Error(`a log line is no line: ${line}`);
      }
    } catch (error) {
      throw new Error(`mutated ext2 image, seed ${seed + i}`, { cause: error });
    }
    const seconds = (performance.now() - started) / 1000;
    slowest = Math.max(slowest, seconds);
    if (seconds > secondsPerImage) throw new Error(`mutated ext2 image, seed ${seed + i}: took ${seconds.toFixed(1)} s`);
  }
  return { mounted: mountedCount, damaged, slowest };
}
