/**
 * Here lives the ext2 file system, read and written: its layout on disk, a cache of metadata blocks with transactions, the allocation of
 * blocks and inodes, directories, extended attributes and files over the page cache. It knows a block device and the VFS's inodes, nothing
 * of the kernel, of paths or of where the device's bytes come from.
 *
 * This file: the superblock ("The Second Extended File System", sections Superblock and Block Group Descriptor Table) and what of it is
 * believed. An image may be damaged or made to harm: every number is checked before it is used to find or to size anything.
 */
import { Errno } from '../../kernel/abi/errno.ts';

export const EXT2_SUPER_MAGIC = 0xef53;
export const EXT2_ROOT_INO = 2;
export const superblockPosition = 1024;
export const superblockSize = 1024;
export const goodOldFirstInode = 11;
export const goodOldInodeSize = 128;
export const descriptorSize = 32;
export const linkMax = 32000;

/** Superblock fields that are used, by offset. */
export const Sb = {
  inodesCount: 0, blocksCount: 4, reservedBlocks: 8, freeBlocks: 12, freeInodes: 16, firstDataBlock: 20, logBlockSize: 24,
  blocksPerGroup: 32, inodesPerGroup: 40, writeTime: 48, magic: 56, state: 58, creatorOs: 72, revision: 76, firstInode: 84,
  inodeSize: 88, compatible: 92, incompatible: 96, readOnlyCompatible: 100, reservedDescriptors: 206, lastOrphan: 232,
  backupGroups: 588,
} as const;

/** Block group descriptor fields by offset. */
export const Gd = { blockBitmap: 0, inodeBitmap: 4, inodeTable: 8, freeBlocks: 12, freeInodes: 14, usedDirectories: 16 } as const;

/** s_state */
export const EXT2_VALID_FS = 1;
export const EXT2_ERROR_FS = 2;

const Compatible = { hasJournal: 0x4, extendedAttributes: 0x8, directoryIndex: 0x20, sparseSuper2: 0x200 } as const;
const Incompatible = { filetype: 0x2 } as const;
const ReadOnlyCompatible = { sparseSuper: 0x1, largeFile: 0x2, extraInodeSize: 0x40 } as const;
export const largeFileBit = ReadOnlyCompatible.largeFile;

const incompatibleNames: Record<number, string> = {
  0x1: 'compression', 0x4: 'needs_recovery', 0x8: 'journal_dev', 0x10: 'meta_bg', 0x40: 'extents', 0x80: '64bit', 0x100: 'mmp',
  0x200: 'flex_bg', 0x400: 'ea_inode', 0x1000: 'dirdata', 0x2000: 'metadata_csum_seed', 0x4000: 'largedir', 0x8000: 'inline_data',
  0x10000: 'encrypt', 0x20000: 'casefold',
};

/** Why a file system can't be mounted: an errno (positive) and a sentence for people. */
export class MountFailure {
  readonly errno: number;
  readonly message: string;

  constructor(errno: number, message: string) {
    this.errno = errno;
    this.message = message;
  }
}

/** What the superblock says and doesn't change: all checked against each other and against the device. */
export interface Geometry {
  readonly blockSize: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly groups: number;
  readonly inodeSize: number;
  readonly firstInode: number;
  readonly inodeTableBlocks: number;
  readonly descriptorBlocks: number;
  readonly reservedDescriptorBlocks: number;
  readonly revision: number;
  /** Directory entries have a type byte. */
  readonly hasFiletype: boolean;
  readonly hasXattrs: boolean;
  readonly sparseSuper: boolean;
  /** Groups with copies of the superblock (feature sparse_super2), undefined without. */
  readonly backupGroups: readonly number[] | undefined;
  /** A feature that may only be read is unknown. */
  readonly mustReadOnly: string | undefined;
  readonly isClean: boolean;
}

const nameBits = (bits: number, names: Record<number, string>): string => {
  const list: string[] = [];
  for (let bit = 1; bit > 0 && bit <= 0x40000000; bit *= 2) if ((bits & bit) !== 0) list.push(names[bit] ?? `0x${bit.toString(16)}`);
  if (bits < 0) list.push('0x80000000');
  return list.join(', ');
};

