/**
 * Makes the interpreter's WebAssembly module: MMU, helpers, all forms in functions that are called, and those that matter once more in the
 * hot function, which is a loop around a `br_table` and does only what needs no call.
 */
import { Code, callTable, callValue, load16U, load32, load64, type Callable, type Label, type Variable } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32, I64, type Type } from '../wasm/values.ts';
import { MemoryHelper, type Descriptions, type HelperDefinitions, type Helpers } from '../semantics/contract.ts';
import { flagHomes, settleFlags } from '../semantics/pendingFlags.ts';
import { CodeTlb, ExitCode, JumpCache, RegionOutcome, Regions, Run, STATE, Slot } from '../state.ts';
import { codeTlbSlot, defineTranslate, type TranslateFunctions } from '../mmu/translate.ts';
import type { Row } from '../x86/rows.ts';
import { Frame, Outcome, groupSize, here, type Locals } from './frame.ts';
import { writeForm, writeSpecialForm } from './form.ts';
import { SpecialForm, enumerateForms, type Form } from './forms.ts';
import { isHot } from './hot.ts';
import { Compiled, Record } from './record.ts';
import { writeStep } from './step.ts';

/** Name of the custom section with the encoded FormTable. */
export const FORMS_SECTION = 'forms';

/** Bytes that helpers expect in memory. */
export interface ConstantData {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface InterpreterSource {
  readonly rows: readonly Row[];
  readonly descriptions: Descriptions;
  readonly helpers: HelperDefinitions;
  readonly data?: readonly ConstantData[];
}

/**
 * The module's binary. It imports env.memory, env.codeWritten(frame, offset, size) and env.now() -> f64 (nanoseconds), and exports run() and step() -> ExitCode.
 */
export function generateInterpreter({ rows, descriptions, helpers, data = [] }: InterpreterSource): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 1);
  module.importTable('env', 'regions');
  const codeWritten = module.importFunction('env', 'codeWritten', ['i32', 'i32', 'i32'], undefined);
  const now = module.importFunction('env', 'now', [], 'f64');
  const translate = defineTranslate(module, codeWritten);
  const known = new Map<string, Callable>([
    ['now', now], [MemoryHelper.translate, translate.translate],
    [MemoryHelper.storeSlow, translate.storeSlow], [MemoryHelper.storeSlowV128, translate.storeSlowV128],
  ]);
  const available: Helpers = {
    get<R extends Type | undefined>(name: string): Callable<R> {
      const helper = known.get(name);
      if (!helper) throw new Error(`no helper ${name}`);
      return helper as Callable<R>;
    },
  };
  for (const [name, { parameters, result }] of Object.entries(helpers)) known.set(name, module.declare(name, parameters, result));
  for (const [name, definition] of Object.entries(helpers)) module.define(known.get(name)!, code => definition.body(code, available));
  const { forms, tableOf } = enumerateForms(rows, descriptions);
  const caseOfForm = (form: Form): Case => (frame, some) => writeForm(frame, form, descriptions[form.row.operation]!, some);
  const { hot, cold, caseOf } = arrange(forms, form => sampleBody(caseOfForm(form), translate, available));
  const special = Array.from({ length: SpecialForm.count }, (_, id): Case => frame => writeSpecialForm(frame, id));
  const hotCases = [...special, ...hot.map(caseOfForm)], cases = [...hotCases, ...cold.map(caseOfForm)];
  const groups = Array.from({ length: Math.ceil(cases.length / groupSize) }, (_, i) => cases.slice(i * groupSize, (i + 1) * groupSize));
  const complete = groups.map((group, i) => (
    module.function(`forms${i}`, ['i32', 'i32'], 'i32', code => writeComplete(code, translate, i * groupSize, group, available))));
  const runHot = module.function('hot', ['i32', 'i32'], 'i32', code => writeHot(code, translate, hotCases, available));
  const isMapped = module.function('isMapped', ['i32'], 'i32', code => writeIsMapped(code, translate.codeFrame));
  const region = module.type({ parameters: ['i32', 'i32'], result: 'i32' });
  const parts = { functions: translate, hot: runHot, firstCold: hotCases.length, complete, isMapped, region };
  module.export('run', module.function('run', [], 'i32', code => writeRun(code, parts)));
  module.export('step', module.function('step', [], 'i32', code => writeStep(code, complete, (locals, missing) => writeLookUp(code, translate, locals, missing))));
  module.export('enter', module.function('enter', ['i64', 'i32'], 'i32', code => writeEnter(code, region)));
  for (const [name, helper] of known) module.export(name, helper);
  for (const { at, bytes } of data) module.data(at, bytes);
  module.customSection(FORMS_SECTION, tableOf(caseOf).encode());
  return module.assemble();
}

