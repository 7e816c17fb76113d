/**
 * Hosts of the benchmarks: each keeps one VM and answers the benchmark driver's lines (`NAME MILLISECONDS` in, one JSON object out), in
 * Node or in headless Chromium. Nothing here knows what the benchmarks are.
 *
 * This file: what bench.sh prints. It runs in the page too.
 */
/** A moment, with the CPU seconds so far of the thread that runs the guest. */
export interface Mark {
  readonly wall: number;
  readonly cpu: number;
}

/** The driver's answer to one benchmark. `sec`: wall seconds; `run`: CPU seconds of the guest's thread; `check`: sum of the output. */
export interface Result {
  readonly sec?: number;
  readonly run?: number;
  /** Exit status. */
  readonly rc?: number;
  readonly check?: string;
  /** What else was printed, of a failure. */
  readonly tail?: string;
  readonly error?: string;
  /** Counters of the engine, where the host sees them. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Milliseconds by what they were spent on, of a host with a profiler. */
  readonly shares?: Readonly<Record<string, number>>;
}

/** Reads `@@BEGIN`, `@@END` and `@@CHECK` out of a benchmark's output. */
export class Markers {
  readonly #mark: (which: 'begin' | 'end') => void;
  #line = '';
  #rest = '';
  #status: number | undefined;
  #check = '';

  /** `mark` is called when the first two are seen. */
  constructor(mark: (which: 'begin' | 'end') => void) {
    this.#mark = mark;
  }

  feed(text: string): void {
    this.#line += text.replaceAll('\r', '');
    for (let end: number; (end = this.#line.indexOf('\n')) >= 0; this.#line = this.#line.slice(end + 1)) this.#take(this.#line.slice(0, end));
  }

  #take(line: string): void {
    const fields = line.split(' ');
    if (fields[0] === '@@BEGIN') this.#mark('begin');
    else if (fields[0] === '@@END') {
      this.#mark('end');
      this.#status = Number(fields[2]);
    } else if (fields[0] === '@@CHECK') this.#check = fields[2] ?? '';
    else this.#rest = `${this.#rest}${line}\n`.slice(-2000);
  }

  /** What is known at the program's end. */
  result(begin: Mark | undefined, end: Mark | undefined, complaints: string): Result {
    const tail = (this.#rest + this.#line + complaints).slice(-600);
    if (!begin || !end || this.#status === undefined) return { error: `it ended without its markers: ${tail.trim()}` };
    return {
      sec: (end.wall - begin.wall) / 1000, run: Number((end.cpu - begin.cpu).toFixed(4)), rc: this.#status, check: this.#check,
      ...(this.#status === 0 ? {} : { tail }),
    };
  }
}
