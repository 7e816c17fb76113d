/** fork(2), vfork(2), clone(2), clone3(2): a new thread or process. */
import { Errno } from '../abi/errno.ts';
import * as Clone from '../abi/clone.ts';
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../abi/prctl.ts';
import { RLIMIT_NPROC } from '../abi/resource.ts';
import { NSIG, SIGCHLD } from '../abi/signal.ts';
import { Reg } from '../cpu.ts';
import { Wait, WaitQueue, type Io } from '../../lib/wait.ts';
import type { Process } from './process.ts';
import { Task } from './task.ts';

export interface CloneRequest {
  /** CLONE_* without the exit signal; bits from 32 up as in clone3. */
  readonly flags: number;
  readonly exitSignal: number;
  /** Stack pointer of the child; 0: the parent's. */
  readonly stack: number;
  readonly parentTid: number;
  readonly childTid: number;
  readonly tls: number;
}

function has(flags: number, bit: number): boolean {
  return Math.floor(flags / bit) % 2 === 1;
}

/** 0 or the errno that Linux gives for the combination of flags. */
function check(task: Task, { flags, exitSignal }: CloneRequest): number {
  if (exitSignal > NSIG) return -Errno.EINVAL;
  if (has(flags, Clone.CLONE_THREAD) && !has(flags, Clone.CLONE_SIGHAND)) return -Errno.EINVAL;
  if (has(flags, Clone.CLONE_SIGHAND) && !has(flags, Clone.CLONE_VM)) return -Errno.EINVAL;
  if (has(flags, Clone.CLONE_SIGHAND) && has(flags, Clone.CLONE_CLEAR_SIGHAND)) return -Errno.EINVAL;
  if (has(flags, Clone.CLONE_NEWNS) && has(flags, Clone.CLONE_FS)) return -Errno.EINVAL;
  // There are no namespaces and no pidfds.
  if ((flags % 2 ** 32 & Clone.CLONE_NAMESPACES) !== 0 || has(flags, Clone.CLONE_PIDFD) || has(flags, Clone.CLONE_INTO_CGROUP)) return -Errno.EINVAL;
  const { machine, credentials, process } = task;
  const limit = process.limits.soft(RLIMIT_NPROC);
  const mayExceed = credentials.realUid === 0 || credentials.has(CAP_SYS_RESOURCE) || credentials.has(CAP_SYS_ADMIN);
  if (!mayExceed && limit !== Infinity && machine.processes.taskCountOf(credentials.realUid) >= limit) return -Errno.EAGAIN;
  return 0;
}

/** Makes the child and starts it: its thread id, or -errno. The parent of vfork(2) sleeps until the child is done with its memory. */
export function clone(task: Task, request: CloneRequest): number | Io<number> {
  const refused = check(task, request);
  if (refused < 0) return refused;
  const { flags } = request;
  if (has(flags, Clone.CLONE_PARENT_SETTID) && !task.user.ensure(request.parentTid, 4, true)) return -Errno.EFAULT;
  const child = make(task, request);
  if (typeof child === 'number') return child;
  if (has(flags, Clone.CLONE_PARENT_SETTID)) task.user.writeU32(request.parentTid, child.tid);
  if (has(flags, Clone.CLONE_CHILD_SETTID)) child.user.writeU32(request.childTid, child.tid);
  if (has(flags, Clone.CLONE_CHILD_CLEARTID)) child.clearChildTid = request.childTid;
  const isVfork = has(flags, Clone.CLONE_VFORK);
  const answer = isVfork ? waitForVfork(child) : child.tid;
  task.machine.scheduler.enqueue(child);
  return answer;
}

function waitForVfork(child: Task): Io<number> {
  const queue = new WaitQueue();
  let done = false;
  child.vforkDone = () => {
    done = true;
    queue.wake();
  };
  const { tid } = child;
  return (function* () {
    const wait = new Wait([queue], { interruptible: false });
    while (!done) yield wait;
    return tid;
  })();
}

function make(task: Task, request: CloneRequest): Task | number {
  const { machine } = task;
  const { flags } = request;
  const sharesMemory = has(flags, Clone.CLONE_VM);
  const isThread = has(flags, Clone.CLONE_THREAD);
  const limits = isThread ? task.process.limits : task.process.limits.copy();
  const memory = sharesMemory ? task.memory.share() : task.memory.fork(limits);
  if (memory === undefined) return -Errno.ENOMEM;
  const process = isThread ? task.process : newProcess(task, request, limits);
  const tid = typeof process === 'number' ? process : isThread ? machine.processes.allocatePid() : process.pid;
  if (typeof process === 'number' || tid < 0) {
    memory.release();
    return tid;
  }
  const thread = machine.cpu.createThread();
  thread.copyFrom(task.thread);
  thread.set(Reg.rax, 0);
  if (request.stack !== 0) thread.set(Reg.rsp, request.stack);
  if (has(flags, Clone.CLONE_SETTLS)) thread.fsBase = request.tls;
  const child = new Task(tid, {
    process, thread, memory,
    files: has(flags, Clone.CLONE_FILES) ? task.files.share() : task.files.copy(),
    fs: has(flags, Clone.CLONE_FS) ? task.fs.share() : task.fs.copy(),
    credentials: task.credentials,
    actions: has(flags, Clone.CLONE_SIGHAND) ? task.actions.share() : task.actions.copy(),
    name: task.name,
  });
  if (has(flags, Clone.CLONE_CLEAR_SIGHAND)) child.actions.resetHandlers();
  const { blocked } = task;
  child.blocked.set(blocked.low, blocked.high);
  if (!sharesMemory || has(flags, Clone.CLONE_VFORK)) child.alternateStack = { ...task.alternateStack };
  child.noNewPrivileges = task.noNewPrivileges;
  child.timerSlack = task.timerSlack;
  if (!isThread) process.leader = child;
  machine.processes.addTask(child);
  if (process.isExiting) child.mustExit = true;
  return child;
}

function newProcess(task: Task, { flags, exitSignal }: CloneRequest, limits: Process['limits']): Process | number {
  const { machine, process: own } = task;
  const parent = has(flags, Clone.CLONE_PARENT) ? own.parent ?? own : own;
  const process = machine.processes.create(parent, limits);
  if (typeof process === 'number') return process;
  if (parent !== own) {
    machine.processes.move(process, own.processGroup, own.session);
    process.terminal = own.terminal;
  }
  process.exitSignal = has(flags, Clone.CLONE_PARENT) ? own.exitSignal : exitSignal;
  process.dumpable = own.dumpable;
  process.executable = own.executable;
  return process;
}

/** fork(2)'s request. */
export const forkRequest: CloneRequest = { flags: 0, exitSignal: SIGCHLD, stack: 0, parentTid: 0, childTid: 0, tls: 0 };
/** vfork(2)'s. */
export const vforkRequest: CloneRequest = { ...forkRequest, flags: Clone.CLONE_VFORK + Clone.CLONE_VM };
