/** The host's end of a terminal: what a tab of the page, or the tty on which the headless VM runs, is connected to. */
import { IUTF8 } from '../abi/termios.ts';
import { outputLimit } from './outputQueue.ts';
import type { Ptys } from './pty.ts';
import type { Terminal } from './terminal.ts';
import type { Waiter } from '../../lib/wait.ts';

export class HostTerminal implements Waiter {
  readonly terminal: Terminal;
  readonly #ptys: Ptys;
  #output: ((bytes: Uint8Array) => void) | undefined;
  /** Bytes that may go out before the host acknowledges some. */
  #credit: number;
  #scheduled = false;

  /** `terminal` comes from `Ptys.create`. `window`: how many bytes of output may be on their way unacknowledged; Infinity for a host that never blocks. */
  constructor(ptys: Ptys, terminal: Terminal, window: number) {
    this.#ptys = ptys;
    this.terminal = terminal;
    this.#credit = window;
    terminal.isLocked = false;
    // What terminal emulators set: erasing takes whole characters.
    terminal.termios.inputFlags |= IUTF8;
    terminal.masterQueue.add(this);
  }

  /** Keys and pasted text, as bytes. */
  input(bytes: Uint8Array): void {
    this.terminal.receive(bytes);
  }

  /** Where output goes. Called between slices of the machine, or from inside when a lot has piled up; the bytes are the callback's to keep. */
  onOutput(callback: (bytes: Uint8Array) => void): void {
    this.#output = callback;
    this.flush();
  }

  /** The host has dealt with so many bytes of output. */
  acknowledge(bytes: number): void {
    this.#credit += bytes;
    this.flush();
  }

  resize(columns: number, rows: number): void {
    this.terminal.resize(rows, columns);
  }

  /** All output was handed to the host. */
  get isDrained(): boolean {
    return this.terminal.output.length === 0;
  }

  /** Hands over what there is, as far as the window allows. */
  flush(): void {
    const { output } = this.terminal;
    while (this.#output && output.length > 0 && this.#credit > 0) {
      const bytes = output.take(Math.min(this.#credit, 65536));
      this.#credit -= bytes.length;
      this.#output(bytes);
      this.terminal.outputTaken();
    }
  }

  /** The tab was closed: the session gets SIGHUP. */
  close(): void {
    this.terminal.masterQueue.remove(this);
    this.#output = undefined;
    this.#ptys.remove(this.terminal);
  }

  wake(): boolean {
    if (this.terminal.output.length >= outputLimit / 2) {
      this.flush();
    } else if (!this.#scheduled && this.terminal.output.length > 0) {
      this.#scheduled = true;
      // Behind the slice that is running: many small writes become one message.
      queueMicrotask(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
    return true;
  }
}
