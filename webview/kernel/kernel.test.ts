import { beforeEach, describe, expect, it } from 'vitest';
import { FakeCpu, type FakeProgram, type FakeThread } from '../../test/harness/fakeCpu.ts';
import { KernelMachine } from '../../test/harness/kernelMachine.ts';
import { buildElf } from '../../test/fuzz/elf.ts';
import { Errno } from './abi/errno.ts';
import { SIGALRM, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SA_RESTORER } from './abi/signal.ts';
import { Exit, Reg } from './cpu.ts';
import { syscalls, syscallsByNumber } from './syscalls/table.ts';
import type { Process } from './task/process.ts';
import { kernelSignal, sendToProcess } from './task/signalSending.ts';

const numbers = new Map(syscalls.map(call => [call.name, call.number]));
const argumentRegisters = [Reg.rdi, Reg.rsi, Reg.rdx, Reg.r10, Reg.r8, Reg.r9] as const;

/** Makes a system call; its result. */
function* call(thread: FakeThread, name: string, ...args: number[]): Generator<Exit, number, void> {
  thread.set(Reg.rax, numbers.get(name)!);
  for (const [i, value] of args.entries()) thread.set(argumentRegisters[i]!, value);
  thread.rip += 2;
  yield Exit.syscall;
  return thread.getSigned(Reg.rax);
}

type Body = (thread: FakeThread) => FakeProgram;

let cpu: FakeCpu;
let machine: KernelMachine;
let bodies: Body[];
const seen: string[] = [];

/** Runs until nothing can run any more. */
function settle(): number {
  let next: 'more' | number;
  do next = machine.kernel.runSlice(1); while (next === 'more');
  return next;
}

/** Lets time pass. */
function pass(nanoseconds: number): void {
  machine.clock += nanoseconds;
  settle();
}

/** Starts a process whose threads, in order of creation, run `programs`. */
function start(...programs: Body[]): Process {
  bodies = programs;
  const process = machine.spawn('p');
  if (typeof process === 'number') throw new Error(String(process));
  settle();
  return process;
}

beforeEach(() => {
  cpu = new FakeCpu();
  machine = new KernelMachine(cpu);
  machine.put('p', buildElf(false));
  cpu.programFor = thread => bodies.shift()!(thread);
  seen.length = 0;
});

describe('processes', () => {
  it('end, and the host hears of it', () => {
    const process = start(function* (thread) {
      yield* call(thread, 'exit_group', 7);
    });
    expect(machine.ended.get(process)).toBe(7 << 8);
    expect(machine.kernel.processes.get(process.pid)).toBeUndefined();
  });

  it('give back all memory', () => {
    const before = cpu.frames.free;
    start(function* (thread) {
      yield* call(thread, 'fork');
      yield* call(thread, 'wait4', -1, 0, 0, 0);
      yield* call(thread, 'exit_group', 0);
    }, function* (thread) {
      yield* call(thread, 'exit_group', 0);
    });
    expect(cpu.frames.free).toBe(before);
  });

  it('wait for children, whose status they get once', () => {
    start(function* (thread) {
      const pid = yield* call(thread, 'fork');
      const stack = thread.get(Reg.rsp);
      seen.push(String((yield* call(thread, 'wait4', -1, stack, 0, 0)) === pid));
      seen.push(String(yield* call(thread, 'wait4', -1, 0, 0, 0)));
      yield* call(thread, 'exit_group', 0);
    }, function* (thread) {
      yield* call(thread, 'exit_group', 3);
    });
    expect(seen).toEqual(['true', String(-Errno.ECHILD)]);
  });

  it('let vfork wait until the child is done with the memory', () => {
    start(function* (thread) {
      yield* call(thread, 'vfork');
      seen.push('parent');
      yield* call(thread, 'exit_group', 0);
    }, function* (thread) {
      yield* call(thread, 'sched_yield');
      seen.push('child');
      yield* call(thread, 'exit_group', 0);
    });
    expect(seen).toEqual(['child', 'parent']);
  });

  it('become orphans of init', () => {
    let child = 0;
    start(function* (thread) {
      child = yield* call(thread, 'fork');
      yield* call(thread, 'exit_group', 0);
    }, function* (thread) {
      yield* call(thread, 'pause');
    });
    expect(machine.kernel.processes.get(child)?.parent).toBe(machine.kernel.processes.init);
  });

  it('are refused beyond RLIMIT_NPROC, but not to root', () => {
    start(function* (thread) {
      yield* call(thread, 'setresuid', 1000, 1000, 1000);
      const stack = thread.get(Reg.rsp);
      const { user } = machine.kernel.processes.task(2)!;
      user.writeU64(stack, 1);
      user.writeU64(stack + 8, 1);
      yield* call(thread, 'prlimit64', 0, 6, stack, 0);
      seen.push(String(yield* call(thread, 'fork')));
      yield* call(thread, 'exit_group', 0);
    });
    expect(seen).toEqual([String(-Errno.EAGAIN)]);
  });
});

