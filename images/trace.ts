/**
 * `node scripts/ts.mjs images/trace.ts NAME`: runs the recipe's `use` commands natively in a copy of its root file system under strace and
 * writes the files that they touch, in order, to `recipes/NAME.order.txt`. Needs root, strace, script(1) and a built root file system.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatOrder } from './order.ts';
import type { Recipe } from './recipe.ts';
import { recipes } from './recipes/index.ts';
import { findNode, fromDirectory, type DirectoryNode } from './tree.ts';

const calls = 'execve,open,openat,access,faccessat,faccessat2,stat,lstat,newfstatat,readlink,readlinkat,chdir';

/** The kernel opens a program's interpreter itself, so that no call names it. */
const interpreter = '/lib64/ld-linux-x86-64.so.2';

/** What the machine reads before the first program runs: mount points, its name, the user, PATH, the way to the person's time zone. */
const machineReads = [
  '/proc', '/sys', '/dev', '/run', '/var/mail', '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/etc/hostname', '/etc/passwd', '/etc/group', '/etc/localtime', '/usr/share/zoneinfo',
  ...['Africa', 'America', 'Asia', 'Australia', 'Europe', 'Pacific', 'Etc/UTC'].map(name => `/usr/share/zoneinfo/${name}`),
];

/**
 * The absolute paths that calls in an strace log name, in order, with the dynamic linker after each program; relative ones left out. What
 * isn't there counts too: to find that out its directory is read.
 */
export function tracedPaths(log: string): string[] {
  const paths: string[] = [];
  for (const line of log.split('\n')) {
    const match = /^\d+ +\w+\((?:AT_FDCWD, )?"(\/[^"]*)"/.exec(line);
    if (match === null || /= -1 E(?!NOENT)/.test(line)) continue;
    paths.push(match[1]!);
    if (/^\d+ +execve.* = 0$/.test(line)) paths.push(interpreter);
  }
  return paths;
}

/** What a walk along `path` touches: symlinks on the way and what is at its end, or the directory that lacks it; all as paths without symlinks. */
export function walkPath(root: DirectoryNode, path: string): string[] {
  const touched: string[] = [];
  const rest = path.split('/').filter(name => name !== '');
  const at: string[] = [];
  for (let links = 0; rest.length > 0;) {
    const name = rest.shift()!;
    if (name === '.') continue;
    if (name === '..') {
      at.pop();
      continue;
    }
    at.push(name);
    const here = `/${at.join('/')}`;
    const node = findNode(root, here);
    if (node === undefined) {
      touched.push(`/${at.slice(0, -1).join('/')}`);
      return touched;
    }
    if (node.kind === 'symlink' && links++ < 40) {
      touched.push(here);
      const target = node.target.toString('latin1');
      at.pop();
      if (target.startsWith('/')) at.length = 0;
      rest.unshift(...target.split('/').filter(part => part !== ''));
    } else if (rest.length === 0) {
      touched.push(here);
    }
  }
  return touched;
}

/** Runs one command as the recipe's user on a terminal; `input` is typed into it. */
function trace(recipe: Recipe, rootfs: string, command: string, input: string): string[] {
  const log = join(tmpdir(), `trace-${process.pid}.txt`);
  const { name } = recipe.user;
  const words = `chroot --userspec=${name}:${name} ${rootfs} /usr/bin/env -i HOME=/home/${name} TERM=xterm-256color LANG=C.UTF-8 USER=${name} LOGNAME=${name} PATH=/usr/local/bin:/usr/bin:/bin ${command}`;
  const run = spawnSync('timeout', ['-k', '1', '60', 'strace', '-f', '-qq', '-s', '400', '-o', log, '-e', `trace=${calls}`, 'script', '-qec', words, '/dev/null'], { input, encoding: 'utf8' });
  if (run.error !== undefined) throw run.error;
  if (run.status === 124) throw new Error(`"${command}" did not end within a minute`);
  const text = readFileSync(log, 'latin1');
  rmSync(log);
  // What script and chroot did themselves comes before env is started.
  const start = text.indexOf('execve("/usr/bin/env"');
  return tracedPaths(text.slice(Math.max(0, text.lastIndexOf('\n', start))));
}

function main(project: string, name: string): void {
  const recipe = recipes[name];
  if (recipe === undefined) throw new Error(`there is no recipe "${name}"`);
  const tree = fromDirectory(join(project, 'build/rootfs', name));
  const copy = mkdtempSync(join(tmpdir(), 'trace-'));
  try {
    execFileSync('cp', ['-a', `${join(project, 'build/rootfs', name)}/.`, copy]);
    execFileSync('mount', ['-t', 'proc', 'proc', join(copy, 'proc')]);
    try {
      const seen = new Set<string>();
      const fresh = (paths: readonly string[]): string[] => {
        const found = paths.flatMap(used => walkPath(tree, used)).filter(path => path !== '/' && !seen.has(path) && !/^\/(dev|proc|sys|run|tmp)\//.test(path));
        for (const path of found) seen.add(path);
        return [...new Set(found)];
      };
      const boot = fresh([...machineReads, ...recipe.use.boot.flatMap(command => trace(recipe, copy, command, 'exit\n'))]);
      const order = { boot, later: recipe.use.later.map(command => fresh(trace(recipe, copy, `/bin/bash -c '${command}'`, ''))) };
      const path = join(project, `images/recipes/${name}.order.txt`);
      writeFileSync(path, formatOrder(order));
      console.log(`${path}: ${order.boot.length} files at boot, ${order.later.flat().length} by ${order.later.length} commands later`);
    } finally {
      execFileSync('umount', [join(copy, 'proc')]);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

main(process.cwd(), process.argv[2] ?? 'base');
