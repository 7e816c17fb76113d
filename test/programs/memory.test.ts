/** Programs on a machine with little memory. */
import { expect, test } from 'vitest';
import { runVm } from '../harness/vm.ts';

const python = (code: string): string => `cd /tmp; python3 -c '${code}'`;

test('a mapped file may be larger than memory', async () => {
  const script = python(`import mmap
f = open("m", "w+b"); f.truncate(90 << 20); m = mmap.mmap(f.fileno(), 0)
for i in range(0, 90 << 20, 4096): m[i] = i >> 12 & 255
print(sum(m[i] for i in range(0, 90 << 20, 4096))); m.flush()
f.seek(0); print(sum(f.read(1) [0] for i in range(0, 90 << 20, 4096) if f.seek(i) == i))`);
  const { status, stdout } = await runVm(['--memory', '64', '--', 'bash', '-c', script], { timeoutSeconds: 120 });
  const sum = Array.from({ length: 23040 }, (_, i) => i & 255).reduce((a, b) => a + b);
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${sum}\n${sum}\n` });
});

test('the largest process is killed when memory is out, and the machine lives', async () => {
  const script = `${python('x = []\nwhile True: x.append(bytearray(1 << 20))')}; echo "status $?"; seq 1000 | sort -n | tail -1`;
  const { stdout, stderr } = await runVm(['--memory', '64', '--', 'bash', '-c', script], { timeoutSeconds: 120 });
  expect(stdout).toBe('status 137\n1000\n');
  expect(stderr).toContain('Out of memory');
});
