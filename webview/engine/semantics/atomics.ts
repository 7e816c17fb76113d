/** Read-modify-write operations made for threads. Guest threads share one CPU, so every instruction is atomic. */
import { pin, type Context, type Descriptions } from './contract.ts';
import { selectInt } from './int.ts';

const rax = 0, rcx = 1, rdx = 2, rbx = 3;

/** SDM vol. 2 CMPXCHG. Memory is written in either case; a register only if they are equal, the accumulator if not. */
function cmpxchg({ code, dst, src, flags, registers }: Context): void {
  const a = dst.readForWrite(), b = src.read(), accumulator = registers.read(rax, a.width);
  const r = pin(code, accumulator.sub(a));
  const equal = code.let(r.isZero());
  if (dst.isMemory) dst.write(selectInt(equal, b, a));
  else code.if(equal, () => dst.write(b));
  code.if(equal.eqz(), () => registers.write(rax, a));
  flags.sub(accumulator, a, r);
}

/** CMPXCHG8B, CMPXCHG16B: rDX:rAX with memory, rCX:rBX into it. Only ZF changes. */
function cmpxchgPair(width: 4 | 8): (context: Context) => void {
  return ({ code, dst, memory, flags, registers }) => {
    const address = dst.address(), second = code.let(address.add(width));
    memory.probe(address, width * 2, true);
    const low = memory.load(width, address), high = memory.load(width, second);
    const equal = code.let(low.eq(registers.read(rax, width)).and(high.eq(registers.read(rdx, width))));
    code.if(equal, () => {
      memory.store(address, registers.read(rbx, width));
      memory.store(second, registers.read(rcx, width));
    }, () => {
      registers.write(rax, low);
      registers.write(rdx, high);
    });
    flags.changeZero(equal);
  };
}

export const atomics: Descriptions = {
  CMPXCHG: cmpxchg,
  CMPXCHG8B: cmpxchgPair(4),
  CMPXCHG16B: cmpxchgPair(8),
  /** The sum is written last: of two equal registers it stays. */
  XADD: ({ code, dst, src, flags }) => {
    const a = dst.readForWrite(), b = src.read(), r = pin(code, a.add(b));
    src.write(a);
    dst.write(r);
    flags.add(a, b, r);
  },
};

