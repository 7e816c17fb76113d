/** ioctl_tty(2), for both ends of a terminal. */
import { Errno } from '../abi/errno.ts';
import * as Request from '../abi/ioctl.ts';
import { POLLIN, POLLRDNORM } from '../abi/poll.ts';
import { POSIX_VDISABLE, VSTART, VSTOP } from '../abi/termios.ts';
import { faultUnless, type IoctlMemory } from '../files/kernelFile.ts';
import { TerminalSignal } from './lineDiscipline.ts';
import type { Terminal } from './terminal.ts';
import { Termios, termioSize, termios2Size, termiosSize } from './termios.ts';

/** Answers a request on a terminal; `onMaster` where the two ends differ. -ENOTTY for what terminals don't know. */
export function terminalIoctl(terminal: Terminal, onMaster: boolean, memory: IoctlMemory, request: number, argument: number): number {
  switch (request) {
    case Request.TCGETS:
      return faultUnless(memory.writeBytes(argument, terminal.termios.encode(new Uint8Array(termiosSize))));
    case Request.TCGETS2:
      return faultUnless(memory.writeBytes(argument, terminal.termios.encode(new Uint8Array(termios2Size))));
    case Request.TCGETA:
      return faultUnless(memory.writeBytes(argument, terminal.termios.encodeTermio()));
    case Request.TIOCGWINSZ: {
      const { rows, columns, xPixels, yPixels } = terminal.windowSize;
      return faultUnless(memory.writeBytes(argument, new Uint8Array(new Uint16Array([rows, columns, xPixels, yPixels]).buffer)));
    }
    case Request.TIOCSWINSZ: {
      const bytes = new Uint8Array(8);
      if (!memory.readBytes(argument, bytes)) return -Errno.EFAULT;
      const [rows, columns, xPixels, yPixels] = new Uint16Array(bytes.buffer);
      terminal.resize(rows!, columns!, xPixels, yPixels);
      return 0;
    }
    case Request.TIOCOUTQ:
      return faultUnless(memory.writeU32(argument, 0));
    case Request.TIOCGETD:
      return faultUnless(memory.writeU32(argument, 0));
    case Request.TIOCSETD: {
      const line = memory.readU32(argument);
      return line === undefined ? -Errno.EFAULT : line === 0 ? 0 : -Errno.EINVAL;
    }
    case Request.TIOCEXCL:
      terminal.isExclusive = true;
      return 0;
    case Request.TIOCNXCL:
      terminal.isExclusive = false;
      return 0;
    case Request.TIOCGEXCL:
      return faultUnless(memory.writeU32(argument, terminal.isExclusive ? 1 : 0));
    case Request.TIOCSTI:
      // dev.tty.legacy_tiocsti = 0: faking input is refused.
      return -Errno.EIO;
    case Request.TIOCCONS:
      return -Errno.EPERM;
    case Request.TIOCGSOFTCAR:
      return faultUnless(memory.writeU32(argument, 0));
    case Request.TIOCSSOFTCAR:
    case Request.TIOCSBRK:
    case Request.TIOCCBRK:
      return 0;
    default:
      return changeIoctl(terminal, onMaster, memory, request, argument) ?? sessionIoctl(terminal, onMaster, memory, request, argument);
  }
}

/** Requests that a background process may not make (tty_check_change): settings and queues. */
function changeIoctl(terminal: Terminal, onMaster: boolean, memory: IoctlMemory, request: number, argument: number): number | undefined {
  const change = settingsRequests.get(request);
  const isQueue = request === Request.TCFLSH || request === Request.TCXONC || request === Request.TCSBRK || request === Request.TCSBRKP;
  if (!change && !isQueue) return undefined;
  const refused = onMaster ? 0 : terminal.checkBackground(TerminalSignal.backgroundOutput);
  if (refused !== 0) return refused;
  if (change) {
    const bytes = new Uint8Array(change.size);
    if (!memory.readBytes(argument, bytes)) return -Errno.EFAULT;
    const old = new Termios();
    old.decode(terminal.termios.encode(new Uint8Array(termios2Size)));
    if (change.size === termioSize) terminal.termios.decodeTermio(bytes);
    else terminal.termios.decode(bytes);
    if (change.flush) terminal.flushInput();
    terminal.settingsChanged(old);
    return 0;
  }
  if (request === Request.TCFLSH) return flush(terminal, argument);
  // A break or a drain has nothing to do: bytes are with the master as soon as they are written.
  return request === Request.TCXONC ? control(terminal, argument) : 0;
}

