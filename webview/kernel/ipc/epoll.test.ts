import { describe, expect, it } from 'vitest';
import { anonymousPath, readText, writeText } from '../../../test/harness/anonymousPaths.ts';
import { Wait } from '../../lib/wait.ts';
import { EFD_SEMAPHORE, EPOLLET, EPOLLONESHOT, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { POLLHUP, POLLIN, POLLOUT } from '../abi/poll.ts';
import { S_IFREG } from '../abi/stat.ts';
import { EpollFile } from './epoll.ts';
import { EventFile } from './eventfd.ts';
import { createPipe } from './pipe.ts';

function pipe() {
  const path = anonymousPath();
  return createPipe(path, path.dentry.inode!, 0);
}

function collect(set: EpollFile, maximum = 10): [events: number, data: number][] {
  const got: [number, number][] = [];
  set.collect(maximum, (events, low) => got.push([events, low]) > 0);
  return got;
}

describe('epoll', () => {
  it('reports level-triggered readiness until it is gone', () => {
    const [reader, writer] = pipe();
    const set = new EpollFile(anonymousPath());
    expect(set.control(EPOLL_CTL_ADD, 3, reader, POLLIN, 42, 0)).toBe(0);
    expect(set.control(EPOLL_CTL_ADD, 3, reader, POLLIN, 42, 0)).toBe(-Errno.EEXIST);
    expect(collect(set)).toEqual([]);
    let woken = 0;
    set.queue.add({ wake: () => ++woken > 0 });
    writeText(writer, 'ab');
    expect(woken).toBe(1);
    expect(collect(set)).toEqual([[POLLIN, 42]]);
    readText(reader, 1);
    expect(collect(set)).toEqual([[POLLIN, 42]]);
    readText(reader, 1);
    expect(collect(set)).toEqual([]);
    writer.release();
    expect(collect(set)).toEqual([[POLLHUP, 42]]);
  });

  it('reports an edge once for each arrival', () => {
    const [reader, writer] = pipe();
    const set = new EpollFile(anonymousPath());
    writeText(writer, 'a');
    set.control(EPOLL_CTL_ADD, 3, reader, POLLIN | EPOLLET, 1, 0);
    expect(collect(set)).toHaveLength(1);
    expect(collect(set)).toHaveLength(0);
    writeText(writer, 'b');
    expect(collect(set)).toHaveLength(1);
  });

  it('disarms after one report with EPOLLONESHOT until it is modified', () => {
    const [reader, writer] = pipe();
    const set = new EpollFile(anonymousPath());
    set.control(EPOLL_CTL_ADD, 3, reader, POLLIN | EPOLLONESHOT, 1, 0);
    writeText(writer, 'a');
    expect(collect(set)).toHaveLength(1);
    writeText(writer, 'b');
    expect(collect(set)).toHaveLength(0);
    expect(set.control(EPOLL_CTL_MOD, 3, reader, POLLIN | EPOLLONESHOT, 2, 0)).toBe(0);
    expect(collect(set)).toEqual([[POLLIN, 2]]);
  });

  it('serves many ready files in turn', () => {
    const set = new EpollFile(anonymousPath());
    for (let i = 0; i < 4; i++) set.control(EPOLL_CTL_ADD, i, new EventFile(anonymousPath(), 1, 0), POLLIN, i, 0);
    expect(collect(set, 2).map(([, data]) => data)).toEqual([0, 1]);
    expect(collect(set, 2).map(([, data]) => data)).toEqual([2, 3]);
    expect(collect(set, 2).map(([, data]) => data)).toEqual([0, 1]);
  });

  it('forgets a file when its last reference goes, not at a close of one of two', () => {
    const [, writer] = pipe();
    const set = new EpollFile(anonymousPath());
    set.control(EPOLL_CTL_ADD, 4, writer, POLLOUT, 0, 0);
    writer.retain();
    writer.release();
    expect(collect(set)).toHaveLength(1);
    writer.release();
    expect(collect(set)).toHaveLength(0);
    expect(set.control(EPOLL_CTL_DEL, 4, writer, 0, 0, 0)).toBe(-Errno.ENOENT);
  });

  it('nests, and refuses loops and files that are always ready', () => {
    const [reader, writer] = pipe();
    const inner = new EpollFile(anonymousPath());
    const outer = new EpollFile(anonymousPath());
    inner.control(EPOLL_CTL_ADD, 3, reader, POLLIN, 1, 0);
    expect(outer.control(EPOLL_CTL_ADD, 5, inner, POLLIN, 2, 0)).toBe(0);
    expect(inner.control(EPOLL_CTL_ADD, 6, outer, POLLIN, 3, 0)).toBe(-Errno.ELOOP);
    expect(inner.control(EPOLL_CTL_ADD, 6, inner, POLLIN, 3, 0)).toBe(-Errno.EINVAL);
    writeText(writer, 'x');
    expect(collect(outer)).toEqual([[POLLIN, 2]]);
    class Regular extends EventFile {}
    expect(inner.control(EPOLL_CTL_ADD, 7, new Regular(anonymousPath(S_IFREG), 0, 0), POLLIN, 0, 0)).toBe(-Errno.EPERM);
  });
});

describe('eventfd', () => {
  it('adds up and gives the sum, or one at a time as a semaphore', () => {
    const counter = new EventFile(anonymousPath(), 3, 0);
    expect(counter.add(4, 1)).toBe(8);
    expect(readText(counter)).toBe('\x07\0\0\0\x01\0\0\0');
    expect(readText(counter)).toBeInstanceOf(Wait);
    const semaphore = new EventFile(anonymousPath(), 2, EFD_SEMAPHORE);
    expect(readText(semaphore)).toBe('\x01\0\0\0\0\0\0\0');
    expect(readText(semaphore)).toBe('\x01\0\0\0\0\0\0\0');
    expect(readText(semaphore)).toBeInstanceOf(Wait);
  });

  it('waits rather than overflow', () => {
    const counter = new EventFile(anonymousPath(), 0, 0);
    expect(counter.add(0xffffffff, 0xffffffff)).toBe(-Errno.EINVAL);
    expect(counter.add(0xfffffffe, 0xffffffff)).toBe(8);
    expect(counter.poll() & POLLOUT).toBe(0);
    expect(counter.add(1, 0)).toBeInstanceOf(Wait);
  });
});
