/** What all families of vector instructions share. */
import type { V128 } from '../wasm/values.ts';
import { ADDRESSING, type Row } from '../x86/rows.ts';
import type { Context, Descriptions } from './contract.ts';
import { exitIfPending } from './x87.ts';

/** True if the row has an MMX register. Its instructions use the lower half of what their SSE form does. */
export function isMmx(row: Row): boolean {
  return row.operands.some(o => o.addressing === ADDRESSING.P || o.addressing === ADDRESSING.Q || o.addressing === ADDRESSING.N);
}

/** Conversions from two integers that wait for nothing, on this CPU family, when these come from memory. */
const waitsForRegisters: ReadonlySet<string> = new Set(['CVTPI2PS', 'CVTPI2PD']);

/** Instructions with MMX registers wait for x87 exceptions as x87's own do: SDM vol. 1 9.6.3. Others stay as they are. */
export function withMmxWait(descriptions: Descriptions): Descriptions {
  return Object.fromEntries(Object.entries(descriptions).map(([operation, description]) => [operation, (context: Context): void => {
    if (isMmx(context.row) && !(waitsForRegisters.has(operation) && context.src.isMemory)) exitIfPending(context);
    description(context);
  }]));
}

/** A description: destination and source combined, lane by lane, so that one text serves XMM and MMX. */
export function combined(combine: (a: V128, b: V128, context: Context) => V128): (context: Context) => void {
  return context => {
    const { code, row, dst, src, enterMmx } = context;
    const r = code.let(combine(dst.readV128(), src.readV128(), context));
    if (isMmx(row)) enterMmx();
    dst.writeV128(r);
  };
}

/** The same of the source alone. */
export function mapped(map: (a: V128, context: Context) => V128): (context: Context) => void {
  return context => {
    const { code, row, dst, src, enterMmx } = context;
    const r = code.let(map(src.readV128(), context));
    if (isMmx(row)) enterMmx();
    dst.writeV128(r);
  };
}
