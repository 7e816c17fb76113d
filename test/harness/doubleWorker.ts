/**
 * A stand-in for the VM's worker, for tests of the extension and the page alone: files in a Map, terminals with a shell of a few words
 * (`echo`, `size`, `resizes`, `flood N`, `run NAME`, `exit N`, `fetch FILE`, `off`, `crash`). Never shipped.
 */
import type { FileChange, FileFailure, FileRequest, FileStatus, PageToWorker, WorkerToPage } from '../../webview/protocol.ts';
import { terminalWindow } from '../../webview/protocol.ts';

declare const self: { onmessage: (event: { data: PageToWorker }) => void; postMessage(message: WorkerToPage): void };

type Node = { mode: number; mtime: number } & ({ content: Uint8Array } | { directory: true });

const files = new Map<string, Node>();
const watches = new Map<number, { path: string; recursive: boolean }>();
const sizes = new Map<number, { columns: number; rows: number; line: string; unacknowledged: number; flood: number }>();
const programs = new Map<number, string>();
const fetches = new Map<number, (text: string) => void>();
let resizes = 0;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const makeDirectory = (path: string) => files.set(path, { directory: true, mode: 0o755, mtime: Date.now() });
for (const path of ['/', '/home', '/home/user', '/etc']) makeDirectory(path);
files.set('/home/user/hello.txt', { content: encoder.encode('hello from the VM\n'), mode: 0o644, mtime: Date.now() });

self.onmessage = ({ data }) => {
  switch (data.type) {
    case 'boot':
      self.postMessage({ type: 'log', line: { level: 'info', text: `double: ${data.memory >> 20} MB, ${JSON.parse(data.manifest).name}` } });
      self.postMessage({ type: 'status', status: { state: 'starting', stage: 'boot', fraction: 0.8 } });
      setTimeout(() => self.postMessage({ type: 'status', status: { state: 'running' } }), 200);
      return;
    case 'fetched':
      return fetches.get(data.id)?.(data.data ? `${data.data.length} bytes` : `error ${data.error}`);
    case 'file.request':
      return answer(data.id, data.request);
    case 'terminal.open':
      sizes.set(data.terminal, { columns: data.columns, rows: data.rows, line: '', unacknowledged: 0, flood: 0 });
      return write(data.terminal, '\x1b]0;double\x07$ ');
    case 'terminal.resize':
      resizes++;
      Object.assign(sizes.get(data.terminal)!, { columns: data.columns, rows: data.rows });
      return;
    case 'terminal.acknowledge':
      sizes.get(data.terminal)!.unacknowledged -= data.bytes;
      return pour(data.terminal);
    case 'terminal.close':
      sizes.delete(data.terminal);
      return;
    case 'terminal.input':
      for (const character of decoder.decode(data.data)) type(data.terminal, character);
  }
};

function write(terminal: number, text: string): void {
  const data = encoder.encode(text);
  sizes.get(terminal)!.unacknowledged += data.length;
  self.postMessage({ type: 'terminal.output', terminal, data });
}

/** Writes as much of a flood as the window takes. */
function pour(terminal: number): void {
  const state = sizes.get(terminal)!;
  if (state.flood === 0) return;
  while (state.flood > 0 && state.unacknowledged + 4096 <= terminalWindow) {
    const count = Math.min(state.flood, 4096);
    state.flood -= count;
    write(terminal, 'y\r\n'.repeat(Math.ceil(count / 3)).slice(0, count));
  }
  if (state.flood === 0) write(terminal, '\r\nflooded\r\n$ ');
}

