/** SSE's control and status word in memory: LDMXCSR, STMXCSR (SDM vol. 2). */
import { load32 } from '../wasm/code.ts';
import { STATE, Slot } from '../state.ts';
import type { Descriptions } from './contract.ts';
import { Int } from './int.ts';

/** Bits of MXCSR that exist. */
const mxcsrMask = 0xffff;

export const mxcsr: Descriptions = {
  LDMXCSR: ({ code, dst, control, floats }) => {
    const value = dst.read().i32;
    control.exitIf(value.and(~mxcsrMask), 'generalProtection');
    code.store32(STATE + Slot.mxcsr, value);
    if (floats) floats.isSettled = false;
  },
  STMXCSR: ({ dst }) => dst.write(Int.clean(4, load32(STATE + Slot.mxcsr))),
};
