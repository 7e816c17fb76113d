/** Makes the interpreter's WebAssembly module: MMU, helpers, and one function that is a loop around a `br_table` over all forms. */
import { callValue, load16U, load32, load64, type Callable, type Code } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32, I64, type Type } from '../wasm/values.ts';
import { MemoryHelper, type Descriptions, type HelperDefinitions, type Helpers } from '../semantics/contract.ts';
import { CodeTlb, ExitCode, Run, STATE, Slot } from '../state.ts';
import { codeTlbSlot, defineTranslate, type TranslateFunctions } from '../mmu/translate.ts';
import type { Row } from '../x86/rows.ts';
import { Frame, here, type Locals } from './frame.ts';
import { writeForm, writeSpecialForm } from './form.ts';
import { SpecialForm, enumerateForms, type Form } from './forms.ts';
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
  const { forms, table } = enumerateForms(rows, descriptions);
  const run = module.function('run', [], 'i32', code => writeRun(code, translate, forms, descriptions, available));
  module.export('run', run);
  for (const { at, bytes } of data) module.data(at, bytes);
  module.customSection(FORMS_SECTION, table.encode());
  return module.assemble();
}

/** run(): from Slot.rip until an exit; leaves rip and what is left of the budget in memory. */
function writeRun(code: Code, functions: TranslateFunctions, forms: readonly Form[], descriptions: Descriptions, helpers: Helpers): void {
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
            code.switch(load16U(rec.value, Record.form), [
              ...Array.from({ length: SpecialForm.count }, (_, id) => () => writeSpecialForm(frame, id)),
              ...forms.map(form => () => writeForm(frame, form, descriptions[form.row.operation]!, helpers)),
            ]);
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
