/** Wait statuses (wait(2)) as hosts show them. */
import * as Signal from '../kernel/abi/signal.ts';

/** Exit code, or 128 plus the signal's number; and the signal's name if one ended it. */
export function exitOf(status: number): { code: number; signal: string | null } {
  const number = status & 0x7f;
  if (number === 0) return { code: (status >> 8) & 0xff, signal: null };
  const name = Object.entries(Signal).find(([key, value]) => /^SIG[A-Z0-9]+$/.test(key) && value === number)?.[0];
  return { code: 128 + number, signal: name ?? `SIG${number}` };
}
