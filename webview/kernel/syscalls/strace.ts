/** System calls as strace(1) prints them, read from the table's argument types. One line each; a call that sleeps is printed when it is over. */
import { errnoName } from '../abi/errno.ts';
import * as Clone from '../abi/clone.ts';
import * as F from '../abi/fcntl.ts';
import * as M from '../abi/mman.ts';
import { NSIG, signalName } from '../abi/signal.ts';
import { Restart, type Task } from '../task/task.ts';
import type { Syscall } from './table.ts';

/** Strings are cut behind so many bytes. */
const stringMaximum = 32;

type Names = readonly (readonly [name: string, bit: number])[];

const openBits: Names = [
  ['O_CREAT', F.O_CREAT], ['O_EXCL', F.O_EXCL], ['O_NOCTTY', F.O_NOCTTY], ['O_TRUNC', F.O_TRUNC], ['O_APPEND', F.O_APPEND],
  ['O_NONBLOCK', F.O_NONBLOCK], ['O_SYNC', F.O_SYNC], ['O_DSYNC', F.O_DSYNC], ['O_DIRECT', F.O_DIRECT], ['O_LARGEFILE', F.O_LARGEFILE],
  ['O_TMPFILE', F.O_TMPFILE], ['O_DIRECTORY', F.O_DIRECTORY], ['O_NOFOLLOW', F.O_NOFOLLOW], ['O_NOATIME', F.O_NOATIME], ['O_CLOEXEC', F.O_CLOEXEC], ['O_PATH', F.O_PATH],
];
const flagNames: Readonly<Record<string, Names>> = {
  'flags:prot': [['PROT_READ', 1], ['PROT_WRITE', 2], ['PROT_EXEC', 4], ['PROT_GROWSDOWN', M.PROT_GROWSDOWN]],
  'flags:mmap': [
    ['MAP_FIXED', M.MAP_FIXED], ['MAP_ANONYMOUS', M.MAP_ANONYMOUS], ['MAP_GROWSDOWN', M.MAP_GROWSDOWN], ['MAP_DENYWRITE', M.MAP_DENYWRITE],
    ['MAP_NORESERVE', M.MAP_NORESERVE], ['MAP_POPULATE', M.MAP_POPULATE], ['MAP_STACK', M.MAP_STACK], ['MAP_FIXED_NOREPLACE', M.MAP_FIXED_NOREPLACE],
  ],
  'flags:access': [['R_OK', 4], ['W_OK', 2], ['X_OK', 1]],
  'flags:mremap': [['MREMAP_MAYMOVE', 1], ['MREMAP_FIXED', 2], ['MREMAP_DONTUNMAP', 4]],
  'flags:msync': [['MS_ASYNC', 1], ['MS_INVALIDATE', 2], ['MS_SYNC', 4]],
  'flags:at': [
    ['AT_SYMLINK_NOFOLLOW', F.AT_SYMLINK_NOFOLLOW], ['AT_REMOVEDIR', F.AT_REMOVEDIR], ['AT_SYMLINK_FOLLOW', F.AT_SYMLINK_FOLLOW],
    ['AT_NO_AUTOMOUNT', F.AT_NO_AUTOMOUNT], ['AT_EMPTY_PATH', F.AT_EMPTY_PATH],
  ],
  'flags:wait': [['WNOHANG', 1], ['WUNTRACED', 2], ['WEXITED', 4], ['WCONTINUED', 8]],
  'flags:clone': [
    ['CLONE_VM', Clone.CLONE_VM], ['CLONE_FS', Clone.CLONE_FS], ['CLONE_FILES', Clone.CLONE_FILES], ['CLONE_SIGHAND', Clone.CLONE_SIGHAND],
    ['CLONE_VFORK', Clone.CLONE_VFORK], ['CLONE_THREAD', Clone.CLONE_THREAD], ['CLONE_SYSVSEM', Clone.CLONE_SYSVSEM],
    ['CLONE_SETTLS', Clone.CLONE_SETTLS], ['CLONE_PARENT_SETTID', Clone.CLONE_PARENT_SETTID], ['CLONE_CHILD_CLEARTID', Clone.CLONE_CHILD_CLEARTID],
    ['CLONE_CHILD_SETTID', Clone.CLONE_CHILD_SETTID],
  ],
};

