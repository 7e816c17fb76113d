import { expect, it } from 'vitest';
import { O_CREAT, O_RDWR } from '../../webview/kernel/abi/fcntl.ts';
import { BufferSink, BufferSource } from '../../webview/lib/transfer.ts';
import { retry, type Io } from '../../webview/lib/wait.ts';
import { e2fsck, mke2fs } from '../harness/e2fsprogs.ts';
import { mount, type Mounted } from '../harness/ext2.ts';
import { MemoryDevice } from '../harness/memoryDevice.ts';
import { Random } from '../harness/random.ts';
import { schedule } from '../harness/schedule.ts';

const seed = Number(process.env.EXT2_SEED ?? 20261124);
const workers = 6;
const steps = 2500;

/** Operations on few names, so that workers meet. */
function* operation({ vfs, root }: Mounted, random: Random): Io<unknown> {
  const directory = `/d${random.below(4)}`;
  const path = `${directory}/f${random.below(6)}`;
  const other = `/d${random.below(4)}/f${random.below(6)}`;
  switch (random.below(9)) {
    case 0: return yield* vfs.mkdir(root, vfs.root, random.chance(0.5) ? directory : path, 0o755);
    case 1: return yield* vfs.rmdir(root, vfs.root, random.chance(0.2) ? directory : path);
    case 2: return yield* vfs.unlink(root, vfs.root, path);
    case 3: return yield* vfs.rename(root, vfs.root, path, vfs.root, other, 0);
    case 4: return yield* vfs.symlink(root, vfs.root, path, 'target/'.repeat(20));
    case 5: {
      const place = yield* vfs.resolve(root, vfs.root, path, 0);
      return typeof place === 'number' ? place : yield* vfs.link(root, place, vfs.root, other);
    }
    default: {
      const file = yield* vfs.open(root, vfs.root, path, O_RDWR | O_CREAT, 0o644);
      if (typeof file === 'number') return file;
      for (let i = 0; i < 3; i++) {
        const position = random.below(random.chance(0.5) ? 5000 : 400_000);
        const bytes = new Uint8Array(1 + random.below(9000)).fill(file.inode.ino & 0xff);
        yield* retry(() => file.write(new BufferSource(bytes), position));
        const sink = new BufferSink(new Uint8Array(2000));
        yield* retry(() => file.read(sink, random.below(400_000)));
        // Each file holds its own number only: a page of another's would show.
        for (const byte of sink.taken) if (byte !== 0 && byte !== (file.inode.ino & 0xff)) throw new Error(`inode ${file.inode.ino} has a byte ${byte}`);
      }
      if (random.chance(0.3)) yield* file.inode.truncate(random.below(100_000));
      const closing = file.release();
      if (closing) yield* closing;
      return 0;
    }
  }
}

function* worker(mounted: Mounted, random: Random, isDone: () => boolean): Io<void> {
  while (!isDone()) yield* operation(mounted, random);
}

function* syncer(mounted: Mounted, isDone: () => boolean): Io<void> {
  while (!isDone()) expect(yield* mounted.fileSystem.sync()).toBe(0);
}

it(`ext2 under several tasks that wait in the middle of things is clean at every commit (EXT2_SEED=${seed})`, () => {
  const random = new Random(seed);
  const device = new MemoryDevice(mke2fs(8192, '-t', 'ext2', '-b', '1024', '-g', '2048', '-I', '128'));
  device.chunkSize = 8192;
  const mounted = mount(device.bytes, { device, frames: 96, dentryLimit: 12, options: { metadataLimit: 16 << 10, inodeLimit: 8 } });
  let count = 0;
  const isDone = (): boolean => ++count > steps;
  let checked = 0;
  device.onCommit = () => {
    if (device.commits % 40 !== 0) return;
    // What is open and has no name is on the list of orphans: a mount frees it, after which nothing is wrong.
    const copy = mount(device.bytes.slice());
    copy.run(copy.fileSystem.sync());
    expect(e2fsck(copy.device.bytes)).toBe('');
    checked++;
  };
  schedule([...Array.from({ length: workers }, () => worker(mounted, random, isDone)), syncer(mounted, isDone)], device, random);
  expect(mounted.run(mounted.fileSystem.sync())).toBe(0);
  expect(mounted.log).toEqual([]);
  expect(e2fsck(device.bytes)).toBe('');
  expect(checked).toBeGreaterThan(2);
});