const settingsRequests = new Map<number, { readonly size: number; readonly flush: boolean }>([
  [Request.TCSETS, { size: termiosSize, flush: false }],
  [Request.TCSETSW, { size: termiosSize, flush: false }],
  [Request.TCSETSF, { size: termiosSize, flush: true }],
  [Request.TCSETS2, { size: termios2Size, flush: false }],
  [Request.TCSETSW2, { size: termios2Size, flush: false }],
  [Request.TCSETSF2, { size: termios2Size, flush: true }],
  [Request.TCSETA, { size: termioSize, flush: false }],
  [Request.TCSETAW, { size: termioSize, flush: false }],
  [Request.TCSETAF, { size: termioSize, flush: true }],
]);

/** tcflush(3). */
function flush(terminal: Terminal, queue: number): number {
  if (queue !== Request.TCIFLUSH && queue !== Request.TCOFLUSH && queue !== Request.TCIOFLUSH) return -Errno.EINVAL;
  if (queue !== Request.TCOFLUSH) terminal.flushInput();
  if (queue !== Request.TCIFLUSH) terminal.flushOutput();
  return 0;
}

/** tcflow(3). */
function control(terminal: Terminal, action: number): number {
  const { characters } = terminal.termios;
  switch (action) {
    case Request.TCOOFF:
      terminal.stop();
      return 0;
    case Request.TCOON:
      terminal.start();
      return 0;
    case Request.TCIOFF:
    case Request.TCION: {
      const byte = characters[action === Request.TCION ? VSTART : VSTOP]!;
      if (byte !== POSIX_VDISABLE) {
        terminal.output.push(byte);
        terminal.masterQueue.wake(POLLIN | POLLRDNORM);
      }
      return 0;
    }
    default:
      return -Errno.EINVAL;
  }
}

/** Sessions and process groups. */
function sessionIoctl(terminal: Terminal, onMaster: boolean, memory: IoctlMemory, request: number, argument: number): number {
  const process = terminal.jobControl.currentProcess;
  if (!process) return -Errno.ENOTTY;
  const isOurs = process.terminal === terminal;
  switch (request) {
    case Request.TIOCSCTTY:
      return onMaster ? -Errno.EIO : takeTerminal(terminal, argument);
    case Request.TIOCNOTTY:
      if (!isOurs) return -Errno.ENOTTY;
      if (process.pid === process.session) terminal.disown();
      process.terminal = undefined;
      return 0;
    case Request.TIOCGPGRP:
      if (!onMaster && !isOurs) return -Errno.ENOTTY;
      return faultUnless(memory.writeU32(argument, terminal.foregroundGroup));
    case Request.TIOCSPGRP: {
      if (!isOurs || terminal.session !== process.session) return -Errno.ENOTTY;
      const refused = onMaster ? 0 : terminal.checkBackground(TerminalSignal.backgroundOutput);
      if (refused !== 0) return refused;
      const group = memory.readU32(argument);
      if (group === undefined) return -Errno.EFAULT;
      if (group > 0x7fffffff) return -Errno.EINVAL;
      const session = terminal.jobControl.sessionOf(group);
      if (session === undefined) return -Errno.ESRCH;
      if (session !== process.session) return -Errno.EPERM;
      terminal.foregroundGroup = group;
      return 0;
    }
    case Request.TIOCGSID:
      if ((!onMaster && !isOurs) || terminal.session === 0) return -Errno.ENOTTY;
      return faultUnless(memory.writeU32(argument, terminal.session));
    case Request.TIOCVHANGUP:
      if (!process.mayAdministrate) return -Errno.EPERM;
      terminal.hangUp();
      return 0;
    case Request.TIOCGDEV:
      return faultUnless(memory.writeU32(argument, ((136 + (terminal.index >> 8)) << 8) | (terminal.index & 0xff)));
    default:
      return -Errno.ENOTTY;
  }
}

/** TIOCSCTTY. */
function takeTerminal(terminal: Terminal, steal: number): number {
  const process = terminal.jobControl.currentProcess!;
  const isLeader = process.pid === process.session;
  if (isLeader && terminal.session === process.session) return 0;
  if (!isLeader || process.terminal !== undefined) return -Errno.EPERM;
  if (terminal.session !== 0) {
    if (steal !== 1 || !process.mayAdministrate) return -Errno.EPERM;
    terminal.jobControl.forgetTerminal(terminal.session);
  }
  terminal.adopt();
  return 0;
}
