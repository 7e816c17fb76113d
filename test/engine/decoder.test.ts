// The decoder and the disassembler against objdump: over real programs, and over generated code.
//
// TERRARIUM_ROOTFS=DIR  the programs and libraries of that root file system, all of them (the base image's; minutes)
// TERRARIUM_THOROUGH=1  every opcode with every ModRM, and 4,000,000 random instructions
// TERRARIUM_SEED=N      seed of the generated code
import { mkdirSync, openSync, readSync, closeSync, readdirSync, rmSync, statSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Mode } from '../../webview/engine/x86/dispatch.ts';
import { SLOT, everyOpcode, everyVexOpcode, randomCode } from './machineCode.ts';
import { disassembleBinary, disassembleFile, objdumpVersion } from './objdump.ts';
import type { ObjdumpLine } from './objdump.ts';
import { Comparison } from './objdumpComparison.ts';

const thorough = process.env['TERRARIUM_THOROUGH'] === '1';
const seed = Number(process.env['TERRARIUM_SEED'] ?? 20240601);
const root = process.env['TERRARIUM_ROOTFS'];
const scratch = join(import.meta.dirname, '../../build/decoder-test');

/** Without TERRARIUM_ROOTFS: a spread of the host's files, by name; those that aren't there are left out. */
const SPREAD = [
  'lib/x86_64-linux-gnu/libc.so.6', 'lib/x86_64-linux-gnu/libm.so.6', 'lib64/ld-linux-x86-64.so.2', 'lib/x86_64-linux-gnu/libstdc++.so.6',
  'lib/x86_64-linux-gnu/libcrypto.so.3', 'lib/x86_64-linux-gnu/libz.so.1', 'lib/x86_64-linux-gnu/liblzma.so.5', 'lib/x86_64-linux-gnu/libgmp.so.10',
  'lib/x86_64-linux-gnu/libnettle.so.8', 'lib/x86_64-linux-gnu/libpcre2-8.so.0', 'bin/bash', 'usr/bin/perl', 'usr/bin/git', 'usr/bin/gawk',
  'usr/bin/python3', 'usr/bin/vim.tiny', 'usr/bin/xz', 'usr/bin/tar', 'usr/bin/find',
] as const;

function isElf(path: string): boolean {
  const magic = Buffer.alloc(4);
  const descriptor = openSync(path, 'r');
  readSync(descriptor, magic, 0, 4, 0);
  closeSync(descriptor);
  return magic.toString('latin1') === '\x7fELF';
}

/** Every ELF file below `directory`, symbolic links not followed. */
function elfFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name))
    .filter((path) => lstatSync(path).isFile() && statSync(path).size > 64 && isElf(path));
}

function corpus(): string[] {
  if (root) return ['bin', 'sbin', 'lib', 'usr'].map((name) => join(root, name)).filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory()).flatMap(elfFiles);
  return SPREAD.map((name) => join('/', name)).filter((path) => statSync(path, { throwIfNoEntry: false }));
}

function check(comparison: Comparison): void {
  console.log(comparison.report());
  expect(comparison.unexpected.length, comparison.report()).toBe(0);
}

/** Compares each encoding once, together with the bytes that follow it in the program (where objdump sees no instruction, we may see a longer one). */
class DistinctEncodings {
  readonly #comparison: Comparison;
  readonly #seen = new Set<string>();
  readonly #pending: ObjdumpLine[] = [];
  readonly #bytes = new Uint8Array(64);
  #end = 0;

  constructor(comparison: Comparison) {
    this.#comparison = comparison;
  }

  add(line: ObjdumpLine): void {
    if (line.address !== this.#end) this.flush();
    this.#pending.push(line);
    this.#end = line.address + line.hex.length / 2;
    while (this.#end - this.#pending[0]!.address >= 32) this.#first();
  }

  flush(): void {
    while (this.#pending.length > 0) this.#first();
  }

  #first(): void {
    const line = this.#pending.shift()!;
    // What is compared doesn't depend on where the instruction is, but for branch targets, which are computed.
    if (this.#seen.has(line.hex)) return;
    this.#seen.add(line.hex);
    let length = 0;
    for (const { hex } of [line, ...this.#pending]) {
      if (length + hex.length / 2 > this.#bytes.length) break;
      this.#bytes.set(Buffer.from(hex, 'hex'), length);
      length += hex.length / 2;
    }
    this.#comparison.compare(line, this.#bytes, 0, length);
  }
}

async function compareBinary(mode: Mode, name: string, code: Uint8Array, comparison: Comparison): Promise<void> {
  mkdirSync(scratch, { recursive: true });
  const path = join(scratch, `${name}-${mode}.bin`);
  writeFileSync(path, code);
  let slots = 0;
  for await (const line of disassembleBinary(path, mode)) {
    if (line.address % SLOT !== 0) continue;
    slots++;
    comparison.compare(line, code, line.address, code.length);
  }
  expect(slots).toBe(code.length / SLOT);
}

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('has objdump to compare with', () => {
  expect(objdumpVersion(), 'binutils must be installed').toMatch(/objdump/);
});

it('agrees with objdump on every distinct encoding of real programs', async () => {
  const files = corpus();
  const comparison = new Comparison(64);
  const distinct = new DistinctEncodings(comparison);
  for (const file of files) {
    for await (const line of disassembleFile(file)) distinct.add(line);
    distinct.flush();
  }
  console.log(`${files.length} files`);
  expect(comparison.compared).toBeGreaterThan(100_000);
  check(comparison);
}, thorough || root ? 3_600_000 : 400_000);

for (const mode of [64, 32] as const) {
  it(`agrees with objdump on random ${mode}-bit code`, async () => {
    const comparison = new Comparison(mode);
    const rounds = thorough ? 20 : 1;
    for (let round = 0; round < rounds; round++) {
      console.log(`seed ${seed + round}`);
      await compareBinary(mode, 'random', randomCode(mode, thorough ? 200_000 : 100_000, seed + round), comparison);
    }
    check(comparison);
  }, 1_200_000);

  it(`agrees with objdump on every opcode of ${mode}-bit code`, async () => {
    const comparison = new Comparison(mode);
    console.log(`seed ${seed}`);
    await compareBinary(mode, 'opcodes', everyOpcode(mode, seed, thorough ? 1 : 23), comparison);
    await compareBinary(mode, 'vex', everyVexOpcode(mode, seed, thorough ? 3 : 61), comparison);
    check(comparison);
  }, 1_200_000);
}

