/**
 * Terminals: termios, the line discipline, pseudo-terminal pairs, job control, and the host's end of a terminal. Nothing here knows
 * tasks: what a terminal asks of processes is declared in jobControl.ts.
 */
import {
  CREAD, CS8, B38400, ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ICANON, ICRNL, IEXTEN, ISIG, IXON, NCCS, ONLCR, OPOST,
  VDISCARD, VEOF, VERASE, VINTR, VKILL, VLNEXT, VMIN, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE,
} from '../abi/termios.ts';

/** sizeof(struct termios) and struct termios2 of the kernel, and struct termio. */
export const termiosSize = 36;
export const termios2Size = 44;
export const termioSize = 17;
const termioCharacters = 8;

/** A terminal's settings (struct ktermios). */
export class Termios {
  inputFlags = ICRNL | IXON;
  outputFlags = OPOST | ONLCR;
  controlFlags = B38400 | CS8 | CREAD;
  localFlags = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  line = 0;
  readonly characters: Uint8Array = new Uint8Array(NCCS);
  inputSpeed = 38400;
  outputSpeed = 38400;

  /** INIT_C_CC. */
  constructor() {
    const { characters } = this;
    const defaults: readonly (readonly [number, number])[] = [
      [VINTR, 3], [VQUIT, 28], [VERASE, 127], [VKILL, 21], [VEOF, 4], [VTIME, 0], [VMIN, 1], [VSTART, 17], [VSTOP, 19], [VSUSP, 26],
      [VREPRINT, 18], [VDISCARD, 15], [VWERASE, 23], [VLNEXT, 22],
    ];
    for (const [index, value] of defaults) characters[index] = value;
  }

  /** struct termios, or termios2 with the speeds when `bytes` has room for it. */
  encode(bytes: Uint8Array): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    view.setUint32(0, this.inputFlags, true);
    view.setUint32(4, this.outputFlags, true);
    view.setUint32(8, this.controlFlags, true);
    view.setUint32(12, this.localFlags, true);
    bytes[16] = this.line;
    bytes.set(this.characters, 17);
    if (bytes.length >= termios2Size) {
      view.setUint32(36, this.inputSpeed, true);
      view.setUint32(40, this.outputSpeed, true);
    }
    return bytes;
  }

  decode(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.inputFlags = view.getUint32(0, true);
    this.outputFlags = view.getUint32(4, true);
    this.controlFlags = view.getUint32(8, true);
    this.localFlags = view.getUint32(12, true);
    this.line = bytes[16]!;
    this.characters.set(bytes.subarray(17, 17 + NCCS));
    if (bytes.length >= termios2Size) {
      this.inputSpeed = view.getUint32(36, true);
      this.outputSpeed = view.getUint32(40, true);
    }
  }

  /** struct termio (TCGETA): 16-bit flags and eight characters. */
  encodeTermio(): Uint8Array {
    const bytes = new Uint8Array(termioSize + 1);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, this.inputFlags, true);
    view.setUint16(2, this.outputFlags, true);
    view.setUint16(4, this.controlFlags, true);
    view.setUint16(6, this.localFlags, true);
    bytes[8] = this.line;
    bytes.set(this.characters.subarray(0, termioCharacters), 9);
    return bytes;
  }

  decodeTermio(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const merge = (old: number, low: number): number => ((old & ~0xffff) | low) >>> 0;
    this.inputFlags = merge(this.inputFlags, view.getUint16(0, true));
    this.outputFlags = merge(this.outputFlags, view.getUint16(2, true));
    this.controlFlags = merge(this.controlFlags, view.getUint16(4, true));
    this.localFlags = merge(this.localFlags, view.getUint16(6, true));
    this.line = bytes[8]!;
    this.characters.set(bytes.subarray(9, 9 + termioCharacters));
  }
}
