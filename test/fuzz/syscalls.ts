/**
 * Random system calls with random arguments: whatever a program asks for, the kernel answers with a number and never throws.
 * `node scripts/ts.mjs test/fuzz/syscalls.ts [COUNT] [SEED]`; 100,000 by default.
 */
import { Exit, Reg } from '../../webview/kernel/cpu.ts';
import { syscalls, type Syscall } from '../../webview/kernel/syscalls/table.ts';
import type { Process } from '../../webview/kernel/task/process.ts';
import { kernelSignal, sendToProcess } from '../../webview/kernel/task/signalSending.ts';
import { FakeCpu, type FakeProgram, type FakeThread } from '../harness/fakeCpu.ts';
import { KernelMachine } from '../harness/kernelMachine.ts';
import { Random } from '../harness/random.ts';
import { buildElf } from './elf.ts';

const argumentRegisters = [Reg.rdi, Reg.rsi, Reg.rdx, Reg.r10, Reg.r8, Reg.r9] as const;
/** Where the fuzzed process has memory to point at: the data of its program. */
const dataStart = 0x403000;
const dataSize = 0x2000;
const strings = ['p', '/dev/null', '/dev/zero', '/dev/ptmx', '/dev/tty', '.', '..', '/', '', 'd/e', 'fifo', 'x'.repeat(300)];
const edges = [0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 127, 128, 255, 4095, 4096, 4097, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 40, 2 ** 47, -1, -2, -100, -4096];

function argument(random: Random, type: string): number {
  if (type === 'fd' || type === 'dirfd') return random.chance(0.7) ? random.below(12) : random.pick([-1, -100, 99999]);
  if (type === 'pid') return random.chance(0.6) ? random.pick([0, 2, 1, -1, -2]) : random.pick(edges);
  if (type === 'ulong' && random.chance(0.5)) return random.below(dataSize);
  const isPointer = !/^(int|uint|off|long|ulong|sig|mode|flags|uid|whence|clock|how|fcntl|futex|request)/.test(type);
  if (isPointer) return random.chance(0.8) ? dataStart + random.below(dataSize - 16) : random.pick([0, 8, 0x7fff00000000, 2 ** 47, 0x400000, -8]);
  if (type.startsWith('flags') || type === 'uint') return random.chance(0.6) ? 1 << random.below(24) | (random.chance(0.5) ? 1 << random.below(24) : 0) : random.pick(edges);
  return random.chance(0.5) ? random.below(40) : random.pick(edges);
}

/** Puts strings, small numbers and pointers into the memory that arguments point at. */
function fill(machine: KernelMachine, pid: number, random: Random): void {
  const user = machine.kernel.processes.get(pid)?.task?.user;
  if (user === undefined) return;
  for (let n = 0; n < 8; n++) {
    const at = dataStart + random.below(dataSize - 400);
    if (random.chance(0.4)) user.writeString(at, random.pick(strings));
    else if (random.chance(0.5)) user.writeU64(at - (at % 8), random.chance(0.5) ? dataStart + random.below(dataSize) : random.below(20));
    else user.writeBytes(at, random.bytes(random.below(64)));
  }
}

interface State {
  readonly machine: KernelMachine;
  readonly random: Random;
  readonly calls: readonly Syscall[];
  left: number;
  /** What is being tried, for the message. */
  last: string;
}

function* program(state: State, thread: FakeThread): FakeProgram {
  const { random } = state;
  while (state.left-- > 0) {
    const call = random.pick(state.calls);
    const args = call.types.map(type => argument(random, type));
    if (random.chance(0.3)) fill(state.machine, state.machine.kernel.scheduler.current!.pid, random);
    state.last = `${call.name}(${args.map(value => (value > 4096 ? `0x${value.toString(16)}` : String(value))).join(', ')})`;
    thread.set(Reg.rax, call.number);
    for (const [i, value] of args.entries()) thread.set(argumentRegisters[i]!, value);
    // A handler or a new stack may have moved it anywhere.
    thread.set(Reg.rsp, dataStart + dataSize - 64);
    yield Exit.syscall;
    const result = thread.getSigned(Reg.rax);
    if (!Number.isSafeInteger(result)) throw new Error(`the result is ${result}`);
  }
  thread.set(Reg.rax, 231);
  yield Exit.syscall;
}

/** Makes `count` random calls; throws with the call that did it when the kernel throws. */
export function fuzzSyscalls(count: number, seed: number): void {
  const random = new Random(seed);
  const excluded = new Set(['exit', 'exit_group', 'reboot', 'rt_sigreturn']);
  const state: State = {
    machine: makeMachine(), random, calls: syscalls.filter(call => call.handler !== undefined && !excluded.has(call.name)), left: count, last: '',
  };
  const cpu = state.machine.kernel.cpu as FakeCpu;
  cpu.programFor = thread => program(state, thread);
  try {
    while (state.left > 0) runProcess(state);
  } catch (error) {
    throw new Error(`${state.last} with seed ${seed}, ${state.left} calls left: ${error instanceof Error ? error.stack : String(error)}`);
  }
}

function makeMachine(): KernelMachine {
  const machine = new KernelMachine(new FakeCpu(4096));
  machine.put('p', buildElf(false));
  return machine;
}

/** Runs a process until it ends, killing whatever sleeps longer than anything will wake it for. */
function runProcess({ machine }: State): void {
  machine.put('p', buildElf(false));
  const process = machine.spawn('p');
  if (typeof process === 'number') throw new Error(`spawn answers ${process}`);
  for (let turns = 0; !machine.ended.has(process); turns++) {
    const next = machine.kernel.runSlice(1);
    machine.clock += next === 'more' ? 1e6 : Math.min(next, 1e9);
    if (next !== 'more' && turns % 50 === 49) killAll(machine, process);
    else if (next === Infinity) killAll(machine, process);
  }
  killAll(machine, process);
  for (let turns = 0; turns < 1000 && machine.kernel.runSlice(1) !== Infinity; turns++) machine.clock += 1e7;
  machine.ended.clear();
}

function killAll(machine: KernelMachine, last: Process): void {
  for (const process of [...machine.kernel.processes.processes]) if (process.leader !== undefined) sendToProcess(process, kernelSignal(9));
  sendToProcess(last, kernelSignal(9));
}

if (process.env['VITEST'] === undefined && /syscalls/.test(import.meta.url)) {
  const count = Number(process.argv[2] ?? 100_000);
  const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${count} calls, seed ${seed}`);
  fuzzSyscalls(count, seed);
  console.log('nothing was thrown');
}
