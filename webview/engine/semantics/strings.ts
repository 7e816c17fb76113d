/** String operations. With REP a helper does many iterations at once; the counter says what is left when it is interrupted or faults. */
import { callValue, load32 } from '../wasm/code.ts';
import { I32, I64, select } from '../wasm/values.ts';
import { STATE, Slot } from '../state.ts';
import { pin, type Context, type Descriptions } from './contract.ts';
import { Int, type Width } from './int.ts';

const rax = 0, rcx = 1, rsi = 6, rdi = 7;

/** Address in an index register. */
function pointer({ registers, memory, addressSize }: Context, number: number): I64 {
  const offset = registers.read(number, addressSize).i64;
  return number === rsi ? offset.add(memory.segmentBase()) : offset;
}

/** Moves an index register to the next element, by the direction flag. */
function advance({ registers, addressSize }: Context, number: number, width: number): void {
  const down = load32(STATE + Slot.directionFlag);
  const step = addressSize === 8
    ? Int.clean(8, select(down, I64.of(-width), I64.of(width)))
    : Int.clean(4, select(down, I32.of(-width), I32.of(width)));
  registers.write(number, registers.read(number, addressSize).add(step));
}

/** One iteration. `compares`: sets flags, and REPE, REPNE look at ZF. */
interface StringOperation {
  readonly helper: string;
  readonly compares: boolean;
  once(context: Context, width: Width): void;
}

function describe({ helper, compares, once }: StringOperation): (context: Context) => void {
  return context => {
    const { code, rep, addressSize, control, helpers, memory, dst } = context;
    const width = dst.width as Width;
    if (rep === 0) return once(context, width);
    if (addressSize === 4) return repeatNarrow(context, compares, () => once(context, width));
    const equal = I32.of(rep === 0xf3 ? 1 : 0);
    const done = code.let(callValue(helpers.get<'i32'>(`${helper}${width}`), memory.segmentBase(), equal));
    control.exitIf(done.eq(-1), 'pageFault');
    code.if(done, () => control.again());
  };
}

/** With prefix 67: an iteration at a time. */
function repeatNarrow({ code, rep, registers, control, flags }: Context, compares: boolean, once: () => void): void {
  code.if(registers.read(rcx, 4).isZero().eqz(), () => {
    once();
    registers.write(rcx, registers.read(rcx, 4).sub(Int.constant(4, 1)));
    const more = registers.read(rcx, 4).isZero().eqz();
    code.if(compares ? more.and(flags.zf().eq(rep === 0xf3 ? 1 : 0)) : more, () => control.again());
  });
}

function compare({ code, flags }: Context, a: Int, b: Int): void {
  flags.sub(a, b, pin(code, a.sub(b)));
}

export const strings: Descriptions = {
  MOVS: describe({
    helper: 'repMovs', compares: false,
    once: (context, width) => {
      const { memory } = context;
      memory.store(pointer(context, rdi), memory.load(width, pointer(context, rsi)));
      advance(context, rsi, width);
      advance(context, rdi, width);
    },
  }),
  STOS: describe({
    helper: 'repStos', compares: false,
    once: (context, width) => {
      context.memory.store(pointer(context, rdi), context.registers.read(rax, width));
      advance(context, rdi, width);
    },
  }),
  LODS: describe({
    helper: 'repLods', compares: false,
    once: (context, width) => {
      context.registers.write(rax, context.memory.load(width, pointer(context, rsi)));
      advance(context, rsi, width);
    },
  }),
  CMPS: describe({
    helper: 'repCmps', compares: true,
    once: (context, width) => {
      // This order is this CPU family's.
      const b = context.memory.load(width, pointer(context, rdi)), a = context.memory.load(width, pointer(context, rsi));
      advance(context, rsi, width);
      advance(context, rdi, width);
      compare(context, a, b);
    },
  }),
  SCAS: describe({
    helper: 'repScas', compares: true,
    once: (context, width) => {
      const a = context.registers.read(rax, width), b = context.memory.load(width, pointer(context, rdi));
      advance(context, rdi, width);
      compare(context, a, b);
    },
  }),
};

