/**
 * Makes the interpreter's WebAssembly module: MMU, helpers, the run function, which is a loop around a `br_table` over the forms that matter,
 * and functions with the others.
 */
import { Code, callValue, load16U, load32, load64, type Callable } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32, I64, type Type } from '../wasm/values.ts';
import { MemoryHelper, type Descriptions, type HelperDefinitions, type Helpers } from '../semantics/contract.ts';
import { CodeTlb, ExitCode, Run, STATE, Slot } from '../state.ts';
import { codeTlbSlot, defineTranslate, type TranslateFunctions } from '../mmu/translate.ts';
import type { Row } from '../x86/rows.ts';
import { Frame, here, type Locals } from './frame.ts';
import { writeForm, writeSpecialForm } from './form.ts';
import { SpecialForm, enumerateForms, type Form } from './forms.ts';
import { isHot } from './hot.ts';
import { Record } from './record.ts';

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
 * The module's binary. It imports env.memory, env.codeWritten(frame) and env.now() -> f64 (nanoseconds), and exports run() -> ExitCode.
 */
export function generateInterpreter({ rows, descriptions, helpers, data = [] }: InterpreterSource): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 1);
  const codeWritten = module.importFunction('env', 'codeWritten', ['i32'], undefined);
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
  const write = (frame: Frame, form: Form): void => writeForm(frame, form, descriptions[form.row.operation]!, available);
  const { hot, cold, caseOf } = arrange(forms, form => sampleBody(form, translate, write));
  const groups = Array.from({ length: Math.ceil(cold.length / groupSize) }, (_, i) => cold.slice(i * groupSize, (i + 1) * groupSize));
  const functions = groups.map((group, i) => module.function(`cold${i}`, ['i32', 'i32'], 'i32', code => writeCold(code, translate, SpecialForm.count + hot.length + i * groupSize, group, write)));
  module.export('run', module.function('run', [], 'i32', code => writeRun(code, translate, hot, functions, write)));
  for (const { at, bytes } of data) module.data(at, bytes);
  module.customSection(FORMS_SECTION, tableOf(caseOf).encode());
  return module.assemble();
}

type WriteForm = (frame: Frame, form: Form) => void;

/** The bytes of a form's body, to find those that are the same. */
function sampleBody(form: Form, functions: TranslateFunctions, write: WriteForm): string {
  const code = new Code();
  const locals = { rec: code.variable(I32.of(0)), account: code.variable(I32.of(0)), target: code.variable(I64.of(0)) };
  code.block(leave => code.block(fault => code.block(jump => code.block(run => {
    write(new Frame(code, functions, { leave, fault, jump, run }, locals), form);
  }))));
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

/** How a cold form ended: where the run function goes on. */
const Outcome = { next: 0, fault: 1, leave: 2, jump: 3 } as const;
/** Cold forms in one function. */
const groupSize = 256;

/** Forms from number `first` on: (rec, account) -> Outcome; what has changed besides is in Run.account and Run.target. */
function writeCold(code: Code, functions: TranslateFunctions, first: number, forms: readonly Form[], write: WriteForm): void {
  const rec = code.variable(code.parameter(0, 'i32')), account = code.variable(code.parameter(1, 'i32')), target = code.variable(I64.of(0));
  code.block(leave => {
    code.block(fault => {
      code.block(jump => {
        const frame = new Frame(code, functions, { leave, fault, jump, run: undefined }, { rec, account, target });
        code.switch(load16U(rec.value, Record.form).sub(first), forms.map(form => () => write(frame, form)));
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

/** run(): from Slot.rip until an exit; leaves rip and what is left of the budget in memory. */
function writeRun(code: Code, functions: TranslateFunctions, hot: readonly Form[], cold: readonly Callable<'i32'>[], write: WriteForm): void {
  const rec = code.variable(I32.of(0)), account = code.variable(load32(Run.budget)), target = code.variable(load64(STATE + Slot.rip));
  const locals = { rec, account, target };
  code.block(leave => {
    code.block(fault => {
      code.loop(jump => {
        writeLookUp(code, functions, locals, () => code.br(leave));
        code.loop(run => {
          code.if(account.value.sub(rec.value).ltS(0), () => {
            code.store32(Run.exit, ExitCode.budget);
            code.br(fault);
          });
          code.loop(next => {
            const frame = new Frame(code, functions, { fault, jump, run, leave }, locals);
            const number = load16U(rec.value, Record.form);
            code.switch(number, [
              ...Array.from({ length: SpecialForm.count }, (_, id) => () => writeSpecialForm(frame, id)),
              ...hot.map(form => () => write(frame, form)),
            ], () => callCold(frame, number, SpecialForm.count + hot.length, cold));
            code.set(rec, rec.value.add(Record.size));
            code.br(next);
          });
        });
      });
    });
    code.store64(STATE + Slot.rip, here(rec.value));
    code.set(account, account.value.sub(rec.value));
  });
  code.store32(Run.budget, account.value);
  code.return(load32(Run.exit));
}

/** Does a form that isn't in the run function, `number` from `first` on. */
function callCold({ code, locals, exits }: Frame, number: I32, first: number, cold: readonly Callable<'i32'>[]): void {
  if (cold.length === 0) return code.unreachable();
  const outcome = code.variable(I32.of(0));
  const calls = cold.map(callee => () => code.set(outcome, callValue(callee, locals.rec.value, locals.account.value)));
  code.switch(number.sub(first).shrU(Math.log2(groupSize)), calls);
  code.if(outcome.value, () => {
    code.brIf(exits.fault, outcome.value.eq(Outcome.fault));
    code.set(locals.account, load32(Run.account));
    code.brIf(exits.leave, outcome.value.eq(Outcome.leave));
    code.set(locals.target, load64(Run.target));
    code.br(exits.jump);
  });
}

/** Sets `rec` to the record at `target`, Slot.page to its page; `missing` leaves with the exit noted and rip at `target`. */
function writeLookUp(code: Code, functions: TranslateFunctions, { rec, account, target }: Locals, missing: () => void): void {
  code.scope(() => {
    const slot = code.let(codeTlbSlot(target.value));
    code.set(rec, I32.of(0));
    code.if(load64(slot, CodeTlb.base + CodeTlb.tag).eq(target.value.and(-4096)), () => {
      code.set(rec, load32(load32(slot, CodeTlb.base + CodeTlb.table).add(target.value.toI32().and(4095).shl(2))));
    });
    code.if(rec.value.eqz(), () => {
      code.set(rec, callValue(functions.findCode, target.value));
      code.if(rec.value.eqz(), () => {
        code.store64(STATE + Slot.rip, target.value);
        missing();
      });
    });
    code.store64(STATE + Slot.page, target.value.and(I64.of(-4096)));
    code.set(account, account.value.add(rec.value));
  });
}
