/** As much of the module `vscode` as unit tests of `src/` need: events, URIs, file system errors; everything else does nothing. */
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

  static joinPath(uri: Uri, name: string): Uri {
    return new Uri(uri.scheme, uri.path === '/' ? `/${name}` : `${uri.path}/${name}`);
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
export const workspace = { registerFileSystemProvider: () => new Disposable(() => {}) };
