/**
 * Directory blocks (ext2 "Linked Directories"): a chain of records per block. Indexed directories are read as plain ones; the first
 * change drops the index flag, after which the index blocks are what they look like: empty space. All functions work on one block and
 * check every record before they believe it.
 */
import { fromRange, type ByteString } from '../../lib/byteString.ts';
import type { Buffer } from './buffers.ts';

// Record: inode u32, rec_len u16, name_len u8 (u16 without the feature filetype), file_type u8, name.
const headerSize = 8;

/** Bytes that a record with a name of that length needs. */
export function recordSize(nameLength: number): number {
  return (headerSize + nameLength + 3) & ~3;
}

/** ext2 file_type of a mode's S_IFMT bits >> 12. */
const typeOfKind: Record<number, number> = { 8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7 };
const kindOfType = [0, 8, 4, 2, 6, 1, 12, 10];

/** How directory records of a file system look. */
export interface DirectoryFormat {
  readonly hasFiletype: boolean;
  /** Number of inodes. */
  readonly inodes: number;
}

/** The length of the record at `offset`, or 0 if the chain is damaged there. */
function recordLength(view: DataView, offset: number, format: DirectoryFormat): number {
  const left = view.byteLength - offset;
  if (left < headerSize) return 0;
  const length = view.getUint16(offset + 4, true);
  if (length < headerSize || length > left || (length & 3) !== 0) return 0;
  const nameLength = nameLengthAt(view, offset, format);
  if (nameLength > 255 || recordSize(nameLength) > length) return 0;
  return view.getUint32(offset, true) > format.inodes ? 0 : length;
}

function nameLengthAt(view: DataView, offset: number, format: DirectoryFormat): number {
  return format.hasFiletype ? view.getUint8(offset + 6) : view.getUint16(offset + 6, true);
}

function matches(bytes: Uint8Array, at: number, name: ByteString): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name.charCodeAt(i)) return false;
  return true;
}

/** Where a name's record is: -1 if it isn't in the block, -2 if it isn't in it and the block is damaged. */
export function findRecord(buffer: Buffer, name: ByteString, format: DirectoryFormat): number {
  const { view, bytes } = buffer;
  if (!isSound(buffer, format)) return findInDamaged(view, bytes, name, format);
  // The chain is known to be right: only lengths are looked at. A name's length is one byte even where the field has two.
  const { length } = name;
  const first = name.charCodeAt(0);
  for (let offset = 0; offset < bytes.length;) {
    if (bytes[offset + 6] === length && bytes[offset + headerSize] === first && view.getUint32(offset, true) !== 0
      && matches(bytes, offset + headerSize, name)) return offset;
    const step = bytes[offset + 4]! | (bytes[offset + 5]! << 8);
    if (step < headerSize) return -2; // only if a damaged file system uses the block for something else too
    offset += step;
  }
  return -1;
}

/** True if all records are right. Our own changes keep a block so, and a transaction that fails puts back what was right. */
function isSound(buffer: Buffer, format: DirectoryFormat): boolean {
  if (buffer.isSoundDirectory) return true;
  const { view } = buffer;
  for (let offset = 0; offset < view.byteLength;) {
    const length = recordLength(view, offset, format);
    if (length === 0) return false;
    offset += length;
  }
  buffer.isSoundDirectory = true;
  return true;
}

function findInDamaged(view: DataView, bytes: Uint8Array, name: ByteString, format: DirectoryFormat): number {
  for (let offset = 0; offset < bytes.length;) {
    const length = recordLength(view, offset, format);
    if (length === 0) return -2;
    if (view.getUint32(offset, true) !== 0 && nameLengthAt(view, offset, format) === name.length && matches(bytes, offset + headerSize, name)) {
      return offset;
    }
    offset += length;
  }
  return -1;
}

export function recordInode(view: DataView, offset: number): number {
  return view.getUint32(offset, true);
}

