// Runs binutils' objdump, the yardstick of the decoder, and reads what it prints.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Mode } from '../../webview/engine/x86/dispatch.ts';

/** One line of objdump: an instruction's address, bytes and text. */
export interface ObjdumpLine {
  readonly address: number;
  /** The bytes as lower-case hexadecimal digits without spaces. */
  readonly hex: string;
  /** As printed: padding, symbol names and comments included. */
  readonly text: string;
}

/** objdump's first line, such as 'GNU objdump (GNU Binutils for Debian) 2.40', or undefined if there is none. */
export function objdumpVersion(): string | undefined {
  const { stdout, status } = spawnSync('objdump', ['--version'], { encoding: 'latin1' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}

async function* lines(args: readonly string[]): AsyncGenerator<ObjdumpLine> {
  const child = spawn('objdump', [...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: child.stdout.setEncoding('latin1') })) {
    const match = /^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$/.exec(line);
    if (match) yield { address: parseInt(match[1]!, 16), hex: match[2]!.replaceAll(' ', ''), text: match[3]! };
  }
}

/** The executable sections of an ELF file. */
export function disassembleFile(path: string): AsyncGenerator<ObjdumpLine> {
  return lines(['-d', '-w', '-M', 'intel', path]);
}

/** A file of nothing but machine code, at address 0. */
export function disassembleBinary(path: string, mode: Mode): AsyncGenerator<ObjdumpLine> {
  return lines(['-D', '-z', '-w', '-M', 'intel', '-b', 'binary', '-m', mode === 64 ? 'i386:x86-64' : 'i386', path]);
}
