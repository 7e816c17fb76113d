/** Which programs would be lost if the VM ended (protocol.ts, RunningProgram): looked up behind slices, at most some times a second. */
import type { Process } from '../kernel/task/process.ts';
import { TaskState } from '../kernel/task/task.ts';
import type { Terminal } from '../kernel/tty/terminal.ts';
import type { RunningProgram } from '../protocol.ts';
import { toHostPath } from './hostPath.ts';

const leastMilliseconds = 250;

export interface ProgramSource {
  readonly processes: Iterable<Process>;
  readonly init: Process;
  isShell(process: Process): boolean;
  terminalId(terminal: Terminal | undefined): number | null;
}

export class ProgramWatch {
  readonly #source: ProgramSource;
  readonly #report: (programs: RunningProgram[]) => void;
  #reported = '[]';
  #looked = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: ProgramSource, report: (programs: RunningProgram[]) => void) {
    this.#source = source;
    this.#report = report;
  }

  /** Something ran. An idle machine costs nothing. */
  afterSlice(): void {
    if (this.#timer !== undefined) return;
    const left = this.#looked + leastMilliseconds - performance.now();
    if (left <= 0) this.#look();
    else this.#timer = setTimeout(() => this.#look(), left);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    this.#looked = performance.now();
    const programs = this.#programs();
    const text = JSON.stringify(programs);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#report(programs);
  }

  #programs(): RunningProgram[] {
    const programs: RunningProgram[] = [];
    for (const process of this.#source.processes) {
      if (process === this.#source.init || process.isZombie || this.#source.isShell(process) && isWaiting(process)) continue;
      programs.push({ pid: process.pid, name: toHostPath(process.name), terminal: this.#source.terminalId(process.terminal) });
    }
    return programs;
  }
}

/** A shell at its prompt sleeps in the terminal's foreground; one that isn't in the foreground has a job there, which counts for itself. */
function isWaiting(shell: Process): boolean {
  if (shell.terminal?.foregroundGroup !== shell.processGroup) return true;
  return shell.task?.state === TaskState.sleeping;
}
