import { S_IFMT } from '../../kernel/abi/stat.ts';
import type { Io } from '../../lib/wait.ts';
import type { FileSystem } from './fileSystem.ts';
import { Inode, type AttributeChange, type Timespec } from './inode.ts';

/** An inode whose attributes are kept in memory and can be changed: anonymous files, devpts; procfs and sysfs derive theirs from it. */
export class AttributeInode extends Inode {
  override readonly fileSystem: FileSystem;
  override readonly ino: number;
  override mode: number;
  override uid: number;
  override gid: number;
  override linkCount = 1;
  override size = 0;
  override atime: Timespec;
  override mtime: Timespec;
  override ctime: Timespec;

  /** All three times start as `now`. */
  constructor(fileSystem: FileSystem, ino: number, mode: number, owner: { uid: number; gid: number }, now: Timespec) {
    super();
    this.fileSystem = fileSystem;
    this.ino = ino;
    this.mode = mode;
    this.uid = owner.uid;
    this.gid = owner.gid;
    this.atime = this.mtime = this.ctime = now;
  }

  override *setAttributes(change: AttributeChange): Io<number> {
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | change.mode;
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime) this.atime = change.atime;
    if (change.mtime) this.mtime = change.mtime;
    return 0;
  }
}
