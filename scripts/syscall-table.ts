// Writes the page of system calls: node scripts/ts.mjs scripts/syscall-table.ts [FILE]; build/syscalls.md if none is named.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { syscalls } from '../webview/kernel/syscalls/table.ts';

const file = process.argv[2] ?? 'build/syscalls.md';
const there = syscalls.filter(call => call.handler !== undefined);
const lines = [
  '# System calls', '',
  `${there.length} of Linux's ${syscalls.length} x86-64 system calls are there; the others answer ENOSYS and leave one line in the log.`, '',
  '| number | i386 | name | there | note |', '| --- | --- | --- | --- | --- |',
  ...syscalls.map(call => `| ${call.number} | ${call.number32 ?? ''} | ${call.name} | ${call.handler ? 'yes' : ''} | ${call.note} |`),
];
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, `${lines.join('\n')}\n`);
console.log(`${file}: ${there.length} of ${syscalls.length} system calls`);