/** Writes the body of a form. */
type Case = (frame: Frame, helpers: Helpers) => void;

/** The bytes of a form's body, to find those that are the same. */
function sampleBody(write: Case, functions: TranslateFunctions, helpers: Helpers): string {
  const code = new Code();
  const locals = { rec: code.variable(I32.of(0)), account: code.variable(I32.of(0)), target: code.variable(I64.of(0)) };
  code.block(leave => code.block(fault => code.block(jump => write(new Frame(code, functions, { leave, fault, jump }, locals), helpers))));
  return String.fromCharCode(...code.out.taken);
}

/** Forms with the same body are one case. Cases are numbered behind the special forms: first the hot ones, then the cold ones. */
function arrange(forms: readonly Form[], bodyOf: (form: Form) => string): { hot: Form[]; cold: Form[]; caseOf: (form: number) => number } {
  const bodies = forms.map(bodyOf);
  const first = new Map<string, { form: Form; hot: boolean }>();
  forms.forEach((form, i) => {
    const known = first.get(bodies[i]!);
    if (known) known.hot ||= isHot(form);
    else first.set(bodies[i]!, { form, hot: isHot(form) });
  });
  const sorted = [...first].sort(([, a], [, b]) => Number(b.hot) - Number(a.hot));
  const number = new Map(sorted.map(([body], i) => [body, SpecialForm.count + i]));
  const cases = sorted.map(([, one]) => one);
  return {
    hot: cases.filter(one => one.hot).map(one => one.form), cold: cases.filter(one => !one.hot).map(one => one.form),
    caseOf: form => number.get(bodies[form]!)!,
  };
}

/** Why the hot function ended: a record that only its complete form can do, a jump to where no record is known, the budget. */
const HotOutcome = { record: 0, jump: 1, spent: 2 } as const;

/** Complete forms from number `first` on: (rec, account) -> Outcome; what has changed besides is in Run.account and Run.target. */
function writeComplete(code: Code, functions: TranslateFunctions, first: number, cases: readonly Case[], helpers: Helpers): void {
  const rec = code.variable(code.parameter(0, 'i32')), account = code.variable(code.parameter(1, 'i32')), target = code.variable(I64.of(0));
  code.block(leave => {
    code.block(fault => {
      code.block(jump => {
        const frame = new Frame(code, functions, { leave, fault, jump }, { rec, account, target });
        code.switch(load16U(rec.value, Record.form).sub(first), cases.map(write => () => write(frame, helpers)));
        code.store32(Run.account, account.value);
        code.return(I32.of(Outcome.next));
      });
      code.store64(Run.target, target.value);
      code.store32(Run.account, account.value);
      code.return(I32.of(Outcome.jump));
    });
    code.return(I32.of(Outcome.fault));
  });
  code.store32(Run.account, account.value);
  code.return(I32.of(Outcome.leave));
}

/**
 * The hot function: (rec, account) -> HotOutcome, with where it stands in Run.record, Run.account and Run.target. It calls nothing: a call
 * anywhere in it would make V8 keep `rec` and the rest in memory, which makes every instruction twice as slow. What needs a call leaves,
 * before it has changed anything, and run() does it by the complete form.
 */
function writeHot(code: Code, functions: TranslateFunctions, cases: readonly Case[], helpers: Helpers): void {
  const rec = code.variable(code.parameter(0, 'i32')), account = code.variable(code.parameter(1, 'i32')), target = code.variable(I64.of(0));
  const locals = { rec, account, target };
  const leave = (outcome: number): void => {
    code.store32(Run.record, rec.value);
    code.store32(Run.account, account.value);
    code.return(I32.of(outcome));
  };
  code.block(spent => {
    code.block(fault => {
      code.loop(run => {
        code.block(jump => {
          const leaving = Object.fromEntries(Object.entries(functions).map(([name, callee]) => [name, code.leaving(callee as Callable, fault)]));
          const frame = new Frame(code, leaving as unknown as TranslateFunctions, { fault, jump, run, spent }, locals);
          const leavingHelpers: Helpers = { get: name => code.leaving(helpers.get(name), fault) };
          code.switch(load16U(rec.value, Record.form), cases.map(write => () => {
            code.stored = false;
            write(frame, leavingHelpers);
            code.set(rec, rec.value.add(Record.size));
            code.br(run);
          }), () => code.br(fault));
        });
        writeQuickLookUp(code, locals, () => {
          code.store64(Run.target, target.value);
          leave(HotOutcome.jump);
        });
        code.brIf(run, account.value.sub(rec.value).geS(0));
        code.br(spent);
      });
    });
    leave(HotOutcome.record);
  });
  leave(HotOutcome.spent);
}

