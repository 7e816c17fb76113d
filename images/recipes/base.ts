import type { Recipe } from '../recipe.ts';

const hostname = 'linux-vm';

/** The disk that ships inside the extension: a small Debian to work in, under 80 MB compressed. */
export const base: Recipe = {
  name: 'base',
  suite: 'bookworm',
  sources: [
    'deb http://deb.debian.org/debian bookworm main',
    'deb http://deb.debian.org/debian bookworm-updates main',
    'deb http://deb.debian.org/debian-security bookworm-security main',
  ],
  packages: [
    // shell and its tools
    'bash', 'dash', 'coreutils', 'findutils', 'grep', 'sed', 'gawk', 'diffutils', 'debianutils', 'util-linux', 'bsdextrautils',
    'less', 'procps', 'psmisc', 'file', 'hostname', 'login', 'passwd', 'sudo', 'ncurses-base', 'ncurses-bin', 'readline-common',
    // archives
    'tar', 'gzip', 'bzip2', 'xz-utils', 'zip', 'unzip',
    // packages
    'apt', 'dpkg', 'libc-bin', 'tzdata',
    // languages and making things
    'python3', 'perl-base', 'git', 'make', 'patch', 'sqlite3',
    // editors
    'vim-tiny', 'nano',
    // network
    'curl', 'openssh-client', 'ca-certificates', 'netbase',
  ],
  user: { name: 'user', id: 1000, shell: '/bin/bash', groups: ['sudo'] },
  files: [
    { path: '/etc/hostname', text: `${hostname}\n` },
    {
      path: '/etc/hosts',
      text: `127.0.0.1\tlocalhost\n127.0.1.1\t${hostname}\n::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n`,
    },
    // The VM's own resolver.
    { path: '/etc/resolv.conf', text: 'nameserver 127.0.0.1\n' },
    { path: '/etc/fstab', text: '/dev/vda\t/\text2\tdefaults\t0\t1\n' },
    { path: '/etc/default/locale', text: 'LANG=C.UTF-8\n' },
    { path: '/etc/timezone', text: 'Etc/UTC\n' },
    { path: '/etc/machine-id', text: '' },
    { path: '/etc/sudoers.d/user', text: 'user ALL=(ALL:ALL) NOPASSWD: ALL\n', mode: 0o440 },
  ],
  edits: [
    // Each program that a login shell starts costs as much as the shell itself: bash knows its user, and LS_COLORS is made below.
    { path: '/etc/profile', find: '"$(id -u)"', by: '"${EUID:-$(id -u)}"' },
    {
      path: '/etc/skel/.bashrc', find: 'test -r ~/.dircolors && eval "$(dircolors -b ~/.dircolors)" || eval "$(dircolors -b)"',
      by: 'if [ -r ~/.dircolors ]; then eval "$(dircolors -b ~/.dircolors)"; elif [ "$TERM" = xterm-256color ]; then . /etc/dircolors.sh; else eval "$(dircolors -b)"; fi',
    },
  ],
  commands: [
    'TERM=xterm-256color dircolors -b > /etc/dircolors.sh',
    // One file to open in each program's setlocale(3) instead of two dozen.
    'localedef --add-to-archive /usr/lib/locale/C.utf8',
  ],
  remove: [
    // Documentation and translations, which the size does not allow; each package's copyright file stays.
    '/usr/share/man/*', '/usr/share/info/*', '/usr/share/locale/*', '/usr/share/lintian', '/usr/share/bug', '/usr/share/icons',
    '/usr/share/pixmaps', '/usr/share/applications', '/usr/share/gitweb', '/usr/share/doc-base',
    // git for servers and mail, and headers for a compiler that isn't there: as large as they are rare. Reinstalling git brings its parts back.
    '/usr/bin/git-shell', '/usr/bin/scalar', '/usr/lib/git-core/git-shell', '/usr/lib/git-core/scalar', '/usr/lib/git-core/git-daemon',
    '/usr/lib/git-core/git-http-backend', '/usr/lib/git-core/git-imap-send', '/usr/lib/git-core/git-http-push',
    '/usr/lib/x86_64-linux-gnu/perl/5.36.0/CORE',
    // What belongs to the build and not to the disk.
    '/etc/apt/apt.conf.d/99mmdebstrap', '/etc/.pwd.lock', '/etc/passwd-', '/etc/group-', '/etc/shadow-', '/etc/gshadow-', '/etc/subuid-',
    '/etc/subgid-', '/var/cache/apt/*', '/var/cache/ldconfig/*', '/var/cache/man', '/var/lib/apt/lists/*', '/var/lib/dpkg/lock',
    '/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/triggers/Lock', '/var/lib/dpkg/status-old', '/var/lib/dpkg/available',
    '/var/lib/dpkg/diversions-old', '/var/lib/dpkg/statoverride-old', '/var/lib/systemd/random-seed', '/var/log/*', '/tmp/*', '/run/*',
    '/var/cache/debconf/config.dat-old', '/var/cache/debconf/templates.dat-old', '/var/backups/*', '/root/.cache',
  ],
  links: { '/usr/lib/git-core/git': '/usr/bin/git' },
  use: {
    boot: ['/bin/bash -l'],
    later: [
      'ls -la --color=auto / /etc', 'cat /etc/os-release', 'id; uname -a; hostname; date; whoami; pwd; groups', 'ps aux; df -h; free; mount; uptime',
      'cd; mkdir d; touch d/f; cp d/f d/g; mv d/g d/h; rm -r d; chmod 700 .; ln -s a b; du -sh .; stat .', 'grep -r root /etc/passwd; find /etc -name passwd; wc /etc/passwd; head /etc/passwd; tail /etc/passwd; sort /etc/passwd',
      'sed -n 1p /etc/passwd; awk -F: {print} /etc/passwd; cut -d: -f1 /etc/passwd; tr a b < /etc/passwd; seq 3; env; which ls; sleep 0; true; /bin/true; test -e /', 'echo 1 | less -F', 'top -b -n 1',
      'python3 -c 1', 'python3 -c "import sys, os, re, json, subprocess, threading, collections; print(1)"', 'perl -e "print 1"', 'sudo -n true', 'vim.tiny -es -c q', 'nano --version',
      'cd; git init -q r; cd r; git status', 'cd ~/r; git config user.name u; git config user.email u@localhost; touch f; git add f; git commit -qm c; git log --oneline; git status; git diff',
      'make --version', 'sqlite3 :memory: "select 1"', 'curl --version', 'ssh -V', 'file /bin/bash; tar --version; gzip --version; xz --version', 'dpkg -l; apt list --installed',
    ],
  },
  disk: { size: 2 * 2 ** 30, inodes: 131_072, chunkSize: 256 * 1024, label: 'linux-vm', uuid: '7e88a81b0a5e4d4c9d6c62617365d15c' },
};
