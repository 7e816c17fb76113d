/**
 * The face of the VFS towards the kernel's system calls and the host's file system provider: everything by path. Errors are negative
 * errnos; permission, symlinks (ELOOP after 40), trailing slashes, mounts, read-only mounts, sticky directories, umask, set-gid
 * directories and name length are handled here as path_resolution(7) says. `base` is what a relative path starts from.
 */
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Caller } from './caller.ts';
import type { FileSystem, FileSystemStatistics } from './fileSystem.ts';
import type { AttributeChange, Inode } from './inode.ts';
import type { OpenFile } from './openFile.ts';
import type { Mount, Path } from './path.ts';

/** How the last component is treated: bits. */
export const Walk = {
  /** Follow a symbolic link in the last component. */
  follow: 1,
  /** An empty path means `base` itself (AT_EMPTY_PATH). */
  empty: 2,
  /** The result must be a directory. */
  directory: 4,
} as const;

/** What happened to a name or inode: inotify(7)'s bits in `mask`. */
export interface FileEvent {
  mask: number;
  /** The inode it happened to; for IN_CREATE, IN_DELETE, IN_MOVED_* the directory. */
  inode: Inode;
  /** The name in that directory, if it happened to a name. */
  name: ByteString | undefined;
  /** Connects IN_MOVED_FROM with IN_MOVED_TO. */
  cookie: number;
  isDirectory: boolean;
  /** Where `inode` is, where the VFS knows it: the host's recursive watches name paths by it. */
  path: Path | undefined;
}

/** Opens what isn't a file system's own: given by the kernel at boot. */
export interface Openers {
  characterDevice(path: Path, inode: Inode, flags: number, caller: Caller): Io<OpenFile | number>;
  blockDevice(path: Path, inode: Inode, flags: number, caller: Caller): Io<OpenFile | number>;
  fifo(path: Path, inode: Inode, flags: number, caller: Caller): Io<OpenFile | number>;
}

export interface Namespace {
  readonly root: Path;
  readonly mounts: readonly Mount[];

  /** The place that a path names, or -errno. */
  resolve(caller: Caller, base: Path, path: ByteString, walk: number): Io<Path | number>;
  /** As `resolve`, from the name cache alone: undefined when it can't tell without I/O. The hot path of stat and open. */
  resolveCached(caller: Caller, base: Path, path: ByteString, walk: number): Path | number | undefined;
  /** open(2), openat(2): O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE. `mode` before umask. */
  open(caller: Caller, base: Path, path: ByteString, flags: number, mode: number): Io<OpenFile | number>;
  /** Opens the inode behind a path that was resolved already (execve, /proc/self/fd). */
  openPath(caller: Caller, path: Path, flags: number): Io<OpenFile | number>;
  mkdir(caller: Caller, base: Path, path: ByteString, mode: number): Io<number>;
  /** mknod(2): regular files, FIFOs, sockets (for bind(2)), device nodes. Returns the new inode's path. */
  mknod(caller: Caller, base: Path, path: ByteString, mode: number, rdev: number): Io<Path | number>;
  symlink(caller: Caller, base: Path, path: ByteString, target: ByteString): Io<number>;
  link(caller: Caller, source: Path, base: Path, path: ByteString): Io<number>;
  unlink(caller: Caller, base: Path, path: ByteString): Io<number>;
  rmdir(caller: Caller, base: Path, path: ByteString): Io<number>;
  rename(caller: Caller, oldBase: Path, oldPath: ByteString, newBase: Path, newPath: ByteString, flags: number): Io<number>;
  readlink(caller: Caller, path: Path): Io<ByteString | number>;
  /** access(2) with the caller's credentials; mode of R_OK, W_OK, X_OK bits. 0 or -EACCES, -EROFS. */
  checkAccess(caller: Caller, path: Path, mode: number): Io<number>;
  /** chmod, chown, utimensat: checks ownership, clears set-id bits as Linux does. `touch`: times set to now, which needs write access only. */
  setAttributes(caller: Caller, path: Path, change: AttributeChange, touch?: boolean): Io<number>;
  truncate(caller: Caller, path: Path, size: number): Io<number>;
  statistics(path: Path): FileSystemStatistics;

  mount(fileSystem: FileSystem, at: Path | undefined, source: ByteString, flags: number): Mount | number;
  /** MS_BIND: the tree at `source` is seen at `at` too. */
  bind(source: Path, at: Path, flags: number): Mount | number;
  /** pivot_root(2): the mount at `newRoot` becomes the root, the old one is mounted at `putOld`. The caller moves the tasks. */
  pivot(newRoot: Path, putOld: Path): number;
  /** -EBUSY while files are open on it or something is mounted in it, unless `lazy`. Working directories are the caller's to check. */
  unmount(mount: Mount, lazy: boolean): Io<number>;
  /** All file systems; 0 or the first -errno. */
  syncAll(): Io<number>;

  /** The path as getcwd(2) and /proc show it, seen from `root`; '(unreachable)...' outside of it, ' (deleted)' appended for an unlinked name. */
  pathName(path: Path, root: Path): ByteString;
  /** A path on an internal mount for an anonymous file. `pathName` of it is `name`, e.g. 'pipe:[123]'. */
  anonymous(inode: Inode, name: ByteString): Path;
  /** Number for a new anonymous inode. */
  nextAnonymousIno(): number;

  /** Calls `listener` for each event at `inode` or at an entry of that directory (see FileEvent.inode); undefined: for all inodes. Returns how to stop. */
  watch(inode: Inode | undefined, listener: (event: FileEvent) => void): () => void;
  /** Reports an event that did not come through this face (a write, a mapped write, a close). Cheap when nobody watches. */
  notify(inode: Inode, mask: number, path?: Path): void;
}
