/** The socket calls. Address families are told apart at socket(2) only. */
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { SIGPIPE } from '../abi/signal.ts';
import * as S from '../abi/socket.ts';
import { Wait, Wake, type Attempt, type Io } from '../../lib/wait.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { UserBuffer } from '../mm/userMemory.ts';
import { SocketFile, emptyMessage, type IncomingMessage, type OutgoingMessage, type SocketCredentials } from '../socket/socketFile.ts';
import { UnixSocket } from '../socket/unix.ts';
import type { Task } from '../task/task.ts';
import { readControl, writeControl } from './controlMessages.ts';
import { install, restart, restarting, type Result } from './common.ts';
import { readTimeout } from './timeouts.ts';

/** sizeof(struct sockaddr_storage) */
const maximumAddress = 128;
/** What is asked for ahead of a message's control data. */
const maximumControl = 65536;

function socketOf(task: Task, fd: number): SocketFile | number {
  const file = task.files.get(fd);
  return !file ? -Errno.EBADF : file instanceof SocketFile ? file : -Errno.ENOTSOCK;
}

function credentialsOf(task: Task): SocketCredentials {
  const { uid, gid } = task.credentials;
  return { pid: task.pid, uid, gid };
}

// ---------------------------------------------------------------- making

const creationFlags = S.SOCK_CLOEXEC | S.SOCK_NONBLOCK;

/** Checks domain, type and protocol: the plain type, or -errno. */
function checkKind(domain: number, type: number, protocol: number): number {
  const kind = type & S.SOCK_TYPE_MASK;
  if (type & ~(S.SOCK_TYPE_MASK | creationFlags)) return -Errno.EINVAL;
  if (domain !== S.AF_UNIX) return -Errno.EAFNOSUPPORT;
  if (protocol !== 0 && protocol !== S.AF_UNIX) return -Errno.EPROTONOSUPPORT;
  // As Linux: a raw AF_UNIX socket is a datagram socket.
  if (kind === S.SOCK_RAW) return S.SOCK_DGRAM;
  return kind === S.SOCK_STREAM || kind === S.SOCK_DGRAM || kind === S.SOCK_SEQPACKET ? kind : -Errno.ESOCKTNOSUPPORT;
}

export function socket(task: Task, domain: number, type: number, protocol: number): Result {
  const kind = checkKind(domain, type, protocol);
  if (kind < 0) return kind;
  const { unix } = task.machine.files;
  const file = new UnixSocket(unix.newPath(task), kind, type & creationFlags, unix, credentialsOf(task));
  return install(task, file, (type & S.SOCK_CLOEXEC) !== 0);
}

export function socketpair(task: Task, domain: number, type: number, protocol: number, out: number): Result {
  const kind = checkKind(domain, type, protocol);
  if (kind < 0) return kind;
  const limit = task.descriptorLimit;
  if (!task.files.hasRoom(2, limit)) return -Errno.EMFILE;
  if (!task.user.ensure(out, 8, true)) return -Errno.EFAULT;
  const pair = UnixSocket.pair(task, kind, type & creationFlags, task.machine.files.unix, credentialsOf(task));
  pair.forEach((file, i) => task.user.writeU32(out + 4 * i, task.files.add(file, (type & S.SOCK_CLOEXEC) !== 0, limit)));
  return 0;
}

// ---------------------------------------------------------------- addresses

/** A sockaddr argument. -EINVAL for a bad length, -EFAULT. */
function readAddress(task: Task, address: number, length: number): Uint8Array | number {
  if (length < 0 || length > maximumAddress) return -Errno.EINVAL;
  return task.user.bytes(address, length) ?? -Errno.EFAULT;
}

/** Stores an address, cut to what the length at `lengthAddress` allows; the length becomes the whole one. */
function writeAddress(task: Task, bytes: Uint8Array, out: number, lengthAddress: number): number {
  const room = task.user.readS32(lengthAddress);
  if (room === undefined) return -Errno.EFAULT;
  if (room < 0) return -Errno.EINVAL;
  if (!task.user.writeBytes(out, bytes.subarray(0, room))) return -Errno.EFAULT;
  return task.user.writeU32(lengthAddress, bytes.length) ? 0 : -Errno.EFAULT;
}