/** Reads and checks a superblock (1024 bytes) for a device of `deviceSize` bytes. */
export function readSuperblock(bytes: Uint8Array, deviceSize: number): Geometry | MountFailure {
  const view = new DataView(bytes.buffer, bytes.byteOffset, superblockSize);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const u16 = (offset: number): number => view.getUint16(offset, true);
  const damaged = (what: string): MountFailure => new MountFailure(Errno.EUCLEAN, `The file system's superblock is damaged: ${what}.`);
  if (u16(Sb.magic) !== EXT2_SUPER_MAGIC) return new MountFailure(Errno.EINVAL, 'This is no ext2 file system (no magic number).');
  const revision = u32(Sb.revision);
  if (revision > 1) return new MountFailure(Errno.EINVAL, `The file system's revision ${revision} isn't known.`);
  const unknown = revision === 0 ? 0 : u32(Sb.incompatible) & ~Incompatible.filetype;
  if (unknown !== 0) {
    return new MountFailure(Errno.EINVAL, `The file system uses features that aren't supported: ${nameBits(unknown, incompatibleNames)}.`);
  }
  const logBlockSize = u32(Sb.logBlockSize);
  if (logBlockSize > 2) return new MountFailure(Errno.EINVAL, `The file system's block size (1024 << ${logBlockSize}) isn't supported.`);
  const blockSize = 1024 << logBlockSize;
  const blocks = u32(Sb.blocksCount);
  const firstDataBlock = u32(Sb.firstDataBlock);
  if (blocks * blockSize > deviceSize) {
    return new MountFailure(Errno.EINVAL, `The file system is larger (${blocks} blocks of ${blockSize} bytes) than its device (${deviceSize} bytes).`);
  }
  if (firstDataBlock !== (blockSize === 1024 ? 1 : 0)) return damaged(`first data block ${firstDataBlock}`);
  const blocksPerGroup = u32(Sb.blocksPerGroup);
  if (blocksPerGroup < 8 || blocksPerGroup > blockSize * 8 || blocksPerGroup % 8 !== 0) return damaged(`${blocksPerGroup} blocks per group`);
  if (blocks <= firstDataBlock + 1) return damaged(`${blocks} blocks`);
  const inodeSize = revision === 0 ? goodOldInodeSize : u16(Sb.inodeSize);
  if (inodeSize < 128 || inodeSize > blockSize || (inodeSize & (inodeSize - 1)) !== 0) return damaged(`inode size ${inodeSize}`);
  const inodesPerGroup = u32(Sb.inodesPerGroup);
  const inodesPerBlock = blockSize / inodeSize;
  if (inodesPerGroup < inodesPerBlock || inodesPerGroup > blockSize * 8 || inodesPerGroup % inodesPerBlock !== 0) {
    return damaged(`${inodesPerGroup} inodes per group`);
  }
  const groups = Math.ceil((blocks - firstDataBlock) / blocksPerGroup);
  const inodes = u32(Sb.inodesCount);
  if (inodes !== groups * inodesPerGroup) return damaged(`${inodes} inodes in ${groups} groups of ${inodesPerGroup}`);
  const firstInode = revision === 0 ? goodOldFirstInode : u32(Sb.firstInode);
  if (firstInode < goodOldFirstInode || firstInode > inodesPerGroup) return damaged(`first inode ${firstInode}`);
  const compatible = revision === 0 ? 0 : u32(Sb.compatible);
  const readOnlyCompatible = revision === 0 ? 0 : u32(Sb.readOnlyCompatible);
  const known = ReadOnlyCompatible.sparseSuper | ReadOnlyCompatible.largeFile | ReadOnlyCompatible.extraInodeSize;
  const unknownReadOnly = readOnlyCompatible & ~known;
  const descriptorBlocks = Math.ceil((groups * descriptorSize) / blockSize);
  const reservedDescriptorBlocks = revision === 0 ? 0 : u16(Sb.reservedDescriptors);
  if (reservedDescriptorBlocks > blockSize / 4) return damaged(`${reservedDescriptorBlocks} reserved descriptor blocks`);
  if (firstDataBlock + 1 + descriptorBlocks >= blocks) return damaged(`${groups} groups`);
  return {
    blockSize, blocks, inodes, firstDataBlock, blocksPerGroup, inodesPerGroup, groups, inodeSize, firstInode,
    inodeTableBlocks: inodesPerGroup / inodesPerBlock, descriptorBlocks, reservedDescriptorBlocks, revision,
    hasFiletype: revision > 0 && (u32(Sb.incompatible) & Incompatible.filetype) !== 0,
    hasXattrs: (compatible & Compatible.extendedAttributes) !== 0 || revision > 0,
    sparseSuper: (readOnlyCompatible & ReadOnlyCompatible.sparseSuper) !== 0,
    backupGroups: (compatible & Compatible.sparseSuper2) !== 0 ? [u32(Sb.backupGroups), u32(Sb.backupGroups + 4)] : undefined,
    mustReadOnly: unknownReadOnly === 0 ? undefined : nameBits(unknownReadOnly, {
      0x4: 'btree_dir', 0x8: 'huge_file', 0x10: 'uninit_bg', 0x20: 'dir_nlink', 0x100: 'quota', 0x200: 'bigalloc', 0x400: 'metadata_csum',
      0x1000: 'read-only', 0x2000: 'project',
    }),
    isClean: (u16(Sb.state) & (EXT2_VALID_FS | EXT2_ERROR_FS)) === EXT2_VALID_FS,
  };
}

const isPowerOf = (n: number, base: number): boolean => {
  while (n > 1 && n % base === 0) n /= base;
  return n === 1;
};

/** True for groups that start with a copy of superblock and descriptors. */
export function hasSuperblock(geometry: Geometry, group: number): boolean {
  if (group === 0) return true;
  if (geometry.backupGroups !== undefined) return geometry.backupGroups.includes(group);
  if (!geometry.sparseSuper || group === 1) return true;
  return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
}
