/** The comparison of PCMPxSTRx (SDM vol. 2, 4.1.2 to 4.1.5). */
import { load16U, load8U, type Code } from '../../wasm/code.ts';
import { I32, V128 } from '../../wasm/values.ts';
import { Scratch } from '../../state.ts';
import type { HelperDefinitions } from '../contract.ts';

/** What one combination of aggregation, element size and sign needs. */
interface Shape {
  readonly lane: 'i8x16' | 'i16x8';
  readonly bits: 8 | 16;
  readonly sign: 's' | 'u';
}

/** (a, b, immediate, valid elements of a, of b) -> IntRes2, a bit for each element of b. */
function compareStrings(code: Code): void {
  const a = code.parameter(0, 'v128'), b = code.parameter(1, 'v128'), immediate = code.parameter(2, 'i32');
  const lengthA = code.parameter(3, 'i32'), lengthB = code.parameter(4, 'i32');
  const all = code.let(I32.of(1).shl(I32.of(16).shrU(immediate.and(1))).sub(1));
  const validA = code.let(I32.of(1).shl(lengthA).sub(1)), validB = code.let(I32.of(1).shl(lengthB).sub(1));
  const r = code.variable(I32.of(0)), i = code.variable(I32.of(0));
  code.storeV128(Scratch.strings, a);

  const element = ({ lane, bits }: Shape, index: I32): V128 => (lane === 'i8x16'
    ? V128.splat8(load8U(index.add(Scratch.strings))) : V128.splat16(load16U(index.shl(bits / 16).add(Scratch.strings))));
  const equal = (shape: Shape, index: I32): I32 => b.op2(`${shape.lane}.eq`, element(shape, index)).bitmask(shape.bits);
  const loop = (step: number, body: () => void): void => code.loop(again => {
    code.if(i.value.add(step - 1).ltU(lengthA), () => {
      body();
      code.set(i, i.value.add(step));
      code.br(again);
    });
  });
  const aggregations: ((shape: Shape) => void)[] = [
    // Equal any.
    shape => {
      loop(1, () => code.set(r, r.value.or(equal(shape, i.value))));
      code.set(r, r.value.and(validB));
    },
    // Ranges: pairs of bounds.
    shape => {
      const { lane, bits, sign } = shape;
      loop(2, () => {
        const from = b.op2(`${lane}.ge_${sign}`, element(shape, i.value)), to = b.op2(`${lane}.le_${sign}`, element(shape, i.value.add(1)));
        code.set(r, r.value.or(from.op2('v128.and', to).bitmask(bits)));
      });
      code.set(r, r.value.and(validB));
    },
    // Equal each: two invalid elements are equal.
    ({ lane, bits }) => code.set(r, a.op2(`${lane}.eq`, b).bitmask(bits).and(validA).and(validB).or(validA.or(validB).xor(all))),
    // Equal ordered: what lies beyond the register matches.
    shape => {
      code.set(r, all);
      loop(1, () => code.set(r, r.value.and(equal(shape, i.value).and(validB).shrU(i.value).or(all.shrU(i.value).xor(-1)))));
    },
  ];
  // Bits 0 and 1 of the immediate: words, signed; 2 and 3: aggregation.
  code.switch(immediate.and(15), Array.from({ length: 16 }, (_, n) => () => {
    const words = (n & 1) !== 0;
    aggregations[n >> 2]!({ lane: words ? 'i16x8' : 'i8x16', bits: words ? 16 : 8, sign: (n & 2) !== 0 ? 's' : 'u' });
  }));
  code.if(immediate.and(0x10), () => code.if(immediate.and(0x20), () => code.set(r, r.value.xor(validB)), () => code.set(r, r.value.xor(all))));
  code.return(r.value);
}

export const compareStringsHelper: HelperDefinitions = {
  compareStrings: { parameters: ['v128', 'v128', 'i32', 'i32', 'i32'], result: 'i32', body: compareStrings },
};
