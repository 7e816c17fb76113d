/** What termios(3) calls output processing (OPOST): newline and tab translation, and the column that echo's erasing needs. */
import { IUTF8, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS } from '../abi/termios.ts';
import type { OutputQueue } from './outputQueue.ts';
import type { Termios } from './termios.ts';

const tab = 9;
const newline = 10;
const carriageReturn = 13;
const backspace = 8;

export class OutputProcessor {
  readonly #termios: Termios;
  readonly #main: OutputQueue;
  readonly #held: OutputQueue;
  #queue: OutputQueue;
  column = 0;

  /** `held` keeps what echo draws while output is stopped. */
  constructor(termios: Termios, queue: OutputQueue, held: OutputQueue) {
    this.#termios = termios;
    this.#main = this.#queue = queue;
    this.#held = held;
  }

  /** Output is stopped: echo is held back; or goes on: it comes out. */
  hold(on: boolean): void {
    this.#queue = on ? this.#held : this.#main;
    if (!on && this.#held.length > 0) {
      const bytes = this.#held.take(this.#held.length);
      this.#main.append(bytes, 0, bytes.length);
    }
  }

  /** Takes bytes [from, to), whatever room there is: a translation may go over the mark a little. */
  write(bytes: Uint8Array, from: number, to: number): void {
    const flags = this.#termios.outputFlags;
    if ((flags & OPOST) === 0) {
      this.#queue.append(bytes, from, to);
      return;
    }
    let at = from;
    while (at < to) {
      let plain = at;
      while (plain < to && bytes[plain]! >= 0x20 && bytes[plain]! !== 0x7f && (flags & OLCUC) === 0) {
        if (this.#countsAsColumn(bytes[plain]!)) this.column++;
        plain++;
      }
      if (plain > at) this.#queue.append(bytes, at, plain);
      at = plain;
      if (at < to) this.put(bytes[at++]!);
    }
  }

  /** Processes one byte. */
  put(byte: number): void {
    const flags = this.#termios.outputFlags;
    if ((flags & OPOST) === 0) {
      this.#queue.push(byte);
      return;
    }
    switch (byte) {
      case newline:
        if (flags & ONLRET) this.column = 0;
        if (flags & ONLCR) {
          this.column = 0;
          this.#queue.push(carriageReturn);
        }
        break;
      case carriageReturn:
        if (flags & ONOCR && this.column === 0) return;
        if (flags & OCRNL) {
          if (flags & ONLRET) this.column = 0;
          this.#queue.push(newline);
          return;
        }
        this.column = 0;
        break;
      case tab: {
        const blanks = 8 - (this.column & 7);
        this.column += blanks;
        if ((flags & TABDLY) === XTABS) {
          for (let i = 0; i < blanks; i++) this.#queue.push(0x20);
          return;
        }
        break;
      }
      case backspace:
        if (this.column > 0) this.column--;
        break;
      default:
        if (flags & OLCUC && byte >= 0x61 && byte <= 0x7a) byte -= 0x20;
        if (byte >= 0x20 && byte !== 0x7f && this.#countsAsColumn(byte)) this.column++;
    }
    this.#queue.push(byte);
  }

  /** Puts a byte past output processing (what echo draws itself). */
  putRaw(byte: number): void {
    this.#queue.push(byte);
  }

  #countsAsColumn(byte: number): boolean {
    return (byte & 0xc0) !== 0x80 || (this.#termios.inputFlags & IUTF8) === 0;
  }
}
