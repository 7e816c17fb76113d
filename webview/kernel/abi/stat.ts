/** inode(7) and stat(2): file types and mode bits, the same on all architectures. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
/** Permission bits incl. set-id and sticky. */
export const S_IALLUGO = 0o7777;

/** getdents(2) d_type of a mode. */
export function directoryType(mode: number): number {
  return (mode & S_IFMT) >> 12;
}
