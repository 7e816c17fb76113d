/** AF_UNIX sockets (unix(7)): stream, datagram and sequenced-packet, with descriptors and credentials in messages. */
import { Errno } from '../abi/errno.ts';
import { SIOCOUTQ } from '../abi/ioctl.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../abi/poll.ts';
import {
  AF_UNIX, DEFAULT_BUFFER, MSG_EOR, MSG_OOB, MSG_PEEK, MSG_TRUNC, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM,
  SOL_SOCKET, SOMAXCONN, SO_PEERCRED, SO_RCVBUF, SO_SNDBUF,
} from '../abi/socket.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, WaitQueue, Wake, type Attempt, type Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { faultUnless, type IoctlCaller } from '../files/kernelFile.ts';
import { SocketFile, emptyMessage, type IncomingMessage, type OutgoingMessage, type SocketCredentials } from './socketFile.ts';
import { encodeUnixAddress, parseUnixAddress, type UnixAddress, type UnixAddresses } from './unixAddresses.ts';

/** net.unix.max_dgram_qlen: so many datagrams of strangers wait at a socket. */
const maximumDatagrams = 10;
/** A stream write is cut into messages of at most this size. */
const streamChunk = 32768;
const readable = POLLIN | POLLRDNORM;
const writable = POLLOUT | POLLWRNORM | POLLWRBAND;

/** What was sent at once. `offset` is how far a stream reader got. */
interface Message {
  readonly bytes: Uint8Array;
  offset: number;
  readonly sender: UnixSocket;
  readonly address: UnixAddress | undefined;
  rights: readonly OpenFile[];
  readonly credentials: SocketCredentials;
}

/** What a UnixSocket is made with. */
export interface UnixSockets {
  readonly addresses: UnixAddresses;
  /** A path 'socket:[INO]' for a new socket. */
  newPath(owner: Caller): Path;
}

export class UnixSocket extends SocketFile {
  override readonly domain = AF_UNIX;
  override readonly protocol = 0;
  readonly #machine: UnixSockets;
  readonly #wait: Wait;
  #address: UnixAddress | undefined;
  #releaseAddress: (() => void) | undefined;
  #peer: UnixSocket | undefined;
  /** Datagram sockets that are connected to this one: they hear when there is room. */
  readonly #connectedHere = new Set<UnixSocket>();
  /** Senders and connecters that wait for room here. */
  readonly #roomQueue = new WaitQueue();
  readonly #roomWait = new Wait([this.#roomQueue]);
  readonly #messages: Message[] = [];
  #queuedBytes = 0;
  #sendBuffer = DEFAULT_BUFFER;
  #receiveBuffer = DEFAULT_BUFFER;
  #closedForReading = false;
  #closedForWriting = false;
  #isClosed = false;
  #error = 0;
  /** Listening: how many connections may wait, and those that do. */
  #backlog = -1;
  readonly #pending: UnixSocket[] = [];
  #ownCredentials: SocketCredentials;
  /** Descriptors that came or were to go where none can: released with the socket. */
  readonly #unclaimed: OpenFile[] = [];
  #peerCredentials: SocketCredentials = { pid: 0, uid: -1, gid: -1 };
  /** The destination that `prepareSend` found for the message that is being sent. */
  #destination: UnixSocket | undefined;

  /** `credentials`: of the process that makes it. */
  constructor(path: Path, type: number, flags: number, machine: UnixSockets, credentials: SocketCredentials) {
    super(path, type, flags);
    this.#ownCredentials = credentials;
    this.#machine = machine;
    this.#wait = new Wait([this.queue]);
  }

  /** socketpair(2). */
  static pair(caller: Caller, type: number, flags: number, machine: UnixSockets, credentials: SocketCredentials): [UnixSocket, UnixSocket] {
    const first = new UnixSocket(machine.newPath(caller), type, flags, machine, credentials);
    const second = new UnixSocket(machine.newPath(caller), type, flags, machine, credentials);
    first.#join(second, credentials);
    second.#join(first, credentials);
    return [first, second];
  }

