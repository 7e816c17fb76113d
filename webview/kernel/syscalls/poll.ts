/** poll(2), ppoll(2), select(2), pselect6(2). */
import { Errno } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../abi/poll.ts';
import { Wait, Wake, type Io, type WaitQueue } from '../../lib/wait.ts';
import type { Task } from '../task/task.ts';
import { noRestart, type Result } from './common.ts';
import { readTimeout, readTimevalTimeout, useMask } from './timeouts.ts';

const pollfdSize = 8;

export function poll(task: Task, fds: number, count: number, timeout: number): Result {
  return pollFor(task, fds, count >>> 0, timeout < 0 ? Infinity : task.machine.files.timers.now() + timeout * 1e6, timeout === 0);
}

export function ppoll(task: Task, fds: number, count: number, timeout: number, mask: number, maskSize: number): Result {
  const deadline = readTimeout(task, timeout);
  if (deadline < 0) return deadline;
  const masked = useMask(task, mask, maskSize);
  if (masked < 0) return masked;
  const answer = pollFor(task, fds, count >>> 0, deadline, deadline === 0);
  return typeof answer === 'number' || timeout === 0 ? answer : storingRest(task, timeout, deadline, answer);
}

/** Writes what is left of the timeout back, as Linux does for ppoll and pselect6. */
function* storingRest(task: Task, address: number, deadline: number, waiting: Io<number>): Io<number> {
  const result = yield* waiting;
  const rest = Math.max(0, deadline - task.machine.files.timers.now());
  task.user.writeWord(address, Math.floor(rest / 1e9));
  task.user.writeWord(address + task.user.wordSize, Math.floor(rest % 1e9));
  return result;
}

function pollFor(task: Task, fds: number, count: number, deadline: number, now: boolean): Result {
  if (count > task.descriptorLimit) return -Errno.EINVAL;
  if (count > 0 && !task.user.ensure(fds, count * pollfdSize, true)) return -Errno.EFAULT;
  const ready = pollOnce(task, fds, count);
  return ready !== 0 || now ? ready : pollSleeping(task, fds, count, deadline);
}

/** Fills in revents: how many descriptors are ready. */
function pollOnce(task: Task, fds: number, count: number): number {
  const { user: memory, files } = task;
  let ready = 0;
  for (let i = 0; i < count; i++) {
    const at = fds + i * pollfdSize;
    const fd = memory.readS32(at);
    const events = memory.readU32(at + 4);
    if (fd === undefined || events === undefined) return -Errno.EFAULT;
    let revents = 0;
    if (fd >= 0) {
      const file = files.get(fd);
      revents = file ? file.poll() & ((events & 0xffff) | POLLERR | POLLHUP) : POLLNVAL;
    }
    if (revents !== 0) ready++;
    if (!memory.writeU32(at + 4, ((events & 0xffff) | (revents << 16)) >>> 0)) return -Errno.EFAULT;
  }
  return ready;
}

function* pollSleeping(task: Task, fds: number, count: number, deadline: number): Io<number> {
  for (;;) {
    const queues = new Set<WaitQueue>();
    for (let i = 0; i < count; i++) {
      const fd = task.user.readS32(fds + i * pollfdSize) ?? -1;
      const file = fd >= 0 ? task.files.get(fd) : undefined;
      if (file) queues.add(file.queue);
    }
    const wake = yield new Wait([...queues], { deadline });
    const ready = pollOnce(task, fds, count);
    if (ready !== 0 || wake === Wake.timeout) return ready;
    if (wake === Wake.interrupted) return noRestart;
  }
}

// ---------------------------------------------------------------- select

const readBits = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR;
const writeBits = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR;
const exceptBits = POLLPRI;
const setBits = [readBits, writeBits, exceptBits] as const;

export function select(task: Task, count: number, read: number, write: number, except: number, timeout: number): Result {
  const deadline = readTimevalTimeout(task, timeout);
  if (deadline < 0) return deadline;
  const answer = selectFor(task, count, [read, write, except], deadline);
  return typeof answer === 'number' || timeout === 0 ? answer : storingTimeval(task, timeout, deadline, answer);
}

