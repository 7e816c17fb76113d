/** The figures of a whole run, for `--stats`. */
import type { VirtualMachine } from '../machine.ts';
import type { OpenedDisk } from './disk.ts';

export interface Stats {
  /** Guest instructions. */
  readonly instructions: number;
  readonly tlbMisses: number;
  readonly decodedInstructions: number;
  readonly codePagesInvalidated: number;
  readonly regionsCompiled: number;
  readonly regionsDropped: number;
  readonly regionBytes: number;
  readonly compileSeconds: number;
  readonly syscalls: number;
  readonly syscallsByName: Readonly<Record<string, number>>;
  readonly pageFaults: number;
  /** Read of a chunked image. */
  readonly diskChunks: number;
  readonly framesUsed: number;
  readonly peakMemoryBytes: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** `started`: when the run began, by performance.now(). */
export function gatherStats(machine: VirtualMachine, disk: OpenedDisk, started: number): Stats {
  const usage = process.resourceUsage();
  const { syscalls, syscallsByName, pageFaults } = machine.kernel;
  return {
    ...machine.engine.statistics, syscalls, syscallsByName, pageFaults, diskChunks: disk.chunked?.stats.chunks ?? 0,
    framesUsed: machine.engine.frames.total - machine.engine.frames.free, peakMemoryBytes: usage.maxRSS * 1024,
    wallSeconds: (performance.now() - started) / 1000, cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
  };
}

/** The same for a person. */
export function statsText(stats: Stats): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;
  const calls = Object.entries(stats.syscallsByName);
  const named = calls.slice(0, 12).map(([name, count]) => `${name} ${number(count)}`).join(', ');
  const rows: [string, string][] = [
    ['time', `${stats.wallSeconds.toFixed(2)} s, of CPU ${stats.cpuSeconds.toFixed(2)} s`],
    ['instructions', `${number(stats.instructions)} run, ${number(stats.decodedInstructions)} decoded, ${number(stats.codePagesInvalidated)} pages of code written to`],
    ['regions', `${number(stats.regionsCompiled)} compiled (${megabytes(stats.regionBytes)}) in ${stats.compileSeconds.toFixed(2)} s, ${number(stats.regionsDropped)} dropped`],
    ['memory', `${number(stats.tlbMisses)} TLB misses, ${number(stats.pageFaults)} page faults, ${megabytes(stats.framesUsed * 4096)} of the guest's in use`],
    ['system calls', `${number(stats.syscalls)}${named ? `: ${named}${calls.length > 12 ? ' ...' : ''}` : ''}`],
    ['disk', `${number(stats.diskChunks)} chunks read`],
    ['host', `${megabytes(stats.peakMemoryBytes)} at most`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(13)} ${text}`).join('\n');
}
