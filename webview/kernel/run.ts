/** Running tasks: the way from the scheduler into the processor and back through system calls, faults and signals. */
import { Errno } from './abi/errno.ts';
import { RLIMIT_CPU } from './abi/resource.ts';
import * as Signal from './abi/signal.ts';
import { Access, Exit, Reg, type CpuThread } from './cpu.ts';
import { FaultResult } from './mm/faults.ts';
import { Decode, syscallsByNumber, type Syscall } from './syscalls/table.ts';
import type { SyscallTrace } from './syscalls/strace.ts';
import { endTask, exitGroup, killLargest } from './task/exit.ts';
import type { Machine } from './task/machine.ts';
import { deliverSignals } from './task/signalDelivery.ts';
import { forceSignal, kernelSignal, sendToProcess } from './task/signalSending.ts';
import type { SignalInfo } from './task/signals.ts';
import { Restart, TaskState, type Task } from './task/task.ts';
import { Wait, Wake, type Io } from '../lib/wait.ts';

/** Guest instructions that a task may run before others have their turn; a system call counts as some. */
const quantum = 1_000_000;
const syscallCost = 1000;
/** A turn whose system calls take longer than this many nanoseconds ends: others, timers and the host's events wait. */
const turnNanoseconds = 4e6;
/** Calls between two looks at the clock. */
const callsBetweenLooks = 4;
/** What a system call and a fault are taken to cost when time is shared out between user and system, in nanoseconds. */
const syscallNanoseconds = 800;
/** ERESTARTSYS as objects answer it. */
const restartAnswer = -512;
const registers = [Reg.rdi, Reg.rsi, Reg.rdx, Reg.r10, Reg.r8, Reg.r9] as const;

export class Runner {
  readonly #machine: Machine;
  readonly #trace: SyscallTrace | undefined;
  readonly #unknown = new Set<number>();
  /** System calls made, for statistics: all, and by number. */
  syscalls = 0;
  readonly callCounts = new Uint32Array(512);
  pageFaults = 0;
  #entries = 0;

  constructor(machine: Machine, trace: SyscallTrace | undefined) {
    this.#machine = machine;
    this.#trace = trace;
  }