/** Calls from region to region that may be under way. */
const deepestCall = 64;

interface RunParts {
  readonly functions: TranslateFunctions;
  readonly hot: Callable<'i32'>;
  /** Number of the first form that the hot function doesn't have. */
  readonly firstCold: number;
  readonly complete: readonly Callable<'i32'>[];
  readonly isMapped: Callable<'i32'>;
  /** Type of regions' functions. */
  readonly region: number;
}

interface RunLocals extends Locals {
  readonly outcome: Variable<I32>;
  /** Not 0: the instruction to come is to be interpreted though compiled code begins with it. */
  readonly interpret: Variable<I32>;
}

/** Where run()'s parts go on. */
interface RunLabels {
  /** Leaves with Run.exit at the record at hand, at the address in Slot.rip. */
  readonly fault: Label;
  readonly leave: Label;
  /** Leaves since the budget is spent. */
  readonly spent: Label;
  /** Goes on at `target`; `account` is what is left of the budget. */
  readonly jump: Label;
}

/** run(): from Slot.rip until an exit; leaves rip and what is left of the budget in memory. */
function writeRun(code: Code, parts: RunParts): void {
  code.store32(Run.depth, 0);
  const locals: RunLocals = {
    rec: code.variable(I32.of(0)), account: code.variable(load32(Run.budget)), target: code.variable(load64(STATE + Slot.rip)),
    outcome: code.variable(I32.of(0)), interpret: code.variable(I32.of(0)),
  };
  const { rec, account } = locals;
  code.block(leave => {
    code.block(fault => {
      code.loop(jump => {
        writeQuickDispatch(code, parts, locals, { leave, jump });
        writeLookUp(code, parts.functions, locals, () => code.br(leave));
        code.block(spent => {
          // Only here: a record that ends a run has the place of the instruction before it, so nothing can go on there later.
          // What compiled code has left to the interpreter is done all the same, or it would never be.
          code.brIf(spent, account.value.sub(rec.value).ltS(0).and(locals.interpret.value.eqz()));
          code.loop(run => {
            writeCompiled(code, parts, locals, { fault, leave, spent, jump });
            writeInterpreted(code, parts, locals, { fault, leave, spent, jump });
            code.br(run);
          });
        });
        code.store32(Run.exit, ExitCode.budget);
      });
    });
    code.store64(STATE + Slot.rip, here(rec.value));
    code.set(account, account.value.sub(rec.value));
  });
  settleFlags(code, flagHomes(code));
  code.store32(Run.budget, account.value);
  code.return(load32(Run.exit));
}

/** If the jump cache knows compiled code at `target`, runs it. */
function writeQuickDispatch(code: Code, parts: RunParts, locals: RunLocals, labels: Pick<RunLabels, 'leave' | 'jump'>): void {
  const { account, target, interpret } = locals;
  code.block(unknown => code.scope(() => {
    const at = code.let(jumpCacheSlot(target.value));
    const { isElsewhere, isOld } = jumpCacheMiss(at, target.value);
    code.brIf(unknown, isElsewhere);
    code.brIf(unknown, isOld);
    code.brIf(unknown, interpret.value.or(account.value.shrU(31)));
    writeRegionCall(code, parts, locals, load32(at, JumpCache.base + JumpCache.entry), account.value, labels);
  }));
}

/** Functions begin at multiples of 16: other bits take the place of the low ones. */
function jumpCacheSlot(address: I64): I32 {
  return address.xor(address.shrU(12)).toI32().and(JumpCache.entries - 1).shl(Math.log2(JumpCache.entrySize));
}