export interface RecordSink {
  /** Takes one entry; false to stop. `next` is the offset behind it. `type` is DT_*. */
  (name: ByteString, ino: number, type: number, next: number): boolean;
}

/** Gives the block's entries that start at or behind `from`. False if the chain is damaged (what came before it was given). */
export function listRecords(view: DataView, bytes: Uint8Array, from: number, format: DirectoryFormat, take: RecordSink): boolean {
  for (let offset = 0; offset < bytes.length;) {
    const length = recordLength(view, offset, format);
    if (length === 0) return false;
    const ino = view.getUint32(offset, true);
    if (ino !== 0 && offset >= from) {
      const nameLength = nameLengthAt(view, offset, format);
      const name = fromRange(bytes, offset + headerSize, offset + headerSize + nameLength);
      const type = format.hasFiletype ? (kindOfType[view.getUint8(offset + 7)] ?? 0) : 0;
      if (!take(name, ino, type, offset + length)) return true;
    }
    offset += length;
  }
  return true;
}

/** Where a record of `size` bytes fits: the offset of the record to use or to split, -1 if none. */
export function findRoom(view: DataView, size: number, format: DirectoryFormat): number {
  for (let offset = 0; offset < view.byteLength;) {
    const length = recordLength(view, offset, format);
    if (length === 0) return -1;
    const taken = view.getUint32(offset, true) === 0 ? 0 : recordSize(nameLengthAt(view, offset, format));
    if (length - taken >= size) return offset;
    offset += length;
  }
  return -1;
}

/** Writes an entry into the room that `findRoom` found at `offset`. `mode` gives the type. */
export function putRecord(view: DataView, bytes: Uint8Array, offset: number, name: ByteString, ino: number, mode: number, format: DirectoryFormat): void {
  let length = view.getUint16(offset + 4, true);
  if (view.getUint32(offset, true) !== 0) {
    const taken = recordSize(nameLengthAt(view, offset, format));
    view.setUint16(offset + 4, taken, true);
    offset += taken;
    length -= taken;
  }
  writeRecord(view, bytes, offset, length, name, ino, mode, format);
}

/** Writes a whole record. */
export function writeRecord(
  view: DataView, bytes: Uint8Array, offset: number, length: number, name: ByteString, ino: number, mode: number, format: DirectoryFormat,
): void {
  view.setUint32(offset, ino, true);
  view.setUint16(offset + 4, length, true);
  view.setUint16(offset + 6, name.length, true);
  if (format.hasFiletype) view.setUint8(offset + 7, typeOfKind[mode >>> 12] ?? 0);
  for (let i = 0; i < name.length; i++) bytes[offset + headerSize + i] = name.charCodeAt(i);
}

/** Makes the entry at `offset` another file's. */
export function replaceRecord(view: DataView, offset: number, ino: number, mode: number, format: DirectoryFormat): void {
  view.setUint32(offset, ino, true);
  if (format.hasFiletype) view.setUint8(offset + 7, typeOfKind[mode >>> 12] ?? 0);
}

/** Removes the entry at `offset`: its space goes to the one before it. */
export function removeRecord(view: DataView, offset: number, format: DirectoryFormat): void {
  let before = -1;
  for (let at = 0; at < offset;) {
    const length = recordLength(view, at, format);
    if (length === 0) break;
    before = at;
    at += length;
  }
  view.setUint32(offset, 0, true);
  if (before >= 0) view.setUint16(before + 4, view.getUint16(before + 4, true) + view.getUint16(offset + 4, true), true);
}

/** True if the block has no entries but . and .. (a damaged block counts as not empty). */
export function isEmptyBlock(view: DataView, bytes: Uint8Array, format: DirectoryFormat): boolean {
  let isEmpty = true;
  const isWhole = listRecords(view, bytes, 0, format, name => {
    isEmpty = name === '.' || name === '..';
    return isEmpty;
  });
  return isEmpty && isWhole;
}
