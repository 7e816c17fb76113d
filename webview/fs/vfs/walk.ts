/**
 * The path walk of path_resolution(7). A `Walker` goes as far as the cache of names allows in plain code and says what it lacks: a
 * look-up or a link's text. With the cache alone it answers `resolveCached`; a generator that fetches what is lacking makes it `resolve`.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { X_OK } from '../../kernel/abi/fcntl.ts';
import { MS_NOSYMFOLLOW } from '../../kernel/abi/mount.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Caller } from './caller.ts';
import type { CachedDentry, DentryCache } from './dentries.ts';
import { mountedOn } from './mounts.ts';
import { Walk } from './namespace.ts';
import { permits } from './permissions.ts';
import type { Mount, Path } from './path.ts';

export const nameMax = 255;
export const pathMax = 4096;
const maximumLinks = 40;

/** How far a walk came. Negative answers are errnos. */
const Stage = { done: 0, lookup: 1, link: 2, refresh: 3 } as const;

export class Walker {
  readonly #cache: DentryCache;
  #caller!: Caller;
  /** Where the walk is. */
  mount!: Mount;
  dentry!: CachedDentry;
  #path = '';
  #at = 0;
  #walk = 0;
  #links = 0;
  /** Stop before the last component and leave it in `last`. */
  #toParent = false;
  /** The last component of a walk to the parent: a name, '.' or '..' as they stand, or '' for the root itself. */
  last: ByteString = '';
  /** The path says that its last component is a directory: 'a/'. */
  trailingSlash = false;
  /** What the walk lacks: the name to look up, or the link to read. */
  #name: ByteString = '';
  #link: CachedDentry | undefined;
  /** On file systems that don't cache names: the directory whose attributes are fresh, and the child that was looked up. */
  #refreshed: CachedDentry | undefined;
  #fetched: CachedDentry | undefined;

  constructor(cache: DentryCache) {
    this.#cache = cache;
  }

  /** Sets out from `base`. 0, or -errno for a path that can't be walked. */
  start(caller: Caller, base: Path, path: ByteString, walk: number, toParent: boolean): number {
    this.#caller = caller;
    this.#path = path;
    this.#at = 0;
    this.#walk = walk;
    this.#links = 0;
    this.#toParent = toParent;
    this.last = '';
    this.trailingSlash = false;
    this.#refreshed = this.#fetched = this.#link = undefined;
    const from = path.charCodeAt(0) === 47 ? caller.root : base;
    this.mount = from.mount;
    this.dentry = from.dentry as CachedDentry;
    if (path.length === 0 && (walk & Walk.empty) === 0) return -Errno.ENOENT;
    return path.length >= pathMax ? -Errno.ENAMETOOLONG : 0;
  }

  /** False when a link led to a place instead of a name (magic links of procfs). */
  get hasLast(): boolean {
    return this.last !== '';
  }

  get place(): Path {
    return this.dentry.pathIn(this.mount);
  }

