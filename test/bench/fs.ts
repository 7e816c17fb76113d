/** Speed of VFS, page cache and ext2 in memory: `node scripts/ts.mjs test/bench/fs.ts`. */
import type { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import { Walk } from '../../webview/fs/vfs/namespace.ts';
import { O_CREAT, O_RDWR } from '../../webview/kernel/abi/fcntl.ts';
import type { Sink, Source } from '../../webview/lib/transfer.ts';
import { retry } from '../../webview/lib/wait.ts';
import { mke2fs } from '../harness/e2fsprogs.ts';
import { mount } from '../harness/ext2.ts';

const mounted = mount(mke2fs(262_144, '-t', 'ext2', '-b', '4096', '-I', '256'), { frames: 65_536 });
const { vfs, root, run } = mounted;

function measure(name: string, count: number, work: () => void, unit = 'ns'): void {
  for (let i = 0; i < count / 5; i++) work();
  const started = performance.now();
  for (let i = 0; i < count; i++) work();
  const each = ((performance.now() - started) / count) * 1e6;
  console.log(`${name.padEnd(46)} ${unit === 'ns' ? `${each.toFixed(0)} ns` : `${Math.round(1e9 / each)} /s`}`);
}

const scratch = new Uint8Array(1 << 20);
class Buffered implements Sink, Source {
  remaining = 0;
  put(from: Uint8Array, offset: number, length: number): number {
    scratch.set(from.subarray(offset, offset + length));
    this.remaining -= length;
    return length;
  }
  zero(length: number): number {
    this.remaining -= length;
    return length;
  }
  get(into: Uint8Array, offset: number, length: number): number {
    into.set(scratch.subarray(0, length), offset);
    this.remaining -= length;
    return length;
  }
}

for (const name of ['/usr', '/usr/lib', '/usr/lib/python3']) run(vfs.mkdir(root, vfs.root, name, 0o755));
const file = run(vfs.open(root, vfs.root, '/usr/lib/python3/os.py', O_RDWR | O_CREAT, 0o644)) as OpenFile;
const transfer = new Buffered();
transfer.remaining = 1 << 20;
run(retry(() => file.write(transfer, 0)));

measure('resolveCached /usr/lib/python3/os.py', 2_000_000, () => vfs.resolveCached(root, vfs.root, '/usr/lib/python3/os.py', Walk.follow));
measure('resolveCached of a name that is not there', 2_000_000, () => vfs.resolveCached(root, vfs.root, '/usr/lib/nothing', Walk.follow));
let at = 0;
measure('read 4 KiB, cached', 1_000_000, () => {
  transfer.remaining = 4096;
  file.read(transfer, at = (at + 4096) & 0xfffff);
});
measure('read 1 byte, cached', 2_000_000, () => {
  transfer.remaining = 1;
  file.read(transfer, at = (at + 1) & 0xfffff);
});
measure('read 1 MiB, cached', 500, () => {
  transfer.remaining = 1 << 20;
  file.read(transfer, 0);
});
measure('overwrite 4 KiB, cached', 500_000, () => {
  transfer.remaining = 4096;
  file.write(transfer, at = (at + 4096) & 0xfffff);
});
measure('open and close', 300_000, () => {
  (run(vfs.open(root, vfs.root, '/usr/lib/python3/os.py', 0, 0)) as OpenFile).release();
});
let serial = 0;
measure('create, close, unlink', 20_000, () => {
  const path = `/usr/t${serial++}`;
  (run(vfs.open(root, vfs.root, path, O_RDWR | O_CREAT, 0o644)) as OpenFile).release();
  run(vfs.unlink(root, vfs.root, path));
}, '/s');
measure('mkdir, rmdir', 10_000, () => {
  const path = `/usr/d${serial++}`;
  run(vfs.mkdir(root, vfs.root, path, 0o755));
  run(vfs.rmdir(root, vfs.root, path));
}, '/s');
measure('create a file of 4 KiB, 10000 in one directory', 8000, () => {
  const made = run(vfs.open(root, vfs.root, `/usr/lib/f${serial++}`, O_RDWR | O_CREAT, 0o644)) as OpenFile;
  transfer.remaining = 4096;
  run(retry(() => made.write(transfer, 0)));
  made.release();
}, '/s');
measure('sync with 64 dirty pages', 200, () => {
  transfer.remaining = 64 * 4096;
  file.write(transfer, 0);
  run(mounted.fileSystem.sync());
}, '/s');
