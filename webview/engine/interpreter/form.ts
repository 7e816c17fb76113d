/** Writes the body of one form: its operands, the context of its description, the description itself. */
import { ADDRESSING, FLAG, TYPE, type OperandSpec } from '../x86/rows.ts';
import { Instruction, OPERAND, Operand as ResolvedOperand } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { callValue, load32, load64, load64From32S, load8U } from '../wasm/code.ts';
import { I32, I64 } from '../wasm/values.ts';
import type { Context, Description, Helpers, Operand, Registers } from '../semantics/contract.ts';
import { Flags } from '../semantics/flags.ts';
import { Int, type Width } from '../semantics/int.ts';
import { ExitCode, Run, STATE, Slot } from '../state.ts';
import { loadV128 } from '../wasm/code.ts';
import type { V128 } from '../wasm/values.ts';
import { loadInt } from '../semantics/operand.ts';
import { Shape, SpecialForm, type Form } from './forms.ts';
import { type Frame } from './frame.ts';
import {
  GeneralOperand, ImmediateOperand, MemoryOperand, MmxOperand, NumberedOperand, StringOperand, XmmOperand, BranchOperand, OffsetOperand,
} from './operand.ts';
import { Record, fieldOf } from './record.ts';

/** An instruction as the decoder would give it, as far as widths depend on it. */
function sample(form: Form): Instruction {
  const instruction = new Instruction();
  instruction.row = form.row.id;
  instruction.operandSize = form.size;
  instruction.addressSize = form.addressSize;
  instruction.w = form.size === 8 ? 1 : 0;
  instruction.memory = form.shape === Shape.register ? 0 : 1;
  return instruction;
}

function makeOperand(frame: Frame, form: Form, spec: OperandSpec, index: number): Operand {
  const resolved = new ResolvedOperand();
  operandAt(form.row, index, sample(form), true, resolved);
  const { width } = resolved;
  const fixed = spec.addressing === ADDRESSING.GENERAL || spec.addressing === ADDRESSING.XMM0 || spec.addressing === ADDRESSING.ST0 || spec.addressing === ADDRESSING.SEGMENT;
  const factor = resolved.kind === OPERAND.GENERAL || resolved.kind === OPERAND.HIGH_BYTE ? 8 : 16;
  const place = fixed ? I32.of(resolved.number * factor) : load8U(frame.rec, fieldOf(spec.addressing));
  switch (resolved.kind) {
    case OPERAND.GENERAL: case OPERAND.HIGH_BYTE: return new GeneralOperand(frame, width, place);
    case OPERAND.XMM: return new XmmOperand(frame, width, place);
    case OPERAND.MMX: return new MmxOperand(frame, width, place);
    case OPERAND.MEMORY:
      if (spec.addressing === ADDRESSING.O) return new OffsetOperand(frame, width);
      return new MemoryOperand(frame, width, form.shape === Shape.indexed, (form.row.flags & FLAG.ALIGNED) !== 0);
    case OPERAND.STRING_SOURCE: case OPERAND.STRING_DESTINATION: return new StringOperand(frame, width);
    case OPERAND.RELATIVE: return new BranchOperand(frame, width);
    case OPERAND.IMMEDIATE: {
      if (spec.addressing === ADDRESSING.CONSTANT) return new ImmediateOperand(frame, width, spec.fixed);
      const second = index === 1 && form.row.operands[0]!.addressing === ADDRESSING.I; // ENTER's level
      return new ImmediateOperand(frame, width, undefined, spec.type === TYPE.v && width === 8, second ? 16 : 0);
    }
    default: return new NumberedOperand(frame, width, fixed ? I32.of(resolved.number) : place.shrU(4));
  }
}

