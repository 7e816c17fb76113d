/** Delivering signals at the border to the program: default actions, the frame on the stack, and rt_sigreturn(2). */
import { Errno } from '../abi/errno.ts';
import { RLIMIT_CORE } from '../abi/resource.ts';
import * as Signal from '../abi/signal.ts';
import { putWide } from '../abi/struct.ts';
import { coreFlag } from '../abi/wait.ts';
import { Reg, type CpuThread } from '../cpu.ts';
import type { Wait } from '../../lib/wait.ts';
import { exitGroup } from './exit.ts';
import { forceSignal, kernelSignal, stop } from './signalSending.ts';
import { Frame, writeSignalInfo, type Action, type SignalInfo } from './signals.ts';
import { Restart, type Task } from './task.ts';

/** struct ucontext, from its start. */
const Context = { flags: 0, link: 8, stack: 16, registers: 40, mask: 296 } as const;
/** struct sigcontext, from its start. */
const Registers = { ip: 128, flags: 136, segments: 144, error: 152, trap: 160, oldMask: 168, cr2: 176, fpstate: 184 } as const;
/** General registers in the order of struct sigcontext. */
const order = [
  Reg.r8, Reg.r9, Reg.r10, Reg.r11, Reg.r12, Reg.r13, Reg.r14, Reg.r15, Reg.rdi, Reg.rsi, Reg.rbp, Reg.rbx, Reg.rdx, Reg.rax, Reg.rcx, Reg.rsp,
] as const;
/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
const contextFlags = 6;
const redZone = 128;
/** __USER_CS and __USER_DS */
const userSegments = { cs: 0x33, ss: 0x2b } as const;
const TF = 1 << 8, DF = 1 << 10;

/** CF PF AF ZF SF DF OF AC ID... : what a program may change by sigreturn. */
const changeableFlags = 0x240dd5;

/**
 * Deals with what is pending before the program goes on. Undefined when it may; a Wait when the stack for a handler has to come from
 * the disk first: then to be called again.
 */
export function deliverSignals(task: Task): Wait | undefined {
  while (task.signalsPending) {
    const { process } = task;
    if (process.isExiting || task.mustExit) break;
    const info = next(task);
    if (info === undefined) {
      task.signalsPending = false;
      break;
    }
    const { signal } = info;
    const action = task.actions.get(signal);
    if (action.handler === Signal.SIG_IGN && signal !== Signal.SIGKILL && signal !== Signal.SIGSTOP) continue;
    if (action.handler !== Signal.SIG_DFL && signal !== Signal.SIGKILL && signal !== Signal.SIGSTOP) {
      const wait = handle(task, info, action);
      if (wait !== undefined) return wait;
      continue;
    }
    act(task, signal);
    if (process.isStopped) break;
  }
  finishCall(task);
  return undefined;
}

function next(task: Task): SignalInfo | undefined {
  return task.pending.takeUnblocked(task.blocked) ?? task.process.pending.takeUnblocked(task.blocked);
}

/** What happens by default. */
function act(task: Task, signal: number): void {
  const { process } = task;
  switch (Signal.defaultAction(signal)) {
    case Signal.DefaultAction.ignore:
    case Signal.DefaultAction.continue:
      return;
    case Signal.DefaultAction.stop:
      if (signal === Signal.SIGSTOP || !process.machine.processes.isOrphaned(process.processGroup)) stop(process, signal);
      return;
    case Signal.DefaultAction.core:
      // No core file is written; the status says what Linux would.
      exitGroup(process, signal | (process.limits.soft(RLIMIT_CORE) > 0 && process.dumpable === 1 ? coreFlag : 0));
      return;
    default:
      exitGroup(process, signal);
  }
}

/** The interrupted call is over without a (further) handler: it is made again, or the mask that it had replaced comes back. */
function finishCall(task: Task): void {
  if (task.restart !== Restart.never) makeAgain(task);
  task.restoreMask();
}

/** Puts the program back before its `syscall` instruction (two bytes long). */
function makeAgain(task: Task): void {
  task.restart = Restart.never;
  task.thread.set(Reg.rax, task.syscall);
  task.thread.rip -= 2;
}

