/**
 * Mutated ELF files: whatever a program file says, execve(2) answers, the process runs or dies, and nothing of the machine is lost.
 * `node scripts/ts.mjs test/fuzz/elf.ts [COUNT] [SEED]`; 100,000 by default.
 */
import { Reg } from '../../webview/kernel/cpu.ts';
import { Exit } from '../../webview/kernel/cpu.ts';
import { sendToProcess, kernelSignal } from '../../webview/kernel/task/signalSending.ts';
import { errnoName } from '../../webview/kernel/abi/errno.ts';
import { FakeCpu, type FakeProgram, type FakeThread } from '../harness/fakeCpu.ts';
import { KernelMachine } from '../harness/kernelMachine.ts';
import { Random } from '../harness/random.ts';

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** A well-formed program: two segments, an interpreter if asked, 64-bit x86. */
export function buildElf(interpreter: boolean): Uint8Array {
  const segments: Segment[] = [
    { type: 1, flags: 5, offset: 0, address: 0x400000, fileSize: 0x800, memorySize: 0x800 },
    { type: 1, flags: 6, offset: 0x800, address: 0x402800, fileSize: 0x200, memorySize: 0x3000 },
    { type: 0x6474e551, flags: 6, offset: 0, address: 0, fileSize: 0, memorySize: 0 },
  ];
  if (interpreter) segments.push({ type: 3, flags: 4, offset: 0x700, address: 0x400700, fileSize: 4, memorySize: 4 });
  const bytes = new Uint8Array(0xa00);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, interpreter ? 3 : 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, 0x400100, true);
  view.setUint32(32, 64, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  for (const [i, segment] of segments.entries()) {
    const at = 64 + i * 56;
    view.setUint32(at, segment.type, true);
    view.setUint32(at + 4, segment.flags, true);
    for (const [j, value] of [segment.offset, segment.address, segment.address, segment.fileSize, segment.memorySize, 0x1000].entries()) {
      view.setUint32(at + 8 + j * 8, value, true);
    }
  }
  bytes.set([0x2f, 0x69, 0x00, 0x00], 0x700);
  return bytes;
}

const interesting = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** Changes a few bytes of the headers, sometimes to values that overflow, sometimes cutting the file. */
export function mutate(original: Uint8Array, random: Random): Uint8Array {
  const bytes = original.slice();
  const view = new DataView(bytes.buffer);
  const headerBytes = 64 + 4 * 56;
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(headerBytes);
    if (random.chance(0.4)) bytes[at] = random.next();
    else if (random.chance(0.5)) view.setUint32(at & ~3, random.pick(interesting), true);
    else bytes[at]! ^= 1 << random.below(8);
  }
  return random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/** The programs' only act: exit(2). */
function* exitAtOnce(thread: FakeThread): FakeProgram {
  thread.set(Reg.rax, 60);
  thread.set(Reg.rdi, 0);
  yield Exit.syscall;
}

/** Runs `count` mutations; throws on anything but an errno, an end or a signal, and when frames are lost. Answers how often what happened. */
export function fuzzElf(count: number, seed: number): Map<string, number> {
  const random = new Random(seed);
  const cpu = new FakeCpu(2048);
  cpu.programFor = exitAtOnce;
  const machine = new KernelMachine(cpu);
  const outcomes = new Map<string, number>();
  const originals = [buildElf(false), buildElf(true)];
  machine.put('i', originals[0]!);
  machine.put('p', originals[0]!);
  const run = (): string => {
    const process = machine.spawn('p');
    if (typeof process === 'number') return errnoName(process);
    while (machine.kernel.runSlice(1) === 'more');
    const status = machine.ended.get(process);
    if (status === undefined) {
      sendToProcess(process, kernelSignal(9));
      throw new Error('the process did not end');
    }
    machine.ended.clear();
    return `status ${status}`;
  };
  run();
  const free = cpu.frames.free;
  for (let i = 0; i < count; i++) {
    machine.put('p', mutate(random.pick(originals), random));
    // Some are interpreters.
    if (random.chance(0.3)) machine.put('i', mutate(originals[0]!, random));
    else if (random.chance(0.5)) machine.put('i', originals[0]!);
    const outcome = run();
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    // The two files have a page each at most.
    if (Math.abs(cpu.frames.free - free) > 2) throw new Error(`frames were lost by case ${i}: ${free} were free, ${cpu.frames.free} are`);
  }
  return outcomes;
}

if (process.env['VITEST'] === undefined && /elf/.test(import.meta.url)) {
  const count = Number(process.argv[2] ?? 100_000);
  const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${count} mutations, seed ${seed}`);
  for (const [outcome, times] of [...fuzzElf(count, seed)].sort((a, b) => b[1] - a[1])) console.log(`${String(times).padStart(8)} ${outcome}`);
}
