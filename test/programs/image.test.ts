/** The base image as built: sound, small enough, in the right order, and free of the machine that built it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, afterAll, expect, test } from 'vitest';
import { exportDisk, openDisk, type OpenedDisk } from '../../webview/vm/node/disk.ts';
import { baseRoot } from '../harness/native.ts';
import { root } from '../harness/run.ts';

const folder = join(root, 'build/images/base');
const lines: string[] = [];
let disk: OpenedDisk;
let scratch = '';
let raw = '';
beforeAll(async () => {
  const opened = await openDisk('base', join(root, 'build/images'), line => lines.push(line));
  if (typeof opened === 'string') throw new Error(opened);
  disk = opened;
  scratch = mkdtempSync(join(tmpdir(), 'terrarium-image-'));
  raw = join(scratch, 'base.ext2');
  expect(exportDisk(disk.device, raw)).toBe(0);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('every chunk has its hash, and e2fsck finds nothing', () => {
  expect(lines).toEqual([]);
  const run = spawnSync('e2fsck', ['-fn', raw], { encoding: 'utf8' });
  expect([run.status, run.stdout]).toEqual([0, expect.stringMatching(/^Pass 1: .*\nPass 2: .*\nPass 3: .*\nPass 4: .*\nPass 5: .*\nlinux-vm: /)]);
});

test('it fits: under 80 MB, each file at most 8 MiB; a boot needs less than 4 MB', () => {
  const sizes = readdirSync(folder).map(name => statSync(join(folder, name)).size);
  expect(sizes.reduce((a, b) => a + b)).toBeLessThan(76e6);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(8 * 2 ** 20);
  const boot = new Set(disk.manifest!.boot);
  expect(boot.size).toBeGreaterThan(0);
  expect(disk.manifest!.chunks.filter(chunk => boot.has(chunk.index)).reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(4e6);
});

test('debugfs reads the tree that the native comparison runs', () => {
  const dumped = join(scratch, 'dumped');
  spawnSync('mkdir', [dumped]);
  spawnSync('debugfs', ['-R', `rdump /etc /home /var/lib/dpkg /usr/lib/python3.11 /usr/bin ${dumped}`, raw], { stdio: 'ignore' });
  for (const [name, path] of [['etc', 'etc'], ['home', 'home'], ['dpkg', 'var/lib/dpkg'], ['python3.11', 'usr/lib/python3.11'], ['bin', 'usr/bin']]) {
    const run = spawnSync('diff', ['-r', '--no-dereference', join(dumped, name!), join(baseRoot, path!)], { encoding: 'utf8' });
    expect([run.status, run.stdout]).toEqual([0, '']);
  }
});

test('each package is listed with its licences and has its copyright file', () => {
  const { packages } = disk.manifest!;
  expect(packages.map(entry => entry.name)).toEqual(expect.arrayContaining(['bash', 'coreutils', 'python3', 'perl-base', 'git', 'apt', 'vim-tiny', 'curl', 'openssh-client', 'sudo']));
  for (const { name, licences } of packages) {
    expect(existsSync(join(baseRoot, 'usr/share/doc', name, 'copyright')), name).toBe(true);
    expect(licences, name).not.toHaveLength(0);
    expect(licences, name).not.toContain('see its copyright file');
  }
});

test('nothing of the building machine is in it', () => {
  const text = (path: string): string => readFileSync(join(baseRoot, path), 'utf8');
  expect(text('etc/apt/sources.list')).toBe('deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian bookworm-updates main\ndeb http://deb.debian.org/debian-security bookworm-security main\n');
  expect(readdirSync(join(baseRoot, 'etc/apt/apt.conf.d')).sort()).toEqual(['01autoremove', '70debconf']);
  expect(readdirSync(join(baseRoot, 'etc/apt/sources.list.d'))).toEqual([]);
  expect([text('etc/hostname'), text('etc/machine-id'), text('etc/resolv.conf')]).toEqual(['linux-vm\n', '', 'nameserver 127.0.0.1\n']);
  expect(readdirSync(join(baseRoot, 'var/log'))).toEqual(['apt']);
  expect(readdirSync(join(baseRoot, 'var/lib/apt/lists'))).toEqual(['partial']);
});
