/** AES rounds (FIPS 197), carry-less products, SHA-1 and SHA-256 rounds (FIPS 180-4) as SDM vol. 2 cuts them. */
import type { Code } from '../../wasm/code.ts';
import { I32, I64, V128, select } from '../../wasm/values.ts';
import type { HelperDefinition, HelperDefinitions } from '../contract.ts';

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function product(a: number, b: number): number {
  let r = 0;
  for (let x = a, y = b; y !== 0; y >>= 1, x = x & 0x80 ? (x << 1) ^ 0x11b : x << 1) if (y & 1) r ^= x;
  return r;
}

/** FIPS 197, 5.1.1: inverse, then the affine map. */
function substitution(): number[] {
  return Array.from({ length: 256 }, (_, x) => {
    const inverse = x === 0 ? 0 : Array.from({ length: 256 }, (_unused, y) => y).find(y => product(x, y) === 1)!;
    let r = 0x63;
    for (let i = 0; i < 5; i++) r ^= ((inverse << i) | (inverse >> (8 - i))) & 0xff;
    return r;
  });
}

const sBox = substitution();
const inverseBox = Array.from({ length: 256 }, (_, x) => sBox.indexOf(x));

/** Sixteen look-ups at once: a swizzle for each row of the box; what is out of its range gives 0. */
function lookUp(code: Code, v: V128, box: readonly number[]): V128 {
  const index = code.let(v), r = code.variable(V128.zero());
  for (let row = 0; row < 16; row++) {
    const found = V128.bytes(box.slice(row * 16, row * 16 + 16)).op2('i8x16.swizzle', index.op2('i8x16.sub', V128.splat8(row * 16)));
    code.set(r, r.value.op2('v128.or', found));
  }
  return r.value;
}

/** Row r of the state moves by r columns. */
const shiftRows = (v: V128, by: 1 | 3): V128 => v.shuffle(v, Array.from({ length: 16 }, (_, i) => (i & 3) + 4 * (((i >> 2) + by * (i & 3)) & 3)));
/** Every column turned by `by` bytes. */
const turned = (v: V128, by: number): V128 => v.shuffle(v, Array.from({ length: 16 }, (_, i) => (i & ~3) | ((i + by) & 3)));
const xor = (...values: V128[]): V128 => values.reduce((a, b) => a.op2('v128.xor', b));

/** All bytes times x. */
const timesX = (v: V128): V128 => v.shift('i8x16.shl', 1).op2('v128.xor', v.shift('i8x16.shr_s', 7).op2('v128.and', V128.splat8(0x1b)));

function mixColumns(code: Code, v: V128): V128 {
  const a = code.let(v), b = code.let(turned(a, 1));
  return xor(timesX(code.let(a.op2('v128.xor', b))), b, turned(a, 2), turned(a, 3));
}
/** The inverse is the same after a column polynomial of 4x^2 + 5 (FIPS 197's two polynomials divided). */
function inverseMixColumns(code: Code, v: V128): V128 {
  const a = code.let(v);
  const twice = code.let(timesX(code.let(a.op2('v128.xor', turned(a, 2)))));
  return mixColumns(code, a.op2('v128.xor', timesX(twice)));
}

function vectorHelper(parameters: HelperDefinition['parameters'], body: (code: Code, a: V128, b: V128) => V128): HelperDefinition {
  return {
    parameters, result: 'v128',
    body: code => code.return(body(code, code.parameter(0, 'v128'), parameters.length > 1 ? code.parameter(1, 'v128') : V128.zero())),
  };
}
const two = ['v128', 'v128'] as const;

/** (a, b, immediate): bit 0 chooses the half of a, bit 4 that of b. */
const pclmulqdq = vectorHelper(['v128', 'v128', 'i32'], (code, a, b) => {
  const immediate = code.parameter(2, 'i32');
  const x = code.let(select(immediate.and(1), a.extract64(1), a.extract64(0)));
  const y = code.variable(select(immediate.and(16), b.extract64(1), b.extract64(0)));
  const low = code.variable(I64.of(0)), high = code.variable(I64.of(0)), count = code.variable(I32.of(64));
  code.loop(again => {
    code.set(high, high.value.shl(1).or(low.value.shrU(63)));
    code.set(low, low.value.shl(1).xor(x.and(y.value.shrS(63))));
    code.set(y, y.value.shl(1));
    code.set(count, count.value.sub(1));
    code.brIf(again, count.value);
  });
  return V128.zero().replace64(0, low.value).replace64(1, high.value);
});

/** Dwords from the highest to the lowest, as the SDM names them. */
function words(code: Code, v: V128): [I32, I32, I32, I32] {
  return [3, 2, 1, 0].map(i => code.let(v.extract32(i))) as [I32, I32, I32, I32];
}
function fromWords(a: I32, b: I32, c: I32, d: I32): V128 {
  return V128.zero().replace32(3, a).replace32(2, b).replace32(1, c).replace32(0, d);
}

