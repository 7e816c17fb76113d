/** Paths for open files in tests that need no file system, and a run of an Io against a clock that jumps to each deadline. */
import { S_IFIFO } from '../../webview/kernel/abi/stat.ts';
import { AnonymousFileSystem } from '../../webview/kernel/files/anonymous.ts';
import { AttributeInode } from '../../webview/fs/vfs/attributeInode.ts';
import { Wake, type Io, type Wait } from '../../webview/lib/wait.ts';
import { toBytes, fromBytes, type ByteString } from '../../webview/lib/byteString.ts';
import { BufferSink, BufferSource } from '../../webview/lib/transfer.ts';
import type { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import type { Mount, Path } from '../../webview/fs/vfs/path.ts';
import type { Inode } from '../../webview/fs/vfs/inode.ts';

let nextIno = 1;

/** A path to a new inode of the given mode (a FIFO unless told otherwise). */
export function anonymousPath(mode = S_IFIFO | 0o600): Path {
  const fileSystem = new AnonymousFileSystem('test', 99, 0);
  return pathOf(new AttributeInode(fileSystem, nextIno++, mode, { uid: 0, gid: 0 }, { seconds: 0, nanoseconds: 0 }));
}

/** A path to `inode`. */
export function pathOf(inode: Inode): Path {
  const dentry = { name: 'anonymous', parent: undefined, inode, unlinked: false };
  const mount: Mount = { id: 0, fileSystem: inode.fileSystem, root: dentry, at: undefined, source: 'none', flags: 0, openCount: 0 };
  return { mount, dentry };
}

/** Reads at most `length` bytes: the text, a negative errno, or the Wait. */
export function readText(file: OpenFile, length = 4096): ByteString | number | Wait {
  const sink = new BufferSink(new Uint8Array(length));
  const result = file.read(sink, 0);
  return typeof result !== 'number' || result < 0 ? result : fromBytes(sink.taken);
}

/** write(2) of a text. */
export function writeText(file: OpenFile, text: ByteString): number | Wait {
  return file.write(new BufferSource(toBytes(text)), 0);
}

/** Drives an Io by hand: what it waits for now, or its result. */
export class Driven<T> {
  readonly #io: Io<T>;
  wait: Wait | undefined;
  result: T | undefined;
  #woken = false;

  constructor(io: Io<T>) {
    this.#io = io;
    this.#step(io.next());
  }

  /** True when one of the queues that it waits for has woken it. */
  get isWoken(): boolean {
    return this.#woken;
  }

  resume(wake: Wake = Wake.ready): this {
    this.#step(this.#io.next(wake));
    return this;
  }

  #step(step: IteratorResult<Wait, T>): void {
    for (const queue of this.wait?.queues ?? []) queue.remove(this.#waiter);
    this.#woken = false;
    this.wait = step.done ? undefined : step.value;
    if (step.done) this.result = step.value;
    for (const queue of this.wait?.queues ?? []) queue.add(this.#waiter);
  }

  readonly #waiter = {
    wake: (): boolean => {
      this.#woken = true;
      return true;
    },
  };
}
