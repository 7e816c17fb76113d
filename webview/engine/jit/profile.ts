/**
 * Which code is hot: runs end every so many instructions, always at a jump, and where they end is counted. That costs nothing where the
 * code runs, and finds what time is spent in.
 */

/** Instructions between two looks while code is interpreted, and at most while compiled code runs. */
const shortest = 1 << 13, longest = 1 << 19;
/** The interval when everything counts as hot. */
const eagerInterval = 64;
/** Looks at one place until it is compiled. */
const threshold = 3;
/** Places remembered; they are forgotten all at once. */
const mostPlaces = 1 << 14;

export class Profile {
  /** Everything counts as hot at once. */
  readonly isEager: boolean;
  #counts = new Map<number, number>();
  #interval = shortest;
  #looks = 0;

  constructor(isEager: boolean) {
    this.isEager = isEager;
    if (isEager) this.#interval = eagerInterval;
  }

  /** Instructions until the next look. Varies, so that loops don't hide. */
  get interval(): number {
    return this.#interval + (Math.imul(this.#looks, 0x9e37) >>> 3 & this.#interval / 8 - 1);
  }

  /** A run ended in compiled code. */
  inCompiled(): void {
    this.#looks++;
    if (!this.isEager) this.#interval = Math.min(longest, this.#interval * 2);
  }

  /** A run ended at a place (any number that stands for it) in interpreted code: true when it should be compiled. */
  inInterpreted(place: number): boolean {
    this.#looks++;
    if (this.isEager) return true;
    this.#interval = shortest;
    const count = (this.#counts.get(place) ?? 0) + 1;
    if (this.#counts.size >= mostPlaces) this.#counts.clear();
    this.#counts.set(place, count);
    return count === threshold;
  }
}
