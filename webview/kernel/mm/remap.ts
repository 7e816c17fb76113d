/** mremap(2). */
import { Errno } from '../abi/errno.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_WRITE } from '../abi/mman.ts';
import { RLIMIT_AS, RLIMIT_DATA } from '../abi/resource.ts';
import { minimumAddress, pageSize, type Memory } from './memory.ts';
import { userLimit } from './userMemory.ts';
import type { Vma } from './vma.ts';

/** Lengths are page-aligned. The new address, or -errno. `oldLength` 0 maps the pages of a shared mapping a second time. */
export function remap(memory: Memory, address: number, oldLength: number, newLength: number, flags: number, newAddress: number): number {
  const vma = memory.find(address);
  if (vma === undefined) return -Errno.EFAULT;
  if (oldLength === 0 && !vma.shared) return -Errno.EINVAL;
  if (address + oldLength > vma.end) return -Errno.EFAULT;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLength !== newLength) return -Errno.EINVAL;
  if ((flags & MREMAP_FIXED) !== 0) {
    if (newAddress % pageSize !== 0 || newLength > userLimit || newAddress + newLength > userLimit) return -Errno.EINVAL;
    if (newAddress < address + oldLength && address < newAddress + newLength) return -Errno.EINVAL;
    if (newAddress < minimumAddress) return -Errno.EPERM;
  }
  const moves = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  if (!moves && newLength <= oldLength) {
    if (newLength < oldLength) memory.unmap(address + newLength, oldLength - newLength);
    return address;
  }
  const grown = Math.max(0, newLength - oldLength);
  if (exceeds(memory, vma, grown)) return -Errno.ENOMEM;
  if (!moves && oldLength > 0 && address + oldLength === vma.end && address + newLength <= userLimit && memory.isFree(vma.end, address + newLength)) {
    grow(memory, vma, address + oldLength, grown);
    return address;
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -Errno.ENOMEM;
  return move(memory, vma, address, oldLength, newLength, flags, newAddress);
}

function exceeds(memory: Memory, vma: Vma, grown: number): boolean {
  if (memory.totalPages * pageSize + grown > memory.limits.soft(RLIMIT_AS)) return true;
  const most = memory.limits.soft(RLIMIT_DATA);
  return most !== Infinity && !vma.shared && (vma.protection & PROT_WRITE) !== 0 && memory.dataBytes + grown > most;
}

/** Extends a mapping behind `end`, its end. */
function grow(memory: Memory, vma: Vma, end: number, bytes: number): void {
  const more = vma.copy(memory, end, end + bytes);
  memory.insert(more);
}

function move(memory: Memory, vma: Vma, address: number, oldLength: number, newLength: number, flags: number, newAddress: number): number {
  let target = newAddress;
  if ((flags & MREMAP_FIXED) !== 0) {
    memory.unmap(target, newLength);
  } else {
    target = memory.findFree(newLength, memory.mapTop);
    if (target < 0) return target;
  }
  // The unmapping may have split the mapping.
  const source = memory.find(address)!;
  const kept = Math.min(oldLength, newLength);
  const copy = source.copy(memory, address, address + kept);
  copy.pageOffset = source.indexOf(address);
  copy.start = target;
  copy.end = target + newLength;
  if (kept > 0 && !memory.space.move(address, kept, target)) {
    copy.file?.release();
    copy.anonymous?.release();
    return -Errno.ENOMEM;
  }
  if ((flags & MREMAP_DONTUNMAP) === 0 && oldLength > 0) memory.unmap(address, oldLength);
  memory.insert(copy);
  return target;
}
