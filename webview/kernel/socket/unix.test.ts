import { describe, expect, it } from 'vitest';
import { Driven, anonymousPath, readText, writeText } from '../../../test/harness/anonymousPaths.ts';
import { fromBytes, toBytes } from '../../lib/byteString.ts';
import { BufferSink, BufferSource } from '../../lib/transfer.ts';
import { Wait } from '../../lib/wait.ts';
import type { Namespace } from '../../fs/vfs/namespace.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { Errno } from '../abi/errno.ts';
import { POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../abi/poll.ts';
import { MSG_PEEK, MSG_TRUNC, SHUT_WR, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, SO_PEERCRED } from '../abi/socket.ts';
import { S_IFSOCK } from '../abi/stat.ts';
import { EventFile } from '../ipc/eventfd.ts';
import { emptyMessage, type SocketFile } from './socketFile.ts';
import { UnixSocket, type UnixSockets } from './unix.ts';
import { UnixAddresses } from './unixAddresses.ts';

const caller = { credentials: { uid: 0, gid: 0 } } as never;
const me = { pid: 5, uid: 1000, gid: 1000 };

function machine(): UnixSockets {
  return { addresses: new UnixAddresses(undefined as unknown as Namespace), newPath: () => anonymousPath(S_IFSOCK) };
}

const pair = (type: number) => UnixSocket.pair(caller, type, 0, machine(), me);
const abstract = (name: string) => toBytes('\x01\0\0' + name);

function send(socket: SocketFile, text: string, rights: readonly OpenFile[] = []): number | Wait {
  return socket.send(new BufferSource(toBytes(text)), { address: undefined, rights, credentials: me, flags: 0 });
}

function receive(socket: SocketFile, length: number, flags = 0) {
  const message = emptyMessage();
  const sink = new BufferSink(new Uint8Array(length));
  const result = socket.receive(sink, flags, message);
  return { result, text: fromBytes(sink.taken), ...message };
}

describe('stream', () => {
  it('carries bytes without boundaries, and ends', () => {
    const [a, b] = pair(SOCK_STREAM);
    writeText(a, 'one');
    writeText(a, 'two');
    expect(receive(b, 4, MSG_PEEK).text).toBe('onet');
    expect(readText(b, 4)).toBe('onet');
    expect(readText(b)).toBe('wo');
    expect(readText(b)).toBeInstanceOf(Wait);
    a.shutdown(SHUT_WR);
    expect(b.poll() & (POLLIN | POLLRDHUP | POLLHUP)).toBe(POLLIN | POLLRDHUP);
    expect(readText(b)).toBe('');
    expect(writeText(a, 'x')).toBe(-Errno.EPIPE);
    expect(writeText(b, 'back')).toBe(4);
    b.release();
    expect(readText(a)).toBe('back');
    expect(readText(a)).toBe('');
    expect(a.poll() & POLLHUP).toBe(POLLHUP);
  });

  it('says ECONNRESET when the peer left data unread', () => {
    const [a, b] = pair(SOCK_STREAM);
    writeText(a, 'lost');
    b.release();
    expect(readText(a)).toBe(-Errno.ECONNRESET);
    expect(readText(a)).toBe('');
  });

  it('holds back a sender whose peer does not read', () => {
    const [a, b] = pair(SOCK_STREAM);
    let sent = 0;
    for (;;) {
      const count = writeText(a, 'x'.repeat(30000));
      if (typeof count !== 'number') break;
      sent += count;
    }
    expect(sent).toBe(212992);
    expect(a.poll() & POLLOUT).toBe(0);
    let woken = false;
    a.queue.add({ wake: () => (woken = true) });
    while (typeof readText(b, 65536) === 'string');
    expect(woken).toBe(true);
    expect(a.poll() & POLLOUT).toBe(POLLOUT);
  });

  it('ends a read behind the bytes that descriptors came with', () => {
    const [a, b] = pair(SOCK_STREAM);
    const file = new EventFile(anonymousPath(), 0, 0);
    send(a, 'ab');
    send(a, 'cd', [file]);
    send(a, 'ef');
    const first = receive(b, 10);
    expect(first.text).toBe('abcd');
    expect(first.rights).toEqual([file]);
    expect(receive(b, 10).text).toBe('ef');
  });

  it('listens, connects, accepts, and shows credentials and names', () => {
    const sockets = machine();
    const server = new UnixSocket(anonymousPath(S_IFSOCK), SOCK_STREAM, 0, sockets, me);
    const client = new UnixSocket(anonymousPath(S_IFSOCK), SOCK_STREAM, 0, sockets, me);
    expect(new Driven(client.connect(caller, abstract('x'), me)).result).toBe(-Errno.ECONNREFUSED);
    expect(new Driven(server.bind(caller, abstract('x'))).result).toBe(0);
    expect(new Driven(client.connect(caller, abstract('x'), me)).result).toBe(-Errno.ECONNREFUSED);
    expect(server.listen(0, { pid: 1, uid: 0, gid: 0 })).toBe(0);
    expect(server.accept(caller, 0)).toBeInstanceOf(Wait);
    expect(new Driven(client.connect(caller, abstract('x'), me)).result).toBe(0);
    expect(server.poll() & POLLIN).toBe(POLLIN);
    const late = new UnixSocket(anonymousPath(S_IFSOCK), SOCK_STREAM, 0, sockets, me);
    const waiting = new Driven(late.connect(caller, abstract('x'), me));
    expect(waiting.wait).toBeDefined();
    const served = server.accept(caller, 0) as UnixSocket;
    expect(waiting.isWoken).toBe(true);
    expect(waiting.resume().result).toBe(0);
    expect(new Int32Array((served.getOption(SOL_SOCKET, SO_PEERCRED) as Uint8Array).buffer)[0]).toBe(5);
    expect(new Int32Array((client.getOption(SOL_SOCKET, SO_PEERCRED) as Uint8Array).buffer)[0]).toBe(1);
    expect(client.peerAddress).toEqual(abstract('x'));
    writeText(client, 'hello');
    expect(readText(served)).toBe('hello');
    server.release();
    expect(readText(late)).toBe(-Errno.ECONNRESET);
    expect(readText(late)).toBe('');
  });
});

describe('datagram and seqpacket', () => {
  it('keeps boundaries and says what it cut', () => {
    const [a, b] = pair(SOCK_SEQPACKET);
    send(a, 'abcdef');
    send(a, 'g');
    const first = receive(b, 3, MSG_TRUNC);
    expect([first.result, first.text, first.flags & MSG_TRUNC]).toEqual([6, 'abc', MSG_TRUNC]);
    expect(receive(b, 3).text).toBe('g');
  });

  it('reaches a bound socket by name, tells the sender, and refuses when it is gone', () => {
    const sockets = machine();
    const [server, client] = [1, 2].map(() => new UnixSocket(anonymousPath(S_IFSOCK), SOCK_DGRAM, 0, sockets, me)) as [UnixSocket, UnixSocket];
    new Driven(server.bind(caller, abstract('srv')));
    new Driven(client.bind(caller, abstract('cli')));
    const message = { address: abstract('srv'), rights: [], credentials: me, flags: 0 };
    expect(new Driven(client.prepareSend(caller, message)).result).toBe(0);
    expect(client.send(new BufferSource(toBytes('hi')), message)).toBe(2);
    expect(receive(server, 10)).toMatchObject({ text: 'hi', address: abstract('cli') });
    expect(new Driven(client.connect(caller, abstract('srv'), me)).result).toBe(0);
    for (let i = 0; i < 11; i++) expect(send(client, 'x')).toBe(1);
    expect(send(client, 'x')).toBeInstanceOf(Wait);
    expect(client.poll() & POLLOUT).toBe(0);
    server.release();
    expect(send(client, 'x')).toBe(-Errno.ECONNREFUSED);
  });
});