/** Lets the program's handler run. A Wait: nothing happened, the signal is pending again. */
function handle(task: Task, info: SignalInfo, action: Action): Wait | undefined {
  const { thread, user } = task;
  const address = frameAddress(task, action);
  if (!user.ensure(address, Frame.size + Frame.fpu + 16, true)) {
    if (user.blocked !== undefined) {
      task.pending.add(info);
      return user.blocked;
    }
    failFrame(task, info.signal);
    return undefined;
  }
  if ((action.flags & Signal.SA_RESTORER) === 0) {
    failFrame(task, info.signal);
    return undefined;
  }
  if (task.restart === Restart.always && (action.flags & Signal.SA_RESTART) !== 0) makeAgain(task);
  task.restart = Restart.never;
  writeFrame(task, info, action, address);
  thread.set(Reg.rsp, address);
  thread.set(Reg.rdi, info.signal);
  thread.set(Reg.rsi, address + Frame.info);
  thread.set(Reg.rdx, address + Frame.context);
  thread.set(Reg.rax, 0);
  thread.rip = action.handler;
  thread.rflags = thread.rflags & ~(TF | DF);
  if (task.alternateStack.flags & Signal.SS_AUTODISARM) task.alternateStack = { address: 0, size: 0, flags: Signal.SS_DISABLE };
  task.savedMask = undefined;
  const { mask, flags } = action;
  const blocked = task.blocked.copy();
  blocked.low |= mask.low;
  blocked.high |= mask.high;
  if ((flags & Signal.SA_NODEFER) === 0) blocked.add(info.signal);
  task.setBlocked(blocked.low, blocked.high);
  if ((flags & Signal.SA_RESETHAND) !== 0) task.actions.reset(info.signal);
  return undefined;
}

/** The frame can't be written: SIGSEGV, which kills when it was SIGSEGV's own handler. */
function failFrame(task: Task, signal: number): void {
  if (signal === Signal.SIGSEGV) task.actions.reset(Signal.SIGSEGV);
  forceSignal(task, kernelSignal(Signal.SIGSEGV));
}

/** True when `sp` is on the alternate stack. */
export function isOnAlternateStack(task: Task, sp: number): boolean {
  const { address, size, flags } = task.alternateStack;
  return (flags & (Signal.SS_DISABLE | Signal.SS_AUTODISARM)) === 0 && sp > address && sp - address <= size;
}

function frameAddress(task: Task, action: Action): number {
  const { thread, alternateStack } = task;
  const rsp = thread.get(Reg.rsp);
  const switches = (action.flags & Signal.SA_ONSTACK) !== 0 && (alternateStack.flags & Signal.SS_DISABLE) === 0 && !isOnAlternateStack(task, rsp);
  const top = switches ? alternateStack.address + alternateStack.size : rsp - redZone;
  const fpu = Math.floor((top - Frame.fpu) / 64) * 64;
  return Math.floor((fpu - Frame.size) / 16) * 16 - 8;
}

function fpuAddress(frame: number): number {
  return Math.ceil((frame + Frame.size) / 64) * 64;
}

