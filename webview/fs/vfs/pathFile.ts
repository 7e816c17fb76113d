/** Open files that the VFS makes for itself: directories and O_PATH descriptors. */
import { Errno } from '../../kernel/abi/errno.ts';
import type { Attempt } from '../../lib/wait.ts';
import { OpenFile } from './openFile.ts';

/** An open directory: getdents(2) goes through `inode.readDirectory`, positions are an entry's `next`. */
export class DirectoryFile extends OpenFile {
  override get isSeekable(): boolean {
    return true;
  }

  override read(): Attempt<number> {
    return -Errno.EISDIR;
  }

  override write(): Attempt<number> {
    return -Errno.EBADF;
  }
}

/** open(2) O_PATH: names a place and does nothing else. */
export class PathFile extends OpenFile {
  override read(): Attempt<number> {
    return -Errno.EBADF;
  }

  override write(): Attempt<number> {
    return -Errno.EBADF;
  }

  override poll(): number {
    return 0;
  }
}
