import { describe, expect, it } from 'vitest';
import { e2fsck, mke2fs } from '../harness/e2fsprogs.ts';
import { mount } from '../harness/ext2.ts';
import { MemoryDevice } from '../harness/memoryDevice.ts';
import { Random } from '../harness/random.ts';
import { FileModel } from './fileModel.ts';

// EXT2_SEED=N repeats a run; EXT2_STEPS=N makes it longer.
const seed = Number(process.env.EXT2_SEED ?? 20261124);
const steps = Number(process.env.EXT2_STEPS ?? 1200);

interface Kind {
  name: string;
  kilobytes: number;
  args: string[];
  /** Frames of memory: few make the page cache work. */
  frames: number;
  /** The device makes the file system wait for chunks of this size, after each remount anew. */
  chunkSize?: number;
  maximumSize: number;
}

const kinds: Kind[] = [
  { name: '1 KiB blocks, filled up', kilobytes: 2048, args: ['-t', 'ext2', '-b', '1024', '-I', '128'], frames: 1024, maximumSize: 400_000 },
  { name: '2 KiB blocks, no directory index', kilobytes: 4096, args: ['-t', 'ext2', '-b', '2048', '-O', '^dir_index', '-I', '256'], frames: 1024, maximumSize: 700_000 },
  { name: '4 KiB blocks, several groups, little memory', kilobytes: 32768, args: ['-t', 'ext2', '-b', '4096', '-g', '2048', '-I', '256'], frames: 200, maximumSize: 1_500_000 },
  { name: 'revision 0', kilobytes: 4096, args: ['-t', 'ext2', '-b', '1024', '-r', '0'], frames: 1024, maximumSize: 300_000 },
  { name: 'a device that makes wait', kilobytes: 16384, args: ['-t', 'ext2', '-b', '1024', '-I', '256'], frames: 400, chunkSize: 65536, maximumSize: 500_000 },
];

describe(`random operations on ext2 (EXT2_SEED=${seed})`, () => {
  for (const [index, kind] of kinds.entries()) {
    it(`${kind.name}: agree with a model, and e2fsck finds nothing`, () => {
      const device = new MemoryDevice(mke2fs(kind.kilobytes, ...kind.args));
      const remount = (): ReturnType<typeof mount> => {
        const fresh = new MemoryDevice(device.bytes);
        fresh.chunkSize = kind.chunkSize ?? 0;
        return mount(device.bytes, { device: fresh, frames: kind.frames, dentryLimit: 60, options: { metadataLimit: 32 << 10, inodeLimit: 20 } });
      };
      let mounted = remount();
      const random = new Random(seed + index);
      const model = new FileModel(mounted, random, kind.maximumSize);
      model.extraNames = ['lost+found'];
      model.rootLinks = 1;
      for (let step = 1; step <= steps; step++) {
        try {
          model.step();
          if (step % 300 !== 0 && step !== steps) continue;
          model.compare();
          const closes = random.chance(0.7) || step === steps;
          if (closes) model.closeAll();
          expect(mounted.run(mounted.fileSystem.sync())).toBe(0);
          expect(mounted.log).toEqual([]);
          // With files open that have no name e2fsck would free them, as a mount does.
          if (closes) expect(e2fsck(device.bytes)).toBe('');
          if (!closes) continue;
          mounted = remount();
          model.remount(mounted);
          model.compare();
        } catch (error) {
          throw new Error(`seed ${seed + index}, step ${step}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      }
      expect([...model.counts.keys()].length).toBeGreaterThan(12);
    });
  }
});