function writeFrame(task: Task, info: SignalInfo, action: Action, address: number): void {
  const { thread, user, alternateStack, fault } = task;
  const { bytes, view, info: infoView, image } = task.machine.frameScratch;
  const fpu = fpuAddress(address);
  bytes.fill(0);
  putWide(view, 0, action.restorer);
  putWide(view, Frame.context + Context.flags, contextFlags);
  putWide(view, Frame.context + Context.stack, alternateStack.address);
  view.setInt32(Frame.context + Context.stack + 8, alternateStack.flags & Signal.SS_DISABLE ? Signal.SS_DISABLE
    : (alternateStack.flags & Signal.SS_AUTODISARM) | (isOnAlternateStack(task, thread.get(Reg.rsp)) ? Signal.SS_ONSTACK : 0), true);
  putWide(view, Frame.context + Context.stack + 16, alternateStack.size);
  const registers = Frame.context + Context.registers;
  for (let i = 0; i < order.length; i++) {
    view.setInt32(registers + i * 8, thread.getInt(order[i]!), true);
    view.setUint32(registers + i * 8 + 4, thread.getHigh(order[i]!), true);
  }
  putWide(view, registers + Registers.ip, thread.rip);
  putWide(view, registers + Registers.flags, thread.rflags);
  view.setUint16(registers + Registers.segments, userSegments.cs, true);
  view.setUint16(registers + Registers.segments + 6, userSegments.ss, true);
  putWide(view, registers + Registers.error, fault.error);
  putWide(view, registers + Registers.trap, fault.trap);
  putWide(view, registers + Registers.cr2, fault.address);
  putWide(view, registers + Registers.fpstate, fpu);
  const mask = task.savedMask ?? task.blocked;
  view.setInt32(registers + Registers.oldMask, mask.low, true);
  view.setInt32(registers + Registers.oldMask + 4, mask.high, true);
  view.setInt32(Frame.context + Context.mask, mask.low, true);
  view.setInt32(Frame.context + Context.mask + 4, mask.high, true);
  writeSignalInfo(info, infoView);
  thread.saveFpu(image);
  user.writeBytes(fpu, image);
  user.writeBytes(address, bytes);
}

function restoreRegisters(thread: CpuThread, view: DataView): void {
  const registers = Context.registers;
  for (let i = 0; i < order.length; i++) {
    thread.setHalves(order[i]!, view.getUint32(registers + i * 8, true), view.getUint32(registers + i * 8 + 4, true));
  }
  thread.rip = view.getUint32(registers + Registers.ip + 4, true) * 2 ** 32 + view.getUint32(registers + Registers.ip, true);
  thread.rflags = (thread.rflags & ~changeableFlags) | (view.getUint32(registers + Registers.flags, true) & changeableFlags);
}

/** rt_sigreturn(2): the state before the handler, as the frame has it now. False for a frame that can't be read. */
export function returnFromSignal(task: Task): boolean {
  const { thread, user } = task;
  const context = thread.get(Reg.rsp) - 8 + Frame.context;
  const { bytes, view, image } = task.machine.frameScratch;
  const size = Frame.info - Frame.context;
  if (user.copyIn(context, bytes, 0, size) < size) return false;
  const at = Context.registers + Registers.fpstate;
  const fpu = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  if (fpu !== 0 && !user.readBytes(fpu, image)) return false;
  task.setBlocked(view.getInt32(Context.mask, true), view.getInt32(Context.mask + 4, true));
  restoreRegisters(thread, view);
  if (fpu !== 0) thread.loadFpu(image);
  else thread.resetFpu();
  const stackFlags = view.getUint32(Context.stack + 8, true);
  const address = view.getUint32(Context.stack + 4, true) * 2 ** 32 + view.getUint32(Context.stack, true);
  const stackSize = view.getUint32(Context.stack + 20, true) * 2 ** 32 + view.getUint32(Context.stack + 16, true);
  setAlternateStack(task, address, stackSize, stackFlags & ~Signal.SS_ONSTACK, thread.get(Reg.rsp));
  return true;
}

/** sigaltstack(2) with a new stack: 0, -EPERM on it, -EINVAL, -ENOMEM when it is too small. */
export function setAlternateStack(task: Task, address: number, size: number, flags: number, sp: number): number {
  if (isOnAlternateStack(task, sp)) return -Errno.EPERM;
  const mode = flags & ~Signal.SS_AUTODISARM;
  if (mode !== 0 && mode !== Signal.SS_ONSTACK && mode !== Signal.SS_DISABLE) return -Errno.EINVAL;
  if (mode === Signal.SS_DISABLE) {
    task.alternateStack = { address: 0, size: 0, flags: Signal.SS_DISABLE };
    return 0;
  }
  if (size < Signal.MINSIGSTKSZ) return -Errno.ENOMEM;
  task.alternateStack = { address, size, flags: flags & Signal.SS_AUTODISARM };
  return 0;
}
