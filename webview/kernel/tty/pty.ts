/** Pseudo-terminals (pty(7)): the master's file, and the machine's set of pairs. */
import { Errno } from '../abi/errno.ts';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import * as Request from '../abi/ioctl.ts';
import { POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { Sink, Source } from '../../lib/transfer.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { Caller } from '../../fs/vfs/caller.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { KernelFile, faultUnless, type IoctlCaller } from '../files/kernelFile.ts';
import type { JobControl } from './jobControl.ts';
import { TerminalSignal } from './lineDiscipline.ts';
import { Terminal } from './terminal.ts';
import { TerminalFile } from './terminalFile.ts';
import { terminalIoctl } from './terminalIoctl.ts';

/** /dev/pts, where a pair's slave shows. */
export interface PtsDirectory {
  add(index: number, owner: { uid: number; gid: number }): void;
  remove(index: number): void;
  /** The place of /dev/pts/N as `caller` would name it, for TIOCGPTPEER and the host; undefined when devpts isn't mounted. */
  pathOf(index: number): Path | undefined;
}

/** kernel.pty.max */
const maximumPairs = 4096;

export class Ptys {
  readonly #jobControl: JobControl;
  readonly #directory: PtsDirectory;
  readonly #terminals = new Map<number, Terminal>();

  constructor(jobControl: JobControl, directory: PtsDirectory) {
    this.#jobControl = jobControl;
    this.#directory = directory;
  }

  /** The terminal of /dev/pts/N. */
  get(index: number): Terminal | undefined {
    return this.#terminals.get(index);
  }

  /** A new pair's terminal with the lowest free number, or -ENOSPC. `owner` owns the node. */
  create(owner: { uid: number; gid: number }): Terminal | number {
    let index = 0;
    while (this.#terminals.has(index)) index++;
    if (index >= maximumPairs) return -Errno.ENOSPC;
    const terminal = new Terminal(index, this.#jobControl);
    this.#terminals.set(index, terminal);
    this.#directory.add(index, owner);
    return terminal;
  }

  /** The master is gone: so is the node. Programs that still have the slave open find it hung up. */
  remove(terminal: Terminal): void {
    this.#terminals.delete(terminal.index);
    this.#directory.remove(terminal.index);
    terminal.closeMaster();
  }

  pathOf(terminal: Terminal): Path | undefined {
    return this.#directory.pathOf(terminal.index);
  }

  /** open(2) of /dev/ptmx. */
  openMaster(path: Path, inode: Inode, flags: number, caller: Caller): OpenFile | number {
    const terminal = this.create(caller.credentials);
    return typeof terminal === 'number' ? terminal : new PtyMasterFile(path, inode, flags, terminal, this);
  }

  /** open(2) of /dev/pts/N. */
  openSlave(path: Path, inode: Inode, flags: number, index: number): OpenFile | number {
    const terminal = this.#terminals.get(index);
    if (!terminal) return -Errno.EIO;
    return terminal.isLocked ? -Errno.EIO : this.openTerminal(path, inode, flags, terminal);
  }

  /** Opens a terminal for the current process and, without O_NOCTTY, makes it a session leader's controlling terminal. */
  openTerminal(path: Path, inode: Inode, flags: number, terminal: Terminal): OpenFile | number {
    if (!terminal.masterIsOpen) return -Errno.EIO;
    const process = this.#jobControl.currentProcess;
    if (terminal.isExclusive && !process?.mayAdministrate) return -Errno.EBUSY;
    const file = new TerminalFile(path, inode, flags & ~O_NOCTTY, terminal);
    if ((flags & O_NOCTTY) === 0 && process && process.pid === process.session && !process.terminal && terminal.session === 0) terminal.adopt();
    return file;
  }
}

export class PtyMasterFile extends KernelFile {
  readonly terminal: Terminal;
  readonly #ptys: Ptys;
  readonly #status = new Uint8Array(1);

  constructor(path: Path, inode: Inode, flags: number, terminal: Terminal, ptys: Ptys) {
    super(path, inode, flags & ~O_NOCTTY, terminal.masterQueue);
    this.terminal = terminal;
    this.#ptys = ptys;
  }

  override get writesAll(): boolean {
    return true;
  }

  override get readable(): number {
    return this.terminal.output.length;
  }

  override read(sink: Sink): Attempt<number> {
    const { terminal } = this;
    if (terminal.packetMode && terminal.packetStatus !== 0) {
      this.#status[0] = terminal.packetStatus;
      if (sink.put(this.#status, 0, 1) < 1) return -Errno.EFAULT;
      terminal.packetStatus = 0;
      return 1;
    }
    if (terminal.output.length === 0) return terminal.abandoned ? -Errno.EIO : terminal.masterWait;
    if (sink.remaining === 0) return 0;
    let header = 0;
    if (terminal.packetMode) {
      this.#status[0] = Request.TIOCPKT_DATA;
      header = sink.put(this.#status, 0, 1);
      if (header < 1) return -Errno.EFAULT;
    }
    const taken = terminal.output.drain(sink);
    if (taken > 0) terminal.outputTaken();
    return taken + header || -Errno.EFAULT;
  }

  override write(source: Source): Attempt<number> {
    if (this.terminal.abandoned) return -Errno.EIO;
    if (source.remaining === 0) return 0;
    return this.terminal.inputRoom === 0 ? this.terminal.masterWait : this.terminal.receiveFrom(source);
  }

  override poll(): number {
    const { terminal } = this;
    let mask = 0;
    if (terminal.output.length > 0) mask |= POLLIN | POLLRDNORM;
    if (terminal.packetMode && terminal.packetStatus !== 0) mask |= POLLPRI | POLLIN | POLLRDNORM;
    if (terminal.abandoned) mask |= POLLHUP;
    else if (terminal.inputRoom > 0) mask |= POLLOUT | POLLWRNORM;
    return mask;
  }

  override ioctl(caller: IoctlCaller, request: number, argument: number): number | Io<number> {
    const { terminal } = this;
    const memory = caller.ioctlMemory;
    switch (request) {
      case Request.TIOCGPTN:
        return faultUnless(memory.writeU32(argument, terminal.index));
      case Request.TIOCSPTLCK: {
        const lock = memory.readU32(argument);
        if (lock === undefined) return -Errno.EFAULT;
        terminal.isLocked = lock !== 0;
        return 0;
      }
      case Request.TIOCGPTLCK:
        return faultUnless(memory.writeU32(argument, terminal.isLocked ? 1 : 0));
      case Request.TIOCPKT: {
        const on = memory.readU32(argument);
        if (on === undefined) return -Errno.EFAULT;
        if (on !== 0 && !terminal.packetMode) terminal.packetStatus = 0;
        terminal.packetMode = on !== 0;
        return 0;
      }
      case Request.TIOCGPKT:
        return faultUnless(memory.writeU32(argument, terminal.packetMode ? 1 : 0));
      case Request.TIOCSIG: {
        if (argument !== TerminalSignal.interrupt && argument !== TerminalSignal.quit && argument !== TerminalSignal.stop) return -Errno.EINVAL;
        terminal.signalForeground(argument);
        return 0;
      }
      default:
        return terminalIoctl(terminal, true, memory, request, argument);
    }
  }

  /** TIOCGPTPEER: opens the slave without a path; locked or not. Only O_RDWR, O_NOCTTY, O_NONBLOCK of `flags` count. */
  openPeer(flags: number): OpenFile | number {
    const path = this.#ptys.pathOf(this.terminal);
    if (!path?.dentry.inode) return -Errno.EIO;
    return this.#ptys.openTerminal(path, path.dentry.inode, flags & (O_RDWR | O_NOCTTY | O_NONBLOCK), this.terminal);
  }

  protected override close(): undefined {
    this.#ptys.remove(this.terminal);
  }
}
