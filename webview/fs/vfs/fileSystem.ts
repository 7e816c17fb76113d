import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Inode } from './inode.ts';

/** statfs(2). Block counts in units of `blockSize` bytes. */
export interface FileSystemStatistics {
  /** Magic number as in statfs(2): 0xef53 for ext2. */
  type: number;
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
  nameLength: number;
}

/** One mounted instance of a file system type. */
export interface FileSystem {
  /** As in /proc/filesystems: 'ext2', 'tmpfs', 'proc', ... */
  readonly type: ByteString;
  /** st_dev: the number that its inodes carry (major << 8 | minor). */
  readonly device: number;
  readonly readOnly: boolean;
  readonly root: Inode;
  statistics(): FileSystemStatistics;
  /** Writes back dirty pages and metadata, and commits the device. 0 or -errno. */
  sync(): Io<number>;
  /** It isn't mounted anywhere any more and no file of it is open: gives memory back. */
  unmounted?(): void;
  /** Options as /proc/mounts shows them behind rw or ro, e.g. ',errors=continue'; empty for none. */
  readonly options: ByteString;
  /** False where names may change without the VFS doing it (procfs, host mounts): then dentries are looked up anew each time. */
  readonly cachesNames: boolean;
}
