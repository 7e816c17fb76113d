/** Starts the VM's worker and fetches for it: scripts, the engine's wasm, the manifest, and chunks of the disk. */
import { compilerName, type PageToWorker, type StartStage, type VmOptions, type WorkerToPage } from '../protocol.ts';
import { BootChunks, type Range } from './bootChunks.ts';

/** Chunk requests that are under way at once; more only wait in the browser. */
const parallelFetches = 6;

type FetchRequest = Extract<WorkerToPage, { type: 'fetch' }>;
type Message = Exclude<WorkerToPage, FetchRequest>;

export class VmWorker {
  readonly #options: VmOptions;
  readonly #bootChunks = new BootChunks();
  readonly #waiting: FetchRequest[] = [];
  /** What was sent before the worker's boot message. */
  #early: PageToWorker[] | undefined = [];
  #worker: Worker | undefined;
  /** Compiles for the machine's worker. */
  #compiler: Worker | undefined;
  #fetching = 0;
  #hasEnded = false;

  /** What came before there was someone to hear it. */
  #unheard: Message[] | undefined = [];
  #listener: (message: Message) => void = message => this.#unheard?.push(message);

  constructor(options: VmOptions) {
    this.#options = options;
  }

  /** Set once; is told at once of what came before. */
  set onMessage(listener: (message: Message) => void) {
    this.#listener = listener;
    const unheard = this.#unheard ?? [];
    this.#unheard = undefined;
    for (const message of unheard) listener(message);
  }

  /** Ends when the worker has its boot message; what fails becomes the status `error`. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      if (error instanceof DiskMissing) this.#fail("The Linux VM's disk is missing or damaged. If starting again doesn't help, install the extension again.", detail);
      else this.#fail('The Linux VM could not start.', detail);
    }
  }

  /** Buffers of bytes are transferred. */
  send(message: PageToWorker): void {
    if (this.#early) this.#early.push(message);
    else this.#worker?.postMessage(message, buffersOf(message));
  }

  /** All at once: the worker reads its script while the engine compiles and the disk's first chunks arrive. */
  async #start(): Promise<void> {
    const { engine, image, memory, tiers, worker } = this.#options;
    this.#progress('engine', 0.05);
    const [compiler, compiled, manifest] = await Promise.all([this.#startWorker(worker), compile(engine), this.#fetchDisk(image)]);
    const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? '';
    const boot = { type: 'boot', manifest, engine: compiled, memory, tiers, compiler, timeZone } satisfies PageToWorker;
    this.#worker?.postMessage(boot, compiler ? [compiler] : []);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.send(message);
    this.#progress('boot', 0.5);
  }

  /** The port that leads to the compiler, if there is to be one. */
  async #startWorker(script: string): Promise<MessagePort | undefined> {
    const text = await (await fetchFile(script)).blob();
    if (this.#hasEnded) return undefined;
    const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    this.#worker = new Worker(url, { type: 'module', name: 'linux-vm' });
    const port = this.#options.tiers === 'interpreter' ? undefined : this.#startCompiler(url);
    URL.revokeObjectURL(url);
    this.#worker.onerror = event => this.#fail('The Linux VM stopped because of an error of its own.', `${event.message} (${event.lineno}:${event.colno})`);
    this.#worker.onmessageerror = () => this.#fail('The Linux VM stopped because of an error of its own.', 'message could not be read');
    this.#worker.onmessage = (event: MessageEvent<WorkerToPage>) => this.#receive(event.data);
    return port;
  }

  /** The same script in a second worker, which takes what compiling costs off the machine's. */
  #startCompiler(url: string): MessagePort {
    const compiler = new Worker(url, { type: 'module', name: compilerName }), { port1, port2 } = new MessageChannel();
    compiler.onerror = event => this.send({ type: 'compiler.failed', reason: `${event.message} (${event.lineno}:${event.colno})` });
    compiler.postMessage(port1, [port1]);
    this.#compiler = compiler;
    return port2;
  }

  /** The manifest; what a boot reads of the disk is then on its way. */
  async #fetchDisk(image: string): Promise<string> {
    const manifest = await fetchManifest(image);
    if (this.#hasEnded) return manifest;
    this.#bootChunks.start(manifest, range => this.#fetchRange(range));
    this.#progress('disk', 0.4);
    return manifest;
  }

  #receive(message: WorkerToPage): void {
    if (message.type !== 'fetch') {
      // The first shell is up: what else is read isn't among the boot's chunks.
      if (message.type === 'terminal.output') this.#bootChunks.clear();
      if (message.type === 'status' && message.status.state !== 'starting' && message.status.state !== 'running') this.#end();
      return this.#listener(message);
    }
    this.#waiting.push(message);
    this.#fetchNext();
  }

  #fetchNext(): void {
    if (this.#fetching >= parallelFetches) return;
    const request = this.#waiting.shift();
    if (!request) return;
    this.#fetching++;
    void this.#fetch(request).then(answer => {
      this.#fetching--;
      this.send(answer);
      this.#fetchNext();
    });
  }

  async #fetch({ id, ...range }: FetchRequest): Promise<PageToWorker> {
    try {
      return { type: 'fetched', id, data: await this.#bootChunks.read(range) ?? await this.#fetchRange(range), error: '' };
    } catch (error) {
      return { type: 'fetched', id, data: null, error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Always by range: VS Code would keep the whole of a plain answer in its cache for ever. */
  async #fetchRange({ file, offset, length }: Range): Promise<Uint8Array> {
    const response = await fetch(this.#options.image + file, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
    if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    // A server without ranges answers 200 with everything.
    return response.status === 206 ? bytes : bytes.slice(offset, offset + length);
  }

  #progress(stage: StartStage, fraction: number): void {
    this.#listener({ type: 'status', status: { state: 'starting', stage, fraction } });
  }

  #fail(text: string, detail: string): void {
    this.#end();
    this.#listener({ type: 'status', status: { state: 'error', message: { text, args: [] }, detail } });
  }

  #end(): void {
    this.#hasEnded = true;
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#compiler?.terminate();
    this.#compiler = undefined;
    this.#early = undefined;
    this.#waiting.length = 0;
    this.#bootChunks.clear();
  }
}

class DiskMissing extends Error {}

async function fetchManifest(image: string): Promise<string> {
  try {
    return await (await fetchFile(`${image}manifest.json`)).text();
  } catch (error) {
    throw new DiskMissing(error instanceof Error ? error.message : String(error));
  }
}

async function fetchFile(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${fileName(url)}: HTTP ${response.status}`);
  return response;
}

/** Streaming, so that the browser may keep the optimised code; by bytes where the server names another type than application/wasm. */
async function compile(url: string): Promise<WebAssembly.Module> {
  const response = await fetchFile(url);
  if (response.headers.get('content-type')?.startsWith('application/wasm')) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

function fileName(url: string): string {
  return new URL(url).pathname.split('/').pop() ?? url;
}

function buffersOf(message: PageToWorker): Transferable[] {
  if (message.type === 'fetched') return message.data ? [message.data.buffer] : [];
  if (message.type === 'terminal.input') return [message.data.buffer];
  if (message.type === 'file.request' && message.request.op === 'writeFile') return [message.request.content.buffer];
  return [];
}
