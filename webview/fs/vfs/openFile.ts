/**
 * An open file description (open(2)): what descriptors point at. Regular files, directories, pipes, terminals, sockets, eventfds are
 * kinds of it. `read` and `write` never sleep: they answer a count, -errno, or a Wait. A Wait that is interruptible means "would block"
 * (-EAGAIN for O_NONBLOCK descriptors); one that isn't is the disk and is always waited for.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../kernel/abi/poll.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { WaitQueue, type Attempt, type Io } from '../../lib/wait.ts';
import type { Inode } from './inode.ts';
import type { Path } from './path.ts';

/** Frees a file that has no name left after its last close. */
function* closeAndEvict(closing: Io<void> | undefined, inode: Inode): Io<void> {
  if (closing !== undefined) yield* closing;
  if (inode.openCount === 0 && inode.linkCount === 0) yield* inode.evict();
}

export abstract class OpenFile {
  /** Where it was opened; anonymous files have a path on an internal mount (pipe:[N], anon_inode:[eventfd]). */
  readonly path: Path;
  readonly inode: Inode;
  /** O_ACCMODE and status flags; fcntl(F_SETFL) changes O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME, O_ASYNC. */
  flags: number;
  /** The file offset; unused where `isSeekable` is false. */
  position = 0;
  /** References from descriptors, mappings and messages in flight. The last `release` calls `close`. */
  #references = 1;
  /** Who forgets this file when it closes: epoll sets, flock(2). */
  #forgetters: Set<() => void> | undefined;
  /** Wakes when `poll` may give something new, with the bits that became ready. */
  readonly queue: WaitQueue;

  constructor(path: Path, inode: Inode, flags: number, queue = new WaitQueue()) {
    this.path = path;
    this.inode = inode;
    this.flags = flags;
    this.queue = queue;
    inode.openCount++;
    path.mount.openCount++;
  }

  get isSeekable(): boolean {
    return false;
  }

  retain(): this {
    this.#references++;
    return this;
  }

  /** More than one reference: a `release` now would not close it. */
  get isShared(): boolean {
    return this.#references > 1;
  }

  /** Drops a reference; the last one closes the file. The Io must be driven only when it isn't undefined (something must reach the disk). */
  release(): Io<void> | undefined {
    if (--this.#references > 0) return undefined;
    if (this.#forgetters) for (const forget of [...this.#forgetters]) forget();
    const closing = this.close();
    const { inode } = this;
    this.path.mount.openCount--;
    if (--inode.openCount > 0 || inode.linkCount > 0) return closing;
    return closeAndEvict(closing, inode);
  }

  /** Calls `forget` when the last reference is gone, before the file closes. Returns how to take that back. */
  whenReleased(forget: () => void): () => void {
    (this.#forgetters ??= new Set()).add(forget);
    return () => this.#forgetters?.delete(forget);
  }

  /**
   * Transfers up to sink.remaining bytes from `position` (ignored where not seekable; the caller moves `this.position`). 0 is the end.
   * Big transfers of files may answer fewer bytes than there are: whoever needs all calls again.
   */
  read(_sink: Sink, _position: number): Attempt<number> {
    return -Errno.EINVAL;
  }
  /** As `read` towards the file; O_APPEND is handled here (position ignored; `this.position` is then the end of what was written). */
  write(_source: Source, _position: number): Attempt<number> {
    return -Errno.EINVAL;
  }
  /** poll(2) bits that are ready now. */
  poll(): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  /** lseek(2) beyond SEEK_SET/CUR/END, which the kernel does itself: SEEK_DATA 3, SEEK_HOLE 4. */
  *seek(_offset: number, _whence: number): Io<number> {
    return -Errno.EINVAL;
  }
  /** Called at every close(2) of a descriptor (not only the last). */
  flush(): number {
    return 0;
  }
  /** The last reference is gone. */
  protected close(): Io<void> | undefined {
    return undefined;
  }
}
