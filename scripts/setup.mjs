// What `npm start` and `npm test` share: the npm packages of this project and the Debian packages that a command needs.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Debian packages by what needs them. */
export const debianPackages = {
  image: ['mmdebstrap', 'xz-utils', 'e2fsprogs'],
  tests: ['gcc', 'libc6-dev', 'binutils', 'e2fsprogs', 'chromium', 'make', 'g++', 'python3'],
};

/** Ends the program with one sentence. */
export function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** Installs this project's npm packages (exact versions of package-lock.json) when they aren't there or the lock file changed. What it says goes to standard error: standard output is the guest's in `npm run vm`. */
export function ensureNodePackages() {
  if (Number(process.versions.node.split('.')[0]) < 20) fail('Node 20 or newer is needed.');
  const lock = createHash('sha256').update(readFileSync(join(root, 'package-lock.json'))).digest('hex');
  const stamp = join(root, 'node_modules/.terrarium-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('Installing npm packages ...');
  // No install script of a package is run: none is needed.
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, stdio: ['inherit', 2, 2], shell: process.platform === 'win32' });
  if (done.status !== 0) fail('npm ci failed; see above.');
  writeFileSync(stamp, lock);
}

/** Makes sure that Debian packages are installed: as root on Debian by itself, elsewhere one message says what to install, and `advice`. */
export function ensureDebianPackages(names, advice = '') {
  const missing = names.filter(name => !isInstalled(name));
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) {
    fail(`These Debian packages are needed and not installed: ${missing.join(', ')}. As root on Debian 12: ${command}${advice}`);
  }
  console.log(`Installing Debian packages: ${missing.join(' ')} ...`);
  mkdirSync(join(root, 'build'), { recursive: true });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-q'], ['install', '-y', '-q', '--no-install-recommends', ...missing]]) {
    const done = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=600', ...args], { env, encoding: 'utf8' });
    if (done.status !== 0) fail(`${command} failed:\n${done.stdout}${done.stderr}`);
  }
}

function isInstalled(name) {
  try {
    return execFileSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).includes('ok installed');
  } catch {
    return false;
  }
}
