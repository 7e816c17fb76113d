import { beforeEach, describe, expect, it } from 'vitest';
import { superuser, user } from '../../../test/harness/callers.ts';
import { MemoryFrames } from '../../../test/harness/memoryFrames.ts';
import { Errno } from '../../kernel/abi/errno.ts';
import {
  O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY, RENAME_EXCHANGE,
  RENAME_NOREPLACE, R_OK, SEEK_DATA, SEEK_HOLE, W_OK, X_OK,
} from '../../kernel/abi/fcntl.ts';
import { IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO } from '../../kernel/abi/inotify.ts';
import { MS_NOEXEC, MS_RDONLY } from '../../kernel/abi/mount.ts';
import { S_IFDIR, S_IFIFO, S_IFMT } from '../../kernel/abi/stat.ts';
import { fromText, toBytes, fromBytes } from '../../lib/byteString.ts';
import { BufferSink, BufferSource } from '../../lib/transfer.ts';
import { runNow } from '../../lib/wait.ts';
import { Tmpfs } from '../tmpfs.ts';
import type { Caller } from './caller.ts';
import { Walk, type FileEvent } from './namespace.ts';
import type { OpenFile } from './openFile.ts';
import { PageCache } from './pageCache.ts';
import type { Path } from './path.ts';
import { Vfs } from './vfs.ts';

let clock = 1_000_000;
const now = () => ({ seconds: clock++, nanoseconds: 0 });
let cache: PageCache;
let vfs: Vfs;
let root: Caller;
let bob: Caller;

beforeEach(() => {
  cache = new PageCache(new MemoryFrames(1024));
  vfs = new Vfs({ root: new Tmpfs({ device: 1, cache, now, mode: 0o755, inodes: 4096 }), source: 'tmpfs', now });
  root = superuser(vfs.root);
  bob = user(vfs.root);
});

const at = (path: string, walk: number = Walk.follow, caller = root): Path | number => runNow(vfs.resolve(caller, caller.cwd, path, walk));
const place = (path: string, walk: number = Walk.follow): Path => {
  const found = at(path, walk);
  if (typeof found === 'number') throw new Error(`${path}: ${found}`);
  return found;
};
const open = (path: string, flags: number, caller = root, mode = 0o666): OpenFile | number => runNow(vfs.open(caller, caller.cwd, path, flags, mode));
const write = (path: string, text: string, caller = root): void => {
  const file = open(path, O_WRONLY | O_CREAT | O_TRUNC, caller);
  if (typeof file === 'number') throw new Error(`${path}: ${file}`);
  expect(file.write(new BufferSource(toBytes(text)), 0)).toBe(text.length);
  file.release();
};
const read = (path: string, caller = root): string | number => {
  const file = open(path, O_RDONLY, caller);
  if (typeof file === 'number') return file;
  const sink = new BufferSink(new Uint8Array(65536));
  const got = file.read(sink, 0);
  file.release();
  return typeof got === 'number' && got >= 0 ? fromBytes(sink.taken) : (got as number);
};
const mkdir = (path: string, mode = 0o755, caller = root): number => runNow(vfs.mkdir(caller, caller.cwd, path, mode));
const symlink = (path: string, target: string): number => runNow(vfs.symlink(root, root.cwd, path, target));
const unlink = (path: string, caller = root): number => runNow(vfs.unlink(caller, caller.cwd, path));
const rename = (from: string, to: string, flags = 0, caller = root): number => runNow(vfs.rename(caller, caller.cwd, from, caller.cwd, to, flags));
const name = (path: Path): string => vfs.pathName(path, vfs.root);

