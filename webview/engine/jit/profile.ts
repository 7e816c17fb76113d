/**
 * Which code is hot: runs end every so many instructions, always at a jump, and the time since the last look is put down to the code where
 * they end. That costs nothing where the code runs, and finds what time is spent in. Code is compiled when about as much time has been
 * spent in interpreting it as compiling it takes: then the choice has cost at most twice what the best one would have.
 */

/** Instructions between two looks while code is interpreted, and at most while compiled code runs. */
const shortest = 1 << 14, longest = 1 << 17;
/** The interval when everything counts as hot. */
const eagerInterval = 64;
/** Milliseconds that the interpreter takes for the shortest interval. */
const lookTime = 0.15;
/** Milliseconds that the first region takes: the compiler itself runs for the first time, and slowly. */
const firstCompilation = 10;
/** Later ones are measured, but by a clock that also runs while others do: no longer than this. */
const longestCompilation = 4;
/** Looks of the shortest interval at a piece of code, at least, until it is compiled. */
const leastLooks = 3;
/** What one look may count for: a single one says little. */
const mostPerLook = 4;
/** Pieces of code remembered; they are forgotten all at once. */
const mostPieces = 1 << 14;
/** Bytes of a piece, which divide a page: what is that close is most often one region. */
const pieceSize = 1 << 10;
/** With fewer instructions for each jump from region to region, those jumps cost much time. */
const fewPerJump = 200;

export class Profile {
  /** Everything counts as hot at once. */
  readonly isEager: boolean;
  readonly #counts = new Map<number, number>();
  #interval = shortest;
  #looks = 0;
  /** What compiling has taken lately, in milliseconds. */
  #compilation = firstCompilation;
  /** Jumps from region to region cost much time at the last look. */
  isLeaving = false;

  constructor(isEager: boolean) {
    this.isEager = isEager;
    if (isEager) this.#interval = eagerInterval;
  }

  /** Instructions until the next look. Varies, so that loops don't hide. */
  get interval(): number {
    return this.#interval + (Math.imul(this.#looks, 0x9e37) >>> 3 & this.#interval / 8 - 1);
  }

  /** A run ended in compiled code, after `jumps` from region to region since the last look there. */
  inCompiled(jumps: number): void {
    this.#looks++;
    if (this.isEager) return;
    this.isLeaving = jumps * fewPerJump > this.#interval;
    this.#interval = this.isLeaving ? shortest : Math.min(longest, this.#interval * 2);
  }

  /** A run ended in interpreted code at a physical address: true when it should be compiled. */
  inInterpreted(address: number): boolean {
    this.#looks++;
    if (this.isEager) return true;
    const piece = Math.floor(address / pieceSize);
    const count = (this.#counts.get(piece) ?? 0) + Math.min(mostPerLook, this.#interval / shortest);
    this.#interval = Math.max(shortest, this.#interval / 2);
    if (this.#counts.size >= mostPieces) this.#counts.clear();
    const isHot = count >= Math.max(leastLooks, this.#compilation / lookTime);
    this.#counts.set(piece, isHot ? 0 : count);
    return isHot;
  }

  /** Physical addresses were written: whatever code is there has yet to show that it is hot. */
  written(start: number, end: number): void {
    for (let piece = Math.floor(start / pieceSize); piece * pieceSize < end; piece++) this.#counts.delete(piece);
  }

  /** Compiling has taken so long. */
  compiled(milliseconds: number): void {
    this.#compilation += (Math.min(longestCompilation, milliseconds) - this.#compilation) / 4;
  }

  /** Nothing came of compiling the code at a physical address: that isn't tried again soon. */
  failed(address: number): void {
    this.#counts.set(Math.floor(address / pieceSize), -1000);
  }
}
