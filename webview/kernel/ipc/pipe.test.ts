import { describe, expect, it } from 'vitest';
import { Driven, anonymousPath, readText, writeText } from '../../../test/harness/anonymousPaths.ts';
import { BufferSink, BufferSource } from '../../lib/transfer.ts';
import { Wait, Wake } from '../../lib/wait.ts';
import { Errno } from '../abi/errno.ts';
import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../abi/poll.ts';
import { Fifos, PIPE_BUF, PipeFile, createPipe } from './pipe.ts';

function pipe(flags = 0): [PipeFile, PipeFile] {
  const path = anonymousPath();
  return createPipe(path, path.dentry.inode!, flags);
}

describe('pipe', () => {
  it('gives bytes in order, waits when empty, ends when the writer is gone', () => {
    const [reader, writer] = pipe();
    expect(readText(reader)).toBeInstanceOf(Wait);
    expect(writeText(writer, 'hello ')).toBe(6);
    expect(writeText(writer, 'world')).toBe(5);
    expect(readText(reader, 8)).toBe('hello wo');
    writer.release();
    expect(reader.poll() & (POLLIN | POLLHUP)).toBe(POLLIN | POLLHUP);
    expect(readText(reader)).toBe('rld');
    expect(readText(reader)).toBe('');
  });

  it('keeps every byte through a ring that wraps and grows', () => {
    const [reader, writer] = pipe();
    let next = 0;
    let expected = 0;
    let wrong = 0;
    let size = 1;
    for (let round = 0; round < 2000; round++) {
      size = (size * 1103 + 12345) % 9000;
      const chunk = new Uint8Array(size).map((_, i) => (next + i) % 251);
      const written = writer.write(new BufferSource(chunk));
      if (typeof written === 'number') next += written;
      const sink = new BufferSink(new Uint8Array((size * 7) % 11000));
      const got = reader.read(sink);
      if (typeof got === 'number') for (const byte of sink.taken) wrong += byte === expected++ % 251 ? 0 : 1;
    }
    expect(wrong).toBe(0);
    expect(expected).toBeGreaterThan(100_000);
  });

  it('writes up to PIPE_BUF whole or not at all, more in parts', () => {
    const [, writer] = pipe();
    expect(writeText(writer, 'x'.repeat(65536 - 100))).toBe(65536 - 100);
    expect(writeText(writer, 'y'.repeat(PIPE_BUF))).toBeInstanceOf(Wait);
    expect(writer.poll() & POLLOUT).toBe(0);
    expect(writeText(writer, 'y'.repeat(PIPE_BUF + 1))).toBe(100);
  });

  it('answers EPIPE without readers', () => {
    const [reader, writer] = pipe();
    reader.release();
    expect(writeText(writer, 'x')).toBe(-Errno.EPIPE);
    expect(writer.poll() & POLLERR).toBe(POLLERR);
  });

  it('keeps packets apart with O_DIRECT and drops what a short read leaves', () => {
    const [reader, writer] = pipe(O_DIRECT);
    writeText(writer, 'abcdef');
    writeText(writer, 'gh');
    expect(readText(reader, 3)).toBe('abc');
    expect(readText(reader)).toBe('gh');
  });

  it('changes its capacity in pages, never below what is in it', () => {
    const [, writer] = pipe();
    writeText(writer, 'x'.repeat(10000));
    expect(writer.pipe.setCapacity(4096)).toBe(-Errno.EBUSY);
    expect(writer.pipe.setCapacity(10001)).toBe(16384);
    expect(writer.pipe.setCapacity(1 << 21)).toBe(-Errno.EPERM);
    expect(writeText(writer, 'x'.repeat(10000))).toBe(6384);
  });
});

describe('FIFO', () => {
  it('opens when both ends are there', () => {
    const fifos = new Fifos();
    const path = anonymousPath();
    const inode = path.dentry.inode!;
    expect(new Driven(fifos.open(path, inode, O_WRONLY | O_NONBLOCK)).result).toBe(-Errno.ENXIO);
    const reader = new Driven(fifos.open(path, inode, O_RDONLY));
    expect(reader.wait).toBeDefined();
    const writer = new Driven(fifos.open(path, inode, O_WRONLY)).result;
    expect(writer).toBeInstanceOf(PipeFile);
    expect(reader.isWoken).toBe(true);
    expect(reader.resume().result).toBeInstanceOf(PipeFile);
  });

  it('sees a writer that came and went while it waited', () => {
    const fifos = new Fifos();
    const path = anonymousPath();
    const reader = new Driven(fifos.open(path, path.dentry.inode!, O_RDONLY));
    const writer = new Driven(fifos.open(path, path.dentry.inode!, O_WRONLY)).result as PipeFile;
    writer.release();
    const file = reader.resume().result as PipeFile;
    expect(readText(file)).toBe('');
  });

  it('gives up on a signal, and does not wait with O_RDWR', () => {
    const fifos = new Fifos();
    const path = anonymousPath();
    expect(new Driven(fifos.open(path, path.dentry.inode!, O_RDONLY)).resume(Wake.interrupted).result).toBe(-Errno.EINTR);
    expect(new Driven(fifos.open(path, path.dentry.inode!, O_RDWR)).result).toBeInstanceOf(PipeFile);
  });
});