function bits(names: Names, value: number, zero: string): string {
  const found: string[] = [];
  let rest = value >>> 0;
  for (const [name, bit] of names) {
    if (bit === 0 || ((rest & bit) >>> 0) !== bit >>> 0) continue;
    found.push(name);
    rest = (rest & ~bit) >>> 0;
  }
  if (rest !== 0) found.push(`0x${rest.toString(16)}`);
  return found.length > 0 ? found.join('|') : zero;
}

function openFlags(value: number): string {
  const access = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][value & F.O_ACCMODE]!;
  const rest = bits(openBits, value & ~F.O_ACCMODE, '');
  return rest === '' ? access : `${access}|${rest}`;
}

function hex(value: number): string {
  return value === 0 ? 'NULL' : `0x${value.toString(16)}`;
}

/** Bytes as a C string in quotes. */
export function quote(bytes: Uint8Array, isCut: boolean): string {
  let text = '';
  for (const [i, byte] of bytes.entries()) {
    const next = bytes[i + 1] ?? 0;
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte === 10) text += '\\n';
    else if (byte === 9) text += '\\t';
    else if (byte === 13) text += '\\r';
    else if (byte === 11) text += '\\v';
    else if (byte === 12) text += '\\f';
    else if (byte < 32 || byte > 126) text += `\\${byte.toString(8).padStart(next >= 0x30 && next <= 0x37 ? 3 : 1, '0')}`;
    else text += String.fromCharCode(byte);
  }
  return `"${text}"${isCut ? '...' : ''}`;
}

function userBytes(task: Task, address: number, length: number): string {
  if (address === 0) return 'NULL';
  const shown = Math.min(length, stringMaximum);
  const bytes = new Uint8Array(shown);
  return task.user.readBytes(address, bytes) ? quote(bytes, length > shown) : hex(address);
}

function userString(task: Task, address: number): string {
  if (address === 0) return 'NULL';
  const text = task.user.readString(address);
  if (typeof text === 'number') return hex(address);
  return quote(Uint8Array.from(text, c => c.charCodeAt(0)), false);
}

function strings(task: Task, address: number, countOnly: boolean): string {
  const found: string[] = [];
  for (let i = 0; i < 4096; i++) {
    const at = task.user.readWord(address + i * task.user.wordSize);
    if (at === undefined) return hex(address);
    if (at === 0) break;
    found.push(countOnly ? '' : userString(task, at));
  }
  return countOnly ? `${hex(address)} /* ${found.length} vars */` : `[${found.join(', ')}]`;
}

function timespec(task: Task, address: number, unit: string): string {
  const seconds = address === 0 ? undefined : task.user.readS64(address);
  const fraction = address === 0 ? undefined : task.user.readS64(address + 8);
  return seconds === undefined || fraction === undefined ? hex(address) : `{tv_sec=${seconds}, tv_${unit}=${fraction}}`;
}

function signalSet(task: Task, address: number): string {
  const low = address === 0 ? undefined : task.user.readU32(address);
  const high = address === 0 ? undefined : task.user.readU32(address + 4);
  if (low === undefined || high === undefined) return hex(address);
  const members: string[] = [];
  for (let signal = 1; signal <= NSIG; signal++) {
    if (((signal <= 32 ? low >>> (signal - 1) : high >>> (signal - 33)) & 1) !== 0) members.push(signalName(signal).replace('SIG', ''));
  }
  return members.length > 40 ? '~[]' : `[${members.join(' ')}]`;
}

