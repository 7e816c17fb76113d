/** Advisory file locks: record locks by process and by open file (fcntl(2)), and whole-file locks (flock(2)), kept per inode. */
import { Errno } from '../abi/errno.ts';
import { F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN } from '../abi/fcntl.ts';
import { Wait, WaitQueue, Wake, type Io } from '../../lib/wait.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';

/** A range of bytes, `end` exclusive (Infinity: to the end of file), locked by `owner`: a FileTable (POSIX) or an OpenFile (OFD). */
export interface RecordLock {
  readonly owner: object;
  /** As F_GETLK reports it: -1 for OFD locks. */
  readonly pid: number;
  /** F_RDLCK or F_WRLCK. */
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

interface InodeLocks {
  records: RecordLock[];
  readonly whole: Map<OpenFile, { readonly type: number; readonly stop: () => void }>;
  readonly queue: WaitQueue;
  readonly wait: Wait;
}

/** All locks of the machine. */
export class FileLocks {
  readonly #inodes = new WeakMap<Inode, InodeLocks>();
  /** Owners that sleep for a record lock, for deadlock detection: what they ask for, and where. */
  readonly #sleepers = new Map<object, { inode: Inode; request: RecordLock }>();

  /** F_GETLK: the first lock that stands in the way of `request`. */
  conflict(inode: Inode, request: RecordLock): RecordLock | undefined {
    return this.#inodes.get(inode)?.records.find(held => conflicts(held, request));
  }

  /** F_SETLK (and F_UNLCK): 0, or -EAGAIN when another owner's lock is in the way. */
  setRecord(inode: Inode, request: RecordLock): number {
    const locks = this.#of(inode);
    if (request.type !== F_UNLCK && locks.records.some(held => conflicts(held, request))) return -Errno.EAGAIN;
    const had = locks.records.length;
    locks.records = withRecord(locks.records, request);
    if (had > 0) locks.queue.wake();
    return 0;
  }

  /** F_SETLKW: as `setRecord`, sleeping for the lock. -EDEADLK when `request.owner` would wait for itself, -EINTR. */
  *waitForRecord(inode: Inode, request: RecordLock): Io<number> {
    for (;;) {
      const result = this.setRecord(inode, request);
      if (result !== -Errno.EAGAIN) return result;
      // OFD locks take no part in the detection (fcntl(2)).
      if (request.pid >= 0 && this.#wouldDeadlock(inode, request)) return -Errno.EDEADLK;
      this.#sleepers.set(request.owner, { inode, request });
      const wake = yield this.#of(inode).wait;
      this.#sleepers.delete(request.owner);
      if (wake === Wake.interrupted) return -Errno.EINTR;
    }
  }

  /** Drops all record locks that `owner` holds on an inode: at any close of it by a process, at the last close of an open file. */
  releaseOwner(inode: Inode, owner: object): void {
    const locks = this.#inodes.get(inode);
    if (!locks || locks.records.length === 0) return;
    const kept = locks.records.filter(held => held.owner !== owner);
    if (kept.length === locks.records.length) return;
    locks.records = kept;
    locks.queue.wake();
  }

  /** flock(2) without sleeping: 0, or -EAGAIN. `operation` is LOCK_SH, LOCK_EX or LOCK_UN. */
  setWhole(file: OpenFile, operation: number): number {
    const locks = this.#of(file.inode);
    const held = locks.whole.get(file);
    if (operation === LOCK_UN) {
      if (held) this.#dropWhole(locks, file);
      return 0;
    }
    if (held?.type === operation) return 0;
    // A conversion gives up the old lock first (flock(2): it isn't atomic).
    if (held) this.#dropWhole(locks, file);
    for (const other of locks.whole.values()) {
      if (operation === LOCK_EX || other.type === LOCK_EX) return -Errno.EAGAIN;
    }
    locks.whole.set(file, { type: operation === LOCK_EX ? LOCK_EX : LOCK_SH, stop: file.whenReleased(() => this.#dropWhole(locks, file)) });
    return 0;
  }

  /** flock(2), sleeping for the lock. 0 or -EINTR. */
  *waitForWhole(file: OpenFile, operation: number): Io<number> {
    for (;;) {
      const result = this.setWhole(file, operation);
      if (result !== -Errno.EAGAIN) return result;
      if ((yield this.#of(file.inode).wait) === Wake.interrupted) return -Errno.EINTR;
    }
  }

  #dropWhole(locks: InodeLocks, file: OpenFile): void {
    locks.whole.get(file)?.stop();
    locks.whole.delete(file);
    locks.queue.wake();
  }

  #of(inode: Inode): InodeLocks {
    let locks = this.#inodes.get(inode);
    if (!locks) {
      const queue = new WaitQueue();
      locks = { records: [], whole: new Map(), queue, wait: new Wait([queue]) };
      this.#inodes.set(inode, locks);
    }
    return locks;
  }

  #wouldDeadlock(inode: Inode, request: RecordLock): boolean {
    let blocker = this.conflict(inode, request)?.owner;
    for (let steps = 0; blocker && steps < 1000; steps++) {
      if (blocker === request.owner) return true;
      const sleeper = this.#sleepers.get(blocker);
      if (!sleeper) return false;
      blocker = this.conflict(sleeper.inode, sleeper.request)?.owner;
    }
    return false;
  }
}

function conflicts(held: RecordLock, request: RecordLock): boolean {
  return held.owner !== request.owner && held.start < request.end && request.start < held.end && (held.type === F_WRLCK || request.type === F_WRLCK);
}

/** The list with `request` entered (or its range cleared, for F_UNLCK): the owner's older locks are cut, equal neighbours merged. */
function withRecord(records: readonly RecordLock[], request: RecordLock): RecordLock[] {
  let { start, end } = request;
  const result: RecordLock[] = [];
  for (const held of records) {
    const touches = held.start <= end && start <= held.end;
    if (held.owner !== request.owner || !touches) {
      result.push(held);
    } else if (held.type === request.type) {
      start = Math.min(start, held.start);
      end = Math.max(end, held.end);
    } else {
      if (held.start < request.start) result.push({ ...held, end: Math.min(held.end, request.start) });
      if (held.end > request.end) result.push({ ...held, start: Math.max(held.start, request.end) });
    }
  }
  if (request.type !== F_UNLCK) result.push({ ...request, start, end });
  return result;
}
