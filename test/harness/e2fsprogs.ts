/** mke2fs, e2fsck and debugfs on images in memory: what other people's programs say of our file systems. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

function program(name: string): string {
  for (const folder of ['/usr/sbin', '/sbin', '/usr/local/sbin', '/opt/homebrew/opt/e2fsprogs/sbin']) {
    if (existsSync(join(folder, name))) return join(folder, name);
  }
  throw new Error(`${name} is missing: install e2fsprogs`);
}

function withFile<T>(image: Uint8Array | undefined, use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'e2-'));
  const path = join(folder, 'image');
  try {
    if (image) writeFileSync(path, image);
    return use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(name: string, args: readonly string[], input = ''): { status: number; output: string } {
  const done = spawnSync(program(name), args, { input, encoding: 'latin1', maxBuffer: 1 << 28, env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } });
  if (done.error) throw done.error;
  return { status: done.status ?? -1, output: done.stdout + done.stderr };
}

/** A new image of `kilobytes` KiB, made by mke2fs with `args`. */
export function mke2fs(kilobytes: number, ...args: string[]): Uint8Array {
  return withFile(undefined, path => {
    const made = run('mke2fs', ['-q', '-F', ...args, path, `${kilobytes}k`]);
    if (made.status !== 0) throw new Error(`mke2fs: ${made.output}`);
    return new Uint8Array(readFileSync(path));
  });
}

/** What `e2fsck -fn` says: '' for a file system without any fault. */
export function e2fsck(image: Uint8Array): string {
  return withFile(image, path => {
    const { status, output } = run('e2fsck', ['-fn', path]);
    return status === 0 ? '' : output;
  });
}

/** The image after `e2fsck -fy` (`flags` instead of it), whatever that had to repair. */
export function repaired(image: Uint8Array, flags = '-fy'): Uint8Array {
  return withFile(image, path => {
    run('e2fsck', [flags, path]);
    return new Uint8Array(readFileSync(path));
  });
}

/** The output of debugfs commands; with `write`, the changed image. `files` are given to the commands as {NAME}. */
export function debugfs(image: Uint8Array, commands: readonly string[], options: { write?: boolean; files?: Record<string, Uint8Array> } = {}):
{ output: string; image: Uint8Array } {
  return withFile(image, path => {
    let script = commands.join('\n');
    for (const [name, bytes] of Object.entries(options.files ?? {})) {
      writeFileSync(`${path}-${name}`, bytes);
      script = script.replaceAll(`{${name}}`, `${path}-${name}`);
    }
    const { output } = run('debugfs', [...(options.write === true ? ['-w'] : []), '-f', '-', path], `${script}\n`);
    return { output, image: new Uint8Array(readFileSync(path)) };
  });
}