/** One argument. `values` are all of them, for buffers whose length is another argument; `result` is undefined before the call. */
function format(task: Task, type: string, value: number, values: readonly number[], result: number | undefined): string {
  const [kind, detail] = type.split(':') as [string, string | undefined];
  switch (kind) {
    case 'int': case 'fd': case 'pid': case 'long': case 'off': case 'uint': case 'ulong': case 'clock': case 'futex': case 'fcntl':
      return String(value);
    case 'uid': return value === 0xffffffff ? '-1' : String(value);
    case 'dirfd': return value === F.AT_FDCWD ? 'AT_FDCWD' : String(value);
    case 'sig': return signalName(value);
    case 'whence': return ['SEEK_SET', 'SEEK_CUR', 'SEEK_END', 'SEEK_DATA', 'SEEK_HOLE'][value] ?? String(value);
    case 'how': return ['SIG_BLOCK', 'SIG_UNBLOCK', 'SIG_SETMASK'][value] ?? String(value);
    case 'mode': return `0${value.toString(8)}`;
    case 'request': return `0x${value.toString(16)}`;
    case 'path': case 'str': return userString(task, value);
    case 'buf_in': return userBytes(task, value, values[Number(detail) - 1] ?? 0);
    case 'buf_out': return result === undefined || result < 0 ? hex(value) : userBytes(task, value, result);
    case 'str_out': return result === undefined || result < 0 ? hex(value) : userString(task, value);
    case 'strings': return strings(task, value, false);
    case 'env': return strings(task, value, true);
    case 'timespec': return timespec(task, value, 'nsec');
    case 'timeval': return timespec(task, value, 'usec');
    case 'timespec_out': return result === 0 ? timespec(task, value, 'nsec') : hex(value);
    case 'sigset': return signalSet(task, value);
    case 'sigset_out': return result === 0 ? signalSet(task, value) : hex(value);
    case 'fds_out': return result === 0 && value !== 0 ? `[${task.user.readS32(value)}, ${task.user.readS32(value + 4)}]` : hex(value);
    case 'status_out': return result !== undefined && result > 0 && value !== 0 ? `[0x${(task.user.readU32(value) ?? 0).toString(16)}]` : hex(value);
    case 'flags': return formatFlags(type, value);
    default: return hex(value);
  }
}

function formatFlags(type: string, value: number): string {
  if (type === 'flags:open') return openFlags(value);
  if (type === 'flags:mmap') {
    const rest = bits(flagNames[type]!, value & ~M.MAP_TYPE, '');
    const sharing = ['', 'MAP_SHARED', 'MAP_PRIVATE', 'MAP_SHARED_VALIDATE'][value & M.MAP_TYPE] ?? String(value & M.MAP_TYPE);
    return rest === '' ? sharing : `${sharing}|${rest}`;
  }
  return bits(flagNames[type] ?? [], value, type === 'flags:prot' ? 'PROT_NONE' : type === 'flags:access' ? 'F_OK' : '0');
}

/** The call with its arguments and, behind `=`, its result. */
function line(task: Task, name: string, shown: readonly string[], result: number): string {
  const answer = result < 0 && result > -4096 ? `-1 ${errnoName(result)}` : result > 0xffff_ffff ? `0x${result.toString(16)}` : String(result);
  return `[pid ${task.tid}] ${name}(${shown.join(', ')}) = ${answer}`;
}

interface Entered {
  readonly call: Syscall | undefined;
  readonly values: readonly number[];
  /** What has to be read before the call: an exec replaces the memory. */
  readonly shown: readonly string[];
}

export class SyscallTrace {
  readonly #print: (line: string) => void;
  readonly #entered = new WeakMap<Task, Entered>();

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  enter(task: Task, call: Syscall | undefined, values: readonly number[]): void {
    const types = call?.types ?? [];
    const shown = types.map((type, i) => format(task, type, values[i]!, values, undefined));
    if (call?.name === 'exit_group' || call?.name === 'exit') this.#print(`[pid ${task.tid}] ${call.name}(${shown.join(', ')}) = ?`);
    this.#entered.set(task, { call, values, shown });
  }

  leave(task: Task, result: number): void {
    const entered = this.#entered.get(task);
    if (entered === undefined) return;
    this.#entered.delete(task);
    const { call, values, shown } = entered;
    if (call?.name === 'exit_group' || call?.name === 'exit') return;
    const isGone = call?.name === 'execve' || call?.name === 'execveat';
    const args = call === undefined ? values.map(hex) : call.types.map((type, i) => {
      if (isGone || !(type.endsWith('_out') || type.startsWith('buf_out'))) return shown[i]!;
      return format(task, type, values[i]!, values, result);
    });
    const text = line(task, call?.name ?? `syscall_${task.syscall}`, args, result);
    this.#print(task.restart !== Restart.never ? `${text} (interrupted)` : text);
  }

  /** A signal is delivered, a process ends. */
  note(task: Task, text: string): void {
    this.#print(`[pid ${task.tid}] ${text}`);
  }
}
