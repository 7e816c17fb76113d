/** Attributes of an inode as struct stat, statx and statfs. */
import { MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME, MS_SYNCHRONOUS } from '../abi/mount.ts';
import { putWide, type WordSize } from '../abi/struct.ts';
import { Stat, Statfs, Statx } from '../abi/structs.ts';
import type { FileSystemStatistics } from '../../fs/vfs/fileSystem.ts';
import type { Timespec } from '../../fs/vfs/inode.ts';
import type { Path } from '../../fs/vfs/path.ts';

const offsets = {
  dev: Stat.offset('st_dev'), ino: Stat.offset('st_ino'), nlink: Stat.offset('st_nlink'), mode: Stat.offset('st_mode'),
  uid: Stat.offset('st_uid'), gid: Stat.offset('st_gid'), rdev: Stat.offset('st_rdev'), size: Stat.offset('st_size'),
  blksize: Stat.offset('st_blksize'), blocks: Stat.offset('st_blocks'), atime: Stat.offset('st_atime'), mtime: Stat.offset('st_mtime'),
  ctime: Stat.offset('st_ctime'),
};

const xOffsets = {
  mask: Statx.offset('stx_mask'), blksize: Statx.offset('stx_blksize'), attributes: Statx.offset('stx_attributes'), nlink: Statx.offset('stx_nlink'),
  uid: Statx.offset('stx_uid'), gid: Statx.offset('stx_gid'), mode: Statx.offset('stx_mode'), ino: Statx.offset('stx_ino'),
  size: Statx.offset('stx_size'), blocks: Statx.offset('stx_blocks'), attributesMask: Statx.offset('stx_attributes_mask'),
  atime: Statx.offset('atime_sec'), mtime: Statx.offset('mtime_sec'), ctime: Statx.offset('ctime_sec'), rdev: Statx.offset('stx_rdev_major'),
  dev: Statx.offset('stx_dev_major'), mount: Statx.offset('stx_mnt_id'),
};

/** Buffers that one machine reuses for struct stat and statx; what isn't written in them stays zero. */
export class StatScratch {
  readonly bytes = new Uint8Array(Stat.size());
  readonly view = new DataView(this.bytes.buffer);
  readonly xBytes = new Uint8Array(Statx.size());
  readonly xView = new DataView(this.xBytes.buffer);
}

/** struct stat of x86-64, in `scratch`. Written out by hand: stat(2) is a hot path. */
export function encodeStat(scratch: StatScratch, path: Path): Uint8Array {
  const inode = path.dentry.inode!;
  const { view } = scratch;
  putWide(view, offsets.dev, inode.fileSystem.device);
  putWide(view, offsets.ino, inode.ino);
  putWide(view, offsets.nlink, inode.linkCount);
  view.setUint32(offsets.mode, inode.mode, true);
  view.setUint32(offsets.uid, inode.uid, true);
  view.setUint32(offsets.gid, inode.gid, true);
  putWide(view, offsets.rdev, inode.rdev);
  putWide(view, offsets.size, inode.size);
  putWide(view, offsets.blksize, inode.blockSize);
  putWide(view, offsets.blocks, inode.blocks);
  putTime(view, offsets.atime, inode.atime);
  putTime(view, offsets.mtime, inode.mtime);
  putTime(view, offsets.ctime, inode.ctime);
  return scratch.bytes;
}

function putTime(view: DataView, at: number, time: Timespec): void {
  putWide(view, at, time.seconds);
  putWide(view, at + 8, time.nanoseconds);
}

const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000;

/** struct statx in `scratch`: the basic fields and the mount; no birth time. By hand as well: ls(1) asks for nothing else. */
export function encodeStatx(scratch: StatScratch, path: Path): Uint8Array {
  const inode = path.dentry.inode!;
  const { xView: view } = scratch;
  const { device } = inode.fileSystem;
  view.setUint32(xOffsets.mask, STATX_BASIC_STATS | STATX_MNT_ID, true);
  view.setUint32(xOffsets.blksize, inode.blockSize, true);
  putWide(view, xOffsets.attributes, path.dentry === path.mount.root ? STATX_ATTR_MOUNT_ROOT : 0);
  putWide(view, xOffsets.attributesMask, STATX_ATTR_MOUNT_ROOT);
  view.setUint32(xOffsets.nlink, inode.linkCount, true);
  view.setUint32(xOffsets.uid, inode.uid, true);
  view.setUint32(xOffsets.gid, inode.gid, true);
  view.setUint16(xOffsets.mode, inode.mode, true);
  putWide(view, xOffsets.ino, inode.ino);
  putWide(view, xOffsets.size, inode.size);
  putWide(view, xOffsets.blocks, inode.blocks);
  putXTime(view, xOffsets.atime, inode.atime);
  putXTime(view, xOffsets.mtime, inode.mtime);
  putXTime(view, xOffsets.ctime, inode.ctime);
  view.setUint32(xOffsets.rdev, inode.rdev >> 8, true);
  view.setUint32(xOffsets.rdev + 4, inode.rdev & 0xff, true);
  view.setUint32(xOffsets.dev, device >> 8, true);
  view.setUint32(xOffsets.dev + 4, device & 0xff, true);
  putWide(view, xOffsets.mount, path.mount.id);
  return scratch.xBytes;
}

function putXTime(view: DataView, at: number, time: Timespec): void {
  putWide(view, at, time.seconds);
  view.setUint32(at + 8, time.nanoseconds, true);
}

/** mount(2) flags as statfs(2)'s ST_* bits. */
const mountBits: readonly (readonly [number, number])[] = [
  [MS_RDONLY, 1], [MS_NOSUID, 2], [MS_NODEV, 4], [MS_NOEXEC, 8], [MS_SYNCHRONOUS, 16], [MS_NOATIME, 1024], [MS_NODIRATIME, 2048],
  [MS_RELATIME, 4096],
];
const ST_VALID = 0x20;

/** struct statfs of the word size. */
export function encodeStatfs(path: Path, statistics: FileSystemStatistics, word: WordSize): Uint8Array {
  const bytes = new Uint8Array(Statfs.size(word));
  let flags = ST_VALID;
  for (const [mount, bit] of mountBits) if (path.mount.flags & mount) flags |= bit;
  if (path.mount.fileSystem.readOnly) flags |= 1;
  Statfs.fill(new DataView(bytes.buffer), {
    f_type: statistics.type, f_bsize: statistics.blockSize, f_blocks: statistics.blocks, f_bfree: statistics.blocksFree,
    f_bavail: statistics.blocksAvailable, f_files: statistics.files, f_ffree: statistics.filesFree, fsid0: path.mount.fileSystem.device,
    f_namelen: statistics.nameLength, f_frsize: statistics.blockSize, f_flags: flags,
  }, word);
  return bytes;
}
