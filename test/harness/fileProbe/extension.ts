/** An extension for tests: goes through everything that VS Code's file interface can do, on `linuxvm:`, and tells what fell short. */
import * as vscode from 'vscode';

const base = vscode.Uri.parse('linuxvm:/home/user/probe');
const at = (name: string) => vscode.Uri.joinPath(base, name);
const { fs } = vscode.workspace;
const text = async (uri: vscode.Uri) => new TextDecoder().decode(await fs.readFile(uri));

const failures: string[] = [];

function expect(what: string, holds: boolean): void {
  if (!holds) failures.push(what);
}

async function expectError(what: string, code: string, act: () => Thenable<unknown>): Promise<void> {
  try {
    await act();
    failures.push(`${what}: no error`);
  } catch (error) {
    const got = error instanceof vscode.FileSystemError ? error.code : String(error);
    expect(`${what}: ${got}, not ${code}`, got === code);
  }
}

async function files(): Promise<void> {
  await fs.writeFile(at('a.txt'), new TextEncoder().encode('one\n'));
  expect('what was written is read', await text(at('a.txt')) === 'one\n');
  const first = await fs.stat(at('a.txt'));
  expect('stat of a file', first.type === vscode.FileType.File && first.size === 4 && Math.abs(first.mtime - Date.now()) < 600_000);
  await fs.writeFile(at('a.txt'), new TextEncoder().encode('two, longer\n'));
  expect('overwritten', await text(at('a.txt')) === 'two, longer\n');
  await fs.writeFile(at('empty'), new Uint8Array());
  expect('an empty file', (await fs.stat(at('empty'))).size === 0 && (await fs.readFile(at('empty'))).length === 0);
  await fs.writeFile(at('Grüße 漢字 #%?.txt'), new TextEncoder().encode('names'));
  expect('a name beyond ASCII', await text(at('Grüße 漢字 #%?.txt')) === 'names');
}

async function directories(): Promise<void> {
  await fs.createDirectory(at('d/e/f'));
  await fs.writeFile(at('d/e/f/deep.txt'), new TextEncoder().encode('deep'));
  const names = (await fs.readDirectory(at('d/e'))).map(([name, type]) => `${name} ${type}`);
  expect(`readDirectory: ${names}`, names.join() === `f ${vscode.FileType.Directory}`);
  await fs.rename(at('d'), at('moved'));
  expect('a renamed directory', await text(at('moved/e/f/deep.txt')) === 'deep');
  await fs.copy(at('moved'), at('copied'));
  expect('a copied directory', await text(at('copied/e/f/deep.txt')) === 'deep' && await text(at('moved/e/f/deep.txt')) === 'deep');
  await fs.delete(at('copied'), { recursive: true });
  await expectError('stat of what was deleted', 'FileNotFound', () => fs.stat(at('copied')));
}

async function errors(): Promise<void> {
  await expectError('read of nothing', 'FileNotFound', () => fs.readFile(at('nothing')));
  await expectError('readDirectory of a file', 'FileNotADirectory', () => fs.readDirectory(at('a.txt')));
  await expectError('read of a directory', 'FileIsADirectory', () => fs.readFile(at('moved')));
  await expectError('rename onto a file', 'FileExists', () => fs.rename(at('empty'), at('a.txt'), { overwrite: false }));
  await expectError('copy onto a file', 'FileExists', () => fs.copy(at('empty'), at('a.txt'), { overwrite: false }));
  await fs.rename(at('empty'), at('a.txt'), { overwrite: true });
  expect('rename with overwrite', (await fs.stat(at('a.txt'))).size === 0);
  await expectError('read without the right', 'NoPermissions', () => fs.readFile(vscode.Uri.parse('linuxvm:/etc/shadow')));
  await expectError('write without the right', 'NoPermissions', () => fs.writeFile(vscode.Uri.parse('linuxvm:/etc/hostname'), new Uint8Array(1)));
}

async function large(): Promise<void> {
  const content = new Uint8Array(9_000_001);
  for (let i = 0, x = 1; i < content.length; i++) content[i] = (x = (x * 48271) % 2147483647);
  await fs.writeFile(at('large'), content);
  const read = await fs.readFile(at('large'));
  expect('a large file', read.length === content.length && read.every((byte, i) => byte === content[i]));
  await fs.delete(at('large'));
}

/** Of links and modes that the test has made in the VM, if it has. */
async function links(): Promise<void> {
  const names = new Map(await fs.readDirectory(base));
  if (!names.has('link')) return;
  const symlink = vscode.FileType.SymbolicLink;
  expect('a link to a file', names.get('link') === (symlink | vscode.FileType.File) && await text(at('link')) === 'target\n');
  expect('a link to a directory', names.get('dirlink') === (symlink | vscode.FileType.Directory));
  expect('a link to nothing', names.get('broken') === symlink);
  expect('a file that may not be written', (await fs.stat(at('readonly'))).permissions === vscode.FilePermission.Readonly);
  await fs.writeFile(at('script.sh'), new TextEncoder().encode('#!/bin/sh\necho saved\n')); // its mode is the test's to look at
}

async function watch(): Promise<void> {
  const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(base, '*'));
  try {
    const seen = new Promise<boolean>(done => {
      watcher.onDidCreate(uri => { if (uri.path.endsWith('/watched')) done(true); });
      setTimeout(() => done(false), 10_000);
    });
    await new Promise(done => setTimeout(done, 1000));
    await fs.writeFile(at('watched'), new Uint8Array(1));
    expect('a watched creation', await seen);
  } finally {
    watcher.dispose();
  }
}

export function activate(context: vscode.ExtensionContext): void {
  context.subscriptions.push(vscode.commands.registerCommand('fileProbe.run', async () => {
    failures.length = 0;
    await fs.createDirectory(base);
    for (const step of [files, directories, errors, large, links, watch]) {
      try {
        await step();
      } catch (error) {
        failures.push(`${step.name} threw ${error instanceof Error ? error.message : error}`);
      }
    }
    void vscode.window.showInformationMessage(`probe: ${failures.length === 0 ? 'all is well' : failures.join('; ')}`);
  }));
}
