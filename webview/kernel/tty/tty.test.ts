import { describe, expect, it } from 'vitest';
import { Driven, anonymousPath, readText, writeText } from '../../../test/harness/anonymousPaths.ts';
import { fromBytes, toBytes } from '../../lib/byteString.ts';
import { BufferSink } from '../../lib/transfer.ts';
import { Wait, Wake } from '../../lib/wait.ts';
import { Errno } from '../abi/errno.ts';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import {
  TCGETS, TCSETS, TIOCGPGRP, TIOCGPTN, TIOCGWINSZ, TIOCNOTTY, TIOCPKT, TIOCPKT_STOP, TIOCSCTTY, TIOCSPGRP, TIOCSTI, TIOCSWINSZ,
} from '../abi/ioctl.ts';
import { POLLHUP, POLLIN, POLLOUT } from '../abi/poll.ts';
import { ECHO, ICANON, ICRNL, ISIG, IUTF8, IXON, TOSTOP, VMIN, VTIME } from '../abi/termios.ts';
import { AttributeInode } from '../../fs/vfs/attributeInode.ts';
import { AnonymousFileSystem } from '../files/anonymous.ts';
import type { IoctlCaller } from '../files/kernelFile.ts';
import { HostTerminal } from './hostTerminal.ts';
import type { JobControl, TerminalProcess } from './jobControl.ts';
import { PtyMasterFile, Ptys } from './pty.ts';
import { restartSystemCall } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { TerminalFile } from './terminalFile.ts';
import { Termios, termiosSize } from './termios.ts';

const caller = { credentials: { uid: 1000, gid: 1000, groups: [], overridesAccess: false, overridesOwnership: false }, umask: 0, fileSizeLimit: Infinity } as never;

/** A pty with its two ends, processes that are records, and a log of the signals sent. */
class Bench implements JobControl {
  currentProcess: (TerminalProcess & { ignored: Set<number> }) | undefined;
  readonly signals: string[] = [];
  readonly groups = new Map<number, number>();
  readonly orphaned = new Set<number>();
  readonly nodes = new Set<number>();
  clock = 0;
  readonly ptys: Ptys;
  readonly master: PtyMasterFile;
  readonly slave: TerminalFile;
  readonly terminal: Terminal;
  memory: Uint8Array = new Uint8Array(64);
  readonly ioctlCaller: IoctlCaller = {
    ioctlMemory: {
      readU32: () => new DataView(this.memory.buffer).getUint32(0, true),
      writeU32: (_address, value) => (new DataView(this.memory.buffer).setUint32(0, value, true), true),
      readBytes: (_address, into) => (into.set(this.memory.subarray(0, into.length)), true),
      writeBytes: (_address, from) => (this.memory.set(from), true),
    },
  };

  constructor() {
    const inode = new AttributeInode(new AnonymousFileSystem('test', 1, 0), 1, 0, { uid: 0, gid: 0 }, { seconds: 0, nanoseconds: 0 });
    this.ptys = new Ptys(this, { add: index => this.nodes.add(index), remove: index => this.nodes.delete(index), pathOf: () => anonymousPath() });
    this.master = this.ptys.openMaster(anonymousPath(), inode, O_RDWR, caller) as PtyMasterFile;
    this.terminal = this.master.terminal;
    this.terminal.isLocked = false;
    this.slave = this.open();
  }

  open(flags = O_NOCTTY): TerminalFile {
    return this.ptys.openSlave(anonymousPath(), anonymousPath().dentry.inode!, O_RDWR | flags, this.terminal.index) as TerminalFile;
  }

  process(pid: number, processGroup: number, session: number) {
    this.groups.set(processGroup, session);
    const ignored = new Set<number>();
    return { pid, processGroup, session, terminal: undefined as Terminal | undefined, mayAdministrate: false, ignored, ignoresOrBlocks: (signal: number) => ignored.has(signal) };
  }

  signalGroup(group: number, signal: number): void {
    this.signals.push(`${group}:${signal}`);
  }
  signalSessionLeader(session: number, signal: number): void {
    this.signals.push(`s${session}:${signal}`);
  }
  isOrphaned(group: number): boolean {
    return this.orphaned.has(group);
  }
  sessionOf(group: number): number | undefined {
    return this.groups.get(group);
  }
  forgetTerminal(): void {
    if (this.currentProcess) this.currentProcess.terminal = undefined;
  }
  now(): number {
    return this.clock;
  }

