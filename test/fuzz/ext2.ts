/** Tries mutated ext2 images: `node scripts/ts.mjs test/fuzz/ext2.ts [COUNT [SEED]]`. */
import { fuzzExt2 } from './mutatedExt2.ts';

const count = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? 1);
const { mounted, damaged, slowest } = fuzzExt2(count, seed);
console.log(`${count} images from seed ${seed}: ${mounted} mounted, damage seen in ${damaged}, slowest ${(slowest * 1000).toFixed(0)} ms`);
