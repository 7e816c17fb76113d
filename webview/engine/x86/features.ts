import { FLAG } from './rows.ts';
import type { Feature, Row } from './rows.ts';

/** What the guest CPU has: x86-64-v2 and what else is executed. CPUID says the same. */
export const OFFERED: ReadonlySet<Feature> = new Set<Feature>([
  'base', 'x87', 'cmov', 'fxsr', 'mmx', 'sse', 'sse2', 'sse3', 'ssse3', 'sse4.1', 'sse4.2', 'popcnt', 'cx16', 'movbe', 'lzcnt', 'bmi1', 'bmi2', 'aes',
  'pclmul', 'sha', 'tsc', 'rdtscp', 'clflush', 'prefetchw', 'syscall',
]);

/** What becomes of an instruction of a row in user mode: executed, #UD or #GP(0). */
export type Fate = 'executed' | '#UD' | '#GP';

/** The fate of a row's instructions: by its feature, and by what user mode may do. Rows that are NOPs without their feature are executed. */
export function fateOf(row: Row): Fate {
  if ((row.flags & FLAG.UD) !== 0) return '#UD';
  if (!OFFERED.has(row.feature) && (row.flags & FLAG.HINT) === 0) return '#UD';
  return (row.flags & FLAG.PRIVILEGED) !== 0 ? '#GP' : 'executed';
}
