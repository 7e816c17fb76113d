/** The stack. */
import { I32, type I64 } from '../wasm/values.ts';
import { ADDRESSING } from '../x86/rows.ts';
import type { Context, Descriptions } from './contract.ts';
import { Int } from './int.ts';
import { loadSelector, selector } from './segments.ts';

const rsp = 4, rbp = 5;

function push({ dst, row, size, stack }: Context): void {
  const isSegment = row.operands[0]!.addressing === ADDRESSING.SEGMENT;
  stack.push(isSegment ? selector(dst.registerNumber()).zeroExtend(size) : dst.read());
}

/** The new rsp is there before a register is written, but not before a store that may fault. */
function pop(context: Context): void {
  const { dst, row, size, stack } = context;
  const value = stack.peek(size);
  if (row.operands[0]!.addressing === ADDRESSING.SEGMENT) {
    loadSelector(dst.registerNumber(), value.truncate(2), context);
    return stack.release(size);
  }
  if (dst.isMemory) {
    dst.write(value);
    return stack.release(size);
  }
  stack.release(size);
  dst.write(value);
}

/** SDM vol. 2 ENTER: the frame pointers of `level` enclosing procedures are copied. The new top of the stack must be writable. */
function enter({ code, dst, src, size, registers, memory }: Context): void {
  const level = code.let(src.read().i32.and(31));
  const top = registers.read(rsp, 8).i64, frame = registers.read(rbp, 8).i64;
  const step = (n: I32): I64 => n.toI64U().mul(size);
  const first = code.let(top.sub(size));
  const bottom = code.let(first.sub(step(level)).sub(dst.read().i64));
  code.if(level.gtU(1), () => {
    memory.probe(code.let(frame.sub(size)), size, false);
    memory.probe(code.let(frame.sub(step(level.sub(1)))), size, false);
  });
  memory.probe(first, size, true);
  memory.probe(code.let(first.sub(step(level))), size, true);
  memory.probe(bottom, size, true);
  memory.store(first, registers.read(rbp, size));
  code.if(level.ne(0), () => {
    const i = code.variable(I32.of(1));
    code.loop(again => {
      code.if(i.value.ltU(level), () => {
        memory.store(first.sub(step(i.value)), memory.load(size, frame.sub(step(i.value))));
        code.set(i, i.value.add(1));
        code.br(again);
      });
    });
    memory.store(first.sub(step(level)), Int.cut(size, first));
  });
  registers.write(rbp, size === 2 ? Int.cut(2, first) : Int.clean(8, first));
  registers.write(rsp, Int.clean(8, bottom));
}

export const stack: Descriptions = {
  PUSH: push,
  POP: pop,
  ENTER: enter,
  LEAVE: ({ code, size, registers, memory }) => {
    const frame = registers.read(rbp, 8).i64;
    const value = memory.load(size, frame);
    registers.write(rsp, Int.clean(8, code.let(frame.add(size))));
    registers.write(rbp, value);
  },
};

