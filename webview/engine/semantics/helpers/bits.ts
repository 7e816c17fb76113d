/** Bit loops: PDEP, PEXT, CRC32. */
import type { Code } from '../../wasm/code.ts';
import { I32, I64 } from '../../wasm/values.ts';
import type { HelperDefinitions } from '../contract.ts';

/** (value, mask) -> the low bits of value at the places of the mask's ones. */
function pdep(code: Code): void {
  const value = code.variable(code.parameter(0, 'i64')), mask = code.variable(code.parameter(1, 'i64')), r = code.variable(I64.of(0));
  code.loop(again => {
    code.if(mask.value.eqz(), () => code.return(r.value));
    const lowest = code.let(mask.value.and(I64.of(0).sub(mask.value)));
    code.set(r, r.value.or(lowest.and(I64.of(0).sub(value.value.and(1)))));
    code.set(value, value.value.shrU(1));
    code.set(mask, mask.value.xor(lowest));
    code.br(again);
  });
  code.unreachable();
}

/** (value, mask) -> the bits of value at the places of the mask's ones, packed. */
function pext(code: Code): void {
  const value = code.parameter(0, 'i64');
  const mask = code.variable(code.parameter(1, 'i64')), r = code.variable(I64.of(0)), at = code.variable(I64.of(0));
  code.loop(again => {
    code.if(mask.value.eqz(), () => code.return(r.value));
    code.set(r, r.value.or(value.shrU(mask.value.ctz()).and(1).shl(at.value)));
    code.set(at, at.value.add(1));
    code.set(mask, mask.value.and(mask.value.sub(1)));
    code.br(again);
  });
  code.unreachable();
}

/** (crc, value, bytes) -> crc; Castagnoli's polynomial, reflected, a bit at a time. */
function crc32c(code: Code): void {
  const value = code.parameter(1, 'i64'), bytes = code.parameter(2, 'i32');
  const crc = code.variable(code.parameter(0, 'i32')), i = code.variable(I32.of(0));
  const polynomial = 0x82f63b78 | 0;
  code.loop(again => {
    code.if(i.value.geU(bytes), () => code.return(crc.value));
    code.set(crc, crc.value.xor(value.shrU(i.value.shl(3).toI64U()).toI32().and(0xff)));
    for (let bit = 0; bit < 8; bit++) code.set(crc, crc.value.shrU(1).xor(I32.of(0).sub(crc.value.and(1)).and(polynomial)));
    code.set(i, i.value.add(1));
    code.br(again);
  });
  code.unreachable();
}

export const bitHelpers: HelperDefinitions = {
  pdep: { parameters: ['i64', 'i64'], result: 'i64', body: pdep },
  pext: { parameters: ['i64', 'i64'], result: 'i64', body: pext },
  crc32c: { parameters: ['i32', 'i64', 'i32'], result: 'i32', body: crc32c },
};
