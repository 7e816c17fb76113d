/** mmap(2) and what else changes an address space. */
import { Errno } from '../abi/errno.ts';
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts';
import * as M from '../abi/mman.ts';
import { MS_NOEXEC } from '../abi/mount.ts';
import { CAP_IPC_LOCK } from '../abi/prctl.ts';
import { RLIMIT_MEMLOCK } from '../abi/resource.ts';
import { advise } from '../mm/advise.ts';
import { pageSize, type MapRequest } from '../mm/memory.ts';
import { remap } from '../mm/remap.ts';
import { userLimit } from '../mm/userMemory.ts';
import type { Task } from '../task/task.ts';
import { MemoryFile } from '../files/memoryFile.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { PagedInode } from '../../fs/vfs/pagedFile.ts';
import type { Io } from '../../lib/wait.ts';
import type { Result } from './common.ts';

function pageUp(length: number): number {
  return Math.ceil(length / pageSize) * pageSize;
}

function isAligned(address: number): boolean {
  return (address & (pageSize - 1)) === 0;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const protectionBits = M.PROT_READ | M.PROT_WRITE | M.PROT_EXEC;

export function mmap(task: Task, address: number, length: number, protection: number, flags: number, fd: number, offset: number): Result {
  if (length === 0 || !isAligned(offset) || offset < 0) return -Errno.EINVAL;
  const size = pageUp(length);
  if (size > userLimit) return -Errno.ENOMEM;
  if (offset + size > Number.MAX_SAFE_INTEGER) return -Errno.EOVERFLOW;
  const type = flags & M.MAP_TYPE;
  if (type !== M.MAP_SHARED && type !== M.MAP_PRIVATE && type !== M.MAP_SHARED_VALIDATE) return -Errno.EINVAL;
  const fixed = (flags & M.MAP_FIXED) !== 0;
  if (fixed && !isAligned(address)) return -Errno.EINVAL;
  // One shape for all: what a file adds is filled in.
  const request: Mutable<MapRequest> = {
    address: address - (address & (pageSize - 1)), length: size, protection: protection & protectionBits, fixed,
    noReplace: (flags & M.MAP_FIXED_NOREPLACE) !== 0, low: (flags & M.MAP_32BIT) !== 0, shared: type !== M.MAP_PRIVATE,
    growsDown: (flags & M.MAP_GROWSDOWN) !== 0, locked: (flags & M.MAP_LOCKED) !== 0, file: undefined, pageOffset: 0, mayProtect: protectionBits,
  };
  const mapped = flags & M.MAP_ANONYMOUS ? task.memory.map(request) : mapFile(task, request, fd, offset / pageSize);
  if (mapped < 0 || (flags & (M.MAP_POPULATE | M.MAP_LOCKED)) === 0 || (flags & M.MAP_NONBLOCK) !== 0) return mapped;
  return populate(task, mapped, size, (protection & M.PROT_WRITE) !== 0);
}

function mapFile(task: Task, request: Mutable<MapRequest>, fd: number, pageOffset: number): number {
  const file = task.files.get(fd);
  if (file === undefined) return -Errno.EBADF;
  const access = file.flags & O_ACCMODE;
  if (access === O_WRONLY) return -Errno.EACCES;
  const wantsWrite = (request.protection & M.PROT_WRITE) !== 0;
  if (request.shared && wantsWrite && access !== O_RDWR) return -Errno.EACCES;
  let mayProtect: number = protectionBits;
  if ((file.path.mount.flags & MS_NOEXEC) !== 0) {
    if ((request.protection & M.PROT_EXEC) !== 0) return -Errno.EPERM;
    mayProtect &= ~M.PROT_EXEC;
  }
  if (request.shared && access === O_RDONLY) mayProtect &= ~M.PROT_WRITE;
  if (request.shared && file instanceof MemoryFile && (file.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) {
    if (wantsWrite) return -Errno.EPERM;
    mayProtect &= ~M.PROT_WRITE;
  }
  // Private mappings of /dev/zero are anonymous memory.
  if (file.inode.rdev === 0x105) return task.memory.map(request);
  if (!file.inode.isMappable) return -Errno.ENODEV;
  request.file = file;
  request.pageOffset = pageOffset;
  request.mayProtect = mayProtect;
  return task.memory.map(request);
}

/** MAP_POPULATE, mlock(2), MADV_POPULATE_*: touches pages; failures are ignored except by the last. */
function* populate(task: Task, address: number, length: number, write: boolean): Io<number> {
  yield* task.memory.user.prefault(address, length, write);
  return address;
}

export function munmap(task: Task, address: number, length: number): Result {
  if (!isAligned(address) || length === 0 || address + pageUp(length) > userLimit + pageSize) return -Errno.EINVAL;
  return task.memory.unmap(address, pageUp(length));
}

export function mprotect(task: Task, address: number, length: number, protection: number): Result {
  if (!isAligned(address) || (protection & M.PROT_GROWSDOWN && protection & M.PROT_GROWSUP)) return -Errno.EINVAL;
  if ((protection & ~(protectionBits | M.PROT_GROWSDOWN | M.PROT_GROWSUP | 8)) !== 0) return -Errno.EINVAL;
  if (length === 0) return 0;
  const size = pageUp(length);
  if (address + size > userLimit + pageSize) return -Errno.ENOMEM;
  let start = address;
  if ((protection & M.PROT_GROWSDOWN) !== 0) {
    const vma = task.memory.find(address);
    if (vma === undefined || !vma.growsDown) return -Errno.EINVAL;
    start = vma.start;
  }
  return task.memory.protect(start, address + size - start, protection & protectionBits);
}

export function pkey_mprotect(task: Task, address: number, length: number, protection: number, key: number): Result {
  return key === -1 ? mprotect(task, address, length, protection) : -Errno.EINVAL;
}

export function pkey_alloc(): Result {
  return -Errno.ENOSPC;
}

export function pkey_free(): Result {
  return -Errno.EINVAL;
}

export function brk(task: Task, address: number): Result {
  return task.memory.setBreak(address);
}

export function mremap(task: Task, address: number, oldLength: number, newLength: number, flags: number, newAddress: number): Result {
  if (flags & ~(M.MREMAP_MAYMOVE | M.MREMAP_FIXED | M.MREMAP_DONTUNMAP) || !isAligned(address) || newLength === 0) return -Errno.EINVAL;
  if ((flags & (M.MREMAP_FIXED | M.MREMAP_DONTUNMAP)) !== 0 && (flags & M.MREMAP_MAYMOVE) === 0) return -Errno.EINVAL;
  return remap(task.memory, address, pageUp(oldLength), pageUp(newLength), flags, newAddress);
}

export function madvise(task: Task, address: number, length: number, advice: number): Result {
  if (!isAligned(address)) return -Errno.EINVAL;
  const size = pageUp(length);
  if (advice === M.MADV_POPULATE_READ || advice === M.MADV_POPULATE_WRITE) return populateAll(task, address, size, advice === M.MADV_POPULATE_WRITE);
  return advise(task.memory, address, size, advice);
}

function* populateAll(task: Task, address: number, length: number, write: boolean): Io<number> {
  if (!task.memory.isMapped(address, address + length)) return -Errno.ENOMEM;
  return yield* task.memory.user.prefault(address, length, write);
}

export function msync(task: Task, address: number, length: number, flags: number): Result {
  if (!isAligned(address) || flags & ~(M.MS_ASYNC | M.MS_INVALIDATE | M.MS_SYNC)) return -Errno.EINVAL;
  if (flags & M.MS_ASYNC && flags & M.MS_SYNC) return -Errno.EINVAL;
  const { memory } = task;
  const inodes = new Set<Inode>();
  const visited = memory.each(address, address + pageUp(length), false, vma => {
    if (flags & M.MS_INVALIDATE && vma.locked) return -Errno.EBUSY;
    if (vma.shared && vma.inode) inodes.add(vma.inode);
    return 0;
  });
  if (visited === -Errno.EBUSY || inodes.size === 0) return visited;
  for (const inode of inodes) memory.services.mappings.collectDirty(inode);
  return flags & M.MS_SYNC ? syncAll(inodes, visited) : visited;
}

function* syncAll(inodes: Set<Inode>, result: number): Io<number> {
  for (const inode of inodes) {
    const synced = yield* inode.sync(true);
    if (synced < 0) return synced;
  }
  return result;
}

export function mincore(task: Task, address: number, length: number, vector: number): Result {
  if (!isAligned(address)) return -Errno.EINVAL;
  const pages = pageUp(length) / pageSize;
  const { memory } = task;
  if (!memory.isMapped(address, address + pages * pageSize)) return -Errno.ENOMEM;
  for (let i = 0; i < pages; i++) {
    const at = address + i * pageSize;
    const vma = memory.find(at)!;
    const inode = vma.inode;
    const isResident = memory.space.entry(at) !== 0 || (inode instanceof PagedInode && inode.pages.has(vma.indexOf(at)));
    if (!task.user.writeU8(vector + i, isResident ? 1 : 0)) return -Errno.EFAULT;
  }
  return 0;
}

export function mlock(task: Task, address: number, length: number): Result {
  return lock(task, address, length, true);
}

export function mlock2(task: Task, address: number, length: number, flags: number): Result {
  return flags & ~1 ? -Errno.EINVAL : lock(task, address, length, flags === 0);
}

function lock(task: Task, address: number, length: number, touch: boolean): Result {
  const start = address - (address & (pageSize - 1));
  const size = pageUp(address + length) - start;
  const limit = task.limit(RLIMIT_MEMLOCK);
  if (!task.credentials.has(CAP_IPC_LOCK)) {
    if (limit === 0) return -Errno.EPERM;
    if (task.memory.lockedBytes + size > limit) return -Errno.ENOMEM;
  }
  const locked = setLocked(task, start, size, true);
  return locked < 0 || !touch ? locked : lockPages(task, start, size);
}

function* lockPages(task: Task, address: number, length: number): Io<number> {
  yield* task.memory.user.prefault(address, length, false);
  return 0;
}

/** Nothing is ever swapped out: a lock is only kept to be shown. */
function setLocked(task: Task, start: number, size: number, locked: boolean): number {
  return task.memory.each(start, start + size, true, vma => {
    vma.locked = locked;
    return 0;
  });
}

export function munlock(task: Task, address: number, length: number): Result {
  const start = address - (address & (pageSize - 1));
  return setLocked(task, start, pageUp(address + length) - start, false);
}

export function mlockall(task: Task, flags: number): Result {
  if (flags === 0 || flags & ~(M.MCL_CURRENT | M.MCL_FUTURE | M.MCL_ONFAULT) || flags === M.MCL_ONFAULT) return -Errno.EINVAL;
  const limit = task.limit(RLIMIT_MEMLOCK);
  const { memory } = task;
  if (!task.credentials.has(CAP_IPC_LOCK)) {
    if (limit === 0) return -Errno.EPERM;
    if (flags & M.MCL_CURRENT && memory.totalPages * pageSize > limit) return -Errno.ENOMEM;
  }
  memory.lockFuture = (flags & M.MCL_FUTURE) !== 0;
  if (flags & M.MCL_CURRENT) for (const vma of memory.vmas) vma.locked = true;
  return 0;
}

export function munlockall(task: Task): Result {
  task.memory.lockFuture = false;
  for (const vma of task.memory.vmas) vma.locked = false;
  return 0;
}

/** remap_file_pages(2), as Linux emulates it since 4.0: another mapping of the same file. */
export function remap_file_pages(task: Task, address: number, length: number, protection: number, pageOffset: number): Result {
  if (protection !== 0 || !isAligned(address)) return -Errno.EINVAL;
  const vma = task.memory.find(address);
  const size = pageUp(length);
  if (vma?.file === undefined || !vma.shared || address + size > vma.end) return -Errno.EINVAL;
  const file: OpenFile = vma.file.retain();
  const { protection: bits, mayProtect } = vma;
  const mapped = task.memory.map({ address, length: size, protection: bits, fixed: true, shared: true, file, pageOffset, mayProtect });
  file.release();
  return mapped < 0 ? mapped : 0;
}

/** process_vm_readv(2), process_vm_writev(2) of the caller itself or a process that it may look into. */
function transfer(task: Task, pid: number, local: number, localCount: number, remote: number, remoteCount: number, flags: number, writes: boolean): Result {
  if (flags !== 0) return -Errno.EINVAL;
  const target = task.machine.processes.get(pid)?.task;
  if (target === undefined) return -Errno.ESRCH;
  const { credentials } = task;
  const other = target.credentials;
  const same = [other.realUid, other.effectiveUid, other.savedUid].every(uid => uid === credentials.realUid);
  if (!same && !credentials.overridesAccess) return -Errno.EPERM;
  const own = task.buffer;
  const total = own.vector(local, localCount);
  if (total < 0) return total;
  const { wordSize } = task.user;
  let done = 0;
  for (let i = 0; i < remoteCount && done < total; i++) {
    const base = task.user.readWord(remote + i * 2 * wordSize);
    const length = task.user.readWord(remote + (i * 2 + 1) * wordSize);
    if (base === undefined || length === undefined) return -Errno.EFAULT;
    const bytes = new Uint8Array(Math.min(length, total - done, 1 << 20));
    if (writes) {
      const got = own.get(bytes, 0, bytes.length);
      const written = target.user.copyOut(base, bytes, 0, got);
      done += written;
      if (written < bytes.length) break;
    } else {
      const got = target.user.copyIn(base, bytes, 0, bytes.length);
      const put = own.put(bytes, 0, got);
      done += put;
      if (put < bytes.length) break;
    }
  }
  return done === 0 && total > 0 ? -Errno.EFAULT : done;
}

export function process_vm_readv(task: Task, pid: number, local: number, localCount: number, remote: number, remoteCount: number, flags: number): Result {
  return transfer(task, pid, local, localCount, remote, remoteCount, flags, false);
}

export function process_vm_writev(task: Task, pid: number, local: number, localCount: number, remote: number, remoteCount: number, flags: number): Result {
  return transfer(task, pid, local, localCount, remote, remoteCount, flags, true);
}

/** One node: policies are accepted and mean nothing. */
export function mbind(): Result {
  return 0;
}

export function set_mempolicy(): Result {
  return 0;
}

export function get_mempolicy(task: Task, mode: number, mask: number, maximum: number): Result {
  if (mode !== 0 && !task.user.writeU32(mode, 0)) return -Errno.EFAULT;
  if (mask !== 0 && maximum > 0 && !task.user.writeWord(mask, 0)) return -Errno.EFAULT;
  return 0;
}
