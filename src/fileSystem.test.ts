import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FileOutcome, FileRequest, HostToPage } from '../webview/protocol.ts';
import { fileReadPiece } from '../webview/protocol.ts';

vi.mock('vscode', () => import('../test/harness/fakeVscode.ts'));
const vscode = await import('vscode');
const { Machine } = await import('./machine.ts');
const { VmFileSystem, diskRoot } = await import('./fileSystem.ts');

const output = { info() {}, warn() {}, error() {}, debug() {} } as unknown as import('vscode').LogOutputChannel;
const uri = (path: string) => diskRoot.with({ path });

describe('VmFileSystem', () => {
  let machine: InstanceType<typeof Machine>;
  let files: InstanceType<typeof VmFileSystem>;
  let asked: FileRequest[];
  /** What the VM answers; undefined leaves the request open. */
  let answer: (request: FileRequest) => FileOutcome | undefined;

  const start = () => {
    machine.attach({
      send(message: HostToPage) {
        if (message.type !== 'file.request') return;
        asked.push(message.request);
        const outcome = answer(message.request);
        if (outcome) queueMicrotask(() => machine.receive({ type: 'file.answer', id: message.id, outcome }));
      },
    });
    machine.receive({ type: 'status', status: { state: 'running' } });
  };

  beforeEach(() => {
    asked = [];
    answer = request => ({ ok: true, value: request.op === 'readDirectory' ? [] : null });
    machine = new Machine(output);
    files = new VmFileSystem(machine);
  });

  afterEach(() => {
    files.dispose();
    machine.dispose();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('is Unavailable at once while the VM is off, but for an empty root', async () => {
    await expect(files.readFile(uri('/etc/passwd'))).rejects.toMatchObject({ code: 'Unavailable' });
    await expect(files.readDirectory(uri('/'))).rejects.toMatchObject({ code: 'Unavailable' });
    expect(await files.stat(uri('/'))).toMatchObject({ type: vscode.FileType.Directory });
    expect(asked).toEqual([]);
  });

  it('reads a large file in pieces', async () => {
    const content = Uint8Array.from({ length: 2 * fileReadPiece + 5 }, (_, i) => i % 251);
    answer = request => request.op === 'readFile' ? { ok: true, value: content.slice(request.offset, request.offset + request.length) } : undefined;
    start();
    const read = await files.readFile(uri('/big'));
    expect(Buffer.compare(read, content)).toBe(0);
    expect(asked.filter(request => request.op === 'readFile')).toHaveLength(3);
  });

  it('reads a file whose size is a whole number of pieces', async () => {
    const content = new Uint8Array(fileReadPiece).fill(7);
    answer = request => request.op === 'readFile' ? { ok: true, value: content.slice(request.offset, request.offset + request.length) } : undefined;
    start();
    expect((await files.readFile(uri('/even'))).length).toBe(fileReadPiece);
  });

  it('sends bytes that own their buffer, whatever it is given', async () => {
    start();
    const buffer = Buffer.from('xxhelloxx').subarray(2, 7);
    await files.writeFile(uri('/a'), buffer, { create: true, overwrite: true });
    const request = asked.find(each => each.op === 'writeFile')!;
    expect(Object.getPrototypeOf(request.content)).toBe(Uint8Array.prototype);
    expect(request.content.buffer.byteLength).toBe(5);
  });

  it.each(['FileNotFound', 'FileExists', 'FileNotADirectory', 'FileIsADirectory', 'NoPermissions', 'Unavailable'] as const)('throws %s as what it is', async kind => {
    answer = () => ({ ok: false, failure: { kind, errno: 'ENOENT', path: '/x' } });
    start();
    await expect(files.delete(uri('/x'), { recursive: false })).rejects.toMatchObject({ code: kind, message: 'No such file or directory (ENOENT): /x' });
  });

  it('gives a kind-less error its sentence', async () => {
    answer = () => ({ ok: false, failure: { kind: 'Other', errno: 'ENOSPC', path: '/x' } });
    start();
    await expect(files.createDirectory(uri('/x'))).rejects.toThrow("No space left on the VM's disk (ENOSPC): /x");
  });

  it('tells kinds, links and missing rights', async () => {
    answer = request => request.op === 'stat'
      ? { ok: true, value: { kind: 'file', symlink: true, mode: 0o444, size: 3, mtime: 5, ctime: 4, readonly: true } } : { ok: true, value: [] };
    start();
    expect(await files.stat(uri('/link'))).toEqual({
      type: vscode.FileType.File | vscode.FileType.SymbolicLink, ctime: 4, mtime: 5, size: 3, permissions: vscode.FilePermission.Readonly,
    });
  });

  it('sends watches of before the start when the VM runs, and no longer those that ended', async () => {
    const kept = files.watch(uri('/home'), { recursive: true });
    files.watch(uri('/gone'), { recursive: false }).dispose();
    start();
    expect(asked.filter(request => request.op === 'watch')).toMatchObject([{ path: '/home', recursive: true }]);
    kept.dispose();
    expect(asked.at(-1)).toMatchObject({ op: 'unwatch' });
  });

  it('asks again for a watch that failed, says so in the log, and gives up with the watch', async () => {
    vi.useFakeTimers();
    const logged: string[] = [];
    vi.spyOn(output, 'warn').mockImplementation(text => void logged.push(text));
    answer = () => ({ ok: false, failure: { kind: 'Unavailable', errno: 'EIO', path: '/home' } });
    start();
    const watch = files.watch(uri('/home'), { recursive: true });
    await vi.advanceTimersByTimeAsync(12_000);
    expect(asked.filter(request => request.op === 'watch')).toHaveLength(3);
    expect(logged).toContain("watch: The VM's disk could not be read; see the output channel (EIO): /home");
    answer = () => ({ ok: true, value: null });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.filter(request => request.op === 'watch')).toHaveLength(4);
    answer = () => ({ ok: false, failure: { kind: 'Unavailable', errno: 'EIO', path: '/home' } });
    files.watch(uri('/tmp'), { recursive: false }).dispose();
    watch.dispose();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.filter(request => request.op === 'watch')).toHaveLength(5);
  });

  it('tells what is there from what can not be told', async () => {
    start();
    const status = { kind: 'file', symlink: false, mode: 0o644, size: 3, mtime: 5, ctime: 4, readonly: false } as const;
    answer = () => ({ ok: true, value: status });
    expect(await files.exists(uri('/a'))).toBe(true);
    answer = () => ({ ok: false, failure: { kind: 'FileNotFound', errno: 'ENOENT', path: '/a' } });
    expect(await files.exists(uri('/a'))).toBe(false);
    answer = () => ({ ok: false, failure: { kind: 'NoPermissions', errno: 'EACCES', path: '/a' } });
    await expect(files.exists(uri('/a'))).rejects.toThrow('Permission denied (EACCES): /a');
  });

  it("announces the root's entries when the VM comes up", async () => {
    const seen: string[] = [];
    files.onDidChangeFile(changes => seen.push(...changes.map(change => `${change.type} ${change.uri.path}`)));
    answer = request => request.op === 'readDirectory' ? { ok: true, value: [{ name: 'home', kind: 'directory', symlink: false }] } : undefined;
    start();
    await vi.waitFor(() => expect(seen).toEqual([`${vscode.FileChangeType.Changed} /`, `${vscode.FileChangeType.Created} /home`]));
  });

  it('gives up on a VM that does not answer, and when it stops', async () => {
    vi.useFakeTimers();
    answer = () => undefined;
    start();
    const late = expect(files.stat(uri('/slow'))).rejects.toMatchObject({ code: 'Unavailable' });
    await vi.advanceTimersByTimeAsync(11_000);
    await late;
    const stopped = expect(files.readFile(uri('/lost'))).rejects.toMatchObject({ code: 'Unavailable' });
    machine.receive({ type: 'status', status: { state: 'error', message: { text: 'It broke.', args: [] }, detail: '' } });
    await stopped;
  });
});
