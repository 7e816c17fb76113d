/**
 * The host's watches: turns what the VFS reports into changes of paths. One listener on the VFS serves all watches and exists only while
 * there are some; changes are gathered for a moment, each path once.
 */
import { IN_ATTRIB, IN_CLOSE_WRITE, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO } from '../kernel/abi/inotify.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import type { Inode } from '../fs/vfs/inode.ts';
import { Walk, type FileEvent, type Namespace } from '../fs/vfs/namespace.ts';
import type { Path } from '../fs/vfs/path.ts';
import type { ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';
import type { FileChange } from '../protocol.ts';
import { toHostPath } from './hostPath.ts';

const gatherMilliseconds = 50;

interface Watch {
  readonly path: ByteString;
  readonly recursive: boolean;
}

/** Where a directory or file that changed is, by inode, as far as the watches care. */
export class FileWatches {
  readonly #namespace: Namespace;
  readonly #caller: Caller;
  readonly #report: (changes: FileChange[]) => void;
  readonly #watches = new Map<number, Watch>();
  /** Path of each inode that is watched itself: watched paths and, for files, their directories. */
  readonly #places = new Map<Inode, ByteString>();
  readonly #pending = new Map<string, FileChange>();
  #stop: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(namespace: Namespace, caller: Caller, report: (changes: FileChange[]) => void) {
    this.#namespace = namespace;
    this.#caller = caller;
    this.#report = report;
  }

  /** Starts watch number `watch`. A path that isn't there yet is watched through its directory. */
  *add(watch: number, path: ByteString, recursive: boolean): Io<number> {
    const normal = path.replace(/\/+$/, '') || '/';
    this.#watches.set(watch, { path: normal, recursive });
    const place = yield* this.#namespace.resolve(this.#caller, this.#namespace.root, normal, Walk.follow);
    if (typeof place !== 'number') {
      this.#places.set(place.dentry.inode!, normal);
    }
    const parent = normal.slice(0, normal.lastIndexOf('/')) || '/';
    if (typeof place === 'number' || !place.dentry.inode!.isDirectory) {
      const directory = yield* this.#namespace.resolve(this.#caller, this.#namespace.root, parent, Walk.follow);
      if (typeof directory !== 'number' && !this.#places.has(directory.dentry.inode!)) this.#places.set(directory.dentry.inode!, parent);
    }
    this.#stop ??= this.#namespace.watch(undefined, event => this.#see(event));
    return 0;
  }

  remove(watch: number): void {
    const gone = this.#watches.get(watch);
    this.#watches.delete(watch);
    if (gone) for (const [inode, path] of this.#places) if (path === gone.path) this.#places.delete(inode);
    if (this.#watches.size === 0) {
      this.#stop?.();
      this.#stop = undefined;
      this.#places.clear();
    }
  }

  #see(event: FileEvent): void {
    const directory = this.#placeOf(event);
    if (directory === undefined) return;
    const path = event.name === undefined ? directory : `${directory === '/' ? '' : directory}/${event.name}`;
    const type = (event.mask & (IN_CREATE | IN_MOVED_TO)) !== 0 ? 'created'
      : (event.mask & (IN_DELETE | IN_MOVED_FROM)) !== 0 ? 'deleted'
        : (event.mask & (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)) !== 0 ? 'changed' : undefined;
    if (type === undefined || !this.#isWatched(path)) return;
    const text = toHostPath(path);
    const before = this.#pending.get(text);
    this.#pending.set(text, { path: text, type: before?.type === 'created' && type === 'changed' ? 'created' : type });
    this.#timer ??= setTimeout(() => this.#flush(), gatherMilliseconds);
  }

  /** The path of the event's inode, undefined if no watch can care. */
  #placeOf(event: FileEvent): ByteString | undefined {
    const known = this.#places.get(event.inode);
    if (known !== undefined) return known;
    if (event.path === undefined || ![...this.#watches.values()].some(w => w.recursive)) return undefined;
    return this.#namespace.pathName(event.path as Path, this.#namespace.root);
  }

  #isWatched(path: ByteString): boolean {
    for (const watch of this.#watches.values()) {
      if (watch.path === path) return true;
      const prefix = watch.path === '/' ? '/' : `${watch.path}/`;
      if (path.startsWith(prefix) && (watch.recursive || !path.includes('/', prefix.length))) return true;
    }
    return false;
  }

  #flush(): void {
    this.#timer = undefined;
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    if (changes.length > 0) this.#report(changes);
  }
}
