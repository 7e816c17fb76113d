/** C programs that exercise the kernel interface say the same in the VM as on the machine's own Linux. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runNative } from '../harness/native.ts';
import { root } from '../harness/run.ts';
import { engines, runInVm } from '../harness/vm.ts';

const sources = join(root, 'test/kernel/programs');
const built = join(root, 'build/test-programs');
/** Those that are about code, faults and signals run with everything compiled as well. */
const aboutCode: ReadonlySet<string> = new Set(['preciseFaults', 'rewriting', 'steps', 'storms']);
const programs = readdirSync(sources).filter(name => name.endsWith('.c')).map(name => name.slice(0, -2));

describe('kernel interface', () => {
  beforeAll(() => {
    mkdirSync(built, { recursive: true });
    for (const name of programs) {
      execFileSync('gcc', ['-static', '-O1', '-w', '-o', join(built, name), join(sources, `${name}.c`), '-lutil', '-lpthread', '-lm']);
    }
  });

  test.each(programs)('%s', async name => {
    const script = `cd /tmp && /mnt/host/${name} < /dev/null`;
    const options = { mount: built, user: 'root', timeoutSeconds: 100 } as const;
    const native = await runNative(script, options);
    expect(native.status).toBe(0);
    for (const engine of aboutCode.has(name) ? [...engines, 'eager'] as const : engines) expect(await runInVm(script, { ...options, engine }), engine).toEqual(native);
  });
});
