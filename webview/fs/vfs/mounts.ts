/** Mounted file systems: one tree of mounts, seen by all. */
import { Errno } from '../../kernel/abi/errno.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { CachedDentry, type DentryCache } from './dentries.ts';
import type { FileSystem } from './fileSystem.ts';
import type { Mount, Path } from './path.ts';

export class VfsMount implements Mount {
  readonly id: number;
  readonly fileSystem: FileSystem;
  readonly root: CachedDentry;
  at: Path | undefined;
  readonly source: ByteString;
  flags: number;
  openCount = 0;
  /** False once unmounted. */
  isMounted = true;

  constructor(id: number, fileSystem: FileSystem, root: CachedDentry, at: Path | undefined, source: ByteString, flags: number) {
    this.id = id;
    this.fileSystem = fileSystem;
    this.root = root;
    this.at = at;
    this.source = source;
    this.flags = flags;
  }
}

export class MountTable {
  readonly #mounts: VfsMount[] = [];
  /** One tree of names per file system, however often it is mounted. */
  readonly #roots = new Map<FileSystem, CachedDentry>();
  readonly #cache: DentryCache;
  #nextId = 1;

  constructor(cache: DentryCache) {
    this.#cache = cache;
  }

  get all(): readonly VfsMount[] {
    return this.#mounts;
  }

  rootOf(fileSystem: FileSystem): CachedDentry {
    let root = this.#roots.get(fileSystem);
    if (root === undefined) this.#roots.set(fileSystem, (root = new CachedDentry('', undefined, fileSystem.root)));
    return root;
  }

  /** Mounts `root`, a dentry of `fileSystem`, on the directory or file `at`. -ENOTDIR when only one of them is a directory. */
  add(fileSystem: FileSystem, root: CachedDentry, at: Path | undefined, source: ByteString, flags: number): VfsMount | number {
    if (at !== undefined && at.dentry.inode!.isDirectory !== root.inode!.isDirectory) return -Errno.ENOTDIR;
    if (at !== undefined && at.dentry.unlinked) return -Errno.ENOENT;
    const mount = new VfsMount(this.#nextId++, fileSystem, root, at, source, flags);
    this.#mounts.push(mount);
    if (at !== undefined) ((at.dentry as CachedDentry).mounts ??= []).push(mount);
    return mount;
  }

  /** Takes a mount out of the tree. True if its file system isn't mounted anywhere any more. */
  remove(mount: VfsMount): boolean {
    mount.isMounted = false;
    const index = this.#mounts.indexOf(mount);
    if (index >= 0) this.#mounts.splice(index, 1);
    const dentry = mount.at?.dentry as CachedDentry | undefined;
    if (dentry?.mounts !== undefined) {
      dentry.mounts = dentry.mounts.filter(other => other !== mount);
      if (dentry.mounts.length === 0) dentry.mounts = undefined;
    }
    if (this.#mounts.some(other => other.fileSystem === mount.fileSystem)) return false;
    const root = this.#roots.get(mount.fileSystem);
    if (root !== undefined) this.#cache.drop(root);
    this.#roots.delete(mount.fileSystem);
    return true;
  }

  /** Moves a mount to another place (pivot_root(2), MS_MOVE). */
  move(mount: VfsMount, at: Path | undefined): void {
    const dentry = mount.at?.dentry as CachedDentry | undefined;
    if (dentry?.mounts !== undefined) {
      dentry.mounts = dentry.mounts.filter(other => other !== mount);
      if (dentry.mounts.length === 0) dentry.mounts = undefined;
    }
    mount.at = at;
    if (at !== undefined) ((at.dentry as CachedDentry).mounts ??= []).push(mount);
  }

  /** True if something is mounted inside `mount`. */
  hasChildren(mount: Mount): boolean {
    return this.#mounts.some(other => other.at?.mount === mount);
  }
}

/** What is mounted on `dentry` in `mount`, undefined if nothing. */
export function mountedOn(mount: Mount, dentry: CachedDentry): Mount | undefined {
  const { mounts } = dentry;
  if (mounts === undefined) return undefined;
  for (let i = mounts.length - 1; i >= 0; i--) if (mounts[i]!.at!.mount === mount) return mounts[i];
  return undefined;
}
