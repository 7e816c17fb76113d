import { expect, test } from 'vitest';
import { statsText } from './stats.ts';

test('figures are rows that a person reads, with the most frequent system calls', () => {
  const syscallsByName = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`call${i}`, 1400 - i]));
  const text = statsText({
    instructions: 1_234_567, tlbMisses: 4321, decodedInstructions: 5, codePagesInvalidated: 6, regionsCompiled: 7, regionsDropped: 8, regionBytes: 3 << 19, compileSeconds: 0.256,
    syscalls: 19_509, syscallsByName, pageFaults: 99, diskChunks: 11, framesUsed: 512, peakMemoryBytes: 100 << 20, wallSeconds: 1.236, cpuSeconds: 0.5,
  });
  expect(text.split('\n')).toEqual([
    'time          1.24 s, of CPU 0.50 s',
    'instructions  1,234,567 run, 5 decoded, 6 pages of code written to',
    'regions       7 compiled (1.5 MB) in 0.26 s, 8 dropped',
    'memory        4,321 TLB misses, 99 page faults, 2.0 MB of the guest\'s in use',
    `system calls  19,509: ${Array.from({ length: 12 }, (_, i) => `call${i} ${(1400 - i).toLocaleString('en-US')}`).join(', ')} ...`,
    'disk          11 chunks read',
    'host          100.0 MB at most',
  ]);
  expect(statsText({ instructions: 0, tlbMisses: 0, decodedInstructions: 0, codePagesInvalidated: 0, regionsCompiled: 0, regionsDropped: 0, regionBytes: 0, compileSeconds: 0,
    syscalls: 0, syscallsByName: {}, pageFaults: 0, diskChunks: 0, framesUsed: 0, peakMemoryBytes: 0, wallSeconds: 0, cpuSeconds: 0 })).toContain('system calls  0\n');
});
