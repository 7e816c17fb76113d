/**
 * Operations whose results are known to differ from the machine's CPU in the default mode too, with the reason. One that is listed and
 * agrees fails the test.
 */
const approximation = 'an approximation of 12 bits that every processor makes differently; ours is exact to 24 bits';

export const expectedDifferences: Readonly<Record<string, string>> = {
  RCPPS: approximation, RCPSS: approximation, RSQRTPS: approximation, RSQRTSS: approximation,
};
