/**
 * The oracle: the same root file system on the machine's own Linux, in a chroot under a throw-away overlay, with its own mounts and
 * process numbers. Needs root. CPU features that the VM doesn't announce are switched off in glibc, so that libm takes the same paths.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run, type Outcome, type RunOptions } from './run.ts';

/** The unpacked root file system that the image was made from. */
export const baseRoot = join(root, 'build/rootfs/base');

const tunables = 'glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-FMA,-FMA4,-RTM';

export interface GuestCommand extends RunOptions {
  readonly user?: 'user' | 'root';
  /** Host directory that appears at /mnt/host. */
  readonly mount?: string;
  /** How the VM runs code. */
  readonly engine?: 'interpreter' | 'jit' | 'eager' | 'check';
}

/** Runs `script` with bash in the chroot, in the user's home. */
export async function runNative(script: string, options: GuestCommand = {}): Promise<Outcome> {
  if (process.getuid?.() !== 0) throw new Error('The native comparison needs root (chroot, mount).');
  if (!existsSync(baseRoot)) throw new Error('No root file system to compare with: run npm run image.');
  const scratch = mkdtempSync(join(tmpdir(), 'terrarium-native-'));
  try {
    const user = options.user ?? 'user';
    const home = user === 'root' ? '/root' : `/home/${user}`;
    writeFileSync(join(scratch, 'script'), script);
    writeFileSync(join(scratch, 'enter'), `set -e
echo linux-vm > /proc/sys/kernel/hostname
mkdir ${scratch}/t; mount -t tmpfs -o mode=755 none ${scratch}/t
cd ${scratch}/t; mkdir upper work root
mount -t overlay overlay -o lowerdir=${baseRoot},upperdir=$PWD/upper,workdir=$PWD/work root
mount -t proc proc root/proc; mount -t tmpfs -o mode=1777 none root/tmp
mount --rbind /dev root/dev
mkdir -p root/mnt/host
${options.mount ? `mount --bind ${options.mount} root/mnt/host` : ''}
cp ${scratch}/script root/tmp/.script; chmod 644 root/tmp/.script
exec env -i ${environment(user, home)} chroot --userspec=${user}:${user} --groups=${user === 'root' ? '0' : 'user,sudo'} root bash -c 'cd ${home}; . /tmp/.script; exit $?'
`);
    return await run('unshare', ['--mount', '--pid', '--fork', '--uts', 'sh', join(scratch, 'enter')], options);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function environment(user: string, home: string): string {
  return `TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=${home} USER=${user} GLIBC_TUNABLES=${tunables}`;
}
