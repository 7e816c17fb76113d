/** Bringing files into a directory of the VM: moved from elsewhere in it, copied from any file system, or written. */
import * as vscode from 'vscode';
import { scheme, type VmFileSystem } from './fileSystem.ts';

/** What a person brings in at once. They are asked about each name that is taken; to cancel means this and all that is left. */
export class IntoDisk {
  readonly #files: VmFileSystem;
  readonly #directory: vscode.Uri;
  #cancelled = false;

  constructor(files: VmFileSystem, directory: vscode.Uri) {
    this.#files = files;
    this.#directory = directory;
  }

  /** Moves what lies elsewhere in the VM. Through a workspace edit, so that open editors move along. */
  async move(source: vscode.Uri): Promise<void> {
    await this.#put(baseName(source), source, async (target, overwrite) => {
      const edit = new vscode.WorkspaceEdit();
      edit.renameFile(source, target, { overwrite });
      if (!await vscode.workspace.applyEdit(edit)) throw new Error(vscode.l10n.t('{0} could not be moved to {1}', source.path, this.#directory.path));
    });
  }

  /** Copies a file or folder of any file system. */
  async copy(source: vscode.Uri): Promise<void> {
    await this.#put(baseName(source), source, (target, overwrite) => vscode.workspace.fs.copy(source, target, { overwrite }));
  }

  async write(name: string, content: () => Thenable<Uint8Array>): Promise<void> {
    await this.#put(name, undefined, async target => vscode.workspace.fs.writeFile(target, await content()));
  }

  async #put(name: string, source: vscode.Uri | undefined, put: (target: vscode.Uri, overwrite: boolean) => Thenable<void>): Promise<void> {
    if (this.#cancelled) return;
    const target = vscode.Uri.joinPath(this.#directory, name);
    if (source?.scheme === scheme && source.path === target.path) return;
    const taken = await this.#files.exists(target);
    if (!taken || await this.#mayReplace(target)) await put(target, taken);
  }

  async #mayReplace(target: vscode.Uri): Promise<boolean> {
    const replace = vscode.l10n.t('Replace');
    const detail = vscode.l10n.t('There is no trash in the VM: this cannot be undone.');
    const answer = await vscode.window.showWarningMessage(vscode.l10n.t('{0} exists already. Replace it?', target.path), { modal: true, detail }, replace);
    this.#cancelled = answer !== replace;
    return !this.#cancelled;
  }
}

export function baseName(uri: vscode.Uri): string {
  return uri.path.slice(uri.path.lastIndexOf('/') + 1);
}
