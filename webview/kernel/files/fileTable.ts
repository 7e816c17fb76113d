/** The descriptors of a process (or of several, by CLONE_FILES). Also the owner of POSIX record locks, as Linux's files_struct is. */
import { Errno } from '../abi/errno.ts';
import { O_PATH } from '../abi/fcntl.ts';
import type { Io } from '../../lib/wait.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';

/** Who drops the record locks that a table holds on a file, at any close of it (fcntl(2)), and reports the last close (inotify(7)). */
export interface CloseServices {
  releaseOwner(inode: Inode, owner: object): void;
  closed(file: OpenFile): void;
}

/** fs.nr_open: no descriptor is above it, whatever RLIMIT_NOFILE says. */
export const maximumDescriptors = 1 << 20;

export class FileTable {
  readonly #services: CloseServices;
  readonly #files: (OpenFile | undefined)[] = [];
  /** One byte per descriptor: 1 is FD_CLOEXEC. */
  #closeOnExec: Uint8Array = new Uint8Array(64);
  /** No descriptor below this one is free. */
  #lowestFree = 0;
  #count = 0;
  #users = 1;

  constructor(services: CloseServices) {
    this.#services = services;
  }

  /** Descriptors in use. */
  get size(): number {
    return this.#count;
  }

  /** True while tasks share it (CLONE_FILES). */
  get isShared(): boolean {
    return this.#users > 1;
  }

  /** The open file of a descriptor; undefined for EBADF, which O_PATH descriptors are for most calls. */
  get(fd: number): OpenFile | undefined {
    const file = this.#files[fd];
    return file !== undefined && (file.flags & O_PATH) === 0 ? file : undefined;
  }

  /** As `get`, O_PATH descriptors too (fstat, dup, fchdir, *at, close). */
  getAny(fd: number): OpenFile | undefined {
    return this.#files[fd];
  }

  /**
   * Enters `file` at the lowest free descriptor from `from` on, taking over the caller's reference. -EMFILE when none is below `limit`
   * (RLIMIT_NOFILE); the reference stays the caller's then.
   */
  add(file: OpenFile, closeOnExec: boolean, limit: number, from = 0): number {
    let fd = Math.max(from, this.#lowestFree);
    while (this.#files[fd] !== undefined) fd++;
    if (fd >= Math.min(limit, maximumDescriptors)) return -Errno.EMFILE;
    if (from <= this.#lowestFree) this.#lowestFree = fd + 1;
    this.#put(fd, file, closeOnExec);
    return fd;
  }

  /** True when `count` more descriptors fit below `limit`. */
  hasRoom(count: number, limit: number): boolean {
    return this.#count + count <= Math.min(limit, maximumDescriptors) || this.#freeBelow(limit) >= count;
  }

  /** dup2(2): `fd` becomes `file` (the caller's reference is taken over). Answers what must be waited for to close what was there. */
  replace(fd: number, file: OpenFile, closeOnExec: boolean): Io<void> | undefined {
    const old = this.#take(fd);
    this.#put(fd, file, closeOnExec);
    return old ? this.#closed(old) : undefined;
  }

  /** close(2). -EBADF, the result of the file's flush (0 mostly), or an Io to drive that ends with it. */
  close(fd: number): number | Io<number> {
    const file = this.#take(fd);
    if (!file) return -Errno.EBADF;
    const result = file.flush();
    const rest = this.#closed(file);
    return rest ? finish(rest, result) : result;
  }

  /** Takes a descriptor out without closing the file: the caller now owns the reference. */
  detach(fd: number): OpenFile | undefined {
    const file = this.#take(fd);
    if (file) this.#services.releaseOwner(file.inode, this);
    return file;
  }

  isCloseOnExec(fd: number): boolean {
    return this.#closeOnExec[fd] === 1;
  }

  setCloseOnExec(fd: number, on: boolean): void {
    this.#closeOnExec[fd] = on ? 1 : 0;
  }

  /** Descriptors and files in ascending order, O_PATH ones too. */
  *entries(): Iterable<readonly [fd: number, file: OpenFile]> {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      if (file) yield [fd, file];
    }
  }

  /** One more task uses this table (CLONE_FILES). */
  share(): this {
    this.#users++;
    return this;
  }

  /** fork(2): a table of its own with the same open files. */
  copy(): FileTable {
    const copy = new FileTable(this.#services);
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      if (file) copy.#put(fd, file.retain(), this.#closeOnExec[fd] === 1);
    }
    copy.#lowestFree = this.#lowestFree;
    return copy;
  }

  /** execve(2): closes what is close-on-exec. The table must not be shared. */
  *closeForExec(): Io<void> {
    for (let fd = 0; fd < this.#files.length; fd++) {
      if (this.#closeOnExec[fd] === 1 && this.#files[fd]) yield* this.#closeOne(fd);
    }
  }

  /** close_range(2) of [first, last]. */
  *closeRange(first: number, last: number): Io<void> {
    for (let fd = first; fd <= last && fd < this.#files.length; fd++) {
      if (this.#files[fd]) yield* this.#closeOne(fd);
    }
  }

  /** close_range(2) with CLOSE_RANGE_CLOEXEC. */
  markRange(first: number, last: number): void {
    for (let fd = first; fd <= last && fd < this.#files.length; fd++) {
      if (this.#files[fd]) this.#closeOnExec[fd] = 1;
    }
  }

  /** A task that used it is gone; the last one closes all. */
  *release(): Io<void> {
    if (--this.#users === 0) yield* this.closeRange(0, Infinity);
  }

  *#closeOne(fd: number): Io<void> {
    const result = this.close(fd);
    if (typeof result !== 'number') yield* result;
  }

  #closed(file: OpenFile): Io<void> | undefined {
    this.#services.releaseOwner(file.inode, this);
    if (!file.isShared) this.#services.closed(file);
    return file.release();
  }

  #put(fd: number, file: OpenFile, closeOnExec: boolean): void {
    while (this.#files.length < fd) this.#files.push(undefined);
    this.#files[fd] = file;
    this.#count++;
    if (fd >= this.#closeOnExec.length) {
      const grown = new Uint8Array(Math.max(fd + 1, this.#closeOnExec.length * 2));
      grown.set(this.#closeOnExec);
      this.#closeOnExec = grown;
    }
    this.#closeOnExec[fd] = closeOnExec ? 1 : 0;
  }

  #take(fd: number): OpenFile | undefined {
    const file = this.#files[fd];
    if (!file) return undefined;
    this.#files[fd] = undefined;
    this.#count--;
    this.#closeOnExec[fd] = 0;
    if (fd < this.#lowestFree) this.#lowestFree = fd;
    while (this.#files.length > 0 && this.#files[this.#files.length - 1] === undefined) this.#files.pop();
    return file;
  }

  #freeBelow(limit: number): number {
    let used = 0;
    for (let fd = 0; fd < this.#files.length && fd < limit; fd++) if (this.#files[fd]) used++;
    return Math.min(limit, maximumDescriptors) - used;
  }
}

function* finish(rest: Io<void>, result: number): Io<number> {
  yield* rest;
  return result;
}