/** A place for results is still on the disk: to be asked before anything is taken from a queue, since the call is then made again. */
function isOnDisk(task: Task, address: number, length: number): boolean {
  return address !== 0 && !task.user.ensure(address, length, true) && task.user.blocked !== undefined;
}

/** The same of a socket address and its length. */
function isAddressOnDisk(task: Task, out: number, lengthAddress: number): boolean {
  if (out === 0) return false;
  if (isOnDisk(task, lengthAddress, 4)) return true;
  const room = task.user.readS32(lengthAddress) ?? 0;
  return room > 0 && isOnDisk(task, out, Math.min(room, maximumAddress));
}

export function bind(task: Task, fd: number, address: number, length: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  const bytes = readAddress(task, address, length);
  return typeof bytes === 'number' ? bytes : file.bind(task, bytes);
}

export function connect(task: Task, fd: number, address: number, length: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  const bytes = readAddress(task, address, length);
  return typeof bytes === 'number' ? bytes : restarting(file.connect(task, bytes, credentialsOf(task)));
}

export function listen(task: Task, fd: number, backlog: number): Result {
  const file = socketOf(task, fd);
  return typeof file === 'number' ? file : file.listen(backlog, credentialsOf(task));
}

export function getsockname(task: Task, fd: number, out: number, length: number): Result {
  const file = socketOf(task, fd);
  return typeof file === 'number' ? file : writeAddress(task, file.localAddress, out, length);
}

export function getpeername(task: Task, fd: number, out: number, length: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  const peer = file.peerAddress;
  return typeof peer === 'number' ? peer : writeAddress(task, peer, out, length);
}

export function shutdown(task: Task, fd: number, how: number): Result {
  const file = socketOf(task, fd);
  return typeof file === 'number' ? file : file.shutdown(how);
}

// ---------------------------------------------------------------- accept

export function accept(task: Task, fd: number, out: number, length: number): Result {
  return accept4(task, fd, out, length, 0);
}

export function accept4(task: Task, fd: number, out: number, length: number, flags: number): Result {
  if (flags & ~creationFlags) return -Errno.EINVAL;
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  if (!task.files.hasRoom(1, task.descriptorLimit)) return -Errno.EMFILE;
  if (isAddressOnDisk(task, out, length)) return -Errno.EFAULT;
  const answer = file.accept(task, flags & S.SOCK_NONBLOCK ? O_NONBLOCK : 0);
  if (!(answer instanceof Wait)) return accepted(task, answer, out, length, flags);
  return file.flags & O_NONBLOCK ? -Errno.EAGAIN : acceptSleeping(task, file, answer, out, length, flags);
}

function* acceptSleeping(task: Task, file: SocketFile, wait: Wait, out: number, length: number, flags: number): Io<number> {
  const timed = withTimeout(task, wait, file.receiveTimeout);
  for (;;) {
    const wake = yield timed;
    const answer = file.accept(task, flags & S.SOCK_NONBLOCK ? O_NONBLOCK : 0);
    if (!(answer instanceof Wait)) return accepted(task, answer, out, length, flags);
    if (wake === Wake.timeout) return -Errno.EAGAIN;
    if (wake === Wake.interrupted) return file.receiveTimeout === Infinity ? restart : -Errno.EINTR;
  }
}

function accepted(task: Task, answer: SocketFile | number, out: number, length: number, flags: number): number {
  if (typeof answer === 'number') return answer;
  const peer = answer.peerAddress;
  if (out !== 0) {
    const stored = writeAddress(task, typeof peer === 'number' ? new Uint8Array([S.AF_UNIX, 0]) : peer, out, length);
    if (stored < 0) {
      answer.release();
      return stored;
    }
  }
  return install(task, answer, (flags & S.SOCK_CLOEXEC) !== 0);
}

