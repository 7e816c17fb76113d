/** Where control goes when it leaves a region, by samples: a region that is often left to the same places is made again with them in it. */

/** Samples after which a region is looked at; each time that it is made again, or found to be right, takes more. */
const firstSamples = 12, moreEachTime = 2;
const restTimes = 16;
/** A place counts if it was seen that often. */
const least = 2;
/** Computed targets that one region knows at most. */
const mostTargets = 40;

export class ExitSamples {
  /** Places that the region was made with. */
  readonly targets: readonly number[];
  readonly #counts = new Map<number, number>();
  #total = 0;
  #due: number;

  constructor(targets: readonly number[] = [], due = firstSamples) {
    this.targets = targets;
    this.#due = due;
  }

  /** The region has no room for all of them: it takes long until it is looked at again. */
  rest(): void {
    this.#due *= restTimes;
  }

  /** With the places and the patience of another region as well, and with what that one has been left to since. */
  with(other: ExitSamples): ExitSamples {
    return new ExitSamples([...new Set([...this.targets, ...other.targets, ...other.#found()])].slice(0, mostTargets), Math.max(this.#due, other.#due));
  }

  /** Notes that the region was left to `address`. */
  note(address: number): void {
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
    this.#total++;
  }

  /** What to make the region again with, when that is due. */
  look(): ExitSamples | undefined {
    if (this.#total < this.#due) return undefined;
    const targets = [...this.targets, ...this.#found()].slice(0, mostTargets);
    this.#counts.clear();
    this.#total = 0;
    this.#due *= moreEachTime;
    return targets.length > this.targets.length ? new ExitSamples(targets, this.#due) : undefined;
  }

  /** Places that it was often left to and not made with, the most frequent first. */
  #found(): number[] {
    const known = new Set(this.targets);
    return [...this.#counts].filter(([target, count]) => count >= least && !known.has(target)).sort(([, a], [, b]) => b - a).map(([target]) => target);
  }
}