const choose = (x: I32, y: I32, z: I32): I32 => x.and(y).xor(x.xor(-1).and(z));
const majority = (x: I32, y: I32, z: I32): I32 => x.and(y).xor(x.and(z)).xor(y.and(z));
const parity = (x: I32, y: I32, z: I32): I32 => x.xor(y).xor(z);
const sha1Rounds = [[choose, 0x5a827999], [parity, 0x6ed9eba1], [majority, 0x8f1bbcdc | 0], [parity, 0xca62c1d6 | 0]] as const;

/** (a, b, immediate): four rounds; E is in the first word of b already. */
function sha1rnds4(code: Code): void {
  const state = words(code, code.parameter(0, 'v128')), w = words(code, code.parameter(1, 'v128'));
  const kinds = sha1Rounds.map(([f, k]) => () => {
    let [a, b, c, d] = state, e = I32.of(0);
    for (let i = 0; i < 4; i++) {
      const next = code.let(f(b, c, d).add(a.rotl(5)).add(w[i]!).add(e).add(k));
      [a, b, c, d, e] = [next, a, code.let(b.rotl(30)), c, d];
    }
    code.return(fromWords(a, b, c, d));
  });
  code.switch(code.parameter(2, 'i32').and(3), kinds);
  code.unreachable();
}

const sha1msg2 = vectorHelper(two, (code, first, second) => {
  const [a, b, c, d] = words(code, first), [, w13, w14, w15] = words(code, second);
  const w16 = code.let(a.xor(w13).rotl(1));
  return fromWords(w16, b.xor(w14).rotl(1), c.xor(w15).rotl(1), d.xor(w16).rotl(1));
});

const rotations = (x: I32, a: number, b: number, c: number): I32 => x.rotr(a).xor(x.rotr(b)).xor(x.rotr(c));
const sigma0 = (x: I32): I32 => x.rotr(7).xor(x.rotr(18)).xor(x.shrU(3));
const sigma1 = (x: I32): I32 => x.rotr(17).xor(x.rotr(19)).xor(x.shrU(10));

/** (a, b, xmm0): two rounds. */
const sha256rnds2 = vectorHelper(['v128', 'v128', 'v128'], (code, first, second) => {
  let [c, d, g, h] = words(code, first), [a, b, e, f] = words(code, second);
  for (let i = 0; i < 2; i++) {
    const t = code.let(choose(e, f, g).add(rotations(e, 6, 11, 25)).add(code.parameter(2, 'v128').extract32(i)).add(h));
    const next = code.let(t.add(majority(a, b, c)).add(rotations(a, 2, 13, 22)));
    [a, b, c, d, e, f, g, h] = [next, a, b, c, code.let(t.add(d)), e, f, g];
  }
  return fromWords(a, b, e, f);
});

const sha256msg2 = vectorHelper(two, (code, first, second) => {
  const [d, c, b, a] = words(code, first), [w15, w14] = words(code, second);
  const w16 = code.let(a.add(sigma1(w14))), w17 = code.let(b.add(sigma1(w15)));
  return fromWords(d.add(sigma1(w17)), c.add(sigma1(w16)), w17, w16);
});

export const cryptoHelpers: HelperDefinitions = {
  aesSubBytes: vectorHelper(['v128'], (code, a) => lookUp(code, a, sBox)),
  aesenc: vectorHelper(two, (code, a, key) => mixColumns(code, lookUp(code, shiftRows(a, 1), sBox)).op2('v128.xor', key)),
  aesenclast: vectorHelper(two, (code, a, key) => lookUp(code, shiftRows(a, 1), sBox).op2('v128.xor', key)),
  aesdec: vectorHelper(two, (code, a, key) => inverseMixColumns(code, lookUp(code, shiftRows(a, 3), inverseBox)).op2('v128.xor', key)),
  aesdeclast: vectorHelper(two, (code, a, key) => lookUp(code, shiftRows(a, 3), inverseBox).op2('v128.xor', key)),
  aesimc: vectorHelper(['v128'], (code, a) => inverseMixColumns(code, a)),
  pclmulqdq,
  sha1rnds4: { parameters: ['v128', 'v128', 'i32'], result: 'v128', body: sha1rnds4 },
  sha1nexte: vectorHelper(two, (_code, a, b) => b.replace32(3, b.extract32(3).add(a.extract32(3).rotl(30)))),
  sha1msg1: vectorHelper(two, (code, first, second) => {
    const [w0, w1, w2, w3] = words(code, first), [w4, w5] = words(code, second);
    return fromWords(w2.xor(w0), w3.xor(w1), w4.xor(w2), w5.xor(w3));
  }),
  sha1msg2, sha256rnds2,
  sha256msg1: vectorHelper(two, (code, first, second) => {
    const [w3, w2, w1, w0] = words(code, first), w4 = words(code, second)[3];
    return fromWords(w3.add(sigma0(w4)), w2.add(sigma0(w3)), w1.add(sigma0(w2)), w0.add(sigma0(w1)));
  }),
  sha256msg2,
};