/** A wait with SO_RCVTIMEO or SO_SNDTIMEO from now on. */
function withTimeout(task: Task, wait: Wait, timeout: number): Wait {
  return timeout === Infinity ? wait : new Wait(wait.queues, { deadline: task.machine.files.timers.now() + timeout });
}

// ---------------------------------------------------------------- sending

export function sendto(task: Task, fd: number, address: number, count: number, flags: number, to: number, toLength: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  const destination = to === 0 ? undefined : readAddress(task, to, toLength);
  if (typeof destination === 'number') return destination;
  task.buffer.range(address, count);
  return send(task, file, { address: destination, rights: [], credentials: credentialsOf(task), flags });
}

/** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
interface MessageHeader {
  readonly address: number;
  readonly name: number;
  readonly nameLength: number;
  readonly vectors: number;
  readonly vectorCount: number;
  readonly control: number;
  readonly controlLength: number;
}

function readHeader(task: Task, address: number): MessageHeader | number {
  const word = task.user.wordSize;
  const view = task.user.struct(address, 7 * word);
  if (!view) return -Errno.EFAULT;
  const get = (index: number): number => view.getUint32(index * word, true) + (word === 8 ? view.getUint32(index * word + 4, true) * 2 ** 32 : 0);
  return { address, name: get(0), nameLength: view.getInt32(word, true), vectors: get(2), vectorCount: get(3), control: get(4), controlLength: get(5) };
}

export function sendmsg(task: Task, fd: number, header: number, flags: number): Result {
  const file = socketOf(task, fd);
  return typeof file === 'number' ? file : sendMessage(task, file, header, flags);
}

function sendMessage(task: Task, file: SocketFile, address: number, flags: number): Result {
  const header = readHeader(task, address);
  if (typeof header === 'number') return header;
  const destination = header.name === 0 ? undefined : readAddress(task, header.name, header.nameLength);
  if (typeof destination === 'number') return destination;
  const control = readControl(task, header.control, header.controlLength, credentialsOf(task));
  if (typeof control === 'number') return control;
  const length = task.buffer.vector(header.vectors, header.vectorCount);
  if (length < 0) {
    for (const right of control.rights) right.release();
    return length === -Errno.EINVAL && header.vectorCount > 1024 ? -Errno.EMSGSIZE : length;
  }
  return send(task, file, { address: destination, rights: control.rights, credentials: control.credentials, flags });
}

/** Sends what the task's buffer holds: straight through where nothing must be waited for. */
function send(task: Task, file: SocketFile, message: OutgoingMessage): Result {
  if (message.address) return sendSleeping(task, file, message);
  const parts = task.buffer.save();
  const answer = file.send(task.buffer, message);
  if (typeof answer === 'number' && (answer < 0 || task.buffer.remaining === 0)) return sent(task, message, answer);
  return sendOn(task, file, message, parts, answer);
}

function* sendSleeping(task: Task, file: SocketFile, message: OutgoingMessage): Io<number> {
  const parts = task.buffer.save();
  const prepared = yield* file.prepareSend(task, message);
  if (prepared < 0) return sent(task, message, prepared);
  const answer = file.send(task.buffer.restore(parts), message);
  const rest = sendOn(task, file, message, parts, answer);
  return typeof rest === 'number' ? rest : yield* rest;
}

function sendOn(task: Task, file: SocketFile, message: OutgoingMessage, parts: readonly number[], answer: Attempt<number>): Result {
  const blocks = (file.flags & O_NONBLOCK) === 0 && (message.flags & S.MSG_DONTWAIT) === 0;
  if (answer instanceof Wait) return blocks ? waitToSend(task, file, message, parts, answer) : sent(task, message, -Errno.EAGAIN);
  if (answer < 0 || file.type !== S.SOCK_STREAM || !blocks) return sent(task, message, answer);
  return waitToSend(task, file, message, parts, answer);
}

