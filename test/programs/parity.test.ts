/**
 * Debian's own programs give in the VM what they give in a native chroot of the same image: output and status, byte for byte.
 * TERRARIUM_THOROUGH=1 adds what takes many minutes: all of /usr through tar and xz, and sed's slowest kind of expression on 10 MB.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runNative } from '../harness/native.ts';
import { Random } from '../harness/random.ts';
import { root } from '../harness/run.ts';
import { engines, runInVm } from '../harness/vm.ts';

const thorough = process.env['TERRARIUM_THOROUGH'] === '1';
/** In both at /mnt/host. */
const shared = join(root, 'build/test-parity');

const python = (code: string): string => `python3 - <<'EOF'\n${code}\nEOF`;
const git = 'git -c init.defaultBranch=main -c user.name=a -c user.email=a@example -c gc.auto=0';
const gitDates = 'export GIT_AUTHOR_DATE="2024-01-01T00:00:00Z" GIT_COMMITTER_DATE="2024-01-01T00:00:00Z" GIT_PAGER=cat';

const cases: Record<string, string> = {
  'a loop of processes': 'for i in {1..200}; do /bin/true; done; echo ok',
  'exit status': 'exit 7',
  'death by signal': '{ (kill -SEGV $BASHPID); echo $?; (kill -9 $BASHPID); echo $?; } 2>/dev/null',
  'standard input': 'echo abc | tr a-c x-z; read line <<< "here"; echo "$line"',
  'files of /etc': 'ls -laR /etc --time-style=full-iso 2>/dev/null | grep -v "^d\\|^total" | sort | sha256sum',
  'all names': 'find /usr /etc /bin /sbin /lib -xdev | wc -l',
  'packages': 'dpkg -l | sha256sum; dpkg --verify | head',
  'tar through xz': 'tar -c --sort=name -C /usr/lib/python3.11 json email asyncio | xz -T1 -0 | sha256sum',
  'awk, sed, sort on a megabyte': `export LC_ALL=C; awk 'BEGIN { for (i = 0; i < 30000; i++) printf "%d %08x line of text %d\\n", (i * 7919) % 300007, i * 2654435761 % 4294967296, i }' > /tmp/a
    sort -n /tmp/a | sha256sum; sed 's/\\([0-9a-f]*\\) line/<\\1>/' /tmp/a | sha256sum; awk '{ s[$1 % 97] += length($2) } END { for (i = 0; i < 97; i++) print s[i] }' /tmp/a; wc /tmp/a`,
  'perl': `perl -e 'printf "%.17g\\n", $_ for 1/3, 1e300*1e10, -1/7, atan2(1,1)*4, exp(1), sqrt(2), 2**0.5, sin(1e22); my $t = "the quick brown fox" x 50; my $n = () = $t =~ /\\b(\\w)(\\w*)\\b/g; print "$n\\n"; $t =~ s/(\\w+)/\\u$1/g; print substr($t, 0, 40), "\\n";'`,
  'python: json': python(`import json, random
random.seed(1)
data = [{'a': random.random(), 'b': [random.randint(-10**20, 10**20) for _ in range(5)], 'c': 'ü\\n' * i} for i in range(200)]
text = json.dumps(data, indent=1); print(hash(text) is not None, len(text), json.loads(text) == data)`),
  'python: decimal': python(`from decimal import *
getcontext().prec = 60
print(Decimal(2).sqrt(), Decimal(1) / 7, (Decimal('1.1') ** 50).ln(), Decimal('1e-50').exp())`),
  'python: floating point': python(`import math
print(*[repr(f(x)) for x in (0.1, 1.5, 100.25, 1e-5) for f in (math.sin, math.cos, math.tan, math.exp, math.log, math.sqrt, math.gamma, math.erf, math.atan)], sep='\\n')
print(1e23, 2.0 ** -1074, float('inf') - float('inf'), int(1e300), round(2.675, 2), 7.0 // 0.1, math.fsum([.1] * 10))`),
  'python: threads': python(`import threading, queue
q = queue.Queue(); out = []
def work():
    while (n := q.get()) is not None: out.append(n * n)
ts = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in ts]
for i in range(500): q.put(i)
for _ in ts: q.put(None)
[t.join() for t in ts]; print(sum(out), len(out))
lock = threading.Lock(); c = 0
def inc():
    global c
    for _ in range(2000):
        with lock: c += 1
ts = [threading.Thread(target=inc) for _ in range(4)]; [t.start() for t in ts]; [t.join() for t in ts]; print(c)
e = threading.Event(); print(e.wait(0.05)); threading.Timer(0.02, e.set).start(); print(e.wait(5))`),
  'python: subprocess': python(`import subprocess, sys
print(subprocess.run(['sh', '-c', 'echo out; echo err >&2; exit 3'], capture_output=True))
p = subprocess.Popen(['cat'], stdin=-1, stdout=-1); print(p.communicate(b'x' * 300000)[0].__len__(), p.returncode)
try: subprocess.run(['sleep', '9'], timeout=0.1)
except subprocess.TimeoutExpired as e: print('timeout')
print(subprocess.run('kill -9 $$', shell=True).returncode)
try: subprocess.run(['/nonexistent'])
except FileNotFoundError as e: print(e)`),
  'python: multiprocessing': `cat > /tmp/m.py <<'EOF'
import multiprocessing as mp
def f(x): return x * x
if __name__ == '__main__':
    for method in ('fork', 'spawn'):
        with mp.get_context(method).Pool(3) as p: print(method, sum(p.map(f, range(200))))
EOF
python3 /tmp/m.py`,
  'python: sqlite3': python(`import sqlite3
c = sqlite3.connect('/tmp/x.db'); c.execute('create table t(a integer primary key, b text, c real)')
with c: c.executemany('insert into t values(?,?,?)', ((i, 'row %d' % i, i / 7) for i in range(5000)))
print(c.execute('select count(*), sum(c), max(b) from t where a % 3 = 1').fetchone(), c.execute('pragma integrity_check').fetchone())
with c: c.execute('delete from t where a < 2500')
c.execute('vacuum'); print(c.execute('select count(*) from t').fetchone())`),
  // Bytes, not characters: in a UTF-8 locale sort's and sed's time goes into mbrtowc and strcoll, natively too.
  'awk, sed, sort on ten megabytes': `export LC_ALL=C; cd /mnt/host; wc ten; sort ten | sha256sum; sort -n ten | sha256sum; sed 's/ line of/ & the/;/9999/d' ten | sha256sum
    awk '{ s[$1 % 97] += length($2) } END { for (i = 0; i < 97; i++) print s[i] }' ten`,
  'python: compileall of what the checks above run': `export PYTHONHASHSEED=0; mkdir /tmp/lib; cd /usr/lib/python3.11
    cp -r json multiprocessing sqlite3 decimal.py _pydecimal.py threading.py subprocess.py /tmp/lib; cd /tmp/lib; rm -r $(find . -name __pycache__)
    find . -exec touch -d @1700000000 {} +; python3 -m compileall -j2 . | sort; python3 -m compileall .; find . -name '*.pyc' | sort | xargs sha256sum
    rm -r $(find . -name '*.py'); find . -name '*.pyc' | while read -r f; do mv "$f" "$(dirname "$(dirname "$f")")/$(basename "$f" .cpython-311.pyc).pyc"; done
    PYTHONPATH=/tmp/lib python3 -c 'import _pydecimal, json, threading, subprocess, multiprocessing, sqlite3
print([m.__file__ for m in (_pydecimal, json, threading, subprocess, multiprocessing, sqlite3)])
print(_pydecimal.Decimal(2).sqrt(), json.dumps({"a": [1.5, None]}), subprocess.check_output(["echo", "x"]), sqlite3.connect(":memory:").execute("select 6*7").fetchone())'`,
  'python: compileall': 'cp -r /usr/lib/python3*/json /usr/lib/python3*/email /tmp; cd /tmp; python3 -m compileall -q json email; echo $?; find json email -name "*.pyc" | wc -l',
  'git on a thousand files': `${gitDates}; mkdir /tmp/r; cd /tmp/r; ${git} init -q .
    for i in {1..1000}; do mkdir -p d$((i % 20)); echo "file $i" > d$((i % 20))/f$i; done
    ${git} add .; ${git} commit -qm one; for i in {1..100}; do echo more >> d$((i % 20))/f$i; done; ${git} diff --stat | tail -1; ${git} commit -qam two
    ${git} log --oneline; ${git} gc -q; ${git} fsck; ${git} clone -q /tmp/r /tmp/c; cd /tmp/c; ${git} status --short | wc -l; ${git} log -p | sha256sum`,
  'links, modes, times': `cd /tmp; umask 027; touch -d @1700000000.123456789 a; ln a b; ln -s a c; ln -s missing d; mkfifo f; mkdir -m 1777 e
    stat -c '%n %F %a %h %s %Y %y' a b c d e f | sed 's/^e .*/e/;s/ [0-9.: +-]*$//'; stat -c '%.9Y' a; readlink c; cat d; test a -ef b && echo same; mv a z; cat < z; chmod 4755 z; stat -c %A z; truncate -s 5G z; stat -c '%s %b' z; ls -i b z | awk '{print $1}' | uniq | wc -l`,
  'sparse files and offsets': `cd /tmp; dd if=/dev/zero of=s bs=1 count=1 seek=3000000000 2>/dev/null; stat -c %s s; echo end >> s; tail -c 5 s | od -c; cp --sparse=always s t; cmp s t && echo equal; fallocate -l 1M g; stat -c %s g`,
  'pipes': 'yes | head -n 100000 | sha256sum; seq 100000 | tac | rev | sort -r | uniq -c | wc -l; (sleep 0.1; echo late) | cat; false | true; echo "${PIPESTATUS[@]}"',
  'signals': `trap 'echo usr1' USR1; kill -USR1 $$; trap '' PIPE; (trap - PIPE; yes) | head -1; timeout 1 sleep 9; echo $?; sleep 5 & kill -STOP $!; kill -CONT $!; kill $!; wait $!; echo $?
    (trap 'echo term; exit 5' TERM; kill -TERM $BASHPID; echo not here); echo $?`,
  'SIGPIPE and SIGCHLD': `yes | head -1; echo "\${PIPESTATUS[@]}"; (trap '' PIPE; yes 2> /tmp/e; echo "status $?" > /tmp/s) | head -1; cat /tmp/e /tmp/s
    n=0; trap 'n=$((n + 1))' CHLD; set -m; for i in 1 2 3; do (exit $i); done; sleep 0.1 & wait $!; echo "children: $n"
    ${python(`import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
for end in ('os._exit(5)', 'os.kill(os.getpid(), 9)', 'os.kill(os.getpid(), 19)'):
    pid = os.fork()
    if pid == 0: exec(end); os._exit(0)
    i = signal.sigwaitinfo([signal.SIGCHLD]); print(i.si_signo, i.si_code, i.si_status, i.si_pid == pid, i.si_uid == os.getuid())
os.kill(pid, 18); print(signal.sigtimedwait([signal.SIGCHLD], 5).si_code, os.waitpid(pid, 0)[1])
signal.signal(signal.SIGPIPE, signal.SIG_DFL); r, w = os.pipe(); os.close(r)
pid = os.fork()
if pid == 0: os.write(w, b'x'); os._exit(0)
print(os.WTERMSIG(os.waitpid(pid, 0)[1]))`)}`,
  'kill -STOP and -CONT': `state() { until [ "$(sed 's/.*) //;s/ .*//' /proc/$1/stat)" = $2 ]; do :; done; echo "$2"; }
    (i=0; while :; do i=$((i + 1)); echo $i > /tmp/count; done) & p=$!; state $p R; kill -STOP $p; state $p T; a=$(cat /tmp/count); sleep 0.3; [ "$a" = "$(cat /tmp/count)" ] && echo stands
    kill -CONT $p; state $p R; until [ "$a" != "$(cat /tmp/count)" ]; do :; done; echo goes on; kill -STOP $p; state $p T; kill -KILL $p; wait $p 2>/dev/null; echo $?`,
  'a tree of 127 processes': `t() { if [ $1 = 0 ]; then exit 1; fi; (t $(($1 - 1))) & a=$!; (t $(($1 - 1))) & b=$!; wait $a; a=$?; wait $b; exit $((a + $? + 1)); }
    (t 6); echo $?; python3 -c "import os
pids = [os.fork() or os._exit(i % 7) for i in range(100)]; print(len(set(pids)), sum(os.WEXITSTATUS(os.waitpid(p, 0)[1]) for p in pids))"`,
  'a tree of 100 processes': 'for i in {1..10}; do (for j in {1..9}; do (exit $j) & done; wait) & done; wait; echo done',
  'limits': 'ulimit -v 200000; python3 -c "x = bytearray(10**9)" 2>&1 | tail -1; ulimit -n 5; exec 2>/dev/null; (exec 9</dev/null) || echo no descriptor',
  'locale and text': `printf 'ä\\nz\\na\\n' | sort; echo 'grüße' | grep -o 'ü.*' ; echo -n 'grüße' | wc -m; python3 -c "print('日本'.upper(), 'ß'.upper())"; printf '%s\\n' a{1..3}`,
  'compression': 'cd /tmp; seq 20000 > x; gzip -nk x; xz -k -1 x; bzip2 -k x 2>/dev/null; for f in x.gz x.xz; do sha256sum < $f; done; zcat x.gz | cmp - x; xz -dc x.xz | cmp - x && echo equal',
  'find and xargs': "find /usr/share -type f -size +100k -printf '%s %p\\n' | sort -n | sha256sum; find /usr/bin -type l | xargs -n 10 ls -ld | awk '{print $NF}' | sort | sha256sum",
  'diff and make': `cd /tmp; seq 100 > a; sed 's/5/five/' a > b; diff -u --label a --label b a b; printf 'all: x y\\nx:\\n\\techo x > x\\ny: x\\n\\tcat x x > y\\n' > Makefile; command -v make >/dev/null && make && make; cat y`,
  'a recursive fork bomb under ulimit -u': `ulimit -u 40; perl -e 'sub b { my $d = shift; return if $d == 0; for (1..3) { my $p = fork; if (!defined $p) { print STDERR int($!), "\n" } elsif ($p == 0) { b($d - 1); exit } }
      sleep 0.1; 1 while wait > 0 } b(6)' 2>&1 | sort | uniq -c | awk '{ print $1 > 0, $2 }'; echo alive; (exit 3); echo $?`,
  'users': 'id; whoami; sudo id -u; sudo -u user whoami; su -c whoami </dev/null 2>&1 | tail -1; stat -c "%U %G" ~',
};

