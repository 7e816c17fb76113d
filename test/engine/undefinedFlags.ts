/**
 * Status flags that the SDM leaves undefined, by operation. Most of ours are as AMD's family 17h and later leave them, so that there is little
 * to mask on such a machine; on others none of these is compared.
 */
import { readFileSync } from 'node:fs';

const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;
const all = CF | PF | AF | ZF | SF | OF;

const bySdm: Readonly<Record<string, number>> = {
  MUL: SF | ZF | AF | PF, IMUL: SF | ZF | AF | PF, DIV: all, IDIV: all,
  // OF is defined for a count of 1 only.
  SHL: AF | OF, SHR: AF | OF, SAR: AF, ROL: OF, ROR: OF, RCL: OF, RCR: OF, SHLD: AF | OF, SHRD: AF | OF,
  AND: AF, OR: AF, XOR: AF, TEST: AF, ANDN: AF | PF, BLSR: AF | PF, BLSI: AF | PF, BLSMSK: AF | PF, BZHI: AF | PF, BEXTR: AF | SF | PF,
  BT: OF | SF | AF | PF, BTS: OF | SF | AF | PF, BTR: OF | SF | AF | PF, BTC: OF | SF | AF | PF,
  BSF: CF | OF | SF | AF | PF, BSR: CF | OF | SF | AF | PF, TZCNT: OF | SF | AF | PF, LZCNT: OF | SF | AF | PF,
};
/** To keep what AMD keeps here, the flags from before would have to be made for each. */
const { BSF, BSR, TZCNT, LZCNT } = bySdm;

const isAmd = /vendor_id\s*: AuthenticAMD/.test(readFileSync('/proc/cpuinfo', 'utf8'));

export const undefinedFlags: Readonly<Record<string, number>> = isAmd ? { BSF: BSF!, BSR: BSR!, TZCNT: TZCNT!, LZCNT: LZCNT! } : bySdm;
