/** Single steps for TF: one instruction by its complete form, whatever compiled code there is. */
import { callValue, load16U, load32, load64, type Callable, type Code } from '../wasm/code.ts';
import { I32, I64 } from '../wasm/values.ts';
import { ExitCode, Run, STATE, Slot } from '../state.ts';
import { Outcome, groupSize, here, type Locals } from './frame.ts';
import { SpecialForm } from './forms.ts';
import { Compiled, Record } from './record.ts';

/**
 * step(): from Slot.rip one instruction on, of REP one iteration -> ExitCode: singleStep when it is done, else what run() would give.
 * `lookUp` sets `rec` to the record at `target`, or leaves by its last argument with the exit noted and rip at `target`.
 */
export function writeStep(code: Code, complete: readonly Callable<'i32'>[], lookUp: (locals: Locals, missing: () => void) => void): void {
  const rec = code.variable(I32.of(0)), account = code.variable(load32(Run.budget)), target = code.variable(load64(STATE + Slot.rip));
  const outcome = code.variable(I32.of(0)), isPart = code.variable(I32.of(0)), behind = code.variable(I64.of(0));
  code.block(leave => {
    code.block(fault => {
      code.block(done => code.loop(jump => {
        lookUp({ rec, account, target }, () => code.br(leave));
        code.loop(next => {
          code.if(load16U(rec.value, Record.form).eq(SpecialForm.compiled), () => {
            code.set(account, account.value.sub(rec.value));
            code.set(rec, load32(rec.value, Compiled.copy));
            code.set(account, account.value.add(rec.value));
          });
          // What only helps another record is no instruction.
          code.set(isPart, load16U(rec.value, Record.form).leU(SpecialForm.guard));
          code.set(behind, here(rec.value).add(load16U(rec.value, Record.place).shrU(12).toI64U()));
          code.switch(load16U(rec.value, Record.form).shrU(Math.log2(groupSize)), complete.map(callee => () => (
            code.set(outcome, callValue(callee, rec.value, account.value)))));
          code.brIf(fault, outcome.value.eq(Outcome.fault));
          code.set(account, load32(Run.account));
          code.brIf(leave, outcome.value.eq(Outcome.leave));
          code.if(outcome.value.eq(Outcome.jump), () => {
            code.set(target, load64(Run.target));
            code.brIf(jump, isPart.value);
            code.br(done);
          });
          code.set(target, behind.value);
          code.set(rec, rec.value.add(Record.size));
          code.brIf(next, isPart.value);
          code.set(account, account.value.sub(rec.value));
        });
      }));
      code.store64(STATE + Slot.rip, target.value);
      code.store32(Run.exit, ExitCode.singleStep);
      code.br(leave);
    });
    code.store64(STATE + Slot.rip, here(rec.value));
    code.set(account, account.value.sub(rec.value));
  });
  code.store32(Run.budget, account.value);
  code.return(load32(Run.exit));
}