  /** Runs `task` from `started` (now) until it sleeps, ends, is stopped, or its turn is over. Answers the time then. */
  run(task: Task, started: number): number {
    const { scheduler, timers } = this.#machine;
    const { process } = task;
    scheduler.current = task;
    scheduler.switches++;
    task.state = TaskState.running;
    scheduler.turnStart = started;
    const entries = this.#entries;
    this.#loop(task);
    scheduler.current = undefined;
    const now = timers.now();
    const spent = now - started;
    const system = Math.min(spent, (this.#entries - entries) * syscallNanoseconds);
    task.usage.system += system;
    task.usage.user += spent - system;
    if (process.timers.watchesCpu || process.limits.soft(RLIMIT_CPU) !== Infinity) this.#checkCpuTime(task, spent);
    return now;
  }

  #loop(task: Task): void {
    const { scheduler, cpu } = this.#machine;
    let left = quantum;
    let calls = 0;
    for (;;) {
      if (task.io !== undefined && !this.#advance(task, task.io)) return;
      if (task.again && !this.#callAgain(task)) return;
      if (task.mustExit || task.process.isExiting) {
        if (!task.isExiting) task.io = end(task);
        continue;
      }
      // A stopped task's interrupted call is not over: a handler for SIGCONT decides whether it is made again.
      if (task.process.isStopped) {
        task.state = TaskState.runnable;
        return;
      }
      if (task.signalsPending || task.restart !== Restart.never || task.savedMask !== undefined) {
        const wait = deliverSignals(task);
        if (wait !== undefined) {
          scheduler.sleep(task, wait);
          return;
        }
        if (task.process.isExiting) continue;
      }
      if (task.process.isStopped) {
        task.state = TaskState.runnable;
        return;
      }
      if (left <= 0) {
        task.usage.involuntarySwitches++;
        task.state = TaskState.runnable;
        scheduler.enqueue(task);
        return;
      }
      const { thread } = task;
      const before = thread.instructions;
      const exit = cpu.run(thread, task.memory.space, left);
      left -= thread.instructions - before + syscallCost;
      this.#entries++;
      if (exit === Exit.syscall) {
        if (!this.#syscall(task)) return;
        if (++calls % callsBetweenLooks === 0 && scheduler.currentTurn > turnNanoseconds) left = 0;
      } else if (exit === Exit.pageFault) {
        if (!this.#pageFault(task)) return;
      } else if (exit === Exit.budget) {
        left = 0;
      } else {
        this.#exception(task, exit);
      }
    }
  }

  // ---------------------------------------------------------------- system calls
  /** False when the task sleeps. */
  #syscall(task: Task): boolean {
    const { thread } = task;
    const number = thread.getHigh(Reg.rax) === 0 ? thread.getInt(Reg.rax) : -1;
    task.syscall = number;
    this.syscalls++;
    if (number >= 0 && number < this.callCounts.length) this.callCounts[number]!++;
    const call = syscallsByNumber[number];
    if (call === undefined || call.handler === undefined) {
      this.#missing(task, number, call);
      return true;
    }
    return this.#call(task, call);
  }

  #call(task: Task, call: Syscall): boolean {
    const { thread } = task;
    const { decode } = call;
    const count = decode.length;
    const a = count > 0 ? argument(thread, decode[0]!, Reg.rdi) : 0;
    const b = count > 1 ? argument(thread, decode[1]!, Reg.rsi) : 0;
    const c = count > 2 ? argument(thread, decode[2]!, Reg.rdx) : 0;
    const d = count > 3 ? argument(thread, decode[3]!, Reg.r10) : 0;
    const e = count > 4 ? argument(thread, decode[4]!, Reg.r8) : 0;
    const f = count > 5 ? argument(thread, decode[5]!, Reg.r9) : 0;
    if (this.#trace !== undefined && !task.again) this.#trace.enter(task, call, [a, b, c, d, e, f]);
    task.again = false;
    task.user.blocked = undefined;
    const result = call.handler!(task, a, b, c, d, e, f);
    if (typeof result === 'number') return this.#finish(task, result);
    task.io = result;
    task.wakeReason = Wake.ready;
    return this.#advance(task, result);
  }

  /** Repeats a call whose memory has come from the disk. */
  #callAgain(task: Task): boolean {
    const call = syscallsByNumber[task.syscall];
    if (call?.handler !== undefined) return this.#call(task, call);
    task.again = false;
    return true;
  }

  /** Goes on with what a task does in the kernel. False when it sleeps or has ended. */
  #advance(task: Task, io: Io<number>): boolean {
    const step = io.next(task.wakeReason);
    if (!step.done) {
      this.#machine.scheduler.sleep(task, step.value);
      return false;
    }
    task.io = undefined;
    if (task.state === TaskState.dead) return false;
    return this.#finish(task, step.value);
  }

  /** Hands the result to the program. False when the call has to wait for a page and is then made again. */
  #finish(task: Task, result: number): boolean {
    if (result === -Errno.EFAULT && task.user.blocked !== undefined) {
      task.again = true;
      task.restoreMask();
      this.#machine.scheduler.sleep(task, task.user.blocked);
      return false;
    }
    let answer = result;
    if (answer === restartAnswer) {
      task.restart = Restart.always;
      answer = -Errno.EINTR;
    }
    if (this.#trace !== undefined) this.#trace.leave(task, answer);
    if (task.registersAreSet) task.registersAreSet = false;
    else task.thread.set(Reg.rax, answer);
    return true;
  }

  /** A number that no call has, or a call that isn't there yet: ENOSYS, and one line in the log. */
  #missing(task: Task, number: number, call: Syscall | undefined): void {
    if (!this.#unknown.has(number)) {
      this.#unknown.add(number);
      this.#machine.log(`System call ${call?.name ?? number} isn't there (first asked for by ${task.name}, process ${task.pid}).`);
    }
    if (this.#trace !== undefined) {
      this.#trace.enter(task, call, registers.map(reg => task.thread.get(reg)));
      this.#trace.leave(task, -Errno.ENOSYS);
    }
    task.thread.set(Reg.rax, -Errno.ENOSYS);
  }

  // ---------------------------------------------------------------- faults and exceptions
  /** False when the task sleeps for the disk. */
  #pageFault(task: Task): boolean {
    const { cpu, scheduler } = this.#machine;
    const { faultAddress, faultAccess } = cpu;
    this.pageFaults++;
    const majorBefore = task.memory.majorFaults;
    const answer = task.memory.resolve(faultAddress, faultAccess);
    if (answer instanceof Wait) {
      task.usage.majorFaults += task.memory.majorFaults - majorBefore;
      scheduler.sleep(task, answer);
      return false;
    }
    task.usage.minorFaults++;
    if (answer === FaultResult.resolved) return true;
    if (answer === FaultResult.outOfMemory) {
      const victim = killLargest(this.#machine);
      if (typeof victim === 'number') exitGroup(task.process, Signal.SIGKILL);
      else if (victim !== task.process) return this.#yield(task);
      return true;
    }
    task.fault.trap = 14;
    task.fault.address = faultAddress;
    task.fault.error = 4 | (faultAccess === Access.write ? 2 : 0) | (faultAccess === Access.exec ? 16 : 0) | (isPresent(task, faultAddress) ? 1 : 0);
    const info: SignalInfo = answer === FaultResult.noPage
      ? { signal: Signal.SIGBUS, code: Signal.BUS_ADRERR, address: faultAddress }
      : { signal: Signal.SIGSEGV, code: answer === FaultResult.forbidden ? Signal.SEGV_ACCERR : Signal.SEGV_MAPERR, address: faultAddress };
    forceSignal(task, info);
    return true;
  }

  /** Lets the others run first. */
  #yield(task: Task): boolean {
    task.state = TaskState.runnable;
    this.#machine.scheduler.enqueue(task);
    return false;
  }

