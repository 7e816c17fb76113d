// Compiling beside the guest: what was asked for may be of no use, or nobody may answer, when the answer is due.
import { beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../webview/engine/engine.ts';
import type { PageTables } from '../../webview/engine/mmu/addressSpace.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import type { EngineThread } from '../../webview/engine/thread.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Exit, Reg } from '../../webview/kernel/cpu.ts';
import { compileInterpreter } from '../harness/instruction.ts';
import { immediate } from '../harness/labelledCode.ts';
import { LateCompiler } from '../harness/lateCompiler.ts';

const module = compileInterpreter({ rows: ROWS, descriptions, helpers });
const CODE = 0x400000, FAR = 0x500000, STACK = 0x300000;
/** L: add ebx, 1; call FAR; jmp L; and there add eax, 1; ret. */
const loop = [0x83, 0xc3, 1, 0xe8, ...immediate(FAR - CODE - 8), 0xeb, -10 & 255], callee = [0x83, 0xc0, 1, 0xc3];

let compiler: LateCompiler, engine: Engine, space: PageTables, thread: EngineThread, log: string[];

function mapCode(address: number, bytes: readonly number[]): number {
  const frame = engine.frames.allocate();
  space.map(address, frame, 7);
  engine.frames.bytes.set(bytes, frame * 4096);
  engine.frames.written(frame);
  return frame;
}

beforeEach(() => {
  compiler = new LateCompiler();
  log = [];
  engine = new Engine({ module, frames: 64, now: () => 0, tiers: 'jit', compileThread: compiler, log: line => log.push(line) });
  space = engine.createAddressSpace()!;
  thread = engine.createThread();
  space.map(STACK, engine.frames.allocate(), 3);
  mapCode(CODE, loop);
  thread.rip = CODE;
  thread.set(Reg.rsp, STACK + 4096);
});

/** Runs until `done`. */
function runUntil(done: () => boolean): void {
  for (let turns = 0; !done() && turns < 200; turns++) expect(engine.run(thread, space, 100_000)).toBe(Exit.budget);
  expect(done()).toBe(true);
}

describe('a thread that compiles', () => {
  it('is sent the pages that it finds missing, and its region runs', () => {
    mapCode(FAR, callee);
    runUntil(() => {
      compiler.work();
      return engine.statistics.regionsCompiled > 0;
    });
    expect([CODE, CODE + 8, FAR].some(address => engine.regionAt(space, address) >= 0)).toBe(true);
    const before = thread.get(Reg.rbx);
    engine.run(thread, space, 100_000);
    expect(thread.get(Reg.rbx)).toBeGreaterThan(before);
    expect(Math.abs(thread.get(Reg.rbx) - thread.get(Reg.rax))).toBeLessThanOrEqual(1);
    expect(log).toEqual([]);
  });

  it('answers in vain when the code has changed meanwhile', () => {
    const frame = mapCode(FAR, callee);
    runUntil(() => {
      compiler.work(0);
      return compiler.answers.some(answer => answer.type === 'compiled') || (compiler.work(1, 0), false);
    });
    // add eax, 2
    engine.frames.bytes[frame * 4096 + 2] = 2;
    engine.frames.written(frame);
    compiler.work();
    expect(engine.statistics.regionsCompiled).toBe(0);
    const rax = thread.get(Reg.rax), rbx = thread.get(Reg.rbx);
    engine.run(thread, space, 10_000);
    expect(Math.abs((thread.get(Reg.rax) - rax) - 2 * (thread.get(Reg.rbx) - rbx))).toBeLessThanOrEqual(2);
  });

  it('gets no pages of an address space that is gone', () => {
    mapCode(FAR, callee);
    runUntil(() => {
      compiler.work(0);
      return compiler.answers.some(answer => answer.type === 'missing');
    });
    space.destroy();
    compiler.work(Infinity, 0);
    expect(compiler.requests.map(request => request.type)).toEqual(['cancel']);
  });

  it('that fails is not waited for: the thread that runs the guest compiles then, and the log says why', () => {
    mapCode(FAR, callee);
    runUntil(() => compiler.requests.some(request => request.type === 'compile'));
    compiler.onAnswer({ type: 'failed', reason: 'a reason' });
    runUntil(() => engine.statistics.regionsCompiled > 0);
    expect(log).toEqual([expect.stringContaining('a reason')]);
  });
});
