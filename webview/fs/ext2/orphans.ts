/**
 * The list of orphans: files without a name that are still open. It starts at s_last_orphan and goes on through each one's i_dtime.
 * After a crash whoever mounts the file system next frees them. All inside transactions.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import { Buffer } from './buffers.ts';
import type { Ext2 } from './ext2.ts';
import type { Ext2Inode } from './inode.ts';
import { Sb } from './layout.ts';

const dtimeOffset = 20;

export class Orphans {
  readonly #fileSystem: Ext2;

  constructor(fileSystem: Ext2) {
    this.#fileSystem = fileSystem;
  }

  get first(): number {
    return this.#fileSystem.allocator.superblockField(Sb.lastOrphan);
  }

  /** Gives up a list that makes no sense. */
  clear(): void {
    this.#fileSystem.allocator.setSuperblockField(Sb.lastOrphan, 0);
  }

  /** Puts an inode that is part of the transaction at the head of the list. */
  add(inode: Ext2Inode): Attempt<number> {
    const joined = inode.touch();
    if (joined !== 0) return joined;
    inode.dtime = this.first;
    this.#fileSystem.allocator.setSuperblockField(Sb.lastOrphan, inode.ino);
    return 0;
  }

  /** Takes an inode out of the list, if it is in it. */
  remove(inode: Ext2Inode): Attempt<number> {
    const { allocator, buffers, geometry } = this.#fileSystem;
    const joined = inode.touch();
    if (joined !== 0) return joined;
    const next = inode.dtime;
    inode.dtime = 0;
    if (this.first === inode.ino) {
      allocator.setSuperblockField(Sb.lastOrphan, next);
      return 0;
    }
    let at = this.first;
    for (let steps = 0; at !== 0 && steps < geometry.inodes; steps++) {
      if (at > geometry.inodes) break;
      const before = this.#fileSystem.resident(at);
      const place = allocator.inodePlace(at);
      const buffer = buffers.get(place.block);
      if (!(buffer instanceof Buffer)) return buffer;
      const following = before?.dtime ?? buffer.view.getUint32(place.offset + dtimeOffset, true);
      if (following !== inode.ino) {
        at = following;
        continue;
      }
      if (before === undefined) {
        buffers.change(buffer).view.setUint32(place.offset + dtimeOffset, next, true);
        return 0;
      }
      const touched = before.touch();
      if (touched instanceof Wait || touched === -Errno.EIO) return touched;
      before.dtime = next;
      return 0;
    }
    return 0;
  }
}
