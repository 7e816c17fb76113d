/**
 * check/: `--engine check`. What compiled code does is done again by the interpreter from the same state, some hundred or thousand
 * instructions at a time, and the first difference ends everything with a report. Nothing here runs in other modes, and nothing depends on
 * it but engine.ts, which hands runs over. This file: the two passes, and how a difference is narrowed down.
 */
import { ExitCode, Run, STATE, STATE_SIZE } from '../state.ts';
import { Breakpoint } from './breakpoint.ts';
import { CheckedCode } from './checkedCode.ts';
import type { CheckedEngine, CheckedSpace } from './checkedEngine.ts';
import { RESULT, RegisterFile, resultOf } from './registers.ts';
import type { ReplayedClock } from './replayedClock.ts';
import { TierDifference, describeFinding, type Finding } from './report.ts';
import { WrittenFrames } from './writtenFrames.ts';

/** Budget of an instruction. */
const cost = 16;
/** Instructions of a slice. */
const shortest = 64, longest = 8192;
/** What the interpreter may take for an instruction of compiled code: it counts string operations otherwise, and compiled code its exits. */
const most = 70, mostExtra = 100_000, mostEver = 1 << 26;
/** How often a slice is made longer that ends where it can't be compared. */
const mostExtensions = 200;
/** Slices after which frames that are no longer written are forgotten. */
const renewals = 16;
/** Sizes of regions with which a difference is tried again. */
const limits = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128];
/** Jumps of the interpreter that are noted for a report. */
const longestPath = 60;

interface Ended {
  readonly exit: number;
  readonly instructions: number;
}

export class TierCheck {
  readonly #engine: CheckedEngine;
  readonly #clock: ReplayedClock;
  readonly #view: DataView;
  readonly #written: WrittenFrames;
  readonly #breakpoint: Breakpoint;
  readonly #code: CheckedCode;
  /** Registers: as they are, when the slice began, after compiled code. */
  readonly #now: RegisterFile;
  readonly #before = new RegisterFile(new Uint8Array(STATE_SIZE));
  readonly #after = new RegisterFile(new Uint8Array(STATE_SIZE));
  readonly #result: Uint8Array;
  #resultAfter = '';
  #ended: Ended = { exit: 0, instructions: 0 };
  #stamp = 0;
  /** Places that nothing can be compiled at, and the number of invalidated pages for which that is so. */
  readonly #unfit = new Set<number>();
  #invalidated = 0;
  #slices = 0;
  /** Tries of a slice begin with an empty TLB. */
  #isCold = true;
  /** Slices that were compared, and those that ended nowhere where they could be. */
  compared = 0;
  skipped = 0;

  constructor(engine: CheckedEngine, clock: ReplayedClock) {
    const { memory, table, code, regions } = engine;
    this.#engine = engine;
    this.#clock = clock;
    this.#view = new DataView(memory.buffer);
    this.#now = new RegisterFile(new Uint8Array(memory.buffer, STATE, STATE_SIZE));
    this.#result = new Uint8Array(memory.buffer, RESULT.at, RESULT.size);
    this.#written = new WrittenFrames(memory.buffer, code);
    this.#breakpoint = new Breakpoint(memory, table, code, regions.reserveSlot());
    this.#code = new CheckedCode(memory.buffer);
    this.#view.setInt32(Run.watchStores, 1, true);
  }

  /** A frame is about to be written. */
  storesTo(frame: number): void {
    this.#written.add(frame);
  }

  /** Runs for some `budget` instructions at most. The thread's registers are in memory. Throws TierDifference. */
  run(space: CheckedSpace, budget: number, isInterrupted: () => boolean): Ended {
    let ran = 0, exit: number = ExitCode.budget;
    while (exit === ExitCode.budget && ran < budget && !isInterrupted()) {
      const ended = this.#slice(space, Math.min(this.#length(), budget - ran));
      ran += ended.instructions;
      exit = ended.exit;
    }
    return { exit, instructions: ran };
  }

  /** Instructions of the next slice: short and long ones by turns. */
  #length(): number {
    const random = Math.imul(this.#slices, 0x9e3779b1) >>> 16;
    return shortest << random % (Math.log2(longest / shortest) + 1);
  }

  #slice(space: CheckedSpace, length: number): Ended {
    this.#start();
    const ended = this.#compiled(space, length);
    if (ended.exit === ExitCode.budget && !this.#code.canStop(space, this.#now.rip)) {
      this.skipped++;
      return ended;
    }
    if (!this.#interpreted(space).same) throw new TierDifference(this.#report(space, length));
    this.compared++;
    return ended;
  }

