/** An interpreter with a handful of instructions, for tests of what is around instructions: memory, code, exits. */
import { compileInterpreter } from '../harness/instruction.ts';
import { pin, type Descriptions } from '../../webview/engine/semantics/contract.ts';
import { Int, type Width } from '../../webview/engine/semantics/int.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';

const hasGeneralOperands = (text: string): boolean => !/\b[FGCDES]S\b|[SCD][wm]/.test(text);

const descriptions: Descriptions = {
  MOV: ({ dst, src, row }) => { if (hasGeneralOperands(row.source[2]!)) dst.write(src.read()); },
  ADD: ({ code, dst, src, flags }) => {
    const b = src.read(), a = dst.readForWrite(), r = pin(code, a.add(b));
    dst.write(r);
    flags.add(a, b, r);
  },
  PUSH: ({ dst, stack, row }) => { if (hasGeneralOperands(row.source[2]!)) stack.push(dst.read()); },
  POP: ({ dst, stack, row }) => {
    if (!hasGeneralOperands(row.source[2]!)) return;
    const value = stack.peek(dst.width as Width);
    if (!dst.isMemory) stack.release(dst.width);
    dst.write(value);
    if (dst.isMemory) stack.release(dst.width);
  },
  CALL: ({ dst, stack, control }) => {
    const target = dst.isImmediate ? undefined : dst.read();
    stack.push(Int.clean(8, control.next()));
    if (target) control.jump(target.i64);
    else control.branch();
  },
  RET: ({ stack, control }) => {
    const target = stack.peek(8);
    stack.release(8);
    control.jump(target.i64);
  },
  JMP: ({ dst, control }) => { if (dst.isImmediate) control.branch(); else control.jump(dst.read().i64); },
  Jcc: ({ row, flags, control }) => control.branch(flags.condition(row.condition)),
  MOVDQU: ({ dst, src }) => dst.writeV128(src.readV128()),
  SYSCALL: ({ control }) => control.exitAfter('syscall'),
  NOP: () => {},
};

export function compileSmallInterpreter(): WebAssembly.Module {
  return compileInterpreter({ rows: ROWS, descriptions, helpers: {} });
}
