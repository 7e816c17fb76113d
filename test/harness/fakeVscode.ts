/** As much of the module `vscode` as unit tests of `src/` need: events, URIs, file system errors; everything else does nothing, and tests spy on it. */
export class EventEmitter<T> {
  readonly #listeners = new Set<(value: T) => void>();
  readonly event = (listener: (value: T) => void) => {
    this.#listeners.add(listener);
    return new Disposable(() => this.#listeners.delete(listener));
  };

  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }

  dispose(): void {
    this.#listeners.clear();
  }
}

export class Disposable {
  readonly #act: () => void;

  constructor(act: () => void) {
    this.#act = act;
  }

  dispose(): void {
    this.#act();
  }
}

export class Uri {
  readonly scheme: string;
  readonly path: string;

  private constructor(scheme: string, path: string) {
    this.scheme = scheme;
    this.path = path;
  }

  static from({ scheme, path }: { scheme: string; path: string }): Uri {
    return new Uri(scheme, path);
  }

  static parse(text: string): Uri {
    const [, scheme, path] = /^([a-z]+):(?:\/\/[^/]*)?(.*)$/i.exec(text) ?? [];
    if (scheme === undefined) throw new Error('no scheme');
    return new Uri(scheme, path!);
  }

  static joinPath(uri: Uri, name: string): Uri {
    if (name === '..') return new Uri(uri.scheme, uri.path.slice(0, uri.path.lastIndexOf('/')) || '/');
    return new Uri(uri.scheme, uri.path === '/' ? `/${name}` : `${uri.path}/${name}`);
  }

  toString(): string {
    return `${this.scheme}:${this.path}`;
  }

  with({ path }: { path: string }): Uri {
    return new Uri(this.scheme, path);
  }
}

export class FileSystemError extends Error {
  code = 'Unknown';

  static #make = (code: string) => (about: string | Uri) => {
    const error = new FileSystemError(typeof about === 'string' ? about : about.path);
    error.code = code;
    return error;
  };

  static FileNotFound = FileSystemError.#make('FileNotFound');
  static FileExists = FileSystemError.#make('FileExists');
  static FileNotADirectory = FileSystemError.#make('FileNotADirectory');
  static FileIsADirectory = FileSystemError.#make('FileIsADirectory');
  static NoPermissions = FileSystemError.#make('NoPermissions');
  static Unavailable = FileSystemError.#make('Unavailable');
}

export const FileType = { Unknown: 0, File: 1, Directory: 2, SymbolicLink: 64 };
export const FilePermission = { Readonly: 1 };
export const FileChangeType = { Changed: 1, Created: 2, Deleted: 3 };
export const l10n = { t: (text: string, ...args: unknown[]) => text.replace(/\{(\d)\}/g, (_, index: string) => String(args[Number(index)])) };
export const commands = { executeCommand: () => Promise.resolve() };
export class WorkspaceEdit {
  readonly renames: [from: string, to: string, overwrite: boolean][] = [];

  renameFile(from: Uri, to: Uri, { overwrite }: { overwrite: boolean }): void {
    this.renames.push([from.path, to.path, overwrite]);
  }
}

const nothing = (): Disposable => new Disposable(() => {});
export const ViewColumn = { Active: -1 };
export const workspace = {
  registerFileSystemProvider: nothing, onDidChangeConfiguration: nothing,
  getConfiguration: () => ({ get: (_: string, otherwise: unknown) => otherwise }),
  applyEdit: (_: WorkspaceEdit) => Promise.resolve(true),
  fs: {
    copy: (_from: Uri, _to: Uri, _options: { overwrite: boolean }) => Promise.resolve(),
    writeFile: (_uri: Uri, _content: Uint8Array) => Promise.resolve(),
  },
};
export const window = {
  registerWebviewPanelSerializer: nothing,
  createTreeView: () => ({ onDidCollapseElement: nothing, dispose() {} }),
  createWebviewPanel: (): unknown => undefined,
  showErrorMessage: (_: string, ..._buttons: string[]): Promise<string | undefined> => Promise.resolve(undefined),
  showWarningMessage: (_: string, _options: unknown, ..._buttons: string[]): Promise<string | undefined> => Promise.resolve(undefined),
};
export const env = { language: 'en', openExternal: (_: Uri) => Promise.resolve(true) };
