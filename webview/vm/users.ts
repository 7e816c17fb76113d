/** Users as the guest's own files know them (passwd(5), group(5)): who a terminal or a command runs as. */
import { O_RDONLY } from '../kernel/abi/fcntl.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import type { Namespace } from '../fs/vfs/namespace.ts';
import { readFully } from '../fs/vfs/readFully.ts';
import { fromBytes, type ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';

export interface User {
  readonly name: ByteString;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly home: ByteString;
  readonly shell: ByteString;
}

/** Longest passwd or group file that is read. */
const fileLimit = 1 << 20;

/** The lines of passwd and group that name a user; undefined when passwd has no such line. */
export function findUser(name: ByteString, passwd: ByteString, group: ByteString): User | undefined {
  const line = passwd.split('\n').map(l => l.split(':')).find(fields => fields[0] === name && fields.length >= 7);
  if (!line) return undefined;
  const gid = Number(line[3]);
  const groups = group.split('\n').map(l => l.split(':')).filter(f => (f[3] ?? '').split(',').includes(name)).map(f => Number(f[2]));
  return { name, uid: Number(line[2]), gid, groups: [...new Set([gid, ...groups])], home: line[5] || '/', shell: line[6] || '/bin/sh' };
}

/** Looks `name` up in the guest's /etc. */
export function* lookUpUser(namespace: Namespace, caller: Caller, name: ByteString): Io<User | undefined> {
  const passwd = yield* readSmallFile(namespace, caller, '/etc/passwd');
  const group = yield* readSmallFile(namespace, caller, '/etc/group');
  if (passwd === undefined) return undefined;
  return findUser(name, passwd, group ?? '');
}

/** A file's whole content, or undefined. */
export function* readSmallFile(namespace: Namespace, caller: Caller, path: ByteString): Io<ByteString | undefined> {
  const file = yield* namespace.open(caller, namespace.root, path, O_RDONLY, 0);
  if (typeof file === 'number') return undefined;
  const bytes = yield* readFully(file, 0, Math.min(fileLimit, file.inode.size));
  const rest = file.release();
  if (rest) yield* rest;
  return typeof bytes === 'number' ? undefined : fromBytes(bytes);
}
