import { describe, expect, it } from 'vitest';
import { callValue, load32, type Code } from './code.ts';
import { ModuleBuilder } from './module.ts';
import { I32, I64, V128, select, type Type } from './values.ts';

/** Instantiates a module with one function `f`, and a memory of a page. */
function make(parameters: readonly Type[], result: Type | undefined, body: (code: Code) => void): { f: (...args: unknown[]) => unknown; memory: WebAssembly.Memory } {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 1);
  module.export('f', module.function('f', parameters, result, body));
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.assemble()), { env: { memory } });
  return { f: exports['f'] as (...args: unknown[]) => unknown, memory };
}

describe('a module', () => {
  it('computes, stores and loads', () => {
    const { f, memory } = make(['i32', 'i32'], 'i32', code => {
      code.store32(16, code.parameter(0, 'i32').add(code.parameter(1, 'i32')), 4);
      code.return(load32(20).mul(3));
    });
    expect(f(5, 6)).toBe(33);
    expect(new DataView(memory.buffer).getInt32(20, true)).toBe(11);
  });

  it('pins a value where `let` stands', () => {
    const { f } = make(['i32'], 'i32', code => {
      code.store32(0, code.parameter(0, 'i32'));
      const lazy = load32(0), pinned = code.let(load32(0));
      code.store32(0, 100);
      code.return(lazy.sub(pinned));
    });
    expect(f(7)).toBe(93);
  });

  it('folds constants as the instructions would compute them', () => {
    const cases: [I32 | I64, number | bigint][] = [
      [I32.of(0x7fffffff).add(1), -0x80000000], [I32.of(-1).shrU(31), 1], [I32.of(-8).shrS(1), -4], [I32.of(3).ltU(-1), 1], [I32.of(3).ltS(-1), 0],
      [I64.of(-1).shrU(63), 1n], [I64.of(1n << 62n).add(1n << 62n), -(1n << 63n)], [I32.of(-1).toI64U(), 0xffffffffn], [I32.of(-1).toI64S(), -1n],
      [I64.of(0x1_8000_0000n).toI32(), -0x80000000], [I32.of(5).eqz(), 0],
    ];
    for (const [value, expected] of cases) expect(value.constant).toBe(expected);
  });

  it('branches out of nested blocks and switches', () => {
    const { f } = make(['i32'], 'i32', code => {
      const sum = code.variable(I32.of(0)), i = code.variable(I32.of(0));
      code.block(done => {
        code.loop(again => {
          code.brIf(done, i.value.eq(code.parameter(0, 'i32')));
          code.set(i, i.value.add(1));
          code.switch(i.value.remU(4), [
            () => code.br(again), end => code.br(end), () => code.set(sum, sum.value.add(10)),
          ], () => code.set(sum, sum.value.add(100)));
          code.br(again);
        });
      });
      code.return(sum.value);
    });
    const expected = (n: number): number => Array.from({ length: n }, (_, k) => [0, 0, 10, 100][(k + 1) % 4]!).reduce((a, b) => a + b, 0);
    for (const n of [0, 1, 2, 3, 4, 17]) expect(f(n)).toBe(expected(n));
  });

  it('uses locals again behind a scope, also of vectors', () => {
    const { f } = make(['i64'], 'i64', code => {
      const total = code.variable(I64.of(0));
      for (let i = 0; i < 3; i++) {
        code.scope(() => {
          const vector = code.let(V128.splat64(code.parameter(0, 'i64')).op2('i64x2.add', V128.halves(BigInt(i), 5n)));
          code.set(total, total.value.add(vector.extract64(0)).add(select(I32.of(i).eq(1), vector.extract64(1), I64.of(0))));
        });
      }
      expect(code.locals).toEqual(['i64', 'v128']);
      code.return(total.value);
    });
    expect(f(100n)).toBe(408n);
  });

  it('calls what is declared before it is defined, and what it imports', () => {
    const module = new ModuleBuilder();
    const twice = module.importFunction('env', 'twice', ['i32'], 'i32');
    const even = module.declare('even', ['i32'], 'i32'), odd = module.declare('odd', ['i32'], 'i32');
    for (const [self, other, base] of [[even, odd, 1], [odd, even, 0]] as const) {
      module.define(self, code => {
        code.if(code.parameter(0, 'i32').eqz(), () => code.return(I32.of(base)));
        code.return(callValue(other, code.parameter(0, 'i32').sub(1)));
      });
    }
    module.export('f', module.function('f', ['i32'], 'i32', code => code.return(callValue(even, callValue(twice, code.parameter(0, 'i32'))))));
    expect(() => module.importFunction('env', 'late', [], undefined)).toThrow(/before functions/);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.assemble()), { env: { twice: (n: number) => n * 2 + (n === 7 ? 1 : 0) } });
    const f = exports['f'] as (n: number) => number;
    expect([f(3), f(7)]).toEqual([1, 0]);
  });

  it('keeps custom sections and data', () => {
    const module = new ModuleBuilder();
    module.importMemory('env', 'memory', 1);
    module.data(70, Uint8Array.of(1, 2, 3));
    module.customSection('extra', Uint8Array.of(9, 8));
    const compiled = new WebAssembly.Module(module.assemble());
    expect(new Uint8Array(WebAssembly.Module.customSections(compiled, 'extra')[0]!)).toEqual(Uint8Array.of(9, 8));
    const memory = new WebAssembly.Memory({ initial: 1 });
    new WebAssembly.Instance(compiled, { env: { memory } });
    expect(new Uint8Array(memory.buffer, 69, 5)).toEqual(Uint8Array.of(0, 1, 2, 3, 0));
  });

  it('says which function has no body', () => {
    const module = new ModuleBuilder();
    module.declare('forgotten', [], undefined);
    expect(() => module.assemble()).toThrow(/forgotten/);
  });
});
