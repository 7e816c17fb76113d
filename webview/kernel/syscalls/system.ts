/** The machine and odds and ends of a task: uname(2), sysinfo(2), getrandom(2), prctl(2), arch_prctl(2), reboot(2). */
import { Errno } from '../abi/errno.ts';
import * as P from '../abi/prctl.ts';
import { NSIG } from '../abi/signal.ts';
import { Sysinfo } from '../abi/structs.ts';
import { hasBit, without } from '../task/credentials.ts';
import { userLimit } from '../mm/userMemory.ts';
import type { Task } from '../task/task.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Result } from './common.ts';

/** __NEW_UTS_LEN with the NUL. */
const nameSize = 65;

export function uname(task: Task, address: number): Result {
  const { sysname, nodename, release, version, machine, domainname } = task.machine.names;
  const bytes = new Uint8Array(6 * nameSize);
  for (const [i, text] of [sysname, nodename, release, version, machine, domainname].entries()) {
    for (let at = 0; at < Math.min(text.length, nameSize - 1); at++) bytes[i * nameSize + at] = text.charCodeAt(at);
  }
  return task.user.writeBytes(address, bytes) ? 0 : -Errno.EFAULT;
}

function readName(task: Task, address: number, length: number): ByteString | number {
  if (!task.credentials.has(P.CAP_SYS_ADMIN)) return -Errno.EPERM;
  if (length < 0 || length > nameSize - 1) return -Errno.EINVAL;
  const bytes = task.user.bytes(address, length);
  return bytes === undefined ? -Errno.EFAULT : String.fromCharCode(...bytes);
}

export function sethostname(task: Task, address: number, length: number): Result {
  const name = readName(task, address, length);
  if (typeof name === 'number') return name;
  task.machine.names.nodename = name;
  return 0;
}

export function setdomainname(task: Task, address: number, length: number): Result {
  const name = readName(task, address, length);
  if (typeof name === 'number') return name;
  task.machine.names.domainname = name;
  return 0;
}

export function sysinfo(task: Task, address: number): Result {
  const { cpu: { frames }, timers, processes, scheduler } = task.machine;
  const { wordSize } = task.user;
  const view = new DataView(new ArrayBuffer(Sysinfo.size(wordSize)));
  const load = (scheduler.runnable + 1) * 65536;
  Sysinfo.fill(view, {
    uptime: Math.floor(timers.now() / 1e9), load0: load, load1: load, load2: load, totalram: frames.total * 4096, freeram: frames.free * 4096,
    procs: processes.taskCount, mem_unit: 1,
  }, wordSize);
  return task.user.writeBytes(address, new Uint8Array(view.buffer)) ? 0 : -Errno.EFAULT;
}

const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
const randomChunk = 65536;

export function getrandom(task: Task, address: number, length: number, flags: number): Result {
  if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) || (flags & (GRND_RANDOM | GRND_INSECURE)) === (GRND_RANDOM | GRND_INSECURE)) return -Errno.EINVAL;
  const wanted = Math.min(length, 0x1ffffff);
  const bytes = new Uint8Array(Math.min(wanted, randomChunk));
  let done = 0;
  while (done < wanted) {
    const part = bytes.subarray(0, Math.min(bytes.length, wanted - done));
    task.machine.random(part);
    const written = task.user.copyOut(address + done, part, 0, part.length);
    done += written;
    if (written < part.length) return done === 0 ? -Errno.EFAULT : done;
  }
  return done;
}

// ---------------------------------------------------------------- prctl

function boolean(value: number): boolean | undefined {
  return value === 0 ? false : value === 1 ? true : undefined;
}

