/** x87: the environment and the whole state in memory. SDM vol. 2 FSTENV, FLDENV, FSAVE, FRSTOR. */
import { I32 } from '../wasm/values.ts';
import type { Context, Description, Descriptions } from './contract.ts';
import { initialize, waiting } from './x87.ts';

/** 1 and 28 bytes of environment, or 0 and 14 with an operand size of 16 bits. */
function format({ size }: Context): { wide: I32; length: number } {
  return size === 2 ? { wide: I32.of(0), length: 14 } : { wide: I32.of(1), length: 28 };
}

/** With `whole`, the registers follow, and the x87 starts anew. */
function store(whole: boolean): Description {
  return context => {
    const { code, dst, helpers, memory } = context;
    const { wide, length } = format(context), address = dst.address();
    memory.probe(address, whole ? length + 80 : length, true);
    code.call(helpers.get('x87StoreEnvironment'), address, wide);
    if (!whole) return;
    code.call(helpers.get('x87StoreRegisters'), address.add(length));
    initialize(code);
  };
}

function load(whole: boolean): Description {
  return waiting(context => {
    const { code, dst, helpers, memory } = context;
    const { wide, length } = format(context), address = dst.address();
    memory.probe(address, whole ? length + 80 : length, false);
    code.call(helpers.get('x87LoadEnvironment'), address, wide);
    if (whole) code.call(helpers.get('x87LoadRegisters'), address.add(length));
  });
}

export const x87Environment: Descriptions = { FNSTENV: store(false), FLDENV: load(false), FNSAVE: store(true), FRSTOR: load(true) };
