/** Programs on a terminal: the shell's job control, editors, pagers, window size. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VirtualMachine } from '../../webview/vm/machine.ts';
import { Session, bootBase } from '../harness/session.ts';

let machine: VirtualMachine;
const log: string[] = [];

beforeAll(async () => {
  machine = await bootBase(log);
});
afterAll(() => machine?.stop());

/** A shell at its prompt. */
async function shell(): Promise<Session> {
  const session = await Session.start(machine, ['bash', '--norc', '-i']);
  await session.expect(/\$ $/);
  return session;
}

describe('a shell', () => {
  test('echoes, edits and runs', async () => {
    const s = await shell();
    s.type('echo hallx\x7fo; tty; stty size\r');
    await s.expect(/\r\nhallo\r\n\/dev\/pts\/\d+\r\n24 80\r\n/);
    s.type('exit 3\r');
    expect(await s.ended()).toBe(3 << 8);
    s.close();
  });

  test('Ctrl-C ends a program and not the shell', async () => {
    const s = await shell();
    s.type('sleep 100\r');
    await s.expect(/sleep 100\r\n/);
    await new Promise(resolve => setTimeout(resolve, 300));
    s.type('\x03');
    await s.expect(/\$ $/);
    s.type('echo status $?\r');
    await s.expect(/\r\nstatus 130\r\n/);
    s.close();
  });

  test('Ctrl-Z stops, bg and fg continue', async () => {
    const s = await shell();
    s.type('sleep 50\r');
    await s.expect(/sleep 50\r\n/);
    await new Promise(resolve => setTimeout(resolve, 300));
    s.type('\x1a');
    await s.expect(/\[1\]\+\s+Stopped\s+sleep 50\r\n\$ $/);
    s.type('bg\r');
    await s.expect(/\[1\]\+ sleep 50 &\r\n/);
    s.type('jobs\r');
    await s.expect(/\[1\]\+\s+Running\s+sleep 50 &\r\n/);
    s.type('fg\r');
    await s.expect(/sleep 50\r\n/);
    s.type('\x03');
    await s.expect(/\$ $/);
    s.close();
  });

  test('a new size reaches the program', async () => {
    const s = await shell();
    s.type("trap 'stty size' WINCH\r");
    await s.expect(/\$ $/);
    s.terminal.resize(101, 33);
    s.type('\r');
    await s.expect(/33 101\r\n/);
    s.close();
  });

  test('kill -STOP stops a job, -CONT continues and SIGTERM ends it', async () => {
    const s = await shell();
    s.type('sleep 60 &\r');
    await s.expect(/\[1\] \d+\r\n\$ $/);
    s.type('kill -STOP %1; until jobs -s | grep -q .; do :; done; ps -o stat= -p $!; jobs\r');
    await s.expect(/\nT\r\n\[1\]\+\s+Stopped\s+sleep 60\r\n\$ $/);
    s.type('kill -CONT %1; until jobs -r | grep -q .; do :; done; ps -o stat= -p $!; jobs\r');
    await s.expect(/\nS\r\n\[1\]\+\s+Running\s+sleep 60 &\r\n\$ $/);
    s.type('kill %1; wait %1; echo status $?\r');
    await s.expect(/Terminated\s+sleep 60\r\nstatus 143\r\n\$ $/);
    s.close();
  });

  test('a stopped job reads nothing; a job in the background stops when it reads', async () => {
    const s = await shell();
    s.type('cat\r');
    await s.expect(/cat\r\n/);
    s.type('one\r');
    await s.expect(/one\r\none\r\n/);
    s.type('\x1a');
    await s.expect(/Stopped\s+cat\r\n\$ $/);
    s.type('echo shell\r');
    await s.expect(/\nshell\r\n\$ $/);
    s.type('bg; until jobs -s | grep -q .; do :; done; jobs\r');
    await s.expect(/Stopped( \(tty input\))?\s+cat\r\n\$ $/);
    s.type('fg\r');
    await s.expect(/fg\r\ncat\r\n/);
    await new Promise(resolve => setTimeout(resolve, 300));
    s.type('two\r\x04');
    await s.expect(/two\r\ntwo\r\n\$ $/);
    s.type('stty tostop; (echo be""hind) & until jobs -s | grep -q .; do :; done; stty -tostop; fg\r');
    await s.expect(/\nbehind\r\n/);
    s.close();
  });

  test('Ctrl-\\ dumps nothing but says so; Ctrl-C reaches all of a pipeline, and a script that traps it', async () => {
    const s = await shell();
    s.type('sleep 60\r');
    await s.expect(/sleep 60\r\n/);
    await new Promise(resolve => setTimeout(resolve, 300));
    s.type('\x1c');
    await s.expect(/Quit( \(core dumped\))?\r\n\$ $/);
    s.type('echo status $?; sleep 60 | sleep 61 | cat\r');
    await s.expect(/status 131\r\n/);
    await new Promise(resolve => setTimeout(resolve, 300));
    s.type('\x03');
    await s.expect(/\^C\r?\n\$ $/);
    s.type('pgrep -c sleep; bash -c "trap \'echo caught; exit 9\' INT; echo re\\ady; while :; do sleep 0.1; done"\r');
    await s.expect(/\n0\r\nready\r\n/);
    s.type('\x03');
    await s.expect(/caught\r\n\$ $/);
    s.type('echo status $?\r');
    await s.expect(/status 9\r\n/);
    s.close();
  });

  test('closing the terminal hangs the session up', async () => {
    const s = await shell();
    s.type('trap "" HUP; sleep 30\r');
    await s.expect(/sleep 30\r\n/);
    const other = await shell();
    other.close();
    expect((await other.ended()) & 0x7f).toBe(1);
    s.close();
  });

  test('a fork bomb under a limit ends with the shell alive', async () => {
    const s = await shell();
    s.type('ulimit -u 30; f() { f | f & }; f 2>/dev/null; sleep 1; echo al""ive\r');
    await s.expect(/alive\r\n/, 60);
    // All of the user's processes but the shell itself.
    s.type('kill -KILL -1; wait; pgrep -c ba""sh; echo st""ill\r');
    await s.expect(/\r\n1\r\nstill\r\n/, 60);
    s.close();
  }, 90_000);
});

