// Compares decoder and disassembler with objdump, instruction by instruction.
import { Decoder } from '../../webview/engine/x86/decoder.ts';
import { Disassembler } from '../../webview/engine/x86/disassembler.ts';
import type { Mode } from '../../webview/engine/x86/dispatch.ts';
import { DECODE, Instruction } from '../../webview/engine/x86/instruction.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import type { ObjdumpLine } from './objdump.ts';
import { EXPECTED_DIFFERENCES } from './objdumpDifferences.ts';

/** One disagreement, or agreement when `Comparison.compare` returns undefined. */
export interface Difference {
  readonly hex: string;
  readonly address: number;
  /** objdump's text and ours, normalised; ours is `(bad)` for an invalid instruction. */
  readonly theirs: string;
  readonly ours: string;
  readonly theirLength: number;
  readonly ourLength: number;
  /** The mnemonic of our row. */
  readonly mnemonic: string;
}

/** Removes what is layout, symbol or comment: padding, `<main+0x10>`, `# 1234`; writes branch targets with 0x. */
export function normalise(text: string): string {
  return text.replace(/\s*#.*$/, '').replace('{vex} ', '').replace(/\s*<[^>]*>/g, '').replace(/\s+/g, ' ').trim()
    .replace(/^((?:\S+ )*?(?:j\w+(?:,p[nt])?|call|loop\w*|xbegin) )([0-9a-f]+)$/, '$10x$2');
}

/** Counts and differences of a run in one mode. */
export class Comparison {
  readonly mode: Mode;
  readonly #decoder: Decoder;
  readonly #disassembler: Disassembler;
  readonly #instruction = new Instruction();
  /** Instructions compared, and those that agree in length and text. */
  compared = 0;
  agreed = 0;
  /** Only the length could be compared (EVEX, XOP). */
  lengthOnly = 0;
  /** How often each entry of the list of expected differences was met. */
  readonly expected = new Map<string, number>();
  readonly unexpected: Difference[] = [];

  constructor(mode: Mode) {
    this.mode = mode;
    this.#decoder = new Decoder(mode);
    this.#disassembler = new Disassembler(mode);
  }

  /** Compares one line; `bytes` holds the instruction at `offset` and what follows it, to `limit`. */
  compare(line: ObjdumpLine, bytes: Uint8Array, offset: number, limit: number): void {
    this.compared++;
    const instruction = this.#instruction;
    const result = this.#decoder.decode(bytes, offset, limit, instruction);
    const theirLength = line.hex.length / 2, ourLength = instruction.length;
    const theirs = normalise(line.text);
    // At the end of a section objdump has nothing better to say of half an instruction.
    const halved = result === DECODE.MORE && /\(bad\)|\.byte/.test(theirs);
    if (halved || (result < 0 && theirs.includes('(bad)'))) {
      this.agreed++;
      return;
    }
    const row = ROWS[instruction.row]!;
    const lengthOnly = ourLength > 0 && row.source[1].startsWith('(');
    const ours = ourLength === 0 ? `(bad)` : normalise(this.#disassembler.format(instruction, bytes, offset, line.address));
    if (theirLength === ourLength && (theirs === ours || lengthOnly)) {
      this.agreed++;
      if (lengthOnly) this.lengthOnly++;
      return;
    }
    const difference = { hex: line.hex, address: line.address, theirs, ours, theirLength, ourLength, mnemonic: ourLength > 0 ? row.mnemonic : '' };
    const known = EXPECTED_DIFFERENCES.find((entry) => entry.matches(difference, this.mode));
    if (known) this.expected.set(known.why, (this.expected.get(known.why) ?? 0) + 1);
    else this.unexpected.push(difference);
  }

  /** A summary in a few lines, for the test's log. */
  report(): string {
    const expected = [...this.expected].sort((a, b) => b[1] - a[1]).map(([why, count]) => `  expected ${count}: ${why}`);
    const byName = new Map<string, [number, Difference]>();
    for (const difference of this.unexpected) {
      const key = `${difference.theirs.split(' ')[0]} | ${difference.ours.split(' ')[0]}`;
      const present = byName.get(key);
      if (present) present[0]++; else byName.set(key, [1, difference]);
    }
    const shown = [...byName.values()].sort((a, b) => b[0] - a[0]).slice(0, 50).map(([count, { hex, theirs, ours, theirLength, ourLength }]) => (
      `  unexpected ${count}: ${hex} objdump ${theirLength} '${theirs}', ours ${ourLength} '${ours}'`));
    return [`${this.mode}-bit: ${this.compared} compared, ${this.agreed} agree (${this.lengthOnly} in length only)`, ...expected, ...shown].join('\n');
  }
}
