/**
 * Instruction cases: one instruction with a register file and some memory, in the layout of native/runner.c, which runs them on the
 * machine's CPU. The engine runs the same cases (harness/instruction.ts) and must agree.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.ts';

/** Addresses of the runner's memory. Everything else is unmapped. */
export const CODE = 0x30000000, START = CODE + 0x800;
export const DATA = 0x20000000, DATA_SIZE = 0x2000, WINDOW = DATA + 0xf00, WINDOW_SIZE = 512;
export const READONLY = 0x20010000;
/** Base of GS. */
export const GS_BASE = 0x10000000;

/** Of a case's state, which its code stands before. */
export const STATE_SIZE = 16 * 8 + 16 + 512 + WINDOW_SIZE;
export const RESULT_SIZE = 16 + 8 + 16 * 8 + 16 + 512 + WINDOW_SIZE;

export const offsets = { gpr: 0, rip: 128, rflags: 136, fx: 144, window: 656 } as const;

/** A view of one state inside a buffer of cases or results. */
export class State {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** All of it. */
  readonly words: Int32Array;

  /** `at`, a multiple of 4, is where the state starts in `buffer`. */
  constructor(buffer: Uint8Array, at: number) {
    this.bytes = buffer.subarray(at, at + offsets.window + WINDOW_SIZE);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    this.words = new Int32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength / 4);
  }

  /** General register by encoding. */
  gpr(number: number): bigint {
    return this.view.getBigUint64(offsets.gpr + number * 8, true);
  }
  setGpr(number: number, value: bigint): void {
    this.view.setBigUint64(offsets.gpr + number * 8, value, true);
  }
  setHalves(number: number, low: number, high: number): void {
    this.view.setUint32(offsets.gpr + number * 8, low, true);
    this.view.setUint32(offsets.gpr + number * 8 + 4, high, true);
  }
  get rip(): number {
    return Number(this.view.getBigUint64(offsets.rip, true));
  }
  set rip(value: number) {
    this.view.setBigUint64(offsets.rip, BigInt(value), true);
  }
  get rflags(): number {
    return Number(this.view.getBigUint64(offsets.rflags, true));
  }
  set rflags(value: number) {
    this.view.setBigUint64(offsets.rflags, BigInt(value), true);
  }
  /** FXSAVE image (SDM vol. 1 table 10-2). */
  get fx(): Uint8Array {
    return this.bytes.subarray(offsets.fx, offsets.fx + 512);
  }
  /** The bytes at WINDOW. */
  get window(): Uint8Array {
    return this.bytes.subarray(offsets.window, offsets.window + WINDOW_SIZE);
  }
}

/** Many cases in one buffer, each of an instruction or, with a larger `codeSize` (a multiple of 8), of several. */
export class Cases {
  readonly buffer: Uint8Array;
  readonly count: number;
  readonly codeSize: number;
  readonly #size: number;

  constructor(count: number, codeSize = 16) {
    this.count = count;
    this.codeSize = codeSize;
    this.#size = codeSize + STATE_SIZE;
    this.buffer = new Uint8Array(count * this.#size);
  }

  /** The code, `codeSize` bytes, filled up with INT3. */
  code(index: number): Uint8Array {
    return this.buffer.subarray(index * this.#size, index * this.#size + this.codeSize);
  }
  state(index: number): State {
    return new State(this.buffer, index * this.#size + this.codeSize);
  }
}

/** What one case came to on the machine's CPU. */
export interface NativeResult {
  /** Signal as Linux sends it: 5 at the INT3 behind the instruction. */
  readonly signal: number;
  /** Exception vector (SDM vol. 3 table 6-1) and error code. */
  readonly trap: number;
  readonly error: number;
  /** CR2 of a page fault, else 0. */
  readonly address: bigint;
  readonly state: State;
}

/** Compiles the runner if it isn't newer than its source. */
function runner(): string {
  const source = join(root, 'test/harness/native/runner.c');
  const program = join(root, 'build/native/runner');
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(join(root, 'build/native'), { recursive: true });
    // Two test files may do this at once: each makes its own, and puts it there whole.
    const own = `${program}.${process.pid}`;
    execFileSync('gcc', ['-O1', '-Wall', '-o', own, source], { stdio: 'inherit' });
    renameSync(own, program);
  }
  return program;
}

/** Runs all cases natively. Throws if the runner fails. */
export function runNatively(cases: Cases): (index: number) => NativeResult {
  const done = spawnSync(runner(), [`${cases.codeSize}`], { input: cases.buffer, maxBuffer: cases.count * RESULT_SIZE + 4096 });
  const { stdout } = done, output = new Uint8Array(stdout.buffer, stdout.byteOffset, stdout.length);
  if (done.status !== 0 || output.length !== cases.count * RESULT_SIZE) throw new Error(`runner: status ${done.status}, ${done.signal}: ${done.stderr}`);
  const view = new DataView(output.buffer, output.byteOffset);
  return index => {
    const at = index * RESULT_SIZE;
    return {
      signal: view.getUint32(at, true), trap: view.getUint32(at + 4, true), error: view.getUint32(at + 8, true),
      address: view.getBigUint64(at + 16, true), state: new State(output, at + 24),
    };
  };
}
