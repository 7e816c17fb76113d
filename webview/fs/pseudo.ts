/**
 * Inodes whose contents are made when they are read: what procfs and sysfs are built from. A file's text is made at the first read and
 * made anew whenever a read starts at offset 0, as Linux's seq_file does; directories are asked for their children at each look-up.
 */
import { Errno } from '../kernel/abi/errno.ts';
import { O_ACCMODE, O_RDONLY } from '../kernel/abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFREG, directoryType } from '../kernel/abi/stat.ts';
import { toBytes, type ByteString } from '../lib/byteString.ts';
import type { Sink, Source } from '../lib/transfer.ts';
import type { Attempt, Io } from '../lib/wait.ts';
import { AttributeInode } from './vfs/attributeInode.ts';
import type { Caller } from './vfs/caller.ts';
import type { FileSystem } from './vfs/fileSystem.ts';
import type { AttributeChange, DirectoryEntry, Inode, Timespec } from './vfs/inode.ts';
import { OpenFile } from './vfs/openFile.ts';
import type { Path } from './vfs/path.ts';
import { DirectoryFile } from './vfs/pathFile.ts';

/** Who owns a pseudo inode and when it was made. */
export interface PseudoOwner {
  uid: number;
  gid: number;
  time: Timespec;
}

abstract class PseudoInode extends AttributeInode {
  override blockSize = 1024;

  constructor(fileSystem: FileSystem, ino: number, mode: number, owner: PseudoOwner) {
    super(fileSystem, ino, mode, owner, owner.time);
  }

  override get blocks(): number {
    return 0;
  }

  override *setAttributes(_change: AttributeChange): Io<number> {
    return -Errno.EPERM;
  }
}

/** Makes a file's whole content, or a negative errno. */
export type Render = () => ByteString | Uint8Array | number;

/** Takes what one write(2) call wrote; 0 or -errno. */
export type Accept = (text: ByteString, caller: Caller) => number;

/** A regular file made of text. */
export class PseudoFile extends PseudoInode {
  readonly #render: Render;
  readonly #accept: Accept | undefined;

  /** `permissions` as in chmod(2), e.g. 0o444. */
  constructor(fileSystem: FileSystem, ino: number, permissions: number, owner: PseudoOwner, render: Render, accept?: Accept) {
    super(fileSystem, ino, S_IFREG | permissions, owner);
    this.#render = render;
    this.#accept = accept;
  }

  override *open(path: Path, flags: number, caller: Caller): Io<OpenFile | number> {
    if ((flags & O_ACCMODE) !== O_RDONLY && !this.#accept) return -Errno.EACCES;
    return new PseudoOpenFile(path, this, flags, this.#render, this.#accept, caller);
  }

  override *truncate(_size: number): Io<number> {
    return this.#accept ? 0 : -Errno.EPERM;
  }
}

class PseudoOpenFile extends OpenFile {
  readonly #render: Render;
  readonly #accept: Accept | undefined;
  readonly #caller: Caller;
  #content: Uint8Array | undefined;

  constructor(path: Path, inode: Inode, flags: number, render: Render, accept: Accept | undefined, caller: Caller) {
    super(path, inode, flags);
    this.#render = render;
    this.#accept = accept;
    this.#caller = caller;
  }

  override get isSeekable(): boolean {
    return true;
  }

  override read(sink: Sink, position: number): Attempt<number> {
    if (!this.#content || position === 0) {
      const made = this.#render();
      if (typeof made === 'number') return made;
      this.#content = typeof made === 'string' ? toBytes(made) : made;
    }
    const wanted = Math.min(sink.remaining, Math.max(0, this.#content.length - position));
    const taken = sink.put(this.#content, position, wanted);
    return taken === 0 && wanted > 0 ? -Errno.EFAULT : taken;
  }

  override write(source: Source, _position: number): Attempt<number> {
    if (!this.#accept) return -Errno.EACCES;
    const length = Math.min(source.remaining, 65536);
    const bytes = new Uint8Array(length);
    if (source.get(bytes, 0, length) < length) return -Errno.EFAULT;
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    const result = this.#accept(text, this.#caller);
    return result < 0 ? result : length;
  }
}

/** What a pseudo directory is asked. */
export interface Children {
  /** The child of that name, undefined when there is none. */
  child(name: ByteString): Inode | undefined;
  /** All names with their kind (an S_IF* value) and inode number. */
  list(caller?: Caller): Iterable<{ name: ByteString; kind: number; ino: number }>;
}

/** A directory whose children are made when asked for. */
export class PseudoDirectory extends PseudoInode {
  readonly #children: Children;
  readonly #parentIno: number;

  constructor(fileSystem: FileSystem, ino: number, owner: PseudoOwner, children: Children, parentIno = ino, permissions = 0o555) {
    super(fileSystem, ino, S_IFDIR | permissions, owner);
    this.#children = children;
    this.#parentIno = parentIno;
    this.linkCount = 2;
  }

  override *lookup(name: ByteString): Io<Inode | number> {
    return this.#children.child(name) ?? -Errno.ENOENT;
  }

  override *readDirectory(from: number, _path: Path): Io<DirectoryEntry[] | number> {
    const all = [
      { name: '.', kind: S_IFDIR, ino: this.ino },
      { name: '..', kind: S_IFDIR, ino: this.#parentIno },
      ...this.#children.list(),
    ];
    return all.slice(from).map((entry, i) => ({ name: entry.name, ino: entry.ino, type: directoryType(entry.kind), next: from + i + 1 }));
  }

  override *open(path: Path, flags: number, _caller: Caller): Io<OpenFile | number> {
    return new DirectoryFile(path, this, flags);
  }
}

/** A symbolic link; `place` makes it a magic link that leads to a place instead of a text (/proc/PID/exe). */
export class PseudoLink extends PseudoInode {
  readonly #target: (caller: Caller) => ByteString | number;
  readonly #place: ((caller: Caller) => Path | number) | undefined;

  constructor(
    fileSystem: FileSystem, ino: number, owner: PseudoOwner,
    target: (caller: Caller) => ByteString | number, place?: (caller: Caller) => Path | number, permissions = 0o777,
  ) {
    super(fileSystem, ino, S_IFLNK | permissions, owner);
    this.#target = target;
    this.#place = place;
  }

  override *readlink(caller: Caller): Io<ByteString | number> {
    return this.#target(caller);
  }

  override *follow(caller: Caller): Io<Path | number | undefined> {
    return this.#place?.(caller);
  }
}

/** Children that never change: made once, by name. */
export class FixedChildren implements Children {
  readonly #byName: ReadonlyMap<ByteString, Inode>;

  constructor(entries: Iterable<readonly [ByteString, Inode]>) {
    this.#byName = new Map(entries);
  }

  child(name: ByteString): Inode | undefined {
    return this.#byName.get(name);
  }

  *list(): Iterable<{ name: ByteString; kind: number; ino: number }> {
    for (const [name, inode] of this.#byName) yield { name, kind: inode.mode, ino: inode.ino };
  }
}