class InterpreterRegisters implements Registers {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  #operand(number: number, width: number): GeneralOperand {
    return new GeneralOperand(this.#frame, width, I32.of(number * 8));
  }
  read(number: number, width: Width): Int { return this.#operand(number, width).read(); }
  write(number: number, value: Int): void { this.#operand(number, value.width).write(value); }
  readHigh(number: number): Int { return this.#frame.pin(loadInt(1, I32.of(STATE + Slot.gpr + number * 8 + 1))); }
  writeHigh(number: number, value: Int): void { this.#frame.code.store8(STATE + Slot.gpr + number * 8 + 1, value.i32); }
  readXmm(number: number): V128 { return this.#frame.code.let(loadV128(STATE + Slot.xmm + number * 16)); }
  writeXmm(number: number, value: V128): void { this.#frame.code.storeV128(STATE + Slot.xmm + number * 16, value); }
}

/** What an operand that the row doesn't have says. */
function absent(form: Form): Operand {
  return new Proxy({} as Operand, {
    get: (_, name) => { throw new Error(`${form.row.source.join(' ')} has no such operand (${String(name)})`); },
  });
}

/** Writes what `description` says of `form`. Throws with the row's name if it asks for what the form doesn't have. */
export function writeForm(frame: Frame, form: Form, description: Description, helpers: Helpers): void {
  const { code, control, memory, stack } = frame;
  const operands = form.row.operands.map((spec, index) => makeOperand(frame, form, spec, index));
  const context: Context = {
    code, row: form.row, size: form.size, operands,
    dst: operands[0] ?? absent(form), src: operands[1] ?? absent(form), src2: operands[2] ?? absent(form),
    flags: new Flags(code), registers: new InterpreterRegisters(frame), memory, stack, control, helpers,
    rep: form.rep, addressSize: form.addressSize, isInexactLikely: false, floats: undefined, expect: undefined,
    enterMmx: () => {
      code.store32(STATE + Slot.fpuTop, 0);
      code.store32(STATE + Slot.fpuTags, 0xff);
    },
  };
  try {
    description(context);
  } catch (error) {
    throw new Error(`${form.row.source.join(' ')} (size ${form.size}, shape ${form.shape})`, { cause: error });
  }
}

/** Writes the form of that number which belongs to no row. `codeFrame` is the MMU's function of that name. */
export function writeSpecialForm(frame: Frame, id: number): void {
  const { code, rec, control } = frame;
  if (frame.hot && id >= SpecialForm.guard) return control.exit('pageFault');
  switch (id) {
    case SpecialForm.decode: return frame.lookUp();
    case SpecialForm.end: return frame.end();
    case SpecialForm.guard: {
      const second = frame.here().and(-4096).add(4096);
      code.set(frame.locals.target, second);
      const found = code.let(callValue(frame.functions.codeFrame, frame.locals.target.value));
      control.exitIf(found.eqz(), 'pageFault');
      code.if(found.ne(load32(rec, Record.immediate)), () => {
        code.store32(Run.exit, ExitCode.redecode);
        control.exit('pageFault');
      });
      return frame.uncount();
    }
    case SpecialForm.compiled: return code.unreachable(); // the run function sees to it
    case SpecialForm.undefined: return control.exit('undefinedInstruction');
    case SpecialForm.generalProtection:
      code.store64(Run.faultAddress, 0);
      return control.exit('generalProtection');
    default: return writeAddressForm(frame, id);
  }
}

/** See `writeAddressRecord` for the fields. */
function writeAddressForm(frame: Frame, id: number): void {
  const { code, rec } = frame;
  const base = load64(load8U(rec, Record.base), STATE);
  const index = load64(load8U(rec, Record.index), STATE).shl(load8U(rec, Record.scale).toI64U());
  const high = load32(rec, Record.immediate).toI64U().shl(32);
  const displacement = id === SpecialForm.address64 ? high.or(load32(rec, Record.displacement).toI64U()) : load64From32S(rec, Record.displacement);
  const sum = base.add(index).add(displacement);
  const offset: I64 = id === SpecialForm.address32 ? sum.and(0xffffffffn) : sum;
  code.store64(STATE + Slot.address, offset.add(load64(load8U(rec, Record.reg), STATE)));
  frame.uncount();
}
