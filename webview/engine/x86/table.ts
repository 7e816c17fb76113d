import { ONE_BYTE } from './oneByte.ts';
import { parseRows } from './parseRows.ts';
import type { Row } from './rows.ts';
import { SSE } from './sse.ts';
import { THREE_BYTE, TWO_BYTE, VEX_GENERAL } from './twoByte.ts';
import { ESCAPES, VEX_MASK, VEX_SIMD } from './vex.ts';
import { X87 } from './x87.ts';

/** Every instruction form that is known; `Instruction.row` indexes it. The order is the tables' order and may change between builds. */
export const ROWS: readonly Row[] = parseRows([
  ...ONE_BYTE, ...X87, ...TWO_BYTE, ...THREE_BYTE, ...SSE, ...VEX_GENERAL, ...VEX_SIMD, ...VEX_MASK, ...ESCAPES,
]);
