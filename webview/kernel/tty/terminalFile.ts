/** An open terminal as programs have it: the slave of a pty, /dev/tty, /dev/console. */
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { TIOCSPGRP } from '../abi/ioctl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import { ICANON, VMIN, VTIME } from '../abi/termios.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import { Wait, Wake, type Attempt, type Io } from '../../lib/wait.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile, type IoctlCaller } from '../files/kernelFile.ts';
import { TerminalSignal } from './lineDiscipline.ts';
import type { Terminal } from './terminal.ts';
import { terminalIoctl } from './terminalIoctl.ts';

const decisecond = 1e8;

export class TerminalFile extends KernelFile {
  readonly terminal: Terminal;
  readonly #opening: number;
  readonly #scratch = new Uint8Array(2048);

  constructor(path: Path, inode: Inode, flags: number, terminal: Terminal) {
    super(path, inode, flags, terminal.slaveQueue);
    this.terminal = terminal;
    this.#opening = terminal.hangUps;
    terminal.opened();
  }

  get isHungUp(): boolean {
    return this.terminal.hangUps !== this.#opening;
  }

  override get writesAll(): boolean {
    return true;
  }

  override get readable(): number {
    return this.isHungUp ? 0 : this.terminal.discipline.available;
  }

  /** Reads what VMIN and VTIME ask for when it is there; otherwise `sleepingRead` knows how long to wait. */
  override read(sink: Sink): Attempt<number> {
    if (this.isHungUp) return 0;
    const { terminal } = this;
    const refused = terminal.checkBackground(TerminalSignal.backgroundInput);
    if (refused !== 0) return refused;
    const { discipline, termios } = terminal;
    if (sink.remaining === 0) return 0;
    if ((termios.localFlags & ICANON) === 0 && (this.flags & O_NONBLOCK) === 0) {
      const minimum = termios.characters[VMIN]!;
      if (minimum === 0 && termios.characters[VTIME] === 0) return this.#take(sink);
      if (discipline.available < Math.min(minimum, sink.remaining)) return terminal.slaveWait;
    }
    return discipline.isReadable ? this.#take(sink) : terminal.slaveWait;
  }

  /** read(2) of a blocking descriptor after `read` answered a Wait: the count, -EINTR, or what `read` refuses with. */
  override *sleepingRead(sink: Sink): Io<number> {
    const { discipline, termios, jobControl } = this.terminal;
    let last = discipline.available;
    let deadline = Infinity;
    for (let first = true; ; first = false) {
      const answer = this.read(sink);
      if (!(answer instanceof Wait)) return answer;
      const raw = (termios.localFlags & ICANON) === 0;
      const time = raw ? termios.characters[VTIME]! * decisecond : 0;
      const between = raw && termios.characters[VMIN]! > 0;
      // VTIME runs from the call with VMIN 0, else from the last byte.
      if (time > 0 && (between ? discipline.available > last || (first && last > 0) : first)) deadline = jobControl.now() + time;
      last = discipline.available;
      const wake = yield deadline === Infinity ? answer : new Wait(answer.queues, { deadline });
      if (wake === Wake.ready) continue;
      if (raw && discipline.available > 0 && !this.isHungUp) return this.#take(sink);
      return wake === Wake.timeout ? 0 : -Errno.EINTR;
    }
  }

  override write(source: Source): Attempt<number> {
    if (this.isHungUp) return -Errno.EIO;
    const { terminal } = this;
    const refused = terminal.checkWrite();
    if (refused !== 0) return refused;
    const size = source.remaining;
    if (size === 0) return 0;
    const room = terminal.outputRoom;
    if (room === 0) return terminal.slaveWait;
    const wanted = Math.min(size, this.#scratch.length, room);
    const got = source.get(this.#scratch, 0, wanted);
    if (got === 0) return -Errno.EFAULT;
    terminal.processor.write(this.#scratch, 0, got);
    terminal.masterQueue.wake(POLLIN | POLLRDNORM);
    return got;
  }

  override poll(): number {
    if (this.isHungUp) return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
    const { terminal } = this;
    const { discipline } = terminal;
    let mask = 0;
    if (discipline.isReadable && (discipline.available >= discipline.pollThreshold || (terminal.termios.localFlags & ICANON) !== 0)) mask |= POLLIN | POLLRDNORM;
    if (terminal.outputRoom > 0) mask |= POLLOUT | POLLWRNORM;
    return mask;
  }

  override ioctl(caller: IoctlCaller, request: number, argument: number): number {
    if (this.isHungUp) return request === TIOCSPGRP ? -Errno.ENOTTY : -Errno.EIO;
    return terminalIoctl(this.terminal, false, caller.ioctlMemory, request, argument);
  }

  protected override close(): undefined {
    if (!this.isHungUp) this.terminal.closed();
  }

  #take(sink: Sink): number {
    const taken = this.terminal.discipline.read(sink);
    this.terminal.inputTaken();
    return taken;
  }
}
