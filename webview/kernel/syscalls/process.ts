/** Who a process is and where it belongs: ids, groups, sessions, its end. */
import { Errno } from '../abi/errno.ts';
import { exitGroup } from '../task/exit.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';

export function getpid(task: Task): number {
  return task.process.pid;
}

export function gettid(task: Task): number {
  return task.tid;
}

export function getppid(task: Task): number {
  return task.process.parent?.pid ?? 0;
}

export function getpgrp(task: Task): number {
  return task.process.processGroup;
}

/** The process of a pid argument, 0 for the caller's own; undefined for -ESRCH. */
function find(task: Task, pid: number): Process | undefined {
  if (pid === 0) return task.process;
  return task.machine.processes.get(pid) ?? task.machine.processes.task(pid)?.process;
}

export function getpgid(task: Task, pid: number): number {
  return find(task, pid)?.processGroup ?? -Errno.ESRCH;
}

export function getsid(task: Task, pid: number): number {
  return find(task, pid)?.session ?? -Errno.ESRCH;
}

/** setpgid(2). */
export function setpgid(task: Task, pid: number, group: number): number {
  const { process, machine: { processes } } = task;
  if (group < 0) return -Errno.EINVAL;
  const target = pid === 0 || pid === process.pid ? process : processes.get(pid);
  if (target === undefined || target.isZombie) return -Errno.ESRCH;
  if (target !== process) {
    if (target.parent !== process) return -Errno.ESRCH;
    if (target.session !== process.session) return -Errno.EPERM;
    if (target.hasExecuted) return -Errno.EACCES;
  }
  if (target.session === target.pid) return -Errno.EPERM;
  const wanted = group === 0 ? target.pid : group;
  if (wanted !== target.pid && processes.sessionOf(wanted) !== process.session) return -Errno.EPERM;
  if (wanted !== target.processGroup) processes.move(target, wanted, target.session);
  return 0;
}

/** setsid(2): the new session's id, or -EPERM for a group leader. */
export function setsid(task: Task): number {
  const { process, machine: { processes } } = task;
  if (processes.hasGroup(process.pid)) return -Errno.EPERM;
  processes.move(process, process.pid, process.pid);
  process.terminal = undefined;
  return process.pid;
}

/** exit(2): ends this thread. */
export function exit(task: Task, status: number): number {
  task.exitStatus = (status & 0xff) << 8;
  task.mustExit = true;
  return 0;
}

/** exit_group(2). */
export function exit_group(task: Task, status: number): number {
  exitGroup(task.process, (status & 0xff) << 8);
  return 0;
}

export function set_tid_address(task: Task, address: number): number {
  task.clearChildTid = address;
  return task.tid;
}
