import { describe, expect, it } from 'vitest';
import { Engine, type Tiers } from '../../webview/engine/engine.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Exit, Reg } from '../../webview/kernel/cpu.ts';
import { compileInterpreter } from '../harness/instruction.ts';
import { immediate } from '../harness/labelledCode.ts';

// Code that is more than what is kept of it, and code that changes.

const module = compileInterpreter({ rows: ROWS, descriptions, helpers });
const CODE = 0x400000, STACK = 0x300000;
const syscall = [0x0f, 0x05];

/** Runs these bytes in pages that can be read, written and executed until SYSCALL; rbx, and the engine. */
function run(tiers: Tiers, program: readonly number[], limits?: { regions: number; bytes: number }): { readonly rbx: number; readonly engine: Engine } {
  const engine = new Engine({ module, frames: 64, now: () => 0, tiers, ...(limits ? { limits } : {}) });
  const space = engine.createAddressSpace()!, thread = engine.createThread();
  space.map(STACK, engine.frames.allocate(), 3);
  for (let at = 0; at < program.length; at += 4096) {
    const frame = engine.frames.allocate();
    space.map(CODE + at, frame, 7);
    engine.frames.bytes.set(program.slice(at, at + 4096), frame * 4096);
    engine.frames.written(frame);
  }
  thread.rip = CODE;
  thread.set(Reg.rsp, STACK + 4096);
  let exit: number = Exit.budget;
  for (let turns = 0; exit === Exit.budget && turns < 10_000; turns++) exit = engine.run(thread, space, 10_000);
  expect(exit).toBe(Exit.syscall);
  return { rbx: thread.get(Reg.rbx), engine };
}

describe('more compiled code than the limit', () => {
  const functions = 400, size = 32, at = 4096, times = 6;

  /** Calls `functions` functions by turns, each of which adds a number of its own to ebx. */
  function program(): number[] {
    const bytes = [0xb9, ...immediate(times)];
    for (let i = 0; i < functions; i++) bytes.push(0xe8, ...immediate(at + i * size - bytes.length - 5));
    bytes.push(0xff, 0xc9, 0x0f, 0x85, ...immediate(5 - bytes.length - 8), ...syscall);
    while (bytes.length < at) bytes.push(0x90);
    for (let i = 0; i < functions; i++) {
      bytes.push(0x81, 0xc3, ...immediate(Math.imul(i + 1, 0x9e3779b1)), 0xc3);
      while (bytes.length < at + (i + 1) * size) bytes.push(0xcc);
    }
    return bytes;
  }
  let expected = 0;
  for (let i = 0; i < functions; i++) expected = expected + times * (Math.imul(i + 1, 0x9e3779b1) >>> 0) >>> 0;

  it.each([{ regions: 4, bytes: 1 << 24 }, { regions: 4096, bytes: 20_000 }])('$regions regions, $bytes bytes', limits => {
    const { rbx, engine } = run('eager', program(), limits);
    expect(rbx).toBe(expected);
    const { regionsCompiled, regionsDropped } = engine.statistics;
    expect(regionsDropped).toBeGreaterThan(0);
    expect(regionsCompiled - regionsDropped).toBeLessThanOrEqual(limits.regions);
  });
});

describe.each(['interpreter', 'jit', 'eager'] as const)('code that changes, with tiers %s', tiers => {
  const times = 400;

  it('runs as it was written last: a constant that is stored before each call', () => {
    // mov ecx, times; L: mov [function + 1], ecx; call function; add ebx, eax; dec ecx; jnz L; syscall; function: mov eax, 0; ret
    const head = [0xb9, ...immediate(times)];
    const rest = [0x01, 0xc3, 0xff, 0xc9, 0x75, 0, ...syscall];
    const place = head.length + 6 + 5 + rest.length;
    rest[5] = 5 - (place - syscall.length);
    const program = [...head, 0x89, 0x0d, ...immediate(place + 1 - head.length - 6), 0xe8, ...immediate(place - head.length - 11), ...rest, 0xb8, 0, 0, 0, 0, 0xc3];
    expect(run(tiers, program).rbx).toBe(times * (times + 1) / 2);
  });

  it('keeps the functions beside one that is stored to', () => {
    // As above, but the store goes to bytes behind the function.
    const head = [0xb9, ...immediate(times)];
    const rest = [0x01, 0xc3, 0xff, 0xc9, 0x75, 0, ...syscall];
    const place = head.length + 6 + 5 + rest.length;
    rest[5] = 5 - (place - syscall.length);
    const program = [...head, 0x89, 0x0d, ...immediate(place + 6 - head.length - 6), 0xe8, ...immediate(place - head.length - 11), ...rest, 0xb8, 3, 0, 0, 0, 0xc3, 0, 0, 0, 0];
    const { rbx, engine } = run(tiers, program);
    expect(rbx).toBe(times * 3);
    expect(engine.statistics.decodedInstructions).toBeLessThan(40);
    expect(engine.statistics.codePagesInvalidated).toBe(0);
  });

  it('a REP MOVS over the next instruction', () => {
    // mov edx, times; L: mov [source + 1], edx; mov ecx, 5; lea rsi, source; lea rdi, next; rep movsb; next: mov eax, 1; add ebx, eax; dec edx; jnz L; syscall
    const source = 64, program = [0xba, ...immediate(times), 0x89, 0x15, ...immediate(source + 1 - 11), 0xb9, ...immediate(5)];
    program.push(0x48, 0x8d, 0x35, ...immediate(source - program.length - 7));
    program.push(0x48, 0x8d, 0x3d, ...immediate(2), 0xf3, 0xa4, 0xb8, 1, 0, 0, 0, 0x01, 0xc3, 0xff, 0xca);
    program.push(0x75, 5 - program.length - 2, ...syscall);
    while (program.length < source) program.push(0x90);
    expect(run(tiers, [...program, 0xb8, 0, 0, 0, 0]).rbx).toBe(times * (times + 1) / 2);
  });
});
