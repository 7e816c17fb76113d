/** What a file system should contain: a tree in plain objects, and a random walk that changes it and a real one alike. */
import { expect } from 'vitest';
import { Errno, errnoName } from '../../webview/kernel/abi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, O_CREAT, O_EXCL, O_RDWR, O_TMPFILE, RENAME_EXCHANGE,
} from '../../webview/kernel/abi/fcntl.ts';
import { S_IFCHR, S_IFIFO, S_IFMT } from '../../webview/kernel/abi/stat.ts';
import { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import type { Path } from '../../webview/fs/vfs/path.ts';
import { BufferSink, BufferSource } from '../../webview/lib/transfer.ts';
import { retry } from '../../webview/lib/wait.ts';
import type { Mounted } from '../harness/ext2.ts';
import type { Random } from '../harness/random.ts';

interface Node {
  kind: 'file' | 'directory' | 'symlink' | 'special';
  mode: number;
  uid: number;
  links: number;
  rdev: number;
  content: Uint8Array;
  target: string;
  children: Map<string, Node>;
  xattrs: Map<string, string>;
}

const node = (kind: Node['kind'], mode: number): Node => ({
  kind, mode, uid: 0, links: kind === 'directory' ? 2 : 1, rdev: 0, content: new Uint8Array(0), target: '', children: new Map(), xattrs: new Map(),
});

const resized = (content: Uint8Array, size: number): Uint8Array => {
  const next = new Uint8Array(size);
  next.set(content.subarray(0, Math.min(size, content.length)));
  return next;
};

export class FileModel {
  readonly root = node('directory', 0o755);
  readonly #random: Random;
  readonly #maximum: number;
  /** Files that are open, some without a name. */
  #open: { file: OpenFile; node: Node }[] = [];
  #mounted: Mounted;
  /** How often each operation did something, and failed for want of room. */
  readonly counts = new Map<string, number>();
  outOfSpace = 0;

  constructor(mounted: Mounted, random: Random, maximumSize: number) {
    this.#mounted = mounted;
    this.#random = random;
    this.#maximum = maximumSize;
  }

  /** Goes on with the file system mounted anew. Open files are closed before. */
  remount(mounted: Mounted): void {
    this.#mounted = mounted;
  }

  closeAll(): void {
    for (const { file } of this.#open) this.#close(file);
    this.#open = [];
  }

  #close(file: OpenFile): void {
    const closing = file.release();
    if (closing) this.#mounted.run(closing);
  }

  #name(): string {
    const random = this.#random;
    return random.chance(0.1) ? `${'long'.repeat(1 + random.below(60))}${random.below(8)}` : `n${random.below(24)}`;
  }

  /** A random directory and its path. */
  #directory(): { path: string; node: Node } {
    let path = '';
    let at = this.root;
    while (this.#random.chance(0.6)) {
      const below = [...at.children].filter(([, child]) => child.kind === 'directory');
      if (below.length === 0) break;
      const [name, child] = this.#random.pick(below);
      path += `/${name}`;
      at = child;
    }
    return { path, node: at };
  }

  #entry(kinds: readonly Node['kind'][]): { path: string; name: string; parent: Node; node: Node } | undefined {
    for (let i = 0; i < 8; i++) {
      const directory = this.#directory();
      const found = [...directory.node.children].filter(([, child]) => kinds.includes(child.kind));
      if (found.length === 0) continue;
      const [name, child] = this.#random.pick(found);
      return { path: `${directory.path}/${name}`, name, parent: directory.node, node: child };
    }
    return undefined;
  }

  /** Checks a result: true if it was done, false for ENOSPC. */
  #done(what: string, result: unknown): boolean {
    if (result === -Errno.ENOSPC) {
      this.outOfSpace++;
      return false;
    }
    if (typeof result === 'number' && result < 0) throw new Error(`${what}: ${errnoName(result)}`);
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    return true;
  }

  #resolve(path: string): Path {
    const { vfs, root, run } = this.#mounted;
    const place = run(vfs.resolve(root, vfs.root, path || '/', 0));
    if (typeof place === 'number') throw new Error(`${path}: ${errnoName(place)}`);
    return place;
  }

  step(): void {
    const random = this.#random;
    const choice = random.below(100);
    if (choice < 16) this.#create();
    else if (choice < 24) this.#mkdir();
    else if (choice < 44) this.#write();
    else if (choice < 50) this.#truncate();
    else if (choice < 54) this.#allocate();
    else if (choice < 60) this.#read();
    else if (choice < 69) this.#unlink();
    else if (choice < 73) this.#rmdir();
    else if (choice < 82) this.#rename();
    else if (choice < 86) this.#link();
    else if (choice < 90) this.#symlink();
    else if (choice < 92) this.#special();
    else if (choice < 95) this.#attributes();
    else if (choice < 98) this.#xattr();
    else this.#openUnnamed();
  }

  #create(): void {
    const { vfs, root, run } = this.#mounted;
    const directory = this.#directory();
    const name = this.#name();
    const file = run(vfs.open(root, vfs.root, `${directory.path}/${name}`, O_RDWR | O_CREAT | O_EXCL, 0o640));
    if (directory.node.children.has(name)) {
      expect(file).toBe(-Errno.EEXIST);
      return;
    }
    if (!this.#done('create', file) || typeof file === 'number') return;
    const made = node('file', 0o640);
    directory.node.children.set(name, made);
    if (this.#open.length < 6 && this.#random.chance(0.2)) this.#open.push({ file, node: made });
    else this.#close(file);
  }

  #mkdir(): void {
    const { vfs, root, run } = this.#mounted;
    const directory = this.#directory();
    const name = this.#name();
    const made = run(vfs.mkdir(root, vfs.root, `${directory.path}/${name}`, 0o755));
    if (directory.node.children.has(name)) {
      expect(made).toBe(-Errno.EEXIST);
      return;
    }
    if (!this.#done('mkdir', made)) return;
    directory.node.children.set(name, node('directory', 0o755));
    directory.node.links++;
  }

  /** Some file, open: by its name, or one that is open already. */
  #anyFile(use: (file: OpenFile, node: Node) => void): void {
    if (this.#open.length > 0 && this.#random.chance(0.3)) {
      const { file, node: model } = this.#random.pick(this.#open);
      use(file, model);
      return;
    }
    const entry = this.#entry(['file']);
    if (!entry) return;
    const { vfs, root, run } = this.#mounted;
    const file = run(vfs.open(root, vfs.root, entry.path, O_RDWR, 0));
    if (typeof file === 'number') throw new Error(`open ${entry.path}: ${errnoName(file)}`);
    use(file, entry.node);
    this.#close(file);
  }

  #position(): number {
    const scale = this.#random.pick([100, 5000, 60_000, this.#maximum]);
    return this.#random.below(Math.min(scale, this.#maximum));
  }

  #write(): void {
    const { run } = this.#mounted;
    this.#anyFile((file, model) => {
      const position = this.#random.chance(0.4) ? model.content.length : this.#position();
      const length = Math.min(1 + this.#random.below(this.#random.pick([20, 3000, 30_000])), this.#maximum - position);
      if (length <= 0) return;
      const bytes = this.#random.bytes(length);
      const written = run(retry(() => file.write(new BufferSource(bytes), position)));
      if (!this.#done('write', written)) return;
      if (position + written > model.content.length) model.content = resized(model.content, position + written);
      model.content.set(bytes.subarray(0, written), position);
    });
  }

  #read(): void {
    const { run } = this.#mounted;
    this.#anyFile((file, model) => {
      const position = this.#position();
      const sink = new BufferSink(new Uint8Array(1 + this.#random.below(20_000)));
      const length = Math.max(0, Math.min(sink.remaining, model.content.length - position));
      const got = run(retry(() => file.read(sink, position)));
      expect(got).toBe(length);
      expect(Buffer.compare(sink.taken, model.content.subarray(position, position + length))).toBe(0);
    });
  }

  #truncate(): void {
    const { run } = this.#mounted;
    this.#anyFile((file, model) => {
      const size = this.#random.chance(0.3) ? 0 : this.#position();
      if (!this.#done('truncate', run(file.inode.truncate(size)))) return;
      model.content = resized(model.content, size);
    });
  }

  #allocate(): void {
    const { run } = this.#mounted;
    this.#anyFile((file, model) => {
      const start = this.#position();
      const length = Math.min(1 + this.#random.below(40_000), this.#maximum - start);
      const mode = this.#random.pick([0, FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE]);
      const result = run(file.inode.allocate(mode, start, length));
      const isDone = this.#done('fallocate', result);
      const size = model.content.length;
      // The punch of a zero range happens before blocks are allocated.
      if (mode !== 0) model.content.fill(0, Math.min(size, start), Math.min(size, start + length));
      if (isDone && (mode & FALLOC_FL_KEEP_SIZE) === 0 && start + length > size) model.content = resized(model.content, start + length);
    });
  }

  #unlink(): void {
    const { vfs, root, run } = this.#mounted;
    const entry = this.#entry(['file', 'symlink', 'special']);
    if (!entry || !this.#done('unlink', run(vfs.unlink(root, vfs.root, entry.path)))) return;
    entry.parent.children.delete(entry.name);
    entry.node.links--;
    if (this.#open.length > 3) this.#close(this.#open.shift()!.file);
  }

  #rmdir(): void {
    const { vfs, root, run } = this.#mounted;
    const entry = this.#entry(['directory']);
    if (!entry) return;
    const removed = run(vfs.rmdir(root, vfs.root, entry.path));
    if (entry.node.children.size > 0) {
      expect(removed).toBe(-Errno.ENOTEMPTY);
      return;
    }
    this.#done('rmdir', removed);
    entry.parent.children.delete(entry.name);
    entry.parent.links--;
  }

  #rename(): void {
    const { vfs, root, run } = this.#mounted;
    const from = this.#entry(['file', 'directory', 'symlink', 'special']);
    const to = this.#directory();
    const name = this.#name();
    if (!from) return;
    const target = to.node.children.get(name);
    const isExchange = target !== undefined && this.#random.chance(0.3);
    const path = `${to.path}/${name}`;
    const result = run(vfs.rename(root, vfs.root, from.path, vfs.root, path, isExchange ? RENAME_EXCHANGE : 0));
    const isBelow = (a: string, b: string): boolean => `${b}/`.startsWith(`${a}/`);
    if (from.node.kind === 'directory' && isBelow(from.path, to.path)) return void expect(result).toBe(-Errno.EINVAL);
    if (target !== undefined && isBelow(path, from.path) && path !== from.path) {
      return void expect(result).toBe(isExchange ? -Errno.EINVAL : -Errno.ENOTEMPTY);
    }
    if (target === from.node) return void expect(result).toBe(0);
    if (target && !isExchange) {
      if (from.node.kind === 'directory' && target.kind !== 'directory') return void expect(result).toBe(-Errno.ENOTDIR);
      if (from.node.kind !== 'directory' && target.kind === 'directory') return void expect(result).toBe(-Errno.EISDIR);
      if (target.children.size > 0) return void expect(result).toBe(-Errno.ENOTEMPTY);
    }
    if (!this.#done(isExchange ? 'exchange' : 'rename', result)) return;
    from.parent.children.delete(from.name);
    if (from.node.kind === 'directory') from.parent.links--;
    if (target !== undefined) {
      if (target.kind === 'directory') to.node.links--;
      if (isExchange) {
        from.parent.children.set(from.name, target);
        if (target.kind === 'directory') from.parent.links++;
      } else {
        target.links--;
      }
    }
    to.node.children.set(name, from.node);
    if (from.node.kind === 'directory') to.node.links++;
  }

  #link(): void {
    const { vfs, root, run } = this.#mounted;
    const from = this.#entry(['file', 'symlink', 'special']);
    const to = this.#directory();
    const name = this.#name();
    if (!from) return;
    const result = run(vfs.link(root, this.#resolve(from.path), vfs.root, `${to.path}/${name}`));
    if (to.node.children.has(name)) return void expect(result).toBe(-Errno.EEXIST);
    if (!this.#done('link', result)) return;
    to.node.children.set(name, from.node);
    from.node.links++;
  }

  #symlink(): void {
    const { vfs, root, run } = this.#mounted;
    const to = this.#directory();
    const name = this.#name();
    const target = 'x/'.repeat(1 + this.#random.below(this.#random.chance(0.5) ? 29 : 400));
    const result = run(vfs.symlink(root, vfs.root, `${to.path}/${name}`, target));
    if (to.node.children.has(name)) return void expect(result).toBe(-Errno.EEXIST);
    if (!this.#done('symlink', result)) return;
    const made = node('symlink', 0o777);
    made.target = target;
    to.node.children.set(name, made);
  }

  #special(): void {
    const { vfs, root, run } = this.#mounted;
    const to = this.#directory();
    const name = this.#name();
    const kind = this.#random.chance(0.5) ? S_IFIFO : S_IFCHR;
    const rdev = kind === S_IFCHR ? this.#random.pick([0x0103, 0x8801, 0x12_0345]) : 0;
    const result = run(vfs.mknod(root, vfs.root, `${to.path}/${name}`, kind | 0o600, rdev));
    if (to.node.children.has(name)) return void expect(result).toBe(-Errno.EEXIST);
    if (!this.#done('mknod', result)) return;
    const made = node('special', 0o600);
    made.rdev = rdev;
    to.node.children.set(name, made);
  }

  #attributes(): void {
    const { vfs, root, run } = this.#mounted;
    const entry = this.#entry(['file', 'directory', 'special']);
    if (!entry) return;
    const mode = this.#random.below(0o1000);
    const uid = this.#random.pick([0, 1000, 70_000]);
    const time = { seconds: this.#random.pick([-5, 1_000_000_000, 3_000_000_000]), nanoseconds: this.#random.below(1e9) };
    this.#done('setattr', run(vfs.setAttributes(root, this.#resolve(entry.path), { mode, uid, mtime: time })));
    entry.node.mode = mode;
    entry.node.uid = uid;
  }

  #xattr(): void {
    const { run } = this.#mounted;
    const entry = this.#entry(['file', 'directory']);
    if (!entry) return;
    const name = `${this.#random.pick(['user.', 'trusted.', 'security.'])}a${this.#random.below(5)}`;
    const { inode } = this.#resolve(entry.path).dentry;
    if (entry.node.xattrs.has(name) && this.#random.chance(0.5)) {
      if (this.#done('removexattr', run(inode!.removeXattr(name)))) entry.node.xattrs.delete(name);
      return;
    }
    if (!this.#mounted.fileSystem.geometry.hasXattrs) {
      expect(run(inode!.setXattr(name, new Uint8Array(1), 0))).toBe(-Errno.EOPNOTSUPP);
      return;
    }
    const value = 'v'.repeat(this.#random.below(this.#random.chance(0.5) ? 20 : 300));
    if (this.#done('setxattr', run(inode!.setXattr(name, Buffer.from(value), 0)))) entry.node.xattrs.set(name, value);
  }

  #openUnnamed(): void {
    const { vfs, root, run } = this.#mounted;
    if (this.#open.length >= 6) return;
    const directory = this.#directory();
    const file = run(vfs.open(root, vfs.root, directory.path || '/', O_TMPFILE | O_RDWR, 0o600));
    if (!this.#done('tmpfile', file) || typeof file === 'number') return;
    const made = node('file', 0o600);
    made.links = 0;
    const name = this.#name();
    if (!directory.node.children.has(name) && this.#random.chance(0.5)) {
      if (this.#done('link tmpfile', run(vfs.link(root, file.path, vfs.root, `${directory.path}/${name}`)))) {
        made.links = 1;
        directory.node.children.set(name, made);
      }
    }
    this.#open.push({ file, node: made });
  }

  /** Compares everything. */
  compare(): void {
    const places = new Map<number, Node>();
    this.#compare('', this.root, places);
    for (const { file, node: model } of this.#open) this.#compareContent(`open ${file.inode.ino}`, file, model);
  }

  #compare(path: string, model: Node, places: Map<number, Node>): void {
    const place = this.#resolve(path);
    const inode = place.dentry.inode!;
    const seen = places.get(inode.ino);
    if (seen) {
      expect(seen, `${path}: the same inode`).toBe(model);
      return;
    }
    places.set(inode.ino, model);
    expect({ path, mode: inode.mode & 0o7777, uid: inode.uid, links: inode.linkCount, rdev: inode.rdev })
      .toEqual({ path, mode: model.mode, uid: model.uid, links: model.links + (model === this.root ? this.rootLinks : 0), rdev: model.rdev });
    const { vfs, root, run } = this.#mounted;
    const xattrs = run(inode.listXattr());
    if (typeof xattrs === 'number') throw new Error(`${path}: listxattr ${errnoName(xattrs)}`);
    expect([...xattrs].sort(), `${path}: xattrs`).toEqual([...model.xattrs.keys()].sort());
    for (const [name, value] of model.xattrs) expect(Buffer.from(run(inode.getXattr(name)) as Uint8Array).toString(), `${path}: ${name}`).toBe(value);
    if (model.kind === 'symlink') expect(run(vfs.readlink(root, place)), path).toBe(model.target);
    if (model.kind === 'special') expect(inode.mode & S_IFMT).not.toBe(0);
    if (model.kind === 'file') {
      const file = run(vfs.openPath(root, place, O_RDWR));
      if (typeof file === 'number') throw new Error(`${path}: ${errnoName(file)}`);
      this.#compareContent(path, file, model);
      this.#close(file);
    }
    if (model.kind === 'directory') this.#compareDirectory(path, place, model, places);
  }

  #compareDirectory(path: string, place: Path, model: Node, places: Map<number, Node>): void {
    const { run } = this.#mounted;
    const names: string[] = [];
    for (let from = 0; ;) {
      const entries = run(place.dentry.inode!.readDirectory(from, place));
      if (typeof entries === 'number') throw new Error(`${path}: ${errnoName(entries)}`);
      if (entries.length === 0) break;
      names.push(...entries.map(entry => entry.name));
      from = entries[entries.length - 1]!.next;
    }
    const expected = ['.', '..', ...model.children.keys(), ...(model === this.root ? this.extraNames : [])];
    expect(names.sort(), `${path}: entries`).toEqual(expected.sort());
    for (const [name, child] of model.children) this.#compare(`${path}/${name}`, child, places);
  }

  /** Names in the root that were there before (lost+found), and links to the root by them. */
  extraNames: string[] = [];
  rootLinks = 0;

  #compareContent(path: string, file: OpenFile, model: Node): void {
    const { run } = this.#mounted;
    expect(file.inode.size, `${path}: size`).toBe(model.content.length);
    const bytes = new Uint8Array(model.content.length);
    for (let at = 0; at < bytes.length;) {
      const sink = new BufferSink(bytes.subarray(at));
      const got = run(retry(() => file.read(sink, at)));
      if (got <= 0) throw new Error(`${path}: read at ${at}: ${got}`);
      at += got;
    }
    if (Buffer.compare(bytes, model.content) === 0) return;
    const at = bytes.findIndex((byte, i) => byte !== model.content[i]);
    throw new Error(`${path}: byte ${at} of ${bytes.length} is ${bytes[at]}, not ${model.content[at]}`);
  }
}

