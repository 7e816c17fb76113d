/** The page's terminals (protocol.ts): a pty each, with the program that was started on it. */
import type { HostTerminal } from '../kernel/tty/hostTerminal.ts';
import type { Terminal } from '../kernel/tty/terminal.ts';
import type { Process } from '../kernel/task/process.ts';
import type { Sentence, TerminalEvent, TerminalRequest } from '../protocol.ts';
import { terminalWindow } from '../protocol.ts';
import { exitOf } from './exitStatus.ts';
import type { ProgramOptions } from './machine.ts';
import type { User } from './users.ts';

/** What is needed of a VirtualMachine. */
export interface TerminalMachine {
  openTerminal(owner: User, columns: number, rows: number, window: number): HostTerminal | Sentence;
  closeTerminal(terminal: HostTerminal): void;
  start(options: ProgramOptions): Promise<Process | Sentence>;
}

type OpenRequest = Extract<TerminalRequest, { type: 'terminal.open' }>;

interface Tab {
  readonly host: HostTerminal;
  /** The login shell, once it is started; undefined for other programs. */
  shell: Process | undefined;
  isStarting: boolean;
  /** Closed by the page while its program was being started. */
  isClosed: boolean;
  /** Wait status of its program, while output is still to be sent. */
  status: number | undefined;
}

export class TerminalService {
  readonly #machine: TerminalMachine;
  readonly #user: User;
  readonly #post: (event: TerminalEvent) => void;
  readonly #tabs = new Map<number, Tab>();

  constructor(machine: TerminalMachine, user: User, post: (event: TerminalEvent) => void) {
    this.#machine = machine;
    this.#user = user;
    this.#post = post;
  }

  /** The id of the page's terminal, or null. */
  idOf(terminal: Terminal | undefined): number | null {
    for (const [id, { host }] of this.#tabs) if (host.terminal === terminal) return id;
    return null;
  }

  /** A login shell that was started for a terminal. */
  isShell(process: Process): boolean {
    for (const { shell } of this.#tabs.values()) if (shell === process) return true;
    return false;
  }

  async receive(request: TerminalRequest): Promise<void> {
    if (request.type === 'terminal.open') return this.#open(request);
    const tab = this.#tabs.get(request.terminal);
    if (!tab) return; // its program has ended meanwhile
    switch (request.type) {
      case 'terminal.input': tab.host.input(request.data); break;
      case 'terminal.resize': tab.host.resize(request.columns, request.rows); break;
      case 'terminal.acknowledge':
        tab.host.acknowledge(request.bytes);
        this.#end(request.terminal, tab);
        break;
      case 'terminal.close': this.#close(request.terminal, tab); break;
    }
  }

  async #open({ terminal, columns, rows, command, cwd }: OpenRequest): Promise<void> {
    const host = this.#machine.openTerminal(this.#user, columns, rows, terminalWindow);
    if ('text' in host) return this.#post({ type: 'terminal.failed', terminal, message: host });
    const tab: Tab = { host, shell: undefined, isStarting: true, isClosed: false, status: undefined };
    this.#tabs.set(terminal, tab);
    host.onOutput(data => this.#post({ type: 'terminal.output', terminal, data }));
    const started = await this.#machine.start({
      user: this.#user.name, terminal: host, ...(command ? { command } : {}), ...(cwd === null ? {} : { cwd }),
      ended: status => {
        tab.status = status;
        this.#end(terminal, tab);
      },
    });
    tab.isStarting = false;
    if ('text' in started) {
      const isClosed = tab.isClosed;
      this.#forget(terminal, tab);
      if (!isClosed) this.#post({ type: 'terminal.failed', terminal, message: started });
      return;
    }
    if (command === null) tab.shell = started;
    // Only now is there a session that the end of the terminal can be told to.
    if (tab.isClosed) this.#machine.closeTerminal(host);
  }

  /** Says that a program has ended, once all its output is sent. */
  #end(id: number, tab: Tab): void {
    if (tab.status === undefined || tab.isClosed) return;
    tab.host.flush();
    if (!tab.host.isDrained || this.#tabs.get(id) !== tab) return;
    const { code, signal } = exitOf(tab.status);
    this.#forget(id, tab);
    this.#post({ type: 'terminal.exit', terminal: id, code, signal });
  }

  #close(id: number, tab: Tab): void {
    tab.isClosed = true;
    if (!tab.isStarting) this.#machine.closeTerminal(tab.host);
    this.#tabs.delete(id);
  }

  #forget(id: number, tab: Tab): void {
    if (this.#tabs.get(id) === tab) this.#tabs.delete(id);
    this.#machine.closeTerminal(tab.host);
  }
}
