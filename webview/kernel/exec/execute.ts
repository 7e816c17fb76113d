/** execve(2): swaps the new program in. */
import { Errno } from '../abi/errno.ts';
import { Reg } from '../cpu.ts';
import { SIGSEGV } from '../abi/signal.ts';
import { endOtherThreads, releaseMemory } from '../task/exit.ts';
import { kernelSignal, forceSignal } from '../task/signalSending.ts';
import type { Task } from '../task/task.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import { pointOfNoReturn, prepareProgram, type NewProgram } from './program.ts';

/** Runs another program in `task`'s process: 0, or -errno with nothing changed. */
export function* execute(task: Task, path: Path, fileName: ByteString, argv: readonly ByteString[], environment: readonly ByteString[]): Io<number> {
  const { machine, process } = task;
  const program = yield* prepareProgram({
    machine, caller: task, credentials: task.credentials, noNewPrivileges: task.noNewPrivileges, limits: process.limits,
    path, fileName, argv: argv.length === 0 ? [''] : argv, environment,
  });
  if (typeof program === 'number') return program;
  if (program === pointOfNoReturn) {
    task.actions = task.actions.copy();
    task.actions.reset(SIGSEGV);
    forceSignal(task, kernelSignal(SIGSEGV));
    return -Errno.EINVAL;
  }
  if (process.tasks.size > 1) {
    const alone = yield* endOtherThreads(task);
    if (!alone) {
      program.memory.release();
      return -Errno.EAGAIN;
    }
  }
  yield* become(task, program);
  return 0;
}

/** Makes `task` the new program. */
export function* become(task: Task, program: NewProgram): Io<void> {
  const { process, machine } = task;
  releaseMemory(task);
  task.memory = program.memory;
  task.unshareFiles();
  yield* task.files.closeForExec();
  const actions = task.actions.copy();
  task.actions.release();
  task.actions = actions;
  actions.resetHandlers();
  task.alternateStack = { address: 0, size: 0, flags: 2 };
  process.timers.clear(false);
  const changed = program.credentials.effectiveUid !== task.credentials.effectiveUid || program.credentials.effectiveGid !== task.credentials.effectiveGid;
  if (changed) task.parentDeathSignal = 0;
  task.credentials = program.credentials;
  process.dumpable = changed || program.isSecure || program.isUnreadable ? 0 : 1;
  process.executable = program.executable;
  process.hasExecuted = true;
  task.name = program.name;
  task.robustList = 0;
  const { thread } = task;
  for (const reg of Object.values(Reg)) thread.set(reg, 0);
  thread.set(Reg.rsp, program.stackPointer);
  thread.rip = program.entry;
  thread.rflags = 0x202;
  thread.fsBase = 0;
  thread.gsBase = 0;
  thread.resetFpu();
  machine.scheduler.switches++;
}