function* storingTimeval(task: Task, address: number, deadline: number, waiting: Io<number>): Io<number> {
  const result = yield* waiting;
  const rest = Math.max(0, deadline - task.machine.files.timers.now());
  task.user.writeWord(address, Math.floor(rest / 1e9));
  task.user.writeWord(address + task.user.wordSize, Math.floor((rest % 1e9) / 1e3));
  return result;
}

export function pselect6(task: Task, count: number, read: number, write: number, except: number, timeout: number, masks: number): Result {
  const deadline = readTimeout(task, timeout);
  if (deadline < 0) return deadline;
  if (masks !== 0) {
    const mask = task.user.readWord(masks);
    const size = task.user.readWord(masks + task.user.wordSize);
    if (mask === undefined || size === undefined) return -Errno.EFAULT;
    const masked = useMask(task, mask, size);
    if (masked < 0) return masked;
  }
  const answer = selectFor(task, count, [read, write, except], deadline);
  return typeof answer === 'number' || timeout === 0 ? answer : storingRest(task, timeout, deadline, answer);
}

/** The three descriptor sets of a select: what is asked for, and what was found. */
class SelectSets {
  readonly #asked: (Uint8Array | undefined)[] = [];
  readonly #found: (Uint8Array | undefined)[] = [];
  readonly #addresses: readonly number[];

  constructor(addresses: readonly number[]) {
    this.#addresses = addresses;
  }

  /** 0 or -EFAULT. */
  read(task: Task, count: number): number {
    const size = Math.ceil(count / (8 * task.user.wordSize)) * task.user.wordSize;
    for (const address of this.#addresses) {
      const bytes = address === 0 ? undefined : task.user.bytes(address, size);
      if (address !== 0 && !bytes) return -Errno.EFAULT;
      this.#asked.push(bytes);
      this.#found.push(bytes && new Uint8Array(size));
    }
    return 0;
  }

  asks(set: number, fd: number): boolean {
    return ((this.#asked[set]?.[fd >> 3] ?? 0) & (1 << (fd & 7))) !== 0;
  }

  mark(set: number, fd: number): void {
    this.#found[set]![fd >> 3]! |= 1 << (fd & 7);
  }

  write(task: Task): number {
    for (let set = 0; set < 3; set++) {
      const found = this.#found[set];
      if (found && !task.user.writeBytes(this.#addresses[set]!, found)) return -Errno.EFAULT;
    }
    return 0;
  }
}

function selectFor(task: Task, count: number, addresses: readonly number[], deadline: number): Result {
  if (count < 0) return -Errno.EINVAL;
  // Bits beyond the descriptors that can be open are not looked at.
  count = Math.min(count, task.descriptorLimit);
  const sets = new SelectSets(addresses);
  const read = sets.read(task, count);
  if (read < 0) return read;
  const ready = selectOnce(task, count, sets);
  if (ready !== 0 || deadline === 0) return ready < 0 ? ready : sets.write(task) || ready;
  return selectSleeping(task, count, sets, deadline);
}

/** Marks what is ready: how many bits, or -EBADF. */
function selectOnce(task: Task, count: number, sets: SelectSets): number {
  let ready = 0;
  for (let fd = 0; fd < count; fd++) {
    if (!sets.asks(0, fd) && !sets.asks(1, fd) && !sets.asks(2, fd)) continue;
    const file = task.files.get(fd);
    if (!file) return -Errno.EBADF;
    const mask = file.poll();
    for (let set = 0; set < 3; set++) {
      if (!sets.asks(set, fd) || (mask & setBits[set]!) === 0) continue;
      sets.mark(set, fd);
      ready++;
    }
  }
  return ready;
}

function* selectSleeping(task: Task, count: number, sets: SelectSets, deadline: number): Io<number> {
  for (;;) {
    const queues = new Set<WaitQueue>();
    for (let fd = 0; fd < count; fd++) {
      const file = sets.asks(0, fd) || sets.asks(1, fd) || sets.asks(2, fd) ? task.files.get(fd) : undefined;
      if (file) queues.add(file.queue);
    }
    const wake = yield new Wait([...queues], { deadline });
    const ready = selectOnce(task, count, sets);
    if (ready < 0) return ready;
    if (ready > 0 || wake === Wake.timeout) return sets.write(task) || ready;
    if (wake === Wake.interrupted) return noRestart;
  }
}
