/** memfd_create(2): unnamed files of a tmpfs of their own, with seals. */
import { Errno } from '../abi/errno.ts';
import {
  FALLOC_FL_PUNCH_HOLE, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, O_APPEND, O_RDWR,
} from '../abi/fcntl.ts';
import { S_IFREG } from '../abi/stat.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { FileSystem } from '../../fs/vfs/fileSystem.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { Namespace } from '../../fs/vfs/namespace.ts';
import { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';

const allSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

/** Makes memory files. One per machine. */
export class MemoryFiles {
  readonly #namespace: Namespace;
  readonly #fileSystem: FileSystem;
  readonly #seals = new WeakMap<Inode, { seals: number }>();

  /** `fileSystem`: a tmpfs that is mounted nowhere. */
  constructor(namespace: Namespace, fileSystem: FileSystem) {
    this.#namespace = namespace;
    this.#fileSystem = fileSystem;
  }

  /** A new file, shown as /memfd:NAME (deleted). Without `sealable` it is sealed against sealing. */
  *create(caller: Caller, name: ByteString, sealable: boolean): Io<MemoryFile | number> {
    const { uid, gid } = caller.credentials;
    const inode = yield* this.#fileSystem.root.createUnnamed({ mode: S_IFREG | 0o777, uid, gid, rdev: 0 });
    if (typeof inode === 'number') return inode;
    this.#seals.set(inode, { seals: sealable ? 0 : F_SEAL_SEAL });
    return yield* this.open(this.#namespace.anonymous(inode, `/memfd:${name} (deleted)`), inode, O_RDWR, caller);
  }

  /** Another description of a memory file (through /proc/PID/fd). */
  *open(path: Path, inode: Inode, flags: number, caller: Caller): Io<MemoryFile | number> {
    const file = yield* inode.open(path, flags, caller);
    return typeof file === 'number' ? file : new MemoryFile(file, this.#seals.get(inode) ?? { seals: F_SEAL_SEAL });
  }
}

/** An open memory file: the tmpfs's own open file, with seals in front. */
export class MemoryFile extends OpenFile {
  readonly #file: OpenFile;
  readonly #state: { seals: number };

  constructor(file: OpenFile, state: { seals: number }) {
    super(file.path, file.inode, file.flags);
    this.#file = file;
    this.#state = state;
  }

  get seals(): number {
    return this.#state.seals;
  }

  /** F_ADD_SEALS. */
  addSeals(seals: number): number {
    if (seals & ~allSeals) return -Errno.EINVAL;
    if (this.seals & F_SEAL_SEAL) return -Errno.EPERM;
    this.#state.seals |= seals;
    return 0;
  }

  /** May the file become `size` bytes long? 0 or -EPERM. */
  checkResize(size: number): number {
    const forbidden = size < this.inode.size ? F_SEAL_SHRINK : size > this.inode.size ? F_SEAL_GROW : 0;
    return this.seals & forbidden ? -Errno.EPERM : 0;
  }

  /** May fallocate(2) do this, reaching up to `end`? */
  checkAllocate(mode: number, end: number): number {
    if (mode & FALLOC_FL_PUNCH_HOLE) return this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ? -Errno.EPERM : 0;
    return end > this.inode.size && this.seals & F_SEAL_GROW ? -Errno.EPERM : 0;
  }

  override get isSeekable(): boolean {
    return true;
  }

  override read(sink: Sink, position: number): Attempt<number> {
    return this.#file.read(sink, position);
  }

  override write(source: Source, position: number): Attempt<number> {
    if (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return -Errno.EPERM;
    if (this.seals & F_SEAL_GROW && position + source.remaining > this.inode.size) return -Errno.EPERM;
    this.#file.flags = this.flags;
    const written = this.#file.write(source, position);
    if (this.flags & O_APPEND) this.position = this.#file.position;
    return written;
  }

  override seek(offset: number, whence: number): Io<number> {
    return this.#file.seek(offset, whence);
  }

  protected override close(): Io<void> | undefined {
    return this.#file.release();
  }
}
