/** What talks to the system or about the processor, and what does nothing. */
import { callValue } from '../wasm/code.ts';
import { Run } from '../state.ts';
import type { Context, Descriptions } from './contract.ts';
import { Int } from './int.ts';
import { readFlags } from './flagsInstructions.ts';

const rax = 0, rcx = 1, rdx = 2, r11 = 11;

const nothing = (): void => {};

/** Time stamp counter: nanoseconds, so that it runs at 1 GHz. */
function rdtsc({ code, registers, helpers }: Context): void {
  const now = code.let(callValue(helpers.get<'f64'>('now')).toI64U());
  registers.write(rax, Int.cut(4, now));
  registers.write(rdx, Int.cut(4, now.shrU(32)));
}

/** INT n: only 3 and 4 and Linux's 0x80 are open to programs; all else is #GP. */
function int({ code, dst, control }: Context): void {
  const vector = dst.read().i32;
  code.if(vector.eq(3), () => control.exitAfter('breakpoint'));
  code.if(vector.eq(0x80), () => {
    code.store32(Run.interruptVector, vector);
    control.exitAfter('interrupt');
  });
  code.store64(Run.faultAddress, 0);
  control.exit('generalProtection');
}

export const system: Descriptions = {
  SYSCALL: ({ code, registers, flags, control }) => {
    const word = code.let(readFlags(flags).toI64U());
    registers.write(rcx, Int.clean(8, control.next()));
    registers.write(r11, Int.clean(8, word));
    control.exitAfter('syscall');
  },
  INT3: ({ control }) => control.exitAfter('breakpoint'),
  /** ICEBP: SIGTRAP as well. */
  INT1: ({ control }) => control.exitAfter('breakpoint'),
  INT: int,
  /** Not in long mode on this CPU family. */
  SYSENTER: ({ control }) => control.exit('undefinedInstruction'),
  CPUID: ({ code, helpers }) => code.call(helpers.get('cpuid')),
  RDTSC: rdtsc,
  RDTSCP: context => {
    rdtsc(context);
    context.registers.write(rcx, Int.constant(4, 0));
  },
  CLFLUSH: ({ dst, memory }) => memory.probe(dst.address(), 1, false),
  NOP: nothing, PAUSE: nothing, ENDBR64: nothing, ENDBR32: nothing, LFENCE: nothing, MFENCE: nothing, SFENCE: nothing, CLDEMOTE: nothing,
  PREFETCH: nothing, PREFETCHW: nothing, PREFETCHWT1: nothing, PREFETCHNTA: nothing, PREFETCHT0: nothing, PREFETCHT1: nothing, PREFETCHT2: nothing,
  // Without shadow stacks a NOP.
  RDSSPD: nothing, RDSSPQ: nothing,
};

