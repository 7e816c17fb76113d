/**
 * From code to a region's module: finds the region around an address and writes it. It sees code through pages that it is given, so it can work
 * where the guest does not run.
 */
import { ModuleBuilder } from '../wasm/module.ts';
import type { Descriptions } from '../semantics/contract.ts';
import { fitsForms, type FormTable } from '../interpreter/forms.ts';
import type { Decoder } from '../x86/decoder.ts';
import type { Instruction } from '../x86/instruction.ts';
import type { Row } from '../x86/rows.ts';
import { Discovery, type Region } from './discover.ts';
import { RegionWriter, UnfitInstruction, type Expectations, type RegionCode } from './emit.ts';
import { ChangedAlready, type HelperSource } from './frame.ts';

/** A page of code. */
export interface CodePage {
  readonly frame: number;
  /** Its bytes begin at `at` in `bytes`. */
  readonly bytes: Uint8Array;
  readonly at: number;
  /** The interpreter has decoded an instruction at this offset. */
  isSeen(offset: number): boolean;
}

export interface CodePages {
  /** The page at an address; undefined where there is no code. */
  page(address: number): CodePage | undefined;
  /** Nothing was asked for that isn't known. */
  readonly isComplete: boolean;
}

/** A region to be compiled. */
export interface Task {
  readonly head: number;
  /** Where computed jumps of the region were seen to lead. */
  readonly targets: readonly number[];
  readonly expectations: Expectations;
  /** Instructions that it may have. */
  readonly most: number;
}

/** A region as who runs it knows it; it can be sent to another thread. */
export interface CompiledRegion {
  /** Exports `region`: (block, budget) -> RegionOutcome. Imports env.memory, and of `engine` what it calls. */
  readonly module: WebAssembly.Module;
  /** Bytes of its binary. */
  readonly moduleSize: number;
  /** Address of each block by its number. */
  readonly blocks: Float64Array;
  /** Numbers of the blocks that may be entered from outside. */
  readonly entries: readonly number[];
  /** Pages that it has code of: address and frame. */
  readonly pages: ReadonlyMap<number, number>;
  /** How many instructions it has. */
  readonly size: number;
  /** Physical addresses of its instructions: start and end of each stretch. */
  readonly bytes: readonly number[];
}

export interface CompilerOptions {
  readonly rows: readonly Row[];
  readonly decoder: Decoder;
  readonly forms: FormTable;
  readonly descriptions: Descriptions;
  readonly helpers: HelperSource;
  /** Told of instructions that the compiler fails at. */
  readonly log: (line: string) => void;
}

export class RegionCompiler {
  readonly #options: CompilerOptions;
  /** Instructions that can't be written out, by row and shape. */
  readonly #unfit = new Set<number>();

  constructor(options: CompilerOptions) {
    this.#options = options;
  }

  /** Undefined when nothing there can be compiled, or pages are missing. */
  compile(task: Task, pages: CodePages): CompiledRegion | undefined {
    const { descriptions, forms, helpers } = this.#options;
    for (;;) {
      const region = this.#find(task, pages);
      if (!region || !pages.isComplete) return undefined;
      try {
        return this.#assemble(region, new RegionWriter(region, descriptions, forms, helpers, task.expectations).write());
      } catch (error) {
        if (!(error instanceof UnfitInstruction)) throw error;
        this.#unfit.add(shapeOf(error.step.row, error.step.instruction));
        if (!(error.cause instanceof ChangedAlready)) this.#options.log(`${error.message}, from now on it is interpreted: ${String(error.cause)}`);
      }
    }
  }

  #find({ head, targets, most }: Task, pages: CodePages): Region | undefined {
    const { rows, decoder, forms, descriptions } = this.#options;
    let left = most;
    const isFit = (row: Row, instruction: Instruction): boolean => (
      fitsForms(forms, instruction) && Object.hasOwn(descriptions, row.operation)
        && (this.#unfit.size === 0 || !this.#unfit.has(shapeOf(row, instruction))) && left-- > 0);
    return new Discovery({ decoder, pages, rows, isFit }, head, targets).find();
  }

  #assemble(region: Region, { code, imports }: RegionCode): CompiledRegion {
    const builder = new ModuleBuilder();
    builder.importMemory('env', 'memory', 1);
    for (const name of imports) {
      const { parameters, result } = this.#options.helpers(name);
      builder.importFunction('engine', name, parameters, result);
    }
    builder.export('region', builder.add('region', code, 'i32'));
    const binary = builder.assemble(), { blocks, pages } = region;
    return {
      module: new WebAssembly.Module(binary), moduleSize: binary.length, pages, bytes: stretchesOf(region),
      blocks: Float64Array.from(blocks, block => block.address), entries: blocks.flatMap((block, i) => (block.isEntry ? [i] : [])),
      size: blocks.reduce((sum, { steps }) => sum + steps.length, 0),
    };
  }
}

/** Physical addresses of a region's instructions: start and end of each stretch. */
function stretchesOf({ blocks, pages }: Region): number[] {
  const found: number[] = [];
  const add = (start: number, end: number): void => {
    if (found.at(-1) === start) found[found.length - 1] = end;
    else found.push(start, end);
  };
  for (const { steps } of blocks) {
    for (const { address, instruction } of steps) {
      const page = address - address % 4096, shift = pages.get(page)! * 4096 - page, end = address + instruction.length;
      add(address + shift, Math.min(end, page + 4096) + shift);
      if (end > page + 4096) add(pages.get(page + 4096)! * 4096, end - page - 4096 + pages.get(page + 4096)! * 4096);
    }
  }
  return found;
}

/** What decides whether an instruction can be written out: its row, memory or registers, REP. */
function shapeOf(row: Row, { memory, rep, operandSize }: Instruction): number {
  return (row.id * 2 + memory) * 2 ** 12 + rep * 16 + operandSize;
}
