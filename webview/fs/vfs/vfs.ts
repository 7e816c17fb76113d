/**
 * Here lives what all file systems have in common: names and their cache, path walks, permissions, mounts, open files, the page cache.
 * File systems (ext2, tmpfs, procfs, ...) derive their inodes from `Inode`; the kernel and the host's file provider see `Namespace`.
 * Nothing here knows how a file system stores anything, nor of tasks, descriptors or user memory.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import {
  O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOATIME, O_NOCTTY, O_NOFOLLOW, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY,
  R_OK, W_OK, X_OK,
} from '../../kernel/abi/fcntl.ts';
import { IN_ATTRIB, IN_MODIFY, IN_OPEN } from '../../kernel/abi/inotify.ts';
import { MS_NODEV } from '../../kernel/abi/mount.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../kernel/abi/stat.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Caller } from './caller.ts';
import { NameChanges, evictIfGone, newInode } from './changes.ts';
import { CachedDentry, DentryCache } from './dentries.ts';
import { FileEvents } from './events.ts';
import type { FileSystem, FileSystemStatistics } from './fileSystem.ts';
import type { AttributeChange, Inode, Timespec } from './inode.ts';
import { MountTable, VfsMount, mountedOn } from './mounts.ts';
import { Walk, type FileEvent, type Namespace, type Openers } from './namespace.ts';
import type { OpenFile } from './openFile.ts';
import type { Mount, Path } from './path.ts';
import { PathFile } from './pathFile.ts';
import { checkAccess, checkAttributeChange, isReadOnly, permits, withoutSetIds } from './permissions.ts';
import { Walker, lookup, lookupLocked, pathMax } from './walk.ts';

export interface VfsOptions {
  /** The file system at '/', what mount(8) shows as its device, and its flags (mount(2)). */
  root: FileSystem;
  source: ByteString;
  flags?: number;
  /** Wall-clock time. */
  now: () => Timespec;
  /** Names kept in the cache. */
  dentryLimit?: number;
}

const defaultDentryLimit = 32768;
// What open(2) does at once and F_GETFL doesn't show.
const creationFlags = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

export class Vfs implements Namespace {
  /** Opens device nodes and FIFOs; until the kernel sets it they answer ENXIO. */
  openers: Openers | undefined;
  readonly #cache: DentryCache;
  readonly #mounts: MountTable;
  readonly #events = new FileEvents();
  readonly #changes: NameChanges;
  readonly #now: () => Timespec;
  // A walk in plain code is over before the next one starts.
  readonly #walker: Walker;
  /** Where anonymous files are: never in sight. */
  readonly #internal = new Map<FileSystem, VfsMount>();
  #root: Path;
  #nextIno = 1;

  constructor(options: VfsOptions) {
    this.#cache = new DentryCache(options.dentryLimit ?? defaultDentryLimit);
    this.#mounts = new MountTable(this.#cache);
    this.#changes = new NameChanges(this.#cache, this.#events);
    this.#walker = new Walker(this.#cache);
    this.#now = options.now;
    const root = this.#mounts.rootOf(options.root);
    const mount = this.#mounts.add(options.root, root, undefined, options.source, options.flags ?? 0) as VfsMount;
    this.#root = root.pathIn(mount);
  }

  get root(): Path {
    return this.#root;
  }

  get mounts(): readonly Mount[] {
    return this.#mounts.all;
  }

  resolveCached(caller: Caller, base: Path, path: ByteString, walk: number): Path | number | undefined {
    const walker = this.#walker;
    const started = walker.start(caller, base, path, walk, false);
    if (started < 0) return started;
    const stage = walker.run();
    if (stage !== 0) return stage < 0 ? stage : undefined;
    // The root of a file system that changes by itself can be reached without asking it.
    return walker.mount.fileSystem.cachesNames ? walker.place : undefined;
  }

