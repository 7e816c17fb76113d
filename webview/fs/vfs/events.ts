/** Who wants to hear what happens to files: the sources of inotify(7) and of the host's watches. */
import type { Inode } from './inode.ts';
import type { FileEvent } from './namespace.ts';
import type { Path } from './path.ts';

type Listener = (event: FileEvent) => void;

export class FileEvents {
  readonly #byInode = new Map<Inode, Set<Listener>>();
  readonly #everywhere = new Set<Listener>();
  #nextCookie = 1;

  /** False when nobody listens: then no event needs to be made. */
  get isWatched(): boolean {
    return this.#byInode.size > 0 || this.#everywhere.size > 0;
  }

  /** Connects the two halves of a rename. */
  nextCookie(): number {
    const cookie = this.#nextCookie;
    this.#nextCookie = (cookie + 1) >>> 0 || 1;
    return cookie;
  }

  watch(inode: Inode | undefined, listener: Listener): () => void {
    if (inode === undefined) {
      this.#everywhere.add(listener);
      return () => this.#everywhere.delete(listener);
    }
    const own = this.#byInode.get(inode) ?? new Set();
    own.add(listener);
    this.#byInode.set(inode, own);
    return () => {
      own.delete(listener);
      if (own.size === 0 && this.#byInode.get(inode) === own) this.#byInode.delete(inode);
    };
  }

  /** Tells those who watch the directory that `event.inode` is in, then those who watch itself, and those who watch everything. */
  emit(event: FileEvent): void {
    const parent = event.path?.dentry.parent?.inode;
    if (parent !== undefined && parent !== event.inode) {
      for (const listener of [...(this.#byInode.get(parent) ?? [])]) listener(event);
    }
    for (const listener of [...(this.#byInode.get(event.inode) ?? [])]) listener(event);
    for (const listener of [...this.#everywhere]) listener(event);
  }

  /** Something happened to an inode itself. */
  happened(inode: Inode, mask: number, path: Path | undefined): void {
    if (this.isWatched) this.emit({ mask, inode, name: undefined, cookie: 0, isDirectory: inode.isDirectory, path });
  }

  /** Something happened to the name `name` in the directory at `directory`; `child` has or had that name. */
  named(directory: Path, name: string, child: Inode, mask: number, cookie = 0): void {
    if (!this.isWatched) return;
    this.#emitNamed({ mask, inode: directory.dentry.inode!, name, cookie, isDirectory: child.isDirectory, path: directory });
  }

  #emitNamed(event: FileEvent): void {
    // Entries coming and going in a directory is not something its own parent's watchers hear of.
    for (const listener of [...(this.#byInode.get(event.inode) ?? [])]) listener(event);
    for (const listener of [...this.#everywhere]) listener(event);
  }
}
