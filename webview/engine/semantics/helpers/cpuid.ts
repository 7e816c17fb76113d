/** CPUID as a function: looks EAX and ECX up in the table of cpuid.ts. */
import { load32, type Code } from '../../wasm/code.ts';
import { STATE, Slot } from '../../state.ts';
import type { HelperDefinitions } from '../contract.ts';
import { CPUID, type CpuidResult } from '../cpuid.ts';

const place = (number: number): number => STATE + Slot.gpr + number * 8;

/** Writes the four registers, in the order of encoding: RAX, RCX, RDX, RBX. */
function answer(code: Code, [eax, ebx, ecx, edx]: CpuidResult): void {
  [eax, ecx, edx, ebx].forEach((value, number) => code.store64(place(number), BigInt(value >>> 0)));
  code.return();
}

function cpuid(code: Code): void {
  const leaf = code.let(load32(place(0))), subleaf = code.let(load32(place(1)));
  for (const entry of CPUID) {
    const matches = leaf.eq(entry.leaf | 0);
    code.if(entry.subleaf === undefined ? matches : matches.and(subleaf.eq(entry.subleaf)), () => answer(code, entry.result));
  }
  answer(code, [0, 0, 0, 0]);
}

export const cpuidHelper: HelperDefinitions = { cpuid: { parameters: [], result: undefined, usesRegisters: true, body: cpuid } };
