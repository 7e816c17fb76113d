/** A terminal session in a machine inside the test's own process: types keys, waits for what the screen says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostTerminal } from '../../webview/kernel/tty/hostTerminal.ts';
import { VirtualMachine } from '../../webview/vm/machine.ts';
import { openDisk } from '../../webview/vm/node/disk.ts';
import { english } from '../../webview/vm/sentence.ts';
import { root } from './run.ts';

/** Boots the base image. What the machine logs goes to `log`; a fault of ours rejects whatever waits. */
export async function bootBase(log: string[] = []): Promise<VirtualMachine> {
  const disk = await openDisk('base', join(root, 'build/images'), line => log.push(line));
  if (typeof disk === 'string') throw new Error(disk);
  return VirtualMachine.boot({
    engine: await WebAssembly.compile(readFileSync(join(root, 'dist/engine.wasm'))), disk: disk.device, diskBlockSize: disk.blockSize,
    memory: 512 << 20, log: line => log.push(line), failed: error => { throw error; },
  });
}

export class Session {
  readonly machine: VirtualMachine;
  readonly terminal: HostTerminal;
  /** Everything that came since the last `expect` that matched. */
  output = '';
  /** Wait status once the program has ended. */
  status: number | undefined;
  #changed: (() => void) | undefined;

  private constructor(machine: VirtualMachine, terminal: HostTerminal) {
    this.machine = machine;
    this.terminal = terminal;
    terminal.onOutput(bytes => {
      // Readline switches bracketed paste on and off around each line: no matter here.
      this.output = (this.output + Buffer.from(bytes).toString('latin1')).replaceAll(/\x1b\[\?2004[hl]\r?/g, '');
      this.#changed?.();
    });
  }

  /** Starts a program (a login shell for none) as `user` on a terminal of 80 by 24. */
  static async start(machine: VirtualMachine, command: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): Promise<Session> {
    const user = await machine.user('user');
    if (!user) throw new Error('no user');
    const terminal = machine.openTerminal(user, 80, 24, Infinity);
    if ('text' in terminal) throw new Error(terminal.text);
    const session = new Session(machine, terminal);
    const result = await machine.start({
      user: 'user', command, environment: { PS1: '$ ', ...environment }, terminal: session.terminal,
      ended: status => {
        session.status = status;
        session.#changed?.();
      },
    });
    if ('text' in result) throw new Error(english(result));
    return session;
  }

  type(text: string): void {
    this.terminal.input(new Uint8Array(Buffer.from(text, 'latin1')));
  }

  /** Waits until the output matches, and drops it up to there. Rejects with what was seen. */
  async expect(pattern: RegExp, seconds = 30): Promise<RegExpExecArray> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match) {
        this.output = this.output.slice(match.index + match[0].length);
        return match;
      }
      if (Date.now() > deadline) throw new Error(`no ${pattern} in ${JSON.stringify(this.output.slice(-2000))}`);
      await this.#change(deadline - Date.now());
    }
  }

  /** Waits for the end of the program. */
  async ended(seconds = 30): Promise<number> {
    const deadline = Date.now() + seconds * 1000;
    while (this.status === undefined) {
      if (Date.now() > deadline) throw new Error(`still running; ${JSON.stringify(this.output.slice(-500))}`);
      await this.#change(deadline - Date.now());
    }
    return this.status;
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, Math.max(1, milliseconds));
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    this.machine.closeTerminal(this.terminal);
  }
}
