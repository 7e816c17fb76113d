/** Resource limits, usage, priorities. */
import { Errno } from '../abi/errno.ts';
import { CAP_SYS_NICE, CAP_SYS_RESOURCE } from '../abi/prctl.ts';
import * as R from '../abi/resource.ts';
import { Rlimit, Rlimit64 } from '../abi/structs.ts';
import { putWide } from '../abi/struct.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import { encodeUsage } from '../task/usage.ts';
import type { Result } from './common.ts';

/** RLIM_INFINITY as read back: all ones, rounded. */
const unlimited = 2 ** 63;

export function getrlimit(task: Task, resource: number, out: number): Result {
  if (resource < 0 || resource >= R.RLIM_NLIMITS) return -Errno.EINVAL;
  const { limits } = task.process;
  const { wordSize } = task.user;
  const view = new DataView(new ArrayBuffer(Rlimit.size(wordSize)));
  Rlimit.fill(view, { rlim_cur: limits.soft(resource), rlim_max: limits.hard(resource) }, wordSize);
  return task.user.writeBytes(out, new Uint8Array(view.buffer)) ? 0 : -Errno.EFAULT;
}

export function setrlimit(task: Task, resource: number, address: number): Result {
  const { wordSize } = task.user;
  const view = task.user.struct(address, Rlimit.size(wordSize));
  if (view === undefined) return -Errno.EFAULT;
  const top = wordSize === 8 ? unlimited : 0xffffffff;
  const value = (field: 'rlim_cur' | 'rlim_max'): number => {
    const raw = Rlimit.get(view, field, wordSize);
    return raw >= top ? Infinity : raw;
  };
  return change(task, task.process, resource, value('rlim_cur'), value('rlim_max'));
}

function change(task: Task, process: Process, resource: number, soft: number, hard: number): number {
  if (resource < 0 || resource >= R.RLIM_NLIMITS || soft > hard) return -Errno.EINVAL;
  if (hard > process.limits.hard(resource) && !task.credentials.has(CAP_SYS_RESOURCE)) return -Errno.EPERM;
  if (resource === R.RLIMIT_NOFILE && hard > 1 << 20) return -Errno.EPERM;
  process.limits.set(resource, soft, hard);
  return 0;
}

export function prlimit64(task: Task, pid: number, resource: number, fresh: number, old: number): Result {
  const process = pid === 0 ? task.process : task.machine.processes.task(pid)?.process;
  if (process === undefined) return -Errno.ESRCH;
  if (resource < 0 || resource >= R.RLIM_NLIMITS) return -Errno.EINVAL;
  if (process !== task.process && !mayLimit(task, process)) return -Errno.EPERM;
  const view = fresh === 0 ? undefined : task.user.struct(fresh, Rlimit64.size());
  if (fresh !== 0 && view === undefined) return -Errno.EFAULT;
  const before = [process.limits.soft(resource), process.limits.hard(resource)] as const;
  if (old !== 0 && !task.user.ensure(old, Rlimit64.size(), true)) return -Errno.EFAULT;
  if (view !== undefined) {
    const value = (field: 'rlim_cur' | 'rlim_max'): number => {
      const raw = Rlimit64.get(view, field);
      return raw >= unlimited ? Infinity : raw;
    };
    const changed = change(task, process, resource, value('rlim_cur'), value('rlim_max'));
    if (changed < 0) return changed;
  }
  if (old !== 0) {
    const out = new DataView(new ArrayBuffer(16));
    putWide(out, 0, before[0]);
    putWide(out, 8, before[1]);
    if (!task.user.writeBytes(old, new Uint8Array(out.buffer))) return -Errno.EFAULT;
  }
  return 0;
}

function mayLimit({ credentials: own }: Task, process: Process): boolean {
  const other = process.task?.credentials;
  if (other === undefined || own.has(CAP_SYS_RESOURCE)) return true;
  return [other.realUid, other.effectiveUid, other.savedUid].every(uid => uid === own.realUid)
    && [other.realGid, other.effectiveGid, other.savedGid].every(gid => gid === own.realGid);
}

export function getrusage(task: Task, who: number, out: number): Result {
  const { process } = task;
  if (who !== R.RUSAGE_SELF && who !== R.RUSAGE_CHILDREN && who !== R.RUSAGE_THREAD) return -Errno.EINVAL;
  const usage = who === R.RUSAGE_SELF ? process.totalUsage() : who === R.RUSAGE_CHILDREN ? process.childUsage : task.usage;
  if (who === R.RUSAGE_SELF) {
    usage.user += task.machine.scheduler.currentTurn;
    usage.peakResident = Math.max(usage.peakResident, task.memory.resident);
  }
  return task.user.writeBytes(out, encodeUsage([usage], task.user.wordSize)) ? 0 : -Errno.EFAULT;
}

// ---------------------------------------------------------------- priorities

function* targets(task: Task, which: number, who: number): Iterable<Process> {
  const { processes } = task.machine;
  if (which === R.PRIO_PROCESS) {
    const process = who === 0 ? task.process : processes.task(who)?.process;
    if (process) yield process;
  } else if (which === R.PRIO_PGRP) {
    yield* processes.group(who === 0 ? task.process.processGroup : who);
  } else {
    const uid = who === 0 ? task.credentials.realUid : who;
    for (const process of processes.processes) if (process.task?.credentials.realUid === uid) yield process;
  }
}

/** getpriority(2): 20 - nice, 1 to 40, of the one with the highest priority. */
export function getpriority(task: Task, which: number, who: number): Result {
  if (which < R.PRIO_PROCESS || which > R.PRIO_USER) return -Errno.EINVAL;
  let best: number = -Errno.ESRCH;
  for (const process of targets(task, which, who)) best = Math.max(best, 20 - process.nice);
  return best;
}

/** setpriority(2): kept and shown; all have the same share of the processor. */
export function setpriority(task: Task, which: number, who: number, value: number): Result {
  if (which < R.PRIO_PROCESS || which > R.PRIO_USER) return -Errno.EINVAL;
  const nice = Math.max(-20, Math.min(19, value));
  let result: number = -Errno.ESRCH;
  const { credentials } = task;
  for (const process of targets(task, which, who)) {
    const other = process.task?.credentials;
    if (other && credentials.effectiveUid !== other.realUid && credentials.effectiveUid !== other.effectiveUid && !credentials.has(CAP_SYS_NICE)) {
      result = -Errno.EPERM;
      continue;
    }
    if (nice < process.nice && !credentials.has(CAP_SYS_NICE) && 20 - nice > task.limit(R.RLIMIT_NICE)) {
      result = -Errno.EACCES;
      continue;
    }
    process.nice = nice;
    for (const each of process.tasks) each.nice = nice;
    if (result === -Errno.ESRCH) result = 0;
  }
  return result;
}