/** Why the entry at a slot may not be what begins at `target`: it is another address's, or from before other code was mapped. */
function jumpCacheMiss(at: I32, target: I64): { readonly isElsewhere: I32; readonly isOld: I32 } {
  return {
    isElsewhere: load64(at, JumpCache.base + JumpCache.address).ne(target),
    isOld: load32(at, JumpCache.base + JumpCache.stamp).ne(load32(Run.codeStamp)),
  };
}

/** Calls the region at `entry`, and goes on where it says. */
function writeRegionCall(code: Code, { region }: RunParts, locals: RunLocals, entry: I32, left: I32, { leave, jump }: Pick<RunLabels, 'leave' | 'jump'>): void {
  const { account, target, outcome, interpret } = locals, { slot, block } = entryOf(code, entry);
  code.store32(Run.region, 0);
  code.set(outcome, callTable('i32', region, slot, block, left));
  noteJump(code, slot, outcome.value);
  code.set(account, load32(Run.account));
  code.set(target, load64(Run.target));
  code.set(interpret, outcome.value.eq(RegionOutcome.interpret));
  code.store32(Run.regionJumps, load32(Run.regionJumps).add(outcome.value.eq(RegionOutcome.jump)));
  code.brIf(jump, outcome.value.leU(RegionOutcome.returned));
  code.store64(STATE + Slot.rip, target.value);
  code.if(outcome.value.eq(RegionOutcome.spent), () => code.store32(Run.exit, ExitCode.budget));
  code.br(leave);
}

function entryOf(code: Code, entry: I32): { readonly slot: I32; readonly block: I32 } {
  const pinned = code.let(entry);
  return { slot: pinned.and((1 << Compiled.slotBits) - 1), block: pinned.shrU(Compiled.blockShift).and(Compiled.blockMask) };
}

/** Notes the region that a jump left, unless one that it had called did that. */
function noteJump(code: Code, slot: I32, outcome: I32): void {
  code.if(outcome.or(load32(Run.region)).eqz(), () => {
    code.store32(Run.region, slot.add(1));
    code.store32(Run.jumpFrom, slot.add(1));
    code.store64(Run.jumpTo, load64(Run.target));
  });
}

/**
 * enter(target, left) -> RegionOutcome: how compiled code calls what may be compiled at `target`. If it isn't known, or calls are deep
 * (frames of all of them are on the host's stack), the outcome is `returned` at once, and who runs regions goes on there.
 */
function writeEnter(code: Code, region: number): void {
  const target = code.parameter(0, 'i64'), left = code.parameter(1, 'i32');
  const at = code.let(jumpCacheSlot(target)), depth = code.let(load32(Run.depth));
  const { isElsewhere, isOld } = jumpCacheMiss(at, target);
  code.if(isElsewhere.or(isOld).or(depth.geU(deepestCall)).or(left.ltS(0)), () => {
    code.store64(Run.target, target);
    code.store32(Run.account, left);
    code.return(I32.of(RegionOutcome.returned));
  });
  const { slot, block } = entryOf(code, load32(at, JumpCache.base + JumpCache.entry));
  code.store32(Run.depth, depth.add(1));
  const outcome = code.let(callTable('i32', region, slot, block, left));
  code.store32(Run.depth, depth);
  noteJump(code, slot, outcome);
  code.return(outcome);
}

/** If compiled code begins at `rec`, runs it, or goes on to the instruction's own records. */
function writeCompiled(code: Code, parts: RunParts, locals: RunLocals, labels: RunLabels): void {
  const { rec, account, interpret } = locals;
  code.if(load16U(rec.value, Record.form).eq(SpecialForm.compiled), () => {
    const record = code.let(rec.value), entry = code.let(load32(record, Compiled.entry));
    const left = code.let(account.value.sub(record));
    const page = load64(STATE + Slot.page).shrU(12);
    const isHere = page.toI32().eq(load32(record, Compiled.page)).and(page.shrU(32).toI32().eq(entry.shrU(Compiled.pageShift)));
    code.block(own => {
      code.brIf(own, interpret.value.or(isHere.eqz()));
      const slot = code.let(entry.and((1 << Compiled.slotBits) - 1));
      code.if(load32(slot.shl(3), Regions.base + Regions.stamp).ne(load32(Run.codeStamp)), () => {
        code.brIf(own, callValue(parts.isMapped, slot).eqz());
      });
      const address = code.let(here(record)), at = code.let(jumpCacheSlot(address));
      code.store64(at, address, JumpCache.base + JumpCache.address);
      code.store32(at, load32(Run.codeStamp), JumpCache.base + JumpCache.stamp);
      code.store32(at, entry, JumpCache.base + JumpCache.entry);
      writeRegionCall(code, parts, locals, entry, left, labels);
    });
    code.set(rec, load32(record, Compiled.copy));
    code.set(account, left.add(rec.value));
  });
  code.set(interpret, I32.of(0));
}

