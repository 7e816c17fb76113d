/** Permission checks as path_resolution(7), inode(7) and credentials(7) say. */
import { Errno } from '../../kernel/abi/errno.ts';
import { R_OK, W_OK, X_OK } from '../../kernel/abi/fcntl.ts';
import { MS_NOEXEC, MS_RDONLY } from '../../kernel/abi/mount.ts';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK, S_ISGID, S_ISUID, S_ISVTX } from '../../kernel/abi/stat.ts';
import type { Caller, Credentials } from './caller.ts';
import type { AttributeChange, Inode } from './inode.ts';
import type { Mount, Path } from './path.ts';

export function isInGroup(credentials: Credentials, gid: number): boolean {
  return credentials.gid === gid || credentials.groups.includes(gid);
}

/** 0 or -EACCES for access of the kind `mask` (R_OK, W_OK, X_OK bits) by mode bits and the override capabilities. */
export function permits(inode: Inode, credentials: Credentials, mask: number): number {
  const { mode } = inode;
  const bits = credentials.uid === inode.uid ? mode >> 6 : isInGroup(credentials, inode.gid) ? mode >> 3 : mode;
  if ((bits & mask) === mask) return 0;
  if (!credentials.overridesAccess) return -Errno.EACCES;
  // Execution needs an x bit somewhere, except for searching directories.
  if ((mask & X_OK) !== 0 && !inode.isDirectory && (mode & 0o111) === 0) return -Errno.EACCES;
  return 0;
}

export function isReadOnly(mount: Mount): boolean {
  return (mount.flags & MS_RDONLY) !== 0 || mount.fileSystem.readOnly;
}

/** As `permits`, and -EROFS for writing to files of a read-only mount, -EACCES for executing on a noexec mount. */
export function checkAccess(path: Path, credentials: Credentials, mask: number): number {
  const inode = path.dentry.inode!;
  if ((mask & W_OK) !== 0 && isReadOnly(path.mount)) {
    const kind = inode.mode & S_IFMT;
    if (kind !== S_IFCHR && kind !== S_IFBLK && kind !== S_IFIFO && kind !== S_IFSOCK) return -Errno.EROFS;
  }
  if ((mask & X_OK) !== 0 && inode.isRegular && (path.mount.flags & MS_NOEXEC) !== 0) return -Errno.EACCES;
  return permits(inode, credentials, mask & (R_OK | W_OK | X_OK));
}

/** 0 if the entry `target` of `directory` may be removed or renamed away: write permission and the sticky bit's rule. */
export function permitsRemoval(directory: Inode, target: Inode, credentials: Credentials): number {
  const allowed = permits(directory, credentials, W_OK | X_OK);
  if (allowed < 0) return allowed;
  if ((directory.mode & S_ISVTX) === 0 || credentials.overridesOwnership) return 0;
  return credentials.uid === target.uid || credentials.uid === directory.uid ? 0 : -Errno.EPERM;
}

/**
 * Checks a change of attributes as chmod(2), chown(2) and utimensat(2) do and completes it: chown clears set-id bits, chmod by
 * a non-member of the file's group clears set-gid. `touch`: times set to now. Returns what to apply, or -EPERM, -EACCES.
 */
export function checkAttributeChange(inode: Inode, caller: Caller, change: AttributeChange, touch: boolean): AttributeChange | number {
  const { credentials } = caller;
  const isOwner = credentials.uid === inode.uid;
  const result: AttributeChange = { ...change };
  if (change.uid !== undefined || change.gid !== undefined) {
    if (!credentials.overridesOwnership) {
      if (change.uid !== undefined && (!isOwner || change.uid !== inode.uid)) return -Errno.EPERM;
      if (change.gid !== undefined && (!isOwner || (change.gid !== inode.gid && !isInGroup(credentials, change.gid)))) return -Errno.EPERM;
    }
    if (!inode.isDirectory && change.mode === undefined) result.mode = withoutSetIds(inode.mode) & 0o7777;
  }
  if (change.mode !== undefined) {
    if (!isOwner && !credentials.overridesOwnership) return -Errno.EPERM;
    if ((change.mode & S_ISGID) !== 0 && !credentials.overridesOwnership && !isInGroup(credentials, change.gid ?? inode.gid)) {
      result.mode = change.mode & ~S_ISGID;
    }
  }
  if ((touch || change.atime || change.mtime) && !isOwner && !credentials.overridesOwnership) {
    if (!touch) return -Errno.EPERM;
    const writable = permits(inode, credentials, W_OK);
    if (writable < 0) return writable;
  }
  return result;
}

/** The mode after a write or chown: set-user-ID gone, set-group-ID too where the group may execute. */
export function withoutSetIds(mode: number): number {
  const cleared = mode & ~S_ISUID;
  return (mode & 0o010) !== 0 ? cleared & ~S_ISGID : cleared;
}

/** fs.protected_hardlinks: others link only to regular files that they may read and write and that carry no set-id bits. */
export function mayLink(inode: Inode, credentials: Credentials): boolean {
  if (credentials.uid === inode.uid || credentials.overridesOwnership) return true;
  const runsAsOwner = (inode.mode & S_ISUID) !== 0 || (inode.mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010);
  return inode.isRegular && !runsAsOwner && permits(inode, credentials, R_OK | W_OK) === 0;
}
