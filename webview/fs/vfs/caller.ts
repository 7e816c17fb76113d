import type { Path } from './path.ts';

/** credentials(7) as file systems check them. */
export interface Credentials {
  /** fsuid and fsgid. */
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** May override permission checks (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH): root in general. */
  readonly overridesAccess: boolean;
  /** May change other people's files (CAP_FOWNER, CAP_CHOWN). */
  readonly overridesOwnership: boolean;
}

/** On whose behalf a file system call is made. The kernel's tasks are callers; so is the host's file system provider. */
export interface Caller {
  readonly credentials: Credentials;
  readonly umask: number;
  readonly root: Path;
  readonly cwd: Path;
  /** RLIMIT_FSIZE in bytes; Infinity for none. */
  readonly fileSizeLimit: number;
}

/** The machine itself as a caller, with `root` for its root and working directory: everything is allowed, nothing is masked. */
export function superuser(root: Path): Caller {
  const credentials = { uid: 0, gid: 0, groups: [0], overridesAccess: true, overridesOwnership: true };
  return { credentials, umask: 0, root, cwd: root, fileSizeLimit: Infinity };
}
