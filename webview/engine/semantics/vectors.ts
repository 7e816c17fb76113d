/** What all families of vector instructions share. */
import type { V128 } from '../wasm/values.ts';
import { ADDRESSING, type Row } from '../x86/rows.ts';
import type { Context } from './contract.ts';

/** True if the row has an MMX register. Its instructions use the lower half of what their SSE form does. */
export function isMmx(row: Row): boolean {
  return row.operands.some(o => o.addressing === ADDRESSING.P || o.addressing === ADDRESSING.Q || o.addressing === ADDRESSING.N);
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