  /** Changes the settings as TCSETS does. */
  set(change: (termios: Termios) => void): void {
    const next = new Termios();
    next.decode(this.terminal.termios.encode(new Uint8Array(termiosSize)));
    change(next);
    this.memory = next.encode(new Uint8Array(64));
    expect(this.slave.ioctl(this.ioctlCaller, TCSETS, 0)).toBe(0);
  }

  type(text: string): string {
    writeText(this.master, text);
    const shown = readText(this.master);
    return typeof shown === 'string' ? shown : '';
  }
}

describe('line discipline, canonical', () => {
  it('gives whole lines and echoes them', () => {
    const bench = new Bench();
    expect(bench.type('ls')).toBe('ls');
    expect(readText(bench.slave)).toBeInstanceOf(Wait);
    expect(bench.type('\rnext\r')).toBe('\r\nnext\r\n');
    expect(bench.slave.readable).toBe(8);
    expect(readText(bench.slave)).toBe('ls\n');
    expect(readText(bench.slave, 2)).toBe('ne');
    expect(readText(bench.slave)).toBe('xt\n');
  });

  it('erases characters, words and lines', () => {
    const bench = new Bench();
    expect(bench.type('ab\x7f')).toBe('ab\b \b');
    expect(bench.type('\x01\x7f')).toBe('^A\b \b\b \b');
    expect(bench.type(' foo bar\x17')).toBe(' foo bar\b \b\b \b\b \b');
    expect(bench.type('x\x15')).toBe('x' + '\b \b'.repeat(7));
    bench.terminal.termios.inputFlags |= IUTF8;
    expect(bench.type('\xc3\xa4\x7fq\r')).toBe('\xc3\xa4\b \bq\r\n');
    expect(readText(bench.slave)).toBe('q\n');
  });

  it('erases a tab back to where it began', () => {
    const bench = new Bench();
    expect(bench.type('abc\t')).toBe('abc\t');
    expect(bench.type('\x7f')).toBe('\b'.repeat(5));
  });

  it('ends input with VEOF, also behind bytes and behind a read that they fill', () => {
    const bench = new Bench();
    bench.type('\x04');
    expect(bench.slave.poll() & POLLIN).toBe(POLLIN);
    expect(readText(bench.slave)).toBe('');
    expect(readText(bench.slave)).toBeInstanceOf(Wait);
    bench.type('abc\x04');
    expect(readText(bench.slave, 3)).toBe('abc');
    expect(readText(bench.slave)).toBeInstanceOf(Wait);
  });

  it('takes the next character literally after VLNEXT and shows the line again at VREPRINT', () => {
    const bench = new Bench();
    expect(bench.type('\x16\x03')).toBe('^\b^C');
    expect(bench.type('\x12')).toBe('^R\r\n^C');
    bench.type('\r');
    expect(readText(bench.slave)).toBe('\x03\n');
    expect(bench.signals).toEqual([]);
  });

  it('drops what is typed beyond the longest line and can still end it', () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i++) bench.type('x'.repeat(1000));
    bench.type('\r');
    const line = readText(bench.slave, 8192);
    expect(line).toBe('x'.repeat(4095) + '\n');
  });
});

describe('line discipline, raw', () => {
  const raw = (minimum: number, time: number) => (termios: Termios) => {
    termios.localFlags &= ~(ICANON | ECHO | ISIG);
    termios.inputFlags &= ~(ICRNL | IXON);
    termios.characters[VMIN] = minimum;
    termios.characters[VTIME] = time;
  };

  it('gives bytes as they come', () => {
    const bench = new Bench();
    bench.set(raw(1, 0));
    expect(bench.type('\x03\r\x04')).toBe('');
    expect(readText(bench.slave)).toBe('\x03\r\x04');
    bench.set(raw(0, 0));
    expect(readText(bench.slave)).toBe('');
    bench.set(raw(3, 0));
    bench.type('ab');
    expect(bench.slave.poll() & POLLIN).toBe(0);
    expect(readText(bench.slave)).toBeInstanceOf(Wait);
    bench.type('c');
    expect(readText(bench.slave)).toBe('abc');
  });

  it('makes a line of what was typed ahead when canonical mode comes back', () => {
    const bench = new Bench();
    bench.set(raw(1, 0));
    bench.type('ab');
    bench.set(termios => (termios.localFlags |= ICANON));
    expect(readText(bench.slave)).toBe('ab');
  });

  it('stops waiting when VTIME is over', () => {
    const bench = new Bench();
    bench.set(raw(0, 5));
    const sink = new BufferSink(new Uint8Array(10));
    const read = new Driven(bench.slave.sleepingRead(sink));
    expect(read.wait?.deadline).toBe(5e8);
    expect(read.resume(Wake.timeout).result).toBe(0);
    bench.set(raw(4, 2));
    const between = new Driven(bench.slave.sleepingRead(sink));
    expect(between.wait?.deadline).toBe(Infinity);
    bench.clock = 1e9;
    bench.type('ab');
    expect(between.isWoken).toBe(true);
    expect(between.resume().wait?.deadline).toBe(1.2e9);
    expect(between.resume(Wake.timeout).result).toBe(2);
    expect(fromBytes(sink.taken)).toBe('ab');
  });
});

