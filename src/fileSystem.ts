/** The VM's disk as VS Code's file system `linuxvm:`; its paths are the VM's. */
import * as vscode from 'vscode';
import { fileReadPiece, type FileChange, type FileErrorKind, type FileKind, type FileRequest, type FileStatus } from '../webview/protocol.ts';
import { RequestFailed, type Machine } from './machine.ts';
import { messageOf } from './showErrors.ts';

export const scheme = 'linuxvm';
export const diskRoot = vscode.Uri.from({ scheme, path: '/' });

/** Milliseconds until a watch that failed is asked for again. */
const watchPause = 5000;

/**
 * While the VM is off every call fails at once with Unavailable: one left pending would blank the whole explorer. Only the root is there
 * (and empty), or VS Code would call a workspace that has it missing and offer to close it.
 */
export class VmFileSystem implements vscode.FileSystemProvider, vscode.Disposable {
  readonly #machine: Machine;
  readonly #changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly #watches = new Map<number, { readonly path: string; readonly recursive: boolean }>();
  readonly #subscriptions: vscode.Disposable[];
  #nextWatch = 1;

  readonly onDidChangeFile = this.#changes.event;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#subscriptions = [
      vscode.workspace.registerFileSystemProvider(scheme, this, { isCaseSensitive: true }),
      machine.onDidChangeFiles(changes => this.#changes.fire(changes.map(asEvent))),
      machine.onDidChangeRunning(running => this.#follow(running)),
    ];
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    if (!this.#machine.running && uri.path === '/') return { type: vscode.FileType.Directory, ctime: 0, mtime: 0, size: 0 };
    return asStat(await this.#ask(uri, { op: 'stat', path: uri.path }));
  }

  /** Whether anything has that name; throws where that can't be told. */
  async exists(uri: vscode.Uri): Promise<boolean> {
    try {
      await this.stat(uri);
      return true;
    } catch (error) {
      if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') return false;
      throw error;
    }
  }

  /** As `stat`, with the VM's mode bits. */
  status(uri: vscode.Uri): Promise<FileStatus> {
    return this.#ask(uri, { op: 'stat', path: uri.path });
  }

  /** Where a symbolic link leads, as it is written. */
  readLink(uri: vscode.Uri): Promise<string> {
    return this.#ask(uri, { op: 'readLink', path: uri.path });
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const entries = await this.#ask(uri, { op: 'readDirectory', path: uri.path });
    return entries.map(entry => [entry.name, asType(entry.kind, entry.symlink)]);
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const piece = await this.#ask(uri, { op: 'readFile', path: uri.path, offset: size, length: fileReadPiece });
      size += piece.length;
      pieces.push(piece);
      if (piece.length < fileReadPiece) break;
    }
    if (pieces.length === 1) return pieces[0]!;
    const content = new Uint8Array(size);
    let offset = 0;
    for (const piece of pieces) {
      content.set(piece, offset);
      offset += piece.length;
    }
    return content;
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array, options: { readonly create: boolean; readonly overwrite: boolean }): Promise<void> {
    // The Node host hands over a Buffer, which would arrive as an object; a view would ship its whole buffer. So copy.
    const own = new Uint8Array(content);
    await this.#ask(uri, { op: 'writeFile', path: uri.path, content: own, create: options.create, overwrite: options.overwrite });
  }

  async createDirectory(uri: vscode.Uri): Promise<void> {
    await this.#ask(uri, { op: 'createDirectory', path: uri.path });
  }

  async delete(uri: vscode.Uri, options: { readonly recursive: boolean }): Promise<void> {
    await this.#ask(uri, { op: 'delete', path: uri.path, recursive: options.recursive });
  }

  async rename(from: vscode.Uri, to: vscode.Uri, options: { readonly overwrite: boolean }): Promise<void> {
    await this.#ask(from, { op: 'rename', from: from.path, to: to.path, overwrite: options.overwrite });
  }

  async copy(from: vscode.Uri, to: vscode.Uri, options: { readonly overwrite: boolean }): Promise<void> {
    await this.#ask(from, { op: 'copy', from: from.path, to: to.path, overwrite: options.overwrite });
  }

  watch(uri: vscode.Uri, options: { readonly recursive: boolean }): vscode.Disposable {
    const watch = this.#nextWatch++;
    this.#watches.set(watch, { path: uri.path, recursive: options.recursive });
    void this.#begin(watch);
    return new vscode.Disposable(() => {
      if (this.#watches.delete(watch) && this.#machine.running) this.#machine.request({ op: 'unwatch', watch }).catch(this.#logFailure);
    });
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#changes.dispose();
  }

  /**
   * Asks the VM to watch, again until it does: VS Code has nobody to tell that a watch failed. Those made while the VM is off are asked
   * for when it runs.
   */
  async #begin(watch: number): Promise<void> {
    for (let place; this.#machine.running && (place = this.#watches.get(watch)) !== undefined;) {
      try {
        await this.#machine.request({ op: 'watch', watch, path: place.path, recursive: place.recursive });
        return;
      } catch (error) {
        this.#logFailure(error);
        await new Promise(done => setTimeout(done, watchPause));
      }
    }
  }

  readonly #logFailure = (error: unknown): void => this.#machine.log({ level: 'warning', text: `watch: ${messageOf(error)}` });

  #follow(running: boolean): void {
    for (const watch of this.#watches.keys()) void this.#begin(watch);
    this.#changes.fire([{ type: vscode.FileChangeType.Changed, uri: diskRoot }]);
    if (running) void this.#announceRoot();
  }

  /** The explorer reads a folder again only when something appears in it: so the root's entries do. */
  async #announceRoot(): Promise<void> {
    const entries = await this.readDirectory(diskRoot).catch(() => []);
    this.#changes.fire(entries.map(([name]) => ({ type: vscode.FileChangeType.Created, uri: vscode.Uri.joinPath(diskRoot, name) })));
  }

  async #ask<R extends FileRequest>(uri: vscode.Uri, request: R) {
    try {
      return await this.#machine.request(request);
    } catch (error) {
      throw error instanceof RequestFailed ? errors[error.kind](error.message || uri) : error;
    }
  }
}

const errors: Readonly<Record<FileErrorKind, (about: string | vscode.Uri) => vscode.FileSystemError>> = {
  FileNotFound: vscode.FileSystemError.FileNotFound,
  FileExists: vscode.FileSystemError.FileExists,
  FileNotADirectory: vscode.FileSystemError.FileNotADirectory,
  FileIsADirectory: vscode.FileSystemError.FileIsADirectory,
  NoPermissions: vscode.FileSystemError.NoPermissions,
  Unavailable: vscode.FileSystemError.Unavailable,
  Other: about => new vscode.FileSystemError(about),
};

function asType(kind: FileKind, symlink: boolean): vscode.FileType {
  const type = kind === 'file' ? vscode.FileType.File : kind === 'directory' ? vscode.FileType.Directory : vscode.FileType.Unknown;
  return symlink ? type | vscode.FileType.SymbolicLink : type;
}

function asStat(status: FileStatus): vscode.FileStat {
  return {
    type: asType(status.kind, status.symlink), ctime: status.ctime, mtime: status.mtime, size: status.size,
    ...(status.readonly ? { permissions: vscode.FilePermission.Readonly } : {}),
  };
}

function asEvent(change: FileChange): vscode.FileChangeEvent {
  const type = change.type === 'created' ? vscode.FileChangeType.Created
    : change.type === 'deleted' ? vscode.FileChangeType.Deleted : vscode.FileChangeType.Changed;
  return { type, uri: diskRoot.with({ path: change.path }) };
}
