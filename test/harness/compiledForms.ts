/** Says which forms of instructions compiled code does itself, so that a comparison with it doesn't compare the interpreter by mistake. */

interface Count {
  /** Cases whose instruction came to its end on the machine's CPU. */
  done: number;
  /** Of those the ones for which there was compiled code, and the ones that nothing was interpreted of. */
  compiled: number;
  ran: number;
}

/** With fewer cases it would be chance which of them compiled code leaves to the interpreter: a fault, an odd number. */
const enough = 200;
/** What must be compiled of a form: it may store to its own code now and then, which drops it. */
const mostly = 0.99;

export class CompiledForms {
  readonly #counts = new Map<string, Count>();

  /** A case whose instruction came to its end. */
  add(name: string, isCompiled: boolean, ran: boolean): void {
    let count = this.#counts.get(name);
    if (!count) this.#counts.set(name, count = { done: 0, compiled: 0, ran: 0 });
    count.done++;
    if (isCompiled) count.compiled++;
    if (isCompiled && ran) count.ran++;
  }

  /** Where that is not as listed: forms that are compiled on no or only some occasions, or whose compiled code does nothing. */
  surprises(listed: Readonly<Record<string, string>>): string[] {
    return [...this.#counts].flatMap(([name, { done, compiled, ran }]) => {
      const isListed = Object.hasOwn(listed, name);
      if (isListed && ran > 0) return [`${name}: is listed, but ${ran} of ${done} cases ran compiled`];
      if (!isListed && compiled < done * mostly) return [`${name}: ${compiled} of ${done} cases were compiled`];
      if (!isListed && ran === 0 && done >= enough) return [`${name}: compiled code left all of ${done} cases to the interpreter`];
      return [];
    });
  }

  /** Parts of all cases. */
  get summary(): string {
    const sum = (key: keyof Count): number => [...this.#counts.values()].reduce((all, count) => all + count[key], 0), part = (n: number): string => `${(n * 100 / sum('done')).toFixed(1)} %`;
    return `${part(sum('compiled'))} of ${sum('done')} that came to their end had compiled code, ${part(sum('ran'))} ran in nothing else`;
  }
}
