/** The benchmark driver's end of a host: its lines on standard input, answers on standard output. */
import { createInterface } from 'node:readline';
import type { Result } from './markers.ts';

/** One line to the driver. */
export function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Answers the driver until it says `quit`. */
export async function serve(bench: (name: string, milliseconds: number) => Promise<Result>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = '', milliseconds] = line.trim().split(' ');
    if (name === 'quit') break;
    say(await bench(name, Number(milliseconds) || 180_000));
  }
}
