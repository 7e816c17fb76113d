// Writes build/instructions.md, the page of all instructions and what becomes of them, from the tables that the decoder is made of:
// node scripts/ts.mjs scripts/support-table.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { fateOf } from '../webview/engine/x86/features.ts';
import { FLAG } from '../webview/engine/x86/rows.ts';
import type { Row } from '../webview/engine/x86/rows.ts';
import { ROWS } from '../webview/engine/x86/table.ts';

const OUTPUT = 'build/instructions.md';

/** The modes that a row stands for. */
function modes(row: Row): string {
  if ((row.flags & FLAG.I64) !== 0) return '32';
  return (row.flags & FLAG.O64) !== 0 ? '64' : '32, 64';
}

function line(row: Row): string {
  const operands = (row.source[2] ?? '').replaceAll(',', ', ').replaceAll('|', '\\|');
  return `| ${row.source[1].replaceAll('|', '/')} | ${operands} | \`${row.source[0]}\` | ${modes(row)} | ${row.feature} | ${fateOf(row)} |`;
}

function page(): string {
  // One line for the sixteen rows of a condition.
  const rows = ROWS.filter((row) => row.condition <= 0);
  const counts = { 'executed': 0, '#UD': 0, '#GP': 0 };
  for (const row of rows) counts[fateOf(row)]++;
  const sorted = rows.toSorted((a, b) => (a.source[1] < b.source[1] ? -1 : a.source[1] > b.source[1] ? 1 : a.id - b.id));
  return [
    '# Instructions', '',
    `${rows.length} forms: ${counts.executed} are executed; ${counts['#UD']} are known but raise #UD, since the processor that programs see does not have them;`
    + ` ${counts['#GP']} raise #GP(0), since user mode may not execute them. Operands are in the notation of the SDM, vol. 2 appendix A.`, '',
    '| Mnemonic | Operands | Encoding | Modes | CPUID feature | In user mode |', '| --- | --- | --- | --- | --- | --- |', ...sorted.map(line), '',
  ].join('\n');
}

mkdirSync('build', { recursive: true });
const text = page();
writeFileSync(OUTPUT, text);
console.log(`${OUTPUT}: ${text.split('\n').length} lines`);