function* waitToSend(task: Task, file: SocketFile, message: OutgoingMessage, parts: readonly number[], answer: Attempt<number>): Io<number> {
  let done = 0;
  let left = parts;
  for (;;) {
    if (answer instanceof Wait) {
      const wake = yield withTimeout(task, answer, file.sendTimeout);
      if (wake !== Wake.ready) {
        if (done > 0) return done;
        return sent(task, message, wake === Wake.timeout ? -Errno.EAGAIN : file.sendTimeout === Infinity ? restart : -Errno.EINTR);
      }
    } else {
      if (answer < 0) return done > 0 ? done : sent(task, message, answer);
      done += answer;
      left = task.buffer.save();
      if (task.buffer.remaining === 0 || file.type !== S.SOCK_STREAM) return done;
      // The descriptors went with the first bytes.
      message = { ...message, rights: [] };
    }
    answer = file.send(task.buffer.restore(left), message);
  }
}

/** The final answer of a send: what was not sent gives its descriptors back, EPIPE comes with SIGPIPE. */
function sent(task: Task, message: OutgoingMessage, result: number): number {
  if (result < 0) for (const file of message.rights) file.release();
  if (result === -Errno.EPIPE && (message.flags & S.MSG_NOSIGNAL) === 0) task.raise(SIGPIPE);
  return result;
}

export function sendmmsg(task: Task, fd: number, headers: number, count: number, flags: number): Result {
  const file = socketOf(task, fd);
  return typeof file === 'number' ? file : sendSeveral(task, file, headers, Math.min(count >>> 0, 1024), flags);
}

function* sendSeveral(task: Task, file: SocketFile, headers: number, count: number, flags: number): Io<number> {
  const size = 8 * task.user.wordSize;
  for (let i = 0; i < count; i++) {
    const answer = sendMessage(task, file, headers + i * size, flags);
    const result = typeof answer === 'number' ? answer : yield* answer;
    if (result < 0) return i > 0 ? i : result;
    task.user.writeU32(headers + i * size + 7 * task.user.wordSize, result);
  }
  return count;
}

// ---------------------------------------------------------------- receiving

export function recvfrom(task: Task, fd: number, address: number, count: number, flags: number, from: number, fromLength: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  if (isAddressOnDisk(task, from, fromLength)) return -Errno.EFAULT;
  task.buffer.range(address, count);
  return receive(task, file, flags, (result, message) => {
    dropRights(message);
    if (from === 0) return result;
    const stored = writeAddress(task, message.address ?? new Uint8Array(0), from, fromLength);
    return stored < 0 ? stored : result;
  });
}

export function recvmsg(task: Task, fd: number, header: number, flags: number): Result {
  const file = socketOf(task, fd);
  return typeof file === 'number' ? file : receiveMessage(task, file, header, flags);
}

function receiveMessage(task: Task, file: SocketFile, address: number, flags: number): Result {
  const header = readHeader(task, address);
  if (typeof header === 'number') return header;
  const { wordSize } = task.user;
  if (isOnDisk(task, address, 7 * wordSize) || isOnDisk(task, header.name, Math.min(header.nameLength, maximumAddress))
    || isOnDisk(task, header.control, Math.min(header.controlLength, maximumControl))) return -Errno.EFAULT;
  const length = task.buffer.vector(header.vectors, header.vectorCount);
  if (length < 0) return length;
  return receive(task, file, flags, (result, message) => finishMessage(task, file, header, flags, result, message));
}

/** Stores name, control data and flags of a received message. */
function finishMessage(task: Task, file: SocketFile, header: MessageHeader, flags: number, result: number, message: IncomingMessage): number {
  const { user: memory } = task;
  const { wordSize } = memory;
  if (header.name !== 0) {
    const name = message.address ?? new Uint8Array(0);
    memory.writeBytes(header.name, name.subarray(0, Math.max(0, header.nameLength)));
    memory.writeU32(header.address + wordSize, name.length);
  }
  const control = writeControl(task, header.control, header.controlLength, message, file.passCredentials, (flags & S.MSG_CMSG_CLOEXEC) !== 0);
  memory.writeWord(header.address + 5 * wordSize, control.length);
  const shown = (message.flags & (S.MSG_TRUNC | S.MSG_EOR)) | (control.truncated ? S.MSG_CTRUNC : 0) | (flags & S.MSG_CMSG_CLOEXEC);
  return memory.writeU32(header.address + 6 * wordSize, shown) ? result : -Errno.EFAULT;
}