  #exception(task: Task, exit: Exit): void {
    const { thread, fault } = task;
    const address = thread.rip;
    fault.error = 0;
    switch (exit) {
      case Exit.divide:
        fault.trap = 0;
        forceSignal(task, { signal: Signal.SIGFPE, code: Signal.FPE_INTDIV, address });
        break;
      case Exit.undefinedInstruction:
        fault.trap = 6;
        if (task.actions.get(Signal.SIGILL).handler <= Signal.SIG_IGN) this.#reportInstruction(task, address);
        forceSignal(task, { signal: Signal.SIGILL, code: Signal.ILL_ILLOPN, address });
        break;
      case Exit.breakpoint:
        fault.trap = 3;
        forceSignal(task, kernelSignal(Signal.SIGTRAP));
        break;
      case Exit.singleStep:
        fault.trap = 1;
        forceSignal(task, { signal: Signal.SIGTRAP, code: Signal.TRAP_TRACE, address });
        break;
      case Exit.x87:
      case Exit.simd:
        fault.trap = exit === Exit.x87 ? 16 : 19;
        forceSignal(task, { signal: Signal.SIGFPE, code: floatingPointCode(thread, exit === Exit.simd), address });
        break;
      case Exit.alignment:
        fault.trap = 17;
        forceSignal(task, { signal: Signal.SIGBUS, code: Signal.BUS_ADRALN, address });
        break;
      default:
        fault.trap = 13;
        forceSignal(task, kernelSignal(Signal.SIGSEGV));
    }
  }

  /** A program is going to die of an instruction: perhaps one that is still missing. */
  #reportInstruction(task: Task, address: number): void {
    const text = this.#machine.cpu.describeInstruction(task.thread, task.memory.space);
    this.#machine.log(`${task.name} (process ${task.pid}): invalid instruction ${text} at 0x${address.toString(16)}`);
  }

  #checkCpuTime(task: Task, spent: number): void {
    const { process } = task;
    const usage = process.totalUsage();
    const total = usage.user + usage.system;
    const expired = process.timers.expireCpu(usage.user, total);
    if ((expired & 1) !== 0) sendToProcess(process, kernelSignal(Signal.SIGVTALRM));
    if ((expired & 2) !== 0) sendToProcess(process, kernelSignal(Signal.SIGPROF));
    const soft = process.limits.soft(RLIMIT_CPU) * 1e9;
    if (total >= process.limits.hard(RLIMIT_CPU) * 1e9) sendToProcess(process, kernelSignal(Signal.SIGKILL));
    // Once a second beyond the soft limit.
    else if (total >= soft && Math.floor((total - soft) / 1e9) !== Math.floor((total - spent - soft) / 1e9)) sendToProcess(process, kernelSignal(Signal.SIGXCPU));
  }
}

/** The page is there but forbids the access (bit 0 of the error code). */
function isPresent({ memory }: Task, address: number): boolean {
  const vma = memory.find(address);
  return vma !== undefined && vma.protection !== 0 && memory.space.entry(address - (address & 4095)) !== 0;
}

function argument(thread: CpuThread, decode: Decode, reg: Reg): number {
  switch (decode) {
    case Decode.int: return thread.getInt(reg);
    case Decode.uint: return thread.getInt(reg) >>> 0;
    case Decode.long: return thread.getSigned(reg);
    default: return thread.get(reg);
  }
}

function* end(task: Task): Io<number> {
  yield* endTask(task, task.exitStatus);
  return 0;
}

/** si_code of SIGFPE by the unmasked exception flags (SDM vol. 1, "x87 FPU Status Register", "MXCSR"). */
function floatingPointCode(thread: CpuThread, simd: boolean): number {
  const image = new Uint8Array(512);
  thread.saveFpu(image);
  const view = new DataView(image.buffer);
  const mxcsr = view.getUint32(24, true);
  const raised = simd ? mxcsr & ~(mxcsr >> 7) & 0x3f : view.getUint16(2, true) & ~view.getUint16(0, true) & 0x3f;
  if (raised & 1) return Signal.FPE_FLTINV;
  if (raised & 4) return Signal.FPE_FLTDIV;
  if (raised & 8) return Signal.FPE_FLTOVF;
  if (raised & 18) return Signal.FPE_FLTUND;
  return raised & 32 ? Signal.FPE_FLTRES : 0;
}