describe('flow and output', () => {
  it('translates newlines and stops at ^S', () => {
    const bench = new Bench();
    writeText(bench.slave, 'a\nb\tc\n');
    expect(readText(bench.master)).toBe('a\r\nb\tc\r\n');
    bench.type('\x13');
    expect(writeText(bench.slave, 'x')).toBeInstanceOf(Wait);
    expect(bench.type('q')).toBe('');
    expect(bench.type('\x11')).toBe('q');
    expect(writeText(bench.slave, 'x')).toBe(1);
  });

  it('makes writers wait for a master that does not read, and flushes at ^C', () => {
    const bench = new Bench();
    let written = 0;
    for (;;) {
      const count = writeText(bench.slave, 'y'.repeat(1000));
      if (typeof count !== 'number') break;
      written += count;
    }
    expect(written).toBeGreaterThan(4096);
    expect(bench.slave.poll() & POLLOUT).toBe(0);
    bench.terminal.foregroundGroup = 7;
    writeText(bench.master, '\x03');
    expect(bench.signals).toEqual(['7:2']);
    expect(readText(bench.master)).toBe('^C');
    expect(bench.slave.poll() & POLLOUT).toBe(POLLOUT);
  });

  it('marks data and events in packet mode', () => {
    const bench = new Bench();
    bench.memory[0] = 1;
    bench.master.ioctl(bench.ioctlCaller, TIOCPKT, 0);
    writeText(bench.slave, 'hi');
    expect(readText(bench.master)).toBe('\0hi');
    writeText(bench.master, '\x13');
    expect(readText(bench.master)).toBe(String.fromCharCode(TIOCPKT_STOP));
  });
});

