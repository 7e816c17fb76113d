/** Segment registers as a program sees them under 64-bit Linux: flat, with fixed selectors. */
import { I32, select } from '../wasm/values.ts';
import type { Control } from './contract.ts';
import { Int } from './int.ts';

/** Numbers as in ModRM.reg. */
const CS = 1, SS = 2;
/** __USER_CS and __USER_DS. */
const userCode = 0x33, userData = 0x2b;

/** The selector in a segment register: CS and SS as Linux sets them, the others null. */
export function selector(number: I32): Int {
  return Int.clean(2, select(number.eq(CS), I32.of(userCode), select(number.eq(SS), I32.of(userData), I32.of(0))));
}

/**
 * Loads a segment register: null selectors (not into SS) and those of Linux's flat segments are accepted and forgotten, all else is #GP.
 * CS and the numbers 6 and 7 are #UD.
 */
export function loadSelector(number: I32, value: Int, control: Control): void {
  control.exitIf(number.eq(CS).or(number.gtU(5)), 'undefinedInstruction');
  const isNull = value.i32.ltU(4).and(number.ne(SS));
  const isFlat = value.i32.eq(userData).or(value.i32.eq(userCode).or(value.i32.eq(0x23)).and(number.ne(SS)));
  control.exitIf(isNull.or(isFlat).eqz(), 'generalProtection');
}
