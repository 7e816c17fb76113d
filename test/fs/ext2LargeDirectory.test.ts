import { describe, expect, it } from 'vitest';
import { Errno } from '../../webview/kernel/abi/errno.ts';
import { O_CREAT, O_EXCL, O_WRONLY } from '../../webview/kernel/abi/fcntl.ts';
import { Walk } from '../../webview/fs/vfs/namespace.ts';
import { e2fsck, mke2fs } from '../harness/e2fsprogs.ts';
import { mount } from '../harness/ext2.ts';
import { MemoryDevice } from '../harness/memoryDevice.ts';
import { Random } from '../harness/random.ts';

const seed = Number(process.env.EXT2_SEED ?? 20261124);

describe('a directory of many blocks', () => {
  it(`has the names that were made in it and no others (EXT2_SEED=${seed})`, () => {
    const random = new Random(seed);
    const device = new MemoryDevice(mke2fs(16384, '-t', 'ext2', '-b', '1024', '-N', '4096'));
    device.chunkSize = 65536;
    // Few names are kept in memory: most have to be looked for in the directory.
    const { vfs, root, run, fileSystem } = mount(new Uint8Array(0), { device, dentryLimit: 64 });
    run(vfs.mkdir(root, vfs.root, '/d', 0o755));
    const names = new Set<string>();
    const some = (): string => `/d/a-name-of-some-length-${random.below(2500)}`;
    for (let i = 0; i < 12_000; i++) {
      const name = some();
      const has = names.has(name);
      switch (random.below(5)) {
        case 0: case 1: {
          const file = run(vfs.open(root, vfs.root, name, O_WRONLY | O_CREAT | O_EXCL, 0o644));
          expect(typeof file === 'number' ? file : 0, name).toBe(has ? -Errno.EEXIST : 0);
          if (typeof file !== 'number') {
            const closing = file.release();
            if (closing) run(closing);
          }
          names.add(name);
          break;
        }
        case 2:
          expect(run(vfs.unlink(root, vfs.root, name)), name).toBe(has ? 0 : -Errno.ENOENT);
          names.delete(name);
          break;
        case 3: {
          const to = some();
          expect(run(vfs.rename(root, vfs.root, name, vfs.root, to, 0)), `${name} ${to}`).toBe(has ? 0 : -Errno.ENOENT);
          if (has) {
            names.delete(name);
            names.add(to);
          }
          break;
        }
        default: {
          const found = run(vfs.resolve(root, vfs.root, name, Walk.follow));
          expect(typeof found === 'number' ? found : 0, name).toBe(has ? 0 : -Errno.ENOENT);
        }
      }
    }
    expect(run(fileSystem.sync())).toBe(0);
    expect(e2fsck(device.bytes)).toBe('');
  });
});