export function prctl(task: Task, option: number, a: number, b: number, c: number, d: number): Result {
  const { process, user } = task;
  switch (option) {
    case P.PR_SET_PDEATHSIG:
      if (a > NSIG) return -Errno.EINVAL;
      task.parentDeathSignal = a;
      return 0;
    case P.PR_GET_PDEATHSIG:
      return user.writeU32(a, task.parentDeathSignal) ? 0 : -Errno.EFAULT;
    case P.PR_GET_DUMPABLE:
      return process.dumpable;
    case P.PR_SET_DUMPABLE:
      if (boolean(a) === undefined) return -Errno.EINVAL;
      process.dumpable = a;
      return 0;
    case P.PR_SET_NAME: {
      const name = user.readString(a, 16);
      if (name === -Errno.EFAULT) return name;
      task.name = typeof name === 'string' ? name : String.fromCharCode(...(user.bytes(a, 15) ?? []));
      return 0;
    }
    case P.PR_GET_NAME: {
      const bytes = new Uint8Array(16);
      for (let i = 0; i < Math.min(15, task.name.length); i++) bytes[i] = task.name.charCodeAt(i);
      return user.writeBytes(a, bytes) ? 0 : -Errno.EFAULT;
    }
    case P.PR_SET_CHILD_SUBREAPER:
      process.isSubreaper = a !== 0;
      return 0;
    case P.PR_GET_CHILD_SUBREAPER:
      return user.writeU32(a, process.isSubreaper ? 1 : 0) ? 0 : -Errno.EFAULT;
    case P.PR_SET_NO_NEW_PRIVS:
      if (a !== 1 || b !== 0 || c !== 0 || d !== 0) return -Errno.EINVAL;
      task.noNewPrivileges = true;
      return 0;
    case P.PR_GET_NO_NEW_PRIVS:
      return a === 0 && b === 0 ? Number(task.noNewPrivileges) : -Errno.EINVAL;
    case P.PR_SET_TIMERSLACK:
      task.timerSlack = a === 0 ? 50000 : a;
      return 0;
    case P.PR_GET_TIMERSLACK:
      return task.timerSlack;
    case P.PR_GET_TID_ADDRESS:
      return user.writeWord(a, task.clearChildTid) ? 0 : -Errno.EFAULT;
    case P.PR_GET_TSC:
      return user.writeU32(a, 1) ? 0 : -Errno.EFAULT;
    case P.PR_GET_TIMING:
    case P.PR_GET_THP_DISABLE:
    case P.PR_SET_THP_DISABLE:
    case P.PR_GET_SECCOMP:
    case P.PR_SET_PTRACER:
    case P.PR_SET_VMA:
      return 0;
    default:
      return capabilityOption(task, option, a, b);
  }
}

const PR_CAP_AMBIENT_IS_SET = 1;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_LOWER = 3;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const SECBIT_KEEP_CAPS = 1 << 4;

function capabilityOption(task: Task, option: number, a: number, b: number): number {
  const { credentials: c } = task;
  switch (option) {
    case P.PR_GET_KEEPCAPS:
      return c.secureBits & SECBIT_KEEP_CAPS ? 1 : 0;
    case P.PR_SET_KEEPCAPS:
      if (boolean(a) === undefined) return -Errno.EINVAL;
      task.credentials = c.with({ secureBits: a === 1 ? c.secureBits | SECBIT_KEEP_CAPS : c.secureBits & ~SECBIT_KEEP_CAPS });
      return 0;
    case P.PR_GET_SECUREBITS:
      return c.secureBits;
    case P.PR_SET_SECUREBITS:
      if (!c.has(P.CAP_SETPCAP)) return -Errno.EPERM;
      task.credentials = c.with({ secureBits: a & 0xff });
      return 0;
    case P.PR_CAPBSET_READ:
      return a > P.CAP_LAST_CAP ? -Errno.EINVAL : Number(hasBit(c.bounding, a));
    case P.PR_CAPBSET_DROP:
      if (!c.has(P.CAP_SETPCAP)) return -Errno.EPERM;
      if (a > P.CAP_LAST_CAP) return -Errno.EINVAL;
      task.credentials = c.with({ bounding: without(c.bounding, 2 ** a) });
      return 0;
    case P.PR_CAP_AMBIENT:
      return ambientOption(task, a, b);
    default:
      return -Errno.EINVAL;
  }
}

