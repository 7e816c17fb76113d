/** Instructions about RFLAGS themselves. */
import { load32 } from '../wasm/code.ts';
import type { I32, I64 } from '../wasm/values.ts';
import { STATE, Slot, TF } from '../state.ts';
import type { Context, Descriptions } from './contract.ts';
import type { Flags } from './flags.ts';
import { Int } from './int.ts';

/** RFLAGS bits that are always as they are here: 1 and IF. */
const fixedFlags = 0x202;
/** AC and ID. */
const otherFlags = 0x240000;

/** RFLAGS as PUSHF and SYSCALL see them. */
export function readFlags(flags: Flags): I32 {
  return flags.materialise().or(load32(STATE + Slot.directionFlag).shl(10)).or(load32(STATE + Slot.otherFlags)).or(fixedFlags);
}

/** Takes from a word what POPF and IRET may change. With operand size 2 AC and ID stay. To be followed by `stepIfSet`. */
export function loadFlags({ code, size, flags }: Context, word: I32): void {
  const value = code.let(word);
  flags.load(value);
  code.store32(STATE + Slot.directionFlag, value.shrU(10).and(1));
  const others = size === 2 ? load32(STATE + Slot.otherFlags).and(~TF).or(value.and(TF)) : value.and(otherFlags | TF);
  code.store32(STATE + Slot.otherFlags, others);
}

/** Goes on at `target`, without one behind this instruction, in single steps if TF has been set. The first trap comes behind the next instruction. */
export function stepIfSet({ code, control }: Context, target?: I64): void {
  code.if(load32(STATE + Slot.otherFlags).and(TF), () => control.exitAfter('step', target));
}

export const flagsInstructions: Descriptions = {
  PUSHF: ({ size, stack, flags }) => stack.push(Int.cut(size, size === 2 ? readFlags(flags) : readFlags(flags).toI64U())),
  POPF: context => {
    const { code, size, stack } = context;
    const word = code.let(stack.peek(size).zeroExtend(8).i64.toI32());
    stack.release(size);
    loadFlags(context, word);
    stepIfSet(context);
  },
  /** LAHF and SAHF know all status flags but OF. */
  LAHF: ({ flags, registers }) => registers.writeHigh(0, Int.cut(1, flags.materialise().or(2))),
  SAHF: ({ code, flags, registers }) => {
    const kept = code.let(flags.of().shl(11));
    flags.load(registers.readHigh(0).i32.or(kept));
  },
  CLC: ({ flags }) => flags.change({ cf: 0 }),
  STC: ({ flags }) => flags.change({ cf: 1 }),
  CMC: ({ code, flags }) => flags.change({ cf: code.let(flags.cf()).xor(1) }),
  CLD: ({ code }) => code.store32(STATE + Slot.directionFlag, 0),
  STD: ({ code }) => code.store32(STATE + Slot.directionFlag, 1),
};
