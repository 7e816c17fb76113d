/** A terminal: settings, window size, session, and the two queues between the programs on it and its master (a pty master or the host). */
import { Errno } from '../abi/errno.ts';
import {
  TIOCPKT_DOSTOP, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_IOCTL, TIOCPKT_NOSTOP, TIOCPKT_START, TIOCPKT_STOP,
} from '../abi/ioctl.ts';
import { POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import { EXTPROC, IXON, TOSTOP, VSTART, VSTOP } from '../abi/termios.ts';
import type { Source } from '../../lib/transfer.ts';
import { Wait, WaitQueue } from '../../lib/wait.ts';
import type { JobControl } from './jobControl.ts';
import { LineDiscipline, TerminalSignal } from './lineDiscipline.ts';
import { OutputProcessor } from './outputProcessor.ts';
import { OutputQueue } from './outputQueue.ts';
import { Termios } from './termios.ts';

/** struct winsize. */
export interface WindowSize {
  rows: number;
  columns: number;
  xPixels: number;
  yPixels: number;
}

/** Bytes from the master that wait for room in the line discipline before the master's writes sleep. */
const pendingLimit = 8192;
/** A system call that is to be restarted after the signal (ERESTARTSYS). */
export const restartSystemCall = -512;

export class Terminal {
  readonly jobControl: JobControl;
  /** N of /dev/pts/N. */
  readonly index: number;
  readonly termios = new Termios();
  readonly windowSize: WindowSize = { rows: 0, columns: 0, xPixels: 0, yPixels: 0 };
  readonly discipline: LineDiscipline;
  /** What programs wrote and echo drew, on its way to the master. */
  readonly output = new OutputQueue();
  readonly processor: OutputProcessor;
  /** Echo that was made while output is stopped. */
  readonly #heldEcho = new OutputQueue();
  /** Session and foreground process group; 0 for none. */
  session = 0;
  foregroundGroup = 0;
  /** Programs that read, write or poll; the master's side. */
  readonly slaveQueue = new WaitQueue();
  readonly masterQueue = new WaitQueue();
  readonly slaveWait = new Wait([this.slaveQueue]);
  readonly masterWait = new Wait([this.masterQueue]);
  /** Counts hang-ups: files opened before the last one are dead. */
  hangUps = 0;
  masterIsOpen = true;
  isLocked = true;
  isExclusive = false;
  slaveOpens = 0;
  /** The last program closed it (until one opens it again): the master reads EIO. */
  abandoned = false;
  isStopped = false;
  packetMode = false;
  packetStatus = 0;
  readonly #pending = new OutputQueue();
  readonly #scratch = new Uint8Array(4096);
  #becameReadable = false;

  constructor(index: number, jobControl: JobControl) {
    this.index = index;
    this.jobControl = jobControl;
    this.processor = new OutputProcessor(this.termios, this.output, this.#heldEcho);
    const terminal = this;
    this.discipline = new LineDiscipline(this.termios, this.processor, {
      signal: signal => this.signalForeground(signal),
      stopOutput: () => this.stop(),
      startOutput: () => this.start(),
      get outputStopped() {
        return terminal.isStopped;
      },
      flushOutput: () => this.flushOutput(),
      readable: () => {
        this.#becameReadable = true;
      },
    });
  }

  // ---------------------------------------------------------------- from the master

  /** Room for the master's writes, in bytes. */
  get inputRoom(): number {
    return Math.max(0, pendingLimit - this.#pending.length);
  }

  /** Input from the master: the count taken (up to what has room), or -EFAULT. */
  receiveFrom(source: Source): number {
    const wanted = Math.min(source.remaining, this.inputRoom, this.#scratch.length);
    const taken = source.get(this.#scratch, 0, wanted);
    if (taken === 0) return wanted === 0 ? 0 : -Errno.EFAULT;
    this.#pending.append(this.#scratch, 0, taken);
    this.#pump();
    return taken;
  }

  /** Input from the host, whatever its size. */
  receive(bytes: Uint8Array): void {
    this.#pending.append(bytes, 0, bytes.length);
    this.#pump();
  }

  /** Gives waiting input to the discipline as far as it has room. */
  #pump(): void {
    const outputBefore = this.output.length;
    while (this.#pending.length > 0 && this.discipline.hasRoom) this.discipline.receive(this.#pending.shift());
    if (this.#becameReadable) {
      this.#becameReadable = false;
      this.slaveQueue.wake(POLLIN | POLLRDNORM);
    }
    if (this.output.length !== outputBefore) this.masterQueue.wake(POLLIN | POLLRDNORM);
  }

  /** Programs took input: more may follow. */
  inputTaken(): void {
    if (this.#pending.length === 0) return;
    this.#pump();
    this.masterQueue.wake(POLLOUT | POLLWRNORM);
  }

  /** The master took output. */
  outputTaken(): void {
    if (!this.isStopped) this.slaveQueue.wake(POLLOUT | POLLWRNORM);
  }

  // ---------------------------------------------------------------- flow

  /** Bytes that a program may write now. */
  get outputRoom(): number {
    return this.isStopped ? 0 : this.output.room;
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.processor.hold(true);
    this.notePacket(TIOCPKT_STOP, TIOCPKT_START);
  }

  start(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.processor.hold(false);
    this.notePacket(TIOCPKT_START, TIOCPKT_STOP);
    this.masterQueue.wake(POLLIN | POLLRDNORM);
    this.slaveQueue.wake(POLLOUT | POLLWRNORM);
  }

  flushInput(): void {
    this.discipline.flushInput();
    this.#pending.clear();
    this.notePacket(TIOCPKT_FLUSHREAD, 0);
    this.masterQueue.wake(POLLOUT | POLLWRNORM);
  }

  flushOutput(): void {
    this.output.clear();
    this.#heldEcho.clear();
    this.notePacket(TIOCPKT_FLUSHWRITE, 0);
    this.slaveQueue.wake(POLLOUT | POLLWRNORM);
  }

  /** Sets packet-mode status bits for the master (TIOCPKT). */
  notePacket(set: number, clear: number): void {
    if (!this.packetMode) return;
    this.packetStatus = (this.packetStatus & ~clear) | set;
    this.masterQueue.wake(POLLPRI | POLLIN | POLLRDNORM);
  }

  /** After a change of `termios`: `old` is what it was. */
  settingsChanged(old: Termios): void {
    const { termios } = this;
    if ((old.localFlags ^ termios.localFlags) & EXTPROC || (termios.localFlags & EXTPROC) !== 0) this.notePacket(TIOCPKT_IOCTL, 0);
    const before = usesControlFlow(old);
    const after = usesControlFlow(termios);
    if (before !== after) this.notePacket(after ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP, after ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
    if (this.isStopped && old.inputFlags & IXON && (termios.inputFlags & IXON) === 0) this.start();
    this.discipline.settingsChanged(old.localFlags);
    this.#becameReadable = false;
    this.slaveQueue.wake(this.discipline.isReadable ? POLLIN | POLLRDNORM : 0);
    this.#pump();
  }

  // ---------------------------------------------------------------- processes

  signalForeground(signal: number): void {
    if (this.foregroundGroup !== 0) this.jobControl.signalGroup(this.foregroundGroup, signal);
  }

  resize(rows: number, columns: number, xPixels = 0, yPixels = 0): void {
    const { windowSize } = this;
    if (windowSize.rows === rows && windowSize.columns === columns && windowSize.xPixels === xPixels && windowSize.yPixels === yPixels) return;
    Object.assign(windowSize, { rows, columns, xPixels, yPixels });
    this.signalForeground(TerminalSignal.windowChange);
  }

  /**
   * The job-control check before a background process reads (`signal` SIGTTIN) or changes or writes (SIGTTOU): 0 to go on, -EIO, or
   * `restartSystemCall` once the group was sent the signal.
   */
  checkBackground(signal: number): number {
    const process = this.jobControl.currentProcess;
    if (!process || process.terminal !== this || this.foregroundGroup === 0 || process.processGroup === this.foregroundGroup) return 0;
    const input = signal === TerminalSignal.backgroundInput;
    if (process.ignoresOrBlocks(signal)) return input ? -Errno.EIO : 0;
    if (this.jobControl.isOrphaned(process.processGroup)) return -Errno.EIO;
    this.jobControl.signalGroup(process.processGroup, signal);
    return restartSystemCall;
  }

  /** As `checkBackground` for write(2), which is free unless TOSTOP is set. */
  checkWrite(): number {
    return this.termios.localFlags & TOSTOP ? this.checkBackground(TerminalSignal.backgroundOutput) : 0;
  }

  /** Makes it the controlling terminal of the current process, which is a session leader. */
  adopt(): void {
    const process = this.jobControl.currentProcess!;
    this.session = process.session;
    this.foregroundGroup = process.processGroup;
    process.terminal = this;
  }

  /** TIOCNOTTY by the session leader: the foreground group gets SIGHUP and SIGCONT, the session has no terminal any more. */
  disown(): void {
    this.signalForeground(TerminalSignal.hangUp);
    this.signalForeground(TerminalSignal.continue);
    const { session } = this;
    this.session = this.foregroundGroup = 0;
    if (session !== 0) this.jobControl.forgetTerminal(session);
  }

  /** vhangup(2), the session leader's exit, the master's close: all open files of it are dead, the session gets SIGHUP and SIGCONT. */
  hangUp(): void {
    this.hangUps++;
    if (this.isStopped) this.start();
    this.discipline.flushInput();
    this.#pending.clear();
    if (this.session !== 0) {
      this.jobControl.signalSessionLeader(this.session, TerminalSignal.hangUp);
      this.jobControl.signalSessionLeader(this.session, TerminalSignal.continue);
    }
    this.disown();
    this.abandoned = true;
    this.slaveOpens = 0;
    this.slaveQueue.wake(POLLIN | POLLOUT | POLLHUP | POLLRDNORM | POLLWRNORM);
    this.masterQueue.wake(POLLHUP | POLLIN | POLLRDNORM);
  }

  /** The master's last close. */
  closeMaster(): void {
    this.masterIsOpen = false;
    this.output.clear();
    this.hangUp();
  }

  opened(): void {
    this.slaveOpens++;
    this.abandoned = false;
  }

  closed(): void {
    if (--this.slaveOpens > 0) return;
    this.abandoned = true;
    this.isExclusive = false;
    this.masterQueue.wake(POLLHUP | POLLIN | POLLRDNORM);
  }
}

function usesControlFlow(termios: Termios): boolean {
  return (termios.inputFlags & IXON) !== 0 && termios.characters[VSTOP] === 19 && termios.characters[VSTART] === 17;
}
