/**
 * A process's memory as the kernel sees it: page tables, mappings, faults, and, in this file, the one place where system calls read
 * and write user memory. What lives here knows neither tasks nor system calls.
 *
 * Plain calls resolve anonymous, copy-on-write and cached file pages at once. A page that has to come from the disk can't be had in a
 * plain call: the access then fails like a bad pointer and leaves its Wait in `blocked`. A handler answers -EFAULT for every failed
 * access, and the dispatcher that sees -EFAULT with `blocked` set sleeps on it and calls the handler again from the start. So a handler
 * touches user memory before its side effects, or asks `ensure` for the buffers of its results first.
 */
import { Errno } from '../abi/errno.ts';
import { Iovec } from '../abi/structs.ts';
import { putWide, type WordSize } from '../abi/struct.ts';
import type { AddressSpace, Frames } from '../cpu.ts';
import { fromBytes, type ByteString, type ByteStringCache } from '../../lib/byteString.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, type Attempt, type Io } from '../../lib/wait.ts';

const pageSize = 4096;
const twoTo32 = 2 ** 32;
/** PATH_MAX with its NUL. */
export const PATH_MAX = 4096;
/** IOV_MAX (UIO_MAXIOV). */
export const IOV_MAX = 1024;
/** MAX_RW_COUNT: no transfer is longer. */
export const maximumTransfer = 0x7ffff000;
/** TASK_SIZE: user addresses are below. */
export const userLimit = 2 ** 47 - pageSize;

/** Makes a page accessible. */
export interface PageFaults {
  /** 0 when the page at `address` can be accessed now; a non-zero number when it never will; a Wait when it comes from the disk. */
  resolve(address: number, access: number): Attempt<number>;
}

export class UserMemory {
  readonly space: AddressSpace;
  readonly wordSize: WordSize = 8;
  /** What the last failed access of a plain call waits for; undefined when the pointer was bad. */
  blocked: Wait | undefined;
  readonly #frames: Frames;
  readonly #faults: PageFaults;
  readonly #strings: ByteStringCache;

  constructor(space: AddressSpace, frames: Frames, faults: PageFaults, strings: ByteStringCache) {
    this.space = space;
    this.#frames = frames;
    this.#faults = faults;
    this.#strings = strings;
  }

  /** All of physical memory, in which `place` points. */
  get physical(): Uint8Array {
    return this.#frames.bytes;
  }

  /** Physical byte address behind `address`, good up to the end of its page; -1 for a bad pointer or a page that must be waited for. */
  place(address: number, write: boolean): number {
    const at = this.space.translate(address, write);
    return at >= 0 ? at : this.#miss(address, write);
  }

