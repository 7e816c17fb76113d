/** Makes a root file system by a recipe: Debian's packages by mmdebstrap, then what the recipe adds and removes, with all times fixed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, linkSync, lstatSync, lutimesSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Recipe } from './recipe.ts';

/** A failure that a person can mend; its message is all they need to see. */
export class BuildError extends Error {}

/**
 * Builds the recipe's root file system at `directory` (replacing what is there) and returns the date of its newest package in seconds;
 * no file in it is younger. Needs root, for owners, device nodes and the packages' own scripts.
 */
export function makeRootfs(recipe: Recipe, directory: string, log: (line: string) => void): number {
  needTools(log);
  const work = `${directory}.new`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(dirname(work), { recursive: true });
  log(`unpacking ${recipe.packages.length} packages and what they need from Debian ${recipe.suite}`);
  bootstrap(recipe, work);
  const date = newestPackage(join(work, 'usr/share/doc'));
  for (const { path, find, by } of recipe.edits) edit(work, path, find, by);
  addUser(recipe, work);
  removeFiles(recipe, work);
  linkFiles(recipe, work);
  for (const file of recipe.files) writeRecipeFile(work, file.path, file.text, file.mode ?? 0o644);
  for (const command of recipe.commands) execFileSync('chroot', [work, '/bin/bash', '-ec', command], { stdio: ['ignore', 'ignore', 'inherit'] });
  writeRecipeFile(work, '/etc/apt/sources.list', recipe.sources.map(line => `${line}\n`).join(''), 0o644);
  fixShadow(join(work, 'etc/shadow'), date);
  clampTimes(Buffer.from(work), date);
  rmSync(directory, { recursive: true, force: true });
  renameSync(work, directory);
  return date;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

export function needRoot(): void {
  if (isRoot()) return;
  throw new BuildError('Building the disk image needs root on Debian, because it unpacks files with their owners and runs the packages\' scripts. Run "sudo npm run image" (it installs mmdebstrap if that is missing), then this again.');
}

function needTools(log: (line: string) => void): void {
  const found = (): boolean => spawnSync('mmdebstrap', ['--version']).status === 0;
  if (found()) return;
  log('installing mmdebstrap');
  spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore' });
  spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'mmdebstrap'], { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  if (!found()) throw new BuildError('Building a disk image needs mmdebstrap and it could not be installed. On Debian or Ubuntu: "apt-get install mmdebstrap".');
}

/** How this machine reaches Debian's archive (proxies, checks of dates); used for the download, not left in the image. */
function hostAcquireOptions(): string[] {
  const dump = spawnSync('apt-config', ['dump'], { encoding: 'utf8' });
  const lines = dump.status === 0 ? dump.stdout.split('\n') : [];
  return lines.filter(line => /^Acquire::(https?::|Check-|Retries)/.test(line) && !line.endsWith(' "";')).map(line => `--aptopt=${line}`);
}

function bootstrap(recipe: Recipe, directory: string): void {
  const args = [
    '--variant=essential', '--mode=root', `--include=${recipe.packages.join(',')}`, ...hostAcquireOptions(),
    recipe.suite, directory, ...recipe.sources,
  ];
  const run = spawnSync('mmdebstrap', args, { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, PYTHONHASHSEED: '0', SOURCE_DATE_EPOCH: '1' } });
  if (run.status === 0) return;
  const tail = `${run.stdout}${run.stderr}`.trim().split('\n').slice(-15).join('\n');
  rmSync(directory, { recursive: true, force: true });
  throw new BuildError(`mmdebstrap could not make the root file system:\n${tail}`);
}

/** The youngest file that a package brought into its folder in /usr/share/doc (they carry the date of the package's last change), in seconds. */
function newestPackage(docs: string): number {
  const newest = { date: 0 };
  for (const name of readdirSync(docs)) {
    const folder = join(docs, name);
    if (!lstatSync(folder).isDirectory()) continue;
    for (const file of ['changelog.Debian.gz', 'changelog.Debian.amd64.gz', 'changelog.gz', 'copyright']) {
      const path = join(folder, file);
      if (existsSync(path)) newest.date = Math.max(newest.date, Math.floor(statSync(path).mtimeMs / 1000));
    }
  }
  return newest.date;
}

