/** Says which forms of instructions compiled code does itself, so that a comparison with it doesn't compare the interpreter by mistake. */

import type { Encoding } from './randomEncoding.ts';

interface Count {
  encodings: number;
  /** Cases whose instruction came to its end on the machine's CPU. */
  done: number;
  /** Of those the ones for which there was compiled code, and the ones that nothing was interpreted of. */
  compiled: number;
  ran: number;
}

/** With fewer encodings it would be chance that compiled code leaves all to the interpreter: an address across two pages. */
const enough = 4;
/** What must be compiled of a form: it may store to its own code now and then, which drops it. */
const mostly = 0.99;

export class CompiledForms {
  readonly #counts = new Map<string, Count>();

  #last: Encoding | undefined;

  /** A case whose instruction came to its end; those of an encoding come one behind the other. */
  add(encoding: Encoding, isCompiled: boolean, ran: boolean): void {
    let count = this.#counts.get(encoding.kind);
    if (!count) this.#counts.set(encoding.kind, count = { encodings: 0, done: 0, compiled: 0, ran: 0 });
    if (this.#last !== encoding) count.encodings++;
    this.#last = encoding;
    count.done++;
    if (isCompiled) count.compiled++;
    if (isCompiled && ran) count.ran++;
  }

  /** Where that is not as listed: forms that are compiled on no or only some occasions, or whose compiled code does nothing. `atTimes`: those that may be either. */
  surprises(listed: Readonly<Record<string, string>>, atTimes: ReadonlySet<string>): string[] {
    return [...this.#counts].flatMap(([name, { encodings, done, compiled, ran }]) => {
      if (atTimes.has(name)) return [];
      const isListed = Object.hasOwn(listed, name);
      if (isListed && ran > 0) return [`${name}: is listed, but ${ran} of ${done} cases ran compiled`];
      if (!isListed && compiled < done * mostly) return [`${name}: ${compiled} of ${done} cases were compiled`];
      if (!isListed && ran === 0 && encodings >= enough) return [`${name}: compiled code left all of ${done} cases to the interpreter`];
      return [];
    });
  }

  /** Parts of all cases. */
  get summary(): string {
    const sum = (key: keyof Count): number => [...this.#counts.values()].reduce((all, count) => all + count[key], 0), part = (n: number): string => `${(n * 100 / sum('done')).toFixed(1)} %`;
    return `${part(sum('compiled'))} of ${sum('done')} that came to their end had compiled code, ${part(sum('ran'))} ran in nothing else`;
  }
}
