/**
 * Extended attributes on disk (ext2 "Extended Attribute Block Layout", and behind the fields of a large inode): decoding with every
 * offset checked, encoding with the hashes that e2fsck compares, and the compact form of POSIX ACLs.
 */
import { Errno } from '../../kernel/abi/errno.ts';
import { fromRange, type ByteString } from '../../lib/byteString.ts';

export const EXT2_XATTR_MAGIC = 0xea020000;
/** Header of an attribute block: magic, reference count, block count, hash, reserved. */
export const xattrHeaderSize = 32;
const entrySize = 16;

export interface Xattr {
  readonly name: ByteString;
  readonly value: Uint8Array;
}

const prefixes: readonly (readonly [number, ByteString])[] = [
  [1, 'user.'], [4, 'trusted.'], [6, 'security.'], [2, 'system.posix_acl_access'], [3, 'system.posix_acl_default'],
];

const padded = (length: number): number => (length + 3) & ~3;

/** The attributes of an area whose entries start at `start` and whose value offsets count from `base`; undefined if it is damaged. */
export function decodeXattrs(bytes: Uint8Array, start: number, base: number): Xattr[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const result: Xattr[] = [];
  for (let at = start; ;) {
    if (at + 4 > bytes.length) return undefined;
    if (view.getUint32(at, true) === 0) return result;
    if (at + entrySize > bytes.length) return undefined;
    const nameLength = bytes[at]!;
    const valueAt = base + view.getUint16(at + 2, true);
    const size = view.getUint32(at + 8, true);
    const next = at + entrySize + padded(nameLength);
    if (view.getUint32(at + 4, true) !== 0 || next > bytes.length || size > bytes.length || (size > 0 && valueAt + size > bytes.length)) return undefined;
    const prefix = prefixes.find(([index]) => index === bytes[at + 1]);
    if (prefix !== undefined) {
      const name = prefix[1] + fromRange(bytes, at + entrySize, at + entrySize + nameLength);
      result.push({ name, value: size === 0 ? new Uint8Array(0) : bytes.slice(valueAt, valueAt + size) });
    }
    at = next;
  }
}

interface Encoded {
  index: number;
  suffix: ByteString;
  value: Uint8Array;
}

function encodeName({ name, value }: Xattr): Encoded {
  const [index, prefix] = prefixes.find(([, text]) => name.startsWith(text))!;
  return { index, suffix: name.slice(prefix.length), value };
}

/** Bytes that the attributes take in an area, with the terminator, without a header. */
export function xattrsSize(xattrs: readonly Xattr[]): number {
  let size = 4;
  for (const xattr of xattrs) size += entrySize + padded(encodeName(xattr).suffix.length) + padded(xattr.value.length);
  return size;
}

/** Writes attributes into an area that is large enough: entries from `start`, values from its end downwards. `hashed` for blocks. */
export function encodeXattrs(bytes: Uint8Array, start: number, base: number, xattrs: readonly Xattr[], hashed: boolean): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.fill(0, start);
  const sorted = xattrs.map(encodeName).sort((a, b) => a.index - b.index || a.suffix.length - b.suffix.length || (a.suffix < b.suffix ? -1 : 1));
  let at = start;
  let end = bytes.length;
  let blockHash = 0;
  for (const { index, suffix, value } of sorted) {
    end -= padded(value.length);
    bytes[at] = suffix.length;
    bytes[at + 1] = index;
    view.setUint16(at + 2, value.length === 0 ? 0 : end - base, true);
    view.setUint32(at + 8, value.length, true);
    for (let i = 0; i < suffix.length; i++) bytes[at + entrySize + i] = suffix.charCodeAt(i);
    bytes.set(value, end);
    if (hashed) {
      const hash = entryHash(suffix, view, value.length === 0 ? 0 : end, padded(value.length));
      view.setUint32(at + 12, hash, true);
      blockHash = ((blockHash << 16) ^ (blockHash >>> 16) ^ hash) >>> 0;
    }
    at += entrySize + padded(suffix.length);
  }
  if (hashed) view.setUint32(12, blockHash, true);
}

function entryHash(name: ByteString, view: DataView, valueAt: number, valueSize: number): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = ((hash << 5) ^ (hash >>> 27) ^ name.charCodeAt(i)) >>> 0;
  for (let i = 0; i < valueSize; i += 4) hash = ((hash << 16) ^ (hash >>> 16) ^ view.getUint32(valueAt + i, true)) >>> 0;
  return hash;
}

// POSIX ACLs: on disk version 1, entries of users and groups with an id, others without; in xattr(7) version 2, all with an id.
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;
const noId = 0xffffffff;

/** A POSIX ACL as getxattr(2) gives it, from the form on disk. undefined if it is damaged. */
export function aclFromDisk(disk: Uint8Array): Uint8Array | undefined {
  const view = new DataView(disk.buffer, disk.byteOffset, disk.length);
  if (disk.length < 4 || view.getUint32(0, true) !== 1) return undefined;
  const out: number[] = [2, 0, 0, 0];
  for (let at = 4; at < disk.length;) {
    if (at + 4 > disk.length) return undefined;
    const tag = view.getUint16(at, true);
    const named = tag === ACL_USER || tag === ACL_GROUP;
    if (named && at + 8 > disk.length) return undefined;
    const id = named ? view.getUint32(at + 4, true) : noId;
    out.push(disk[at]!, disk[at + 1]!, disk[at + 2]!, disk[at + 3]!, id & 255, (id >>> 8) & 255, (id >>> 16) & 255, id >>> 24);
    at += named ? 8 : 4;
  }
  return Uint8Array.from(out);
}

/** The form on disk of an ACL as setxattr(2) takes it, or -EINVAL. */
export function aclToDisk(acl: Uint8Array): Uint8Array | number {
  const view = new DataView(acl.buffer, acl.byteOffset, acl.length);
  if (acl.length < 4 || view.getUint32(0, true) !== 2 || (acl.length - 4) % 8 !== 0) return -Errno.EINVAL;
  const out: number[] = [1, 0, 0, 0];
  for (let at = 4; at < acl.length; at += 8) {
    const tag = view.getUint16(at, true);
    const size = tag === ACL_USER || tag === ACL_GROUP ? 8 : 4;
    for (let i = 0; i < size; i++) out.push(acl[at + i]!);
  }
  return Uint8Array.from(out);
}
