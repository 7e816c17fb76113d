import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ElfFunctions } from './elf.ts';

let folder = '';
/** Offsets of the functions' code in the file, from objdump's own reading. */
const offsets = new Map<string, number>();
const read = (name: string): ElfFunctions => ElfFunctions.read(readFileSync(join(folder, name)))!;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'elf-'));
  writeFileSync(join(folder, 'p.c'), `
    __attribute__((noinline)) int first(int x) { volatile int y = x; return y * 3; }
    __attribute__((noinline)) static int second(int x) { volatile int y = x; return y * 5; }
    int same(int x) __attribute__((alias("first")));
    int main(void) { return first(1) + second(2); }`);
  execFileSync('gcc', ['-O1', '-o', join(folder, 'p'), join(folder, 'p.c')]);
  execFileSync('strip', ['-o', join(folder, 'stripped'), join(folder, 'p')]);
  for (const line of execFileSync('objdump', ['-d', '-F', join(folder, 'p')], { encoding: 'utf8' }).split('\n')) {
    const match = /<(\w+)> \(File Offset: 0x([0-9a-f]+)\):$/.exec(line);
    if (match) offsets.set(match[1]!, parseInt(match[2]!, 16));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('functions are found by the offset of any of their bytes; of two names by the shorter', () => {
  const elf = read('p');
  expect(elf.at(offsets.get('main')!)?.name).toBe('main');
  expect(elf.at(offsets.get('main')! + 5)?.name).toBe('main');
  expect(elf.at(offsets.get('second')! + 1)?.name).toBe('second');
  expect(elf.at((offsets.get('first') ?? offsets.get('same'))! + 1)?.name).toBe('same');
});

test('a stripped file still says where functions begin', () => {
  const elf = read('stripped'), full = read('p');
  for (const name of ['main', 'second']) {
    const at = offsets.get(name)!;
    expect(elf.at(at + 1)).toEqual({ name: '', address: full.at(at)!.address });
  }
});

test('what is outside of the file\'s segments, no ELF file or cut short has no functions', () => {
  expect(read('p').at(1 << 30)).toBeUndefined();
  const bytes = readFileSync(join(folder, 'p'));
  for (const part of [new Uint8Array(0), new TextEncoder().encode('#!/bin/sh\n'.padEnd(80)), bytes.subarray(0, 200), bytes.subarray(0, bytes.length - 100)]) {
    expect(ElfFunctions.read(part)).toBeUndefined();
  }
});
