import { beforeEach, describe, expect, it } from 'vitest';
import { FileMachine, FileTask } from '../../../test/harness/fileTask.ts';
import { Wake } from '../../lib/wait.ts';
import { EPOLL_CTL_ADD } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import * as F from '../abi/fcntl.ts';
import * as Request from '../abi/ioctl.ts';
import { IN_ALL_EVENTS, IN_CLOSE_WRITE, IN_CREATE, IN_MODIFY, IN_OPEN } from '../abi/inotify.ts';
import { POLLIN, POLLNVAL } from '../abi/poll.ts';
import { SIGPIPE } from '../abi/signal.ts';
import { AF_INET, AF_UNIX, MSG_CTRUNC, MSG_DONTWAIT, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from '../abi/socket.ts';
import { Stat } from '../abi/structs.ts';
import { restart } from './common.ts';
import * as descriptors from './descriptors.ts';
import * as epoll from './epoll.ts';
import * as events from './events.ts';
import * as files from './files.ts';
import * as io from './io.ts';
import * as paths from './paths.ts';
import * as poll from './poll.ts';
import * as socket from './socket.ts';
import * as splice from './splice.ts';
import * as xattr from './xattr.ts';

let machine: FileMachine;
let t: FileTask;

beforeEach(() => {
  machine = new FileMachine();
  t = new FileTask(machine);
});

const open = (path: string, flags = 0, mode = 0o644): number => t.now(files.openat(t.task, F.AT_FDCWD, t.text(path), flags, mode));
const write = (fd: number, text: string): number => t.now(io.write(t.task, fd, t.text(text), text.length));
const read = (fd: number, length = 4096): string | number => {
  const at = t.room(length);
  const count = t.now(io.read(t.task, fd, at, length));
  return count < 0 ? count : t.string(at, count);
};
const pipe = (flags = 0): [number, number] => {
  const out = t.room(8);
  expect(t.now(descriptors.pipe2(t.task, out, flags))).toBe(0);
  return [t.view(out, 8).getInt32(0, true), t.view(out, 8).getInt32(4, true)];
};

describe('files', () => {
  it('writes, seeks, reads, appends, truncates', () => {
    const fd = open('/f', F.O_RDWR | F.O_CREAT);
    expect(fd).toBe(0);
    expect(write(fd, 'hello world')).toBe(11);
    expect(t.now(io.lseek(t.task, fd, -5, F.SEEK_END))).toBe(6);
    expect(read(fd)).toBe('world');
    expect(t.now(io.pread64(t.task, fd, t.room(8), 5, 0))).toBe(5);
    const append = open('/f', F.O_WRONLY | F.O_APPEND);
    expect(write(append, '!')).toBe(1);
    expect(read(append)).toBe(-Errno.EBADF);
    expect(t.now(descriptors.ftruncate(t.task, fd, 5))).toBe(0);
    t.now(io.lseek(t.task, fd, 0, F.SEEK_SET));
    expect(read(fd)).toBe('hello');
    const out = t.room(144);
    expect(t.now(files.fstat(t.task, fd, out))).toBe(0);
    expect(Stat.get(t.view(out, 144), 'st_size')).toBe(5);
    expect(Stat.get(t.view(out, 144), 'st_mode')).toBe(0o100644);
  });

  it('moves vectors', () => {
    const fd = open('/v', F.O_RDWR | F.O_CREAT);
    expect(t.now(io.writev(t.task, fd, t.longs(t.text('abc'), 3, 0, 0, t.text('defg'), 4), 3))).toBe(7);
    const [a, b] = [t.room(16), t.room(16)];
    expect(t.now(io.preadv(t.task, fd, t.longs(a, 5, b, 5), 2, 0))).toBe(7);
    expect(t.string(a, 5) + t.string(b, 2)).toBe('abcdefg');
    expect(t.now(io.writev(t.task, fd, 1, 1))).toBe(-Errno.EFAULT);
    expect(t.now(io.readv(t.task, fd, 0, 1025))).toBe(-Errno.EINVAL);
  });

  it('answers errors of arguments', () => {
    expect(t.now(files.openat(t.task, F.AT_FDCWD, 5, 0, 0))).toBe(-Errno.EFAULT);
    expect(t.now(files.openat(t.task, 9, t.text('x'), 0, 0))).toBe(-Errno.EBADF);
    expect(open('/missing')).toBe(-Errno.ENOENT);
    expect(t.now(io.lseek(t.task, pipe()[0], 0, 0))).toBe(-Errno.ESPIPE);
    expect(t.now(files.stat(t.task, t.text('/missing'), t.room(144)))).toBe(-Errno.ENOENT);
    expect(t.now(descriptors.close(t.task, 50))).toBe(-Errno.EBADF);
  });

  it('lists directories through small buffers', () => {
    t.now(paths.mkdir(t.task, t.text('/d'), 0o755));
    for (let i = 0; i < 40; i++) t.now(descriptors.close(t.task, open(`/d/file${i}`, F.O_CREAT)));
    const fd = open('/d', F.O_DIRECTORY);
    const names: string[] = [];
    const out = t.room(200);
    expect(t.now(files.getdents64(t.task, fd, out, 10))).toBe(-Errno.EINVAL);
    for (;;) {
      const used = t.now(files.getdents64(t.task, fd, out, 200));
      if (used === 0) break;
      for (let at = 0; at < used; at += t.view(out, 200).getUint16(at + 16, true)) {
        names.push(t.string(out + at + 19, 20).split('\0')[0]!);
      }
    }
    expect(names).toHaveLength(42);
    expect(new Set(names).size).toBe(42);
  });

  it('changes names, attributes and directories', () => {
    t.now(paths.mkdir(t.task, t.text('/a'), 0o777));
    expect(t.now(paths.chdir(t.task, t.text('/a')))).toBe(0);
    const out = t.room(64);
    expect(t.now(paths.getcwd(t.task, out, 64))).toBe(3);
    expect(t.string(out, 3)).toBe('/a\0');
    t.now(descriptors.close(t.task, open('x', F.O_CREAT)));
    expect(t.now(paths.rename(t.task, t.text('x'), t.text('/y')))).toBe(0);
    expect(t.now(paths.symlink(t.task, t.text('../y'), t.text('l')))).toBe(0);
    expect(t.now(paths.readlink(t.task, t.text('l'), out, 3))).toBe(3);
    expect(t.string(out, 3)).toBe('../');
    expect(t.now(paths.link(t.task, t.text('/y'), t.text('z')))).toBe(0);
    expect(t.now(paths.chmod(t.task, t.text('l'), 0o600))).toBe(0);
    expect(t.now(paths.utimensat(t.task, F.AT_FDCWD, t.text('z'), t.longs(5, 7, 0, 0x3ffffffe), 0))).toBe(0);
    const stat = t.room(144);
    t.now(files.stat(t.task, t.text('/y'), stat));
    const view = t.view(stat, 144);
    expect([Stat.get(view, 'st_mode'), Stat.get(view, 'st_nlink'), Stat.get(view, 'st_atime'), Stat.get(view, 'st_atime_nsec')]).toEqual([0o100600, 2, 5, 7]);
    expect(t.now(paths.unlinkat(t.task, F.AT_FDCWD, t.text('/a'), F.AT_REMOVEDIR))).toBe(-Errno.ENOTEMPTY);
    expect(t.now(paths.fchdir(t.task, open('/', F.O_PATH)))).toBe(0);
    expect(t.now(paths.getcwd(t.task, out, 1))).toBe(-Errno.ERANGE);
  });

  it('keeps extended attributes', () => {
    open('/x', F.O_CREAT);
    expect(t.now(xattr.setxattr(t.task, t.text('/x'), t.text('user.k'), t.text('value'), 5, 0))).toBe(0);
    const out = t.room(64);
    expect(t.now(xattr.getxattr(t.task, t.text('/x'), t.text('user.k'), 0, 0))).toBe(5);
    expect(t.now(xattr.getxattr(t.task, t.text('/x'), t.text('user.k'), out, 2))).toBe(-Errno.ERANGE);
    expect(t.now(xattr.listxattr(t.task, t.text('/x'), out, 64))).toBe(7);
    expect(t.now(xattr.removexattr(t.task, t.text('/x'), t.text('user.k')))).toBe(0);
    expect(t.now(xattr.getxattr(t.task, t.text('/x'), t.text('user.k'), out, 64))).toBe(-Errno.ENODATA);
  });

  it('opens devices', () => {
    expect(write(open('/dev/full', F.O_WRONLY), 'x')).toBe(-Errno.ENOSPC);
    expect(read(open('/dev/zero'), 3)).toBe('\0\0\0');
    expect(read(open('/dev/null'))).toBe('');
    expect(read(open('/dev/urandom'), 2)).toBe('\x07\x07');
    expect(open('/dev/tty')).toBe(-Errno.ENXIO);
  });

  it('makes memory files with seals', () => {
    const fd = t.now(descriptors.memfd_create(t.task, t.text('m'), F.MFD_ALLOW_SEALING | F.MFD_CLOEXEC));
    expect(write(fd, 'abc')).toBe(3);
    expect(t.now(descriptors.fcntl(t.task, fd, F.F_GETFD, 0))).toBe(1);
    expect(t.now(descriptors.fcntl(t.task, fd, F.F_ADD_SEALS, F.F_SEAL_WRITE))).toBe(0);
    expect(write(fd, 'abc')).toBe(-Errno.EPERM);
    t.now(io.lseek(t.task, fd, 0, 0));
    expect(read(fd)).toBe('abc');
  });
});

describe('descriptors', () => {
  it('hands out the lowest, duplicates, closes ranges, keeps the limit', () => {
    const fd = open('/dev/null');
    expect(t.now(descriptors.dup(t.task, fd))).toBe(1);
    expect(t.now(descriptors.dup2(t.task, fd, 10))).toBe(10);
    expect(t.now(descriptors.fcntl(t.task, fd, F.F_DUPFD_CLOEXEC, 5))).toBe(5);
    expect(t.now(descriptors.dup2(t.task, fd, 64))).toBe(-Errno.EBADF);
    expect(t.now(descriptors.close(t.task, 1))).toBe(0);
    expect(open('/dev/null')).toBe(1);
    expect(t.now(descriptors.close_range(t.task, 2, 0xffffffff, 0))).toBe(0);
    expect([...t.files.entries()].map(([number]) => number)).toEqual([0, 1]);
    let last = 0;
    while (last >= 0) last = open('/dev/null');
    expect(last).toBe(-Errno.EMFILE);
    expect(t.files.size).toBe(64);
  });

  it('locks records between processes, and drops them at any close', () => {
    const other = new FileTask(machine);
    const fd = open('/l', F.O_RDWR | F.O_CREAT);
    const theirs = other.now(files.openat(other.task, F.AT_FDCWD, t.text('/l'), F.O_RDWR, 0));
    const lock = (type: number): number => {
      const at = t.room(32);
      t.view(at, 32).setInt16(0, type, true);
      t.view(at, 32).setBigInt64(16, 10n, true);
      return at;
    };
    expect(t.now(descriptors.fcntl(t.task, fd, F.F_SETLK, lock(F.F_WRLCK)))).toBe(0);
    expect(other.now(descriptors.fcntl(other.task, theirs, F.F_SETLK, lock(F.F_RDLCK)))).toBe(-Errno.EAGAIN);
    const asked = lock(F.F_RDLCK);
    expect(other.now(descriptors.fcntl(other.task, theirs, F.F_GETLK, asked))).toBe(0);
    expect([t.view(asked, 32).getInt16(0, true), t.view(asked, 32).getInt32(24, true)]).toEqual([F.F_WRLCK, 100]);
    const sleeper = other.asleep(descriptors.fcntl(other.task, theirs, F.F_SETLKW, lock(F.F_WRLCK)));
    t.now(descriptors.close(t.task, open('/l')));
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(0);
  });
});

describe('pipes and polls', () => {
  it('sleeps for a writer, is interrupted, raises SIGPIPE', () => {
    const [reader, writer] = pipe();
    const at = t.room(16);
    const sleeper = t.asleep(io.read(t.task, reader, at, 16));
    write(writer, 'hi');
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(2);
    expect(t.string(at, 2)).toBe('hi');
    expect(t.asleep(io.read(t.task, reader, at, 16)).resume(Wake.interrupted).result).toBe(restart);
    t.now(descriptors.close(t.task, reader));
    expect(write(writer, 'x')).toBe(-Errno.EPIPE);
    expect(t.raised).toEqual([SIGPIPE]);
  });

  it('writes more than a pipe holds as it is read', () => {
    const [reader, writer] = pipe();
    const big = t.room(100000);
    t.bytes(big, 100000).fill(9);
    const sleeper = t.asleep(io.write(t.task, writer, big, 100000));
    expect(t.now(io.read(t.task, reader, t.room(65536), 65536))).toBe(65536);
    expect(sleeper.resume().result).toBe(100000);
    const [, non] = pipe(F.O_NONBLOCK);
    expect(t.now(io.write(t.task, non, big, 100000))).toBe(65536);
    expect(t.now(io.write(t.task, non, big, 1))).toBe(-Errno.EAGAIN);
  });

  it('polls', () => {
    const [reader, writer] = pipe();
    const set = t.words(reader, POLLIN, 40, POLLIN, -1, POLLIN);
    expect(t.now(poll.poll(t.task, set, 3, 0))).toBe(1);
    expect(t.view(set, 24).getUint16(14, true)).toBe(POLLNVAL);
    const one = t.words(reader, POLLIN);
    const sleeper = t.asleep(poll.poll(t.task, one, 1, 50));
    expect(sleeper.wait?.deadline).toBe(machine.clock + 50e6);
    write(writer, 'x');
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(1);
    const empty = t.words(pipe()[0], POLLIN);
    expect(t.asleep(poll.poll(t.task, empty, 1, 50)).resume(Wake.timeout).result).toBe(0);
    expect(t.asleep(poll.poll(t.task, empty, 1, -1)).resume(Wake.interrupted).result).toBe(-Errno.EINTR);
  });

  it('selects', () => {
    const [reader, writer] = pipe();
    const reads = t.longs(2 ** reader, 0);
    const sleeper = t.asleep(poll.select(t.task, reader + 1, reads, 0, 0, t.longs(1, 500000)));
    write(writer, 'x');
    expect(sleeper.resume().result).toBe(1);
    expect(t.view(reads, 8).getUint32(0, true)).toBe(2 ** reader);
    expect(t.now(poll.select(t.task, 64, t.longs(2 ** 40), 0, 0, 0))).toBe(-Errno.EBADF);
    const writes = t.longs(2 ** writer);
    expect(t.now(poll.select(t.task, writer + 1, 0, writes, 0, 0))).toBe(1);
  });

  it('waits with epoll', () => {
    const [reader, writer] = pipe();
    const set = t.now(epoll.epoll_create1(t.task, 0));
    const event = t.room(12);
    t.view(event, 12).setUint32(0, POLLIN, true);
    t.view(event, 12).setUint32(4, 77, true);
    expect(t.now(epoll.epoll_ctl(t.task, set, EPOLL_CTL_ADD, reader, event))).toBe(0);
    const out = t.room(24);
    const sleeper = t.asleep(epoll.epoll_wait(t.task, set, out, 2, -1));
    write(writer, 'x');
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(1);
    expect(t.view(out, 12).getUint32(4, true)).toBe(77);
    expect(t.now(epoll.epoll_wait(t.task, reader, out, 2, 0))).toBe(-Errno.EINVAL);
  });

  it('splices, tees, sends files', () => {
    const [r1, w1] = pipe();
    const [r2, w2] = pipe();
    const fd = open('/s', F.O_RDWR | F.O_CREAT);
    write(fd, 'from the file');
    const offset = t.longs(5);
    expect(t.now(splice.splice(t.task, fd, offset, w1, 0, 100, 0))).toBe(8);
    expect(t.view(offset, 8).getInt32(0, true)).toBe(13);
    expect(t.now(splice.tee(t.task, r1, w2, 100, 0))).toBe(8);
    expect([read(r1), read(r2)]).toEqual(['the file', 'the file']);
    t.now(io.lseek(t.task, fd, 0, 0));
    expect(t.now(splice.sendfile(t.task, w1, fd, 0, 4))).toBe(4);
    expect(read(r1)).toBe('from');
    const copy = open('/t', F.O_RDWR | F.O_CREAT);
    expect(t.now(splice.copy_file_range(t.task, fd, t.longs(0), copy, 0, 100, 0))).toBe(13);
    t.now(io.lseek(t.task, copy, 0, 0));
    expect(read(copy)).toBe('from the file');
  });
});

describe('event files', () => {
  it('expires timers', () => {
    const fd = t.now(events.timerfd_create(t.task, 1, 0));
    expect(t.now(events.timerfd_settime(t.task, fd, 0, t.longs(0, 1000, 0, 5000), 0))).toBe(0);
    const at = t.room(8);
    const sleeper = t.asleep(io.read(t.task, fd, at, 8));
    machine.advance(7500);
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(8);
    expect(t.view(at, 8).getUint32(0, true)).toBe(3);
    const out = t.room(32);
    t.now(events.timerfd_gettime(t.task, fd, out));
    expect(Number(t.view(out, 32).getBigInt64(24, true))).toBe(500);
  });

  it('watches directories', () => {
    t.now(paths.mkdir(t.task, t.text('/w'), 0o755));
    const fd = t.now(events.inotify_init1(t.task, F.O_NONBLOCK));
    expect(t.now(events.inotify_add_watch(t.task, fd, t.text('/w'), IN_ALL_EVENTS))).toBe(1);
    expect(read(fd)).toBe(-Errno.EAGAIN);
    const file = open('/w/n', F.O_CREAT | F.O_WRONLY);
    write(file, 'x');
    t.now(descriptors.close(t.task, file));
    const out = t.room(512);
    const used = t.now(io.read(t.task, fd, out, 512));
    const masks: number[] = [];
    for (let at = 0; at < used; at += 16 + t.view(out, 512).getUint32(at + 12, true)) {
      masks.push(t.view(out, 512).getUint32(at + 4, true));
      expect(t.string(out + at + 16, 2)).toBe('n\0');
    }
    expect(masks).toEqual([IN_CREATE, IN_OPEN, IN_MODIFY, IN_CLOSE_WRITE]);
  });
});

describe('sockets', () => {
  const pair = (): [number, number] => {
    const out = t.room(8);
    expect(t.now(socket.socketpair(t.task, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out))).toBe(0);
    return [t.view(out, 8).getInt32(0, true), t.view(out, 8).getInt32(4, true)];
  };
  const header = (vector: number, control: number, controlLength: number): number => t.longs(0, 0, vector, 1, control, controlLength, 0);

  it('passes a descriptor with a message, and says so when it has no room', () => {
    const [a, b] = pair();
    const fd = open('/p', F.O_RDWR | F.O_CREAT);
    write(fd, 'passed');
    const control = t.room(24);
    t.view(control, 24).setUint32(0, 20, true);
    t.view(control, 24).setInt32(8, SOL_SOCKET, true);
    t.view(control, 24).setInt32(12, SCM_RIGHTS, true);
    t.view(control, 24).setInt32(16, fd, true);
    expect(t.now(socket.sendmsg(t.task, a, header(t.longs(t.text('x'), 1), control, 24), 0))).toBe(1);
    t.now(descriptors.close(t.task, fd));
    const incoming = t.room(24);
    const got = header(t.longs(t.room(8), 8), incoming, 24);
    expect(t.now(socket.recvmsg(t.task, b, got, 0))).toBe(1);
    expect(t.view(got, 56).getUint32(40, true)).toBe(24);
    const received = t.view(incoming, 24).getInt32(16, true);
    t.now(io.lseek(t.task, received, 0, 0));
    expect(read(received)).toBe('passed');
    t.view(control, 24).setInt32(16, received, true);
    t.now(socket.sendmsg(t.task, a, header(t.longs(t.text('x'), 1), control, 24), 0));
    const short = header(t.longs(t.room(8), 8), 0, 0);
    t.now(socket.recvmsg(t.task, b, short, 0));
    expect(t.view(short, 56).getUint32(48, true)).toBe(MSG_CTRUNC);
  });

  it('serves at a path', () => {
    const address = t.text('\x01\0/sock');
    const server = t.now(socket.socket(t.task, AF_UNIX, SOCK_STREAM, 0));
    expect(t.now(socket.bind(t.task, server, address, 7))).toBe(0);
    expect(t.now(socket.bind(t.task, t.now(socket.socket(t.task, AF_UNIX, SOCK_STREAM, 0)), address, 7))).toBe(-Errno.EADDRINUSE);
    expect(t.now(socket.listen(t.task, server, 5))).toBe(0);
    const client = t.now(socket.socket(t.task, AF_UNIX, SOCK_STREAM, 0));
    const sleeper = t.asleep(socket.accept4(t.task, server, 0, 0, SOCK_CLOEXEC));
    expect(t.now(socket.connect(t.task, client, address, 7))).toBe(0);
    expect(sleeper.isWoken).toBe(true);
    const served = sleeper.resume().result!;
    expect(t.now(socket.sendto(t.task, client, t.text('hello'), 5, 0, 0, 0))).toBe(5);
    expect(read(served)).toBe('hello');
    expect(t.now(socket.recvfrom(t.task, served, t.room(8), 8, MSG_DONTWAIT, 0, 0))).toBe(-Errno.EAGAIN);
    const [name, length] = [t.room(32), t.words(32)];
    expect(t.now(socket.getpeername(t.task, client, name, length))).toBe(0);
    expect(t.string(name, 8)).toBe('\x01\0/sock\0');
    t.now(descriptors.close(t.task, served));
    expect(t.now(io.write(t.task, client, name, 1))).toBe(-Errno.EPIPE);
    expect(t.now(socket.socket(t.task, AF_INET, SOCK_STREAM, 0))).toBe(-Errno.EAFNOSUPPORT);
    expect(t.now(socket.listen(t.task, open('/dev/null'), 1))).toBe(-Errno.ENOTSOCK);
  });
});

describe('terminals', () => {
  it('opens a pair by /dev/ptmx and /dev/pts', () => {
    const master = open('/dev/ptmx', F.O_RDWR | F.O_NOCTTY);
    const number = t.room(4);
    expect(t.now(descriptors.ioctl(t.task, master, Request.TIOCGPTN, number))).toBe(0);
    expect(open('/dev/pts/0', F.O_RDWR)).toBe(-Errno.EIO);
    expect(t.now(descriptors.ioctl(t.task, master, Request.TIOCSPTLCK, t.words(0)))).toBe(0);
    const slave = open('/dev/pts/0', F.O_RDWR);
    expect(slave).toBeGreaterThan(0);
    write(master, 'ls\r');
    expect(read(slave)).toBe('ls\n');
    expect(read(master)).toBe('ls\r\n');
    expect(t.now(descriptors.ioctl(t.task, slave, Request.TIOCGPGRP, number))).toBe(0);
    expect(t.view(number, 4).getInt32(0, true)).toBe(100);
    const again = open('/dev/tty', F.O_RDWR);
    expect(t.now(descriptors.ioctl(t.task, again, Request.TCGETS, t.room(64)))).toBe(0);
    expect(t.now(descriptors.ioctl(t.task, open('/dev/null'), Request.TCGETS, t.room(64)))).toBe(-Errno.ENOTTY);
    const peer = t.now(descriptors.ioctl(t.task, master, Request.TIOCGPTPEER, F.O_RDWR | F.O_NOCTTY));
    write(peer, 'x');
    expect(read(master)).toBe('x');
    const sleeper = t.asleep(io.read(t.task, slave, t.room(8), 8));
    t.now(descriptors.close(t.task, master));
    expect(sleeper.resume().result).toBe(0);
    expect(machine.signals).toContain('s100:1');
  });
});
