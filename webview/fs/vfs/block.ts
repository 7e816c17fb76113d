import type { Attempt, Io } from '../../lib/wait.ts';

/** What an ext2 file system is stored on. Positions and lengths are in bytes and multiples of 512. */
export interface BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `into` from `position`. 0, -EIO, or the Wait for the chunk that holds it. A chunk that failed (hash, network) keeps giving -EIO until asked anew. */
  read(position: number, into: Uint8Array): Attempt<number>;
  /** Takes over `from`'s bytes (copies). 0, -EROFS, -ENOSPC, or a Wait when a partly covered block must be read first. */
  write(position: number, from: Uint8Array): Attempt<number>;
  /** Says that a range is of no use any more: reads give zeros. */
  discard(position: number, length: number): void;
  /** Returns once everything written so far is durable, in one step: all of it or nothing. */
  commit(): Io<number>;
  /** A hint that a range will be read soon. */
  prefetch(position: number, length: number): void;
}
