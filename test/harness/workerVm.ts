/** The VM as its worker runs it, in the test's own process: the page's part is played here, and its disk can be made to fail. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { imageId, readManifest, writeManifest, type Manifest } from '../../webview/fs/block/manifest.ts';
import type { FileOutcome, FileRequest, LogLine, PageToWorker, VmStatus, WorkerToPage } from '../../webview/protocol.ts';
import { english } from '../../webview/vm/sentence.ts';
import { WorkerMachine } from '../../webview/vm/workerMachine.ts';
import { root } from './run.ts';

type Fetch = Extract<WorkerToPage, { type: 'fetch' }>;

/** Files of an image by name, and its manifest's text; both can be changed before they are served. */
export class ServedImage {
  manifest: string;
  readonly #files = new Map<string, Uint8Array>();
  readonly #folder: string;

  constructor(folder = join(root, 'build/images/base')) {
    this.#folder = folder;
    this.manifest = readFileSync(join(folder, 'manifest.json'), 'utf8');
  }

  /** Bytes of a file; throws as the page's fetch does when there is none. */
  read(name: string, offset: number, length: number): Uint8Array {
    let file = this.#files.get(name);
    if (file === undefined) this.#files.set(name, file = new Uint8Array(readFileSync(join(this.#folder, name))));
    return file.slice(offset, offset + length);
  }

  parsed(): Manifest {
    const manifest = readManifest(this.manifest);
    if (typeof manifest === 'string') throw new Error(manifest);
    return manifest;
  }

  /** Puts a chunk in place of another, with its right hash. `edit` changes the unpacked bytes. */
  rewriteChunk(index: number, edit: (bytes: Uint8Array) => void): void {
    const manifest = this.parsed();
    const chunk = manifest.chunks.find(c => c.index === index)!;
    const bytes = new Uint8Array(inflateRawSync(this.read(manifest.files[chunk.file]!.name, chunk.offset, chunk.length)));
    edit(bytes);
    const packed = new Uint8Array(deflateRawSync(bytes));
    this.#files.set('rewritten.bin', packed);
    const files = [...manifest.files, { name: 'rewritten.bin', size: packed.length }];
    const changed = { index, file: files.length - 1, offset: 0, length: packed.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    const chunks = manifest.chunks.map(c => (c === chunk ? changed : c));
    this.manifest = writeManifest({ ...manifest, files, chunks, id: imageId({ ...manifest, chunks }) });
  }

  /** Gives a chunk another hash than its bytes have. */
  spoilHash(index: number): void {
    const manifest = this.parsed();
    const chunks = manifest.chunks.map(c => (c.index === index ? { ...c, sha256: 'ab'.repeat(32) } : c));
    this.manifest = writeManifest({ ...manifest, chunks, id: imageId({ ...manifest, chunks }) });
  }
}

export class WorkerVm {
  readonly statuses: VmStatus[] = [];
  readonly log: LogLine[] = [];
  /** What the terminals showed, and how they ended. */
  screen = '';
  /** May answer a fetch otherwise: bytes, or a sentence about why there are none; undefined for the image's own. */
  fault: (request: Fetch) => Uint8Array | string | undefined = () => undefined;
  readonly #image: ServedImage;
  readonly #machine: WorkerMachine;
  readonly #answers = new Map<number, (outcome: FileOutcome) => void>();
  readonly #waiting = new Set<() => void>();
  #nextId = 1;

  constructor(image: ServedImage) {
    this.#image = image;
    this.#machine = new WorkerMachine(message => this.#receive(message));
  }

  /** Boots; resolves to the first status that isn't `starting`. */
  async boot(memory = 256 << 20): Promise<VmStatus> {
    const engine = await WebAssembly.compile(readFileSync(join(root, 'dist/engine.wasm')));
    this.#machine.receive({ type: 'boot', manifest: this.#image.manifest, engine, memory, timeZone: 'Europe/Berlin' });
    return this.until('a status', () => this.statuses.find(status => status.state !== 'starting'));
  }

  send(message: PageToWorker): void {
    this.#machine.receive(message);
  }

  /** Opens terminal 1 with a plain bash, or `command`. */
  open(command: readonly string[] = ['bash', '--norc', '-i'], terminal = 1): void {
    this.send({ type: 'terminal.open', terminal, columns: 80, rows: 24, command, cwd: null });
  }

  type(text: string, terminal = 1): void {
    this.send({ type: 'terminal.input', terminal, data: new Uint8Array(Buffer.from(text, 'latin1')) });
  }

  /** Waits until the screen matches, and drops it up to there. */
  async expect(pattern: RegExp, seconds = 30): Promise<void> {
    const match = await this.until(`${pattern}`, () => pattern.exec(this.screen) ?? undefined, seconds);
    this.screen = this.screen.slice(match.index + match[0].length);
  }

  ask(request: FileRequest): Promise<FileOutcome> {
    const id = this.#nextId++;
    return new Promise(resolve => {
      this.#answers.set(id, resolve);
      this.send({ type: 'file.request', id, request });
    });
  }

  /** Until `look`, called behind each message, answers something. */
  async until<T>(what: string, look: () => T | undefined, seconds = 30): Promise<T> {
    for (const end = Date.now() + seconds * 1000; ;) {
      const found = look();
      if (found !== undefined) return found;
      if (Date.now() > end) {
        throw new Error(`not within ${seconds} s: ${what}; the last status is ${JSON.stringify(this.statuses.at(-1))}, the screen ${JSON.stringify(this.screen.slice(-1000))}`);
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 500);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Ends the machine's activity. */
  stop(): void {
    this.#machine.fail(new Error('The test is over.'));
  }

  #receive(message: WorkerToPage): void {
    switch (message.type) {
      case 'status': this.statuses.push(message.status); break;
      case 'log': this.log.push(message.line); break;
      case 'fetch': return void setTimeout(() => this.#fetch(message));
      case 'terminal.output':
        this.screen = (this.screen + Buffer.from(message.data).toString('latin1')).replaceAll(/\x1b\[\?2004[hl]\r?/g, '');
        this.#machine.receive({ type: 'terminal.acknowledge', terminal: message.terminal, bytes: message.data.length });
        break;
      case 'terminal.exit': this.screen += `<exit ${message.code} ${message.signal}>`; break;
      case 'terminal.failed': this.screen += `<failed ${english(message.message)}>`; break;
      case 'file.answer':
        this.#answers.get(message.id)?.(message.outcome);
        this.#answers.delete(message.id);
        break;
      default: break;
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #fetch(request: Fetch): void {
    let data: Uint8Array | null = null;
    let error = '';
    try {
      const answer = this.fault(request) ?? this.#image.read(request.file, request.offset, request.length);
      if (typeof answer === 'string') error = answer;
      else data = answer;
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    this.#machine.receive({ type: 'fetched', id: request.id, data, error });
  }
}
