import { describe, expect, it } from 'vitest';
import { FakeCpu } from '../../../test/harness/fakeCpu.ts';
import { Errno } from '../abi/errno.ts';
import { MADV_DONTNEED, MREMAP_MAYMOVE, PROT_NONE, PROT_READ, PROT_WRITE } from '../abi/mman.ts';
import { RLIMIT_AS, RLIMIT_STACK } from '../abi/resource.ts';
import { Access } from '../cpu.ts';
import { Wait, WaitQueue } from '../../lib/wait.ts';
import { advise } from './advise.ts';
import { FaultResult } from './faults.ts';
import { FileMappings } from './fileMappings.ts';
import { Limits } from './limits.ts';
import { Memory, type MemoryServices } from './memory.ts';
import { Placement } from './placement.ts';
import { ByteStringCache } from '../../lib/byteString.ts';
import { remap } from './remap.ts';
import { UserBuffer } from './userMemory.ts';

const page = 4096;
const readWrite = PROT_READ | PROT_WRITE;

function setUp(frames = 512): { cpu: FakeCpu; services: MemoryServices; memory: Memory } {
  const cpu = new FakeCpu(frames);
  const services: MemoryServices = {
    cpu, mappings: new FileMappings(), placement: new Placement(() => 0.5), pageCache: undefined, zeroFrame: cpu.frames.allocate(), strings: new ByteStringCache(), background: () => {},
  };
  return { cpu, services, memory: Memory.create(services, new Limits())! };
}

function ranges(memory: Memory): string[] {
  return memory.vmas.map(vma => `${vma.start.toString(16)}-${vma.end.toString(16)} ${vma.protection}`);
}

describe('mappings', () => {
  it('go downwards, join their equals, and split where a hole is made', () => {
    const { memory } = setUp();
    const first = memory.map({ address: 0, length: 4 * page, protection: readWrite });
    const second = memory.map({ address: 0, length: 2 * page, protection: readWrite });
    expect(second).toBe(first - 2 * page);
    expect(memory.vmas.length).toBe(1);
    expect(memory.totalPages).toBe(6);
    memory.unmap(second + page, page);
    expect(ranges(memory)).toEqual([`${second.toString(16)}-${(second + page).toString(16)} 3`, `${first.toString(16)}-${(first + 4 * page).toString(16)} 3`]);
    memory.protect(first + page, page, PROT_READ);
    expect(memory.vmas.length).toBe(4);
    memory.protect(first + page, page, readWrite);
    expect(memory.vmas.length).toBe(2);
    expect(memory.totalPages).toBe(5);
  });

  it('go to the highest place that is large enough, whatever came and went before', () => {
    const { memory } = setUp();
    const highest = (length: number): number => {
      let end = memory.mapTop;
      for (const vma of [...memory.vmas].reverse()) {
        if (vma.start >= end) continue;
        if (end - vma.end >= length) break;
        end = Math.min(end, vma.growsDown ? vma.start - 256 * page : vma.start);
      }
      return end - length;
    };
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((seed / 0x80000000) * below);
    };
    for (let i = 0; i < 3000; i++) {
      const pages = 1 + random(8);
      if (random(3) > 0 || memory.vmas.length === 0) {
        const wanted = highest(pages * page);
        expect(memory.map({ address: 0, length: pages * page, protection: random(8), growsDown: random(20) === 0 })).toBe(wanted);
      } else {
        const vma = memory.vmas[random(memory.vmas.length)]!;
        memory.unmap(vma.start + random(2) * page, pages * page);
      }
    }
  });

  it('are refused where they exceed RLIMIT_AS or what is there', () => {
    const { memory } = setUp();
    memory.limits.set(RLIMIT_AS, 10 * page, 10 * page);
    expect(memory.map({ address: 0, length: 11 * page, protection: PROT_NONE })).toBe(-Errno.ENOMEM);
    const at = memory.map({ address: 0x400000, length: page, protection: PROT_READ });
    expect(at).toBe(0x400000);
    expect(memory.map({ address: at, length: page, protection: PROT_READ, noReplace: true })).toBe(-Errno.EEXIST);
    expect(memory.map({ address: 0, length: page, protection: PROT_READ, fixed: true })).toBe(-Errno.EPERM);
    expect(memory.protect(at, 2 * page, PROT_READ)).toBe(-Errno.ENOMEM);
  });

  it('move and grow by mremap', () => {
    const { memory } = setUp();
    const at = memory.map({ address: 0x400000, length: 2 * page, protection: readWrite });
    memory.user.writeU32(at + page, 77);
    memory.map({ address: at + 2 * page, length: page, protection: PROT_READ });
    expect(remap(memory, at, 2 * page, 3 * page, 0, 0)).toBe(-Errno.ENOMEM);
    const moved = remap(memory, at, 2 * page, 3 * page, MREMAP_MAYMOVE, 0);
    expect(memory.user.readU32(moved + page)).toBe(77);
    expect(memory.find(at)).toBeUndefined();
    expect(remap(memory, at, page, page, 0, 0)).toBe(-Errno.EFAULT);
  });
});