if (thorough) {
  Object.assign(cases, {
    'all of /usr through tar and xz': 'cd /; tar -c --sort=name --numeric-owner usr 2>/dev/null | xz -T1 -0 | sha256sum',
    'sed with groups on ten megabytes': `export LC_ALL=C; sed 's/\\([0-9a-f]*\\) line/<\\1>/' /mnt/host/ten | sha256sum`,
  });
}

/** Ten megabytes of lines in no order. */
function tenMegabytes(): string {
  const random = new Random(10);
  return Array.from({ length: 280_000 }, (_, i) => `${random.below(300_000)} ${random.below(2 ** 32).toString(16).padStart(8, '0')} line of text ${i}\n`).join('');
}

beforeAll(() => {
  mkdirSync(shared, { recursive: true });
  writeFileSync(join(shared, 'ten'), tenMegabytes());
});

describe.each(Object.entries(cases))('%s', (_name, script) => {
  test('is as native', async () => {
    const options = { mount: shared, timeoutSeconds: thorough ? 3600 : 280 } as const;
    const native = await runNative(script, options);
    // The tier that isn't the default yet only in thorough mode: it doubles the time.
    for (const engine of thorough ? engines : engines.slice(0, 1)) {
      const ours = await runInVm(script, { ...options, engine });
      expect({ status: ours.status, stdout: ours.stdout }, engine).toEqual({ status: native.status, stdout: native.stdout });
      expect(ours.stderr.replaceAll(/bash: line \d+: /g, ''), engine).toBe(native.stderr.replaceAll(/\/tmp\/\.script: line \d+: /g, ''));
    }
  }, thorough ? 8_000_000 : 600_000);
});
