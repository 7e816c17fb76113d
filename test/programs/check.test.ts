/** Programs whose compiled code is compared with the interpreter as they run: `--engine check` ends with status 125 at a difference. */
import { expect, test } from 'vitest';
import { runInVm } from '../harness/vm.ts';

const scripts = [
  'x=1; for i in {1..300}; do x=$((x * 31 + i & 65535)); done; echo $x; printf "%s\\n" ${x//[0-4]/-}',
  'seq 2000 | sort -rn | sed -n "s/\\(.\\)0/<\\1>/p" | tail -3',
  'seq 1000 | awk \'{ s += $1 * 1.5; t = t substr($1, 1, 1) } END { print s, length(t) }\'',
  'seq 500 | xz -1 | xz -dc | sha256sum',
  'python3 -c "print(sum(len(str(i)) for i in range(300)))"',
];

test.each(scripts)('%s', async script => {
  const expected = await runInVm(script, { engine: 'interpreter', timeoutSeconds: 60 });
  expect(expected.status).toBe(0);
  expect(expected.stdout).not.toBe('');
  expect(await runInVm(script, { engine: 'check', timeoutSeconds: 120 })).toEqual(expected);
}, 200_000);