/** Runs records, those of the hot function in it, until something else has to be done. */
function writeInterpreted(code: Code, { hot, firstCold, complete }: RunParts, { rec, account, target, outcome }: RunLocals, { fault, leave, spent, jump }: RunLabels): void {
  const jumpOn = (): void => {
    code.set(target, load64(Run.target));
    code.br(jump);
  };
  settleFlags(code, flagHomes(code));
  code.set(outcome, callValue(hot, rec.value, account.value));
  code.set(rec, load32(Run.record));
  code.set(account, load32(Run.account));
  code.brIf(spent, outcome.value.eq(HotOutcome.spent));
  code.if(outcome.value.eq(HotOutcome.jump), jumpOn);
  const calls = complete.map(callee => () => code.set(outcome, callValue(callee, rec.value, account.value)));
  code.block(compiled => code.loop(next => {
    code.brIf(compiled, load16U(rec.value, Record.form).eq(SpecialForm.compiled));
    code.switch(load16U(rec.value, Record.form).shrU(Math.log2(groupSize)), calls);
    code.brIf(fault, outcome.value.eq(Outcome.fault));
    code.set(account, load32(Run.account));
    code.brIf(leave, outcome.value.eq(Outcome.leave));
    code.if(outcome.value.eq(Outcome.jump), jumpOn);
    code.set(rec, rec.value.add(Record.size));
    code.brIf(next, load16U(rec.value, Record.form).geU(firstCold));
  }));
}

/** (slot) -> 1 if the pages that a region was compiled from are mapped where they were. */
function writeIsMapped(code: Code, codeFrame: Callable<'i32'>): void {
  const slot = code.parameter(0, 'i32'), only = code.let(load32(Run.onlyRegion));
  code.if(only.ne(0).and(only.ne(slot.add(1))), () => code.return(I32.of(0)));
  const at = code.let(slot.shl(3));
  const page = code.variable(load32(at, Regions.base + Regions.pages));
  const count = code.variable(load32(page.value));
  code.set(page, page.value.add(16));
  code.block(done => code.loop(next => {
    code.brIf(done, count.value.eqz());
    code.if(callValue(codeFrame, load64(page.value)).ne(load32(page.value, 8)), () => code.return(I32.of(0)));
    code.set(page, page.value.add(16));
    code.set(count, count.value.sub(1));
    code.br(next);
  }));
  code.store32(at, load32(Run.codeStamp), Regions.base + Regions.stamp);
  code.return(I32.of(1));
}

/** Sets `rec` to the record at `target`, Slot.page to its page, by the code TLB alone; `missing` leaves. */
function writeQuickLookUp(code: Code, { rec, account, target }: Locals, missing: () => void): void {
  code.scope(() => {
    const slot = code.let(codeTlbSlot(target.value)), page = code.let(target.value.and(-4096));
    code.if(load64(slot, CodeTlb.base + CodeTlb.tag).ne(page), missing);
    const found = code.let(load32(load32(slot, CodeTlb.base + CodeTlb.table).add(target.value.toI32().and(4095).shl(2))));
    code.if(found.eqz(), missing);
    code.set(rec, found);
    code.store64(STATE + Slot.page, page);
    code.set(account, account.value.add(found));
  });
}

/** As `writeQuickLookUp`, and finds what the code TLB doesn't know; `missing` leaves with the exit noted and rip at `target`. */
function writeLookUp(code: Code, functions: TranslateFunctions, locals: Locals, missing: () => void): void {
  const { rec, account, target } = locals;
  code.block(done => {
    code.block(unknown => {
      writeQuickLookUp(code, locals, () => code.br(unknown));
      code.br(done);
    });
    code.set(rec, callValue(functions.findCode, target.value));
    code.if(rec.value.eqz(), () => {
      code.store64(STATE + Slot.rip, target.value);
      missing();
    });
    code.store64(STATE + Slot.page, target.value.and(I64.of(-4096)));
    code.set(account, account.value.add(rec.value));
  });
}
