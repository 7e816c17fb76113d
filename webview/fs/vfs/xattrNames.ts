/** Names of extended attributes (xattr(7)): namespaces that file systems store. Who may use which is the kernel's to check. */
import { Errno } from '../../kernel/abi/errno.ts';
import type { ByteString } from '../../lib/byteString.ts';

/** setxattr(2) flags. */
export const XattrFlag = { create: 1, replace: 2 } as const;

const namespaces = ['user.', 'trusted.', 'security.'];
const aclNames = ['system.posix_acl_access', 'system.posix_acl_default'];

/** 0, -EOPNOTSUPP for a namespace that isn't stored, -ERANGE for a name that is too long. */
export function checkXattrName(name: ByteString): number {
  if (name.length > 255) return -Errno.ERANGE;
  if (aclNames.includes(name)) return 0;
  return namespaces.some(prefix => name.startsWith(prefix) && name.length > prefix.length) ? 0 : -Errno.EOPNOTSUPP;
}
