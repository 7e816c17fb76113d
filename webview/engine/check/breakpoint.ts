/**
 * Stops the interpreter at an address, as often as it comes there, to ask whether it is where compiled code got to. It stands where a
 * region would: in a slot of the table, reached by the record of the instruction.
 */
import { ModuleBuilder } from '../wasm/module.ts';
import { I32 } from '../wasm/values.ts';
import { callValue } from '../wasm/code.ts';
import type { CodeCache, CodeSpace } from '../interpreter/codeCache.ts';
import { RegionOutcome, Regions, Run, STATE, Slot } from '../state.ts';

export class Breakpoint {
  readonly #view: DataView;
  readonly #code: CodeCache;
  readonly #slot: number;
  #address = 0;
  #isOver: () => boolean = () => true;
  #removals: (() => void)[] = [];

  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table, code: CodeCache, slot: number) {
    this.#view = new DataView(memory.buffer);
    this.#code = code;
    this.#slot = slot;
    const module = new ModuleBuilder();
    module.importMemory('env', 'memory', 1);
    const arrived = module.importFunction('env', 'arrived', [], 'i32');
    module.export('region', module.function('region', ['i32', 'i32'], 'i32', body => {
      body.store32(Run.account, body.parameter(1, 'i32'));
      body.return(callValue(arrived) as I32);
    }));
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.assemble()), { env: { memory, arrived: () => this.#arrived() } });
    table.set(slot, instance.exports['region'] as () => number);
    // No pages: the zero slot is a list of none.
    this.#view.setInt32(Regions.base + slot * Regions.entrySize + Regions.pages, STATE + Slot.zero, true);
  }

  /** Only the breakpoint runs, no region. */
  get onlyRegion(): number {
    return this.#slot + 1;
  }

  #arrived(): RegionOutcome {
    this.#view.setUint32(Run.target, this.#address >>> 0, true);
    this.#view.setInt32(Run.target + 4, Math.floor(this.#address / 2 ** 32), true);
    return this.#isOver() ? RegionOutcome.spent : RegionOutcome.interpret;
  }

  /** Ends runs with the budget's exit when they come to `address` and `isOver` says so. To be entered with `enter`. */
  set(address: number, isOver: () => boolean): void {
    this.#address = address;
    this.#isOver = isOver;
  }

  /** Puts it into the records, if its instruction is decoded; after more has been decoded, again. */
  enter(space: CodeSpace): void {
    const offset = this.#address % 4096, frame = space.executable(this.#address - offset);
    if (frame === 0 || this.#code.record(frame, offset) === 0) return;
    const remove = this.#code.interpose(frame, offset, Math.floor(this.#address / 4096), this.#slot);
    if (remove) this.#removals.push(remove);
  }

  remove(): void {
    for (const removal of this.#removals.reverse()) removal();
    this.#removals = [];
  }
}
