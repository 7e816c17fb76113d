/**
 * The host's watches: turns what the VFS reports into changes of paths. One listener on the VFS serves all watches and exists only while
 * there are some; changes are gathered for a moment, each path once.
 */
import { IN_ATTRIB, IN_CLOSE_WRITE, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO } from '../kernel/abi/inotify.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import type { Inode } from '../fs/vfs/inode.ts';
import { Walk, type FileEvent, type Namespace } from '../fs/vfs/namespace.ts';
import type { ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';
import type { FileChange } from '../protocol.ts';
import { toHostPath } from './hostPath.ts';

const gatherMilliseconds = 50;

interface Watch {
  /** As the host asked for it; changes are reported below it. */
  readonly path: ByteString;
  /** Without symbolic links: what the VFS names. */
  readonly real: ByteString;
  readonly recursive: boolean;
  /** What was there at the start; undefined if nothing, or no more. */
  inode: Inode | undefined;
}

export class FileWatches {
  readonly #namespace: Namespace;
  readonly #caller: Caller;
  readonly #report: (changes: FileChange[]) => void;
  readonly #watches = new Map<number, Watch>();
  readonly #pending = new Map<string, FileChange>();
  #stop: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(namespace: Namespace, caller: Caller, report: (changes: FileChange[]) => void) {
    this.#namespace = namespace;
    this.#caller = caller;
    this.#report = report;
  }

  /** Starts watch number `watch`. The path need not be there yet. */
  *add(watch: number, path: ByteString, recursive: boolean): Io<number> {
    const normal = path.replace(/\/+$/, '') || '/';
    const { inode, real } = yield* this.#locate(normal);
    this.#watches.set(watch, { path: normal, real, recursive, inode });
    this.#stop ??= this.#namespace.watch(undefined, event => this.#see(event));
    return 0;
  }

  remove(watch: number): void {
    this.#watches.delete(watch);
    if (this.#watches.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** What is at `path`, and its name without symbolic links: of the longest part that is there. */
  *#locate(path: ByteString): Io<{ inode: Inode | undefined; real: ByteString }> {
    let rest = '';
    for (let there = path; ;) {
      const place = yield* this.#namespace.resolve(this.#caller, this.#namespace.root, there, Walk.follow);
      if (typeof place !== 'number') {
        const name = this.#namespace.pathName(place, this.#namespace.root);
        const real = `${name === '/' ? '' : name}${rest}` || '/';
        return { inode: rest === '' ? place.dentry.inode! : undefined, real };
      }
      if (there === '/') return { inode: undefined, real: path };
      const slash = there.lastIndexOf('/');
      rest = `${there.slice(slash)}${rest}`;
      there = there.slice(0, slash) || '/';
    }
  }

  #see(event: FileEvent): void {
    const { mask, name } = event;
    const type = (mask & (IN_CREATE | IN_MOVED_TO)) !== 0 ? 'created'
      : (mask & (IN_DELETE | IN_MOVED_FROM)) !== 0 ? 'deleted'
        : (mask & (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)) !== 0 ? 'changed' : undefined;
    if (type === undefined || !this.#mayConcern(event)) return;
    const place = event.path && this.#namespace.pathName(event.path, this.#namespace.root);
    for (const watch of this.#watches.values()) {
      // What the VFS has no path for can still be what a watch began with.
      const base = place ?? (watch.inode === event.inode ? watch.real : undefined);
      if (base === undefined) continue;
      const real = name === undefined ? base : `${base === '/' ? '' : base}/${name}`;
      if (!covers(watch, real)) continue;
      if (type === 'deleted' && real === watch.real) watch.inode = undefined;
      this.#note(type, real === watch.real ? watch.path : `${watch.path === '/' ? '' : watch.path}/${real.slice(prefixOf(watch).length)}`);
    }
  }

  /** A quick look that spares most writes of programs the naming of a path. */
  #mayConcern({ inode, path }: FileEvent): boolean {
    const parent = path?.dentry.parent?.inode;
    for (const watch of this.#watches.values()) {
      if (watch.recursive || watch.inode === undefined || watch.inode === inode || watch.inode === parent) return true;
      // A file that is replaced: the event is at its directory.
      if (!watch.inode.isDirectory && inode.isDirectory) return true;
    }
    return false;
  }

  #note(type: FileChange['type'], path: ByteString): void {
    const text = toHostPath(path);
    const before = this.#pending.get(text)?.type;
    // Gone and there again is a change; a new file that is written is still new.
    const merged = before === 'created' && type === 'changed' ? 'created' : before === 'deleted' && type === 'created' ? 'changed' : type;
    this.#pending.set(text, { path: text, type: merged });
    this.#timer ??= setTimeout(() => this.#flush(), gatherMilliseconds);
  }

  #flush(): void {
    this.#timer = undefined;
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    if (changes.length > 0) this.#report(changes);
  }
}

const prefixOf = ({ real }: Watch): ByteString => (real === '/' ? '/' : `${real}/`);

function covers(watch: Watch, real: ByteString): boolean {
  if (real === watch.real) return true;
  const prefix = prefixOf(watch);
  return real.startsWith(prefix) && (watch.recursive || !real.includes('/', prefix.length));
}