  *resolve(caller: Caller, base: Path, path: ByteString, walk: number): Io<Path | number> {
    const cached = this.resolveCached(caller, base, path, walk);
    if (cached !== undefined) return cached;
    const walker = new Walker(this.#cache);
    walker.start(caller, base, path, walk, false);
    const walked = yield* walker.complete();
    if (walked < 0) return walked;
    const { place } = walker;
    if (!place.mount.fileSystem.cachesNames) {
      const fresh = yield* place.dentry.inode!.refresh();
      if (fresh < 0) return fresh;
    }
    return place;
  }

  // Opening.

  *open(caller: Caller, base: Path, path: ByteString, flags: number, mode: number): Io<OpenFile | number> {
    if ((flags & O_PATH) !== 0) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if ((flags & O_TMPFILE & ~O_DIRECTORY) !== 0) return yield* this.#openUnnamed(caller, base, path, flags, mode);
    if ((flags & O_CREAT) !== 0) return yield* this.#openOrCreate(caller, base, path, flags, mode);
    const walk = ((flags & O_NOFOLLOW) !== 0 ? 0 : Walk.follow) | ((flags & O_DIRECTORY) !== 0 ? Walk.directory : 0);
    const place = yield* this.resolve(caller, base, path, walk);
    if (typeof place === 'number') return place;
    return yield* this.#openPlace(caller, place, flags, false);
  }

  *openPath(caller: Caller, path: Path, flags: number): Io<OpenFile | number> {
    return yield* this.#openPlace(caller, path, flags & ~(O_CREAT | O_EXCL), false);
  }

  *#openOrCreate(caller: Caller, base: Path, path: ByteString, flags: number, mode: number): Io<OpenFile | number> {
    if ((flags & O_DIRECTORY) !== 0) return -Errno.EINVAL;
    const walker = yield* this.#changes.parent(caller, base, path);
    if (typeof walker === 'number') return walker;
    for (;;) {
      const { last, dentry: directory } = walker;
      if (last === '' || last === '.' || last === '..') return (flags & O_EXCL) !== 0 ? -Errno.EEXIST : -Errno.EISDIR;
      if (!directory.inode!.isDirectory) return -Errno.ENOTDIR;
      const searchable = permits(directory.inode!, caller.credentials, X_OK);
      if (searchable < 0) return searchable;
      const child = yield* lookup(this.#cache, directory, last);
      if (typeof child === 'number') return child;
      if (child.inode === undefined) {
        const made = yield* this.#createAt(caller, walker, mode);
        if (made === undefined) continue; // someone else was faster
        return typeof made === 'number' ? made : yield* this.#openPlace(caller, made, flags, true);
      }
      if ((flags & O_EXCL) !== 0) return -Errno.EEXIST;
      if (child.inode.isSymlink) {
        if ((flags & O_NOFOLLOW) !== 0 && !walker.trailingSlash) return -Errno.ELOOP;
        const followed = yield* walker.followLast(child);
        if (followed < 0) return followed;
        if (!walker.hasLast) return yield* this.#openPlace(caller, walker.place, flags, false); // a magic link
        continue;
      }
      if (walker.trailingSlash) return child.inode.isDirectory ? -Errno.EISDIR : -Errno.ENOTDIR;
      return yield* this.#openPlace(caller, this.#onTop(child.pathIn(walker.mount)), flags, false);
    }
  }

  /** Makes the regular file that `walker` stopped before; undefined when it is there by now. */
  *#createAt(caller: Caller, walker: Walker, mode: number): Io<Path | number | undefined> {
    const { dentry: directory, last } = walker;
    if (walker.trailingSlash) return -Errno.EISDIR;
    yield* directory.lock.acquire();
    try {
      const child = yield* lookupLocked(this.#cache, directory, last);
      if (typeof child === 'number') return child;
      if (child.inode !== undefined) return undefined;
      return yield* this.#changes.makeLocked(
        caller, walker.place, child, S_IFREG | (mode & 0o7777), 0, (parent, name, inode) => parent.create(name, inode),
      );
    } finally {
      directory.lock.release();
    }
  }