describe('sleeping', () => {
  it('lasts until the deadline, and the host is told when that is', () => {
    const process = start(function* (thread) {
      const stack = thread.get(Reg.rsp);
      const { user } = machine.kernel.processes.task(2)!;
      user.writeU64(stack, 5);
      user.writeU64(stack + 8, 0);
      yield* call(thread, 'nanosleep', stack, 0);
      yield* call(thread, 'exit_group', 0);
    });
    expect(settle()).toBe(5e9);
    pass(4e9);
    expect(machine.ended.has(process)).toBe(false);
    pass(1e9);
    expect(machine.ended.has(process)).toBe(true);
    expect(settle()).toBe(Infinity);
  });

  it('gives the host its turn though a timer is always due and wakes nobody', () => {
    bodies = [function* (thread) {
      const stack = thread.get(Reg.rsp);
      const { user } = machine.kernel.processes.task(2)!;
      // SIGALRM ignored, then an interval of a nanosecond.
      for (let at = 0; at < 32; at += 8) user.writeU64(stack + at, at === 0 ? 1 : 0);
      yield* call(thread, 'rt_sigaction', SIGALRM, stack, 0, 8);
      seen.push(String(yield* call(thread, 'timer_create', 1, 0, stack)));
      for (const [at, value] of [0, 1, 0, 1].entries()) user.writeU64(stack + at * 8, value);
      const looks = machine.clock;
      let passed = 0;
      Object.defineProperty(machine, 'clock', { get: () => {
        if (++passed > 100_000) throw new Error('the slice does not end');
        return looks + passed * 1000;
      } });
      seen.push(String(yield* call(thread, 'timer_settime', 0, 0, stack, 0)));
      yield* call(thread, 'pause');
    }];
    machine.spawn('p');
    expect(machine.kernel.runSlice(1)).toBe('more');
    expect(seen).toEqual(['0', '0']);
  });

  it('tells the host when it ends from outside', () => {
    const process = start(function* (thread) {
      yield* call(thread, 'pause');
    });
    let told = 0;
    machine.kernel.scheduler.becameRunnable = () => told++;
    sendToProcess(process, kernelSignal(SIGTERM));
    expect(told).toBe(1);
    settle();
    expect(machine.ended.get(process)).toBe(SIGTERM);
  });
});

