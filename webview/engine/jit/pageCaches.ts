/**
 * Pages that accesses of a loop stay on, with where they are, in locals: an access compares with those before it asks the TLB. Nothing takes a
 * translation away while a region runs: only the kernel does, and frames that get code are found outside of regions.
 */
import type { Code, Variable } from '../wasm/code.ts';
import { I32, I64 } from '../wasm/values.ts';

interface PageCache {
  /** Address of the page. */
  readonly page: Variable<I64>;
  /** What the host address has more than the low half of the guest's. */
  readonly addend: Variable<I32>;
}

/** More would find no room in the processor's registers. */
const most = 6;
/** No access comes close to it. */
const nowhere = 1n << 63n;

export class PageCaches {
  readonly #code: Code;
  readonly #all: PageCache[] = [];
  /** Those of the loop that is being written. */
  #byName: Map<string, PageCache> | undefined;

  constructor(code: Code) {
    this.#code = code;
  }

  /** Writes a loop at whose start nothing is known of pages. */
  loop(write: () => void): void {
    if (this.#byName) return write();
    const code = this.#code, { length } = code.out;
    this.#byName = new Map();
    write();
    const used = [...this.#byName.values()];
    this.#byName = undefined;
    code.insert(length, () => used.forEach(({ page }) => code.set(page, I64.of(nowhere))));
  }

  /** The host address of `size` bytes, by what is known of the page named `name`; undefined where that can't be used. `lookUp` gives the addend, or leaves. */
  find(name: string, address: I64, size: number, lookUp: () => I32): I32 | undefined {
    const code = this.#code, known = this.#byName;
    if (!known) return undefined;
    let cache = known.get(name);
    if (!cache) {
      if (known.size >= most) return undefined;
      known.set(name, cache = this.#all[known.size] ??= { page: code.declare(I64.of(0)), addend: code.declare(I32.of(0)) });
    }
    const { page, addend } = cache;
    code.unlikely(address.sub(page.value).gtU(4096 - size), () => {
      code.set(addend, lookUp());
      code.set(page, address.and(-4096));
    });
    return code.let(address.toI32().add(addend.value));
  }
}
