/** The public face of the engine: a processor with its memory. Its shape is what the kernel declares in kernel/cpu.ts. */
import { CodeCache } from './interpreter/codeCache.ts';
import { ReplayedClock } from './check/replayedClock.ts';
import { TierCheck } from './check/tierCheck.ts';
import { FormTable } from './interpreter/forms.ts';
import { PageTables, type MmuParts } from './mmu/addressSpace.ts';
import { PhysicalFrames } from './mmu/frames.ts';
import { TranslationCaches } from './mmu/tlb.ts';
import type { CompileThread } from './jit/compileMessages.ts';
import { helperSource } from './jit/frame.ts';
import { Profile } from './jit/profile.ts';
import { Regions } from './jit/regions.ts';
import type { Descriptions } from './semantics/contract.ts';
import { descriptions } from './semantics/index.ts';
import { helpers } from './semantics/helpers/index.ts';
import { CODE_SIZE, ExitCode, Regions as RegionTable, Run, layout } from './state.ts';
import { EngineThread } from './thread.ts';
import { Decoder } from './x86/decoder.ts';
import { Disassembler } from './x86/disassembler.ts';
import { Instruction } from './x86/instruction.ts';
import { ROWS } from './x86/table.ts';

export interface EngineOptions {
  /** The interpreter's compiled module (interpreter/generator.ts). */
  readonly module: WebAssembly.Module;
  /** Guest RAM in frames of 4 KiB. */
  readonly frames: number;
  /** Nanoseconds since some fixed moment, for RDTSC. */
  readonly now: () => number;
  /** Without one: `interpreter`. */
  readonly tiers?: Tiers;
  /** What instructions mean to compiled code: a test of `check` gives wrong ones. */
  readonly compiledDescriptions?: Descriptions;
  /** Told of faults of the compiling tier, which leaves what it fails at to the interpreter. */
  readonly log?: (line: string) => void;
  /** A thread that compiles for the tiers `jit`; without it the thread that calls does. */
  readonly compileThread?: CompileThread | undefined;
  /** What compiled code is kept at most, where it is not to be what jit/regions.ts says. */
  readonly limits?: { readonly regions: number; readonly bytes: number };
}

/** Which tiers run code: the interpreter alone; `jit` compiles what is hot; for tests `eager`, whatever it meets, and `check`, which compares both. */
export type Tiers = 'interpreter' | 'jit' | 'eager' | 'check';

/** Why a run ended: the numbers of the kernel's Exit. */
export type EngineExit = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14;

/** Strays and outliers (Run) between two looks that cost less than what they spare. */
const mostStrays = 64;

/** A longer run than this many instructions would not fit into the count. */
const longestRun = 1 << 26;

export class Engine {
  readonly frames: PhysicalFrames;
  readonly memory: WebAssembly.Memory;
  readonly #decoder = new Decoder(64);
  readonly #code: CodeCache;
  readonly #caches: TranslationCaches;
  readonly #parts: MmuParts;
  readonly #view: DataView;
  readonly #run: () => number;
  readonly #step: () => number;
  readonly #regions: Regions | undefined;
  readonly #profile: Profile;
  readonly #check: TierCheck | undefined;
  #thread: EngineThread | undefined;
  #root = 0;
  #interrupted = false;
  /** Budget left until the profile wants to know where the thread is. */
  #untilLook = 0;
  #instructions = 0;
  /** For profiles: makes `decodeSeconds` count. */
  timesDecoding = false;
  decodeSeconds = 0;
  /** For profiles: called when a run was ended to look where it is. */
  looked: (() => void) | undefined;

