/** A table in which each of some addresses has a place of its own: the upper `bits` of the lower half times `multiplier`. */
export interface PerfectHash {
  readonly multiplier: number;
  readonly bits: number;
  /** Number of the address by place; -1 for none. */
  readonly places: readonly number[];
}

/** Tries multipliers until none of `addresses`, which differ in their lower halves, share a place. */
export function perfectHash(addresses: readonly number[]): PerfectHash {
  let multiplier = 0x9e3779b1 | 0;
  for (let bits = Math.ceil(Math.log2(addresses.length + 1)) + 1; bits < 16; bits++) {
    for (let attempt = 0; attempt < 200; attempt++) {
      multiplier = Math.imul(multiplier, 0x2c9277b5) + 0x6f4f2a3c | 1;
      const places = new Array<number>(1 << bits).fill(-1);
      if (addresses.every((address, i) => {
        const place = Math.imul(address | 0, multiplier) >>> 32 - bits;
        if (places[place] !== -1) return false;
        places[place] = i;
        return true;
      })) return { multiplier, bits, places };
    }
  }
  throw new Error('addresses that share their lower halves');
}
