import type { RowSource } from './rows.ts';

/** x87, escape opcodes D8..DF. SDM vol. 2 tables. `Md` is a 32-bit real or integer, `Mq` 64 bits, `Mt` 80 bits. */
export const X87: readonly RowSource[] = [
  ['D8 /0 mem', 'FADD', 'Md', 'x87'], ['D8 /1 mem', 'FMUL', 'Md', 'x87'], ['D8 /2 mem', 'FCOM', 'Md', 'x87'], ['D8 /3 mem', 'FCOMP', 'Md', 'x87'],
  ['D8 /4 mem', 'FSUB', 'Md', 'x87'], ['D8 /5 mem', 'FSUBR', 'Md', 'x87'], ['D8 /6 mem', 'FDIV', 'Md', 'x87'], ['D8 /7 mem', 'FDIVR', 'Md', 'x87'],
  ['D8 /0 reg', 'FADD', 'ST0,STi', 'x87'], ['D8 /1 reg', 'FMUL', 'ST0,STi', 'x87'], ['D8 /2 reg', 'FCOM', 'STi', 'x87'], ['D8 /3 reg', 'FCOMP', 'STi', 'x87'],
  ['D8 /4 reg', 'FSUB', 'ST0,STi', 'x87'], ['D8 /5 reg', 'FSUBR', 'ST0,STi', 'x87'], ['D8 /6 reg', 'FDIV', 'ST0,STi', 'x87'],
  ['D8 /7 reg', 'FDIVR', 'ST0,STi', 'x87'],

  ['D9 /0 mem', 'FLD', 'Md', 'x87'], ['D9 /2 mem', 'FST', 'Md', 'x87'], ['D9 /3 mem', 'FSTP', 'Md', 'x87'], ['D9 /4 mem', 'FLDENV', 'M', 'x87'],
  ['D9 /5 mem', 'FLDCW', 'Mw', 'x87'], ['D9 /6 mem', 'FNSTENV', 'M', 'x87'], ['D9 /7 mem', 'FNSTCW', 'Mw', 'x87'],
  ['D9 /0 reg', 'FLD', 'STi', 'x87'], ['D9 /1 reg', 'FXCH', 'STi', 'x87'], ['D9 D0', 'FNOP', '', 'x87'],
  // Not in the SDM, but every processor has it: FSTP without the stack underflow check.
  ['D9 /3 reg', 'FSTP1', 'STi', 'x87'],
  ['D9 E0', 'FCHS', '', 'x87'], ['D9 E1', 'FABS', '', 'x87'], ['D9 E4', 'FTST', '', 'x87'], ['D9 E5', 'FXAM', '', 'x87'],
  ['D9 E8', 'FLD1', '', 'x87'], ['D9 E9', 'FLDL2T', '', 'x87'], ['D9 EA', 'FLDL2E', '', 'x87'], ['D9 EB', 'FLDPI', '', 'x87'],
  ['D9 EC', 'FLDLG2', '', 'x87'], ['D9 ED', 'FLDLN2', '', 'x87'], ['D9 EE', 'FLDZ', '', 'x87'],
  ['D9 F0', 'F2XM1', '', 'x87'], ['D9 F1', 'FYL2X', '', 'x87'], ['D9 F2', 'FPTAN', '', 'x87'], ['D9 F3', 'FPATAN', '', 'x87'],
  ['D9 F4', 'FXTRACT', '', 'x87'], ['D9 F5', 'FPREM1', '', 'x87'], ['D9 F6', 'FDECSTP', '', 'x87'], ['D9 F7', 'FINCSTP', '', 'x87'],
  ['D9 F8', 'FPREM', '', 'x87'], ['D9 F9', 'FYL2XP1', '', 'x87'], ['D9 FA', 'FSQRT', '', 'x87'], ['D9 FB', 'FSINCOS', '', 'x87'],
  ['D9 FC', 'FRNDINT', '', 'x87'], ['D9 FD', 'FSCALE', '', 'x87'], ['D9 FE', 'FSIN', '', 'x87'], ['D9 FF', 'FCOS', '', 'x87'],

  ['DA /0 mem', 'FIADD', 'Md', 'x87'], ['DA /1 mem', 'FIMUL', 'Md', 'x87'], ['DA /2 mem', 'FICOM', 'Md', 'x87'], ['DA /3 mem', 'FICOMP', 'Md', 'x87'],
  ['DA /4 mem', 'FISUB', 'Md', 'x87'], ['DA /5 mem', 'FISUBR', 'Md', 'x87'], ['DA /6 mem', 'FIDIV', 'Md', 'x87'], ['DA /7 mem', 'FIDIVR', 'Md', 'x87'],
  ['DA /0 reg', 'FCMOVB', 'ST0,STi', 'cmov'], ['DA /1 reg', 'FCMOVE', 'ST0,STi', 'cmov'], ['DA /2 reg', 'FCMOVBE', 'ST0,STi', 'cmov'],
  ['DA /3 reg', 'FCMOVU', 'ST0,STi', 'cmov'], ['DA E9', 'FUCOMPP', '', 'x87'],

  ['DB /0 mem', 'FILD', 'Md', 'x87'], ['DB /1 mem', 'FISTTP', 'Md', 'sse3'], ['DB /2 mem', 'FIST', 'Md', 'x87'], ['DB /3 mem', 'FISTP', 'Md', 'x87'],
  ['DB /5 mem', 'FLD', 'Mt', 'x87'], ['DB /7 mem', 'FSTP', 'Mt', 'x87'],
  ['DB /0 reg', 'FCMOVNB', 'ST0,STi', 'cmov'], ['DB /1 reg', 'FCMOVNE', 'ST0,STi', 'cmov'], ['DB /2 reg', 'FCMOVNBE', 'ST0,STi', 'cmov'],
  ['DB /3 reg', 'FCMOVNU', 'ST0,STi', 'cmov'],
  // The 8087's FENI and FDISI and the 80287's FSETPM do nothing.
  ['DB E0', 'FENI', '', 'x87'], ['DB E1', 'FDISI', '', 'x87'], ['DB E2', 'FNCLEX', '', 'x87'], ['DB E3', 'FNINIT', '', 'x87'], ['DB E4', 'FSETPM', '', 'x87'],
  ['DB /5 reg', 'FUCOMI', 'ST0,STi', 'cmov'], ['DB /6 reg', 'FCOMI', 'ST0,STi', 'cmov'],

  ['DC /0 mem', 'FADD', 'Mq', 'x87'], ['DC /1 mem', 'FMUL', 'Mq', 'x87'], ['DC /2 mem', 'FCOM', 'Mq', 'x87'], ['DC /3 mem', 'FCOMP', 'Mq', 'x87'],
  ['DC /4 mem', 'FSUB', 'Mq', 'x87'], ['DC /5 mem', 'FSUBR', 'Mq', 'x87'], ['DC /6 mem', 'FDIV', 'Mq', 'x87'], ['DC /7 mem', 'FDIVR', 'Mq', 'x87'],
  ['DC /0 reg', 'FADD', 'STi,ST0', 'x87'], ['DC /1 reg', 'FMUL', 'STi,ST0', 'x87'], ['DC /2 reg', 'FCOM', 'STi', 'x87'], ['DC /3 reg', 'FCOMP', 'STi', 'x87'],
  ['DC /4 reg', 'FSUBR', 'STi,ST0', 'x87'], ['DC /5 reg', 'FSUB', 'STi,ST0', 'x87'], ['DC /6 reg', 'FDIVR', 'STi,ST0', 'x87'],
  ['DC /7 reg', 'FDIV', 'STi,ST0', 'x87'],

  ['DD /0 mem', 'FLD', 'Mq', 'x87'], ['DD /1 mem', 'FISTTP', 'Mq', 'sse3'], ['DD /2 mem', 'FST', 'Mq', 'x87'], ['DD /3 mem', 'FSTP', 'Mq', 'x87'],
  ['DD /4 mem', 'FRSTOR', 'M', 'x87'], ['DD /6 mem', 'FNSAVE', 'M', 'x87'], ['DD /7 mem', 'FNSTSW', 'Mw', 'x87'],
  ['DD /0 reg', 'FFREE', 'STi', 'x87'], ['DD /1 reg', 'FXCH', 'STi', 'x87'], ['DD /2 reg', 'FST', 'STi', 'x87'], ['DD /3 reg', 'FSTP', 'STi', 'x87'],
  ['DD /4 reg', 'FUCOM', 'STi', 'x87'], ['DD /5 reg', 'FUCOMP', 'STi', 'x87'],

  ['DE /0 mem', 'FIADD', 'Mw', 'x87'], ['DE /1 mem', 'FIMUL', 'Mw', 'x87'], ['DE /2 mem', 'FICOM', 'Mw', 'x87'], ['DE /3 mem', 'FICOMP', 'Mw', 'x87'],
  ['DE /4 mem', 'FISUB', 'Mw', 'x87'], ['DE /5 mem', 'FISUBR', 'Mw', 'x87'], ['DE /6 mem', 'FIDIV', 'Mw', 'x87'], ['DE /7 mem', 'FIDIVR', 'Mw', 'x87'],
  ['DE /0 reg', 'FADDP', 'STi,ST0', 'x87'], ['DE /1 reg', 'FMULP', 'STi,ST0', 'x87'], ['DE /2 reg', 'FCOMP', 'STi', 'x87'], ['DE D9', 'FCOMPP', '', 'x87'],
  ['DE /4 reg', 'FSUBRP', 'STi,ST0', 'x87'], ['DE /5 reg', 'FSUBP', 'STi,ST0', 'x87'], ['DE /6 reg', 'FDIVRP', 'STi,ST0', 'x87'],
  ['DE /7 reg', 'FDIVP', 'STi,ST0', 'x87'],

  ['DF /0 mem', 'FILD', 'Mw', 'x87'], ['DF /1 mem', 'FISTTP', 'Mw', 'sse3'], ['DF /2 mem', 'FIST', 'Mw', 'x87'], ['DF /3 mem', 'FISTP', 'Mw', 'x87'],
  ['DF /4 mem', 'FBLD', 'Mt', 'x87'], ['DF /5 mem', 'FILD', 'Mq', 'x87'], ['DF /6 mem', 'FBSTP', 'Mt', 'x87'], ['DF /7 mem', 'FISTP', 'Mq', 'x87'],
  ['DF /0 reg', 'FFREEP', 'STi', 'x87'], ['DF /1 reg', 'FXCH', 'STi', 'x87'], ['DF /2 reg', 'FSTP', 'STi', 'x87'], ['DF /3 reg', 'FSTP', 'STi', 'x87'],
  ['DF E0', 'FNSTSW', 'AX', 'x87'], ['DF /5 reg', 'FUCOMIP', 'ST0,STi', 'cmov'], ['DF /6 reg', 'FCOMIP', 'ST0,STi', 'cmov'],
];
