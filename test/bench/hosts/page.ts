/** The plain page of the Chromium host: the extension's own VmWorker starts the worker that ships; commands run on its terminals. */
import type { VmOptions, VmStatus, WorkerToPage } from '../../../webview/protocol.ts';
import { VmWorker } from '../../../webview/page/vmWorker.ts';
import { Markers, type Mark, type Result } from './markers.ts';

/** What the page has of the host, and the host of the page. */
export interface BenchPage {
  /** The host's: notes the clock of the worker's thread. */
  mark(which: 'begin' | 'end'): Promise<Mark>;
  /** Milliseconds until the machine ran. Rejects with why it doesn't. */
  boot(options: VmOptions): Promise<number>;
  /** Runs a command to its end; its exit code and output. */
  run(command: readonly string[]): Promise<{ code: number; output: string }>;
  bench(name: string, milliseconds: number): Promise<Result>;
}

const page = globalThis as unknown as BenchPage;
let vm: VmWorker;
let nextTerminal = 1;
let take: (message: WorkerToPage) => void = () => {};
let broken: (reason: Error) => void = () => {};
const failure = new Promise<never>((_, reject) => { broken = reject; });
failure.catch(() => {});

function sentenceOf(status: Extract<VmStatus, { state: 'error' }>): string {
  return `${status.message.text} ${status.detail}`;
}

page.boot = options => new Promise((done, failed) => {
  const started = performance.now();
  vm = new VmWorker(options);
  vm.onMessage = message => {
    if (message.type === 'status') {
      if (message.status.state === 'running') done(performance.now() - started);
      if (message.status.state === 'error') {
        broken(new Error(sentenceOf(message.status)));
        failed(new Error(sentenceOf(message.status)));
      }
    } else if (message.type === 'log') console.info(message.line.text);
    else take(message);
  };
  void vm.start();
});

/** Runs a command on a terminal of its own; its exit code. `output` is told of what it prints. */
function runCommand(command: readonly string[], output: (text: string) => void): Promise<number> {
  const terminal = nextTerminal++;
  const decoder = new TextDecoder('latin1');
  return Promise.race([failure, new Promise<number>((done, failed) => {
    take = message => {
      if (message.type === 'terminal.output') {
        vm.send({ type: 'terminal.acknowledge', terminal, bytes: message.data.length });
        output(decoder.decode(message.data));
      } else if (message.type === 'terminal.exit') done(message.code);
      else if (message.type === 'terminal.failed') failed(new Error(message.message.text));
    };
    vm.send({ type: 'terminal.open', terminal, columns: 80, rows: 24, command, cwd: '/' });
  })]);
}

page.run = async command => {
  let output = '';
  const code = await runCommand(command, text => { output += text; });
  return { code, output };
};

page.bench = async (name, milliseconds) => {
  const marks: { begin?: Promise<Mark>; end?: Promise<Mark> } = {};
  const markers = new Markers(which => { marks[which] = page.mark(which); });
  const late = new Promise<Result>(done => { setTimeout(() => done({ error: 'timeout' }), milliseconds); });
  const run = runCommand(['/bin/bash', '/bench/bench.sh', name], text => markers.feed(text))
    .then(async () => markers.result(await marks.begin, await marks.end, ''), (error: Error) => ({ error: error.message }));
  return Promise.race([run, late]);
};
