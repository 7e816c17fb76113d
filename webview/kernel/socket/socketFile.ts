/**
 * Sockets: what the socket system calls ask of any address family, and AF_UNIX. Raw addresses (struct sockaddr) go in and out as bytes;
 * nothing here reads user memory. Other families will stand beside unix.ts.
 */
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import { SOCK_NONBLOCK } from '../abi/socket.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

/** struct ucred, as SO_PEERCRED and SCM_CREDENTIALS show it. */
export interface SocketCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** What goes with the bytes of one sendmsg(2). */
export interface OutgoingMessage {
  /** Destination; undefined for the connected peer. */
  readonly address: Uint8Array | undefined;
  /** SCM_RIGHTS: references that the message takes over once it was sent. */
  readonly rights: readonly OpenFile[];
  /** The sender's, or what a privileged sender claimed by SCM_CREDENTIALS. */
  readonly credentials: SocketCredentials;
  /** MSG_* */
  readonly flags: number;
}

/** What recvmsg(2) got besides the bytes. Filled in by `receive`. */
export interface IncomingMessage {
  /** The sender's address, if it has one. */
  address: Uint8Array | undefined;
  /** References that are the receiver's now. */
  rights: OpenFile[];
  credentials: SocketCredentials | undefined;
  /** MSG_TRUNC, MSG_EOR ... */
  flags: number;
}

export abstract class SocketFile extends KernelFile {
  /** SOCK_STREAM ... */
  readonly type: number;
  abstract readonly domain: number;
  abstract readonly protocol: number;
  /** SO_RCVTIMEO and SO_SNDTIMEO in nanoseconds; Infinity for none. */
  receiveTimeout = Infinity;
  sendTimeout = Infinity;
  /** SO_PASSCRED */
  passCredentials = false;

  /** `flags`: SOCK_NONBLOCK. */
  constructor(path: Path, type: number, flags: number) {
    super(path, path.dentry.inode!, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));
    this.type = type;
  }

  override get writesAll(): boolean {
    return true;
  }

  *bind(_caller: Caller, _address: Uint8Array): Io<number> {
    return -Errno.EOPNOTSUPP;
  }
  /** Sleeps unless O_NONBLOCK. `credentials` are what the peer will see. */
  *connect(_caller: Caller, _address: Uint8Array, _credentials: SocketCredentials): Io<number> {
    return -Errno.EOPNOTSUPP;
  }
  listen(_backlog: number, _credentials: SocketCredentials): number {
    return -Errno.EOPNOTSUPP;
  }
  /** A new connected socket. `flags`: SOCK_NONBLOCK for it. */
  accept(_caller: Caller, _flags: number): Attempt<SocketFile | number> {
    return -Errno.EOPNOTSUPP;
  }
  abstract send(source: Source, message: OutgoingMessage): Attempt<number>;
  /** Resolves `message.address` where that may need the disk, before `send`; 0 or -errno. */
  *prepareSend(_caller: Caller, _message: OutgoingMessage): Io<number> {
    return 0;
  }
  /** `flags`: MSG_PEEK, MSG_TRUNC ... The count of bytes (of the whole datagram with MSG_TRUNC). */
  abstract receive(sink: Sink, flags: number, into: IncomingMessage): Attempt<number>;
  shutdown(_how: number): number {
    return -Errno.EOPNOTSUPP;
  }
  /** struct sockaddr of this end. */
  abstract get localAddress(): Uint8Array;
  /** struct sockaddr of the peer; -ENOTCONN. */
  abstract get peerAddress(): Uint8Array | number;
  /** An option beyond those that the system call answers for all families: its bytes, or -ENOPROTOOPT. */
  getOption(_level: number, _name: number): Uint8Array | number {
    return -Errno.ENOPROTOOPT;
  }
  setOption(_level: number, _name: number, _value: Uint8Array): number {
    return -Errno.ENOPROTOOPT;
  }
  /** SO_ERROR: the pending error as a positive number, cleared by reading. */
  takeError(): number {
    return 0;
  }
  get isListening(): boolean {
    return false;
  }
}

/** An IncomingMessage to be filled in. */
export function emptyMessage(): IncomingMessage {
  return { address: undefined, rights: [], credentials: undefined, flags: 0 };
}
