import { beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../webview/engine/engine.ts';
import type { PageTables } from '../../webview/engine/mmu/addressSpace.ts';
import { CPUID } from '../../webview/engine/semantics/cpuid.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import type { EngineThread } from '../../webview/engine/thread.ts';
import { OFFERED, fateOf } from '../../webview/engine/x86/features.ts';
import type { Feature } from '../../webview/engine/x86/rows.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Exit, Reg } from '../../webview/kernel/cpu.ts';
import { compileInterpreter } from '../harness/instruction.ts';
import { immediate } from '../harness/labelledCode.ts';

// What can't be compared with the machine's CPU: instructions that leave for the kernel or ask about the processor.

const module = compileInterpreter({ rows: ROWS, descriptions, helpers });
const CODE = 0x400000;
let engine: Engine, space: PageTables, thread: EngineThread, frame: number, now: number;

beforeEach(() => {
  now = 0;
  engine = new Engine({ module, frames: 64, now: () => now });
  space = engine.createAddressSpace()!;
  thread = engine.createThread();
  frame = engine.frames.allocate();
  space.map(CODE, frame, 7);
});

/** Runs these bytes until they end. */
function run(...bytes: number[]): Exit {
  engine.frames.bytes.set(bytes, frame * 4096);
  engine.frames.written(frame);
  thread.rip = CODE;
  return engine.run(thread, space, 1_000_000);
}

const syscall = [0x0f, 0x05];

describe('system instructions', () => {
  it('SYSCALL leaves rip in rcx and flags in r11', () => {
    thread.rflags = 0x4 | 0x80 | 0x400;
    expect(run(...syscall)).toBe(Exit.syscall);
    expect(thread.get(Reg.rcx)).toBe(CODE + 2);
    expect(thread.get(Reg.r11)).toBe(0x202 | 0x4 | 0x80 | 0x400);
    expect(thread.rip).toBe(CODE + 2);
  });

  it('CPUID answers by its table, with zeros elsewhere', () => {
    const ask = (leaf: number, subleaf: number): number[] => {
      thread.setHalves(Reg.rax, leaf, 0xffffffff);
      thread.setHalves(Reg.rcx, subleaf, 7);
      expect(run(0x0f, 0xa2, ...syscall)).toBe(Exit.syscall);
      // RCX is SYSCALL's by now.
      return [Reg.rax, Reg.rbx, Reg.rdx].map(reg => thread.get(reg));
    };
    for (const { leaf, subleaf = 0, result: [eax, ebx, , edx] } of CPUID) expect(ask(leaf, subleaf)).toEqual([eax >>> 0, ebx >>> 0, edx >>> 0]);
    expect(ask(7, 1)).toEqual([0, 0, 0]);
    expect(ask(0x12345, 0)).toEqual([0, 0, 0]);
  });

  it('has a description for every integer instruction that CPUID promises', () => {
    const integer: readonly Feature[] = ['cmov', 'popcnt', 'cx16', 'movbe', 'lzcnt', 'bmi1', 'bmi2', 'tsc', 'rdtscp', 'clflush', 'prefetchw', 'syscall'];
    for (const feature of integer) expect(OFFERED).toContain(feature);
    const missing = ROWS.filter(row => integer.includes(row.feature) && !row.operation.startsWith('F') && fateOf(row) === 'executed' && !Object.hasOwn(descriptions, row.operation));
    expect(missing.map(row => row.operation)).toEqual([]);
  });

  it('RDTSC counts nanoseconds', () => {
    now = 5 * 2 ** 32 + 77;
    expect(run(0x0f, 0x31, ...syscall)).toBe(Exit.syscall);
    expect([thread.get(Reg.rax), thread.get(Reg.rdx)]).toEqual([77, 5]);
  });

  it('INT n is open for 3 and 0x80 only', () => {
    expect(run(0xcd, 3)).toBe(Exit.breakpoint);
    expect(thread.rip).toBe(CODE + 2);
    expect(run(0xcd, 0x80)).toBe(Exit.interrupt);
    expect([engine.interruptVector, thread.rip]).toEqual([0x80, CODE + 2]);
    expect(run(0xcd, 0x21)).toBe(Exit.generalProtection);
    expect(thread.rip).toBe(CODE);
  });

  it('segment registers have the selectors of Linux', () => {
    const read = (modrm: number): number => {
      expect(run(0x8c, modrm, ...syscall)).toBe(Exit.syscall);
      return thread.get(Reg.rax);
    };
    expect([0xc8, 0xd0, 0xd8, 0xe0].map(read)).toEqual([0x33, 0x2b, 0, 0]);
    thread.set(Reg.rax, 0x2b);
    expect(run(0x8e, 0xd8, ...syscall)).toBe(Exit.syscall); // mov ds, eax
    thread.set(Reg.rax, 0x18);
    expect(run(0x8e, 0xd8)).toBe(Exit.generalProtection);
    expect(run(0x8e, 0xc8)).toBe(Exit.undefinedInstruction); // mov cs, eax
  });

  it('REP can be interrupted by the budget and by faults, with exact registers', () => {
    const data = 0x10000000;
    for (let i = 0; i < 400; i++) if (i !== 300) space.map(data + i * 4096, engine.frames.free > 8 ? engine.frames.allocate() : (engine.frames.retain(frame), frame), 3);
    thread.set(Reg.rdi, data);
    thread.set(Reg.rcx, 400 * 4096);
    thread.set(Reg.rax, 0);
    engine.frames.bytes.set([0xf3, 0xaa, ...syscall], frame * 4096); // rep stosb
    space.unmap(data + 60 * 4096, 400 * 4096);
    thread.rip = CODE;
    let exit: Exit = Exit.budget, turns = 0;
    for (; exit === Exit.budget; turns++) {
      exit = engine.run(thread, space, 10);
      expect(thread.get(Reg.rdi) - data + thread.get(Reg.rcx)).toBe(400 * 4096);
    }
    expect(exit).toBe(Exit.pageFault);
    expect(thread.get(Reg.rdi)).toBe(engine.faultAddress);
    expect(thread.rip).toBe(CODE);
    expect(turns).toBeGreaterThan(0);
  });
});

describe.each(['interpreter', 'jit', 'eager'] as const)('with tiers %s', tiers => {
  /** As `run`, in turns of `budget`, of a processor with these tiers. */
  function runInTurns(budget: number, ...bytes: number[]): { readonly turns: number; readonly rbx: number } {
    const own = new Engine({ module, frames: 64, now: () => now, tiers, log: line => expect.fail(line) });
    const pages = own.createAddressSpace()!, guest = own.createThread(), code = own.frames.allocate();
    pages.map(CODE, code, 7);
    own.frames.bytes.set(bytes, code * 4096);
    own.frames.written(code);
    guest.rip = CODE;
    for (let turns = 1; ; turns++) {
      const exit = own.run(guest, pages, budget);
      if (exit !== Exit.budget || turns > 100_000) return { turns: exit === Exit.syscall ? turns : NaN, rbx: guest.get(Reg.rbx) };
    }
  }

  it('a program in short turns does what it does in one', () => {
    // add bl, cl and rol bl, 1 (which the hot function doesn't have) by turns, longer than what is decoded at once, 300 times.
    const line = Array.from({ length: 90 }, (_, i) => (i % 3 === 0 ? [0xfe, 0xc3] : [0xd0, 0xc3])).flat();
    const program = [0xb9, 0x2c, 1, 0, 0, ...line, 0xff, 0xc9, 0x0f, 0x85, ...immediate(-line.length - 8), ...syscall];
    const whole = runInTurns(1_000_000, ...program);
    expect(whole.turns).toBe(1);
    for (const budget of [1, 7, 64, 65, 1000]) expect(runInTurns(budget, ...program).rbx).toBe(whole.rbx);
    // What a loop over bytes in JavaScript says.
    let bl = 0;
    for (let n = 0; n < 300; n++) for (let i = 0; i < 90; i++) bl = i % 3 === 0 ? bl + 1 & 255 : (bl << 1 | bl >> 7) & 255;
    expect(whole.rbx).toBe(bl);
  });

  it('a branch that is never taken leads back to what was never reached', () => {
    // The JNZ is the last instruction that is decoded at once, and is always taken: behind it is `inc bl`, which only the JZ behind leads to.
    const line = Array.from({ length: 62 }, () => [0x90]).flat();
    const loop = [...line, 0x85, 0xc9, 0x75, 2, 0xfe, 0xc3, 0xff, 0xc2, 0x85, 0xc9, 0x74, -8 & 0xff, 0xff, 0xc9];
    const program = [0xb9, 0, 0, 2, 0, ...loop, 0x75, -loop.length - 2 & 0xff, ...syscall];
    expect(runInTurns(10_000_000, ...program)).toEqual({ turns: 1, rbx: 0 });
  });

  it('TF ends each instruction, an iteration of REP, and the one behind the POPF that sets it', () => {
    const own = new Engine({ module, frames: 64, now: () => now, tiers });
    const pages = own.createAddressSpace()!, guest = own.createThread(), code = own.frames.allocate(), stack = own.frames.allocate();
    pages.map(CODE, code, 7);
    pages.map(CODE - 4096, stack, 3);
    const program = [0x9c, 0x80, 0x4c, 0x24, 1, 1, 0x9d, 0x90, 0xf3, 0xaa, 0x64, 0x8b, 0x07, 0xeb, 0, 0x9c, 0x80, 0x64, 0x24, 1, 0xfe, 0x9d, 0x90, ...syscall];
    own.frames.bytes.set(program, code * 4096);
    own.frames.written(code);
    guest.rip = CODE;
    guest.set(Reg.rsp, CODE - 64);
    guest.set(Reg.rdi, CODE - 4096);
    guest.set(Reg.rcx, 2);
    const places: number[] = [];
    let exit = own.run(guest, pages, 1000);
    for (; exit === Exit.singleStep; exit = own.run(guest, pages, 1000)) places.push(guest.rip - CODE);
    expect(exit).toBe(Exit.syscall);
    expect(places).toEqual([8, 8, 10, 13, 15, 16, 21, 22]);
    expect(guest.rip - CODE).toBe(program.length);
  });
});
