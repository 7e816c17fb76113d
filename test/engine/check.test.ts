/** `check` finds what compiled code does wrong, says where, and finds nothing where all is well. */
import { describe, expect, it } from 'vitest';
import { TierDifference } from '../../webview/engine/check/report.ts';
import { Engine } from '../../webview/engine/engine.ts';
import type { Descriptions } from '../../webview/engine/semantics/contract.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { Exit, Reg } from '../../webview/kernel/cpu.ts';
import { compileInterpreter } from '../harness/instruction.ts';

const module = compileInterpreter({ rows: ROWS, descriptions, helpers });
const CODE = 0x400000, DATA = 0x600000;
const syscall = [0x0f, 0x05];

/** Runs a program with rdi and rsi at two pages of data, of which the second can't be written, until an exit that isn't the budget's. */
function check(program: readonly number[], compiledDescriptions: Descriptions = descriptions): { readonly engine: Engine; readonly exit: Exit; readonly rax: number } {
  let time = 0;
  const engine = new Engine({ module, frames: 64, now: () => time++, tiers: 'check', compiledDescriptions });
  const space = engine.createAddressSpace()!, thread = engine.createThread();
  const frames = [CODE, CODE + 4096, DATA, DATA + 4096].map((address, i) => {
    const frame = engine.frames.allocate();
    space.map(address, frame, [7, 7, 3, 1][i]!);
    return frame;
  });
  engine.frames.bytes.set(program, frames[0]! * 4096);
  thread.rip = CODE;
  thread.set(Reg.rdi, DATA);
  thread.set(Reg.rsi, DATA + 4096);
  thread.set(Reg.rsp, DATA + 4096);
  let exit: Exit = Exit.budget;
  for (let turns = 0; exit === Exit.budget && turns < 1000; turns++) exit = engine.run(thread, space, 5000);
  return { engine, exit, rax: thread.get(Reg.rax) };
}

/** The report of a program that fails. */
function reportOf(program: readonly number[], wrong: Descriptions): string {
  try {
    check(program, { ...descriptions, ...wrong });
  } catch (error) {
    if (error instanceof TierDifference) return error.message;
    throw error;
  }
  throw new Error('nothing was found');
}

/** mov ecx, 3000 / what is given, a loop of / dec ecx, jnz / syscall. */
function loop(...body: number[]): number[] {
  return [0xb9, 0xb8, 0x0b, 0, 0, ...body, 0xff, 0xc9, 0x75, -(body.length + 4) & 255, ...syscall];
}

describe('check', () => {
  it('lets what is right run, with time, faults, string operations and stores', () => {
    const body = [0x01, 0xc8, 0x89, 0x07, 0x0f, 0x31, 0x50, 0x58, 0xab, 0x48, 0x83, 0xef, 0x04]; // add eax, ecx; mov [rdi], eax; rdtsc; push, pop rax; stosd; sub rdi, 4
    const { engine, exit } = check(loop(...body));
    expect(exit).toBe(Exit.syscall);
    expect(engine.statistics.regionsCompiled).toBeGreaterThan(0);
    expect(engine.checkedSlices.compared).toBeGreaterThan(3);
    expect(engine.checkedSlices.skipped).toBe(0);
    const fault = check(loop(0x01, 0xc8, 0x89, 0x06)); // mov [rsi], eax
    expect([fault.exit, fault.engine.faultAddress, fault.engine.faultAccess]).toEqual([Exit.pageFault, DATA + 4096, 1]);
    // rep stosb of 3000 bytes, again and again
    const string = check([0xba, 0x2c, 1, 0, 0, 0x48, 0xc7, 0xc7, ...[0, 0, 0x60, 0], 0xb9, 0xb8, 0x0b, 0, 0, 0xf3, 0xaa, 0xff, 0xca, 0x75, 0xee, ...syscall]);
    expect(string.exit).toBe(Exit.syscall);
  });

  it('lets code be written that runs at once', () => {
    // add byte [rip + 1], 1; mov al, 0
    const program = loop(0x80, 0x05, 1, 0, 0, 0, 1, 0xb0, 0);
    program.splice(1, 2, 60, 0);
    const { exit, rax } = check(program);
    expect([exit, rax & 255]).toEqual([Exit.syscall, 60]);
  });

  it('finds a wrong register, and the one instruction', () => {
    const report = reportOf(loop(0x83, 0xf0, 0x05, 0x01, 0xc8, 0x48, 0x89, 0xc2), { ADD: descriptions['SUB']! }); // xor eax, 5; add eax, ecx; mov rdx, rax
    expect(report).toContain('fault of the engine');
    expect(report).toMatch(/made again with at most 1 instructions/);
    expect(report).toMatch(/rax +[0-9a-f]{16} +[0-9a-f]{16}/);
    expect(report).toMatch(/code:\n( +[0-9a-f]{8} .*\n){0,2} +00400008 +01 c8 +add eax,ecx/);
  });

  it('finds wrong flags', () => {
    const report = reportOf(loop(0x38, 0xc8), { CMP: descriptions['TEST']! }); // cmp al, cl
    expect(report).toMatch(/rflags +[0-9a-f]{8}.* {2}[0-9a-f]{8}/);
    expect(report).toContain('cmp al,cl');
  });

  it('finds a wrong byte in memory and a wrong vector', () => {
    const memory = reportOf(loop(0x89, 0xc8, 0x01, 0x47, 0x10), { ADD: descriptions['ADC']!, DEC: descriptions['INC']! });
    expect(memory).toContain('The tiers disagree');
    const stored = reportOf(loop(0x89, 0xc8, 0x01, 0x47, 0x10), { ADD: descriptions['SUB']! }); // mov eax, ecx; add [rdi + 16], eax
    expect(stored).toMatch(/00600010: [0-9a-f ]+ {2}[0-9a-f ]+ {2}\(before: /);
    const vector = reportOf(loop(0x66, 0x0f, 0x6e, 0xc1, 0x66, 0x0f, 0xef, 0xc0), { PXOR: descriptions['POR']! }); // movd xmm0, ecx; pxor xmm0, xmm0
    expect(vector).toMatch(/xmm0 +[0-9a-f]{32} +0{32}/);
  });

  it('finds a jump that goes elsewhere', () => {
    const report = reportOf([...loop(0x90), ...syscall], { Jcc: descriptions['JMP']! });
    expect(report).toMatch(/compiled +to|and never was where compiled code ended/);
  });
});