type FinishReceive = (result: number, message: IncomingMessage) => number;

function dropRights(message: IncomingMessage): void {
  for (const file of message.rights) file.release();
  message.rights = [];
}

function receive(task: Task, file: SocketFile, flags: number, finish: FinishReceive): Result {
  const message = emptyMessage();
  const parts = task.buffer.save();
  const wanted = task.buffer.remaining;
  const answer = file.receive(task.buffer, flags, message);
  const waitsForAll = (flags & S.MSG_WAITALL) !== 0 && (flags & S.MSG_PEEK) === 0 && file.type === S.SOCK_STREAM;
  if (answer instanceof Wait) {
    if (flags & S.MSG_DONTWAIT || file.flags & O_NONBLOCK) return -Errno.EAGAIN;
  } else if (answer < 0) {
    return answer;
  } else if (!waitsForAll || answer === 0 || answer === wanted) {
    return finish(answer, message);
  }
  return receiveSleeping(task, file, flags, waitsForAll, { parts, wanted, message }, answer, finish);
}

interface Receiving {
  parts: readonly number[];
  readonly wanted: number;
  readonly message: IncomingMessage;
}

function* receiveSleeping(
  task: Task, file: SocketFile, flags: number, waitsForAll: boolean, state: Receiving, answer: Attempt<number>, finish: FinishReceive,
): Io<number> {
  let done = 0;
  for (;;) {
    if (answer instanceof Wait) {
      const wake = yield withTimeout(task, answer, file.receiveTimeout);
      if (wake !== Wake.ready) {
        if (done > 0) return finish(done, state.message);
        return wake === Wake.timeout ? -Errno.EAGAIN : file.receiveTimeout === Infinity ? restart : -Errno.EINTR;
      }
    } else {
      if (answer <= 0) return done > 0 || answer === 0 ? finish(done, state.message) : answer;
      done += answer;
      state.parts = task.buffer.save();
      if (!waitsForAll || done >= state.wanted) return finish(done, state.message);
    }
    const before: OpenFile[] = state.message.rights;
    state.message.rights = [];
    answer = file.receive(restored(task, state.parts), flags, state.message);
    state.message.rights.unshift(...before);
  }
}

function restored(task: Task, parts: readonly number[]): UserBuffer {
  return task.buffer.restore(parts);
}

export function recvmmsg(task: Task, fd: number, headers: number, count: number, flags: number, timeout: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  const deadline = readTimeout(task, timeout);
  return deadline < 0 ? deadline : receiveSeveral(task, file, headers, Math.min(count >>> 0, 1024), flags, deadline);
}

function* receiveSeveral(task: Task, file: SocketFile, headers: number, count: number, flags: number, deadline: number): Io<number> {
  const size = 8 * task.user.wordSize;
  let each = flags & ~S.MSG_WAITFORONE;
  for (let i = 0; i < count; i++) {
    const answer = receiveMessage(task, file, headers + i * size, each);
    const result = typeof answer === 'number' ? answer : yield* answer;
    if (result < 0) return i > 0 ? i : result;
    task.user.writeU32(headers + i * size + 7 * task.user.wordSize, result);
    if (flags & S.MSG_WAITFORONE) each |= S.MSG_DONTWAIT;
    if (task.machine.files.timers.now() >= deadline) return i + 1;
  }
  return count;
}

// ---------------------------------------------------------------- options

