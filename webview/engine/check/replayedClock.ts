/** The time for RDTSC: every pass over a slice sees the same. */
export class ReplayedClock {
  readonly #now: () => number;
  #seen: number[] = [];
  #next = 0;
  /** Where the passes begin. */
  #first = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  read(): number {
    if (this.#next === this.#seen.length) this.#seen.push(this.#now());
    return this.#seen[this.#next++]!;
  }

  /** Forgets what it has said. */
  start(): void {
    if (this.#seen.length > 0) this.#seen = [];
    this.#next = this.#first = 0;
  }

  /** Says the same again. */
  repeat(): void {
    this.#next = this.#first;
  }

  /** From now on `repeat` begins here; answers what makes it begin where it did. */
  advance(): () => void {
    const before = this.#first;
    this.#first = this.#next;
    return () => { this.#first = before; };
  }
}
