/**
 * What changes names: making, linking, removing and renaming. A directory's lock is held from the look-up to the change; only renames
 * between directories take two, and they exclude each other by the rename lock, so there is no order to get wrong.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, W_OK, X_OK } from '../../kernel/abi/fcntl.ts';
import {
  IN_ATTRIB, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVED_FROM, IN_MOVED_TO, IN_MOVE_SELF,
} from '../../kernel/abi/inotify.ts';
import { S_IFDIR, S_IFMT, S_ISGID } from '../../kernel/abi/stat.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { Mutex, type Io } from '../../lib/wait.ts';
import type { Caller } from './caller.ts';
import type { CachedDentry, DentryCache } from './dentries.ts';
import type { FileEvents } from './events.ts';
import type { Inode, NewInode } from './inode.ts';
import type { Path } from './path.ts';
import { isInGroup, isReadOnly, mayLink, permits, permitsRemoval } from './permissions.ts';
import { Walker, lookupLocked } from './walk.ts';

/** Makes the inode of a new name in `directory`. */
type Make = (directory: Inode, name: ByteString, inode: NewInode) => Io<Inode | number>;

export class NameChanges {
  readonly #cache: DentryCache;
  readonly #events: FileEvents;
  readonly #renameLock = new Mutex();

  constructor(cache: DentryCache, events: FileEvents) {
    this.#cache = cache;
    this.#events = events;
  }