describe('walking', () => {
  it('finds what is there and nothing else', () => {
    expect(mkdir('/a')).toBe(0);
    expect(mkdir('/a/b/')).toBe(0);
    write('/a/b/f', 'text');
    expect(name(place('/a//b/./../b/f'))).toBe('/a/b/f');
    expect(at('/a/x')).toBe(-Errno.ENOENT);
    expect(at('/a/x/y')).toBe(-Errno.ENOENT);
    expect(at('/a/b/f/')).toBe(-Errno.ENOTDIR);
    expect(at('/a/b/f/x')).toBe(-Errno.ENOTDIR);
    expect(at('/../../a')).toBe(place('/a'));
    expect(at('')).toBe(-Errno.ENOENT);
    expect(runNow(vfs.resolve(root, place('/a'), '', Walk.empty))).toBe(place('/a'));
    expect(at(`/${'n'.repeat(256)}`)).toBe(-Errno.ENAMETOOLONG);
    expect(at(`/${'n/'.repeat(3000)}`)).toBe(-Errno.ENAMETOOLONG);
  });

  it('answers from the cache alone once a path was walked, also that nothing is there', () => {
    mkdir('/a');
    expect(at('/a/none')).toBe(-Errno.ENOENT);
    expect(vfs.resolveCached(root, vfs.root, '/a/none', 0)).toBe(-Errno.ENOENT);
    expect(vfs.resolveCached(root, vfs.root, '/a/unknown', 0)).toBeUndefined();
    write('/a/none', '');
    expect(vfs.resolveCached(root, vfs.root, '/a/none', 0)).toBe(place('/a/none'));
  });

  it('follows symbolic links as the flags say, at most 40', () => {
    mkdir('/d');
    write('/d/f', 'x');
    symlink('/l', 'd');
    symlink('/d/abs', '/d/f');
    symlink('/loop', 'loop');
    expect(name(place('/l/f'))).toBe('/d/f');
    expect(name(place('/l', 0))).toBe('/l');
    expect(name(place('/l/', 0))).toBe('/d');
    expect(name(place('/l/abs'))).toBe('/d/f');
    expect(at('/loop')).toBe(-Errno.ELOOP);
    expect(runNow(vfs.readlink(root, place('/l', 0)))).toBe('d');
    symlink('/c0', 'd');
    for (let i = 1; i <= 41; i++) symlink(`/c${i}`, `c${i - 1}`);
    expect(name(place('/c39'))).toBe('/d');
    expect(at('/c40')).toBe(-Errno.ELOOP);
  });

  it('stays inside the root of the caller', () => {
    mkdir('/jail');
    mkdir('/jail/in');
    symlink('/jail/out', '/in');
    const jailed: Caller = { ...root, root: place('/jail'), cwd: place('/jail/in') };
    expect(runNow(vfs.resolve(jailed, jailed.cwd, '../../../in', 0))).toBe(place('/jail/in'));
    expect(runNow(vfs.resolve(jailed, jailed.cwd, '/out', Walk.follow))).toBe(place('/jail/in'));
    expect(vfs.pathName(place('/jail/in'), jailed.root)).toBe('/in');
    mkdir('/other');
    expect(vfs.pathName(place('/other'), jailed.root)).toBe('(unreachable)/other');
  });

  it('asks for the search permission', () => {
    mkdir('/secret', 0o700);
    write('/secret/f', 'x');
    expect(at('/secret/f', 0, bob)).toBe(-Errno.EACCES);
    expect(vfs.resolveCached(bob, vfs.root, '/secret/f', 0)).toBe(-Errno.EACCES);
    expect(read('/secret/f')).toBe('x');
  });

  it('keeps names of held files when the cache is full', () => {
    const small = new Vfs({ root: new Tmpfs({ device: 1, cache, now }), source: 'tmpfs', now, dentryLimit: 100 });
    const caller = superuser(small.root);
    for (let i = 0; i < 1000; i++) expect(runNow(small.mkdir(caller, small.root, `/d${i}`, 0o755))).toBe(0);
    const first = runNow(small.resolve(caller, small.root, '/d0', 0)) as Path;
    for (let i = 1; i < 1000; i++) runNow(small.resolve(caller, small.root, `/d${i}`, 0));
    expect(runNow(small.resolve(caller, small.root, '/d0', 0))).toBe(first);
    runNow(small.rename(caller, small.root, '/d0', small.root, '/moved', 0));
    expect(small.pathName(first, small.root)).toBe('/moved');
  });
});