export function getsockopt(task: Task, fd: number, level: number, name: number, out: number, lengthAddress: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  const room = task.user.readS32(lengthAddress);
  if (room === undefined) return -Errno.EFAULT;
  if (room < 0) return -Errno.EINVAL;
  const value = level === S.SOL_SOCKET ? generalOption(file, name, task.user.wordSize) ?? file.getOption(level, name) : file.getOption(level, name);
  if (typeof value === 'number') return value;
  const bytes = value.subarray(0, room);
  if (!task.user.writeBytes(out, bytes)) return -Errno.EFAULT;
  return task.user.writeU32(lengthAddress, bytes.length) ? 0 : -Errno.EFAULT;
}

/** SOL_SOCKET options that all families have; undefined for others. */
function generalOption(file: SocketFile, name: number, wordSize: number): Uint8Array | undefined {
  const int = (value: number): Uint8Array => new Uint8Array(new Int32Array([value]).buffer);
  switch (name) {
    case S.SO_TYPE: return int(file.type);
    case S.SO_DOMAIN: return int(file.domain);
    case S.SO_PROTOCOL: return int(file.protocol);
    case S.SO_ERROR: return int(file.takeError());
    case S.SO_ACCEPTCONN: return int(file.isListening ? 1 : 0);
    case S.SO_PASSCRED: return int(file.passCredentials ? 1 : 0);
    case S.SO_RCVLOWAT: case S.SO_SNDLOWAT: return int(1);
    case S.SO_DEBUG: case S.SO_REUSEADDR: case S.SO_REUSEPORT: case S.SO_KEEPALIVE: case S.SO_BROADCAST: case S.SO_OOBINLINE:
    case S.SO_DONTROUTE: case S.SO_PRIORITY: case S.SO_TIMESTAMP: return int(0);
    case S.SO_LINGER: return new Uint8Array(8);
    case S.SO_RCVTIMEO: return encodeTimeout(file.receiveTimeout, wordSize);
    case S.SO_SNDTIMEO: return encodeTimeout(file.sendTimeout, wordSize);
    default: return undefined;
  }
}

function encodeTimeout(timeout: number, wordSize: number): Uint8Array {
  const bytes = new Uint8Array(2 * wordSize);
  const view = new DataView(bytes.buffer);
  const nanoseconds = timeout === Infinity ? 0 : timeout;
  view.setUint32(0, Math.floor(nanoseconds / 1e9), true);
  view.setUint32(wordSize, Math.floor((nanoseconds % 1e9) / 1e3), true);
  return bytes;
}

export function setsockopt(task: Task, fd: number, level: number, name: number, address: number, length: number): Result {
  const file = socketOf(task, fd);
  if (typeof file === 'number') return file;
  if (length < 4) return -Errno.EINVAL;
  const value = task.user.bytes(address, Math.min(length, 4096));
  if (!value) return -Errno.EFAULT;
  if (level !== S.SOL_SOCKET) return file.setOption(level, name, value);
  const view = new DataView(value.buffer);
  switch (name) {
    case S.SO_PASSCRED:
      file.passCredentials = view.getInt32(0, true) !== 0;
      return 0;
    case S.SO_RCVTIMEO:
    case S.SO_SNDTIMEO: {
      if (length < 2 * task.user.wordSize) return -Errno.EINVAL;
      const [seconds, microseconds] = [view.getUint32(0, true), view.getInt32(task.user.wordSize, true)];
      if (microseconds < 0 || microseconds >= 1e6) return -Errno.EDOM;
      const timeout = seconds === 0 && microseconds === 0 ? Infinity : seconds * 1e9 + microseconds * 1e3;
      if (name === S.SO_RCVTIMEO) file.receiveTimeout = timeout;
      else file.sendTimeout = timeout;
      return 0;
    }
    case S.SO_DEBUG: case S.SO_REUSEADDR: case S.SO_REUSEPORT: case S.SO_KEEPALIVE: case S.SO_BROADCAST: case S.SO_OOBINLINE:
    case S.SO_DONTROUTE: case S.SO_PRIORITY: case S.SO_LINGER: case S.SO_TIMESTAMP: case S.SO_RCVLOWAT:
      // Without meaning here; Linux takes them on any socket too.
      return 0;
    default:
      return file.setOption(level, name, value);
  }
}