  #miss(address: number, write: boolean): number {
    this.blocked = undefined;
    if (!(address >= 0 && address < userLimit)) return -1;
    const answer = this.#faults.resolve(address, write ? 1 : 0);
    if (answer instanceof Wait) this.blocked = answer;
    return answer === 0 ? this.space.translate(address, write) : -1;
  }

  /** Makes a range accessible: true, or false (then the handler answers -EFAULT and may be called again, see above). */
  ensure(address: number, length: number, write: boolean): boolean {
    if (length <= 0) return true;
    const end = address + length;
    for (let at = address; at < end; at = pageEnd(at)) if (this.place(at, write) < 0) return false;
    return true;
  }

  /** As `ensure`, sleeping for the disk: 0 or -EFAULT. */
  *prefault(address: number, length: number, write: boolean): Io<number> {
    for (;;) {
      if (this.ensure(address, length, write)) return 0;
      if (this.blocked === undefined) return -Errno.EFAULT;
      yield this.blocked;
    }
  }

  // ---------------------------------------------------------------- numbers; undefined or false for a bad pointer
  readU8(address: number): number | undefined {
    const at = this.place(address, false);
    return at < 0 ? undefined : this.#frames.bytes[at];
  }

  readU16(address: number): number | undefined {
    const low = this.readU8(address);
    const high = low === undefined ? undefined : this.readU8(address + 1);
    return high === undefined ? undefined : low! | (high << 8);
  }

  readU32(address: number): number | undefined {
    if ((address & 4095) > 4092) return this.#readSlow(address, 4);
    const at = this.place(address, false);
    return at < 0 ? undefined : this.#frames.words.getUint32(at, true);
  }

  readS32(address: number): number | undefined {
    const value = this.readU32(address);
    return value === undefined ? undefined : value | 0;
  }

  /** 64 bits, unsigned: exact below 2^53. */
  readU64(address: number): number | undefined {
    if ((address & 4095) > 4088) return this.#readSlow(address, 8);
    const at = this.place(address, false);
    return at < 0 ? undefined : this.#frames.words.getUint32(at + 4, true) * twoTo32 + this.#frames.words.getUint32(at, true);
  }

  /** 64 bits, signed: exact within ±2^53. */
  readS64(address: number): number | undefined {
    const low = this.readU32(address);
    const high = low === undefined ? undefined : this.readS32(address + 4);
    return high === undefined ? undefined : high * twoTo32 + low!;
  }

  /** A word of the process: pointer, unsigned long, size_t. */
  readWord(address: number): number | undefined {
    return this.wordSize === 8 ? this.readU64(address) : this.readU32(address);
  }

  writeU8(address: number, value: number): boolean {
    const at = this.place(address, true);
    if (at < 0) return false;
    this.#frames.bytes[at] = value;
    return true;
  }

  writeU32(address: number, value: number): boolean {
    if ((address & 4095) > 4092) return this.#writeSlow(address, value, 4);
    const at = this.place(address, true);
    if (at < 0) return false;
    this.#frames.words.setUint32(at, value, true);
    return true;
  }

  /** A safe integer (negative ones in two's complement) as 64 bits. */
  writeU64(address: number, value: number): boolean {
    if ((address & 4095) > 4088) return this.#writeSlow(address, value, 8);
    const at = this.place(address, true);
    if (at < 0) return false;
    putWide(this.#frames.words, at, value);
    return true;
  }

  writeWord(address: number, value: number): boolean {
    return this.wordSize === 8 ? this.writeU64(address, value) : this.writeU32(address, value);
  }

  #readSlow(address: number, size: number): number | undefined {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) {
      const byte = this.readU8(address + i);
      if (byte === undefined) return undefined;
      value = value * 256 + byte;
    }
    return value;
  }

  #writeSlow(address: number, value: number, size: number): boolean {
    if (!this.ensure(address, size, true)) return false;
    const bytes = new Uint8Array(8);
    putWide(new DataView(bytes.buffer), 0, value);
    return this.writeBytes(address, bytes.subarray(0, size));
  }

  // ---------------------------------------------------------------- bytes
  /** Fills `into` from user memory; false for a bad pointer (some bytes may be there). */
  readBytes(address: number, into: Uint8Array): boolean {
    return this.copyIn(address, into, 0, into.length) === into.length;
  }

  writeBytes(address: number, from: Uint8Array): boolean {
    return this.copyOut(address, from, 0, from.length) === from.length;
  }

  /** A copy of user memory; undefined for a bad pointer. Bound `length` first. */
  bytes(address: number, length: number): Uint8Array | undefined {
    const result = new Uint8Array(length);
    return this.readBytes(address, result) ? result : undefined;
  }

  /** A struct of `length` bytes as a view; undefined for a bad pointer. */
  struct(address: number, length: number): DataView | undefined {
    const bytes = this.bytes(address, length);
    return bytes && new DataView(bytes.buffer);
  }

  /** Copies from user memory; returns how many bytes could be read. */
  copyIn(address: number, into: Uint8Array, offset: number, length: number): number {
    const { bytes } = this.#frames;
    let done = 0;
    while (done < length) {
      const held = this.#hold(into, offset + done);
      const at = this.place(address + done, false);
      const n = at < 0 ? 0 : Math.min(length - done, pageSize - (at & 4095));
      if (n < 32) for (let i = 0; i < n; i++) into[offset + done + i] = bytes[at + i]!;
      else if (into === bytes) bytes.copyWithin(offset + done, at, at + n);
      else into.set(bytes.subarray(at, at + n), offset + done);
      if (held !== 0) this.#frames.release(held);
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  /** Copies to user memory; returns how many bytes could be written. */
  copyOut(address: number, from: Uint8Array, offset: number, length: number): number {
    const { bytes } = this.#frames;
    let done = 0;
    while (done < length) {
      const held = this.#hold(from, offset + done);
      const at = this.place(address + done, true);
      const n = at < 0 ? 0 : Math.min(length - done, pageSize - (at & 4095));
      if (n < 32) for (let i = 0; i < n; i++) bytes[at + i] = from[offset + done + i]!;
      else if (from === bytes) bytes.copyWithin(at, offset + done, offset + done + n);
      else bytes.set(from.subarray(offset + done, offset + done + n), at);
      if (held !== 0) this.#frames.release(held);
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  /**
   * Holds the frame of the other side of a copy when that is the page cache: making the user's page may take memory back from there. The
   * frame to be released, or 0. A copy stays within one page of a file.
   */
  #hold(buffer: Uint8Array, offset: number): number {
    if (buffer !== this.#frames.bytes) return 0;
    const frame = Math.floor(offset / pageSize);
    this.#frames.retain(frame);
    return frame;
  }

  /** Writes zeros; returns how many bytes could be written. */
  clear(address: number, length: number): number {
    let done = 0;
    while (done < length) {
      const at = this.place(address + done, true);
      if (at < 0) break;
      const n = Math.min(length - done, pageSize - (at & 4095));
      this.#frames.bytes.fill(0, at, at + n);
      done += n;
    }
    return done;
  }

  // ---------------------------------------------------------------- strings
  /** A NUL-terminated string of at most `limit` bytes with its NUL: the byte string, -EFAULT, or -ENAMETOOLONG. */
  readString(address: number, limit = PATH_MAX): ByteString | number {
    const first = this.place(address, false);
    if (first < 0) return -Errno.EFAULT;
    const known = this.#strings.untilNul(this.#frames.bytes, first, first + Math.min(limit, pageSize - (first & 4095)));
    if (known !== undefined) return known;
    let text = '';
    for (let at = address; at < address + limit;) {
      const place = this.place(at, false);
      if (place < 0) return -Errno.EFAULT;
      const n = Math.min(address + limit - at, pageSize - (place & 4095));
      const bytes = this.#frames.bytes.subarray(place, place + n);
      const end = bytes.indexOf(0);
      text += fromBytes(end < 0 ? bytes : bytes.subarray(0, end));
      if (end >= 0) return text;
      at += n;
    }
    return -Errno.ENAMETOOLONG;
  }

  /** Writes a byte string and a NUL. */
  writeString(address: number, text: ByteString): boolean {
    if (!this.ensure(address, text.length + 1, true)) return false;
    for (let i = 0; i < text.length; i++) this.writeU8(address + i, text.charCodeAt(i));
    return this.writeU8(address + text.length, 0);
  }
}

/** First byte behind the page of `address`. */
function pageEnd(address: number): number {
  return address - (address & 4095) + pageSize;
}

/**
 * A buffer, or several (struct iovec), in user memory as both Sink and Source. A task reuses one for its calls: `range` and `vector`
 * start it anew. The memory behind it may change hands while the call sleeps; addresses are resolved at each transfer.
 */
export class UserBuffer implements Sink, Source {
  readonly #memory: () => UserMemory;
  /** Of the current segment. */
  #address = 0;
  #left = 0;
  /** Segments behind the current one, as pairs of address and length; `#next` indexes the next pair. */
  #segments: number[] = [];
  #next = 0;
  #remaining = 0;

  /** `memory` gives the memory of whoever the buffer belongs to. */
  constructor(memory: () => UserMemory) {
    this.#memory = memory;
  }

  get remaining(): number {
    return this.#remaining;
  }

  /** One buffer. A length beyond MAX_RW_COUNT is cut. */
  range(address: number, length: number): this {
    this.#address = address;
    this.#left = this.#remaining = Math.min(length, maximumTransfer);
    this.#segments.length = 0;
    this.#next = 0;
    return this;
  }

  /** `count` buffers described by struct iovec at `address`: the total length, or -EINVAL, -EFAULT. */
  vector(address: number, count: number): number {
    const memory = this.#memory();
    this.range(0, 0);
    if (count < 0 || count > IOV_MAX) return -Errno.EINVAL;
    const size = Iovec.size(memory.wordSize);
    let total = 0;
    for (let i = 0; i < count; i++) {
      const base = memory.readWord(address + i * size);
      const length = memory.readWord(address + i * size + size / 2);
      if (base === undefined || length === undefined) return -Errno.EFAULT;
      if (length > Number.MAX_SAFE_INTEGER) return -Errno.EINVAL;
      if (length > 0 && (base + length > userLimit)) return -Errno.EFAULT;
      const taken = Math.min(length, maximumTransfer - total);
      if (taken > 0) this.#segments.push(base, taken);
      total += taken;
    }
    this.#remaining = total;
    return total;
  }

  /** What is left, as an array of its own of pairs of address and length: to start anew with `restore`. */
  save(): number[] {
    return [this.#address, this.#left, ...this.#segments.slice(this.#next)];
  }

  restore(pairs: readonly number[]): this {
    this.#segments = [...pairs];
    this.#next = 0;
    this.#left = 0;
    this.#remaining = 0;
    for (let i = 1; i < pairs.length; i += 2) this.#remaining += pairs[i]!;
    return this;
  }

  /** Takes no more than `length` bytes. */
  limit(length: number): this {
    if (this.#remaining > length) this.#remaining = length;
    return this;
  }

  /** Makes what is left accessible; see UserMemory.prefault. */
  *prefault(write: boolean): Io<number> {
    const pairs = this.save();
    let left = this.#remaining;
    for (let i = 0; i < pairs.length && left > 0; i += 2) {
      const length = Math.min(pairs[i + 1]!, left);
      const done = yield* this.#memory().prefault(pairs[i]!, length, write);
      if (done < 0) return done;
      left -= length;
    }
    return 0;
  }

  put(from: Uint8Array, offset: number, length: number): number {
    const memory = this.#memory();
    let done = 0;
    const wanted = Math.min(length, this.#remaining);
    while (done < wanted) {
      const n = this.#chunk(wanted - done);
      const copied = memory.copyOut(this.#address, from, offset + done, n);
      this.#advance(copied);
      done += copied;
      if (copied < n) break;
    }
    return done;
  }

  zero(length: number): number {
    const memory = this.#memory();
    let done = 0;
    const wanted = Math.min(length, this.#remaining);
    while (done < wanted) {
      const n = this.#chunk(wanted - done);
      const copied = memory.clear(this.#address, n);
      this.#advance(copied);
      done += copied;
      if (copied < n) break;
    }
    return done;
  }

  get(into: Uint8Array, offset: number, length: number): number {
    const memory = this.#memory();
    let done = 0;
    const wanted = Math.min(length, this.#remaining);
    while (done < wanted) {
      const n = this.#chunk(wanted - done);
      const copied = memory.copyIn(this.#address, into, offset + done, n);
      this.#advance(copied);
      done += copied;
      if (copied < n) break;
    }
    return done;
  }

  #chunk(wanted: number): number {
    while (this.#left === 0) {
      this.#address = this.#segments[this.#next]!;
      this.#left = this.#segments[this.#next + 1]!;
      this.#next += 2;
    }
    return Math.min(wanted, this.#left);
  }

  #advance(bytes: number): void {
    this.#address += bytes;
    this.#left -= bytes;
    this.#remaining -= bytes;
  }
}