describe('signals', () => {
  it('kill a process with all its threads', () => {
    const CLONE_THREAD_FLAGS = 0x10f00;
    const process = start(function* (thread) {
      yield* call(thread, 'clone', CLONE_THREAD_FLAGS, thread.get(Reg.rsp) - 4096, 0, 0, 0);
      yield* call(thread, 'pause');
    }, function* (thread) {
      yield* call(thread, 'pause');
    });
    expect(process.tasks.size).toBe(2);
    sendToProcess(process, kernelSignal(SIGKILL));
    settle();
    expect(machine.ended.get(process)).toBe(SIGKILL);
  });

  it('stop a process in its sleep and let it sleep on', () => {
    const process = start(function* (thread) {
      const stack = thread.get(Reg.rsp);
      const { user } = machine.kernel.processes.task(2)!;
      user.writeU64(stack, 1);
      user.writeU64(stack + 8, 0);
      seen.push(String(yield* call(thread, 'nanosleep', stack, 0)));
      yield* call(thread, 'exit_group', 0);
    });
    sendToProcess(process, kernelSignal(SIGSTOP));
    pass(3e9);
    expect(seen).toEqual([]);
    expect(process.isStopped).toBe(true);
    sendToProcess(process, kernelSignal(SIGCONT));
    settle();
    expect(seen).toEqual(['0']);
  });

  it('wait while blocked, and are thrown away when ignored', () => {
    const process = start(function* (thread) {
      const stack = thread.get(Reg.rsp);
      const { user } = machine.kernel.processes.task(2)!;
      user.writeU64(stack, 1 << (SIGUSR1 - 1));
      yield* call(thread, 'rt_sigprocmask', 0, stack, 0, 8);
      yield* call(thread, 'sched_yield');
      yield* call(thread, 'pause');
    });
    sendToProcess(process, kernelSignal(SIGCHLD));
    expect(process.pending.size).toBe(0);
    sendToProcess(process, kernelSignal(SIGUSR1));
    sendToProcess(process, kernelSignal(SIGUSR1));
    settle();
    expect(process.pending.size).toBe(1);
    expect(machine.ended.size).toBe(0);
  });

  it('run a handler on a frame, from which rt_sigreturn comes back', () => {
    const process = start(function* (thread) {
      const stack = thread.get(Reg.rsp);
      const { user } = machine.kernel.processes.task(2)!;
      user.writeU64(stack, 0x401000);
      user.writeU64(stack + 8, SA_RESTORER);
      user.writeU64(stack + 16, 0x402000);
      user.writeU64(stack + 24, 0);
      yield* call(thread, 'rt_sigaction', SIGUSR1, stack, 0, 8);
      thread.set(Reg.rbx, 1234);
      const before = thread.rip;
      yield* call(thread, 'pause');
      seen.push(`handler ${thread.rip.toString(16)} signal ${thread.getInt(Reg.rdi)} aligned ${(thread.get(Reg.rsp) + 8) % 16}`);
      seen.push(`returns to ${user.readU64(thread.get(Reg.rsp))!.toString(16)}`);
      thread.set(Reg.rbx, 0);
      // The handler's `ret` takes the return address off.
      thread.set(Reg.rsp, thread.get(Reg.rsp) + 8);
      yield* call(thread, 'rt_sigreturn');
      seen.push(`back ${thread.rip - before} rbx ${thread.get(Reg.rbx)} result ${thread.getSigned(Reg.rax)}`);
      yield* call(thread, 'exit_group', 0);
    });
    sendToProcess(process, kernelSignal(SIGUSR1));
    settle();
    expect(seen).toEqual(['handler 401000 signal 10 aligned 0', 'returns to 402000', `back 2 rbx 1234 result ${-Errno.EINTR}`]);
    expect(machine.ended.get(process)).toBe(0);
  });
});

describe('the table of system calls', () => {
  it('has every number once, in order', () => {
    for (const [i, entry] of syscalls.entries()) if (i > 0) expect(entry.number).toBeGreaterThan(syscalls[i - 1]!.number);
    expect(syscallsByNumber[0]?.name).toBe('read');
    expect(syscallsByNumber[334]?.name).toBe('rseq');
    expect(new Set(syscalls.map(entry => entry.name)).size).toBe(syscalls.length);
  });

  it('answers ENOSYS to what is not there, with one line in the log', () => {
    start(function* (thread) {
      thread.set(Reg.rax, 9999);
      yield Exit.syscall;
      seen.push(String(thread.getSigned(Reg.rax)));
      thread.set(Reg.rax, 9999);
      yield Exit.syscall;
      yield* call(thread, 'exit_group', 0);
    });
    expect(seen).toEqual([String(-Errno.ENOSYS)]);
    expect(machine.log.filter(line => line.includes('9999')).length).toBe(1);
  });
});
