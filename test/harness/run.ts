/** What both ways of running a guest program answer, and the paths they share. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; 128+N after signal N. */
  readonly status: number;
}

export interface RunOptions {
  /** Bytes for standard input; none is an empty file. */
  readonly input?: string | Uint8Array;
  readonly timeoutSeconds?: number;
}

/** Runs a host program to its end. On timeout it and its children are killed and the status is 124. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: root, detached: true, stdio: 'pipe' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It has ended this instant.
      }
    }, (options.timeoutSeconds ?? 120) * 1000);
    child.stdout.on('data', (data: Buffer) => out.push(data));
    child.stderr.on('data', (data: Buffer) => err.push(data));
    child.stdin.on('error', () => {}); // the program may end without reading
    child.stdin.end(options.input ?? '');
    child.on('error', failed);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const status = late ? 124 : code ?? 128 + (signal ? 1 : 0);
      done({ stdout: Buffer.concat(out).toString('latin1'), stderr: Buffer.concat(err).toString('latin1'), status });
    });
  });
}