describe('opening', () => {
  it('creates, truncates and refuses as open(2) says', () => {
    write('/f', 'first');
    expect(read('/f')).toBe('first');
    write('/f', '2');
    expect(read('/f')).toBe('2');
    expect(open('/f', O_CREAT | O_EXCL | O_RDWR)).toBe(-Errno.EEXIST);
    expect(open('/none', O_RDONLY)).toBe(-Errno.ENOENT);
    expect(open('/new/', O_CREAT | O_WRONLY)).toBe(-Errno.EISDIR);
    expect(open('/', O_RDWR)).toBe(-Errno.EISDIR);
    expect(open('/f', O_RDONLY | O_DIRECTORY)).toBe(-Errno.ENOTDIR);
    symlink('/l', 'target');
    expect(open('/l', O_RDONLY | O_NOFOLLOW)).toBe(-Errno.ELOOP);
    expect(open('/l', O_CREAT | O_EXCL | O_WRONLY)).toBe(-Errno.EEXIST);
    write('/l', 'through the link');
    expect(read('/target')).toBe('through the link');
    const path = open('/l', O_PATH | O_NOFOLLOW) as OpenFile;
    expect(path.inode.isSymlink).toBe(true);
    expect(path.read(new BufferSink(new Uint8Array(1)), 0)).toBe(-Errno.EBADF);
  });

  it('applies umask, set-group-ID directories and the sticky bit', () => {
    write('/f', '');
    expect(place('/f').dentry.inode!.mode & 0o7777).toBe(0o644);
    mkdir('/shared', 0o777);
    const shared = place('/shared');
    expect(runNow(vfs.setAttributes(root, shared, { mode: 0o2777, gid: 50 }))).toBe(0);
    expect(shared.dentry.inode!.mode & 0o7777).toBe(0o2777);
    expect(mkdir('/shared/sub', 0o755, bob)).toBe(0);
    expect(place('/shared/sub').dentry.inode!.gid).toBe(50);
    expect(place('/shared/sub').dentry.inode!.mode & 0o7777).toBe(0o2755);
    mkdir('/tmp');
    runNow(vfs.setAttributes(root, place('/tmp'), { mode: 0o1777 }));
    write('/tmp/f', 'x', bob);
    expect(unlink('/tmp/f', user(vfs.root, 1001))).toBe(-Errno.EPERM);
    expect(unlink('/tmp/f', bob)).toBe(0);
  });

  it('keeps an unlinked file alive while it is open, and frees it then', () => {
    write('/f', 'x'.repeat(5000));
    const before = cache.cachedPages;
    const file = open('/f', O_RDWR) as OpenFile;
    expect(unlink('/f')).toBe(0);
    expect(vfs.pathName(file.path, vfs.root)).toBe('/f (deleted)');
    expect(file.read(new BufferSink(new Uint8Array(10)), 0)).toBe(10);
    runNow(file.release()!);
    expect(cache.cachedPages).toBe(before - 2);
  });

  it('opens unnamed files and gives them a name', () => {
    const file = open('/', O_TMPFILE | O_RDWR) as OpenFile;
    expect(file.write(new BufferSource(toBytes('unnamed')), 0)).toBe(7);
    expect(runNow(vfs.link(root, file.path, vfs.root, '/named'))).toBe(0);
    file.release();
    expect(read('/named')).toBe('unnamed');
    const hidden = open('/', O_TMPFILE | O_RDWR | O_EXCL) as OpenFile;
    expect(runNow(vfs.link(root, hidden.path, vfs.root, '/never'))).toBe(-Errno.ENOENT);
  });

  it('checks access', () => {
    write('/f', 'x');
    runNow(vfs.setAttributes(root, place('/f'), { mode: 0o640, gid: 7 }));
    expect(open('/f', O_RDONLY, bob)).toBe(-Errno.EACCES);
    expect(typeof open('/f', O_RDONLY, user(vfs.root, 1000, [7]))).toBe('object');
    expect(runNow(vfs.checkAccess(root, place('/f'), R_OK | W_OK))).toBe(0);
    expect(runNow(vfs.checkAccess(root, place('/f'), X_OK))).toBe(-Errno.EACCES);
    expect(runNow(vfs.setAttributes(bob, place('/f'), { mode: 0o777 }))).toBe(-Errno.EPERM);
    expect(runNow(vfs.setAttributes(bob, place('/f'), {}, true))).toBe(-Errno.EACCES);
  });
});

