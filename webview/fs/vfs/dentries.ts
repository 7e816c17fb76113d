/**
 * The cache of names: a tree of dentries below each file system's root, with negative entries for names that aren't there. It is
 * bounded: names unused for long are forgotten. A dentry that someone still holds (an open file, a working directory) is found again
 * after that, because its parent keeps a weak reference, so a file's name never exists twice.
 */
import type { ByteString } from '../../lib/byteString.ts';
import { Mutex } from '../../lib/wait.ts';
import type { Inode } from './inode.ts';
import type { Dentry, Mount, Path } from './path.ts';

const noChildren: ReadonlyMap<ByteString, CachedDentry> = new Map();

/** A dentry as the cache changes it. Only `DentryCache` writes to its fields. */
export class CachedDentry implements Dentry {
  name: ByteString;
  parent: CachedDentry | undefined;
  inode: Inode | undefined;
  unlinked = false;
  /** An unnamed file (O_TMPFILE) that link(2) may give a name. */
  isLinkable = false;
  /** Used since the cache's last round. */
  used = true;
  /** Mounts whose mount point this is, the newest last. */
  mounts: Mount[] | undefined;
  /** Text of a symbolic link on a file system that caches names. */
  target: ByteString | undefined;
  children: Map<ByteString, CachedDentry> | undefined;
  /** Children that were forgotten but may still be held by someone. */
  #forgotten: Map<ByteString, WeakRef<CachedDentry>> | undefined;
  #path: Path | undefined;
  #lock: Mutex | undefined;

  constructor(name: ByteString, parent: CachedDentry | undefined, inode: Inode | undefined) {
    this.name = name;
    this.parent = parent;
    this.inode = inode;
  }

  /** Held while names of this directory are looked up on the store or changed. */
  get lock(): Mutex {
    return (this.#lock ??= new Mutex());
  }

  /** The place of this dentry in `mount`; the same object each time for the same mount. */
  pathIn(mount: Mount): Path {
    const known = this.#path;
    if (known !== undefined && known.mount === mount) return known;
    return (this.#path = { mount, dentry: this });
  }

  /** The child of that name, negative or not; undefined when the cache doesn't know it. */
  child(name: ByteString): CachedDentry | undefined {
    const found = (this.children ?? noChildren).get(name);
    if (found !== undefined) found.used = true;
    return found;
  }

  weaken(name: ByteString, child: CachedDentry): void {
    const forgotten = (this.#forgotten ??= new Map());
    forgotten.set(name, new WeakRef(child));
    if (forgotten.size % 1024 === 0) {
      for (const [key, reference] of forgotten) if (reference.deref() === undefined) forgotten.delete(key);
    }
  }

  /** Takes a forgotten child that still lives. */
  recall(name: ByteString): CachedDentry | undefined {
    const found = this.#forgotten?.get(name)?.deref();
    this.#forgotten?.delete(name);
    return found;
  }
}

export class DentryCache {
  readonly #limit: number;
  /** All dentries with a parent, the next to look at first. */
  readonly #all = new Set<CachedDentry>();

  /** `limit`: how many dentries to keep. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#all.size;
  }

  /** A forgotten name that is still held by someone, brought back. */
  recall(parent: CachedDentry, name: ByteString): CachedDentry | undefined {
    const found = parent.recall(name);
    // It may have been renamed or removed since.
    if (found === undefined || found.unlinked || found.parent !== parent || found.name !== name) return undefined;
    this.#insert(parent, found);
    return found;
  }

  /** Enters what a look-up found: an inode, or undefined for a name that isn't there. */
  add(parent: CachedDentry, name: ByteString, inode: Inode | undefined): CachedDentry {
    const known = parent.children?.get(name);
    if (known !== undefined) {
      if (known.inode === inode || known.mounts !== undefined) return known;
      if (known.inode === undefined) {
        known.inode = inode;
        return known;
      }
      // The file system changed the name by itself (procfs, host mounts).
      if (inode === undefined) known.unlinked = true;
      this.drop(known);
    }
    const dentry = new CachedDentry(name, parent, inode);
    this.#insert(parent, dentry);
    return dentry;
  }

  #insert(parent: CachedDentry, dentry: CachedDentry): void {
    (parent.children ??= new Map()).set(dentry.name, dentry);
    dentry.used = true;
    this.#all.add(dentry);
    if (this.#all.size > this.#limit) this.#shrink(64);
  }

  /** The name is gone: whoever holds the dentry sees it as unlinked; the cache knows that nothing is there now. */
  unlink(dentry: CachedDentry): void {
    const { parent, name } = dentry;
    this.drop(dentry);
    dentry.unlinked = true;
    if (parent !== undefined && !parent.unlinked) this.add(parent, name, undefined);
  }

  /** Removes a dentry and what is below it from the cache, without saying anything about the file. */
  drop(dentry: CachedDentry): void {
    this.#forgetBelow(dentry);
    if (dentry.parent?.children?.get(dentry.name) === dentry) dentry.parent.children.delete(dentry.name);
    this.#all.delete(dentry);
  }

  #forgetBelow(top: CachedDentry): void {
    const left = [top];
    for (let dentry = left.pop(); dentry !== undefined; dentry = left.pop()) {
      for (const child of dentry.children?.values() ?? []) {
        this.#all.delete(child);
        left.push(child);
      }
      dentry.children = undefined;
    }
  }

  /** Moves a name; what was cached at the new place is gone (the caller has unlinked it). */
  move(dentry: CachedDentry, parent: CachedDentry, name: ByteString): void {
    const from = dentry.parent!;
    const oldName = dentry.name;
    from.children?.delete(oldName);
    const there = parent.children?.get(name);
    if (there !== undefined && there !== dentry) this.drop(there);
    dentry.parent = parent;
    dentry.name = name;
    this.#insert(parent, dentry);
    this.add(from, oldName, undefined);
  }

  /** Swaps two names. */
  exchange(a: CachedDentry, b: CachedDentry): void {
    const { parent: parentA, name: nameA } = a;
    a.parent = b.parent;
    a.name = b.name;
    b.parent = parentA;
    b.name = nameA;
    this.#insert(a.parent!, a);
    this.#insert(b.parent!, b);
  }

  /** Second chance: looks at dentries in turn, forgets those that weren't used since the last look. */
  #shrink(count: number): void {
    let tries = Math.min(count * 4, this.#all.size >> 1);
    for (const dentry of this.#all) {
      if (count <= 0 || tries-- <= 0) break;
      const inUse = dentry.used || (dentry.children !== undefined && dentry.children.size > 0) || dentry.mounts !== undefined;
      if (inUse) {
        dentry.used = false;
        this.#all.delete(dentry);
        this.#all.add(dentry);
        continue;
      }
      dentry.parent!.children?.delete(dentry.name);
      if (dentry.inode !== undefined) dentry.parent!.weaken(dentry.name, dentry);
      this.#all.delete(dentry);
      count--;
    }
  }
}
