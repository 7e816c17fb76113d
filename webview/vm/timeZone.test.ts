import { beforeEach, expect, it } from 'vitest';
import { superuser } from '../../test/harness/callers.ts';
import { MemoryFrames } from '../../test/harness/memoryFrames.ts';
import { Tmpfs } from '../fs/tmpfs.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import { PageCache } from '../fs/vfs/pageCache.ts';
import { Vfs } from '../fs/vfs/vfs.ts';
import { Errno } from '../kernel/abi/errno.ts';
import { O_CREAT, O_WRONLY } from '../kernel/abi/fcntl.ts';
import { runNow } from '../lib/wait.ts';
import { setTimeZone } from './timeZone.ts';

let vfs: Vfs;
let root: Caller;

beforeEach(() => {
  const now = () => ({ seconds: 1, nanoseconds: 0 });
  vfs = new Vfs({ root: new Tmpfs({ device: 1, cache: new PageCache(new MemoryFrames(64)), now, mode: 0o755 }), source: 'tmpfs', now });
  root = superuser(vfs.root);
  for (const path of ['/etc', '/usr', '/usr/share', '/usr/share/zoneinfo', '/usr/share/zoneinfo/Europe']) expect(runNow(vfs.mkdir(root, vfs.root, path, 0o755))).toBe(0);
  for (const zone of ['Europe/Berlin', 'UTC']) {
    const file = runNow(vfs.open(root, vfs.root, `/usr/share/zoneinfo/${zone}`, O_WRONLY | O_CREAT, 0o644));
    if (typeof file === 'number') throw new Error(String(file));
    file.release();
  }
});

const localtime = (): string | number => {
  const place = runNow(vfs.resolve(root, vfs.root, '/etc/localtime', 0));
  return typeof place === 'number' ? place : runNow(vfs.readlink(root, place));
};

it('lets /etc/localtime lead to the zone, whatever it was', () => {
  expect(runNow(setTimeZone(vfs, root, 'Europe/Berlin'))).toBe(0);
  expect(localtime()).toBe('/usr/share/zoneinfo/Europe/Berlin');
  expect(runNow(setTimeZone(vfs, root, 'UTC'))).toBe(0);
  expect(runNow(setTimeZone(vfs, root, 'UTC'))).toBe(0);
  expect(localtime()).toBe('/usr/share/zoneinfo/UTC');
});

it('leaves it for a zone that is unknown or no name', () => {
  expect(runNow(setTimeZone(vfs, root, ''))).toBe(0);
  expect(runNow(setTimeZone(vfs, root, 'Mars/Olympus'))).toBe(-Errno.ENOENT);
  expect(runNow(setTimeZone(vfs, root, 'Europe'))).toBe(-Errno.ENOENT);
  expect(runNow(setTimeZone(vfs, root, '../../etc/passwd'))).toBe(-Errno.EINVAL);
  expect(localtime()).toBe(-Errno.ENOENT);
});
