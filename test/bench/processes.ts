/** What a process costs, from /proc: its memory and its own clock. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** One figure of the report. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it should not exceed. */
  readonly goal?: number;
}

/** Nanoseconds that the threads of a process have run: /proc/PID/task/TID/schedstat. */
export function cpuNanoseconds(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return sum;
}

/** MB of a process: what is resident, and its share of that (pages that others have too count in part). */
export function memoryOf(pid: number): { rss: number; pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)![1]) * 1024 / 1e6;
  return { rss: field('Rss'), pss: field('Pss') };
}

/** Processes below `pid`, with their command lines. */
export function descendants(pid: number): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const thread of existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []) {
    for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)) {
      found.push({ pid: child, command: readFileSync(`/proc/${child}/cmdline`, 'latin1').replaceAll('\0', ' ') }, ...descendants(child));
    }
  }
  return found;
}

export const seconds = (n: number): Promise<void> => new Promise(resolve => setTimeout(resolve, n * 1000));

/** What processes that should rest take: their memory at the start, and their part of a CPU over `period` seconds, in percent. */
export async function rest(name: string, pids: readonly number[], period = 60): Promise<Figure[]> {
  const memory = pids.map(memoryOf);
  const before = pids.map(cpuNanoseconds);
  await seconds(period);
  const spent = pids.reduce((sum, pid, i) => sum + cpuNanoseconds(pid) - before[i]!, 0);
  return [
    { name: `${name}: resident memory`, value: memory.reduce((sum, m) => sum + m.rss, 0), unit: 'MB' },
    { name: `${name}: its share (PSS)`, value: memory.reduce((sum, m) => sum + m.pss, 0), unit: 'MB' },
    { name: `${name}: CPU over ${period} s`, value: spent / (period * 1e9) * 100, unit: '%', goal: 0.2 },
  ];
}
