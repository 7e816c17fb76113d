/**
 * Forms of instructions that compiled code leaves to the interpreter (jit/frame.ts ChangedAlready), with the reason. One that isn't listed
 * and isn't compiled fails the test, and so does one that is listed and compiled.
 */
const storesMore = 'stores more than once, and each store may have to leave';
const loadsMore = 'changes registers between loads, each of which may have to leave';
const entersMmx = 'changes the x87 state for MMX before a conversion, which may raise an exception';

export const interpretedForms: Readonly<Record<string, string>> = {
  'FF /3 mem CALLF Mp': storesMore,
  'DB /7 mem FSTP Mt x87': storesMore,
  'DF /6 mem FBSTP Mt x87': storesMore,
  'NP 0F AE /0 mem FXSAVE M fxsr': storesMore,
  'NP 0F AE /0 mem REX.W FXSAVE64 M fxsr': storesMore,
  'NP 0F AE /1 mem FXRSTOR M fxsr': loadsMore,
  'NP 0F AE /1 mem REX.W FXRSTOR64 M fxsr': loadsMore,
  '0F C7 /1 mem CMPXCHG8B Mq lock': storesMore,
  '0F C7 /1 mem REX.W CMPXCHG16B Mdq cx16 lock aligned': storesMore,
  'NP 0F F7 reg MASKMOVQ Pq,Nq sse': storesMore,
  '66 0F F7 reg MASKMOVDQU Vx,Ux sse2 u': storesMore,
  'NP 0F 2A CVTPI2PS Vps,Qpi sse, register': entersMmx,
  'NP 0F 2C CVTTPS2PI Ppi,Wq sse, memory': entersMmx,
  'NP 0F 2C CVTTPS2PI Ppi,Wq sse, register': entersMmx,
  '66 0F 2C CVTTPD2PI Ppi,Wpd sse2, memory': entersMmx,
  '66 0F 2C CVTTPD2PI Ppi,Wpd sse2, register': entersMmx,
  'NP 0F 2D CVTPS2PI Ppi,Wq sse, memory': entersMmx,
  'NP 0F 2D CVTPS2PI Ppi,Wq sse, register': entersMmx,
  '66 0F 2D CVTPD2PI Ppi,Wpd sse2, memory': entersMmx,
  '66 0F 2D CVTPD2PI Ppi,Wpd sse2, register': entersMmx,
};

/** ENTER stores once with level 0, which is compiled as long as no other level was met. */
export const interpretedAtTimes: ReadonlySet<string> = new Set(['C8 ENTER Iw,Ib d64']);
