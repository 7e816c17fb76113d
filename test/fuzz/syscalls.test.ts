import { test } from 'vitest';
import { fuzzSyscalls } from './syscalls.ts';

// SYSCALL_SEED=N repeats a run; SYSCALL_COUNT=N makes it longer.
const seed = Number(process.env.SYSCALL_SEED ?? 20261124);
const count = Number(process.env.SYSCALL_COUNT ?? 30_000);

test(`${count} random system calls (SYSCALL_SEED=${seed}) are answered`, () => {
  fuzzSyscalls(count, seed);
});