describe('pages', () => {
  it('share the frame of zeros until they are written', () => {
    const { memory, cpu } = setUp();
    const at = memory.map({ address: 0, length: 3 * page, protection: readWrite });
    const free = cpu.frames.free;
    expect(memory.user.readU32(at)).toBe(0);
    expect(cpu.frames.free).toBe(free);
    expect(memory.user.writeU32(at, 5)).toBe(true);
    expect(cpu.frames.free).toBe(free - 1);
    expect(memory.resident).toBe(1);
    advise(memory, at, page, MADV_DONTNEED);
    expect(memory.user.readU32(at)).toBe(0);
    expect(cpu.frames.free).toBe(free);
  });

  it('are copied after fork, and reused by whoever has them last', () => {
    const { memory, cpu } = setUp();
    const at = memory.map({ address: 0, length: page, protection: readWrite });
    memory.user.writeU32(at, 1);
    const child = memory.fork(new Limits())!;
    expect(child.user.readU32(at)).toBe(1);
    const free = cpu.frames.free;
    child.user.writeU32(at, 2);
    expect(cpu.frames.free).toBe(free - 1);
    expect(memory.user.readU32(at)).toBe(1);
    memory.user.writeU32(at, 3);
    expect(cpu.frames.free).toBe(free - 1);
    expect(child.user.readU32(at)).toBe(2);
    child.release();
    memory.release();
    expect(cpu.frames.free).toBe(510);
  });

  it('say why they can not be accessed', () => {
    const { memory } = setUp();
    const at = memory.map({ address: 0, length: page, protection: PROT_READ });
    expect(memory.resolve(0x1000, Access.read)).toBe(FaultResult.unmapped);
    expect(memory.resolve(at, Access.write)).toBe(FaultResult.forbidden);
    expect(memory.resolve(at, Access.exec)).toBe(FaultResult.forbidden);
    expect(memory.resolve(at, Access.read)).toBe(FaultResult.resolved);
    memory.protect(at, page, PROT_NONE);
    expect(memory.resolve(at, Access.read)).toBe(FaultResult.forbidden);
  });

  it('are refused when memory is out, and nothing is lost', () => {
    const { memory, cpu } = setUp(8);
    const at = memory.map({ address: 0, length: 100 * page, protection: readWrite });
    let written = 0;
    while (memory.user.writeU32(at + written * page, 1)) written++;
    expect(written).toBe(6);
    expect(memory.resolve(at + written * page, Access.write)).toBe(FaultResult.outOfMemory);
    memory.release();
    expect(cpu.frames.free).toBe(6);
  });

  it('are added to a stack as far as its limit', () => {
    const { memory } = setUp();
    memory.limits.set(RLIMIT_STACK, 16 * page, Infinity);
    const top = 0x7fff00000000;
    memory.map({ address: top - page, length: page, protection: readWrite, fixed: true, growsDown: true });
    expect(memory.resolve(top - 10 * page, Access.write)).toBe(FaultResult.resolved);
    expect(memory.totalPages).toBe(10);
    expect(memory.resolve(top - 17 * page, Access.write)).toBe(FaultResult.unmapped);
  });
});