describe('full-screen programs', () => {
  test('vim edits and saves', async () => {
    const s = await Session.start(machine, ['bash', '-c', 'cd /tmp; vi t.txt; cat t.txt']);
    await s.expect(/t\.txt/);
    s.type('ihello from vi\x1b:wq\r');
    await s.expect(/hello from vi\r\n$/);
    expect(await s.ended()).toBe(0);
    s.close();
  });

  test('vim and top draw anew for a new size', async () => {
    const s = await Session.start(machine, ['bash', '-c', 'cd /tmp; seq 100 > long.txt; vi long.txt; top -d 100']);
    await s.expect(/\b23\b/);
    s.terminal.resize(60, 40);
    await s.expect(/\b38\b/);
    s.type(':q\r');
    await s.expect(/PID\s+USER/);
    s.terminal.resize(100, 12);
    await s.expect(/PID\s+USER/);
    s.type('q');
    expect(await s.ended()).toBe(0);
    s.close();
  });

  test('less pages and quits', async () => {
    const s = await Session.start(machine, ['bash', '-c', 'seq 1000 | less; echo after']);
    await s.expect(/\b23\b/);
    s.type('G');
    await s.expect(/1000/);
    s.type('q');
    await s.expect(/after/);
    s.close();
  });

  test('top shows processes and quits', async () => {
    const s = await Session.start(machine, ['top', '-d', '1']);
    await s.expect(/PID\s+USER/);
    await s.expect(/\btop\b/);
    s.type('q');
    expect(await s.ended()).toBe(0);
    s.close();
  });

  test('python edits lines with readline', async () => {
    const s = await Session.start(machine, ['python3', '-q']);
    await s.expect(/>>> $/);
    s.type('6*8\x7f7\r');
    await s.expect(/\r\n42\r\n>>> $/);
    s.type('\x04');
    expect(await s.ended()).toBe(0);
    s.close();
  });
});

test('the machine has logged nothing about missing calls or instructions', () => {
  expect(log).toEqual([]);
});