/** Changes a file in place, so that mode and owner stay. */
function edit(root: string, path: string, find: string, by: string): void {
  const target = join(root, path);
  const text = readFileSync(target, 'utf8');
  if (!text.includes(find)) throw new BuildError(`${path} has no ${JSON.stringify(find)}: the recipe must be brought up to date`);
  writeFileSync(target, text.replaceAll(find, () => by));
}

function addUser(recipe: Recipe, directory: string): void {
  const { name, id, shell, groups } = recipe.user;
  execFileSync('chroot', [directory, '/usr/sbin/useradd', '--create-home', '--uid', `${id}`, '--user-group', '--shell', shell, '--groups', groups.join(','), name]);
}

function removeFiles(recipe: Recipe, directory: string): void {
  for (const path of recipe.remove) {
    const all = path.endsWith('/*');
    const target = join(directory, all ? path.slice(0, -2) : path);
    if (!all) rmSync(target, { recursive: true, force: true });
    else if (existsSync(target)) for (const name of readdirSync(target)) rmSync(join(target, name), { recursive: true, force: true });
  }
  keepOnlyCopyright(join(directory, 'usr/share/doc'));
  mkdirSync(join(directory, 'var/lib/apt/lists/partial'), { recursive: true });
  mkdirSync(join(directory, 'var/cache/apt/archives/partial'), { recursive: true });
  for (const folder of ['var/lib/apt/lists/partial', 'var/cache/apt/archives/partial']) chmodSync(join(directory, folder), 0o700);
  mkdirSync(join(directory, 'var/log/apt'), { recursive: true });
}

function linkFiles(recipe: Recipe, directory: string): void {
  for (const [path, other] of Object.entries(recipe.links)) {
    const [from, to] = [join(directory, path), join(directory, other)];
    if (!readFileSync(from).equals(readFileSync(to))) throw new BuildError(`${path} and ${other} differ: the recipe must not link them`);
    rmSync(from);
    linkSync(to, from);
  }
}

/** Leaves the copyright files of /usr/share/doc and the links between its folders. */
function keepOnlyCopyright(docs: string): void {
  for (const entry of readdirSync(docs, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    for (const name of readdirSync(join(docs, entry.name))) {
      if (name !== 'copyright') rmSync(join(docs, entry.name, name), { recursive: true, force: true });
    }
  }
}

function writeRecipeFile(root: string, path: string, text: string, mode: number): void {
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { force: true });
  writeFileSync(target, text);
  chownSync(target, 0, 0);
  chmodSync(target, mode);
}

/** shadow(5): the day of the last change of each password becomes the day of the newest package. */
function fixShadow(path: string, date: number): void {
  const day = Math.floor(date / 86_400);
  const lines = readFileSync(path, 'utf8').split('\n').map(line => {
    const fields = line.split(':');
    if (fields.length > 2) fields[2] = `${day}`;
    return fields.join(':');
  });
  writeFileSync(path, lines.join('\n'));
}

/** Sets every time later than `date` (what was made or changed here) to `date`. */
function clampTimes(path: Buffer, date: number): void {
  const stat = lstatSync(path);
  // Names are bytes: some certificates' are not ASCII.
  if (stat.isDirectory()) for (const name of readdirSync(path, 'buffer')) clampTimes(Buffer.concat([path, Buffer.from('/'), name]), date);
  const time = Math.min(Math.floor(stat.mtimeMs / 1000), date);
  lutimesSync(path, time, time);
}

/** A hash over the names, types, modes, owners, sizes and times below a directory: changes when a program wrote there. */
export function fingerprint(directory: string): string {
  const hash = createHash('sha256');
  const walk = (path: string, name: string): void => {
    const stat = lstatSync(path);
    const folder = stat.isDirectory();
    hash.update(`${name}\0${stat.mode} ${stat.uid} ${stat.gid} ${folder ? 0 : stat.size} ${stat.nlink} ${Math.floor(stat.mtimeMs)}\n`);
    if (folder) for (const entry of readdirSync(path).sort()) walk(join(path, entry), `${name}/${entry}`);
  };
  walk(directory, '');
  return hash.digest('hex');
}