describe('the break', () => {
  it('moves within its limits', () => {
    const { memory } = setUp();
    memory.startBreak = memory.programBreak = 0x500000;
    expect(memory.setBreak(0x501234)).toBe(0x501234);
    expect(memory.find(0x501fff)?.name).toBe('[heap]');
    expect(memory.setBreak(0x400000)).toBe(0x501234);
    memory.map({ address: 0x600000, length: page, protection: PROT_READ });
    expect(memory.setBreak(0x700000)).toBe(0x501234);
    expect(memory.setBreak(0x500000)).toBe(0x500000);
    expect(memory.find(0x500000)).toBeUndefined();
  });
});

describe('user memory', () => {
  it('reads and writes across pages, and refuses what is not there', () => {
    const { memory } = setUp();
    const at = memory.map({ address: 0x400000, length: 2 * page, protection: readWrite });
    const { user } = memory;
    expect(user.writeU64(at + page - 3, 0x1fffff12345678)).toBe(true);
    expect(user.readU64(at + page - 3)).toBe(0x1fffff12345678);
    expect(user.writeU32(at + page - 2, 0xdeadbeef)).toBe(true);
    expect(user.readU32(at + page - 2)).toBe(0xdeadbeef);
    expect(user.readS32(at + page - 2)).toBe(0xdeadbeef | 0);
    expect(user.writeU64(at, -2)).toBe(true);
    expect(user.readS64(at)).toBe(-2);
    expect(user.readU32(at + 2 * page - 2)).toBeUndefined();
    expect(user.readU8(0)).toBeUndefined();
    expect(user.readU8(-1)).toBeUndefined();
    expect(user.readU8(2 ** 63)).toBeUndefined();
    expect(user.writeString(at + page - 2, 'abc')).toBe(true);
    expect(user.readString(at + page - 2)).toBe('abc');
    user.copyOut(at + 2 * page - 4, Uint8Array.of(65, 66, 67, 68), 0, 4);
    expect(user.readString(at + 2 * page - 4)).toBe(-Errno.EFAULT);
    expect(user.readString(at + page - 2, 3)).toBe(-Errno.ENAMETOOLONG);
  });

  it('takes buffers in pieces', () => {
    const { memory } = setUp();
    const at = memory.map({ address: 0x400000, length: 2 * page, protection: readWrite });
    const { user } = memory;
    for (const [i, [base, length]] of [[at + 100, 3], [0, 0], [at + page + 5, 4]].entries()) {
      user.writeU64(at + i * 16, base!);
      user.writeU64(at + i * 16 + 8, length!);
    }
    const buffer = new UserBuffer(() => user);
    expect(buffer.vector(at, 3)).toBe(7);
    expect(buffer.put(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 0, 8)).toBe(7);
    expect([user.readU8(at + 102), user.readU8(at + page + 5), user.readU8(at + page + 8)]).toEqual([3, 4, 7]);
    expect(buffer.vector(at, 2000)).toBe(-Errno.EINVAL);
    expect(buffer.vector(0, 1)).toBe(-Errno.EFAULT);
    const into = new Uint8Array(7);
    buffer.vector(at, 3);
    expect(buffer.get(into, 0, 7)).toBe(7);
    expect([...into]).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('tells a page that must be waited for from a bad pointer', () => {
    const { memory } = setUp();
    const at = memory.map({ address: 0x400000, length: page, protection: PROT_READ, shared: true });
    const disk = new Wait([new WaitQueue()], { interruptible: false });
    const { anonymous } = memory.find(at)!;
    const { page: real } = anonymous!;
    Object.assign(anonymous!, { page: () => disk });
    expect(memory.user.readU8(at)).toBeUndefined();
    expect(memory.user.blocked).toBe(disk);
    const sleeping = memory.user.prefault(at, 1, false);
    expect(sleeping.next().value).toBe(disk);
    Object.assign(anonymous!, { page: real });
    expect(sleeping.next(0)).toEqual({ done: true, value: 0 });
    expect(memory.user.readU8(0x10)).toBeUndefined();
    expect(memory.user.blocked).toBeUndefined();
  });
});
