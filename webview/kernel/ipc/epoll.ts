/** epoll(7). Files tell their sets through their queues: a wait looks at the ready list only, however many descriptors are in the set. */
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { O_RDWR } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLRDNORM } from '../abi/poll.ts';
import { Wait, type Waiter, type WaitQueue } from '../../lib/wait.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

const alwaysReported = POLLERR | POLLHUP;
const exclusiveBits = 0x5 | alwaysReported | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
/** An epoll set may be in a set that is in a set ... this deep. */
const maximumNesting = 4;

/** Takes what epoll_wait(2) reports: the events and the caller's 64-bit data in halves. False ends the report (EFAULT). */
export type ReportEvent = (events: number, dataLow: number, dataHigh: number) => boolean;

/** One descriptor in a set. */
class Item implements Waiter {
  readonly set: EpollFile;
  readonly fd: number;
  readonly file: OpenFile;
  events = 0;
  dataLow = 0;
  dataHigh = 0;
  forget: (() => void) | undefined;

  constructor(set: EpollFile, fd: number, file: OpenFile) {
    this.set = set;
    this.fd = fd;
    this.file = file;
  }

  /** What is wanted and ready now. */
  get ready(): number {
    return this.events & 0xffff ? this.file.poll() & ((this.events & 0xffff) | alwaysReported) : 0;
  }

  wake(_queue: WaitQueue, mask: number): boolean {
    if ((this.events & 0xffff) === 0 || (mask !== 0 && (mask & (this.events | alwaysReported)) === 0)) return false;
    const woken = this.set.becameReady(this);
    return woken && (this.events & EPOLLEXCLUSIVE) !== 0;
  }
}

export class EpollFile extends KernelFile {
  /** By descriptor; two items of one number exist after it was closed here but lives on elsewhere. */
  readonly #items = new Map<number, Item[]>();
  readonly #ready = new Set<Item>();
  /** Sleeps until something may be ready. */
  readonly wait: Wait;

  constructor(path: Path) {
    super(path, path.dentry.inode!, O_RDWR);
    this.wait = new Wait([this.queue]);
  }

  /** epoll_ctl(2). `events` and data are ignored for EPOLL_CTL_DEL. */
  control(operation: number, fd: number, file: OpenFile, events: number, dataLow: number, dataHigh: number): number {
    if (file.inode.isRegular || file.inode.isDirectory || (file instanceof KernelFile && !file.canPoll)) return -Errno.EPERM;
    if (file === this) return -Errno.EINVAL;
    const item = this.#items.get(fd)?.find(candidate => candidate.file === file);
    if (operation !== EPOLL_CTL_DEL && (events & EPOLLEXCLUSIVE) !== 0) {
      if (operation === EPOLL_CTL_MOD || file instanceof EpollFile || (events & ~exclusiveBits) !== 0) return -Errno.EINVAL;
    }
    switch (operation) {
      case EPOLL_CTL_ADD:
        if (item) return -Errno.EEXIST;
        if (file instanceof EpollFile && (file.#reaches(this, 0) || file.#depth() >= maximumNesting)) return -Errno.ELOOP;
        return this.#add(new Item(this, fd, file), events, dataLow, dataHigh);
      case EPOLL_CTL_MOD:
        if (!item) return -Errno.ENOENT;
        if ((item.events & EPOLLEXCLUSIVE) !== 0) return -Errno.EINVAL;
        this.#arm(item, events, dataLow, dataHigh);
        return 0;
      case EPOLL_CTL_DEL:
        if (!item) return -Errno.ENOENT;
        this.#remove(item);
        return 0;
      default:
        return -Errno.EINVAL;
    }
  }

  /** Reports up to `maximum` ready descriptors and returns how many; 0 when none is ready, -EFAULT when the first can't be reported. */
  collect(maximum: number, report: ReportEvent): number {
    let count = 0;
    for (let left = this.#ready.size; left > 0 && count < maximum; left--) {
      const item = this.#ready.values().next().value!;
      this.#ready.delete(item);
      const ready = item.ready;
      if (ready === 0) continue;
      if (!report(ready, item.dataLow, item.dataHigh)) {
        this.#ready.add(item);
        return count > 0 ? count : -Errno.EFAULT;
      }
      count++;
      if (item.events & EPOLLONESHOT) item.events &= ~0xffff;
      // Level-triggered: it stays on the list, behind the others, until a look finds it no longer ready.
      else if ((item.events & EPOLLET) === 0) this.#ready.add(item);
    }
    return count;
  }

  /** An item's file says that something happened. True when somebody was sleeping on the set. */
  becameReady(item: Item): boolean {
    this.#ready.add(item);
    return this.queue.wake(POLLIN | POLLRDNORM) > 0;
  }

  override poll(): number {
    for (const item of this.#ready) {
      if (item.ready !== 0) return POLLIN | POLLRDNORM;
      this.#ready.delete(item);
    }
    return 0;
  }

  protected override close(): undefined {
    for (const items of [...this.#items.values()]) for (const item of [...items]) this.#remove(item);
  }

  #add(item: Item, events: number, dataLow: number, dataHigh: number): number {
    const items = this.#items.get(item.fd);
    if (items) items.push(item);
    else this.#items.set(item.fd, [item]);
    item.forget = item.file.whenReleased(() => this.#remove(item));
    item.file.queue.add(item);
    this.#arm(item, events, dataLow, dataHigh);
    return 0;
  }

  #arm(item: Item, events: number, dataLow: number, dataHigh: number): void {
    item.events = events;
    item.dataLow = dataLow;
    item.dataHigh = dataHigh;
    if (item.ready !== 0) this.becameReady(item);
    else this.#ready.delete(item);
  }

  #remove(item: Item): void {
    item.file.queue.remove(item);
    item.forget?.();
    this.#ready.delete(item);
    const rest = this.#items.get(item.fd)?.filter(other => other !== item) ?? [];
    if (rest.length > 0) this.#items.set(item.fd, rest);
    else this.#items.delete(item.fd);
  }

  #reaches(target: EpollFile, depth: number): boolean {
    if (depth > maximumNesting) return true;
    for (const items of this.#items.values()) {
      for (const { file } of items) if (file === target || (file instanceof EpollFile && file.#reaches(target, depth + 1))) return true;
    }
    return false;
  }

  #depth(): number {
    let deepest = 0;
    for (const items of this.#items.values()) {
      for (const { file } of items) if (file instanceof EpollFile) deepest = Math.max(deepest, 1 + file.#depth());
    }
    return deepest;
  }
}
