import { expect, test } from 'vitest';
import { fuzzElf } from './elf.ts';

// ELF_SEED=N repeats a run; ELF_COUNT=N makes it longer.
const seed = Number(process.env.ELF_SEED ?? 20261124);
const count = Number(process.env.ELF_COUNT ?? 100_000);

test(`${count} mutated ELF files (ELF_SEED=${seed}) are refused or run, and nothing is lost`, () => {
  const outcomes = fuzzElf(count, seed);
  expect([...outcomes.values()].reduce((sum, times) => sum + times, 0)).toBe(count);
  // Most are refused in the ways that Linux refuses them; some still run.
  expect(outcomes.get('ENOEXEC')).toBeGreaterThan(0);
  expect(outcomes.get('status 0')).toBeGreaterThan(0);
});
