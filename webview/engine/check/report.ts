/** What is said of a difference between the tiers. */
import { ExitCode } from '../state.ts';
import type { CheckedSpace } from './checkedEngine.ts';
import type { CheckedCode } from './checkedCode.ts';
import { hex, type RegisterFile } from './registers.ts';
import type { MemoryDifference } from './writtenFrames.ts';

/** Compiled code and the interpreter came to different results; the message is the report. Nothing can go on. */
export class TierDifference extends Error {}

/** How a pass ended. */
export interface Ending {
  readonly exit: number;
  readonly rip: number;
  /** What belongs to the exit, such as a fault's address. */
  readonly result: string;
  readonly instructions: number;
}

export interface Finding {
  readonly before: RegisterFile;
  readonly compiled: Ending & { readonly registers: RegisterFile };
  /** Where it ended, or where compiled code did if it came by there: `arrived`. */
  readonly interpreted: Ending & { readonly registers: RegisterFile; readonly arrived: boolean };
  readonly memory: readonly MemoryDifference[];
  /** Regions that ran. */
  readonly regions: readonly { readonly head: number; readonly size: number }[];
  /** Where the interpreter's jumps led. */
  readonly path: readonly number[];
  /** Instructions that regions were limited to. */
  readonly limit: number;
}

const exitNames = new Map<number, string>(Object.entries(ExitCode).map(([name, number]) => [number, name]));
/** Differences in memory, instructions, steps of the path that are shown. */
const mostDifferences = 12, mostInstructions = 40, mostSteps = 60;
const end = 2 ** 47;

export function describeFinding(finding: Finding, space: CheckedSpace, code: CheckedCode): string {
  const { before, compiled, interpreted, regions, limit, path } = finding;
  const limited = limit < Infinity ? `, made again with at most ${limit} instructions` : '';
  return [
    'The tiers disagree: from the same state, compiled code and the interpreter came to different results.',
    'This is a fault of the engine, not of the program that ran. Please report it with all of this text.',
    '',
    `from         ${hex(before.rip, 8)}`,
    `compiled     ${ended(compiled)}`,
    `interpreted  ${ended(interpreted)}${interpreted.arrived ? '' : ', and never was where compiled code ended'}`,
    '', 'differences (compiled, interpreted):', ...indent(differences(finding, space)),
    '', 'before:', ...indent(before.describe()),
    '', `regions that ran${limited}:`, ...indent(regions.map(({ head, size }) => `${hex(head, 8)}  ${size} instructions`)),
    '', 'where the interpreter jumped:', ...indent([path.slice(0, mostSteps).map(address => hex(address, 1)).join(' ')]),
    '', 'code:', ...indent(code.list(space, before.rip, Math.min(mostInstructions, Math.max(4, compiled.instructions + 1)))),
  ].join('\n');
}

function indent(lines: readonly string[]): string[] {
  return lines.map(line => `  ${line}`);
}

function ended({ exit, rip, result, instructions }: Ending): string {
  return `to ${hex(rip, 8)}, exit ${exitNames.get(exit) ?? exit}${result}, ${instructions} instructions`;
}

function differences({ compiled, interpreted, memory }: Finding, space: CheckedSpace): string[] {
  const registers = compiled.registers.differences(interpreted.registers).map(({ name, values: [a, b] }) => `${name.padEnd(8)} ${a}  ${b}`);
  const pages = pagesOf(space, memory.map(({ frame }) => frame));
  const bytes = memory.slice(0, mostDifferences).map(({ frame, offset, before, compiled: ours, interpreted: theirs }) => {
    const page = pages.get(frame);
    const place = page === undefined ? `frame ${hex(frame, 1)} + ${hex(offset, 3)}` : hex(page + offset, 8);
    return `${place}: ${text(ours)}  ${text(theirs)}  (before: ${text(before)})`;
  });
  const more = memory.length - bytes.length;
  return [...registers, ...bytes, ...(more > 0 ? [`and ${more} more stretches of memory`] : [])];
}

function text(bytes: Uint8Array): string {
  return Array.from(bytes, byte => hex(byte, 2)).join(' ');
}

/** Guest pages of frames. */
function pagesOf(space: CheckedSpace, frames: readonly number[]): Map<number, number> {
  const pages = new Map<number, number>(), wanted = new Set(frames);
  for (let page = space.nextEntry(0, end); page < end && wanted.size > 0; page = space.nextEntry(page + 4096, end)) {
    const frame = Math.floor(space.entry(page) / 64);
    if (wanted.delete(frame)) pages.set(frame, page);
  }
  return pages;
}
