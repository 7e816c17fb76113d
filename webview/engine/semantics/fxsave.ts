/** FXSAVE, FXRSTOR: x87, MMX and SSE state in memory. SDM vol. 2 FXSAVE. */
import { callValue } from '../wasm/code.ts';
import { Run } from '../state.ts';
import type { Context, Descriptions } from './contract.ts';

/** The area must lie at a multiple of 16; all of it must be accessible before anything changes. */
function area({ code, dst, control, memory }: Context, write: boolean): ReturnType<Context['dst']['address']> {
  const address = dst.address();
  code.store64(Run.faultAddress, 0);
  control.exitIf(address.toI32().and(15), 'generalProtection');
  memory.probe(address, 512, write);
  return address;
}

const save = (context: Context): void => context.code.call(context.helpers.get('fxsave'), area(context, true));

function restore(context: Context): void {
  const { code, control, helpers } = context;
  const address = area(context, false);
  const refused = code.let(callValue(helpers.get<'i32'>('fxrstor'), address));
  control.exitIf(refused, 'generalProtection');
}

export const fxsave: Descriptions = { FXSAVE: save, FXSAVE64: save, FXRSTOR: restore, FXRSTOR64: restore };
