/** What one can do to a row of the view "Linux VM": new, rename, delete, copy path, bring files in and out. */
import * as vscode from 'vscode';
import type { DiskNode, DiskTree } from './diskTree.ts';
import { diskRoot, type VmFileSystem } from './fileSystem.ts';
import { baseName, IntoDisk } from './intoDisk.ts';
import { messageOf, showErrors } from './showErrors.ts';

export function registerDiskCommands(files: VmFileSystem, tree: DiskTree): vscode.Disposable[] {
  const command = (name: string, run: (node: DiskNode | undefined, all: readonly DiskNode[]) => Promise<unknown>) =>
    vscode.commands.registerCommand(`linuxVm.files.${name}`, async (node?: DiskNode, all?: readonly DiskNode[]) => {
      const selected = all ?? (node ? [node] : tree.selection);
      await showErrors(() => run(node ?? selected[0], selected));
    });
  return [
    command('refresh', async () => tree.refresh()),
    command('newFile', async node => {
      const uri = await askName(files, directoryOf(node), vscode.l10n.t('Name of the new file'));
      if (!uri) return;
      await vscode.workspace.fs.writeFile(uri, new Uint8Array());
      await vscode.commands.executeCommand('vscode.open', uri);
    }),
    command('newFolder', async node => {
      const uri = await askName(files, directoryOf(node), vscode.l10n.t('Name of the new folder'));
      if (uri) await vscode.workspace.fs.createDirectory(uri);
    }),
    command('rename', async node => {
      if (node) await rename(files, node);
    }),
    command('delete', (_, all) => remove(all)),
    command('copyPath', (_, all) => Promise.resolve(vscode.env.clipboard.writeText(all.map(node => node.uri.path).join('\n')))),
    command('upload', async node => {
      const sources = await vscode.window.showOpenDialog({ canSelectMany: true, canSelectFiles: true, openLabel: vscode.l10n.t('Copy into the VM') });
      const into = new IntoDisk(files, directoryOf(node));
      for (const source of sources ?? []) await into.copy(source);
    }),
    command('download', async node => {
      if (!node) return;
      const here = vscode.workspace.workspaceFolders?.find(folder => folder.uri.scheme !== diskRoot.scheme)?.uri;
      const target = await vscode.window.showSaveDialog({
        ...(here ? { defaultUri: vscode.Uri.joinPath(here, baseName(node.uri)) } : {}), saveLabel: vscode.l10n.t('Copy out of the VM'),
      });
      if (target) await vscode.workspace.fs.copy(node.uri, target, { overwrite: true });
    }),
  ];
}

/** The directory that something new belongs into: the row itself, or the one it lies in. */
function directoryOf(node: DiskNode | undefined): vscode.Uri {
  if (!node) return diskRoot;
  return node.type & vscode.FileType.Directory ? node.uri : vscode.Uri.joinPath(node.uri, '..');
}

async function askName(files: VmFileSystem, directory: vscode.Uri, prompt: string, value = ''): Promise<vscode.Uri | undefined> {
  const name = await vscode.window.showInputBox({
    prompt, value, valueSelection: [0, value.lastIndexOf('.') > 0 ? value.lastIndexOf('.') : value.length],
    title: directory.path,
    validateInput: async text => {
      if (text === '' || text === value) return undefined;
      if (text.includes('/') || text === '.' || text === '..') return vscode.l10n.t('A name without "/" is needed');
      if (new TextEncoder().encode(text).length > 255) return vscode.l10n.t('A name has at most 255 bytes');
      try {
        return await files.exists(vscode.Uri.joinPath(directory, text)) ? vscode.l10n.t('{0} exists already', text) : undefined;
      } catch (error) {
        return messageOf(error);
      }
    },
  });
  return name && name !== value ? vscode.Uri.joinPath(directory, name) : undefined;
}

/** Through a workspace edit, so that open editors move along. */
async function rename(files: VmFileSystem, node: DiskNode): Promise<void> {
  const target = await askName(files, vscode.Uri.joinPath(node.uri, '..'), vscode.l10n.t('New name'), baseName(node.uri));
  if (!target) return;
  const edit = new vscode.WorkspaceEdit();
  edit.renameFile(node.uri, target, { overwrite: false });
  if (!await vscode.workspace.applyEdit(edit)) throw new Error(vscode.l10n.t('{0} could not be renamed', node.uri.path));
}

async function remove(nodes: readonly DiskNode[]): Promise<void> {
  if (nodes.length === 0) return;
  const what = nodes.length === 1 ? nodes[0]!.uri.path : vscode.l10n.t('{0} files and folders', nodes.length);
  const yes = vscode.l10n.t('Delete');
  const detail = vscode.l10n.t('There is no trash in the VM: this cannot be undone.');
  if (await vscode.window.showWarningMessage(vscode.l10n.t('Delete {0}?', what), { modal: true, detail }, yes) !== yes) return;
  for (const node of nodes) await vscode.workspace.fs.delete(node.uri, { recursive: true, useTrash: false });
}
