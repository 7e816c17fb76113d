import { expect, it } from 'vitest';
import { fuzzExt2 } from './mutatedExt2.ts';

// EXT2_FUZZ_SEED=N repeats a run, EXT2_FUZZ=N sets how many images.
const seed = Number(process.env.EXT2_FUZZ_SEED ?? 20261124);
const count = Number(process.env.EXT2_FUZZ ?? 10_000);

it(`${count} mutated ext2 images do no harm (EXT2_FUZZ_SEED=${seed})`, () => {
  const { mounted, damaged } = fuzzExt2(count, seed);
  expect(mounted).toBeGreaterThan(count / 10);
  expect(damaged).toBeGreaterThan(count / 20);
}, 300_000);
