/** struct rusage (getrusage(2), wait4(2)). */
import type { WordSize } from '../abi/struct.ts';
import { Rusage } from '../abi/structs.ts';
import type { Usage } from './process.ts';

/** The sum of several. */
export function encodeUsage(parts: readonly Usage[], word: WordSize): Uint8Array {
  const bytes = new Uint8Array(Rusage.size(word));
  const view = new DataView(bytes.buffer);
  const sum = (of: (usage: Usage) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const user = sum(part => part.user);
  const system = sum(part => part.system);
  Rusage.fill(view, {
    utime_sec: Math.floor(user / 1e9), utime_usec: Math.floor((user % 1e9) / 1e3), stime_sec: Math.floor(system / 1e9), stime_usec: Math.floor((system % 1e9) / 1e3),
    maxrss: Math.max(0, ...parts.map(part => part.peakResident * 4)), minflt: sum(part => part.minorFaults), majflt: sum(part => part.majorFaults),
    nvcsw: sum(part => part.voluntarySwitches), nivcsw: sum(part => part.involuntarySwitches),
  }, word);
  return bytes;
}
