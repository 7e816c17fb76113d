/**
 * The code that the region JIT writes for small kernels (golden/kernels.ts) is kept in golden/NAME.txt, so that a change shows as a
 * difference. `GOLDEN=write npx vitest run test/engine/goldenCode` writes the files anew.
 */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { goldenCode } from '../harness/goldenCode.ts';
import { kernels } from './golden/kernels.ts';

const folder = join(import.meta.dirname, 'golden');
const writes = process.env['GOLDEN'] === 'write';

test.each(kernels)('$name: $idea', ({ name, idea, code, length }) => {
  const file = join(folder, `${name}.txt`);
  const text = `${idea}\n\n${goldenCode(Uint8Array.from(Buffer.from(code, 'hex')), length)}`;
  if (writes) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
});

test('no text is left of a kernel that is gone', () => {
  const known = new Set(kernels.map(({ name }) => `${name}.txt`));
  const left = readdirSync(folder).filter(name => name.endsWith('.txt') && !known.has(name));
  if (writes) for (const name of left.splice(0)) rmSync(join(folder, name));
  expect(left).toEqual([]);
});
