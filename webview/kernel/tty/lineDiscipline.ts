/**
 * The line discipline N_TTY, input side (termios(3)): line editing, echo, signal characters, flow control characters. Input comes in by
 * `receive`, programs take it by `read`. Behaviour is that of Linux's n_tty where termios(3) leaves a choice.
 */
import {
  ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, EXTPROC, ICANON, ICRNL, IEXTEN, IGNCR, INLCR, ISIG, ISTRIP, IUCLC, IUTF8,
  IXANY, IXON, NOFLSH, PARMRK, POSIX_VDISABLE, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL, VLNEXT, VMIN, VQUIT, VREPRINT, VSTART, VSTOP,
  VSUSP, VTIME, VWERASE,
} from '../abi/termios.ts';
import type { Sink } from '../../lib/transfer.ts';
import type { OutputProcessor } from './outputProcessor.ts';
import type { Termios } from './termios.ts';

/** N_TTY_BUF_SIZE: the longest line, and how much is read ahead. */
const bufferSize = 4096;
const placeMask = bufferSize - 1;

const newline = 10;
const carriageReturn = 13;
const tab = 9;
const backspace = 8;
const blank = 0x20;
const caret = 0x5e;

/** Marks in the buffer: an ordinary byte, the last byte of a line, an end-of-file character that only ends it. */
const Mark = { none: 0, lineEnd: 1, endOfFile: 2 } as const;

/** The signals that characters raise. */
export const TerminalSignal = { hangUp: 1, interrupt: 2, quit: 3, continue: 18, stop: 20, backgroundInput: 21, backgroundOutput: 22, windowChange: 28 } as const;

/** What the discipline tells its terminal. */
export interface DisciplineEvents {
  /** ISIG characters: to the foreground process group. */
  signal(signal: number): void;
  /** IXON characters. */
  stopOutput(): void;
  startOutput(): void;
  readonly outputStopped: boolean;
  /** A signal character flushed the queues (no NOFLSH). */
  flushOutput(): void;
  /** There is something to read. */
  readable(): void;
}

export class LineDiscipline {
  readonly #termios: Termios;
  readonly #output: OutputProcessor;
  readonly #events: DisciplineEvents;
  readonly #buffer = new Uint8Array(bufferSize);
  readonly #marks = new Uint8Array(bufferSize);
  // Positions only grow; `& placeMask` finds the place. tail <= lineStart <= head.
  #tail = 0;
  /** Behind the last complete line. */
  #lineStart = 0;
  #head = 0;
  #literalNext = false;
  /** Output column where the line that is being typed began. */
  #lineColumn = 0;
  /** Inside a run of ECHOPRT erasing. */
  #erasing = false;

  constructor(termios: Termios, output: OutputProcessor, events: DisciplineEvents) {
    this.#termios = termios;
    this.#output = output;
    this.#events = events;
  }

  get #isCanonical(): boolean {
    return (this.#termios.localFlags & ICANON) !== 0;
  }

