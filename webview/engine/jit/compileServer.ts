/** The thread that compiles for the guest's: takes its requests one after the other. */
import { FormTable } from '../interpreter/forms.ts';
import { helpers } from '../semantics/helpers/index.ts';
import { descriptions } from '../semantics/index.ts';
import { Decoder } from '../x86/decoder.ts';
import { ROWS } from '../x86/table.ts';
import { snapshotSize, type CompileAnswer, type CompileRequest, type PageSnapshots } from './compileMessages.ts';
import { helperSource } from './frame.ts';
import { RegionCompiler, type CodePage, type CodePages, type Task } from './regionCompiler.ts';

/** The pages that came with a request, and those that should have. */
class SentPages implements CodePages {
  readonly #known = new Map<number, CodePage | undefined>();
  missing = new Set<number>();

  add({ pages, frames, bytes }: PageSnapshots): void {
    let next = 0;
    for (const [i, page] of pages.entries()) {
      this.missing.delete(page);
      const frame = frames[i]!, at = next;
      if (frame !== 0) next += snapshotSize;
      this.#known.set(page, frame === 0 ? undefined : { frame, bytes, at, isSeen: offset => (bytes[at + 4096 + (offset >> 3)]! >> (offset & 7) & 1) !== 0 });
    }
  }
  page(address: number): CodePage | undefined {
    if (!this.#known.has(address)) this.missing.add(address);
    return this.#known.get(address);
  }
  get isComplete(): boolean {
    return this.missing.size === 0;
  }
}

interface Open {
  readonly task: Task;
  readonly pages: SentPages;
}

export class CompileServer {
  readonly #answer: (answer: CompileAnswer) => void;
  readonly #open = new Map<number, Open>();
  #compiler: RegionCompiler | undefined;

  constructor(answer: (answer: CompileAnswer) => void) {
    this.#answer = answer;
  }

  receive(request: CompileRequest): void {
    if (request.type === 'forms') {
      this.#compiler = new RegionCompiler({
        rows: ROWS, decoder: new Decoder(64), forms: FormTable.decode(request.forms, ROWS.length), descriptions, helpers: helperSource(helpers),
        log: line => this.#answer({ type: 'log', line }),
      });
    } else if (request.type === 'cancel') this.#open.delete(request.id);
    else {
      if (request.type === 'compile') this.#open.set(request.id, { task: request.task, pages: new SentPages() });
      const open = this.#open.get(request.id);
      if (!open) return;
      open.pages.add(request.pages);
      this.#compile(request.id, open);
    }
  }

  #compile(id: number, { task, pages }: Open): void {
    const region = this.#compiler?.compile(task, pages);
    if (!pages.isComplete) return this.#answer({ type: 'missing', id, pages: [...pages.missing] });
    this.#open.delete(id);
    this.#answer({ type: 'compiled', id, region: region ?? null });
  }
}
