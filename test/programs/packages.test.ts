/** Debian packages brought by --mount: apt and dpkg do in the VM what they do in a native chroot of the same image. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { runNative } from '../harness/native.ts';
import { root } from '../harness/run.ts';
import { engines, runInVm } from '../harness/vm.ts';

const debs = join(root, 'build/test-debs');

interface Package {
  readonly name: string;
  readonly version: string;
  readonly depends: string;
  /** Maintainer scripts and `conffiles`, by name. */
  readonly control?: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

/** Builds NAME_VERSION.deb with the machine's own dpkg-deb, the same bytes each time. */
function build({ name, version, depends, control = {}, files }: Package): void {
  const tree = join(debs, `${name}-${version}`);
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
    chmodSync(join(tree, path), text.startsWith('#!') ? 0o755 : 0o644);
  };
  put('DEBIAN/control', `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: A <a@example.invalid>\nDepends: ${depends}\nDescription: package of a test\n`);
  for (const [file, text] of Object.entries(control)) put(`DEBIAN/${file}`, text);
  for (const [file, text] of Object.entries(files)) put(file, text);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, debs], { env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000' } });
}

beforeAll(() => {
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  const postinst = `#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
mkdir -p /var/lib/greeter
perl -e 'print "configured after [$ARGV[0]] by perl ", $] >= 5.036 ? "new" : "old", "\\n"' "$2" >> /var/lib/greeter/state
update-alternatives --install /usr/bin/greet greet /usr/bin/greeter 10
adduser --system --group --no-create-home --quiet greeter 2>/dev/null || useradd --system --no-create-home greeter
chown greeter: /var/lib/greeter/state
`;
  const control = {
    postinst, prerm: '#!/bin/sh\nset -e\n[ "$1" = upgrade ] || update-alternatives --remove greet /usr/bin/greeter\n',
    postrm: '#!/bin/sh\nset -e\nif [ "$1" = purge ]; then rm -rf /var/lib/greeter; fi\n', conffiles: '/etc/greeter.conf\n',
  };
  const files = (text: string) => ({
    'usr/bin/greeter': '#!/usr/bin/python3\nprint(open("/etc/greeter.conf").read().strip(), "from Python")\n', 'etc/greeter.conf': `${text}\n`,
    'usr/share/doc/greeter/copyright': 'Licence: Apache-2.0\n', 'usr/share/greeter/ä name with spaces': text,
  });
  build({ name: 'greeter', version: '1.0-1', depends: 'python3 (>= 3.9), perl-base', control, files: files('hello') });
  build({ name: 'greeter', version: '1.1-1', depends: 'python3 (>= 3.9), perl-base, greeter-data (= 1.1-1)', control, files: files('good morning') });
  build({ name: 'greeter-data', version: '1.1-1', depends: 'dpkg', files: { 'usr/share/greeter/data': 'data\n' } });
  build({ name: 'unfit', version: '1', depends: 'no-such-package', files: { 'usr/share/unfit': 'x' } });
  build({ name: 'failing', version: '1', depends: 'bash', control: { postinst: '#!/bin/sh\necho it fails >&2\nexit 7\n' }, files: { 'usr/share/failing': 'x' } });
});

const show = `show() { dpkg -l 'greeter*' failing 2>&1 | tail -n +6; for f in $(dpkg -L greeter 2>/dev/null | grep ' ' -v); do [ -d $f ] || stat -c '%n %a %U:%G %s' $f; done
  stat -c '%n %U:%G' /var/lib/greeter/state; cat /var/lib/greeter/state; readlink /usr/bin/greet /etc/alternatives/greet; bash -c greet; getent passwd greeter | cut -d: -f1,5-; }
  exec 2>&1; export DEBIAN_FRONTEND=noninteractive; cd /mnt/host`;

test('apt-get installs, upgrades with a dependency, removes and purges', async () => {
  const script = `${show}
    apt-get install -y ./greeter_1.0-1_all.deb; echo "status $?"; show
    apt-get install -y ./greeter_1.1-1_all.deb; echo "status $?"; show
    apt-get install -y ./greeter-data_1.1-1_all.deb ./greeter_1.1-1_all.deb; echo "status $?"; show
    dpkg --verify greeter greeter-data; apt-cache policy greeter | head -3; apt-get check; dpkg --audit
    sha256sum < /var/lib/dpkg/status; sort /var/lib/dpkg/info/greeter*.md5sums /var/lib/dpkg/info/greeter*.list
    apt-get remove -y greeter; echo "status $?"; show; apt-get purge -y greeter greeter-data; echo "status $?"; show; sha256sum < /var/lib/dpkg/status`;
  const options = { user: 'root', mount: debs, timeoutSeconds: 280 } as const;
  const native = await runNative(script, options);
  expect(native.stdout).toContain('good morning from Python');
  for (const engine of engines) expect(await runInVm(script, { ...options, engine }), engine).toEqual(native);
});

test('apt-get and dpkg refuse what does not fit, and say which maintainer script failed', async () => {
  const script = `${show}
    apt-get install -y ./unfit_1_all.deb; echo "status $?"; dpkg -i unfit_1_all.deb; echo "status $?"; apt-get check; echo "status $?"; apt-get -f install -y; echo "status $?"
    apt-get install -y ./failing_1_all.deb; echo "status $?"; show; dpkg --configure -a; echo "status $?"; dpkg --purge failing; echo "status $?"
    printf garbage > /tmp/bad.deb; apt-get install -y /tmp/bad.deb; echo "status $?"; head -c 500 greeter_1.0-1_all.deb > /tmp/cut.deb; dpkg -i /tmp/cut.deb; echo "status $?"
    sudo -u user apt-get install -y ./greeter_1.0-1_all.deb; echo "status $?"; sha256sum < /var/lib/dpkg/status`;
  const options = { user: 'root', mount: debs, timeoutSeconds: 280 } as const;
  const native = await runNative(script, options);
  expect(native.stdout).toContain('it fails');
  for (const engine of engines) expect(await runInVm(script, { ...options, engine }), engine).toEqual(native);
});
