/** The instructions of the slice that is checked. */
import { Decoder } from '../x86/decoder.ts';
import { Disassembler } from '../x86/disassembler.ts';
import { Instruction } from '../x86/instruction.ts';
import { FLAG } from '../x86/rows.ts';
import { ROWS } from '../x86/table.ts';
import { hex } from './registers.ts';

/** Address translation without effects on what runs. */
export interface ReadableSpace {
  /** Frame behind an executable page, or 0. */
  executable(address: number): number;
}

export class CheckedCode {
  readonly #memory: Uint8Array;
  readonly #bytes = new Uint8Array(16);
  readonly #decoder = new Decoder(64);
  readonly #instruction = new Instruction();

  constructor(memory: ArrayBuffer) {
    this.#memory = new Uint8Array(memory);
  }

  /** Decodes at `address`, also across pages. Length, or 0 where there is no instruction; what it is is in `#instruction`. */
  #decode(space: ReadableSpace, address: number): number {
    const offset = address % 4096, here = Math.min(15, 4096 - offset);
    let count = this.#copy(space.executable(address - offset), offset, here, 0);
    if (count === here && here < 15) count += this.#copy(space.executable(address + here), 0, 15 - here, here);
    return Math.max(0, this.#decoder.decode(this.#bytes, 0, count, this.#instruction));
  }

  #copy(frame: number, offset: number, count: number, to: number): number {
    if (frame === 0) return 0;
    for (let i = 0; i < count; i++) this.#bytes[to + i] = this.#memory[frame * 4096 + offset + i]!;
    return count;
  }

  /**
   * A slice may end at `address`: the interpreter comes by there in the same state. Not inside of a string instruction, which each tier
   * does in portions of its own; and where an instruction crosses pages there is no place for a breakpoint.
   */
  canStop(space: ReadableSpace, address: number): boolean {
    const length = this.#decode(space, address);
    if (length === 0) return true;
    if (address % 4096 + length > 4096) return false;
    const { rep, row } = this.#instruction;
    return rep === 0 || (ROWS[row]!.flags & (FLAG.REP | FLAG.REPZ)) === 0;
  }

  /** Up to `count` instructions from `address` on, a line each. */
  list(space: ReadableSpace, address: number, count: number): string[] {
    const lines: string[] = [], disassembler = new Disassembler(64);
    for (let at = address; lines.length < count;) {
      const length = this.#decode(space, at);
      if (length === 0) return [...lines, `${hex(at, 8)}  no instruction`];
      const bytes = Array.from(this.#bytes.subarray(0, length), byte => hex(byte, 2)).join(' ');
      lines.push(`${hex(at, 8)}  ${bytes.padEnd(30)}  ${disassembler.format(this.#instruction, this.#bytes, 0, at)}`);
      at += length;
    }
    return lines;
  }
}
