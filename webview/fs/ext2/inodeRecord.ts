/** An inode's record on disk (ext2 "Inode Table"; the fields behind byte 128 as in large inodes). */
import type { Timespec } from '../vfs/inode.ts';
import { pointerCount } from './blockMap.ts';

export const EXT2_INDEX_FL = 0x1000;
/** Flags of file formats that ext2 doesn't have: encrypted, huge, extents, in-line data. */
export const unsupportedFlags = 0x800 | 0x40000 | 0x80000 | 0x10000000;

export interface InodeFields {
  mode: number;
  uid: number;
  gid: number;
  linkCount: number;
  size: number;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  /** i_dtime: time of deletion, or the next orphan. */
  dtime: number;
  sectors: number;
  flags: number;
  readonly pointers: Uint32Array;
  generation: number;
  /** Block of extended attributes, 0 for none. */
  xattrBlock: number;
  /** Bytes of fields behind byte 128. */
  extraSize: number;
  createTime: Timespec;
}

const directoryKind = 0x4000;
const regularKind = 0x8000;

/** Reads the record at `offset`. */
export function readInode(view: DataView, offset: number, inodeSize: number, inode: InodeFields): void {
  const u16 = (at: number): number => view.getUint16(offset + at, true);
  const u32 = (at: number): number => view.getUint32(offset + at, true);
  inode.mode = u16(0);
  inode.uid = u16(2) + u16(120) * 0x10000;
  inode.gid = u16(24) + u16(122) * 0x10000;
  inode.linkCount = u16(26);
  const kind = inode.mode & 0xf000;
  inode.size = u32(4) + (kind === regularKind ? u32(108) * 2 ** 32 : 0);
  inode.dtime = u32(20);
  inode.sectors = u32(28);
  inode.flags = u32(32);
  for (let i = 0; i < pointerCount; i++) inode.pointers[i] = u32(40 + 4 * i);
  inode.generation = u32(100);
  inode.xattrBlock = u32(104);
  const extra = inodeSize > 128 ? u16(128) : 0;
  inode.extraSize = extra <= inodeSize - 128 && extra % 4 === 0 ? extra : 0;
  const time = (at: number, extraAt: number): Timespec => {
    const seconds = view.getInt32(offset + at, true);
    if (extraAt + 4 > 128 + inode.extraSize) return { seconds, nanoseconds: 0 };
    const bits = u32(extraAt);
    return { seconds: seconds + (bits & 3) * 2 ** 32, nanoseconds: Math.min(999_999_999, bits >>> 2) };
  };
  inode.atime = time(8, 140);
  inode.ctime = time(12, 132);
  inode.mtime = time(16, 136);
  inode.createTime = inode.extraSize >= 24 ? time(144, 148) : { seconds: 0, nanoseconds: 0 };
}

/** Writes the fields into the record at `offset`; xattrs behind them stay. */
export function writeInode(view: DataView, offset: number, inodeSize: number, inode: InodeFields): void {
  const u16 = (at: number, value: number): void => view.setUint16(offset + at, value, true);
  const u32 = (at: number, value: number): void => view.setUint32(offset + at, value, true);
  const kind = inode.mode & 0xf000;
  u16(0, inode.mode);
  u16(2, inode.uid & 0xffff);
  u16(120, inode.uid >>> 16);
  u16(24, inode.gid & 0xffff);
  u16(122, inode.gid >>> 16);
  u16(26, inode.linkCount);
  u32(4, inode.size);
  if (kind === regularKind) u32(108, Math.floor(inode.size / 2 ** 32));
  else if (kind === directoryKind) u32(108, 0);
  u32(20, inode.dtime);
  u32(28, inode.sectors);
  u32(32, inode.flags);
  for (let i = 0; i < pointerCount; i++) u32(40 + 4 * i, inode.pointers[i]!);
  u32(100, inode.generation);
  u32(104, inode.xattrBlock);
  if (inodeSize > 128) u16(128, inode.extraSize);
  const time = (at: number, extraAt: number, value: Timespec): void => {
    if (extraAt + 4 > 128 + inode.extraSize) {
      view.setInt32(offset + at, Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, value.seconds)), true);
      return;
    }
    // Seconds are 32 bits with sign and two bits of the era: 1901 to 2446.
    const seconds = Math.max(-(2 ** 31), Math.min(2 ** 34 - 2 ** 31 - 1, value.seconds));
    view.setInt32(offset + at, seconds | 0, true);
    const era = Math.round((seconds - (seconds | 0)) / 2 ** 32) & 3;
    u32(extraAt, value.nanoseconds * 4 + era);
  };
  time(8, 140, inode.atime);
  time(12, 132, inode.ctime);
  time(16, 136, inode.mtime);
  if (inode.extraSize >= 24) time(144, 148, inode.createTime);
}