describe('changing names', () => {
  it('links, unlinks, makes and removes directories', () => {
    write('/f', 'x');
    expect(runNow(vfs.link(root, place('/f'), vfs.root, '/g'))).toBe(0);
    expect(place('/g').dentry.inode).toBe(place('/f').dentry.inode);
    expect(place('/g').dentry.inode!.linkCount).toBe(2);
    expect(unlink('/f')).toBe(0);
    expect(at('/f')).toBe(-Errno.ENOENT);
    expect(read('/g')).toBe('x');
    mkdir('/d');
    write('/d/x', '');
    expect(mkdir('/d')).toBe(-Errno.EEXIST);
    expect(mkdir('/')).toBe(-Errno.EEXIST);
    expect(unlink('/d')).toBe(-Errno.EISDIR);
    expect(runNow(vfs.rmdir(root, vfs.root, '/d'))).toBe(-Errno.ENOTEMPTY);
    expect(runNow(vfs.rmdir(root, vfs.root, '/g'))).toBe(-Errno.ENOTDIR);
    unlink('/d/x');
    expect(runNow(vfs.rmdir(root, vfs.root, '/d/.'))).toBe(-Errno.EINVAL);
    expect(runNow(vfs.rmdir(root, vfs.root, '/d'))).toBe(0);
    expect(runNow(vfs.mknod(root, vfs.root, '/fifo', S_IFIFO | 0o600, 0))).toBe(place('/fifo'));
    expect(place('/fifo').dentry.inode!.mode & S_IFMT).toBe(S_IFIFO);
    expect(runNow(vfs.mknod(bob, vfs.root, '/dev', 0o020600, 0x103))).toBe(-Errno.EPERM);
  });

  it('links other people\'s files only where they may be read and written', () => {
    mkdir('/t', 0o1777);
    runNow(vfs.setAttributes(root, place('/t'), { mode: 0o1777 }));
    write('/t/secret', 'x');
    expect(runNow(vfs.link(bob, place('/t/secret'), vfs.root, '/t/mine'))).toBe(-Errno.EPERM);
    runNow(vfs.setAttributes(root, place('/t/secret'), { mode: 0o666 }));
    expect(runNow(vfs.link(bob, place('/t/secret'), vfs.root, '/t/mine'))).toBe(0);
    runNow(vfs.setAttributes(root, place('/t/secret'), { mode: 0o4666 }));
    expect(runNow(vfs.link(bob, place('/t/secret'), vfs.root, '/t/other'))).toBe(-Errno.EPERM);
  });

  it('renames as rename(2) and renameat2(2) say', () => {
    mkdir('/a');
    mkdir('/a/b');
    write('/a/b/f', 'f');
    write('/g', 'g');
    const held = place('/a/b/f');
    expect(rename('/a', '/z')).toBe(0);
    expect(name(held)).toBe('/z/b/f');
    expect(rename('/z', '/z/b/c')).toBe(-Errno.EINVAL);
    expect(rename('/z/b/f', '/z')).toBe(-Errno.ENOTEMPTY);
    expect(rename('/z', '/g')).toBe(-Errno.ENOTDIR);
    expect(rename('/g', '/z/b')).toBe(-Errno.EISDIR);
    expect(rename('/g', '/z/b/f', RENAME_NOREPLACE)).toBe(-Errno.EEXIST);
    expect(rename('/g', '/z/b/f', RENAME_EXCHANGE)).toBe(0);
    expect(read('/g')).toBe('f');
    expect(read('/z/b/f')).toBe('g');
    expect(name(held)).toBe('/g');
    expect(rename('/g', '/z/b/f')).toBe(0);
    expect(read('/z/b/f')).toBe('f');
    expect(at('/g')).toBe(-Errno.ENOENT);
    expect(rename('/none', '/x')).toBe(-Errno.ENOENT);
    expect(rename('/z/b', '/q/')).toBe(0);
    expect(place('/z').dentry.inode!.linkCount).toBe(2);
    expect(place('/').dentry.inode!.linkCount).toBe(4);
  });

  it('says what happened to who watches', () => {
    const events: FileEvent[] = [];
    const stop = vfs.watch(place('/').dentry.inode, event => events.push(event));
    write('/f', 'x');
    rename('/f', '/g');
    unlink('/g');
    stop();
    write('/h', 'x');
    const names = events.filter(e => (e.mask & (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE)) !== 0).map(e => [e.mask, e.name]);
    expect(names).toEqual([[IN_CREATE, 'f'], [IN_MOVED_FROM, 'f'], [IN_MOVED_TO, 'g'], [IN_DELETE, 'g']]);
    const [from, to] = events.filter(e => e.cookie !== 0);
    expect(from!.cookie).toBe(to!.cookie);
  });

  it('lists directories with stable positions', () => {
    mkdir('/d');
    for (let i = 0; i < 1500; i++) write(`/d/f${i}`, '');
    const seen: string[] = [];
    const directory = place('/d');
    for (let from = 0; ;) {
      const entries = runNow(directory.dentry.inode!.readDirectory(from, directory));
      if (typeof entries === 'number' || entries.length === 0) break;
      for (const entry of entries) if (entry.name[0] !== '.') unlink(`/d/${entry.name}`);
      seen.push(...entries.map(e => e.name));
      from = entries[entries.length - 1]!.next;
    }
    expect(seen.length).toBe(1502);
    expect(seen.slice(0, 3)).toEqual(['.', '..', 'f0']);
  });
});

