/** The person's time zone in the guest (localtime(5)): programs then show the same hours as the editor. */
import { Errno } from '../kernel/abi/errno.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import { Walk, type Namespace } from '../fs/vfs/namespace.ts';
import type { Io } from '../lib/wait.ts';

/** Lets /etc/localtime lead to the zone with that IANA name; nothing for ''. 0, or -errno: -ENOENT for a zone that the disk doesn't know. */
export function* setTimeZone(namespace: Namespace, caller: Caller, name: string): Io<number> {
  if (name === '') return 0;
  if (!/^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/.test(name)) return -Errno.EINVAL;
  const { root } = namespace;
  const target = `/usr/share/zoneinfo/${name}`;
  const zone = yield* namespace.resolve(caller, root, target, Walk.follow);
  if (typeof zone === 'number') return zone;
  if (!zone.dentry.inode!.isRegular) return -Errno.ENOENT;
  const link = yield* namespace.resolve(caller, root, '/etc/localtime', 0);
  if (typeof link !== 'number') {
    if (link.dentry.inode!.isSymlink && (yield* namespace.readlink(caller, link)) === target) return 0;
    const removed = yield* namespace.unlink(caller, root, '/etc/localtime');
    if (removed < 0) return removed;
  }
  return yield* namespace.symlink(caller, root, '/etc/localtime', target);
}