  /** What is now is where both passes begin. */
  #start(): void {
    if (this.#slices++ % renewals === 0) {
      this.#written.clear();
      this.#engine.caches.protectAll();
    } else this.#written.renew();
    this.#clock.start();
    this.#before.bytes.set(this.#now.bytes);
  }

  #restore(): void {
    this.#written.restore();
    this.#clock.repeat();
    this.#now.bytes.set(this.#before.bytes);
    // Regions look at Run.onlyRegion when the stamp isn't theirs.
    this.#engine.caches.codeMoved();
  }

  /** Runs until an exit of the guest. `decoded` is told whenever something was decoded. */
  #share(space: CheckedSpace, budget: number, decoded?: () => void): number {
    this.#view.setInt32(Run.budget, budget, true);
    let exit = this.#engine.enter();
    while (exit === ExitCode.decode || exit === ExitCode.redecode) {
      exit = this.#engine.decode(space);
      if (exit !== 0) break;
      decoded?.();
      exit = this.#engine.enter();
    }
    return exit;
  }

  /** The pass in compiled code: all that a share begins with is compiled, and shares are short in what is new. */
  #compiled(space: CheckedSpace, length: number): Ended {
    this.#stamp = this.#view.getInt32(Run.codeStamp, true);
    let ran = 0, exit: number, share = 1, extensions = 0, goesOn: boolean;
    do {
      if (this.#compileHere(space)) share = 1;
      const budget = Math.max(1, Math.min(share, length - ran)) * cost;
      exit = this.#share(space, budget);
      ran += (budget - this.#view.getInt32(Run.budget, true)) / cost;
      share *= 2;
      goesOn = exit === ExitCode.budget && (ran < length || !this.#code.canStop(space, this.#now.rip) && extensions++ < mostExtensions);
    } while (goesOn);
    this.#after.bytes.set(this.#now.bytes);
    this.#resultAfter = resultOf(exit, this.#result);
    this.#written.keep();
    this.#ended = { exit, instructions: ran };
    return this.#ended;
  }

  /** Compiles the code at rip if it isn't yet: true if it is now. */
  #compileHere(space: CheckedSpace): boolean {
    const { code, regions } = this.#engine, { rip } = this.#now;
    const offset = rip % 4096, frame = space.executable(rip - offset), place = frame * 4096 + offset;
    if (frame === 0 || code.isCompiled(frame, offset)) return false;
    if (this.#invalidated !== code.pagesInvalidated) this.#unfit.clear();
    this.#invalidated = code.pagesInvalidated;
    if (this.#unfit.has(place)) return false;
    if (code.record(frame, offset) === 0 && this.#engine.decode(space) !== 0) return false;
    const done = regions.compile(space, rip);
    if (!done) this.#unfit.add(place);
    return done;
  }

  /** The interpreter's pass, from the start again: whether it ends as the other did. */
  #interpreted(space: CheckedSpace): { readonly same: boolean; readonly exit: number; readonly instructions: number } {
    const breakpoint = this.#breakpoint, target = this.#after.rip, stops = this.#ended.exit === ExitCode.budget;
    let same = false;
    this.#restore();
    this.#view.setInt32(Run.onlyRegion, breakpoint.onlyRegion, true);
    if (stops) {
      breakpoint.set(target, () => same = this.#isSame);
      breakpoint.enter(space);
    }
    const budget = Math.min(this.#ended.instructions * most + mostExtra, mostEver) * cost;
    const exit = this.#share(space, budget, stops ? () => breakpoint.enter(space) : undefined);
    const instructions = (budget - this.#view.getInt32(Run.budget, true)) / cost;
    breakpoint.remove();
    this.#view.setInt32(Run.onlyRegion, 0, true);
    this.#engine.caches.codeMoved();
    // Where compiled code stopped before an instruction that can't be fetched, the interpreter has met the fault.
    const isThere = this.#now.rip === target && this.#isSame;
    const sameExit = stops || exit === this.#ended.exit && resultOf(exit, this.#result) === this.#resultAfter;
    return { same: same || isThere && sameExit, exit, instructions };
  }

  get #isSame(): boolean {
    return this.#now.equals(this.#after) && this.#written.isSame;
  }

  // ---------------------------------------------------------------- after a difference

  /** From the slice's start again, with another length: true if the tiers agree. */
  #again(space: CheckedSpace, length: number): boolean {
    this.#restore();
    // A slice may differ only where translations are missing, or only where they are there.
    if (this.#isCold) this.#engine.caches.flush();
    const { exit } = this.#compiled(space, length);
    return exit === ExitCode.budget && !this.#code.canStop(space, this.#now.rip) || this.#interpreted(space).same;
  }

  /** Looks for the shortest slice and the smallest regions that differ, and describes what it finds. */
  #report(space: CheckedSpace, length: number): string {
    const first = this.#describe(space, Infinity);
    if (this.#again(space, length)) this.#isCold = false;
    if (!this.#isCold && this.#again(space, length)) return `${first}\n\nThe same once more went well: what is wrong is not in the code alone.`;
    this.#narrow(space, length);
    for (const limit of limits) {
      this.#engine.regions.limit(limit);
      this.#unfit.clear();
      if (this.#shorten(space, length)) {
        this.#narrow(space, length);
        return this.#shorten(space, length) ? this.#describe(space, limit) : first;
      }
    }
    this.#engine.regions.limit(Infinity);
    this.#unfit.clear();
    return this.#again(space, length) ? first : this.#describe(space, Infinity);
  }

  /** Takes the shortest length that differs; false if none does. */
  #shorten(space: CheckedSpace, length: number): boolean {
    for (let shorter = 1; shorter < length * 2; shorter *= 2) if (!this.#again(space, Math.min(shorter, length))) return true;
    return false;
  }

  /** Moves the slice's start forward for as long as its beginning agrees. */
  #narrow(space: CheckedSpace, length: number): void {
    let agrees = 0, differs = length;
    while (differs - agrees > 1) {
      const middle = agrees + differs >> 1;
      if (this.#again(space, middle)) agrees = middle;
      else differs = middle;
    }
    if (agrees === 0 || !this.#again(space, agrees)) return;
    const before = this.#before.bytes.slice(), undo = [this.#written.advance(), this.#clock.advance()];
    this.#before.bytes.set(this.#now.bytes);
    if (!this.#again(space, length)) return;
    // It takes the way there as well.
    for (const back of undo) back();
    this.#before.bytes.set(before);
  }

  /** Does the interpreter's pass once more for what it finds. */
  #describe(space: CheckedSpace, limit: number): string {
    const target = this.#after.rip, regions = this.#engine.regions.entered(this.#stamp);
    // Of the times that the interpreter was where compiled code ended, the one with the fewest differences.
    let best: { registers: RegisterFile; memory: Finding['memory']; count: number } | undefined;
    const look = (): void => {
      const memory = this.#written.differences(), registers = new RegisterFile(this.#now.bytes.slice());
      // Flags may be the same by chance where all the rest is another turn's.
      const count = memory.length + registers.differences(this.#after).reduce((sum, { name }) => sum + (name === 'rflags' ? 1 : 4), 0);
      if (!best || count < best.count) best = { registers, memory, count };
    };
    const path = this.#path(space, target, look);
    const { exit, instructions } = this.#interpreted(space);
    const here = { exit, rip: this.#now.rip, result: resultOf(exit, this.#result), instructions };
    if (!best) look();
    const arrived = best !== undefined && path.includes(target);
    const { registers, memory } = best!;
    const compiled = { ...this.#ended, rip: target, result: this.#resultAfter, registers: this.#after };
    const interpreted = { ...(arrived ? { ...here, exit: ExitCode.budget, rip: target, result: '' } : here), registers, arrived };
    return describeFinding({ before: this.#before, compiled, interpreted, memory, regions, path, limit }, space, this.#code);
  }

  /** Where the interpreter jumps from the slice's start on; `look` is called whenever it is at `target`. */
  #path(space: CheckedSpace, target: number, look: () => void): number[] {
    const path: number[] = [];
    this.#restore();
    this.#view.setInt32(Run.onlyRegion, this.#breakpoint.onlyRegion, true);
    this.#breakpoint.set(target, () => {
      path.push(target);
      look();
      return false;
    });
    this.#breakpoint.enter(space);
    for (let i = 0; i < Math.max(longestPath, this.#ended.instructions * 4); i++) {
      const exit = this.#share(space, 0, () => this.#breakpoint.enter(space));
      if (path.at(-1) !== this.#now.rip) path.push(this.#now.rip);
      if (exit !== ExitCode.budget) break;
    }
    this.#breakpoint.remove();
    this.#view.setInt32(Run.onlyRegion, 0, true);
    return path;
  }
}
