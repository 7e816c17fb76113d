/**
 * Cached metadata blocks (superblock, descriptors, bitmaps, inode tables, directories, pointers, xattrs), and transactions over them.
 *
 * Every change of the file system is one plain function that never sleeps, run as a transaction: when it fails, or when it lacks a block
 * that must be fetched first (a Wait), all that it changed is put back as it was, and it can be run again. So between operations the
 * cached file system is consistent, and nothing is ever half done: not on ENOSPC, not on EIO, not while waiting.
 */
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { BlockDevice } from '../vfs/block.ts';

export class Buffer {
  readonly block: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  isDirty = false;
  used = true;
  /** It was read as a directory's block and all its records are right. */
  isSoundDirectory = false;
  /** Its bytes before the running transaction. */
  before: Uint8Array | undefined;

  constructor(block: number, bytes: Uint8Array) {
    this.block = block;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

/** What else must be put back or finished with a transaction: the inodes it touched. */
export interface Participant {
  /** The transaction has succeeded: writes what is in memory to the (resident) block. */
  store(): void;
  /** The transaction failed: reads what the block says. */
  restore(): void;
}

export class BufferCache {
  readonly blockSize: number;
  readonly #device: BlockDevice;
  readonly #limit: number;
  readonly #buffers = new Map<number, Buffer>();
  readonly #dirty = new Set<Buffer>();
  /** Of the running transaction. */
  #isOpen = false;
  readonly #changed: { buffer: Buffer; wasDirty: boolean }[] = [];
  readonly #replaced: { block: number; buffer: Buffer | undefined }[] = [];
  readonly #freed: number[] = [];
  readonly #participants = new Set<Participant>();
  readonly #spare: Uint8Array[] = [];

  /** Keeps up to `limit` bytes of clean blocks. */
  constructor(device: BlockDevice, blockSize: number, limit: number) {
    this.#device = device;
    this.blockSize = blockSize;
    this.#limit = Math.max(16, Math.floor(limit / blockSize));
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** The block's bytes, -EIO, or the Wait for them. The block number must have been checked. */
  get(block: number): Attempt<Buffer | number> {
    const known = this.#buffers.get(block);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    const bytes = new Uint8Array(this.blockSize);
    const read = this.#device.read(block * this.blockSize, bytes);
    if (read instanceof Wait || read < 0) return read;
    const buffer = new Buffer(block, bytes);
    this.#buffers.set(block, buffer);
    return buffer;
  }

  /** A block that was just allocated: zeros, without reading it. */
  fresh(block: number): Buffer {
    const buffer = new Buffer(block, new Uint8Array(this.blockSize));
    this.#replace(block, buffer);
    buffer.isDirty = true;
    this.#dirty.add(buffer);
    return buffer;
  }

  /** Must be called before a buffer's bytes are changed. */
  change(buffer: Buffer): Buffer {
    if (buffer.before === undefined && this.#isOpen) {
      const before = this.#spare.pop() ?? new Uint8Array(this.blockSize);
      before.set(buffer.bytes);
      buffer.before = before;
      this.#changed.push({ buffer, wasDirty: buffer.isDirty });
    }
    buffer.isDirty = true;
    this.#dirty.add(buffer);
    return buffer;
  }

  /** Changes a buffer in a way that stays even if the running transaction fails (attributes that were changed in memory before it). */
  amend(buffer: Buffer, write: (bytes: Uint8Array, view: DataView) => void): void {
    write(buffer.bytes, buffer.view);
    if (buffer.before !== undefined) {
      write(buffer.before, new DataView(buffer.before.buffer, buffer.before.byteOffset, buffer.before.length));
      for (const change of this.#changed) if (change.buffer === buffer) change.wasDirty = true;
    }
    buffer.isDirty = true;
    this.#dirty.add(buffer);
  }

  /** The block isn't in use any more: what is cached of it is not written. */
  free(block: number): void {
    this.#replace(block, undefined);
    this.#freed.push(block);
  }

  #replace(block: number, buffer: Buffer | undefined): void {
    const old = this.#buffers.get(block);
    if (this.#isOpen) this.#replaced.push({ block, buffer: old });
    if (old !== undefined) this.#dirty.delete(old);
    if (buffer === undefined) this.#buffers.delete(block);
    else this.#buffers.set(block, buffer);
  }

  /** True if an inode is part of the running transaction. */
  has(participant: Participant): boolean {
    return this.#participants.has(participant);
  }

  join(participant: Participant): void {
    this.#participants.add(participant);
  }

  /** Runs `change` as a transaction: its effects stay if it answers neither a negative number nor a Wait. */
  transact<T>(change: () => Attempt<T | number>): Attempt<T | number> {
    if (this.#isOpen) throw new Error('ext2: nested transaction');
    this.#isOpen = true;
    let succeeded = false;
    try {
      const answer = change();
      succeeded = !(answer instanceof Wait) && !(typeof answer === 'number' && answer < 0);
      return answer;
    } finally {
      if (succeeded) this.#commit();
      else this.#rollback();
      this.#isOpen = false;
      this.#participants.clear();
      this.#changed.length = this.#replaced.length = this.#freed.length = 0;
      if (this.#buffers.size > this.#limit) this.#shrink();
    }
  }

  #commit(): void {
    for (const participant of this.#participants) participant.store();
    for (const { buffer } of this.#changed) this.#recycle(buffer);
    if (this.#freed.length > 0) this.#discard();
  }

  #rollback(): void {
    for (let i = this.#replaced.length - 1; i >= 0; i--) {
      const { block, buffer } = this.#replaced[i]!;
      const current = this.#buffers.get(block);
      if (current !== undefined) this.#dirty.delete(current);
      if (buffer === undefined) {
        this.#buffers.delete(block);
      } else {
        this.#buffers.set(block, buffer);
        if (buffer.isDirty) this.#dirty.add(buffer);
      }
    }
    for (const { buffer, wasDirty } of this.#changed) {
      buffer.bytes.set(buffer.before!);
      buffer.isDirty = wasDirty;
      if (!wasDirty) this.#dirty.delete(buffer);
      this.#recycle(buffer);
    }
    for (const participant of this.#participants) participant.restore();
  }

  #recycle(buffer: Buffer): void {
    if (this.#spare.length < 32) this.#spare.push(buffer.before!);
    buffer.before = undefined;
  }

  /** Tells the device of the blocks that the transaction freed and didn't use again. */
  #discard(): void {
    const freed = this.#freed.filter(block => !this.#buffers.has(block)).sort((a, b) => a - b);
    for (let i = 0; i < freed.length;) {
      let end = i + 1;
      while (end < freed.length && freed[end]! <= freed[end - 1]! + 1) end++;
      const first = freed[i]!;
      this.#device.discard(first * this.blockSize, (freed[end - 1]! + 1 - first) * this.blockSize);
      i = end;
    }
  }

  /** Writes all dirty blocks to the device. 0, the first -errno (the rest was tried), or a Wait after which to call again. */
  writeDirty(): Attempt<number> {
    let result = 0;
    for (const buffer of this.#dirty) {
      const written = this.#device.write(buffer.block * this.blockSize, buffer.bytes);
      if (written instanceof Wait) return written;
      if (written < 0) {
        result ||= written;
        continue;
      }
      buffer.isDirty = false;
      this.#dirty.delete(buffer);
    }
    return result;
  }

  /** Second chance over clean blocks. */
  #shrink(): void {
    let tries = 256;
    for (const [block, buffer] of this.#buffers) {
      if (this.#buffers.size <= this.#limit || tries-- === 0) return;
      if (!buffer.isDirty && !buffer.used) {
        this.#buffers.delete(block);
        continue;
      }
      buffer.used = false;
      this.#buffers.delete(block);
      this.#buffers.set(block, buffer);
    }
  }
}
