/**
 * Operations whose results are known to differ from the machine's CPU in the default mode too, with the reason. One that is listed and
 * agrees fails the test.
 */
const approximation = 'an approximation of 12 bits that every processor makes differently; ours is exact to 24 bits';

export const expectedDifferences: Readonly<Record<string, string>> = {
  RCPPS: approximation, RCPSS: approximation, RSQRTPS: approximation, RSQRTSS: approximation,
};

/**
 * Operations whose x87 results may differ from the machine's by that many units of the last of 64 bits, where the makers' approximations are
 * not the nearest number (they promise less than one unit; ours are the nearest one but for an error of 2^-50 units), and with them C1, which
 * says whether the last bit was rounded up. Every other flag agrees always.
 */
export const toleratedUnits: Readonly<Record<string, number>> = {
  FSIN: 1, FCOS: 1, FSINCOS: 1, FPTAN: 1, FPATAN: 1, F2XM1: 1, FYL2X: 1, FYL2XP1: 1,
};
/** The part of an operation's cases that may make use of it. */
export const toleratedPart = 0.05;
