import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { superuser, user } from '../../test/harness/callers.ts';
import { MemoryFrames } from '../../test/harness/memoryFrames.ts';
import { PageCache } from '../fs/vfs/pageCache.ts';
import { Tmpfs } from '../fs/tmpfs.ts';
import type { Path } from '../fs/vfs/path.ts';
import { Vfs } from '../fs/vfs/vfs.ts';
import { runNow } from '../lib/wait.ts';
import type { FileAnswers, FileChange, FileErrorKind, FileRequest } from '../protocol.ts';
import { FileService } from './fileService.ts';

let clock = 1_000_000;
const now = () => ({ seconds: clock++, nanoseconds: 500_000_000 });
let cache: PageCache;
let vfs: Vfs;
let service: FileService;
/** The same files as root. */
let rootService: FileService;
let changes: FileChange[];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (content: Uint8Array): string => new TextDecoder().decode(content);

beforeEach(() => {
  vi.useFakeTimers();
  cache = new PageCache(new MemoryFrames(1024));
  vfs = new Vfs({ root: new Tmpfs({ device: 1, cache, now, mode: 0o777, inodes: 4096 }), source: 'tmpfs', now });
  changes = [];
  service = new FileService(vfs, user(vfs.root), seen => changes.push(...seen));
  rootService = new FileService(vfs, superuser(vfs.root), () => {});
});

afterEach(() => {
  vi.useRealTimers();
});

async function ask<R extends FileRequest>(request: R, as = service): Promise<FileAnswers[R['op']]> {
  const outcome = await as.answer(request);
  if (!outcome.ok) throw new Error(`${outcome.failure.kind}: ${outcome.failure.errno} ${outcome.failure.path}`);
  return outcome.value as FileAnswers[R['op']];
}

