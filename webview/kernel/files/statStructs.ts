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

/** A buffer that one machine reuses for struct stat. */
export class StatScratch {
  readonly bytes = new Uint8Array(Stat.size());
  readonly view = new DataView(this.bytes.buffer);
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

/** struct statx: the basic fields and the mount; no birth time. */
export function encodeStatx(path: Path): Uint8Array {
  const inode = path.dentry.inode!;
  const bytes = new Uint8Array(Statx.size());
  const view = new DataView(bytes.buffer);
  const { device } = inode.fileSystem;
  Statx.fill(view, {
    stx_mask: STATX_BASIC_STATS | STATX_MNT_ID, stx_blksize: inode.blockSize, stx_attributes: path.dentry === path.mount.root ? STATX_ATTR_MOUNT_ROOT : 0,
    stx_attributes_mask: STATX_ATTR_MOUNT_ROOT, stx_nlink: inode.linkCount, stx_uid: inode.uid, stx_gid: inode.gid, stx_mode: inode.mode,
    stx_ino: inode.ino, stx_size: inode.size, stx_blocks: inode.blocks,
    atime_sec: inode.atime.seconds, atime_nsec: inode.atime.nanoseconds, mtime_sec: inode.mtime.seconds, mtime_nsec: inode.mtime.nanoseconds,
    ctime_sec: inode.ctime.seconds, ctime_nsec: inode.ctime.nanoseconds,
    stx_rdev_major: inode.rdev >> 8, stx_rdev_minor: inode.rdev & 0xff, stx_dev_major: device >> 8, stx_dev_minor: device & 0xff,
    stx_mnt_id: path.mount.id,
  });
  return bytes;
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
