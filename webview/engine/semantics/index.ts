/** All descriptions, one file per family. A new family is one line here. */
import { arithmetic } from './arithmetic.ts';
import { atomics } from './atomics.ts';
import { bits } from './bits.ts';
import { branches } from './branches.ts';
import type { Descriptions } from './contract.ts';
import { flagsInstructions } from './flagsInstructions.ts';
import { fxsave } from './fxsave.ts';
import { logic } from './logic.ts';
import { merge } from './merge.ts';
import { moves } from './moves.ts';
import { multiplications } from './multiply.ts';
import { mxcsr } from './mxcsr.ts';
import { segments } from './segments.ts';
import { shifts } from './shifts.ts';
import { sseCompare } from './sseCompare.ts';
import { sseConvert } from './sseConvert.ts';
import { sseCrypto } from './sseCrypto.ts';
import { sseFloat } from './sseFloat.ts';
import { sseInteger } from './sseInteger.ts';
import { sseMoves } from './sseMoves.ts';
import { sseStrings } from './sseStrings.ts';
import { stack } from './stack.ts';
import { strings } from './strings.ts';
import { system } from './system.ts';
import { withMmxWait } from './vectors.ts';
import { x87 } from './x87.ts';
import { x87Arithmetic } from './x87Arithmetic.ts';
import { x87Environment } from './x87Environment.ts';

const vectors = Object.fromEntries(Object.entries({ sseCompare, sseConvert, sseCrypto, sseFloat, sseInteger, sseMoves, sseStrings }).map(([name, family]) => [name, withMmxWait(family)]));

/** By operation (`Row.operation`). Throws when it is loaded if two families describe one operation. */
export const descriptions: Descriptions = merge({
  arithmetic, atomics, bits, branches, flagsInstructions, fxsave, logic, moves, multiplications, mxcsr, segments, shifts, stack, strings, system, x87, x87Arithmetic, x87Environment,
  ...vectors,
});
