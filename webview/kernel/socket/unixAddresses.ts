/** Names of AF_UNIX sockets (unix(7)): paths, by the inode that bind(2) made, and the abstract name space. */
import { AF_UNIX, UNIX_PATH_MAX } from '../abi/socket.ts';
import { Errno } from '../abi/errno.ts';
import { W_OK } from '../abi/fcntl.ts';
import { S_IFMT, S_IFSOCK } from '../abi/stat.ts';
import { fromBytes, type ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import { Walk, type Namespace } from '../../fs/vfs/namespace.ts';
import type { UnixSocket } from './unix.ts';

/** A parsed struct sockaddr_un: a path without its NUL, an abstract name without the leading NUL, or nothing (autobind). */
export interface UnixAddress {
  readonly kind: 'path' | 'abstract' | 'unnamed';
  readonly name: ByteString;
}

/** Parses a sockaddr_un; -EINVAL for another family or length. */
export function parseUnixAddress(bytes: Uint8Array): UnixAddress | number {
  if (bytes.length < 2 || bytes.length > UNIX_PATH_MAX + 2 || (bytes[0]! | (bytes[1]! << 8)) !== AF_UNIX) return -Errno.EINVAL;
  const name = fromBytes(bytes.subarray(2));
  if (name.length === 0) return { kind: 'unnamed', name };
  if (name.charCodeAt(0) === 0) return { kind: 'abstract', name: name.slice(1) };
  const end = name.indexOf('\0');
  return { kind: 'path', name: end < 0 ? name : name.slice(0, end) };
}

/** A sockaddr_un as getsockname(2) gives it: paths with their NUL. */
export function encodeUnixAddress(address: UnixAddress | undefined): Uint8Array {
  const text = !address || address.kind === 'unnamed' ? '' : address.kind === 'path' ? address.name + '\0' : '\0' + address.name;
  const bytes = new Uint8Array(2 + text.length);
  bytes[0] = AF_UNIX;
  for (let i = 0; i < text.length; i++) bytes[2 + i] = text.charCodeAt(i);
  return bytes;
}

/** All bound AF_UNIX sockets of the machine. */
export class UnixAddresses {
  readonly #namespace: Namespace;
  readonly #byInode = new WeakMap<Inode, UnixSocket>();
  readonly #abstract = new Map<ByteString, UnixSocket>();
  #nextAutomatic = 0;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  /** Binds: the address it got, -EADDRINUSE, or what mknod(2) answers. Answers how to give the name up as well. */
  *bind(caller: Caller, socket: UnixSocket, address: UnixAddress): Io<{ address: UnixAddress; release: () => void } | number> {
    if (address.kind === 'path') {
      const made = yield* this.#namespace.mknod(caller, caller.cwd, address.name, S_IFSOCK | 0o777, 0);
      if (typeof made === 'number') return made === -Errno.EEXIST ? -Errno.EADDRINUSE : made;
      const inode = made.dentry.inode!;
      this.#byInode.set(inode, socket);
      return { address, release: () => this.#byInode.delete(inode) };
    }
    let { name } = address;
    if (address.kind === 'unnamed') {
      do name = (this.#nextAutomatic++ & 0xfffff).toString(16).padStart(5, '0'); while (this.#abstract.has(name));
    } else if (this.#abstract.has(name)) {
      return -Errno.EADDRINUSE;
    }
    this.#abstract.set(name, socket);
    return { address: { kind: 'abstract', name }, release: () => this.#abstract.delete(name) };
  }

  /** What bind(2) of a socket that has a name answers: -EADDRINUSE if the new name is taken, else -EINVAL. */
  *bindAgain(caller: Caller, address: UnixAddress): Io<number> {
    if (address.kind !== 'path') return -Errno.EINVAL;
    const there = yield* this.#namespace.resolve(caller, caller.cwd, address.name, 0);
    return typeof there === 'number' ? -Errno.EINVAL : -Errno.EADDRINUSE;
  }

  /** The socket bound to an address: -ECONNREFUSED when nobody is, -ENOENT, -EACCES and so on for a path. */
  *find(caller: Caller, address: UnixAddress): Io<UnixSocket | number> {
    if (address.kind === 'unnamed') return -Errno.ECONNREFUSED;
    if (address.kind === 'abstract') return this.#abstract.get(address.name) ?? -Errno.ECONNREFUSED;
    const path = yield* this.#namespace.resolve(caller, caller.cwd, address.name, Walk.follow);
    if (typeof path === 'number') return path;
    const allowed = yield* this.#namespace.checkAccess(caller, path, W_OK);
    if (allowed < 0) return allowed;
    const inode = path.dentry.inode;
    if (!inode || (inode.mode & S_IFMT) !== S_IFSOCK) return -Errno.ECONNREFUSED;
    return this.#byInode.get(inode) ?? -Errno.ECONNREFUSED;
  }
}
