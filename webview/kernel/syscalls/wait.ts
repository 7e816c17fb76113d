/** wait4(2), waitid(2). */
import { Errno } from '../abi/errno.ts';
import * as Signal from '../abi/signal.ts';
import { coreFlag, P_ALL, P_PGID, P_PID, WALL, WCLONE, WCONTINUED, WEXITED, WNOHANG, WNOTHREAD, WNOWAIT, WSTOPPED, WUNTRACED, continuedStatus, stoppedStatus } from '../abi/wait.ts';
import { Rusage } from '../abi/structs.ts';
import { reap } from '../task/exit.ts';
import { encodeUsage } from '../task/usage.ts';
import type { Process } from '../task/process.ts';
import { childInfo } from '../task/signalSending.ts';
import { writeSignalInfo } from '../task/signals.ts';
import type { Task } from '../task/task.ts';
import { Wake, type Io } from '../../lib/wait.ts';
import { restart, type Result } from './common.ts';

/** Which children, and which changes of them. */
interface Wanted {
  /** P_ALL, P_PID, P_PGID. */
  readonly kind: number;
  readonly id: number;
  readonly options: number;
}

/** What was found. */
interface Change {
  readonly process: Process;
  readonly status: number;
  readonly code: number;
}

/** A change that is there now; undefined while there are only children without one; -ECHILD. */
function look(task: Task, { kind, id, options }: Wanted): Change | number | undefined {
  let any = false;
  for (const child of task.process.children) {
    if (kind === P_PID ? child.pid !== id : kind === P_PGID && child.processGroup !== id) continue;
    const isClone = child.exitSignal !== Signal.SIGCHLD;
    if ((options & WALL) === 0 && isClone !== ((options & WCLONE) !== 0)) continue;
    any = true;
    if (child.isZombie) {
      if ((options & WEXITED) !== 0) return { process: child, status: child.exitStatus, code: endCode(child.exitStatus) };
    } else if (child.stopReport === 'stopped' && (options & WSTOPPED) !== 0) {
      return { process: child, status: stoppedStatus(child.stopSignal), code: Signal.CLD_STOPPED };
    } else if (child.stopReport === 'continued' && (options & WCONTINUED) !== 0) {
      return { process: child, status: continuedStatus, code: Signal.CLD_CONTINUED };
    }
  }
  return any ? undefined : -Errno.ECHILD;
}

function endCode(status: number): number {
  return (status & 0x7f) === 0 ? Signal.CLD_EXITED : (status & coreFlag) !== 0 ? Signal.CLD_DUMPED : Signal.CLD_KILLED;
}

/** The change is reported: the zombie goes, the stop is old news. */
function take({ process }: Change, options: number): void {
  if ((options & WNOWAIT) !== 0) return;
  if (process.isZombie) reap(process);
  else process.stopReport = undefined;
}

/** Reports a change when there is one, now or after sleeping. */
function whenChanged(task: Task, wanted: Wanted, report: (change: Change | undefined) => number): Result {
  const found = look(task, wanted);
  if (typeof found === 'number') return found;
  if (found !== undefined || (wanted.options & WNOHANG) !== 0) return report(found);
  return sleep(task, wanted, report);
}

function* sleep(task: Task, wanted: Wanted, report: (change: Change | undefined) => number): Io<number> {
  for (;;) {
    const wake = yield task.process.childWait;
    const found = look(task, wanted);
    if (typeof found === 'number') return found;
    if (found !== undefined) return report(found);
    if (wake === Wake.interrupted) return restart;
  }
}

export function wait4(task: Task, pid: number, statusAddress: number, options: number, usageAddress: number): Result {
  if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL)) return -Errno.EINVAL;
  if (pid === -0x80000000) return -Errno.ESRCH;
  const { user } = task;
  // A bad pointer doesn't keep the child from being taken; a page that is on the disk is fetched first.
  const isGood = (statusAddress === 0 || user.ensure(statusAddress, 4, true)) && (usageAddress === 0 || user.ensure(usageAddress, Rusage.size(user.wordSize), true));
  if (!isGood && user.blocked !== undefined) return -Errno.EFAULT;
  const [kind, id] = pid > 0 ? [P_PID, pid] : pid === -1 ? [P_ALL, 0] : [P_PGID, pid === 0 ? task.process.processGroup : -pid];
  return whenChanged(task, { kind, id, options: options | WEXITED }, change => {
    if (change === undefined) return 0;
    const { process, status } = change;
    if (statusAddress !== 0) user.writeU32(statusAddress, status);
    if (usageAddress !== 0) user.writeBytes(usageAddress, encodeUsage([process.totalUsage(), process.childUsage], user.wordSize));
    take(change, options);
    user.blocked = undefined;
    return isGood ? process.pid : -Errno.EFAULT;
  });
}

export function waitid(task: Task, kind: number, id: number, infoAddress: number, options: number, usageAddress: number): Result {
  if (options & ~(WNOHANG | WEXITED | WSTOPPED | WCONTINUED | WNOWAIT | WNOTHREAD | WCLONE | WALL)) return -Errno.EINVAL;
  if ((options & (WEXITED | WSTOPPED | WCONTINUED)) === 0) return -Errno.EINVAL;
  if (kind !== P_ALL && kind !== P_PID && kind !== P_PGID) return -Errno.EINVAL;
  if ((kind === P_PID && id <= 0) || (kind === P_PGID && id < 0)) return -Errno.EINVAL;
  const { user } = task;
  if (infoAddress !== 0 && !user.ensure(infoAddress, 128, true)) return -Errno.EFAULT;
  if (usageAddress !== 0 && !user.ensure(usageAddress, Rusage.size(user.wordSize), true)) return -Errno.EFAULT;
  const wanted = { kind, id: kind === P_PGID && id === 0 ? task.process.processGroup : id, options };
  return whenChanged(task, wanted, change => {
    const view = new DataView(new ArrayBuffer(128));
    if (change !== undefined) {
      const { process, code, status } = change;
      const reported = code === Signal.CLD_EXITED ? status >> 8 : code === Signal.CLD_STOPPED ? process.stopSignal : code === Signal.CLD_CONTINUED ? Signal.SIGCONT : status & 0x7f;
      writeSignalInfo({ ...childInfo(process, code, reported), userTicks: 0, systemTicks: 0 }, view);
      if (usageAddress !== 0) user.writeBytes(usageAddress, encodeUsage([process.totalUsage(), process.childUsage], user.wordSize));
    }
    // The kernel's waitid writes only what it knows: signo to status.
    if (infoAddress !== 0) user.writeBytes(infoAddress, new Uint8Array(view.buffer, 0, 28));
    if (change !== undefined) take(change, options);
    return 0;
  });
}
