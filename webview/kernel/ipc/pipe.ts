/**
 * Objects that processes talk through: pipes, FIFOs, eventfd, timerfd, signalfd, epoll, inotify, file locks. Each is an open file (or,
 * for locks, a book kept per inode) that never sleeps itself: it answers a Wait. System calls are not here.
 */
import { Errno } from '../abi/errno.ts';
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, WaitQueue, type Attempt, type Io } from '../../lib/wait.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile } from '../files/kernelFile.ts';

/** pipe(7): writes up to this size are atomic. */
export const PIPE_BUF = 4096;
const defaultCapacity = 65536;
/** fs.pipe-max-size. */
const maximumCapacity = 1 << 20;

/** The bytes between the ends of a pipe: a ring that grows up to the capacity. */
export class Pipe {
  #ring = new Uint8Array(PIPE_BUF);
  #start = 0;
  #length = 0;
  #capacity = defaultCapacity;
  /** In packet mode (O_DIRECT) the lengths of the packets in the ring, in order; otherwise unused. */
  readonly #packets: number[] = [];
  readers = 0;
  writers = 0;
  /** FIFOs: how often an end was opened, so that an open that waits for its peer sees one that came and went. */
  readerOpens = 0;
  writerOpens = 0;
  /** Readers, writers and pollers of both ends. */
  readonly queue = new WaitQueue();
  readonly wait = new Wait([this.queue]);

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** F_SETPIPE_SZ: the capacity in bytes that it got (a power of two pages), or -errno. */
  setCapacity(size: number): number {
    if (size > 2 ** 31 || size < 0) return -Errno.EINVAL;
    let capacity = PIPE_BUF;
    while (capacity < size) capacity *= 2;
    if (capacity > maximumCapacity) return -Errno.EPERM;
    if (capacity < this.#length) return -Errno.EBUSY;
    this.#capacity = capacity;
    if (this.#ring.length > capacity) this.#resize(capacity);
    this.queue.wake(POLLOUT | POLLWRNORM);
    return capacity;
  }

  /** Room for writing, in bytes. */
  get room(): number {
    return this.#capacity - this.#length;
  }

  /** Moves bytes to `sink`, at most one packet's in packet mode. The count, -EFAULT, 0 at the end of file, or the Wait for a writer. */
  read(sink: Sink): Attempt<number> {
    if (this.#length === 0) return this.writers === 0 ? 0 : this.wait;
    if (sink.remaining === 0) return 0;
    const packet = this.#packets[0];
    const wanted = Math.min(sink.remaining, packet ?? this.#length);
    const taken = this.#copyOut(sink, wanted);
    if (taken === 0) return -Errno.EFAULT;
    if (packet !== undefined) {
      // What a packet has beyond the reader's buffer is lost (pipe(2) O_DIRECT).
      this.#packets.shift();
      this.#drop(packet);
    } else {
      this.#drop(taken);
    }
    this.queue.wake(POLLOUT | POLLWRNORM);
    return taken;
  }

  /** Copies up to `length` bytes from `skip` on without taking them out (tee(2), splice(2)). The count or -EFAULT. */
  peek(sink: Sink, length: number): number {
    const wanted = Math.min(length, sink.remaining, this.#length);
    if (wanted === 0) return 0;
    return this.#copyOut(sink, wanted) || -Errno.EFAULT;
  }

  /** The count written (a part of it when more than PIPE_BUF), -EPIPE (the caller raises SIGPIPE), -EFAULT, or the Wait for room. */
  write(source: Source, packets: boolean): Attempt<number> {
    if (this.readers === 0) return -Errno.EPIPE;
    const size = source.remaining;
    if (size === 0) return 0;
    const room = this.#capacity - this.#length;
    if (room === 0 || (size <= PIPE_BUF && size > room)) return this.wait;
    // Once a packet is in the ring, what follows keeps its boundaries too.
    const packet = packets || this.#packets.length > 0;
    const wanted = Math.min(size, room, packet ? PIPE_BUF : room);
    if (this.#length + wanted > this.#ring.length) this.#grow(this.#length + wanted);
    const taken = this.#copyIn(source, wanted);
    if (taken === 0) return -Errno.EFAULT;
    if (packet) {
      if (this.#packets.length === 0 && this.#length > 0) this.#packets.push(this.#length);
      this.#packets.push(taken);
    }
    this.#length += taken;
    this.queue.wake(POLLIN | POLLRDNORM);
    return taken;
  }

  /** Tells both ends that one was opened or closed. Without any end the bytes are lost. */
  changed(mask: number): void {
    if (this.readers === 0 && this.writers === 0) {
      this.#start = this.#length = this.#packets.length = 0;
      this.#ring = new Uint8Array(PIPE_BUF);
    }
    this.queue.wake(mask);
  }

  #copyOut(sink: Sink, wanted: number): number {
    const ring = this.#ring;
    const first = Math.min(wanted, ring.length - this.#start);
    let taken = sink.put(ring, this.#start, first);
    if (taken === first && first < wanted) taken += sink.put(ring, 0, wanted - first);
    return taken;
  }

  #copyIn(source: Source, wanted: number): number {
    const ring = this.#ring;
    const end = (this.#start + this.#length) & (ring.length - 1);
    const first = Math.min(wanted, ring.length - end);
    let taken = source.get(ring, end, first);
    if (taken === first && first < wanted) taken += source.get(ring, 0, wanted - first);
    return taken;
  }

  #drop(count: number): void {
    this.#length -= count;
    this.#start = this.#length === 0 ? 0 : (this.#start + count) & (this.#ring.length - 1);
  }

  #grow(needed: number): void {
    let size = this.#ring.length;
    while (size < needed) size *= 2;
    this.#resize(size);
  }

  #resize(size: number): void {
    const ring = new Uint8Array(size);
    const first = Math.min(this.#length, this.#ring.length - this.#start);
    ring.set(this.#ring.subarray(this.#start, this.#start + first));
    ring.set(this.#ring.subarray(0, this.#length - first), first);
    this.#ring = ring;
    this.#start = 0;
  }
}

/** One end of a pipe, or an open FIFO (which may be both ends). */
export class PipeFile extends KernelFile {
  readonly pipe: Pipe;
  readonly #reads: boolean;
  readonly #writes: boolean;
  /** Writers that came and went before a FIFO was opened don't count as a hang-up. */
  readonly #writersBefore: number;

  constructor(path: Path, inode: Inode, flags: number, pipe: Pipe) {
    super(path, inode, flags, pipe.queue);
    this.pipe = pipe;
    this.#reads = (flags & O_ACCMODE) !== O_WRONLY;
    this.#writes = (flags & O_ACCMODE) !== O_RDONLY;
    this.#writersBefore = pipe.writers > 0 ? -1 : pipe.writerOpens;
    if (this.#reads) {
      pipe.readers++;
      pipe.readerOpens++;
    }
    if (this.#writes) {
      pipe.writers++;
      pipe.writerOpens++;
    }
  }

  override get readable(): number {
    return this.pipe.length;
  }

  override get writesAll(): boolean {
    return true;
  }

  override read(sink: Sink): Attempt<number> {
    return this.#reads ? this.pipe.read(sink) : -Errno.EBADF;
  }

  override write(source: Source): Attempt<number> {
    return this.#writes ? this.pipe.write(source, (this.flags & O_DIRECT) !== 0) : -Errno.EBADF;
  }

  override poll(): number {
    const { pipe } = this;
    let mask = 0;
    if (this.#reads) {
      if (pipe.length > 0) mask |= POLLIN | POLLRDNORM;
      if (pipe.writers === 0 && pipe.writerOpens !== this.#writersBefore) mask |= POLLHUP;
    }
    if (this.#writes) {
      if (pipe.room >= PIPE_BUF || (pipe.length === 0 && pipe.room > 0)) mask |= POLLOUT | POLLWRNORM;
      if (pipe.readers === 0) mask |= POLLERR;
    }
    return mask;
  }

  protected override close(): undefined {
    if (this.#reads) this.pipe.readers--;
    if (this.#writes) this.pipe.writers--;
    this.pipe.changed(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLHUP | POLLERR);
  }
}

/** pipe2(2): the reading and the writing end. `flags`: O_NONBLOCK, O_DIRECT. */
export function createPipe(path: Path, inode: Inode, flags: number): [reader: PipeFile, writer: PipeFile] {
  const pipe = new Pipe();
  const kept = flags & (O_NONBLOCK | O_DIRECT);
  return [new PipeFile(path, inode, O_RDONLY | kept, pipe), new PipeFile(path, inode, O_WRONLY | kept, pipe)];
}

/** The pipes behind FIFO inodes. One per machine. */
export class Fifos {
  readonly #pipes = new WeakMap<Inode, Pipe>();
  readonly #unnamed = new WeakSet<Pipe>();

  /** Makes a pipe be opened again by its inode (/proc/PID/fd/N, /dev/stdin). */
  adopt(inode: Inode, pipe: Pipe): void {
    this.#pipes.set(inode, pipe);
    this.#unnamed.add(pipe);
  }

  /** Opens a FIFO as fifo(7) says: waits for the other end unless O_RDWR or O_NONBLOCK; -ENXIO for a non-blocking writer without reader. */
  *open(path: Path, inode: Inode, flags: number): Io<PipeFile | number> {
    let pipe = this.#pipes.get(inode);
    if (!pipe) {
      pipe = new Pipe();
      this.#pipes.set(inode, pipe);
    }
    const access = flags & O_ACCMODE;
    const nonBlocking = (flags & O_NONBLOCK) !== 0;
    if (access === O_WRONLY && nonBlocking && pipe.readers === 0 && !this.#unnamed.has(pipe)) return -Errno.ENXIO;
    const file = new PipeFile(path, inode, flags, pipe);
    pipe.changed(0);
    // Who opens a pipe(2) again doesn't wait for a peer.
    if (access === O_RDWR || nonBlocking || this.#unnamed.has(pipe)) return file;
    const opens = access === O_RDONLY ? 'writerOpens' : 'readerOpens';
    const present = access === O_RDONLY ? pipe.writers : pipe.readers;
    const before = pipe[opens];
    while (present === 0 && pipe[opens] === before) {
      if ((yield pipe.wait) !== 0) {
        file.release();
        return -Errno.EINTR;
      }
    }
    return file;
  }
}
