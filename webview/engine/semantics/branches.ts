/** Jumps, calls, returns, loops. */
import { I32 } from '../wasm/values.ts';
import type { Context, Descriptions } from './contract.ts';
import { Int } from './int.ts';

const rcx = 1;

/** LOOP, LOOPE, LOOPNE: the counter is as wide as addresses; flags are not touched. */
function loop(condition: (context: Context) => I32): (context: Context) => void {
  return context => {
    const { code, addressSize, registers, control } = context;
    const count = registers.read(rcx, addressSize).sub(Int.constant(addressSize, 1));
    registers.write(rcx, count);
    const taken = code.let(registers.read(rcx, addressSize).isZero().eqz().and(condition(context)));
    control.branch(taken);
  };
}

function call({ code, dst, stack, control }: Context): void {
  const target = dst.isImmediate ? undefined : dst.read().i64;
  if (target) control.checkTarget(target);
  stack.push(Int.clean(8, code.let(control.next())));
  if (target) control.jump(target);
  else control.branch();
}

/** With an operand: frees so many bytes of arguments. */
function ret({ operands, stack, control }: Context): void {
  const target = stack.peek(8);
  control.checkTarget(target.i64);
  stack.release(8);
  if (operands.length > 0) stack.release(operands[0]!.read().zeroExtend(8));
  control.jump(target.i64);
}

export const branches: Descriptions = {
  Jcc: ({ row, flags, control }) => control.branch(flags.condition(row.condition)),
  JMP: ({ dst, control }) => {
    if (dst.isImmediate) return control.branch();
    const target = dst.read().i64;
    control.checkTarget(target);
    control.jump(target);
  },
  CALL: call,
  RET: ret,
  LOOP: loop(() => I32.of(1)),
  LOOPE: loop(({ flags }) => flags.zf()),
  LOOPNE: loop(({ flags }) => flags.zf().eqz()),
  /** JCXZ, JECXZ, JRCXZ by address size. */
  JrCXZ: ({ addressSize, registers, control }) => control.branch(registers.read(rcx, addressSize).isZero()),
};
