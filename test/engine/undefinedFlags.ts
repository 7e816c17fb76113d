/** Status flags that the SDM leaves undefined and that ours differ in from the machine's CPU, by operation. */
const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;

export const undefinedFlags: Readonly<Record<string, number>> = {
  DIV: CF | PF | AF | ZF | SF | OF, IDIV: CF | PF | AF | ZF | SF | OF,
  TZCNT: PF | AF | SF | OF, LZCNT: PF | AF | SF | OF, BEXTR: PF | AF | SF,
  // Only a count of 1 defines OF.
  SHLD: OF, SHRD: OF,
};
