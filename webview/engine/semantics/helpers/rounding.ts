/** Rounding to integers in the four modes of MXCSR and x87: 0 nearest even, 1 down, 2 up, 3 towards zero (SDM vol. 1 table 4-8). */
import type { Code } from '../../wasm/code.ts';
import type { I32, Type, Value } from '../../wasm/values.ts';
import type { HelperDefinition, HelperDefinitions } from '../contract.ts';

/** (value, mode) -> value rounded. */
function rounding<T extends Type>(type: T, modes: (code: Code, value: Value) => readonly Value[]): HelperDefinition {
  return {
    parameters: [type, 'i32'],
    result: type,
    body(code) {
      const mode: I32 = code.parameter(1, 'i32');
      const values = modes(code, code.parameter(0, type));
      for (let i = 1; i < 4; i++) code.if(mode.eq(i), () => code.return(values[i]!));
      code.return(values[0]!);
    },
  };
}

export const roundingHelpers: HelperDefinitions = {
  roundF32: rounding('f32', code => {
    const v = code.parameter(0, 'f32');
    return [v.nearest(), v.floor(), v.ceil(), v.trunc()];
  }),
  roundF64: rounding('f64', code => {
    const v = code.parameter(0, 'f64');
    return [v.nearest(), v.floor(), v.ceil(), v.trunc()];
  }),
};
