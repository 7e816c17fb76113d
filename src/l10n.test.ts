import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stageTexts } from '../webview/protocol.ts';

const root = resolve(import.meta.dirname, '..');
const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8')) as Record<string, string>;

/** Every text that the code hands to `t(...)`, and the sentences that the page and the VM make for whoever shows them. */
function texts(): Set<string> {
  const found = new Set<string>(Object.values(stageTexts));
  for (const folder of ['src', 'webview/page', 'webview/vm']) {
    for (const name of readdirSync(join(root, folder)).filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))) {
      const code = readFileSync(join(root, folder, name), 'utf8');
      for (const match of code.matchAll(/(?:\bt|#fail|\bsentence|\bBootError)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g)) found.add(match[1] ?? match[2]!);
    }
  }
  return found;
}

describe('texts', () => {
  it('are all in the English bundle, which has no others', () => {
    const bundle = read('l10n/bundle.l10n.json');
    expect(Object.keys(bundle).sort()).toEqual([...texts()].sort());
    for (const [original, text] of Object.entries(bundle)) expect(text).toBe(original);
  });

  it.each(readdirSync(join(root, 'l10n')).filter(name => /\.l10n\.\w+\.json$/.test(name)))('are all in %s, with the same places', name => {
    const bundle = read(`l10n/${name}`);
    expect(Object.keys(bundle).sort()).toEqual([...texts()].sort());
    const places = (text: string) => (text.match(/\{\d\}/g) ?? []).sort();
    for (const [original, text] of Object.entries(bundle)) expect(places(text), original).toEqual(places(original));
  });

  it.each(readdirSync(root).filter(name => /^package\.nls.*\.json$/.test(name)))('of the manifest are all in %s', name => {
    const used = [...readFileSync(join(root, 'package.json'), 'utf8').matchAll(/"%([\w.]+)%"/g)].map(match => match[1]!);
    expect(Object.keys(read(name)).sort()).toEqual([...new Set(used)].sort());
  });
});
