/** What CPUID says: the features that have descriptions (x86/features.ts), in the clothes of an AMD family 17h processor. */
import { OFFERED } from '../x86/features.ts';
import type { Feature } from '../x86/rows.ts';

/** EAX, EBX, ECX, EDX. */
export type CpuidResult = readonly [number, number, number, number];

export interface CpuidLeaf {
  readonly leaf: number;
  /** Subleaf in ECX, where the leaf has several; others are zero. */
  readonly subleaf?: number;
  readonly result: CpuidResult;
}

/** Bits of a register by feature; the mask of those that are offered. SDM vol. 2 CPUID, AMD APM vol. 3 appendix E. */
function mask(bits: readonly (readonly [Feature, number])[]): number {
  return bits.reduce((all, [feature, bit]) => (OFFERED.has(feature) ? all | 1 << bit : all), 0);
}

const edx1 = mask([
  ['x87', 0], ['tsc', 4], ['base', 8], ['cmov', 15], ['clflush', 19], ['mmx', 23], ['fxsr', 24], ['sse', 25], ['sse2', 26],
]);
const ecx1 = mask([
  ['sse3', 0], ['pclmul', 1], ['ssse3', 9], ['fma', 12], ['cx16', 13], ['sse4.1', 19], ['sse4.2', 20], ['movbe', 22], ['popcnt', 23], ['aes', 25],
  ['xsave', 26], ['avx', 28], ['f16c', 29], ['rdrand', 30],
]);
/** Bit 9 is ERMS: REP MOVSB and STOSB are the fastest way to copy and fill. */
const ebx7 = mask([['fsgsbase', 0], ['bmi1', 3], ['avx2', 5], ['bmi2', 8], ['base', 9], ['rdseed', 18], ['adx', 19], ['clflushopt', 23], ['clwb', 24], ['sha', 29]]);
const ecxExtended = mask([['base', 0], ['lzcnt', 5], ['prefetchw', 8]]);
const edxExtended = mask([['x87', 0], ['tsc', 4], ['base', 8], ['syscall', 11], ['cmov', 15], ['base', 20], ['mmx', 23], ['fxsr', 24], ['rdtscp', 27], ['base', 29]]);

/** Twelve letters in EBX, EDX, ECX. */
function vendor(text: string, eax: number): CpuidResult {
  const [b, d, c] = [0, 4, 8].map(at => word(text, at)) as [number, number, number];
  return [eax | 0, b, c, d];
}

function word(text: string, at: number): number {
  return [0, 1, 2, 3].reduce((all, i) => all | (text.charCodeAt(at + i) || 0) << (8 * i), 0);
}

/** Name of the processor, as in leaves 80000002H-80000004H and /proc/cpuinfo. */
export const processorName = 'Terrarium';
/** Family 17h, model 31h, stepping 0. */
export const signature = { family: 0x17, model: 0x31, stepping: 0, eax: 0x00830f10 } as const;

/** A cache of leaf 8000001DH: 64-byte lines. */
function cache(type: 1 | 2 | 3, level: number, ways: number, sets: number): CpuidResult {
  return [type | level << 5 | 1 << 8, (ways - 1) << 22 | 63, sets - 1, 0];
}

/** All leaves that aren't zero. */
export const CPUID: readonly CpuidLeaf[] = [
  { leaf: 0, result: vendor('AuthenticAMD', 7) },
  { leaf: 1, result: [signature.eax, 1 << 16 | 8 << 8, ecx1, edx1] },
  { leaf: 7, subleaf: 0, result: [0, ebx7, 0, 0] },
  { leaf: 0x80000000, result: vendor('AuthenticAMD', 0x8000001e) },
  { leaf: 0x80000001, result: [signature.eax, 0, ecxExtended, edxExtended] },
  ...[0, 16, 32].map((at, i): CpuidLeaf => ({
    leaf: 0x80000002 + i, result: [word(processorName, at), word(processorName, at + 4), word(processorName, at + 8), word(processorName, at + 12)],
  })),
  // L1: 32 KiB, 8 ways each. L2: 512 KiB, 8 ways. L3: 8 MiB, 16 ways. glibc sizes its copying by these.
  { leaf: 0x80000005, result: [0, 0, 32 << 24 | 8 << 16 | 1 << 8 | 64, 32 << 24 | 8 << 16 | 1 << 8 | 64] },
  { leaf: 0x80000006, result: [0, 0, 512 << 16 | 6 << 12 | 1 << 8 | 64, 16 << 18 | 8 << 12 | 1 << 8 | 64] },
  { leaf: 0x80000007, result: [0, 0, 0, 1 << 8] },
  { leaf: 0x80000008, result: [0x3030, 0, 0, 0] },
  { leaf: 0x8000001d, subleaf: 0, result: cache(1, 1, 8, 64) },
  { leaf: 0x8000001d, subleaf: 1, result: cache(2, 1, 8, 64) },
  { leaf: 0x8000001d, subleaf: 2, result: cache(3, 2, 8, 1024) },
  { leaf: 0x8000001d, subleaf: 3, result: cache(3, 3, 16, 8192) },
];

/** Names of the features as Linux writes them in /proc/cpuinfo. */
export function featureNames(): string[] {
  const names: readonly (readonly [string, Feature])[] = [
    ['fpu', 'x87'], ['tsc', 'tsc'], ['cx8', 'base'], ['cmov', 'cmov'], ['clflush', 'clflush'], ['mmx', 'mmx'], ['fxsr', 'fxsr'], ['sse', 'sse'], ['sse2', 'sse2'],
    ['syscall', 'syscall'], ['nx', 'base'], ['rdtscp', 'rdtscp'], ['lm', 'base'], ['constant_tsc', 'tsc'], ['nopl', 'base'], ['pni', 'sse3'], ['pclmulqdq', 'pclmul'],
    ['ssse3', 'ssse3'], ['cx16', 'cx16'], ['sse4_1', 'sse4.1'], ['sse4_2', 'sse4.2'], ['movbe', 'movbe'], ['popcnt', 'popcnt'], ['aes', 'aes'],
    ['lahf_lm', 'base'], ['abm', 'lzcnt'], ['3dnowprefetch', 'prefetchw'], ['bmi1', 'bmi1'], ['bmi2', 'bmi2'], ['erms', 'base'], ['sha_ni', 'sha'],
  ];
  return names.filter(([, feature]) => OFFERED.has(feature)).map(([name]) => name);
}