function ambientOption(task: Task, operation: number, capability: number): number {
  const { credentials: c } = task;
  if (operation === PR_CAP_AMBIENT_CLEAR_ALL) {
    task.credentials = c.with({ ambient: 0 });
    return 0;
  }
  if (capability > P.CAP_LAST_CAP) return -Errno.EINVAL;
  const isSet = hasBit(c.ambient, capability);
  switch (operation) {
    case PR_CAP_AMBIENT_IS_SET:
      return Number(isSet);
    case PR_CAP_AMBIENT_RAISE:
      if (!hasBit(c.permitted, capability) || !hasBit(c.inheritable, capability)) return -Errno.EPERM;
      if (!isSet) task.credentials = c.with({ ambient: c.ambient + 2 ** capability });
      return 0;
    case PR_CAP_AMBIENT_LOWER:
      if (isSet) task.credentials = c.with({ ambient: c.ambient - 2 ** capability });
      return 0;
    default:
      return -Errno.EINVAL;
  }
}

export function arch_prctl(task: Task, code: number, address: number): Result {
  const { thread, user } = task;
  switch (code) {
    case P.ARCH_SET_FS:
      if (address >= userLimit) return -Errno.EPERM;
      thread.fsBase = address;
      return 0;
    case P.ARCH_SET_GS:
      if (address >= userLimit) return -Errno.EPERM;
      thread.gsBase = address;
      return 0;
    case P.ARCH_GET_FS:
      return user.writeU64(address, thread.fsBase) ? 0 : -Errno.EFAULT;
    case P.ARCH_GET_GS:
      return user.writeU64(address, thread.gsBase) ? 0 : -Errno.EFAULT;
    default:
      return -Errno.EINVAL;
  }
}

/** personality(2): kept; -1 only asks. */
export function personality(task: Task, persona: number): Result {
  const old = task.process.personality;
  if (persona !== 0xffffffff) task.process.personality = persona;
  return old;
}

/** syslog(2): the log is the host's, the guest sees an empty one. */
export function syslog(task: Task, type: number): Result {
  const SYSLOG_ACTION_READ_ALL = 3;
  const SYSLOG_ACTION_SIZE_BUFFER = 10;
  if (type !== SYSLOG_ACTION_READ_ALL && type !== SYSLOG_ACTION_SIZE_BUFFER && !task.credentials.has(P.CAP_SYS_ADMIN)) return -Errno.EPERM;
  if (type < 0 || type > SYSLOG_ACTION_SIZE_BUFFER) return -Errno.EINVAL;
  return type === SYSLOG_ACTION_SIZE_BUFFER ? 1 << 17 : 0;
}

const LINUX_REBOOT_MAGIC1 = 0xfee1dead;
const rebootMagic2: readonly number[] = [672274793, 85072278, 369367448, 537993216];
const LINUX_REBOOT_CMD_RESTART = 0x01234567;
const LINUX_REBOOT_CMD_HALT = 0xcdef0123;
const LINUX_REBOOT_CMD_POWER_OFF = 0x4321fedc;
const LINUX_REBOOT_CMD_CAD_ON = 0x89abcdef;

export function reboot(task: Task, magic1: number, magic2: number, command: number): Result {
  if (!task.credentials.has(P.CAP_SYS_ADMIN)) return -Errno.EPERM;
  if (magic1 !== LINUX_REBOOT_MAGIC1 || !rebootMagic2.includes(magic2)) return -Errno.EINVAL;
  if (command === 0 || command === LINUX_REBOOT_CMD_CAD_ON) return 0;
  if (command !== LINUX_REBOOT_CMD_RESTART && command !== LINUX_REBOOT_CMD_HALT && command !== LINUX_REBOOT_CMD_POWER_OFF) return -Errno.EINVAL;
  task.machine.halt(command === LINUX_REBOOT_CMD_RESTART ? 'restart' : 'halt');
  return 0;
}

/** vhangup(2) of the caller's terminal. */
export function vhangup(task: Task): Result {
  if (!task.mayAdministrate) return -Errno.EPERM;
  task.process.terminal?.hangUp();
  return 0;
}

/** rseq(2), refused: glibc then does without. */
export function rseq(): Result {
  return -Errno.ENOSYS;
}
