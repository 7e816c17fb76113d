import { describe, expect, it } from 'vitest';
import { FakeCpu, type FakeProgram, type FakeThread } from '../../../test/harness/fakeCpu.ts';
import { KernelMachine } from '../../../test/harness/kernelMachine.ts';
import { buildElf } from '../../../test/fuzz/elf.ts';
import { Exit, Reg } from '../cpu.ts';
import { quote } from './strace.ts';

const text = (value: string): Uint8Array => Uint8Array.from(value, c => c.charCodeAt(0));

/** Traces the calls of one program; data is at 0x403000. */
function trace(data: Readonly<Record<number, string>>, calls: readonly (readonly number[])[]): string[] {
  const lines: string[] = [];
  const cpu = new FakeCpu();
  const machine = new KernelMachine(cpu, line => lines.push(line));
  machine.put('p', buildElf(false));
  cpu.programFor = function* (thread: FakeThread): FakeProgram {
    const { user } = machine.kernel.scheduler.current!;
    for (const [at, value] of Object.entries(data)) user.writeString(0x403000 + Number(at), value);
    for (const [number, ...args] of calls) {
      thread.set(Reg.rax, number!);
      for (const [i, reg] of [Reg.rdi, Reg.rsi, Reg.rdx, Reg.r10, Reg.r8, Reg.r9].entries()) thread.set(reg, args[i] ?? 0);
      yield Exit.syscall;
    }
  };
  machine.spawn('p');
  while (machine.kernel.runSlice(1) === 'more');
  return lines;
}

describe('strace output', () => {
  it('quotes as strace(1) does', () => {
    expect(quote(text('a"b\\\n\t\0\x011'), false)).toBe('"a\\"b\\\\\\n\\t\\0\\0011"');
    expect(quote(text('\xff'), true)).toBe('"\\377"...');
  });

  it('decodes arguments and results by their types', () => {
    expect(trace({ 0: '/nothing', 32: 'hello\n' }, [
      [257, -100, 0x403000, 0o2000000 | 2, 0],
      [1, 1, 0x403020, 6],
      [9, 0, 4096, 3, 0x22, -1, 0],
      [62, 99999, 15],
      [8, 99, -5, 1],
      [9999, 1],
      [231, 3],
    ])).toEqual([
      '[pid 2] openat(AT_FDCWD, "/nothing", O_RDWR|O_CLOEXEC, 00) = -1 ENOENT',
      '[pid 2] write(1, "hello\\n", 6) = 6',
      expect.stringMatching(/^\[pid 2\] mmap\(NULL, 4096, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\) = 0x7f[0-9a-f]+$/),
      '[pid 2] kill(99999, SIGTERM) = -1 ESRCH',
      '[pid 2] lseek(99, -5, SEEK_CUR) = -1 EBADF',
      expect.stringMatching(/^\[pid 2\] syscall_9999\(.*\) = -1 ENOSYS$/),
      '[pid 2] exit_group(3) = ?',
    ]);
  });
});
