import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, lstatSync, rmSync, symlinkSync, truncateSync, writeFileSync, linkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MountFailure } from '../../webview/fs/ext2/layout.ts';
import type { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import type { Path } from '../../webview/fs/vfs/path.ts';
import { Errno } from '../../webview/kernel/abi/errno.ts';
import { O_CREAT, O_RDONLY, O_RDWR, SEEK_DATA, SEEK_HOLE } from '../../webview/kernel/abi/fcntl.ts';
import { toBytes } from '../../webview/lib/byteString.ts';
import { BufferSink, BufferSource } from '../../webview/lib/transfer.ts';
import { retry } from '../../webview/lib/wait.ts';
import { debugfs, e2fsck, mke2fs, repaired } from '../harness/e2fsprogs.ts';
import { mount, tryMount, type Mounted } from '../harness/ext2.ts';
import { MemoryDevice } from '../harness/memoryDevice.ts';
import { Random } from '../harness/random.ts';

let source: string;

beforeAll(() => {
  source = mkdtempSync(join(tmpdir(), 'e2-source-'));
  chmodSync(source, 0o755);
  const random = new Random(7);
  for (const name of ['a', 'a/b', 'a/b/c', 'many', 'empty']) mkdirSync(join(source, name));
  for (const size of [0, 1, 1023, 4096, 12 * 1024, 12 * 1024 + 1, 70_000, 300_000]) writeFileSync(join(source, 'a', `f${size}`), random.bytes(size));
  for (let i = 0; i < 700; i++) writeFileSync(join(source, 'many', `${i}-${'x'.repeat(random.below(100))}`), `${i}`);
  symlinkSync('a/b', join(source, 'short'));
  symlinkSync('long/'.repeat(60), join(source, 'a/long'));
  writeFileSync(join(source, 'sparse'), 'head');
  truncateSync(join(source, 'sparse'), 5_000_000);
  linkSync(join(source, 'a/f70000'), join(source, 'a/b/hard'));
});

afterAll(() => rmSync(source, { recursive: true }));

const resolve = ({ run, vfs, root }: Mounted, path: string): Path => {
  const place = run(vfs.resolve(root, vfs.root, path, 0));
  if (typeof place === 'number') throw new Error(`${path}: ${place}`);
  return place;
};

const open = ({ run, vfs, root }: Mounted, path: string, flags: number): OpenFile => {
  const file = run(vfs.open(root, vfs.root, path, flags, 0o644));
  if (typeof file === 'number') throw new Error(`${path}: ${file}`);
  return file;
};

const close = ({ run }: Mounted, file: OpenFile): void => {
  const closing = file.release();
  if (closing) run(closing);
};

const write = (mounted: Mounted, path: string, bytes: Uint8Array, position = 0): void => {
  const file = open(mounted, path, O_RDWR | O_CREAT);
  expect(mounted.run(retry(() => file.write(new BufferSource(bytes), position)))).toBe(bytes.length);
  close(mounted, file);
};

const read = (mounted: Mounted, path: string): Uint8Array => {
  const file = open(mounted, path, O_RDONLY);
  const bytes = new Uint8Array(file.inode.size);
  for (let at = 0; at < bytes.length;) {
    const got = mounted.run(retry(() => file.read(new BufferSink(bytes.subarray(at)), at)));
    if (got <= 0) throw new Error(`${path}: ${got}`);
    at += got;
  }
  close(mounted, file);
  return bytes;
};

const list = ({ run }: Mounted, place: Path): string[] => {
  const names: string[] = [];
  for (let from = 0; ;) {
    const entries = run(place.dentry.inode!.readDirectory(from, place));
    if (typeof entries === 'number') throw new Error(`readdir: ${entries}`);
    if (entries.length === 0) return names.sort();
    names.push(...entries.map(entry => entry.name));
    from = entries[entries.length - 1]!.next;
  }
};

/** Compares a mounted tree with a folder of the host. */
function compare(mounted: Mounted, path: string): void {
  const host = join(source, path);
  const status = lstatSync(host);
  const place = resolve(mounted, path || '/');
  const inode = place.dentry.inode!;
  expect({ path, mode: inode.mode, links: inode.linkCount }).toEqual({ path, mode: status.mode, links: status.nlink + (path === '' ? 1 : 0) });
  if (status.isSymbolicLink()) expect(mounted.run(mounted.vfs.readlink(mounted.root, place))).toBe(readlinkSync(host));
  if (status.isFile()) expect(Buffer.compare(read(mounted, path), readFileSync(host)), path).toBe(0);
  if (!status.isDirectory()) return;
  const names = readdirSync(host);
  expect(list(mounted, place)).toEqual(['.', '..', ...names, ...(path === '' ? ['lost+found'] : [])].sort());
  for (const name of names) compare(mounted, `${path}/${name}`);
}

const variants: Record<string, string[]> = {
  '1 KiB blocks, small inodes': ['-t', 'ext2', '-b', '1024', '-I', '128'],
  '2 KiB blocks': ['-t', 'ext2', '-b', '2048'],
  '4 KiB blocks': ['-t', 'ext2', '-b', '4096', '-I', '256'],
  'no file types, no sparse_super, no resize inode': ['-t', 'ext2', '-b', '1024', '-O', '^filetype,^sparse_super,^resize_inode'],
  'revision 0': ['-t', 'ext2', '-b', '1024', '-r', '0'],
  'many groups': ['-t', 'ext2', '-b', '1024', '-g', '1024'],
  'no directory index': ['-t', 'ext2', '-b', '4096', '-O', '^dir_index,^ext_attr'],
  'sparse_super2': ['-t', 'ext2', '-b', '1024', '-g', '1024', '-O', 'sparse_super2,^resize_inode'],
};

describe('images made by mke2fs', () => {
  for (const [name, args] of Object.entries(variants)) {
    it(`are read alike and stay clean when written to: ${name}`, () => {
      let image = mke2fs(16384, ...args, '-d', source);
      const mounted = mount(image);
      compare(mounted, '');
      expect(mounted.log).toEqual([]);
      for (let i = 0; i < 300; i++) write(mounted, `/many/new${i}`, toBytes(`text ${i}`));
      for (let i = 0; i < 700; i += 2) {
        const entry = list(mounted, resolve(mounted, '/many')).find(found => found.startsWith(`${i}-`))!;
        if (i < 100) expect(mounted.run(mounted.vfs.unlink(mounted.root, mounted.vfs.root, `/many/${entry}`))).toBe(0);
      }
      expect(mounted.run(mounted.fileSystem.sync())).toBe(0);
      image = mounted.device.bytes;
      expect(e2fsck(image)).toBe('');
      expect(debugfs(image, ['cat /many/new17']).output).toContain('text 17');
    });
  }

  it('with indexed directories are read, and lose the index when written to', () => {
    const image = repaired(mke2fs(16384, '-t', 'ext2', '-b', '1024', '-d', source), '-fyD');
    expect(debugfs(image, ['stat /many']).output).toMatch(/Flags: 0x1000/);
    const mounted = mount(image);
    compare(mounted, '');
    for (let i = 0; i < 50; i++) write(mounted, `/many/${'new'.repeat(20)}${i}`, toBytes('x'));
    mounted.run(mounted.fileSystem.sync());
    expect(e2fsck(image)).toBe('');
    expect(debugfs(image, ['stat /many']).output).toMatch(/Flags: 0x0/);
    expect(list(mount(image), resolve(mount(image), '/many')).length).toBe(752);
  });

  it('are refused with a sentence when they need more than we have', () => {
    const refusal = (...args: string[]): string => {
      const failure = tryMount(mke2fs(16384, ...args));
      return failure instanceof MountFailure ? failure.message : 'mounted';
    };
    expect(refusal('-t', 'ext4')).toMatch(/features that aren't supported: .*extents/);
    expect(refusal('-t', 'ext2', '-O', '64bit,extents')).toMatch(/64bit/);
    expect(refusal('-t', 'ext2', '-O', 'meta_bg,^resize_inode')).toMatch(/meta_bg/);
    const image = mke2fs(4096, '-t', 'ext2');
    const small = tryMount(image.slice(0, 2 << 20));
    expect(small instanceof MountFailure && small.message).toMatch(/larger \(.*than its device/);
    expect((tryMount(new Uint8Array(100_000)) as MountFailure).message).toMatch(/no ext2/);
    expect((tryMount(new Uint8Array(1000)) as MountFailure).errno).toBe(Errno.EINVAL);
  });

  it('are mounted read-only when a feature may only be read', () => {
    const mounted = mount(mke2fs(4096, '-t', 'ext2', '-O', 'huge_file'));
    expect(mounted.fileSystem.readOnly).toBe(true);
    expect(mounted.log.join()).toMatch(/read-only.*huge_file/);
    expect(mounted.run(mounted.vfs.mkdir(mounted.root, mounted.vfs.root, '/d', 0o755))).toBe(-Errno.EROFS);
  });
});

describe('what we write', () => {
  it('is what debugfs sees', () => {
    const mounted = mount(mke2fs(8192, '-t', 'ext2', '-I', '256'));
    const { vfs, root, run, device } = mounted;
    write(mounted, '/f', toBytes('contents\n'));
    run(vfs.symlink(root, vfs.root, '/short', 'f'));
    run(vfs.symlink(root, vfs.root, '/long', 'long/'.repeat(100)));
    run(vfs.mknod(root, vfs.root, '/null', 0o020666, 0x0103));
    run(vfs.mkdir(root, vfs.root, '/d', 0o755));
    run(vfs.setAttributes(root, resolve(mounted, '/f'), { uid: 70_000, gid: 80_000, mtime: { seconds: 5_000_000_000, nanoseconds: 123_456_789 } }));
    const { inode } = resolve(mounted, '/f').dentry;
    expect(run(inode!.setXattr('user.small', toBytes('value'), 0))).toBe(0);
    expect(run(inode!.setXattr('user.big', new Uint8Array(600).fill(66), 0))).toBe(0);
    run(mounted.fileSystem.sync());
    expect(e2fsck(device.bytes)).toBe('');
    const { output } = debugfs(device.bytes, ['cat /f', 'stat /f', 'stat /short', 'stat /null', 'ea_get /f user.small', 'ea_list /f', 'stat /d']);
    expect(output).toContain('contents\n');
    expect(output).toMatch(/User: 70000 +Group: 80000/);
    expect(output).toContain('Fast link dest: "f"');
    expect(output).toMatch(/major\/minor number: 01:03/);
    expect(output).toContain('value');
    expect(output).toMatch(/user.big \(600\)/);
    const again = mount(device.bytes);
    const file = resolve(again, '/f').dentry.inode!;
    expect(file.mtime).toEqual({ seconds: 5_000_000_000, nanoseconds: 123_456_789 });
    expect(Buffer.from(again.run(file.getXattr('user.big')) as Uint8Array).toString()).toBe('B'.repeat(600));
    expect(again.run(again.vfs.readlink(again.root, resolve(again, '/long')))).toBe('long/'.repeat(100));
  });

  it('reads attributes that debugfs set, and ACLs', () => {
    const made = debugfs(mke2fs(4096, '-t', 'ext2', '-I', '128', '-d', join(source, 'a/b')), ['ea_set /hard user.k v', 'ea_set /hard security.x y'], { write: true });
    const mounted = mount(made.image);
    const inode = resolve(mounted, '/hard').dentry.inode!;
    expect(mounted.run(inode.listXattr())).toEqual(['user.k', 'security.x']);
    const acl = Uint8Array.from([2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 5, 0, 255, 255, 255, 255]);
    expect(mounted.run(inode.setXattr('system.posix_acl_access', acl, 0))).toBe(0);
    mounted.run(mounted.fileSystem.sync());
    expect(e2fsck(mounted.device.bytes)).toBe('');
    const again = mount(mounted.device.bytes);
    expect(again.run(resolve(again, '/hard').dentry.inode!.getXattr('system.posix_acl_access'))).toEqual(acl);
    expect(again.run(resolve(again, '/hard').dentry.inode!.removeXattr('user.none'))).toBe(-Errno.ENODATA);
  });

  it('may be larger than 2 and 4 GiB, up to the triply indirect block', () => {
    const mounted = mount(mke2fs(8192, '-t', 'ext2', '-b', '1024'));
    for (const [index, position] of [3 * 2 ** 30, 5 * 2 ** 30, 12 * 2 ** 30].entries()) {
      write(mounted, `/big${index}`, toBytes('far'), position);
      const file = open(mounted, `/big${index}`, O_RDWR);
      expect(file.inode.size).toBe(position + 3);
      expect(mounted.run(file.seek(0, SEEK_DATA))).toBe(position);
      expect(mounted.run(file.seek(position, SEEK_HOLE))).toBe(position + 3);
      const sink = new BufferSink(new Uint8Array(10));
      expect(mounted.run(retry(() => file.read(sink, position)))).toBe(3);
      expect(mounted.run(file.inode.truncate(18 * 2 ** 30))).toBe(-Errno.EFBIG);
      close(mounted, file);
    }
    mounted.run(mounted.fileSystem.sync());
    expect(e2fsck(mounted.device.bytes)).toBe('');
    const free = mount(mounted.device.bytes).fileSystem.statistics().blocksFree;
    for (let i = 0; i < 3; i++) expect(mounted.run(mounted.vfs.unlink(mounted.root, mounted.vfs.root, `/big${i}`))).toBe(0);
    mounted.run(mounted.fileSystem.sync());
    expect(e2fsck(mounted.device.bytes)).toBe('');
    expect(mounted.fileSystem.statistics().blocksFree).toBe(free + 3 + 3 * 3);
  });

  it('frees open files without a name at the next mount', () => {
    const mounted = mount(mke2fs(4096, '-t', 'ext2'));
    const before = mounted.fileSystem.statistics();
    const files = [1, 2, 3].map(i => {
      write(mounted, `/f${i}`, new Uint8Array(50_000));
      const file = open(mounted, `/f${i}`, O_RDWR);
      expect(mounted.run(mounted.vfs.unlink(mounted.root, mounted.vfs.root, `/f${i}`))).toBe(0);
      return file;
    });
    close(mounted, files[1]!);
    mounted.run(mounted.fileSystem.sync());
    expect(mounted.fileSystem.orphans.first).not.toBe(0);
    const again = mount(mounted.device.bytes.slice());
    expect(again.fileSystem.orphans.first).toBe(0);
    expect(again.fileSystem.statistics()).toEqual(before);
    expect(again.log).toEqual([]);
    again.run(again.fileSystem.sync());
    expect(e2fsck(again.device.bytes)).toBe('');
  });

  it('stays consistent when the device fails now and then', () => {
    const random = new Random(99);
    const device = new MemoryDevice(mke2fs(8192, '-t', 'ext2', '-b', '1024', '-d', source));
    const mounted = mount(device.bytes, { device, frames: 64, dentryLimit: 20, options: { metadataLimit: 16 << 10, inodeLimit: 16 } });
    let failures = 0;
    for (let i = 0; i < 3000; i++) {
      device.failsReads = random.chance(0.3);
      const { vfs, root, run } = mounted;
      const path = `/many/t${random.below(40)}`;
      const result = run([
        () => vfs.mkdir(root, vfs.root, path, 0o755), () => vfs.rmdir(root, vfs.root, path), () => vfs.unlink(root, vfs.root, path),
        () => vfs.symlink(root, vfs.root, path, 'x'.repeat(200)), () => vfs.rename(root, vfs.root, path, vfs.root, `${path}b`, 0),
        function* () {
          const file = yield* vfs.open(root, vfs.root, path, O_RDWR | O_CREAT, 0o644);
          if (typeof file === 'number') return file;
          const written = yield* retry(() => file.write(new BufferSource(random.bytes(5000)), random.below(300_000)));
          const closing = file.release();
          if (closing) yield* closing;
          return written;
        },
      ][random.below(6)]!());
      if (result === -Errno.EIO) failures++;
    }
    device.failsReads = false;
    expect(failures).toBeGreaterThan(50);
    expect(mounted.run(mounted.fileSystem.sync())).toBe(0);
    const again = mount(device.bytes); // frees what could not be freed
    again.run(again.fileSystem.sync());
    expect(e2fsck(again.device.bytes)).toBe('');
  });
});
