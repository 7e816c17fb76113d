/**
 * A file as its file system knows it. Each file system derives its kinds of inode from `Inode` and overrides what they can do; what
 * isn't overridden answers with the errno that Linux gives. Permission checks, dentries, mounts and path walks are the VFS's, not here.
 * All names are byte strings. A returned negative number is an errno.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../kernel/abi/stat.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { Caller } from './caller.ts';
import type { FileSystem } from './fileSystem.ts';
import type { OpenFile } from './openFile.ts';
import type { Path } from './path.ts';

/** A time since the epoch: whole seconds and nanoseconds (0-999,999,999). */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

/** What a new inode is made with: mode has the type bits, umask already applied. */
export interface NewInode {
  mode: number;
  uid: number;
  gid: number;
  /** major << 8 | minor for device nodes (as makedev(3) for small numbers), else 0. */
  rdev: number;
}

/** What setattr changes; undefined leaves as it is. */
export interface AttributeChange {
  /** Permission bits only. */
  mode?: number;
  uid?: number;
  gid?: number;
  atime?: Timespec;
  mtime?: Timespec;
}

/** One entry of a directory. */
export interface DirectoryEntry {
  name: ByteString;
  ino: number;
  /** DT_* of getdents(2). */
  type: number;
  /** d_off: where to go on after this entry. */
  next: number;
}

export abstract class Inode {
  abstract readonly fileSystem: FileSystem;
  abstract readonly ino: number;
  /** Type and permission bits. */
  abstract mode: number;
  abstract uid: number;
  abstract gid: number;
  abstract linkCount: number;
  abstract size: number;
  abstract atime: Timespec;
  abstract mtime: Timespec;
  abstract ctime: Timespec;
  rdev = 0;
  /** Open file descriptions of it, kept by OpenFile, and calls of the VFS that are about to open it: as long as there are some it isn't evicted. */
  openCount = 0;
  /** st_blksize. */
  blockSize = 4096;
  /** st_blocks: units of 512 bytes. */
  get blocks(): number {
    return Math.ceil(this.size / 512);
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }
  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }
  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  // Directories. The VFS holds the directory's lock and has checked permission and existence.
  /** The child of that name, or -ENOENT. */
  *lookup(_name: ByteString): Io<Inode | number> {
    return -Errno.ENOTDIR;
  }
  /** Makes a regular file, FIFO, socket or device node and links it. */
  *create(_name: ByteString, _inode: NewInode): Io<Inode | number> {
    return -Errno.EPERM;
  }
  *mkdir(_name: ByteString, _inode: NewInode): Io<Inode | number> {
    return -Errno.EPERM;
  }
  *symlink(_name: ByteString, _target: ByteString, _inode: NewInode): Io<Inode | number> {
    return -Errno.EPERM;
  }
  *link(_name: ByteString, _target: Inode): Io<number> {
    return -Errno.EPERM;
  }
  *unlink(_name: ByteString, _target: Inode): Io<number> {
    return -Errno.EPERM;
  }
  /** -ENOTEMPTY when it has entries. */
  *rmdir(_name: ByteString, _target: Inode): Io<number> {
    return -Errno.EPERM;
  }
  /** Moves `source` from this directory's `name` to `newName` in `newDirectory`, replacing `replaced` (checked for kind; -ENOTEMPTY is the file system's). */
  *rename(_name: ByteString, _source: Inode, _newDirectory: Inode, _newName: ByteString, _replaced: Inode | undefined, _exchange: boolean): Io<number> {
    return -Errno.EPERM;
  }
  /** An unnamed regular file of this file system (O_TMPFILE), link count 0. */
  *createUnnamed(_inode: NewInode): Io<Inode | number> {
    return -Errno.EOPNOTSUPP;
  }
  /** Entries from position `from` (0 first, then an entry's `next`), as many as are cheap to give at once; [] at the end. Includes . and .. */
  *readDirectory(_from: number, _path: Path): Io<DirectoryEntry[] | number> {
    return -Errno.ENOTDIR;
  }

  // Symbolic links.
  *readlink(_caller: Caller): Io<ByteString | number> {
    return -Errno.EINVAL;
  }
  /** Magic links of procfs (/proc/PID/fd/N, exe, cwd): the place itself instead of a text to walk. */
  *follow(_caller: Caller): Io<Path | number | undefined> {
    return undefined;
  }

  // Files.
  /** A new open file description. Device nodes and FIFOs are opened by the VFS through `Openers`, not here. */
  *open(_path: Path, _flags: number, _caller: Caller): Io<OpenFile | number> {
    return -Errno.ENXIO;
  }
  /**
   * The frame that holds page `index` (file offset index * 4096) in the page cache, filled from the store when it isn't there.
   * The cache keeps its own reference; the answer is valid until the next call. Pages past the end of the file: -ENXIO (SIGBUS). `forWrite` allocates blocks for holes (page_mkwrite).
   */
  page(_index: number, _forWrite: boolean): Attempt<{ frame: number } | number> {
    return -Errno.ENODEV;
  }
  /** Says that page `index` was written through a mapping. */
  pageDirtied(_index: number): void {}
  /** True where `page` works: mmap(2) of the file is possible. */
  get isMappable(): boolean {
    return false;
  }
  *truncate(_size: number): Io<number> {
    return -Errno.EINVAL;
  }
  /** fallocate(2) modes: 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE. */
  *allocate(_mode: number, _offset: number, _length: number): Io<number> {
    return -Errno.EOPNOTSUPP;
  }
  /** Writes back this file's pages (and metadata unless `dataOnly`), durable on return. */
  *sync(_dataOnly: boolean): Io<number> {
    return 0;
  }

  // Attributes. The VFS has checked permission; ctime is the file system's to set.
  *setAttributes(_change: AttributeChange): Io<number> {
    return -Errno.EPERM;
  }
  *getXattr(_name: ByteString): Io<Uint8Array | number> {
    return -Errno.EOPNOTSUPP;
  }
  *setXattr(_name: ByteString, _value: Uint8Array, _flags: number): Io<number> {
    return -Errno.EOPNOTSUPP;
  }
  *removeXattr(_name: ByteString): Io<number> {
    return -Errno.EOPNOTSUPP;
  }
  *listXattr(): Io<ByteString[] | number> {
    return [];
  }
  /** For inodes whose attributes come from elsewhere (procfs, host mounts): called before stat(2) and permission checks. */
  *refresh(): Io<number> {
    return 0;
  }
  /** The last name and the last open file are gone (link count 0): frees the blocks. */
  *evict(): Io<void> {}
}