describe('job control', () => {
  function session(): { bench: Bench; leader: ReturnType<Bench['process']>; job: ReturnType<Bench['process']> } {
    const bench = new Bench();
    const leader = bench.process(10, 10, 10);
    bench.currentProcess = leader;
    expect(bench.slave.ioctl(bench.ioctlCaller, TIOCSCTTY, 0)).toBe(0);
    const job = bench.process(11, 11, 10);
    job.terminal = bench.terminal;
    return { bench, leader, job };
  }

  it('becomes controlling at open without O_NOCTTY', () => {
    const bench = new Bench();
    const leader = bench.process(10, 10, 10);
    bench.currentProcess = leader;
    bench.open(0);
    expect(leader.terminal).toBe(bench.terminal);
    expect(bench.terminal.foregroundGroup).toBe(10);
  });

  it('stops background readers, and writers and changers of settings as asked', () => {
    const { bench, job } = session();
    bench.currentProcess = job;
    expect(readText(bench.slave)).toBe(restartSystemCall);
    expect(bench.signals.splice(0)).toEqual(['11:21']);
    expect(writeText(bench.slave, 'x')).toBe(1);
    bench.terminal.termios.localFlags |= TOSTOP;
    expect(writeText(bench.slave, 'x')).toBe(restartSystemCall);
    bench.memory = bench.terminal.termios.encode(new Uint8Array(64));
    expect(bench.slave.ioctl(bench.ioctlCaller, TCSETS, 0)).toBe(restartSystemCall);
    expect(bench.signals.splice(0)).toEqual(['11:22', '11:22']);
    job.ignored.add(21).add(22);
    expect(readText(bench.slave)).toBe(-Errno.EIO);
    expect(writeText(bench.slave, 'x')).toBe(1);
    job.ignored.clear();
    bench.orphaned.add(11);
    expect(writeText(bench.slave, 'x')).toBe(-Errno.EIO);
  });

  it('moves the foreground only within the session', () => {
    const { bench, job } = session();
    bench.groups.set(99, 55);
    const set = (group: number): unknown => {
      new DataView(bench.memory.buffer).setUint32(0, group, true);
      return bench.slave.ioctl(bench.ioctlCaller, TIOCSPGRP, 0);
    };
    expect(set(99)).toBe(-Errno.EPERM);
    expect(set(77)).toBe(-Errno.ESRCH);
    expect(set(11)).toBe(0);
    bench.slave.ioctl(bench.ioctlCaller, TIOCGPGRP, 0);
    expect(bench.memory[0]).toBe(11);
    bench.currentProcess = job;
    expect(readText(bench.slave)).toBeInstanceOf(Wait);
    bench.currentProcess = bench.process(50, 50, 50);
    expect(set(50)).toBe(-Errno.ENOTTY);
  });

  it('tells the foreground of a new window size, once', () => {
    const { bench } = session();
    bench.memory.set([24, 0, 80, 0, 0, 0, 0, 0]);
    bench.master.ioctl(bench.ioctlCaller, TIOCSWINSZ, 0);
    bench.master.ioctl(bench.ioctlCaller, TIOCSWINSZ, 0);
    expect(bench.signals).toEqual(['10:28']);
    bench.memory.fill(0);
    bench.slave.ioctl(bench.ioctlCaller, TIOCGWINSZ, 0);
    expect([...bench.memory.subarray(0, 4)]).toEqual([24, 0, 80, 0]);
  });

  it('gives the terminal up, refuses faked input', () => {
    const { bench, leader } = session();
    expect(bench.slave.ioctl(bench.ioctlCaller, TIOCSTI, 0)).toBe(-Errno.EIO);
    expect(bench.slave.ioctl(bench.ioctlCaller, TIOCNOTTY, 0)).toBe(0);
    expect(bench.signals).toEqual(['10:1', '10:18']);
    expect(leader.terminal).toBeUndefined();
    expect(bench.terminal.session).toBe(0);
  });

  it('hangs up when the master closes', () => {
    const { bench } = session();
    const sleeper = new Driven(bench.slave.sleepingRead(new BufferSink(new Uint8Array(4))));
    bench.terminal.foregroundGroup = 11;
    bench.master.release();
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(0);
    expect(bench.signals).toEqual(['s10:1', 's10:18', '11:1', '11:18']);
    expect(writeText(bench.slave, 'x')).toBe(-Errno.EIO);
    expect(bench.slave.ioctl(bench.ioctlCaller, TCGETS, 0)).toBe(-Errno.EIO);
    expect(bench.nodes.size).toBe(0);
    bench.slave.release();
  });

  it('gives the master EIO once all programs closed it, and life when one opens again', () => {
    const bench = new Bench();
    writeText(bench.slave, 'last');
    bench.slave.release();
    expect(bench.master.poll() & (POLLIN | POLLHUP)).toBe(POLLIN | POLLHUP);
    expect(readText(bench.master)).toBe('last');
    expect(readText(bench.master)).toBe(-Errno.EIO);
    bench.open();
    expect(readText(bench.master)).toBeInstanceOf(Wait);
    bench.master.ioctl(bench.ioctlCaller, TIOCGPTN, 0);
    expect(bench.memory[0]).toBe(bench.terminal.index);
  });
});

describe('host terminal', () => {
  it('carries input and output with a window', () => {
    const bench = new Bench();
    const terminal = bench.ptys.create({ uid: 0, gid: 0 }) as Terminal;
    const host = new HostTerminal(bench.ptys, terminal, 10);
    const slave = bench.ptys.openSlave(anonymousPath(), anonymousPath().dentry.inode!, O_RDWR | O_NONBLOCK | O_NOCTTY, terminal.index) as TerminalFile;
    let shown = '';
    host.onOutput(bytes => (shown += fromBytes(bytes)));
    host.input(toBytes('echo\r'));
    host.flush();
    expect(shown).toBe('echo\r\n');
    expect(readText(slave)).toBe('echo\n');
    writeText(slave, '0123456789');
    host.flush();
    expect(shown).toBe('echo\r\n0123');
    host.acknowledge(6);
    expect(shown).toBe('echo\r\n0123456789');
    expect(host.isDrained).toBe(true);
    host.close();
    expect(readText(slave)).toBe('');
  });
});
