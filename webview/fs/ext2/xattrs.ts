/** An inode's extended attributes: behind its fields in the record, and in a block of their own that inodes may share. */
import { Errno } from '../../kernel/abi/errno.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import { XattrFlag, checkXattrName } from '../vfs/xattrNames.ts';
import { Buffer } from './buffers.ts';
import type { Ext2Inode } from './inode.ts';
import {
  EXT2_XATTR_MAGIC, aclFromDisk, aclToDisk, decodeXattrs, encodeXattrs, xattrHeaderSize, xattrsSize, type Xattr,
} from './xattr.ts';

const magicSize = 4;

interface Areas {
  inRecord: Xattr[];
  inBlock: Xattr[];
  block: Buffer | undefined;
}

/** The part of a record behind its fields, from the magic number on; undefined if there is no room for any attribute. */
function recordArea(inode: Ext2Inode, record: Buffer): Uint8Array | undefined {
  const { inodeSize } = inode.fileSystem.geometry;
  if (inodeSize <= 128 || inode.extraSize === 0) return undefined;
  const start = inode.recordOffset + 128 + inode.extraSize;
  const area = record.bytes.subarray(start, inode.recordOffset + inodeSize);
  return area.length >= magicSize + 4 ? area : undefined;
}

const magicOf = (bytes: Uint8Array): number => (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;

function readAreas(inode: Ext2Inode): Attempt<Areas | number> {
  const { fileSystem } = inode;
  const record = inode.record ?? fileSystem.buffers.get(inode.recordBlock);
  if (!(record instanceof Buffer)) return record;
  const damaged = (): number => {
    fileSystem.damaged(`the extended attributes of inode ${inode.ino} are damaged`);
    return -Errno.EUCLEAN;
  };
  const area = recordArea(inode, record);
  const inRecord = area !== undefined && magicOf(area) === EXT2_XATTR_MAGIC ? decodeXattrs(area, magicSize, magicSize) : [];
  if (inRecord === undefined) return damaged();
  if (inode.xattrBlock === 0) return { inRecord, inBlock: [], block: undefined };
  if (!fileSystem.allocator.isDataBlock(inode.xattrBlock)) return damaged();
  const block = fileSystem.buffers.get(inode.xattrBlock);
  if (!(block instanceof Buffer)) return block;
  if (magicOf(block.bytes) !== EXT2_XATTR_MAGIC || block.view.getUint32(8, true) !== 1) return damaged();
  const inBlock = decodeXattrs(block.bytes, xattrHeaderSize, 0);
  return inBlock === undefined ? damaged() : { inRecord, inBlock, block };
}

export function get(inode: Ext2Inode, name: ByteString): Attempt<Uint8Array | number> {
  const refused = checkXattrName(name);
  if (refused < 0) return refused;
  const areas = readAreas(inode);
  if (areas instanceof Wait || typeof areas === 'number') return areas;
  const found = areas.inRecord.find(xattr => xattr.name === name) ?? areas.inBlock.find(xattr => xattr.name === name);
  if (found === undefined) return -Errno.ENODATA;
  return isAcl(name) ? (aclFromDisk(found.value) ?? -Errno.EUCLEAN) : found.value;
}

export function list(inode: Ext2Inode): Attempt<ByteString[] | number> {
  const areas = readAreas(inode);
  if (areas instanceof Wait || typeof areas === 'number') return areas;
  return [...areas.inRecord, ...areas.inBlock].map(xattr => xattr.name);
}

function isAcl(name: ByteString): boolean {
  return name.startsWith('system.posix_acl_');
}

/** Sets an attribute, or removes it where `value` is undefined. */
export function set(inode: Ext2Inode, name: ByteString, value: Uint8Array | undefined, flags: number): Attempt<number> {
  const { fileSystem } = inode;
  const refused = checkXattrName(name);
  if (refused < 0) return refused;
  if (!fileSystem.geometry.hasXattrs) return -Errno.EOPNOTSUPP;
  const stored = value !== undefined && isAcl(name) ? aclToDisk(value) : value;
  if (typeof stored === 'number') return stored;
  const joined = inode.touch();
  if (joined !== 0) return joined;
  const areas = readAreas(inode);
  if (areas instanceof Wait || typeof areas === 'number') return areas;
  const { inRecord, inBlock } = areas;
  const exists = inRecord.some(xattr => xattr.name === name) || inBlock.some(xattr => xattr.name === name);
  if (exists && (flags & XattrFlag.create) !== 0) return -Errno.EEXIST;
  if (!exists && (stored === undefined || (flags & XattrFlag.replace) !== 0)) return -Errno.ENODATA;
  let forRecord = inRecord.filter(xattr => xattr.name !== name);
  let forBlock = inBlock.filter(xattr => xattr.name !== name);
  const area = recordArea(inode, inode.record!);
  const recordRoom = area === undefined ? 0 : area.length - magicSize;
  if (stored !== undefined) {
    const added: Xattr = { name, value: stored };
    if (xattrsSize([...forRecord, added]) <= recordRoom) forRecord = [...forRecord, added];
    else forBlock = [...forBlock, added];
  }
  if (forBlock.length > 0 && xattrsSize(forBlock) > fileSystem.geometry.blockSize - xattrHeaderSize) return -Errno.ENOSPC;
  if (area !== undefined && (forRecord.length > 0 || inRecord.length > 0)) {
    area.fill(0);
    if (forRecord.length > 0) {
      new DataView(area.buffer, area.byteOffset).setUint32(0, EXT2_XATTR_MAGIC, true);
      encodeXattrs(area, magicSize, magicSize, forRecord, false);
    }
  }
  inode.ctime = fileSystem.now();
  return forBlock.length > 0 || inBlock.length > 0 ? writeBlock(inode, areas.block, forBlock) : 0;
}

/** Writes the attribute block anew: in place if it is the inode's own, into a new one if it is shared; without attributes it is freed. */
function writeBlock(inode: Ext2Inode, old: Buffer | undefined, xattrs: readonly Xattr[]): Attempt<number> {
  const { fileSystem } = inode;
  const { buffers, allocator, geometry } = fileSystem;
  const isShared = old !== undefined && old.view.getUint32(4, true) > 1;
  let buffer = old;
  if (xattrs.length === 0 || isShared) {
    const dropped = freeBlock(inode);
    if (dropped !== 0 || xattrs.length === 0) return dropped;
    buffer = undefined;
  }
  if (buffer === undefined) {
    const block = allocator.allocateBlock(allocator.goalOfInode(inode.ino));
    if (block instanceof Wait || block < 0) return block;
    buffer = buffers.fresh(block);
    inode.xattrBlock = block;
    inode.sectors += geometry.blockSize / 512;
  } else {
    buffers.change(buffer).bytes.fill(0);
  }
  buffer.view.setUint32(0, EXT2_XATTR_MAGIC, true);
  buffer.view.setUint32(4, 1, true);
  buffer.view.setUint32(8, 1, true);
  encodeXattrs(buffer.bytes, xattrHeaderSize, 0, xattrs, true);
  return 0;
}

/** Gives up the inode's attribute block: one reference less, or free. The inode must be part of the transaction. */
export function freeBlock(inode: Ext2Inode): Attempt<number> {
  const { fileSystem, xattrBlock } = inode;
  if (xattrBlock === 0) return 0;
  const { buffers, allocator, geometry } = fileSystem;
  inode.xattrBlock = 0;
  inode.sectors = Math.max(0, inode.sectors - geometry.blockSize / 512);
  if (allocator.isDataBlock(xattrBlock)) {
    const buffer = buffers.get(xattrBlock);
    if (!(buffer instanceof Buffer)) return buffer;
    const references = buffer.view.getUint32(4, true);
    if (magicOf(buffer.bytes) !== EXT2_XATTR_MAGIC) {
      fileSystem.damaged(`the extended attributes of inode ${inode.ino} are damaged`);
      return 0;
    }
    if (references > 1) {
      buffers.change(buffer).view.setUint32(4, references - 1, true);
      return 0;
    }
  }
  const freed = allocator.freeBlock(xattrBlock);
  return freed instanceof Wait || freed < 0 ? freed : 0;
}