  get #isDatagram(): boolean {
    return this.type === SOCK_DGRAM;
  }

  override get isListening(): boolean {
    return this.#backlog >= 0;
  }

  override get localAddress(): Uint8Array {
    return encodeUnixAddress(this.#address);
  }

  override get peerAddress(): Uint8Array | number {
    return this.#peer ? encodeUnixAddress(this.#peer.#address) : -Errno.ENOTCONN;
  }

  override get readable(): number {
    if (this.isListening) return -Errno.EINVAL;
    const first = this.#messages[0];
    if (this.type === SOCK_STREAM) return this.#queuedBytes;
    return first ? first.bytes.length : 0;
  }

  override ioctl(caller: IoctlCaller, request: number, argument: number): number {
    if (request !== SIOCOUTQ) return super.ioctl(caller, request, argument) as number;
    return faultUnless(caller.ioctlMemory.writeU32(argument, this.#peer ? this.#peer.#queuedBytes : 0));
  }

  // ---------------------------------------------------------------- names and connections

  override *bind(caller: Caller, address: Uint8Array): Io<number> {
    const parsed = parseUnixAddress(address);
    if (typeof parsed === 'number') return parsed;
    if (this.#address) return yield* this.#machine.addresses.bindAgain(caller, parsed);
    const bound = yield* this.#machine.addresses.bind(caller, this, parsed);
    if (typeof bound === 'number') return bound;
    this.#address = bound.address;
    this.#releaseAddress = bound.release;
    return 0;
  }

  override listen(backlog: number, credentials: SocketCredentials): number {
    if (this.#isDatagram) return -Errno.EOPNOTSUPP;
    if (!this.#address || this.#peer) return -Errno.EINVAL;
    this.#backlog = Math.min(backlog >>> 0, SOMAXCONN);
    this.#ownCredentials = credentials;
    this.#roomQueue.wake();
    return 0;
  }

  override *connect(caller: Caller, address: Uint8Array, credentials: SocketCredentials): Io<number> {
    // AF_UNSPEC dissolves a datagram socket's connection.
    if (this.#isDatagram && address.length >= 2 && address[0] === 0 && address[1] === 0) {
      this.#leave();
      return 0;
    }
    const parsed = parseUnixAddress(address);
    if (typeof parsed === 'number') return parsed;
    if (this.isListening) return -Errno.EINVAL;
    for (;;) {
      if (!this.#isDatagram && this.#peer) return -Errno.EISCONN;
      const target = yield* this.#machine.addresses.find(caller, parsed);
      if (typeof target === 'number') return target;
      if (target.type !== this.type) return wrongType(parsed);
      if (this.#isDatagram) {
        this.#leave();
        this.#join(target, credentials);
        target.#connectedHere.add(this);
        return 0;
      }
      if (!target.isListening || target.#closedForReading) return -Errno.ECONNREFUSED;
      if (target.#pending.length <= target.#backlog) {
        this.#connectTo(target, caller, credentials);
        return 0;
      }
      if ((this.flags & O_NONBLOCK) !== 0) return -Errno.EAGAIN;
      const wake = yield target.#roomWait;
      if (wake === Wake.interrupted) return -Errno.EINTR;
    }
  }

  /** Puts a new socket, connected to this one, into the listener's queue. */
  #connectTo(listener: UnixSocket, caller: Caller, credentials: SocketCredentials): void {
    const served = new UnixSocket(this.#machine.newPath(caller), this.type, 0, this.#machine, listener.#ownCredentials);
    served.#address = listener.#address;
    served.#sendBuffer = listener.#sendBuffer;
    served.passCredentials = listener.passCredentials;
    served.#join(this, credentials);
    this.#join(served, listener.#ownCredentials);
    listener.#pending.push(served);
    listener.queue.wake(readable);
    this.queue.wake(writable);
  }

  #join(peer: UnixSocket, credentials: SocketCredentials): void {
    this.#peer = peer;
    this.#peerCredentials = credentials;
  }

  #leave(): void {
    if (this.#peer) this.#peer.#connectedHere.delete(this);
    this.#peer = undefined;
  }

  override accept(_caller: Caller, flags: number): Attempt<SocketFile | number> {
    if (this.#isDatagram) return -Errno.EOPNOTSUPP;
    if (!this.isListening) return -Errno.EINVAL;
    const served = this.#pending.shift();
    if (!served) return this.#closedForReading ? -Errno.EINVAL : this.#wait;
    if (flags & O_NONBLOCK) served.flags |= O_NONBLOCK;
    this.#roomQueue.wake();
    return served;
  }

  override shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -Errno.EINVAL;
    const peer = this.#isDatagram ? undefined : this.#peer;
    if (how !== SHUT_WR) {
      this.#closedForReading = true;
      if (peer) peer.#closedForWriting = true;
    }
    if (how !== SHUT_RD) {
      this.#closedForWriting = true;
      if (peer) peer.#closedForReading = true;
    }
    this.#stateChanged();
    if (peer) peer.#stateChanged();
    return 0;
  }

  #stateChanged(): void {
    this.queue.wake(readable | writable | POLLHUP | POLLRDHUP | POLLERR);
    this.#roomQueue.wake();
  }

  // ---------------------------------------------------------------- data

  override read(sink: Sink): Attempt<number> {
    const message = emptyMessage();
    const count = this.receive(sink, 0, message);
    // read(2) can't take descriptors: they close with the socket.
    if (message.rights.length > 0) this.#unclaimed.push(...message.rights);
    return count;
  }

  override write(source: Source): Attempt<number> {
    return this.send(source, { address: undefined, rights: [], credentials: this.#ownCredentials, flags: 0 });
  }

  override *prepareSend(caller: Caller, message: OutgoingMessage): Io<number> {
    this.#destination = undefined;
    if (!message.address) return 0;
    if (!this.#isDatagram) return this.#peer ? -Errno.EISCONN : -Errno.EOPNOTSUPP;
    const parsed = parseUnixAddress(message.address);
    if (typeof parsed === 'number') return parsed;
    const target = yield* this.#machine.addresses.find(caller, parsed);
    if (typeof target === 'number') return target;
    if (target.type !== this.type) return wrongType(parsed);
    this.#destination = target;
    return 0;
  }

  override send(source: Source, message: OutgoingMessage): Attempt<number> {
    if (message.flags & MSG_OOB) return -Errno.EOPNOTSUPP;
    return this.#isDatagram ? this.#sendDatagram(source, message) : this.#sendConnected(source, message);
  }

  #sendConnected(source: Source, message: OutgoingMessage): Attempt<number> {
    const peer = this.#peer;
    if (!peer) return this.#closedForWriting ? -Errno.EPIPE : -Errno.ENOTCONN;
    if (this.#closedForWriting || peer.#isClosed) return -Errno.EPIPE;
    const size = source.remaining;
    const stream = this.type === SOCK_STREAM;
    if (stream && size === 0) {
      this.#unclaimed.push(...message.rights);
      return 0;
    }
    if (!stream && size > this.#sendBuffer) return -Errno.EMSGSIZE;
    const room = this.#sendBuffer - peer.#queuedBytes;
    if (room <= 0 || (!stream && peer.#queuedBytes > 0 && size > room)) return this.#wait;
    return this.#deliver(peer, source, stream ? Math.min(size, room, streamChunk) : size, message);
  }

  #sendDatagram(source: Source, message: OutgoingMessage): Attempt<number> {
    const target = message.address ? this.#destination : this.#peer;
    if (this.#closedForWriting) return -Errno.EPIPE;
    if (!target) return -Errno.ENOTCONN;
    if (target.#isClosed) {
      if (!message.address) this.#leave();
      return -Errno.ECONNREFUSED;
    }
    if (target.#closedForReading) return -Errno.EPIPE;
    // A connected socket takes datagrams only from its peer.
    if (target.#peer && target.#peer !== this) return -Errno.EPERM;
    const size = source.remaining;
    if (size > this.#sendBuffer) return -Errno.EMSGSIZE;
    const full = target.#peer !== this && target.#messages.length > maximumDatagrams;
    if (full || (target.#queuedBytes > 0 && target.#queuedBytes + size > this.#sendBuffer)) return target.#roomWait;
    return this.#deliver(target, source, size, message);
  }

  #deliver(target: UnixSocket, source: Source, size: number, message: OutgoingMessage): number {
    const bytes = new Uint8Array(size);
    if (source.get(bytes, 0, size) < size) return -Errno.EFAULT;
    target.#messages.push({ bytes, offset: 0, sender: this, address: this.#address, rights: message.rights, credentials: message.credentials });
    target.#queuedBytes += size;
    target.queue.wake(readable);
    return size;
  }

  override receive(sink: Sink, flags: number, into: IncomingMessage): Attempt<number> {
    if (flags & MSG_OOB) return -Errno.EOPNOTSUPP;
    if (this.isListening || (!this.#isDatagram && !this.#peer)) return this.type === SOCK_STREAM ? -Errno.EINVAL : -Errno.ENOTCONN;
    if (this.#messages.length === 0) {
      if (this.#error !== 0) return -this.takeError();
      return this.#closedForReading || (!this.#isDatagram && this.#peer!.#isClosed) ? 0 : this.#wait;
    }
    return this.type === SOCK_STREAM ? this.#receiveStream(sink, flags, into) : this.#receiveMessage(sink, flags, into);
  }

  #receiveMessage(sink: Sink, flags: number, into: IncomingMessage): number {
    const message = this.#messages[0]!;
    const size = message.bytes.length;
    const wanted = Math.min(size, sink.remaining);
    if (sink.put(message.bytes, 0, wanted) < wanted) return -Errno.EFAULT;
    this.#describe(message, flags, into);
    if (wanted < size) into.flags |= MSG_TRUNC;
    if (this.type === SOCK_SEQPACKET) into.flags |= MSG_EOR;
    if ((flags & MSG_PEEK) === 0) this.#consume(message);
    return flags & MSG_TRUNC ? size : wanted;
  }

  #receiveStream(sink: Sink, flags: number, into: IncomingMessage): number {
    const peek = (flags & MSG_PEEK) !== 0;
    let total = 0;
    let index = 0;
    let last: Message | undefined;
    while (index < this.#messages.length && (sink.remaining > 0 || (last === undefined && total === 0))) {
      const message = this.#messages[index]!;
      // With SO_PASSCRED a change of sender ends a read; descriptors end it behind the bytes that they came with.
      if (last && this.passCredentials && !sameCredentials(message.credentials, last.credentials)) break;
      const wanted = Math.min(message.bytes.length - message.offset, sink.remaining);
      const taken = sink.put(message.bytes, message.offset, wanted);
      if (taken < wanted && total + taken === 0) return -Errno.EFAULT;
      if (!last || message.rights.length > 0) this.#describe(message, flags, into);
      const hadRights = message.rights.length > 0;
      last = message;
      total += taken;
      if (peek) {
        index++;
      } else {
        message.rights = [];
        message.offset += taken;
        this.#queuedBytes -= taken;
        if (message.offset < message.bytes.length) break;
        this.#messages.shift();
      }
      if (taken < wanted || hadRights) break;
    }
    if (!peek) this.#madeRoom();
    return total;
  }

  #describe(message: Message, flags: number, into: IncomingMessage): void {
    into.address = message.address ? encodeUnixAddress(message.address) : undefined;
    into.credentials = message.credentials;
    if (message.rights.length > 0) into.rights = flags & MSG_PEEK ? message.rights.map(file => file.retain()) : [...message.rights];
  }

  #consume(message: Message): void {
    this.#messages.shift();
    this.#queuedBytes -= message.bytes.length;
    message.rights = [];
    this.#madeRoom();
  }

  #madeRoom(): void {
    if (this.#isDatagram) {
      this.#roomQueue.wake();
      for (const socket of this.#connectedHere) socket.queue.wake(writable);
    }
    this.#peer?.queue.wake(writable);
  }

  // ---------------------------------------------------------------- readiness, options, end

  override poll(): number {
    if (this.isListening) return (this.#pending.length > 0 ? readable : 0) | (this.#closedForReading ? POLLHUP : 0);
    let mask = 0;
    const peer = this.#peer;
    const ended = !this.#isDatagram && peer !== undefined && peer.#isClosed;
    if (this.#error !== 0) mask |= POLLERR;
    if (this.#messages.length > 0) mask |= readable;
    if (this.#closedForReading || ended) mask |= readable | POLLRDHUP;
    if (!this.#isDatagram && (ended || !peer || (this.#closedForReading && this.#closedForWriting))) mask |= POLLHUP;
    if (this.#hasRoom(peer)) mask |= writable;
    return mask;
  }

  #hasRoom(peer: UnixSocket | undefined): boolean {
    if (!peer) return true;
    if (this.#isDatagram && peer.#peer !== this && peer.#messages.length > maximumDatagrams) return false;
    return peer.#queuedBytes * 4 <= this.#sendBuffer || peer.#isClosed;
  }

  override getOption(level: number, name: number): Uint8Array | number {
    if (level !== SOL_SOCKET) return -Errno.EOPNOTSUPP;
    switch (name) {
      case SO_SNDBUF: return word(this.#sendBuffer);
      case SO_RCVBUF: return word(this.#receiveBuffer);
      case SO_PEERCRED: {
        const { pid, uid, gid } = this.#peerCredentials;
        return new Uint8Array(new Int32Array([pid, uid, gid]).buffer);
      }
      default: return -Errno.ENOPROTOOPT;
    }
  }

  override setOption(level: number, name: number, value: Uint8Array): number {
    if (level !== SOL_SOCKET) return -Errno.EOPNOTSUPP;
    const size = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
    // As Linux: the value is doubled, with a floor and the ceiling of net.core.*mem_max.
    const doubled = Math.max(2304, Math.min(size < 0 ? DEFAULT_BUFFER : size, DEFAULT_BUFFER) * 2);
    if (name === SO_SNDBUF) this.#sendBuffer = doubled;
    else if (name === SO_RCVBUF) this.#receiveBuffer = doubled;
    else return -Errno.ENOPROTOOPT;
    return 0;
  }

  override takeError(): number {
    const error = this.#error;
    this.#error = 0;
    return error;
  }

  protected override close(): Io<void> | undefined {
    this.#isClosed = true;
    this.#releaseAddress?.();
    const peer = this.#peer;
    if (peer && !this.#isDatagram) {
      // What the peer sent and nobody read is lost, which it is told.
      if (this.#messages.length > 0) peer.#error = Errno.ECONNRESET;
      peer.#stateChanged();
    }
    if (this.#isDatagram) this.#leave();
    for (const socket of this.#connectedHere) socket.#stateChanged();
    this.#connectedHere.clear();
    this.#roomQueue.wake();
    // Connections that nobody accepted are reset.
    for (const served of this.#pending) if (served.#peer) served.#peer.#error = Errno.ECONNRESET;
    const left: OpenFile[] = this.#messages.splice(0).flatMap(message => [...message.rights]);
    left.push(...this.#pending.splice(0), ...this.#unclaimed.splice(0));
    this.#queuedBytes = 0;
    return releaseAll(left);
  }
}

/** Releases at once; what must reach the disk for it is left to the Io. */
function releaseAll(files: readonly OpenFile[]): Io<void> | undefined {
  const rest = files.map(file => file.release()).filter(io => io !== undefined);
  return rest.length > 0 ? inTurn(rest) : undefined;
}

function* inTurn(all: readonly Io<void>[]): Io<void> {
  for (const io of all) yield* io;
}

/** Abstract names of different socket types are different names; a path has one socket. */
function wrongType(address: UnixAddress): number {
  return address.kind === 'path' ? -Errno.EPROTOTYPE : -Errno.ECONNREFUSED;
}

function sameCredentials(a: SocketCredentials, b: SocketCredentials): boolean {
  return a.pid === b.pid && a.uid === b.uid && a.gid === b.gid;
}

function word(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
}
