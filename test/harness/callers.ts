/** Callers for tests of the VFS. */
import type { Caller } from '../../webview/fs/vfs/caller.ts';
import type { Path } from '../../webview/fs/vfs/path.ts';

/** root. */
export function superuser(root: Path, umask = 0o022): Caller {
  return {
    credentials: { uid: 0, gid: 0, groups: [], overridesAccess: true, overridesOwnership: true },
    umask, root, cwd: root, fileSizeLimit: Infinity,
  };
}

/** Someone with no privileges. */
export function user(root: Path, uid = 1000, groups: readonly number[] = []): Caller {
  return {
    credentials: { uid, gid: uid, groups, overridesAccess: false, overridesOwnership: false },
    umask: 0o022, root, cwd: root, fileSizeLimit: Infinity,
  };
}
