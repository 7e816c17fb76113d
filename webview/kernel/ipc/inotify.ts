/** inotify(7), fed by the namespace's events. */
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDONLY } from '../abi/fcntl.ts';
import {
  IN_ALL_EVENTS, IN_DELETE_SELF, IN_EXCL_UNLINK, IN_IGNORED, IN_ISDIR, IN_MASK_ADD, IN_MASK_CREATE, IN_MOVE_SELF, IN_ONESHOT, IN_Q_OVERFLOW, IN_UNMOUNT,
} from '../abi/inotify.ts';
import { POLLIN, POLLRDNORM } from '../abi/poll.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Sink } from '../../lib/transfer.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { FileEvent, Namespace } from '../../fs/vfs/namespace.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

/** fs.inotify.max_queued_events and max_user_watches. */
const maximumQueued = 16384;
const maximumWatches = 65536;
const headerSize = 16;

interface Watch {
  readonly descriptor: number;
  readonly inode: Inode;
  mask: number;
  stop: () => void;
}

interface QueuedEvent {
  readonly descriptor: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: ByteString | undefined;
}

export class InotifyFile extends KernelFile {
  readonly #namespace: Namespace;
  readonly #watches = new Map<number, Watch>();
  readonly #byInode = new Map<Inode, Watch>();
  readonly #events: QueuedEvent[] = [];
  readonly #wait: Wait;
  #nextDescriptor = 1;

  constructor(path: Path, flags: number, namespace: Namespace) {
    super(path, path.dentry.inode!, O_RDONLY | (flags & O_NONBLOCK));
    this.#namespace = namespace;
    this.#wait = new Wait([this.queue]);
  }

  /** inotify_add_watch(2): the watch descriptor, or -EINVAL for no event, -EEXIST for IN_MASK_CREATE, -ENOSPC for too many. */
  addWatch(inode: Inode, mask: number): number {
    if ((mask & IN_ALL_EVENTS) === 0 || ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0)) return -Errno.EINVAL;
    const kept = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
    const known = this.#byInode.get(inode);
    if (known) {
      if (mask & IN_MASK_CREATE) return -Errno.EEXIST;
      known.mask = mask & IN_MASK_ADD ? known.mask | kept : kept;
      return known.descriptor;
    }
    if (this.#watches.size >= maximumWatches) return -Errno.ENOSPC;
    const watch: Watch = { descriptor: this.#nextDescriptor++, inode, mask: kept, stop: () => {} };
    watch.stop = this.#namespace.watch(inode, event => this.#happened(watch, event));
    this.#watches.set(watch.descriptor, watch);
    this.#byInode.set(inode, watch);
    return watch.descriptor;
  }

  /** inotify_rm_watch(2). */
  removeWatch(descriptor: number): number {
    const watch = this.#watches.get(descriptor);
    if (!watch) return -Errno.EINVAL;
    this.#drop(watch);
    return 0;
  }

  override read(sink: Sink): Attempt<number> {
    if (this.#events.length === 0) return this.#wait;
    let total = 0;
    while (this.#events.length > 0) {
      const bytes = encode(this.#events[0]!);
      if (bytes.length > sink.remaining) return total > 0 ? total : -Errno.EINVAL;
      if (sink.put(bytes, 0, bytes.length) < bytes.length) return total > 0 ? total : -Errno.EFAULT;
      this.#events.shift();
      total += bytes.length;
    }
    return total;
  }

  override poll(): number {
    return this.#events.length > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override get readable(): number {
    return this.#events.reduce((sum, event) => sum + headerSize + paddedLength(event.name), 0);
  }

  protected override close(): undefined {
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
    this.#byInode.clear();
  }

  #happened(watch: Watch, event: FileEvent): void {
    if (!this.#watches.has(watch.descriptor)) return;
    let name = event.name;
    if (event.inode !== watch.inode) {
      // Something happened to an entry of the watched directory itself; what is deeper is not reported (inotify(7)).
      const dentry = event.path?.dentry;
      if (dentry?.parent?.inode !== watch.inode || (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) !== 0) return;
      if ((watch.mask & IN_EXCL_UNLINK) !== 0 && dentry.unlinked) return;
      name = dentry.name;
    }
    const wanted = event.mask & (watch.mask | IN_UNMOUNT) & (IN_ALL_EVENTS | IN_UNMOUNT);
    if (wanted !== 0) {
      this.#enqueue({ descriptor: watch.descriptor, mask: wanted | (event.isDirectory ? IN_ISDIR : 0), cookie: event.cookie, name });
    }
    const gone = event.inode === watch.inode && (event.mask & (IN_DELETE_SELF | IN_UNMOUNT)) !== 0;
    if (gone || (wanted !== 0 && (watch.mask & IN_ONESHOT) !== 0)) this.#drop(watch);
  }

  #drop(watch: Watch): void {
    watch.stop();
    this.#watches.delete(watch.descriptor);
    this.#byInode.delete(watch.inode);
    this.#enqueue({ descriptor: watch.descriptor, mask: IN_IGNORED, cookie: 0, name: undefined });
  }

  #enqueue(event: QueuedEvent): void {
    const last = this.#events[this.#events.length - 1];
    if (last && last.descriptor === event.descriptor && last.mask === event.mask && last.cookie === event.cookie && last.name === event.name) return;
    if (this.#events.length > maximumQueued) return;
    this.#events.push(this.#events.length < maximumQueued ? event : { descriptor: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: undefined });
    this.queue.wake(POLLIN | POLLRDNORM);
  }
}

/** Bytes of `name` in the event: with its NUL, padded to a multiple of 16; 0 without a name. */
function paddedLength(name: ByteString | undefined): number {
  return name === undefined ? 0 : Math.ceil((name.length + 1) / 16) * 16;
}

/** struct inotify_event. */
function encode(event: QueuedEvent): Uint8Array {
  const length = paddedLength(event.name);
  const bytes = new Uint8Array(headerSize + length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, event.descriptor, true);
  view.setUint32(4, event.mask >>> 0, true);
  view.setUint32(8, event.cookie, true);
  view.setUint32(12, length, true);
  if (event.name !== undefined) for (let i = 0; i < event.name.length; i++) bytes[headerSize + i] = event.name.charCodeAt(i);
  return bytes;
}