  /** Bytes that a read may give now: in canonical mode complete lines (FIONREAD counts end-of-file marks out). */
  get available(): number {
    if (!this.#isCanonical) return this.#head - this.#tail;
    let count = 0;
    for (let at = this.#tail; at < this.#lineStart; at++) if (this.#marks[at & placeMask] !== Mark.endOfFile) count++;
    return count;
  }

  /** True when a read gives something (be it an end of file). */
  get isReadable(): boolean {
    return this.#isCanonical ? this.#lineStart > this.#tail : this.#head > this.#tail;
  }

  /** How many bytes poll(2) wants before it says readable: VMIN when VTIME is 0. */
  get pollThreshold(): number {
    if (this.#isCanonical) return 1;
    const { characters } = this.#termios;
    return characters[VTIME] === 0 ? Math.max(1, characters[VMIN]!) : 1;
  }

  /** Whether `receive` takes another byte. In canonical mode a full buffer takes bytes and drops them, else the line could never be ended. */
  get hasRoom(): boolean {
    return this.#isCanonical && this.#lineStart === this.#tail ? true : this.#head - this.#tail < bufferSize - 1;
  }

  /** Moves what is there to `sink`: in canonical mode at most one line. 0 with `isReadable` before it is an end of file. */
  read(sink: Sink): number {
    return this.#isCanonical ? this.#readLine(sink) : this.#move(sink, Math.min(sink.remaining, this.#head - this.#tail));
  }

  /** tcflush(TCIFLUSH). */
  flushInput(): void {
    this.#tail = this.#lineStart = this.#head = 0;
    this.#marks.fill(Mark.none);
    this.#literalNext = false;
    this.#erasing = false;
  }

  /** The settings changed from `oldLocalFlags`: what is in the buffer becomes a line, or loses its line ends. */
  settingsChanged(oldLocalFlags: number): void {
    if (((oldLocalFlags ^ this.#termios.localFlags) & (ICANON | EXTPROC)) === 0) return;
    this.#marks.fill(Mark.none);
    if (this.#isCanonical && this.#head > this.#tail) {
      this.#marks[(this.#head - 1) & placeMask] = Mark.lineEnd;
      this.#lineStart = this.#head;
    } else {
      this.#lineStart = this.#tail;
    }
    this.#literalNext = false;
    this.#erasing = false;
    if (this.isReadable) this.#events.readable();
  }

  /** One byte of input from the other side. */
  receive(byte: number): void {
    const { inputFlags, localFlags } = this.#termios;
    if (inputFlags & ISTRIP) byte &= 0x7f;
    if (inputFlags & IUCLC && localFlags & IEXTEN && byte >= 0x41 && byte <= 0x5a) byte += 0x20;
    if (localFlags & EXTPROC) {
      this.#put(byte);
    } else if (this.#literalNext) {
      this.#literalNext = false;
      this.#receiveOrdinary(byte);
    } else if (!this.#receiveControl(byte)) {
      if (this.#events.outputStopped && inputFlags & IXON && inputFlags & IXANY) this.#events.startOutput();
      this.#receiveTranslated(byte);
    }
  }

  /** Flow control and signal characters; false when the byte is neither. */
  #receiveControl(byte: number): boolean {
    const { inputFlags, localFlags } = this.#termios;
    if (inputFlags & IXON) {
      if (this.#is(byte, VSTART)) {
        this.#events.startOutput();
        return true;
      }
      if (this.#is(byte, VSTOP)) {
        this.#events.stopOutput();
        return true;
      }
    }
    if (localFlags & ISIG) {
      const signal = this.#is(byte, VINTR) ? TerminalSignal.interrupt
        : this.#is(byte, VQUIT) ? TerminalSignal.quit
        : this.#is(byte, VSUSP) ? TerminalSignal.stop : 0;
      if (signal !== 0) {
        this.#receiveSignal(signal, byte);
        return true;
      }
    }
    return false;
  }

  #receiveSignal(signal: number, byte: number): void {
    if ((this.#termios.localFlags & NOFLSH) === 0) {
      this.flushInput();
      this.#events.flushOutput();
    }
    if (this.#termios.inputFlags & IXON) this.#events.startOutput();
    if (this.#termios.localFlags & ECHO) this.#echo(byte);
    this.#events.signal(signal);
  }

  #receiveTranslated(byte: number): void {
    const { inputFlags, localFlags } = this.#termios;
    if (byte === carriageReturn) {
      if (inputFlags & IGNCR) return;
      if (inputFlags & ICRNL) byte = newline;
    } else if (byte === newline && inputFlags & INLCR) {
      byte = carriageReturn;
    }
    if (localFlags & ICANON && this.#receiveEditing(byte)) return;
    this.#receiveOrdinary(byte);
  }

  /** Canonical mode's characters; false when the byte is none of them. */
  #receiveEditing(byte: number): boolean {
    const { localFlags } = this.#termios;
    const extended = (localFlags & IEXTEN) !== 0;
    if (this.#is(byte, VERASE) || this.#is(byte, VKILL) || (extended && this.#is(byte, VWERASE))) {
      this.#erase(byte);
    } else if (extended && this.#is(byte, VLNEXT)) {
      this.#literalNext = true;
      if (localFlags & ECHO) {
        this.#finishErasing();
        if (localFlags & ECHOCTL) {
          this.#output.putRaw(caret);
          this.#output.putRaw(backspace);
        }
      }
    } else if (extended && localFlags & ECHO && this.#is(byte, VREPRINT)) {
      this.#reprint(byte);
    } else if (byte === newline) {
      if (localFlags & (ECHO | ECHONL)) {
        this.#finishErasing();
        this.#output.put(newline);
      }
      this.#endLine(byte, Mark.lineEnd);
    } else if (this.#is(byte, VEOF)) {
      this.#endLine(0, Mark.endOfFile);
    } else if (this.#is(byte, VEOL) || (extended && this.#is(byte, VEOL2))) {
      if (localFlags & ECHO) {
        this.#noteColumn();
        this.#echo(byte);
      }
      this.#endLine(byte, Mark.lineEnd);
    } else {
      return false;
    }
    return true;
  }

  #receiveOrdinary(byte: number): void {
    const { inputFlags, localFlags } = this.#termios;
    if (localFlags & ECHO) {
      this.#finishErasing();
      if (byte === newline) {
        this.#output.put(newline);
      } else {
        this.#noteColumn();
        this.#echo(byte);
      }
    }
    // A full line drops what is typed on, but shows it.
    if (localFlags & ICANON && this.#head - this.#tail >= bufferSize - 1) return;
    if (inputFlags & PARMRK && byte === 0xff) this.#put(byte);
    this.#put(byte);
  }

  #is(byte: number, index: number): boolean {
    return byte !== POSIX_VDISABLE && this.#termios.characters[index] === byte;
  }

  #put(byte: number): void {
    this.#store(byte, Mark.none);
    if (!this.#isCanonical) this.#events.readable();
  }

  #endLine(byte: number, mark: number): void {
    // A full buffer always has one place left for the character that ends the line.
    if (this.#head - this.#tail >= bufferSize) return;
    this.#store(byte, mark);
    this.#lineStart = this.#head;
    this.#events.readable();
  }

  #store(byte: number, mark: number): void {
    this.#buffer[this.#head & placeMask] = byte;
    this.#marks[this.#head & placeMask] = mark;
    this.#head++;
  }

  #readLine(sink: Sink): number {
    // One byte more is looked at: an end-of-file mark right behind a full buffer belongs to this read.
    const limit = Math.min(this.#lineStart, this.#tail + sink.remaining + 1);
    let end = this.#tail;
    while (end < limit && this.#marks[end & placeMask] === Mark.none) end++;
    const found = end < limit ? this.#marks[end & placeMask] : Mark.none;
    const wanted = Math.min(end - this.#tail + (found === Mark.lineEnd ? 1 : 0), sink.remaining);
    const taken = this.#move(sink, wanted);
    if (found === Mark.endOfFile && taken === wanted && this.#tail === end) {
      this.#marks[end & placeMask] = Mark.none;
      this.#tail++;
    }
    return taken;
  }

  #move(sink: Sink, wanted: number): number {
    let moved = 0;
    while (moved < wanted) {
      const at = this.#tail & placeMask;
      const count = Math.min(wanted - moved, bufferSize - at);
      const taken = sink.put(this.#buffer, at, count);
      this.#marks.fill(Mark.none, at, at + taken);
      this.#tail += taken;
      moved += taken;
      if (taken < count) break;
    }
    if (this.#lineStart < this.#tail) this.#lineStart = this.#tail;
    return moved;
  }

  // ---------------------------------------------------------------- echo and editing

  /** Echoes a byte; control characters as ^X with ECHOCTL. */
  #echo(byte: number): void {
    if (this.#termios.localFlags & ECHOCTL && isControl(byte) && byte !== tab) {
      this.#output.putRaw(caret);
      this.#output.putRaw(byte ^ 0x40);
      this.#output.column += 2;
    } else {
      this.#output.put(byte);
    }
  }

  #noteColumn(): void {
    if (this.#head === this.#lineStart) this.#lineColumn = this.#output.column;
  }

  #finishErasing(): void {
    if (!this.#erasing) return;
    this.#output.put(0x2f);
    this.#erasing = false;
  }

  #reprint(byte: number): void {
    this.#finishErasing();
    this.#echo(byte);
    this.#output.put(newline);
    for (let at = this.#lineStart; at < this.#head; at++) this.#echo(this.#buffer[at & placeMask]!);
  }

  #erase(byte: number): void {
    if (this.#head === this.#lineStart) return;
    const { localFlags } = this.#termios;
    const kills = this.#is(byte, VKILL);
    const word = !kills && !this.#is(byte, VERASE);
    if (kills && ((localFlags & ECHO) === 0 || (localFlags & (ECHOK | ECHOKE | ECHOE)) !== (ECHOK | ECHOKE | ECHOE))) {
      this.#head = this.#lineStart;
      if ((localFlags & ECHO) === 0) return;
      this.#finishErasing();
      this.#echo(byte);
      if (localFlags & ECHOK) this.#output.put(newline);
      return;
    }
    let seenWord = false;
    while (this.#head > this.#lineStart) {
      const start = this.#previousCharacter();
      if (start < this.#lineStart) break;
      const first = this.#buffer[start & placeMask]!;
      if (word) {
        if (isWordByte(first)) seenWord = true;
        else if (seenWord) break;
      }
      const end = this.#head;
      this.#head = start;
      if (localFlags & ECHO) this.#echoErase(byte, first, start, end, kills || word);
      if (!kills && !word) break;
    }
    if (this.#head === this.#lineStart && localFlags & ECHO) this.#finishErasing();
  }

  /** Where the character that ends at the head begins: a whole UTF-8 sequence with IUTF8. */
  #previousCharacter(): number {
    let start = this.#head - 1;
    if (this.#termios.inputFlags & IUTF8) {
      while (start > this.#lineStart && (this.#buffer[start & placeMask]! & 0xc0) === 0x80) start--;
    }
    return start;
  }

  #echoErase(key: number, first: number, start: number, end: number, several: boolean): void {
    const { localFlags } = this.#termios;
    if (localFlags & ECHOPRT) {
      if (!this.#erasing) {
        this.#output.put(0x5c);
        this.#erasing = true;
      }
      this.#echo(first);
      for (let at = start + 1; at < end; at++) this.#output.putRaw(this.#buffer[at & placeMask]!);
    } else if (!several && (localFlags & ECHOE) === 0) {
      this.#echo(key);
    } else if (first === tab) {
      const columns = this.#tabWidth(start);
      for (let i = 0; i < columns; i++) this.#back();
    } else if (isControl(first)) {
      // ^X takes two columns; without ECHOCTL a control character takes none.
      if (localFlags & ECHOCTL) {
        this.#rubOut();
        this.#rubOut();
      }
    } else {
      this.#rubOut();
    }
  }

  /** Columns that a tab at `position` of the line takes up. */
  #tabWidth(position: number): number {
    let column = this.#lineColumn;
    for (let at = this.#lineStart; at < position; at++) {
      const byte = this.#buffer[at & placeMask]!;
      if (byte === tab) column += 8 - (column & 7);
      else if (isControl(byte)) column += this.#termios.localFlags & ECHOCTL ? 2 : 0;
      else if ((byte & 0xc0) !== 0x80 || (this.#termios.inputFlags & IUTF8) === 0) column++;
    }
    return 8 - (column & 7);
  }

  #rubOut(): void {
    this.#output.putRaw(backspace);
    this.#output.putRaw(blank);
    this.#back();
  }

  #back(): void {
    this.#output.putRaw(backspace);
    if (this.#output.column > 0) this.#output.column--;
  }
}


function isControl(byte: number): boolean {
  return byte < 0x20 || byte === 0x7f;
}

function isWordByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f || byte >= 0x80;
}