function type(terminal: number, character: string): void {
  const state = sizes.get(terminal)!;
  if (character === '\x03') {
    programs.delete(terminal);
    sendPrograms();
    state.line = '';
    return write(terminal, '^C\r\n$ ');
  }
  if (character !== '\r') {
    state.line += character;
    return write(terminal, character);
  }
  const [word, ...rest] = state.line.split(' ');
  const text = rest.join(' ');
  state.line = '';
  write(terminal, '\r\n');
  if (word === 'echo') write(terminal, `${text.replaceAll('\\e', '\x1b')}\r\n`);
  else if (word === 'size') write(terminal, `${state.columns}x${state.rows}\r\n`);
  else if (word === 'resizes') write(terminal, `resized ${resizes} times\r\n`);
  else if (word === 'off') return self.postMessage({ type: 'status', status: { state: 'off' } });
  else if (word === 'crash') throw new Error('crashed on purpose');
  else if (word === 'touch') {
    files.set(text, { content: encoder.encode('touched\n'), mode: 0o644, mtime: Date.now() });
    tell('created', text);
  } else if (word === 'cat') {
    const node = files.get(text);
    write(terminal, node && 'content' in node ? decoder.decode(node.content).replaceAll('\n', '\r\n') : 'no such file\r\n');
  } else if (word === 'exit') return self.postMessage({ type: 'terminal.exit', terminal, code: Number(text), signal: null });
  else if (word === 'run') {
    programs.set(terminal, text);
    return sendPrograms();
  } else if (word === 'flood') {
    state.flood = Number(text);
    return pour(terminal);
  } else if (word === 'fetch') {
    fetches.set(terminal, result => write(terminal, `${result}\r\n$ `));
    return self.postMessage({ type: 'fetch', id: terminal, file: text, offset: 2, length: 5 });
  }
  write(terminal, '$ ');
}

function sendPrograms(): void {
  self.postMessage({ type: 'programs', programs: [...programs].map(([terminal, name]) => ({ pid: 100 + terminal, name, terminal })) });
}

function tell(type: FileChange['type'], path: string): void {
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  const seen = [...watches.values()].some(watch => watch.path === path || watch.path === parent || watch.recursive && path.startsWith(watch.path));
  if (seen) self.postMessage({ type: 'file.changes', changes: [{ type, path }] });
}

function answer(id: number, request: FileRequest): void {
  const ok = (value: FileStatus | Uint8Array | string | null | { name: string; kind: 'file' | 'directory'; symlink: boolean }[]) =>
    self.postMessage({ type: 'file.answer', id, outcome: { ok: true, value } });
  const fail = (kind: FileFailure['kind'], errno: string, path: string) => self.postMessage({ type: 'file.answer', id, outcome: { ok: false, failure: { kind, errno, path } } });
  if (request.op === 'watch') return watches.set(request.watch, request), ok(null);
  if (request.op === 'unwatch') return watches.delete(request.watch), ok(null);
  if (request.op === 'rename' || request.op === 'copy') {
    const source = files.get(request.from);
    if (!source) return fail('FileNotFound', 'ENOENT', request.from);
    if (files.has(request.to) && !request.overwrite) return fail('FileExists', 'EEXIST', request.to);
    files.set(request.to, source);
    tell('created', request.to);
    if (request.op === 'rename') {
      files.delete(request.from);
      tell('deleted', request.from);
    }
    return ok(null);
  }
  const node = files.get(request.path);
  if (request.op === 'createDirectory') return node ? fail('FileExists', 'EEXIST', request.path) : (makeDirectory(request.path), tell('created', request.path), ok(null));
  if (request.op === 'writeFile') {
    if (!node && !request.create) return fail('FileNotFound', 'ENOENT', request.path);
    files.set(request.path, { content: request.content, mode: 0o644, mtime: Date.now() });
    tell(node ? 'changed' : 'created', request.path);
    return ok(null);
  }
  if (!node) return fail('FileNotFound', 'ENOENT', request.path);
  switch (request.op) {
    case 'stat': {
      const directory = 'directory' in node;
      return ok({ kind: directory ? 'directory' : 'file', symlink: false, mode: node.mode, size: directory ? 4096 : node.content.length, mtime: node.mtime, ctime: node.mtime, readonly: false });
    }
    case 'readDirectory': {
      const prefix = request.path === '/' ? '/' : `${request.path}/`;
      const names = [...files.keys()].filter(path => path !== '/' && path.startsWith(prefix) && !path.slice(prefix.length).includes('/'));
      return ok(names.map(path => ({ name: path.slice(prefix.length), kind: 'directory' in files.get(path)! ? 'directory' : 'file', symlink: false })));
    }
    case 'readFile': return 'content' in node ? ok(node.content.slice(request.offset, request.offset + request.length)) : fail('FileIsADirectory', 'EISDIR', request.path);
    case 'readLink': return fail('Other', 'EINVAL', request.path);
    case 'delete':
      files.delete(request.path);
      tell('deleted', request.path);
      return ok(null);
  }
}