  /** What is mounted at a place, the place itself if nothing is. */
  #onTop(path: Path): Path {
    for (;;) {
      const on = mountedOn(path.mount, path.dentry as CachedDentry);
      if (on === undefined) return path;
      path = (on.root as CachedDentry).pathIn(on);
    }
  }

  *#openUnnamed(caller: Caller, base: Path, path: ByteString, flags: number, mode: number): Io<OpenFile | number> {
    if ((flags & O_DIRECTORY) === 0 || (flags & O_ACCMODE) === O_RDONLY) return -Errno.EINVAL;
    const place = yield* this.resolve(caller, base, path, Walk.follow | Walk.directory);
    if (typeof place === 'number') return place;
    if (isReadOnly(place.mount)) return -Errno.EROFS;
    const directory = place.dentry.inode!;
    const allowed = permits(directory, caller.credentials, W_OK | X_OK);
    if (allowed < 0) return allowed;
    const inode = yield* directory.createUnnamed(newInode(directory, caller, S_IFREG | (mode & 0o7777), 0));
    if (typeof inode === 'number') return inode;
    const dentry = new CachedDentry(`#${inode.ino}`, place.dentry as CachedDentry, inode);
    dentry.unlinked = true;
    dentry.isLinkable = (flags & O_EXCL) === 0;
    return yield* this.#openPlace(caller, dentry.pathIn(place.mount), flags & ~(O_TMPFILE | O_CREAT), true);
  }

  *#openPlace(caller: Caller, path: Path, flags: number, isNew: boolean): Io<OpenFile | number> {
    const inode = path.dentry.inode!;
    if ((flags & O_PATH) !== 0) return new PathFile(path, inode, flags & ~creationFlags);
    if (inode.isSymlink) return -Errno.ELOOP;
    const refused = isNew ? 0 : this.#checkOpen(caller, path, inode, flags);
    if (refused < 0) return refused;
    inode.openCount++;
    const file = yield* this.#opened(caller, path, inode, flags & ~creationFlags);
    if (typeof file !== 'number' && (flags & O_TRUNC) !== 0 && inode.isRegular && !isNew) {
      const truncated = yield* inode.truncate(0);
      if (truncated < 0) {
        inode.openCount--;
        const closing = file.release();
        if (closing !== undefined) yield* closing;
        return truncated;
      }
      this.#events.happened(inode, IN_MODIFY, path);
    }
    inode.openCount--;
    if (typeof file === 'number') {
      yield* evictIfGone(inode);
      return file;
    }
    this.#events.happened(inode, IN_OPEN, path);
    return file;
  }

  #checkOpen(caller: Caller, path: Path, inode: Inode, flags: number): number {
    const access = flags & O_ACCMODE;
    if (inode.isDirectory && (access !== O_RDONLY || (flags & O_TRUNC) !== 0)) return -Errno.EISDIR;
    if ((flags & O_DIRECTORY) !== 0 && !inode.isDirectory) return -Errno.ENOTDIR;
    const mask = (access === O_WRONLY ? 0 : R_OK) | (access === O_RDONLY ? 0 : W_OK) | ((flags & O_TRUNC) !== 0 ? W_OK : 0);
    const allowed = checkAccess(path, caller.credentials, mask);
    if (allowed < 0) return allowed;
    if ((flags & O_NOATIME) !== 0 && caller.credentials.uid !== inode.uid && !caller.credentials.overridesOwnership) return -Errno.EPERM;
    return 0;
  }

  *#opened(caller: Caller, path: Path, inode: Inode, flags: number): Io<OpenFile | number> {
    switch (inode.mode & S_IFMT) {
      case S_IFCHR:
        if ((path.mount.flags & MS_NODEV) !== 0) return -Errno.EACCES;
        return this.openers === undefined ? -Errno.ENXIO : yield* this.openers.characterDevice(path, inode, flags, caller);
      case S_IFBLK:
        if ((path.mount.flags & MS_NODEV) !== 0) return -Errno.EACCES;
        return this.openers === undefined ? -Errno.ENXIO : yield* this.openers.blockDevice(path, inode, flags, caller);
      case S_IFIFO:
        return this.openers === undefined ? -Errno.ENXIO : yield* this.openers.fifo(path, inode, flags, caller);
      case S_IFSOCK:
        return -Errno.ENXIO;
      default:
        return yield* inode.open(path, flags, caller);
    }
  }

  // Changing names.

  *mkdir(caller: Caller, base: Path, path: ByteString, mode: number): Io<number> {
    const made = yield* this.#changes.make(
      caller, base, path, S_IFDIR | (mode & 0o1777), 0, (directory, name, inode) => directory.mkdir(name, inode),
    );
    return typeof made === 'number' ? made : 0;
  }

  *mknod(caller: Caller, base: Path, path: ByteString, mode: number, rdev: number): Io<Path | number> {
    const kind = mode & S_IFMT || S_IFREG;
    if (kind === S_IFDIR) return -Errno.EPERM;
    if (kind === S_IFLNK) return -Errno.EINVAL;
    const isDevice = kind === S_IFCHR || kind === S_IFBLK;
    if (isDevice && !caller.credentials.overridesOwnership) return -Errno.EPERM;
    return yield* this.#changes.make(
      caller, base, path, kind | (mode & 0o7777), isDevice ? rdev : 0, (directory, name, inode) => directory.create(name, inode),
    );
  }

  *symlink(caller: Caller, base: Path, path: ByteString, target: ByteString): Io<number> {
    if (target.length === 0) return -Errno.ENOENT;
    if (target.length >= pathMax) return -Errno.ENAMETOOLONG;
    const everyone: Caller = { ...pick(caller), umask: 0 };
    const made = yield* this.#changes.make(
      everyone, base, path, S_IFLNK | 0o777, 0, (directory, name, inode) => directory.symlink(name, target, inode),
    );
    return typeof made === 'number' ? made : 0;
  }

  link(caller: Caller, source: Path, base: Path, path: ByteString): Io<number> {
    return this.#changes.link(caller, source, base, path);
  }

  unlink(caller: Caller, base: Path, path: ByteString): Io<number> {
    return this.#changes.remove(caller, base, path, false);
  }

  rmdir(caller: Caller, base: Path, path: ByteString): Io<number> {
    return this.#changes.remove(caller, base, path, true);
  }

  rename(caller: Caller, oldBase: Path, oldPath: ByteString, newBase: Path, newPath: ByteString, flags: number): Io<number> {
    return this.#changes.rename(caller, oldBase, oldPath, newBase, newPath, flags);
  }

  *readlink(caller: Caller, path: Path): Io<ByteString | number> {
    const inode = path.dentry.inode!;
    if (!inode.isSymlink) return -Errno.EINVAL;
    const dentry = path.dentry as CachedDentry;
    if (dentry.target !== undefined) return dentry.target;
    const target = yield* inode.readlink(caller);
    if (typeof target !== 'number' && inode.fileSystem.cachesNames) dentry.target = target;
    return target;
  }

  // Attributes.

  *checkAccess(caller: Caller, path: Path, mode: number): Io<number> {
    const fresh = yield* path.dentry.inode!.refresh();
    return fresh < 0 ? fresh : checkAccess(path, caller.credentials, mode);
  }

  *setAttributes(caller: Caller, path: Path, change: AttributeChange, touch = false): Io<number> {
    const inode = path.dentry.inode!;
    if (isReadOnly(path.mount)) return -Errno.EROFS;
    const fresh = yield* inode.refresh();
    if (fresh < 0) return fresh;
    const checked = checkAttributeChange(inode, caller, change, touch);
    if (typeof checked === 'number') return checked;
    if (touch) checked.atime = checked.mtime = this.#now();
    const done = yield* inode.setAttributes(checked);
    if (done === 0) this.#events.happened(inode, IN_ATTRIB, path);
    return done;
  }

  *truncate(caller: Caller, path: Path, size: number): Io<number> {
    const inode = path.dentry.inode!;
    if (size < 0) return -Errno.EINVAL;
    if (inode.isDirectory) return -Errno.EISDIR;
    if (!inode.isRegular) return -Errno.EINVAL;
    const allowed = checkAccess(path, caller.credentials, W_OK);
    if (allowed < 0) return allowed;
    if (size > caller.fileSizeLimit && size > inode.size) return -Errno.EFBIG;
    const done = yield* inode.truncate(size);
    if (done < 0) return done;
    const mode = withoutSetIds(inode.mode);
    if (mode !== inode.mode && !caller.credentials.overridesOwnership) yield* inode.setAttributes({ mode: mode & 0o7777 });
    this.#events.happened(inode, IN_MODIFY, path);
    return 0;
  }

  statistics(path: Path): FileSystemStatistics {
    return path.mount.fileSystem.statistics();
  }

  // Mounts.

  mount(fileSystem: FileSystem, at: Path | undefined, source: ByteString, flags: number): Mount | number {
    const mount = this.#mounts.add(fileSystem, this.#mounts.rootOf(fileSystem), at, source, flags);
    if (at === undefined && typeof mount !== 'number') this.#root = mount.root.pathIn(mount);
    return mount;
  }

  bind(source: Path, at: Path, flags: number): Mount | number {
    return this.#mounts.add(source.mount.fileSystem, source.dentry as CachedDentry, at, source.mount.source, flags);
  }

  pivot(newRoot: Path, putOld: Path): number {
    const mount = newRoot.mount as VfsMount;
    const old = this.#root.mount as VfsMount;
    if (newRoot.dentry !== mount.root || mount === old || mount.at === undefined) return -Errno.EINVAL;
    if (putOld.mount !== mount) return -Errno.EINVAL;
    this.#mounts.move(mount, undefined);
    this.#mounts.move(old, putOld);
    this.#root = mount.root.pathIn(mount);
    return 0;
  }

  *unmount(mount: Mount, lazy: boolean): Io<number> {
    if (!(mount as VfsMount).isMounted || mount === this.#root.mount) return -Errno.EINVAL;
    if (!lazy && (mount.openCount > 0 || this.#mounts.hasChildren(mount))) return -Errno.EBUSY;
    const written = yield* mount.fileSystem.sync();
    if (written < 0 && !lazy) return written;
    if (!(mount as VfsMount).isMounted) return -Errno.EINVAL;
    const isGone = this.#mounts.remove(mount as VfsMount);
    if (isGone && mount.openCount === 0) mount.fileSystem.unmounted?.();
    return 0;
  }

  *syncAll(): Io<number> {
    let result = 0;
    for (const fileSystem of new Set(this.#mounts.all.map(mount => mount.fileSystem))) {
      const synced = yield* fileSystem.sync();
      if (synced < 0 && result === 0) result = synced;
    }
    return result;
  }

  // Names of places.

  pathName(path: Path, root: Path): ByteString {
    let { mount, dentry } = path;
    const suffix = dentry.unlinked ? ' (deleted)' : '';
    if (dentry.parent === undefined && this.#internal.get(mount.fileSystem) === mount) return dentry.name;
    let name = '';
    while (dentry !== root.dentry || mount !== root.mount) {
      if (dentry === mount.root || dentry.parent === undefined) {
        if (mount.at === undefined) {
          const isRoot = mount === this.#root.mount && root.mount === mount && root.dentry === mount.root;
          return `${isRoot ? '' : '(unreachable)'}${name || '/'}${suffix}`;
        }
        ({ mount, dentry } = mount.at);
        continue;
      }
      name = `/${dentry.name}${name}`;
      dentry = dentry.parent;
    }
    return (name || '/') + suffix;
  }

  anonymous(inode: Inode, name: ByteString): Path {
    const { fileSystem } = inode;
    let mount = this.#internal.get(fileSystem);
    if (mount === undefined) {
      mount = new VfsMount(0, fileSystem, new CachedDentry('', undefined, fileSystem.root), undefined, fileSystem.type, 0);
      this.#internal.set(fileSystem, mount);
    }
    return new CachedDentry(name, undefined, inode).pathIn(mount);
  }

  nextAnonymousIno(): number {
    return this.#nextIno++;
  }

  // Events.

  watch(inode: Inode | undefined, listener: (event: FileEvent) => void): () => void {
    return this.#events.watch(inode, listener);
  }

  notify(inode: Inode, mask: number, path?: Path): void {
    this.#events.happened(inode, mask, path);
  }
}

/** A caller's own view, for changing one of its fields: callers are objects with getters. */
function pick(caller: Caller): Caller {
  const { credentials, umask, root, cwd, fileSizeLimit } = caller;
  return { credentials, umask, root, cwd, fileSizeLimit };
}