  /** Walks until it is done or something is lacking. */
  run(): number {
    for (;;) {
      const path = this.#path;
      while (path.charCodeAt(this.#at) === 47) this.#at++;
      if (this.#at >= path.length) return this.#finish();
      let end = path.indexOf('/', this.#at);
      if (end < 0) end = path.length;
      const inode = this.dentry.inode!;
      if (!inode.isDirectory) return -Errno.ENOTDIR;
      const { cachesNames } = inode.fileSystem;
      if (!cachesNames && this.#refreshed !== this.dentry) return Stage.refresh;
      const allowed = permits(inode, this.#caller.credentials, X_OK);
      if (allowed < 0) return allowed;
      const stage = this.#step(end, cachesNames);
      if (stage !== undefined) return stage;
    }
  }

  /** Takes the component that ends at `end`; undefined to walk on. */
  #step(end: number, cachesNames: boolean): number | undefined {
    const path = this.#path;
    const at = this.#at;
    const isLast = this.#isLast(end);
    const dots = path.charCodeAt(at) !== 46 ? 0 : end - at === 1 ? 1 : end - at === 2 && path.charCodeAt(at + 1) === 46 ? 2 : 0;
    if (this.#toParent && isLast) {
      this.last = path.slice(at, end);
      this.trailingSlash = end < path.length;
      return end - at > nameMax ? -Errno.ENAMETOOLONG : Stage.done;
    }
    if (dots > 0) {
      if (dots === 2) this.#ascend();
      this.#at = end;
      return undefined;
    }
    const name = path.slice(at, end);
    const child = cachesNames ? this.dentry.child(name) : this.#fetched;
    if (child === undefined) {
      if (name.length > nameMax) return -Errno.ENAMETOOLONG;
      this.#name = name;
      return Stage.lookup;
    }
    this.#fetched = undefined;
    return this.#enter(child, end, isLast);
  }

  #isLast(end: number): boolean {
    const path = this.#path;
    for (let i = end; i < path.length; i++) if (path.charCodeAt(i) !== 47) return false;
    return true;
  }

  #finish(): number {
    const directory = (this.#walk & Walk.directory) !== 0 || (this.#path.length > 0 && this.#path.charCodeAt(this.#path.length - 1) === 47);
    this.trailingSlash = directory;
    return directory && !this.dentry.inode!.isDirectory ? -Errno.ENOTDIR : Stage.done;
  }

  /** Goes up, through the roots of mounts, not above the caller's root. */
  #ascend(): void {
    const { root } = this.#caller;
    for (;;) {
      if (this.dentry === root.dentry && this.mount === root.mount) return;
      if (this.dentry !== this.mount.root) {
        this.dentry = this.dentry.parent ?? this.dentry;
        break;
      }
      const { at } = this.mount;
      if (at === undefined) return;
      this.mount = at.mount;
      this.dentry = at.dentry as CachedDentry;
    }
    this.#descend();
  }

  /** Steps from a mount point to the root of what is mounted there. */
  #descend(): void {
    for (let on = mountedOn(this.mount, this.dentry); on !== undefined; on = mountedOn(this.mount, this.dentry)) {
      this.mount = on;
      this.dentry = on.root as CachedDentry;
    }
  }

  /** Steps to `child`; undefined to walk on. */
  #enter(child: CachedDentry, end: number, isLast: boolean): number | undefined {
    const { inode } = child;
    if (inode === undefined) return -Errno.ENOENT;
    if (inode.isSymlink) {
      // A slash behind the name makes a directory of it: the link is followed.
      const follows = !isLast || (this.#walk & Walk.follow) !== 0 || end < this.#path.length;
      if (follows) {
        if (++this.#links > maximumLinks || (this.mount.flags & MS_NOSYMFOLLOW) !== 0) return -Errno.ELOOP;
        this.#at = end;
        if (child.target === undefined) {
          this.#link = child;
          return Stage.link;
        }
        return this.#detour(child.target);
      }
    }
    this.dentry = child;
    this.#at = end;
    if (child.mounts !== undefined) this.#descend();
    return undefined;
  }

  /** Puts a link's text in front of what is left of the path. */
  #detour(target: ByteString): number | undefined {
    if (target.length === 0) return -Errno.ENOENT;
    this.#path = target + this.#path.slice(this.#at);
    this.#at = 0;
    if (target.charCodeAt(0) === 47) this.#toRoot();
    return undefined;
  }

  #toRoot(): void {
    this.mount = this.#caller.root.mount;
    this.dentry = this.#caller.root.dentry as CachedDentry;
  }

  /** Walks to the end, fetching what the cache lacks. 0 or -errno. */
  *complete(): Io<number> {
    for (;;) {
      const stage = this.run();
      if (stage <= 0) return stage;
      let fetched = 0;
      if (stage === Stage.refresh) {
        fetched = yield* this.dentry.inode!.refresh();
        this.#refreshed = this.dentry;
      } else if (stage === Stage.link) {
        fetched = yield* this.#fetchLink();
      } else {
        const child = yield* lookup(this.#cache, this.dentry, this.#name);
        if (typeof child === 'number') return child;
        this.#fetched = child;
      }
      if (fetched < 0) return fetched;
    }
  }

  *#fetchLink(): Io<number> {
    const link = this.#link!;
    this.#link = undefined;
    const inode = link.inode!;
    const place = yield* inode.follow(this.#caller);
    if (typeof place === 'number') return place;
    if (place !== undefined) {
      this.mount = place.mount;
      this.dentry = place.dentry as CachedDentry;
      return 0;
    }
    const target = yield* inode.readlink(this.#caller);
    if (typeof target === 'number') return target;
    if (inode.fileSystem.cachesNames) link.target = target;
    return this.#detour(target) ?? 0;
  }

  /** Goes on from a walk to the parent through its last component, a link: the new last component is in `last`. 0 or -errno. */
  *followLast(link: CachedDentry): Io<number> {
    if (++this.#links > maximumLinks || (this.mount.flags & MS_NOSYMFOLLOW) !== 0) return -Errno.ELOOP;
    this.#path = this.trailingSlash ? '/' : '';
    this.#at = 0;
    this.last = '';
    this.#link = link;
    const fetched = link.target !== undefined ? (this.#detour(link.target) ?? 0) : yield* this.#fetchLink();
    this.#link = undefined;
    return fetched < 0 ? fetched : yield* this.complete();
  }
}

/** The child `name` of a directory, negative if there is none, from the cache or the file system. */
export function* lookup(cache: DentryCache, directory: CachedDentry, name: ByteString): Io<CachedDentry | number> {
  const { lock } = directory;
  yield* lock.acquire();
  try {
    return yield* lookupLocked(cache, directory, name);
  } finally {
    lock.release();
  }
}

/** As `lookup`, for whoever holds the directory's lock. */
export function* lookupLocked(cache: DentryCache, directory: CachedDentry, name: ByteString): Io<CachedDentry | number> {
  if (name.length > nameMax) return -Errno.ENAMETOOLONG;
  const { fileSystem } = directory.inode!;
  const known = directory.child(name);
  if (known !== undefined && fileSystem.cachesNames) return known;
  if (directory.unlinked) return -Errno.ENOENT;
  const recalled = fileSystem.cachesNames ? cache.recall(directory, name) : undefined;
  if (recalled !== undefined) return recalled;
  const found = yield* directory.inode!.lookup(name);
  if (typeof found === 'number' && found !== -Errno.ENOENT) return found;
  return cache.add(directory, name, typeof found === 'number' ? undefined : found);
}
