import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WorkspaceEdit as FakeEdit } from '../test/harness/fakeVscode.ts';
import type { FileRequest } from '../webview/protocol.ts';
import type { DiskNode } from './diskTree.ts';

vi.mock('vscode', () => import('../test/harness/fakeVscode.ts'));
const vscode = await import('vscode');
const { DiskTree } = await import('./diskTree.ts');
const { VmFileSystem, diskRoot } = await import('./fileSystem.ts');
const { Machine } = await import('./machine.ts');

type Uri = import('vscode').Uri;

const output = { info() {}, warn() {}, error() {}, debug() {} } as unknown as import('vscode').LogOutputChannel;
const home: DiskNode = { uri: diskRoot.with({ path: '/home' }), type: vscode.FileType.Directory };
const fileInHome: DiskNode = { uri: diskRoot.with({ path: '/home/taken' }), type: vscode.FileType.File };

/** A DataTransfer with a text or files. */
function drop(items: Record<string, unknown>): import('vscode').DataTransfer {
  const entries = Object.entries(items).map(([type, value]) => [type, {
    value, asString: () => Promise.resolve(String(value)),
    asFile: () => type.startsWith('file ') ? { name: type.slice(5), data: () => Promise.resolve(value) } : undefined,
  }] as const);
  return new Map(entries) as unknown as import('vscode').DataTransfer;
}

describe('what is dropped on the tree', () => {
  let done: string[];
  let shown: string[];
  let questions: string[];
  let reply: string | undefined;
  let machine: InstanceType<typeof Machine>;
  let tree: InstanceType<typeof DiskTree>;

  beforeEach(() => {
    done = [];
    shown = [];
    questions = [];
    reply = undefined;
    machine = new Machine(output);
    machine.attach({
      send(message) {
        if (message.type !== 'file.request') return;
        queueMicrotask(() => machine.receive({ type: 'file.answer', id: message.id, outcome: answer(message.request) }));
      },
    });
    machine.receive({ type: 'status', status: { state: 'running' } });
    const files = new VmFileSystem(machine);
    tree = new DiskTree(machine, files);
    const { window, workspace } = vscode;
    vi.spyOn(window, 'showErrorMessage').mockImplementation(message => Promise.resolve(void shown.push(message)));
    (vi.spyOn(window, 'showWarningMessage') as unknown as ReturnType<typeof vi.fn>).mockImplementation((question: string) => Promise.resolve((questions.push(question), reply)));
    vi.spyOn(workspace, 'applyEdit').mockImplementation(edit => {
      for (const [from, to, overwrite] of (edit as unknown as FakeEdit).renames) done.push(`move ${from} ${to} ${overwrite}`);
      return Promise.resolve(true);
    });
    vi.spyOn(workspace.fs, 'copy').mockImplementation((from: Uri, to: Uri, options) => Promise.resolve(void done.push(`copy ${from.path} ${to.path} ${options?.overwrite}`)));
    vi.spyOn(workspace.fs, 'writeFile').mockImplementation((to: Uri) => Promise.resolve(void done.push(`write ${to.path}`)));
  });

  afterEach(() => {
    tree.dispose();
    machine.dispose();
    vi.restoreAllMocks();
  });

  function answer(request: FileRequest): import('../webview/protocol.ts').FileOutcome {
    if (request.op === 'stat' && request.path.endsWith('/taken')) {
      return { ok: true, value: { kind: 'file', symlink: false, mode: 0o644, size: 0, mtime: 0, ctime: 0, readonly: false } };
    }
    const isHidden = request.op === 'stat' && request.path.endsWith('/hidden');
    return { ok: false, failure: isHidden ? { kind: 'NoPermissions', errno: 'EACCES', path: '/hidden' } : { kind: 'FileNotFound', errno: 'ENOENT', path: '/' } };
  }

  const own = (...paths: string[]) => drop({ 'application/vnd.code.tree.linuxvm.files': paths.map(path => `linuxvm:${path}`) });

  it('moves within the VM, copies from elsewhere, and is written if it is only bytes', async () => {
    await tree.handleDrop(home, own('/tmp/a', '/tmp/b'));
    await tree.handleDrop(fileInHome, drop({ 'text/uri-list': '# comment\r\nfile:///c\r\n' }));
    await tree.handleDrop(undefined, drop({ 'file d': new Uint8Array(1) }));
    expect(done).toEqual(['move /tmp/a /home/a false', 'move /tmp/b /home/b false', 'copy /c /home/c false', 'write /d']);
    expect([questions, shown]).toEqual([[], []]);
  });

  it('stays where it was if it lies there already', async () => {
    await tree.handleDrop(home, own('/home/taken'));
    expect([done, questions]).toEqual([[], []]);
  });

  it('replaces what has its name once the person said so', async () => {
    reply = 'Replace';
    await tree.handleDrop(home, own('/tmp/taken'));
    await tree.handleDrop(home, drop({ 'text/uri-list': 'file:///taken' }));
    await tree.handleDrop(home, drop({ 'file taken': new Uint8Array(1) }));
    expect(done).toEqual(['move /tmp/taken /home/taken true', 'copy /taken /home/taken true', 'write /home/taken']);
    expect(questions).toEqual(Array(3).fill('/home/taken exists already. Replace it?'));
  });

  it('is left with all that follows when the person cancels', async () => {
    await tree.handleDrop(home, own('/tmp/a', '/tmp/taken', '/tmp/b'));
    expect(done).toEqual(['move /tmp/a /home/a false']);
  });

  it('says why it failed', async () => {
    await tree.handleDrop(home, own('/tmp/hidden'));
    vi.spyOn(vscode.workspace, 'applyEdit').mockResolvedValue(false);
    await tree.handleDrop(home, own('/tmp/a'));
    expect(shown).toEqual(['Permission denied (EACCES): /hidden', '/tmp/a could not be moved to /home']);
    expect(done).toEqual([]);
  });
});
