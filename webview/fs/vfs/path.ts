import type { ByteString } from '../../lib/byteString.ts';
import type { FileSystem } from './fileSystem.ts';
import type { Inode } from './inode.ts';

/** A mounted file system. */
export interface Mount {
  readonly id: number;
  readonly fileSystem: FileSystem;
  readonly root: Dentry;
  /** Where it is mounted: undefined for the root mount. */
  readonly at: Path | undefined;
  /** What mount(8) shows as the device. */
  readonly source: ByteString;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC ... as in mount(2). */
  flags: number;
  /** Open file descriptions on it, kept by OpenFile: unmounting it is refused. */
  openCount: number;
}

/** A name in a directory as the cache knows it; `inode` undefined is a negative entry. An unlinked one keeps its name and has `unlinked` set. */
export interface Dentry {
  readonly name: ByteString;
  readonly parent: Dentry | undefined;
  readonly inode: Inode | undefined;
  readonly unlinked: boolean;
}

/** A place in the tree: a dentry seen through a mount. */
export interface Path {
  readonly mount: Mount;
  readonly dentry: Dentry;
}
