import { expect, test } from 'vitest';
import { Markers } from './hosts/markers.ts';
import { parseSuite } from './suite.ts';
import { Results, fullTable, groupOf, meansTable, remarks, sharesTable, type Run } from './table.ts';

const measured = (...runs: Run[]): Results => new Results([{ started: '2026-01-01T00:00:00.000Z', engines: {}, runs }]);

const results = measured(
  { name: 'k-sieve', engine: 'native-amd64', net: 0.1, rc: 0, check: 'a' }, { name: 'k-sieve', engine: 'native-amd64', net: 0.3, rc: 0, check: 'a' },
  { name: 'k-sieve', engine: 'native-amd64', net: 0.2, rc: 0, check: 'a' }, { name: 'k-sieve', engine: 'v86-chromium', run: 1, rc: 0, check: 'b' },
  { name: 'k-sieve', engine: 'ours-node', run: 0.9, rc: 0, check: 'a' }, { name: 'k-sieve', engine: 'ours-node', run: 0.8, rc: 0, check: 'a' },
  { name: 'xz', engine: 'native-amd64', net: 1, rc: 0, check: 'x' }, { name: 'xz', engine: 'v86-chromium', run: 5, rc: 0, check: 'y' },
  { name: 'xz', engine: 'ours-node', run: 9, rc: 0, check: 'z' },
  { name: 'make', engine: 'native-amd64', net: 1, rc: 0, check: 'x' }, { name: 'make', engine: 'ours-node', run: 2, rc: 139, check: 'x' },
);

test('the median of native runs and the least of an emulator\'s count', () => {
  expect(results.cell('k-sieve', 'native-amd64')?.seconds).toBe(0.2);
  expect(results.ratio('k-sieve', 'ours-node')).toBeCloseTo(4);
});

test('means are geometric, and say of how many benchmarks when some failed', () => {
  expect(results.mean('ours-node').value).toBeCloseTo(6);
  expect(results.mean('ours-node', 'kernels, CPU')).toEqual({ value: expect.closeTo(4) as number, count: 1 });
  expect(meansTable(results)).toContain('| all | 5.0 (2 of 3) | 6.0 (2 of 3) |');
});

test('what fails, differs or is slower than v86 is named', () => {
  expect(remarks(results)).toEqual([
    'xz on ours-node: its result is not native\'s', 'xz on ours-node: 9.0 times native, v86 5.0', 'make failed on ours-node: exit status 139',
  ]);
  expect(fullTable(results)).toContain('| xz | 1.000 | 5.000 | 5.0 | 9.000 | 9.0 | **ours-node: differs** |');
  expect(fullTable(results)).toContain('| make | 1.000 |  |  | **failed** | – | **ours-node: failed** |');
});

test('groups', () => {
  expect(['k-sieve', 'k-math', 'k-fork', 'gzip'].map(groupOf)).toEqual(['kernels, CPU', 'kernels, double', 'kernels, OS', 'programs']);
});

test('markers are found however the output is cut, and an end without them is an error', () => {
  const seen: string[] = [];
  const markers = new Markers(which => seen.push(which));
  for (const part of ['@@BEG', 'IN gzip 1.5\r\nsome', ' words\n@@END gzip 3 2.5 1 1 0\n@@CHECK gzip abc\n']) markers.feed(part);
  expect(seen).toEqual(['begin', 'end']);
  expect(markers.result({ wall: 1000, cpu: 2 }, { wall: 3000, cpu: 3.25 }, 'oh')).toEqual({ sec: 2, run: 1.25, rc: 3, check: 'abc', tail: 'some words\noh' });
  expect(new Markers(() => {}).result(undefined, undefined, 'no bash').error).toContain('no bash');
});

test('the command line', () => {
  expect(parseSuite(['--engines=native,chromium', '--repeats=3', 'xz', 'gzip'])).toMatchObject({ engines: ['native', 'chromium'], repeats: 3, names: ['xz', 'gzip'] });
  expect(parseSuite(['--engines=pentium'])).toBeUndefined();
  expect(parseSuite(['--fast'])).toBeUndefined();
});

test('shares of time are percents of each benchmark, then means', () => {
  const profiled = (name: string, shares: Record<string, number>): Run => ({ name, engine: 'ours-node-profiled', rc: 0, run: 1, shares });
  const table = sharesTable([{ started: '', engines: {}, runs: [profiled('xz', { compiled: 900, disk: 100 }), profiled('find', { compiled: 1, disk: 1 })] }]);
  expect(table).toContain('| **programs** | 70 | 30 |');
  expect(table).toContain('| find | 50 | 50 |');
  expect(sharesTable([])).toBeUndefined();
});

test('runs of several times are each compared with native of the same time, and later ones replace earlier ones', () => {
  const one = (native: number, ours: number): { started: string; engines: object; runs: Run[] } => ({
    started: '', engines: {}, runs: [{ name: 'xz', engine: 'native-amd64', net: native, rc: 0 }, { name: 'xz', engine: 'ours-node', run: ours, rc: 0 }],
  });
  const v86 = { started: '', engines: {}, runs: [{ name: 'xz', engine: 'native-amd64', net: 2, rc: 0 }, { name: 'xz', engine: 'v86-chromium', run: 20, rc: 0 }] };
  const both = new Results([v86, one(1, 9), one(2, 8)] as never);
  expect(both.ratio('xz', 'v86-chromium')).toBe(10);
  expect(both.ratio('xz', 'ours-node')).toBe(4);
});
