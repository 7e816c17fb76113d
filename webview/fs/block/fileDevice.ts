/** A read-only disk over a raw file, such as an ext2 image made elsewhere. */
import { Errno } from '../../kernel/abi/errno.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { BlockDevice } from '../vfs/block.ts';
import type { RandomAccessFile } from './source.ts';

export class FileDevice implements BlockDevice {
  readonly readOnly = true;
  /** The file's size down to a whole sector of 512 bytes. */
  readonly size: number;
  readonly #name: string;
  readonly #file: RandomAccessFile;
  readonly #log: (line: string) => void;

  constructor(name: string, file: RandomAccessFile, log: (line: string) => void) {
    this.#name = name;
    this.#file = file;
    this.#log = log;
    this.size = file.size - (file.size % 512);
  }

  read(position: number, into: Uint8Array): Attempt<number> {
    if (position < 0 || position + into.length > this.size) return -Errno.EIO;
    try {
      this.#file.readNow(position, into);
      return 0;
    } catch (error) {
      this.#log(`Disk "${this.#name}": ${into.length} bytes at ${position} can't be read: ${error instanceof Error ? error.message : String(error)}.`);
      return -Errno.EIO;
    }
  }

  write(): Attempt<number> {
    return -Errno.EROFS;
  }

  discard(): void {
    // A read-only disk keeps what it has.
  }

  *commit(): Io<number> {
    return 0;
  }

  prefetch(): void {
    // Reads are answered at once.
  }
}
