import { describe, expect, it } from 'vitest';
import { anonymousPath, writeText } from '../../test/harness/anonymousPaths.ts';
import { O_NOCTTY, O_RDWR } from '../kernel/abi/fcntl.ts';
import { SIGKILL } from '../kernel/abi/signal.ts';
import type { Process } from '../kernel/task/process.ts';
import { HostTerminal } from '../kernel/tty/hostTerminal.ts';
import type { JobControl } from '../kernel/tty/jobControl.ts';
import { Ptys } from '../kernel/tty/pty.ts';
import type { TerminalFile } from '../kernel/tty/terminalFile.ts';
import { BufferSource } from '../lib/transfer.ts';
import { terminalWindow, type Sentence, type TerminalEvent } from '../protocol.ts';
import type { ProgramOptions } from './machine.ts';
import { sentence } from './sentence.ts';
import { TerminalService, type TerminalMachine } from './terminalService.ts';

const user = { name: 'user', uid: 1000, gid: 1000, groups: [1000], home: '/home/user', shell: '/bin/bash' };
const open = { type: 'terminal.open', terminal: 7, columns: 80, rows: 24, command: null, cwd: null } as const;

/** Ptys without processes: programs are what the test writes to the slave. */
class Bench implements TerminalMachine {
  readonly ptys: Ptys;
  readonly events: TerminalEvent[] = [];
  readonly service = new TerminalService(this, user, event => this.events.push(event));
  started: ProgramOptions | undefined;
  /** What `start` answers; a promise that the test resolves. */
  answer: Promise<Process | Sentence> = Promise.resolve({} as Process);
  closed = 0;

  constructor() {
    const jobControl: JobControl = {
      currentProcess: undefined, signalGroup: () => {}, isOrphaned: () => false, sessionOf: () => undefined, signalSessionLeader: () => {},
      forgetTerminal: () => {}, now: () => 0,
    };
    this.ptys = new Ptys(jobControl, { add: () => {}, remove: () => {}, pathOf: () => anonymousPath() });
  }

  openTerminal(owner: { uid: number; gid: number }, columns: number, rows: number, window: number): HostTerminal | Sentence {
    const terminal = this.ptys.create(owner);
    if (typeof terminal === 'number') return sentence('There are too many terminals.');
    const host = new HostTerminal(this.ptys, terminal, window);
    host.resize(columns, rows);
    return host;
  }
  closeTerminal(terminal: HostTerminal): void {
    this.closed++;
    terminal.close();
  }
  start(options: ProgramOptions): Promise<Process | Sentence> {
    this.started = options;
    return this.answer;
  }

  get slave(): TerminalFile {
    return this.ptys.openSlave(anonymousPath(), anonymousPath().dentry.inode!, O_RDWR | O_NOCTTY, 0) as TerminalFile;
  }
  get output(): string {
    return this.events.map(event => (event.type === 'terminal.output' ? new TextDecoder().decode(event.data) : '')).join('');
  }
  get others(): TerminalEvent[] {
    return this.events.filter(event => event.type !== 'terminal.output');
  }
}

const settle = () => new Promise(done => setTimeout(done));

describe('terminals', () => {
  it('pass output on and say how their program ended', async () => {
    const bench = new Bench();
    await bench.service.receive({ ...open, command: ['vim', 'a'], cwd: '/tmp' });
    expect(bench.started).toMatchObject({ user: 'user', command: ['vim', 'a'], cwd: '/tmp' });
    expect(bench.started!.terminal!.terminal.index).toBe(0);
    writeText(bench.slave, 'hello\n');
    bench.started!.ended(3 << 8);
    expect(bench.events.map(event => event.type)).toEqual(['terminal.output', 'terminal.exit']);
    expect(bench.output).toBe('hello\r\n');
    expect(bench.others).toEqual([{ type: 'terminal.exit', terminal: 7, code: 3, signal: null }]);
    expect(bench.closed).toBe(1);
  });

  it('echo what is typed, and leave out what comes after the end', async () => {
    const bench = new Bench();
    await bench.service.receive(open);
    expect(bench.started!.command).toBeUndefined();
    await bench.service.receive({ type: 'terminal.input', terminal: 7, data: new TextEncoder().encode('ls\r') });
    await settle();
    expect(bench.output).toBe('ls\r\n');
    bench.started!.ended(SIGKILL);
    expect(bench.others).toEqual([{ type: 'terminal.exit', terminal: 7, code: 137, signal: 'SIGKILL' }]);
    await bench.service.receive({ type: 'terminal.input', terminal: 7, data: new Uint8Array([3]) });
    await bench.service.receive({ type: 'terminal.acknowledge', terminal: 7, bytes: 4 });
    expect(bench.others).toHaveLength(1);
  });

  it('hold back what the page has no room for, and the end until all is out', async () => {
    const bench = new Bench();
    await bench.service.receive(open);
    const { slave } = bench;
    const piece = new Uint8Array(4096).fill(0x78);
    let written = 0;
    for (let tries = 0; tries < 200; tries++) {
      const count = slave.write(new BufferSource(piece));
      if (typeof count === 'number' && count > 0) written += count;
      await settle();
    }
    expect(bench.output).toHaveLength(terminalWindow);
    expect(written).toBeGreaterThan(terminalWindow);
    bench.started!.ended(0);
    expect(bench.others).toEqual([]);
    await bench.service.receive({ type: 'terminal.acknowledge', terminal: 7, bytes: terminalWindow });
    expect(bench.output).toHaveLength(written);
    expect(bench.others).toEqual([{ type: 'terminal.exit', terminal: 7, code: 0, signal: null }]);
  });

  it('say why a program can not be started', async () => {
    const bench = new Bench();
    const why = sentence("{0} can't be started: {1}.", 'vi', 'ENOENT');
    bench.answer = Promise.resolve(why);
    await bench.service.receive({ ...open, command: ['vi'] });
    expect(bench.others).toEqual([{ type: 'terminal.failed', terminal: 7, message: why }]);
    expect(bench.closed).toBe(1);
  });

  it('say so when there are too many', async () => {
    const bench = new Bench();
    const why = sentence('There are too many terminals.');
    bench.openTerminal = () => why;
    await bench.service.receive(open);
    expect(bench.events).toEqual([{ type: 'terminal.failed', terminal: 7, message: why }]);
    await bench.service.receive({ type: 'terminal.close', terminal: 7 });
  });

  it('that are closed while their program starts hang up once it has a session', async () => {
    const bench = new Bench();
    let started: (process: Process) => void = () => {};
    bench.answer = new Promise(resolve => { started = resolve; });
    const opened = bench.service.receive(open);
    await bench.service.receive({ type: 'terminal.close', terminal: 7 });
    expect(bench.closed).toBe(0);
    started({} as Process);
    await opened;
    expect(bench.closed).toBe(1);
    bench.started!.ended(0);
    expect(bench.events).toEqual([]);
  });

  it('may use a number again', async () => {
    const bench = new Bench();
    await bench.service.receive(open);
    bench.started!.ended(0);
    await bench.service.receive(open);
    bench.started!.ended(1 << 8);
    expect(bench.others.map(event => event.type === 'terminal.exit' && event.code)).toEqual([0, 1]);
  });
});