  /** Throws RangeError if the host has not enough memory to give. */
  constructor({ module, frames, now, tiers = 'interpreter', compiledDescriptions = descriptions, log = () => {}, compileThread, limits }: EngineOptions) {
    const { code, codeEnd, firstFrame, pages } = layout(frames);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { buffer } = this.memory;
    this.#view = new DataView(buffer);
    this.#caches = new TranslationCaches(buffer);
    const section = WebAssembly.Module.customSections(module, 'forms')[0];
    if (!section || codeEnd - code !== CODE_SIZE) throw new Error('not an interpreter module');
    const forms = FormTable.decode(new Uint8Array(section), ROWS.length);
    this.#code = new CodeCache(buffer, { start: code, end: codeEnd }, ROWS, this.#decoder, forms, this.#caches);
    this.frames = new PhysicalFrames(buffer, firstFrame, frames, this.#code);
    this.#parts = {
      frames: this.frames, caches: this.#caches, code: this.#code, entries: new Uint32Array(buffer), activeRoot: () => this.#root,
    };
    const table = new WebAssembly.Table({ initial: RegionTable.count, element: 'anyfunc' });
    const clock = tiers === 'check' ? new ReplayedClock(now) : undefined;
    const instance = new WebAssembly.Instance(module, {
      env: {
        memory: this.memory, regions: table, now: clock ? () => clock.read() : now,
        codeWritten: (frame: number, offset: number, size: number) => this.#codeWritten(frame, offset, size),
      },
    });
    this.#run = instance.exports['run'] as () => number;
    this.#step = instance.exports['step'] as () => number;
    this.#profile = new Profile(tiers === 'eager');
    if (tiers === 'interpreter') return;
    this.#regions = new Regions({
      memory: this.memory, table, code: this.#code, rows: ROWS, decoder: this.#decoder, forms, descriptions: compiledDescriptions, helpers: helperSource(helpers),
      exports: instance.exports, profile: this.#profile, log, limits,
      elsewhere: compileThread && tiers === 'jit' ? { thread: compileThread, forms: new Uint8Array(section) } : undefined,
    });
    if (clock) this.#check = new TierCheck({
      memory: this.memory, table, code: this.#code, caches: this.#caches, regions: this.#regions,
      enter: this.#run, decode: space => this.#decode(this.#thread!, space as PageTables),
    }, clock);
  }

  /** Before a store to a frame that holds code. */
  #codeWritten(frame: number, offset: number, size: number): void {
    this.#check?.storesTo(frame);
    this.#code.overwritten(frame, offset, size);
  }

  createThread(): EngineThread {
    return new EngineThread(this.memory.buffer, thread => {
      if (this.#thread === thread) this.#thread = undefined;
    });
  }

  createAddressSpace(): PageTables | undefined {
    return PageTables.create(this.#parts);
  }

  /** See kernel/cpu.ts. Budget is in instructions and checked at taken jumps. */
  run(thread: EngineThread, space: PageTables, budget: number): EngineExit {
    this.#enter(thread, space);
    this.#interrupted = false;
    if (thread.isStepping) return this.#runStep(thread, space);
    if (this.#check) {
      const { exit, instructions } = this.#check.run(space, Math.min(budget, longestRun), () => this.#interrupted);
      return exit === ExitCode.step ? this.#runStep(thread, space) : this.#ran(thread, instructions, exit);
    }
    const given = Math.min(budget, longestRun) * 16;
    if (this.#profile.isEager) this.#compileNow(thread, space);
    let left = given, exit: number;
    do {
      const share = this.#regions || this.looked ? Math.min(left, this.#untilLook) : left;
      exit = this.#runShare(thread, space, share);
      const used = share - this.#view.getInt32(Run.budget, true);
      left -= used;
      this.#untilLook -= used;
      if (exit !== ExitCode.budget) break;
      if (this.#untilLook <= 0 && (this.#regions || this.looked)) this.#look(thread, space, this.#instructions + (given - left) / 16);
    } while (left > 0 && !this.#interrupted);
    return this.#ran(thread, (given - left) / 16, exit);
  }

  #ran(thread: EngineThread, instructions: number, exit: number): EngineExit {
    thread.instructions += instructions;
    this.#instructions += instructions;
    return exit as EngineExit;
  }

  #runShare(thread: EngineThread, space: PageTables, share: number): number {
    this.#view.setInt32(Run.budget, share, true);
    let exit = this.#run();
    while (exit >= ExitCode.decode) {
      if (exit === ExitCode.step) return this.#runStep(thread, space);
      exit = this.#decode(thread, space);
      if (exit === 0) exit = this.#interrupted ? ExitCode.budget : this.#run();
    }
    return exit;
  }

  /** One instruction, for TF. */
  #runStep(thread: EngineThread, space: PageTables): EngineExit {
    let exit = this.#step();
    while (exit >= ExitCode.decode) exit = exit === ExitCode.step ? ExitCode.singleStep : this.#decode(thread, space) || this.#step();
    return this.#ran(thread, 1, exit);
  }

  /** Compiles the code at rip, decoding it if it has to be. */
  #compileNow(thread: EngineThread, space: PageTables): void {
    const address = thread.rip, offset = address % 4096, frame = space.executable(address - offset);
    if (frame === 0 || this.#code.isCompiled(frame, offset)) return;
    if (this.#code.record(frame, offset) === 0 && this.#decode(thread, space) !== 0) return;
    this.#regions?.compile(space, address);
  }

  /** Looks where the thread is, and compiles that code if much time is spent there. */
  #look(thread: EngineThread, space: PageTables, instructions: number): void {
    this.looked?.();
    const address = thread.rip, offset = address % 4096, frame = space.executable(address - offset);
    if (frame !== 0) {
      const isCompiled = this.#code.isCompiled(frame, offset);
      if (isCompiled && this.#regions?.isUsable(space, address)) this.#inCompiled(space, instructions);
      else if (this.#profile.inInterpreted(frame * 4096 + offset) && this.#regions) {
        if (isCompiled) this.#regions.dropAt(space, address);
        if (!this.#regions.compile(space, address)) this.#profile.failed(frame * 4096 + offset);
      }
    }
    this.#lookForStrays(space);
    this.#untilLook = this.#profile.interval * 16;
  }

  #lookForStrays(space: PageTables): void {
    const look = (count: number, at: number, tell: (address: number) => void): void => {
      const number = this.#view.getInt32(count, true);
      if (number === 0) return;
      this.#view.setInt32(count, 0, true);
      if (number > mostStrays) tell(Number(this.#view.getBigInt64(at, true)));
    };
    look(Run.strays, Run.strayAt, address => this.#regions?.strayed(space, address));
    look(Run.outliers, Run.outlierAt, address => this.#regions?.outlying(space, address));
  }

  /** Code that leaves its regions much is looked at more often, to learn where to. */
  #inCompiled(space: PageTables, instructions: number): void {
    const view = this.#view, jumps = view.getInt32(Run.regionJumps, true), region = view.getInt32(Run.jumpFrom, true);
    view.setInt32(Run.regionJumps, 0, true);
    view.setInt32(Run.jumpFrom, 0, true);
    this.#profile.inCompiled(jumps);
    if (region > 0 && this.#profile.isLeaving) this.#regions?.left(space, region - 1, Number(view.getBigInt64(Run.jumpTo, true)), instructions);
  }

  /** Number of the compiled region that can be entered at an address, -1 where there is none. */
  regionAt(space: PageTables, address: number): number {
    const offset = address % 4096, frame = space.executable(address - offset);
    return frame === 0 ? -1 : this.#code.regionAt(frame, offset);
  }

  #enter(thread: EngineThread, space: PageTables): void {
    if (this.#thread !== thread) {
      this.#thread?.leave();
      thread.enter();
      this.#thread = thread;
    }
    if (this.#root !== space.root) {
      this.#root = space.root;
      this.#view.setInt32(Run.root, space.root, true);
      this.#caches.flush();
    }
  }

  /** Decodes at rip. Returns 0 or a page fault of the instruction's second page. */
  #decode(thread: EngineThread, space: PageTables): number {
    const started = this.timesDecoding ? performance.now() : 0;
    const missing = this.#code.decode(space, thread.rip);
    if (this.timesDecoding) this.decodeSeconds += (performance.now() - started) / 1000;
    if (missing === 0) return 0;
    this.#view.setBigUint64(Run.faultAddress, BigInt(missing), true);
    this.#view.setInt32(Run.faultAccess, 2, true);
    return ExitCode.pageFault;
  }

  /** Asks the current run to end soon; to be called from inside of it. */
  interrupt(): void {
    this.#interrupted = true;
  }

  get faultAddress(): number {
    return this.#view.getUint32(Run.faultAddress + 4, true) * 2 ** 32 + this.#view.getUint32(Run.faultAddress, true);
  }
  get faultAccess(): 0 | 1 | 2 {
    return this.#view.getInt32(Run.faultAccess, true) as 0 | 1 | 2;
  }
  get interruptVector(): number {
    return this.#view.getInt32(Run.interruptVector, true);
  }

  /** Mnemonic, operands and bytes at the thread's rip. */
  describeInstruction(thread: EngineThread, space: PageTables): string {
    const bytes = new Uint8Array(16);
    let count = 0;
    for (; count < 15; count++) {
      const at = space.translate(thread.rip + count, false);
      if (at < 0) break;
      bytes[count] = this.frames.bytes[at]!;
    }
    const instruction = new Instruction();
    const length = this.#decoder.decode(bytes, 0, count, instruction);
    const shown = bytes.subarray(0, length > 0 ? length : count);
    const hex = Array.from(shown, b => b.toString(16).padStart(2, '0')).join(' ');
    return length > 0 ? `${new Disassembler(64).format(instruction, bytes, 0, thread.rip)} (${hex})` : `no instruction (${hex})`;
  }

  /** Slices that `check` has compared, and those that ended nowhere where they could be. */
  get checkedSlices(): { compared: number; skipped: number } {
    return { compared: this.#check?.compared ?? 0, skipped: this.#check?.skipped ?? 0 };
  }

  get compileSeconds(): number {
    return this.#regions?.seconds ?? 0;
  }

  get statistics(): { instructions: number; tlbMisses: number; decodedInstructions: number; codePagesInvalidated: number; regionsCompiled: number; regionsDropped: number; regionBytes: number; compileSeconds: number } {
    return {
      instructions: this.#instructions, tlbMisses: this.#view.getUint32(Run.tlbMisses, true),
      decodedInstructions: this.#code.decodedInstructions, codePagesInvalidated: this.#code.pagesInvalidated,
      regionsCompiled: this.#regions?.compiled ?? 0, regionsDropped: this.#regions?.dropped ?? 0, regionBytes: this.#regions?.bytes ?? 0,
      compileSeconds: this.#regions?.seconds ?? 0,
    };
  }
}
