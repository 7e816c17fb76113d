/**
 * Runs instruction cases (harness/cases.ts) in the engine, under the same circumstances as native/runner.c: the same pages at the same
 * addresses, INT3 all around the instruction, and the result in the words of a signal.
 */
import { Engine, type Tiers } from '../../webview/engine/engine.ts';
import { ExitCode, Run } from '../../webview/engine/state.ts';
import type { EngineThread } from '../../webview/engine/thread.ts';
import { generateInterpreter, type InterpreterSource } from '../../webview/engine/interpreter/generator.ts';
import type { PageTables } from '../../webview/engine/mmu/addressSpace.ts';
import { CODE, DATA, DATA_SIZE, GS_BASE, READONLY, RESULT_SIZE, START, State, WINDOW, WINDOW_SIZE, type Cases, type NativeResult } from './cases.ts';

const read = 1, write = 2, exec = 4;

/** Compiles an interpreter from these rows, descriptions and helpers. Throws if the module is invalid. */
export function compileInterpreter(source: InterpreterSource): WebAssembly.Module {
  return new WebAssembly.Module(generateInterpreter(source));
}

/** By exit of the engine: signal, and the vector of the exception (SDM vol. 3 table 6-1). */
const signals: Readonly<Record<number, readonly [signal: number, trap: number]>> = {
  2: [11, 14], 4: [8, 0], 5: [4, 6], 6: [11, 13], 7: [5, 3], 8: [8, 16], 9: [8, 19],
};

/** One engine with the runner's pages. */
export class InstructionRunner {
  readonly engine: Engine;
  readonly space: PageTables;
  readonly thread: EngineThread;
  /** Where the pages are in memory; pages that follow each other do so there. */
  readonly #pages: { readonly code: number; readonly data: number };
  readonly #view: DataView;
  readonly #result = new Uint8Array(RESULT_SIZE);
  readonly #state = new State(this.#result, 24);
  /** What is in the code's pages, but for what guest code has stored there. */
  readonly #code = new Uint8Array(8192);

  constructor(module: WebAssembly.Module, tiers: Tiers = 'interpreter') {
    this.engine = new Engine({ module, frames: 64, now: () => 0, tiers, log: line => { throw new Error(line); } });
    this.#view = new DataView(this.engine.memory.buffer);
    this.space = this.engine.createAddressSpace()!;
    this.thread = this.engine.createThread();
    const frames = Array.from({ length: 5 }, () => this.engine.frames.allocate());
    const access = [read | write | exec, read | write | exec, read | write, read | write, read];
    [CODE, CODE + 4096, DATA, DATA + 4096, READONLY].forEach((address, i) => this.space.map(address, frames[i]!, access[i]!));
    const [code, , data] = frames as [number, number, number];
    this.#pages = { code: code * 4096, data: data * 4096 };
  }

  /** There is compiled code of the instruction that ran last. */
  get isCompiled(): boolean {
    return this.engine.regionAt(this.space, START) >= 0;
  }

  /** The last case was done without the interpreter, up to the INT3 behind it. */
  get ranCompiled(): boolean {
    return this.#view.getInt32(Run.record, true) === 0;
  }

  /** Loads a case's state. The result is valid until the next case. */
  run(cases: Cases, index: number): NativeResult {
    const state = cases.state(index);
    const { thread, engine } = this;
    const { bytes } = engine.frames;
    this.#put(cases.code(index));
    const window = this.#pages.data + (WINDOW - DATA);
    bytes.fill(0, this.#pages.data, this.#pages.data + DATA_SIZE);
    bytes.set(state.window, window);
    for (let r = 0; r < 16; r++) thread.setHalves(r, state.view.getUint32(r * 8, true), state.view.getUint32(r * 8 + 4, true));
    thread.rip = START;
    thread.rflags = state.rflags;
    thread.fsBase = 0;
    thread.gsBase = GS_BASE;
    thread.loadFpu(state.fx);
    this.#view.setInt32(Run.record, 0, true);
    let exit = engine.run(thread, this.space, 10_000);
    for (let turns = 0; exit === ExitCode.budget && turns < 10; turns++) exit = engine.run(thread, this.space, 10_000);
    return this.#finish(exit);
  }

  /** Puts code between INT3s, if it isn't there already: then it stays decoded and compiled. */
  #put(code: Uint8Array): void {
    const { frames } = this.engine, wanted = this.#code, here = wanted.subarray(START - CODE, START - CODE + code.length);
    if (Buffer.compare(here, code) !== 0) {
      wanted.fill(0xcc);
      here.set(code);
    }
    // All of it: bit strings reach far.
    const pages = frames.bytes.subarray(this.#pages.code, this.#pages.code + wanted.length);
    if (Buffer.compare(pages, wanted) === 0) return;
    pages.set(wanted);
    frames.written(this.#pages.code / 4096);
    frames.written(this.#pages.code / 4096 + 1);
  }

  #finish(exit: number): NativeResult {
    const { thread, engine } = this;
    const state = this.#state;
    this.#result.fill(0);
    for (let r = 0; r < 16; r++) {
      state.view.setInt32(r * 8, thread.getInt(r), true);
      state.view.setUint32(r * 8 + 4, thread.getHigh(r), true);
    }
    const [signal, trap] = signals[exit] ?? [100 + exit, 0];
    const isPageFault = exit === 2;
    state.rip = thread.rip - (signal === 5 ? 1 : 0);
    state.rflags = thread.rflags;
    thread.saveFpu(state.fx);
    const window = this.#pages.data + (WINDOW - DATA);
    state.window.set(engine.frames.bytes.subarray(window, window + WINDOW_SIZE));
    const error = isPageFault ? 4 | (engine.faultAccess === 1 ? 2 : 0) | (engine.faultAccess === 2 ? 16 : 0) : 0;
    return { signal, trap, error, address: isPageFault ? BigInt(engine.faultAddress) : 0n, state };
  }
}