describe('mounts', () => {
  it('mounts over a directory, walks through it and unmounts', () => {
    mkdir('/mnt');
    write('/mnt/below', 'x');
    const other = new Tmpfs({ device: 2, cache, now });
    const mount = vfs.mount(other, place('/mnt'), 'none', 0);
    if (typeof mount === 'number') throw new Error(`mount: ${mount}`);
    expect(at('/mnt/below')).toBe(-Errno.ENOENT);
    write('/mnt/f', 'inside');
    expect(name(place('/mnt/f'))).toBe('/mnt/f');
    expect(place('/mnt/..')).toBe(place('/'));
    expect(place('/mnt').dentry.inode).toBe(other.root);
    expect(rename('/mnt/f', '/f')).toBe(-Errno.EXDEV);
    expect(runNow(vfs.rmdir(root, vfs.root, '/mnt'))).toBe(-Errno.EBUSY);
    const file = open('/mnt/f', O_RDONLY) as OpenFile;
    expect(runNow(vfs.unmount(mount, false))).toBe(-Errno.EBUSY);
    file.release();
    const pages = cache.cachedPages;
    expect(runNow(vfs.unmount(mount, false))).toBe(0);
    expect(cache.cachedPages).toBe(pages - 1);
    expect(read('/mnt/below')).toBe('x');
  });

  it('honours read-only and noexec mounts and binds', () => {
    mkdir('/src');
    mkdir('/dst');
    write('/src/f', 'x');
    runNow(vfs.setAttributes(root, place('/src/f'), { mode: 0o755 }));
    expect(typeof vfs.bind(place('/src'), place('/dst'), MS_RDONLY | MS_NOEXEC)).toBe('object');
    expect(read('/dst/f')).toBe('x');
    expect(open('/dst/f', O_RDWR)).toBe(-Errno.EROFS);
    expect(open('/dst/g', O_RDWR | O_CREAT)).toBe(-Errno.EROFS);
    expect(unlink('/dst/f')).toBe(-Errno.EROFS);
    expect(runNow(vfs.checkAccess(root, place('/dst/f'), X_OK))).toBe(-Errno.EACCES);
    write('/src/g', 'seen in both');
    expect(read('/dst/g')).toBe('seen in both');
  });
});

describe('tmpfs files', () => {
  it('are sparse, append, truncate and punch', () => {
    const file = open('/f', O_RDWR | O_CREAT) as OpenFile;
    expect(file.write(new BufferSource(toBytes('end')), 3 * 4096 + 10)).toBe(3);
    expect(file.inode.size).toBe(3 * 4096 + 13);
    expect(file.inode.blocks).toBe(8);
    expect(runNow(file.seek(0, SEEK_DATA))).toBe(3 * 4096);
    expect(runNow(file.seek(0, SEEK_HOLE))).toBe(0);
    const sink = new BufferSink(new Uint8Array(20000).fill(1));
    expect(file.read(sink, 0)).toBe(3 * 4096 + 13);
    expect(sink.taken.subarray(0, 3 * 4096 + 10).every(b => b === 0)).toBe(true);
    file.flags |= O_APPEND;
    expect(file.write(new BufferSource(toBytes('more')), 0)).toBe(4);
    expect(file.position).toBe(3 * 4096 + 17);
    expect(runNow(file.inode.truncate(3 * 4096 + 11))).toBe(0);
    expect(runNow(file.inode.truncate(3 * 4096 + 13))).toBe(0);
    const tail = new BufferSink(new Uint8Array(10));
    expect(file.read(tail, 3 * 4096 + 10)).toBe(3);
    expect([...tail.taken]).toEqual([101, 0, 0]);
    const page = file.inode.page(3, true);
    expect(page).toHaveProperty('frame');
    expect(file.inode.page(4, false)).toBe(-Errno.ENXIO);
  });

  it('stop at the size limit', () => {
    mkdir('/small');
    const small = new Tmpfs({ device: 3, cache, now, size: 8192 });
    vfs.mount(small, place('/small'), 'none', 0);
    const file = open('/small/f', O_RDWR | O_CREAT) as OpenFile;
    expect(file.write(new BufferSource(new Uint8Array(10000)), 0)).toBe(8192);
    expect(file.write(new BufferSource(new Uint8Array(1)), 8192)).toBe(-Errno.ENOSPC);
    expect(small.statistics().blocksFree).toBe(0);
    expect(S_IFDIR & small.root.mode).toBe(S_IFDIR);
  });

  it('respect RLIMIT_FSIZE', () => {
    const file = open('/f', O_RDWR | O_CREAT, { ...root, fileSizeLimit: 100 }) as OpenFile;
    expect(file.write(new BufferSource(new Uint8Array(200)), 0)).toBe(100);
    expect(file.write(new BufferSource(new Uint8Array(1)), 100)).toBe(-Errno.EFBIG);
  });

  it('keep names as bytes', () => {
    const odd = fromText('häß\u{1f600}');
    write(`/${odd}`, 'x');
    expect(read(`/${odd}`)).toBe('x');
  });
});
