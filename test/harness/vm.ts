/** The headless VM as a test runs it: the built program, one VM per call. */
import { join } from 'node:path';
import type { GuestCommand } from './native.ts';
import { root, run, type Outcome } from './run.ts';

/** The headless entry that `npm run build` makes. */
export const headless = join(root, 'dist/headless.mjs');

/** Runs `npm run vm` with these arguments (options, then the command). */
export function runVm(args: readonly string[], options: GuestCommand = {}): Promise<Outcome> {
  const own = [...(options.engine ? ['--engine', options.engine] : []), ...(options.user ? ['--user', options.user] : []), ...(options.mount ? ['--mount', `${options.mount}:/mnt/host`] : [])];
  return run(process.execPath, [headless, ...own, ...args], options);
}

/** Tiers in which programs are compared with native ones. */
export const engines = ['interpreter', 'jit'] as const;

/** Runs `script` with bash in the VM, as `runNative` does natively. */
export function runInVm(script: string, options: GuestCommand = {}): Promise<Outcome> {
  return runVm(['--env', 'TERM=dumb', '--', 'bash', '-c', script], options);
}