  /** Walks to the directory that holds the last component of `path`. */
  *parent(caller: Caller, base: Path, path: ByteString): Io<Walker | number> {
    const walker = new Walker(this.#cache);
    const started = walker.start(caller, base, path, 0, true);
    if (started < 0) return started;
    const walked = yield* walker.complete();
    if (walked < 0) return walked;
    return walker.dentry.inode!.isDirectory ? walker : -Errno.ENOTDIR;
  }

  /** Makes a new name. `kind`: S_IF* of what is made; directories may be named with a trailing slash. */
  *make(caller: Caller, base: Path, path: ByteString, mode: number, rdev: number, make: Make): Io<Path | number> {
    const walker = yield* this.parent(caller, base, path);
    if (typeof walker === 'number') return walker;
    if (isDots(walker.last)) return -Errno.EEXIST;
    const isDirectory = (mode & S_IFMT) === S_IFDIR;
    const directory = walker.dentry;
    yield* directory.lock.acquire();
    try {
      const child = yield* lookupLocked(this.#cache, directory, walker.last);
      if (typeof child === 'number') return child;
      if (child.inode !== undefined) return -Errno.EEXIST;
      if (walker.trailingSlash && !isDirectory) return -Errno.ENOENT;
      return yield* this.makeLocked(caller, walker.place, child, mode, rdev, make);
    } finally {
      directory.lock.release();
    }
  }

  /** Makes the file behind the negative dentry `child` of the locked directory at `parent`. */
  *makeLocked(caller: Caller, parent: Path, child: CachedDentry, mode: number, rdev: number, make: Make): Io<Path | number> {
    if (isReadOnly(parent.mount)) return -Errno.EROFS;
    const directory = parent.dentry.inode!;
    const allowed = permits(directory, caller.credentials, W_OK | X_OK);
    if (allowed < 0) return allowed;
    if (parent.dentry.unlinked) return -Errno.ENOENT;
    const inode = yield* make(directory, child.name, newInode(directory, caller, mode, rdev));
    if (typeof inode === 'number') return inode;
    const dentry = this.#cache.add(parent.dentry as CachedDentry, child.name, inode);
    this.#events.named(parent, dentry.name, inode, IN_CREATE);
    return dentry.pathIn(parent.mount);
  }

  *link(caller: Caller, source: Path, base: Path, path: ByteString): Io<number> {
    const inode = source.dentry.inode!;
    const walker = yield* this.parent(caller, base, path);
    if (typeof walker === 'number') return walker;
    if (isDots(walker.last)) return -Errno.EEXIST;
    const directory = walker.dentry;
    yield* directory.lock.acquire();
    try {
      const child = yield* lookupLocked(this.#cache, directory, walker.last);
      if (typeof child === 'number') return child;
      if (child.inode !== undefined) return -Errno.EEXIST;
      if (walker.trailingSlash) return -Errno.ENOENT;
      if (walker.mount !== source.mount) return -Errno.EXDEV;
      if (isReadOnly(walker.mount)) return -Errno.EROFS;
      if (!mayLink(inode, caller.credentials)) return -Errno.EPERM;
      const allowed = permits(directory.inode!, caller.credentials, W_OK | X_OK);
      if (allowed < 0) return allowed;
      if (inode.isDirectory) return -Errno.EPERM;
      const from = source.dentry as CachedDentry;
      if (directory.unlinked || (inode.linkCount === 0 && !from.isLinkable)) return -Errno.ENOENT;
      const linked = yield* directory.inode!.link(child.name, inode);
      if (linked < 0) return linked;
      this.#cache.add(directory, child.name, inode);
      this.#events.happened(inode, IN_ATTRIB, undefined);
      this.#events.named(walker.place, child.name, inode, IN_CREATE);
      return 0;
    } finally {
      directory.lock.release();
    }
  }

  /** unlink(2), or rmdir(2) where `isDirectory`. */
  *remove(caller: Caller, base: Path, path: ByteString, isDirectory: boolean): Io<number> {
    const walker = yield* this.parent(caller, base, path);
    if (typeof walker === 'number') return walker;
    const { last, dentry: directory } = walker;
    if (isDots(last)) {
      if (!isDirectory) return -Errno.EISDIR;
      return last === '.' ? -Errno.EINVAL : last === '..' ? -Errno.ENOTEMPTY : -Errno.EBUSY;
    }
    if (isReadOnly(walker.mount)) return -Errno.EROFS;
    let inode: Inode;
    yield* directory.lock.acquire();
    try {
      const child = yield* lookupLocked(this.#cache, directory, last);
      if (typeof child === 'number') return child;
      if (child.inode === undefined) return -Errno.ENOENT;
      inode = child.inode;
      if (!isDirectory && walker.trailingSlash) return inode.isDirectory ? -Errno.EISDIR : -Errno.ENOTDIR;
      const allowed = permitsRemoval(directory.inode!, inode, caller.credentials);
      if (allowed < 0) return allowed;
      if (isDirectory !== inode.isDirectory) return isDirectory ? -Errno.ENOTDIR : -Errno.EISDIR;
      if (child.mounts !== undefined) return -Errno.EBUSY;
      const removed = isDirectory ? yield* directory.inode!.rmdir(last, inode) : yield* directory.inode!.unlink(last, inode);
      if (removed < 0) return removed;
      this.#cache.unlink(child);
      this.#sayGone(child.pathIn(walker.mount), inode);
      this.#events.named(walker.place, last, inode, IN_DELETE);
    } finally {
      directory.lock.release();
    }
    yield* evictIfGone(inode);
    return 0;
  }

  /** A name of `inode` is gone. Unlike Linux, IN_DELETE_SELF comes with the last name, even when the file is still open. */
  #sayGone(path: Path, inode: Inode): void {
    // The link count is the inode's own affair: its directory's watchers don't hear of it.
    if (!inode.isDirectory) this.#events.happened(inode, IN_ATTRIB, undefined);
    if (inode.linkCount === 0 || inode.isDirectory) this.#events.happened(inode, IN_DELETE_SELF, path);
  }

  *rename(caller: Caller, oldBase: Path, oldPath: ByteString, newBase: Path, newPath: ByteString, flags: number): Io<number> {
    const exchange = (flags & RENAME_EXCHANGE) !== 0;
    const noReplace = (flags & RENAME_NOREPLACE) !== 0;
    if ((flags & ~(RENAME_EXCHANGE | RENAME_NOREPLACE)) !== 0 || (exchange && noReplace)) return -Errno.EINVAL;
    const from = yield* this.parent(caller, oldBase, oldPath);
    if (typeof from === 'number') return from;
    const to = yield* this.parent(caller, newBase, newPath);
    if (typeof to === 'number') return to;
    if (from.mount !== to.mount) return -Errno.EXDEV;
    if (isDots(from.last)) return -Errno.EBUSY;
    if (isDots(to.last)) return noReplace ? -Errno.EEXIST : -Errno.EBUSY;
    if (isReadOnly(from.mount)) return -Errno.EROFS;
    let replaced: Inode | undefined | number;
    const isTwo = from.dentry !== to.dentry;
    if (isTwo) yield* this.#renameLock.acquire();
    yield* from.dentry.lock.acquire();
    if (isTwo) yield* to.dentry.lock.acquire();
    try {
      replaced = yield* this.#renameLocked(caller, from, to, exchange, noReplace);
    } finally {
      if (isTwo) to.dentry.lock.release();
      from.dentry.lock.release();
      if (isTwo) this.#renameLock.release();
    }
    if (typeof replaced === 'number') return replaced;
    if (replaced !== undefined) yield* evictIfGone(replaced);
    return 0;
  }

  /** With the locks held: -errno, or the inode that lost its name, undefined if none did. */
  *#renameLocked(caller: Caller, from: Walker, to: Walker, exchange: boolean, noReplace: boolean): Io<Inode | undefined | number> {
    const source = yield* lookupLocked(this.#cache, from.dentry, from.last);
    if (typeof source === 'number') return source;
    const target = yield* lookupLocked(this.#cache, to.dentry, to.last);
    if (typeof target === 'number') return target;
    const inode = source.inode;
    if (inode === undefined) return -Errno.ENOENT;
    const other = target.inode;
    if (noReplace && other !== undefined) return -Errno.EEXIST;
    if (exchange && other === undefined) return -Errno.ENOENT;
    if (!inode.isDirectory && (from.trailingSlash || (!exchange && to.trailingSlash))) return -Errno.ENOTDIR;
    if (exchange && to.trailingSlash && !other!.isDirectory) return -Errno.ENOTDIR;
    if (isAncestor(source, to.dentry)) return -Errno.EINVAL;
    if (other !== undefined && isAncestor(target, from.dentry)) return exchange ? -Errno.EINVAL : -Errno.ENOTEMPTY;
    if (other === inode) return undefined;
    const allowed = this.#permitsRename(caller, from, to, inode, other, exchange);
    if (allowed < 0) return allowed;
    if (source.mounts !== undefined || target.mounts !== undefined) return -Errno.EBUSY;
    const renamed = yield* from.dentry.inode!.rename(from.last, inode, to.dentry.inode!, to.last, other, exchange);
    if (renamed < 0) return renamed;
    if (exchange) {
      this.#cache.exchange(source, target);
    } else {
      if (other !== undefined) {
        this.#cache.drop(target);
        target.unlinked = true;
      }
      this.#cache.move(source, to.dentry, to.last);
    }
    this.#sayRenamed(from, to, source, target, other, exchange);
    return exchange ? undefined : other;
  }

  #permitsRename(caller: Caller, from: Walker, to: Walker, inode: Inode, other: Inode | undefined, exchange: boolean): number {
    const { credentials } = caller;
    const oldDirectory = from.dentry.inode!;
    const newDirectory = to.dentry.inode!;
    let allowed = permitsRemoval(oldDirectory, inode, credentials);
    if (allowed < 0) return allowed;
    allowed = other === undefined ? permits(newDirectory, credentials, W_OK | X_OK) : permitsRemoval(newDirectory, other, credentials);
    if (allowed < 0) return allowed;
    if (to.dentry.unlinked) return -Errno.ENOENT;
    if (other !== undefined && !exchange && inode.isDirectory !== other.isDirectory) return inode.isDirectory ? -Errno.ENOTDIR : -Errno.EISDIR;
    if (oldDirectory === newDirectory) return 0;
    // A directory that gets another parent is itself changed ('..').
    if (inode.isDirectory) allowed = permits(inode, credentials, W_OK);
    if (allowed === 0 && exchange && other!.isDirectory) allowed = permits(other!, credentials, W_OK);
    return allowed;
  }

  #sayRenamed(from: Walker, to: Walker, source: CachedDentry, target: CachedDentry, other: Inode | undefined, exchange: boolean): void {
    if (!this.#events.isWatched) return;
    const inode = source.inode!;
    const cookie = this.#events.nextCookie();
    this.#events.named(from.place, from.last, inode, IN_MOVED_FROM, cookie);
    this.#events.named(to.place, to.last, inode, IN_MOVED_TO, cookie);
    this.#events.happened(inode, IN_MOVE_SELF, source.pathIn(to.mount));
    if (other === undefined) return;
    if (!exchange) {
      this.#sayGone(target.pathIn(to.mount), other);
      return;
    }
    const second = this.#events.nextCookie();
    this.#events.named(to.place, to.last, other, IN_MOVED_FROM, second);
    this.#events.named(from.place, from.last, other, IN_MOVED_TO, second);
    this.#events.happened(other, IN_MOVE_SELF, target.pathIn(to.mount));
  }
}

/** Frees a file that has neither a name nor an open file left. */
export function* evictIfGone(inode: Inode): Io<void> {
  if (inode.linkCount === 0 && inode.openCount === 0) yield* inode.evict();
}

function isDots(name: ByteString): boolean {
  return name === '' || name === '.' || name === '..';
}

function isAncestor(dentry: CachedDentry, of: CachedDentry): boolean {
  for (let at: CachedDentry | undefined = of; at !== undefined; at = at.parent) if (at === dentry) return true;
  return false;
}

/** Owner, group and mode of a new file: a set-group-ID directory gives its group on, to directories with the bit itself. */
export function newInode(directory: Inode, caller: Caller, mode: number, rdev: number): NewInode {
  const { credentials } = caller;
  const inherits = (directory.mode & S_ISGID) !== 0;
  const gid = inherits ? directory.gid : credentials.gid;
  let bits = mode & ~caller.umask;
  if ((mode & S_IFMT) === S_IFDIR) {
    if (inherits) bits |= S_ISGID;
  } else if (inherits && (bits & (S_ISGID | 0o010)) === (S_ISGID | 0o010) && !credentials.overridesOwnership && !isInGroup(credentials, gid)) {
    bits &= ~S_ISGID;
  }
  return { mode: bits, uid: credentials.uid, gid, rdev };
}