async function failure(request: FileRequest, as = service): Promise<FileErrorKind | 'none'> {
  const outcome = await as.answer(request);
  if (outcome.ok) return 'none';
  expect(outcome.failure.errno).toMatch(/^E[A-Z]+$/);
  expect(outcome.failure.path).toMatch(/^\//);
  return outcome.failure.kind;
}

const write = (path: string, content: string, as = service) => ask({ op: 'writeFile', path, content: bytes(content), create: true, overwrite: true }, as);
const read = async (path: string) => text(await ask({ op: 'readFile', path, offset: 0, length: 1 << 20 }));
const names = async (path: string) => (await ask({ op: 'readDirectory', path })).map(entry => entry.name).sort();
const makeDirectory = (path: string, as = service) => ask({ op: 'createDirectory', path }, as);
const link = (path: string, target: string) => expect(runNow(vfs.symlink(superuser(vfs.root), vfs.root, path, target))).toBe(0);
/** Changes since the last look, as "created /a". */
function seen(): string[] {
  vi.advanceTimersByTime(60);
  return changes.splice(0).map(change => `${change.type} ${change.path}`).sort();
}

describe('files', () => {
  it('are written, read and described', async () => {
    await write('/a', 'content');
    expect(await read('/a')).toBe('content');
    expect(text(await ask({ op: 'readFile', path: '/a', offset: 2, length: 3 }))).toBe('nte');
    expect(await ask({ op: 'readFile', path: '/a', offset: 7, length: 3 })).toHaveLength(0);
    const status = await ask({ op: 'stat', path: '/a' });
    expect(status).toMatchObject({ kind: 'file', symlink: false, mode: 0o644, size: 7, readonly: false });
    expect(status.mtime % 1000).toBe(500);
    await write('/a', 'new');
    expect(await read('/a')).toBe('new');
  });

  it('keep mode and links when they are written anew', async () => {
    await write('/a', 'old');
    const place = runNow(vfs.resolve(superuser(vfs.root), vfs.root, '/a', 0));
    if (typeof place === 'number') throw new Error(String(place));
    expect(runNow(vfs.setAttributes(superuser(vfs.root), place, { mode: 0o750 }))).toBe(0);
    link('/link', 'a');
    await write('/link', 'through the link');
    expect(await read('/a')).toBe('through the link');
    expect((await ask({ op: 'stat', path: '/a' })).mode).toBe(0o750);
    expect(await ask({ op: 'stat', path: '/link' })).toMatchObject({ kind: 'file', symlink: true });
  });

  it('may have any name', async () => {
    const path = '/a b ünd \u{1f600}';
    await write(path, 'x');
    expect(await names('/')).toEqual([path.slice(1)]);
    runNow(vfs.mkdir(superuser(vfs.root), vfs.root, '/\xff\xe4', 0o755));
    expect(await names('/\uefff\uefe4')).toEqual([]);
  });

  it('are listed with what links lead to', async () => {
    await makeDirectory('/d');
    await write('/d/f', '');
    await makeDirectory('/d/sub');
    link('/d/toDirectory', 'sub');
    link('/d/broken', 'nowhere');
    const entries = await ask({ op: 'readDirectory', path: '/d' });
    expect(Object.fromEntries(entries.map(entry => [entry.name, `${entry.kind}${entry.symlink ? ' by link' : ''}`]))).toEqual({
      f: 'file', sub: 'directory', toDirectory: 'directory by link', broken: 'other by link',
    });
    expect(await ask({ op: 'readLink', path: '/d/broken' })).toBe('nowhere');
    expect(await ask({ op: 'stat', path: '/d/broken' })).toMatchObject({ kind: 'other', symlink: true });
  });
});

describe('names', () => {
  it('are removed, directories with what is in them, links without what they lead to', async () => {
    await makeDirectory('/d');
    await write('/d/f', 'x');
    await makeDirectory('/keep');
    await write('/keep/f', 'kept');
    link('/d/link', '/keep');
    expect(await failure({ op: 'delete', path: '/d', recursive: false })).toBe('Other');
    await ask({ op: 'delete', path: '/d', recursive: true });
    expect(await names('/')).toEqual(['keep']);
    expect(await read('/keep/f')).toBe('kept');
  });

  it('move, over another only when allowed', async () => {
    await write('/a', 'a');
    await write('/b', 'b');
    expect(await failure({ op: 'rename', from: '/a', to: '/b', overwrite: false })).toBe('FileExists');
    await ask({ op: 'rename', from: '/a', to: '/b', overwrite: true });
    expect(await names('/')).toEqual(['b']);
    expect(await read('/b')).toBe('a');
    await makeDirectory('/full');
    await write('/full/f', '');
    await ask({ op: 'rename', from: '/b', to: '/full', overwrite: true });
    expect(await read('/full')).toBe('a');
    await ask({ op: 'rename', from: '/full', to: '/full', overwrite: true });
    expect(await read('/full')).toBe('a');
  });

  it('are never replaced by what lies in them, whatever links lead there', async () => {
    await makeDirectory('/data');
    await makeDirectory('/data/a');
    await write('/data/a/b', 'kept');
    link('/link', 'data');
    for (const op of ['rename', 'copy'] as const) {
      expect(await failure({ op, from: '/data/a/b', to: '/link/a', overwrite: true })).toBe('Other');
      expect(await failure({ op, from: '/data/a/b', to: '/data/a', overwrite: true })).toBe('Other');
      expect(await failure({ op, from: '/data', to: '/link/a/inside', overwrite: true })).toBe('Other');
      expect(await failure({ op, from: '/data', to: '/link/a/b', overwrite: true })).toBe('Other');
    }
    expect(await failure({ op: 'copy', from: '/data/a/b', to: '/link/a/b', overwrite: true })).toBe('Other');
    await ask({ op: 'rename', from: '/data/a/b', to: '/link/a/b', overwrite: true });
    expect(await names('/data')).toEqual(['a']);
    expect(await read('/data/a/b')).toBe('kept');
    expect(await names('/data/a')).toEqual(['b']);
  });

  it('are never replaced by what lies in them through a mount', async () => {
    await makeDirectory('/data');
    await makeDirectory('/data/mnt');
    const at = runNow(vfs.resolve(superuser(vfs.root), vfs.root, '/data/mnt', 0)) as Path;
    vfs.mount(new Tmpfs({ device: 2, cache, now, mode: 0o777, inodes: 64 }), at, 'tmpfs', 0);
    await write('/data/mnt/f', 'kept');
    expect(await failure({ op: 'copy', from: '/data/mnt/f', to: '/data', overwrite: true })).toBe('Other');
    expect(await failure({ op: 'rename', from: '/data/mnt/f', to: '/data', overwrite: true })).toBe('Other');
    expect(await read('/data/mnt/f')).toBe('kept');
  });

  it('that are two of one file become one', async () => {
    await write('/a', 'x');
    const place = runNow(vfs.resolve(superuser(vfs.root), vfs.root, '/a', 0)) as Path;
    expect(runNow(vfs.link(superuser(vfs.root), place, vfs.root, '/b'))).toBe(0);
    await ask({ op: 'rename', from: '/a', to: '/b', overwrite: true });
    expect(await names('/')).toEqual(['b']);
    expect(await read('/b')).toBe('x');
  });

  it('are back where a copy or a move over them fails', async () => {
    await makeDirectory('/old');
    await write('/old/f', 'old');
    await makeDirectory('/new');
    await write('/new/a', 'a');
    await write('/new/b', 'secret', rootService);
    const secret = runNow(vfs.resolve(superuser(vfs.root), vfs.root, '/new/b', 0)) as Path;
    expect(runNow(vfs.setAttributes(superuser(vfs.root), secret, { mode: 0o600 }))).toBe(0);
    expect(await failure({ op: 'copy', from: '/new', to: '/old', overwrite: true })).toBe('NoPermissions');
    expect(await names('/')).toEqual(['new', 'old']);
    expect(await names('/old')).toEqual(['f']);
    expect(await failure({ op: 'copy', from: '/new', to: '/other', overwrite: true })).toBe('NoPermissions');
    expect(await names('/')).toEqual(['new', 'old']);
    await makeDirectory('/mnt');
    const at = runNow(vfs.resolve(superuser(vfs.root), vfs.root, '/mnt', 0)) as Path;
    vfs.mount(new Tmpfs({ device: 2, cache, now, mode: 0o777, inodes: 64 }), at, 'tmpfs', 0);
    await makeDirectory('/mnt/old');
    await write('/mnt/old/f', 'old');
    expect(await failure({ op: 'rename', from: '/new', to: '/mnt/old', overwrite: true })).toBe('NoPermissions');
    expect(await names('/mnt')).toEqual(['old']);
    expect(await read('/mnt/old/f')).toBe('old');
    await ask({ op: 'rename', from: '/old', to: '/mnt/old', overwrite: true });
    expect(await names('/mnt')).toEqual(['old']);
    expect(await names('/')).toEqual(['mnt', 'new']);
  });

  it('are copied with mode and time; links stay links', async () => {
    await makeDirectory('/d');
    await write('/d/f', 'x'.repeat(100_000));
    link('/d/link', 'f');
    await ask({ op: 'copy', from: '/d', to: '/e', overwrite: false });
    expect(await names('/e')).toEqual(['f', 'link']);
    expect((await read('/e/f')).length).toBe(100_000);
    expect(await ask({ op: 'readLink', path: '/e/link' })).toBe('f');
    expect((await ask({ op: 'stat', path: '/e/f' })).mtime).toBe((await ask({ op: 'stat', path: '/d/f' })).mtime);
    expect(await failure({ op: 'copy', from: '/d', to: '/e', overwrite: false })).toBe('FileExists');
    expect(await failure({ op: 'copy', from: '/d', to: '/d/inside', overwrite: false })).toBe('Other');
  });
});

describe('errors', () => {
  it('have the kinds of VS Code', async () => {
    await write('/f', '');
    await makeDirectory('/d');
    link('/loop', 'loop');
    expect(await failure({ op: 'stat', path: '/none' })).toBe('FileNotFound');
    expect(await failure({ op: 'readFile', path: '/none', offset: 0, length: 1 })).toBe('FileNotFound');
    expect(await failure({ op: 'stat', path: '/f/none' })).toBe('FileNotADirectory');
    expect(await failure({ op: 'readDirectory', path: '/f' })).toBe('FileNotADirectory');
    expect(await failure({ op: 'readFile', path: '/d', offset: 0, length: 1 })).toBe('FileIsADirectory');
    expect(await failure({ op: 'readFile', path: '/loop', offset: 0, length: 1 })).toBe('Other');
    expect(await failure({ op: 'readLink', path: '/f' })).toBe('Other');
    expect(await failure({ op: 'createDirectory', path: '/d' })).toBe('FileExists');
    expect(await failure({ op: 'createDirectory', path: '/none/d' })).toBe('FileNotFound');
    const content = bytes('x');
    expect(await failure({ op: 'writeFile', path: '/none', content, create: false, overwrite: true })).toBe('FileNotFound');
    expect(await failure({ op: 'writeFile', path: '/f', content, create: true, overwrite: false })).toBe('FileExists');
    expect(await failure({ op: 'writeFile', path: '/d', content, create: true, overwrite: true })).toBe('FileIsADirectory');
    expect(await failure({ op: 'delete', path: '/none', recursive: true })).toBe('FileNotFound');
    expect(await failure({ op: 'rename', from: '/none', to: '/x', overwrite: true })).toBe('FileNotFound');
    expect(await failure({ op: 'copy', from: '/none', to: '/x', overwrite: true })).toBe('FileNotFound');
  });

  it('follow the rights of the login user', async () => {
    await makeDirectory('/theirs', rootService);
    await write('/theirs/f', 'secret', rootService);
    expect((await ask({ op: 'stat', path: '/theirs/f' })).readonly).toBe(true);
    expect(await failure({ op: 'writeFile', path: '/theirs/f', content: bytes('x'), create: true, overwrite: true })).toBe('NoPermissions');
    expect(await failure({ op: 'writeFile', path: '/theirs/new', content: bytes('x'), create: true, overwrite: true })).toBe('NoPermissions');
    expect(await failure({ op: 'delete', path: '/theirs/f', recursive: false })).toBe('NoPermissions');
    expect(await read('/theirs/f')).toBe('secret');
  });
});

describe('watches', () => {
  const watch = (path: string, recursive: boolean, number = 1) => ask({ op: 'watch', watch: number, path, recursive });

  it('see what happens to entries of a directory, and no deeper', async () => {
    await makeDirectory('/d');
    await write('/d/old', 'x');
    await makeDirectory('/d/sub');
    await watch('/d', false);
    await write('/d/new', 'x');
    expect(seen()).toEqual(['created /d/new']);
    await write('/d/old', 'changed');
    expect(seen()).toEqual(['changed /d/old']);
    await write('/d/sub/deep', 'x');
    await write('/beside', 'x');
    expect(seen()).toEqual([]);
    await ask({ op: 'rename', from: '/d/old', to: '/d/moved', overwrite: false });
    expect(seen()).toEqual(['created /d/moved', 'deleted /d/old']);
    await ask({ op: 'delete', path: '/d/moved', recursive: false });
    expect(seen()).toEqual(['deleted /d/moved']);
  });

  it('see all below, if recursive', async () => {
    await makeDirectory('/d');
    await watch('/d/', true);
    await makeDirectory('/d/sub');
    await write('/d/sub/f', 'x', rootService);
    await write('/dd', 'x');
    expect(seen()).toEqual(['created /d/sub', 'created /d/sub/f']);
    await write('/d/sub/f', 'y', rootService);
    expect(seen()).toEqual(['changed /d/sub/f']);
  });

  it('follow a single file, also when it is replaced or comes late', async () => {
    await watch('/later/f', false);
    await makeDirectory('/later');
    await write('/later/f', 'x');
    expect(seen()).toEqual(['created /later/f']);
    await write('/later/new', 'y');
    expect(seen()).toEqual([]);
    await ask({ op: 'rename', from: '/later/new', to: '/later/f', overwrite: true });
    expect(seen()).toHaveLength(1);
    await write('/later/f', 'z');
    expect(seen()).toEqual(['changed /later/f']);
  });

  it('name files by the path that was asked for', async () => {
    await makeDirectory('/real');
    link('/byLink', 'real');
    await watch('/byLink', true);
    await write('/real/f', 'x');
    expect(seen()).toEqual(['created /byLink/f']);
  });

  it('end', async () => {
    await watch('/', true, 1);
    await watch('/', false, 2);
    await ask({ op: 'unwatch', watch: 1 });
    await write('/f', 'x');
    expect(seen()).toEqual(['created /f']);
    await ask({ op: 'unwatch', watch: 2 });
    await write('/f', 'y');
    expect(seen()).toEqual([]);
  });
});
