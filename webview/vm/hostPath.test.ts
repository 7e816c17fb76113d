import { expect, test } from 'vitest';
import { fromText } from '../lib/byteString.ts';
import { fromHostPath, toHostPath } from './hostPath.ts';

test.each(['/plain', '/ü/日本/🙂', '/\uef80x', ''])('text %j survives', text => {
  expect(toHostPath(fromHostPath(text))).toBe(text);
});

test('bytes that are no UTF-8 survive beside text that is', () => {
  const bytes = `${fromText('ä')}\xff\xc3(${fromText('€')}\x80`;
  const text = toHostPath(bytes);
  expect(text.startsWith('ä')).toBe(true);
  expect(text).toContain('€');
  expect(fromHostPath(text)).toBe(bytes);
});
