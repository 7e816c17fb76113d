/**
 * Every message between the three places that the extension runs in, and nothing else; imports nothing.
 *
 *     extension host  <-- HostToPage / PageToHost -->  page (webview)  <-- PageToWorker / WorkerToPage -->  VM worker
 *
 * Each direction is one union discriminated by `type`. Terminals live in the page; the host's file requests pass through the page
 * unchanged. Bytes are `Uint8Array`s that own their whole buffer: a view of a part would ship all of it, a Node `Buffer` would arrive
 * as an object. Between page and worker they are transferred, so the sender has lost them.
 */

// ---------------------------------------------------------------- sentences

/**
 * A sentence for a person, which whoever shows it translates: its English original, by which l10n/ knows it, and what stands in its
 * places `{0}`, `{1}` ...
 */
export interface Sentence {
  readonly text: string;
  readonly args: readonly (string | number)[];
}

// ---------------------------------------------------------------- state of the VM

/** What a start is busy with, in this order. `page`: scripts arrive. `engine`: its wasm is compiled. `disk`: the manifest. `boot`: init runs. */
export type StartStage = 'page' | 'engine' | 'disk' | 'boot';

/** The stages in words, to be translated. */
export const stageTexts: Readonly<Record<StartStage, string>> = {
  page: 'Opening the panel', engine: 'Compiling the processor', disk: 'Reading the disk', boot: 'Booting',
};

export type VmStatus =
  /** Not started, closed by the user, or powered off from inside. */
  | { readonly state: 'off' }
  /** `fraction` of the whole start, 0 to 1. */
  | { readonly state: 'starting'; readonly stage: StartStage; readonly fraction: number }
  /** The first terminal may be used and file requests are answered. */
  | { readonly state: 'running' }
  /** It will not run any more. `message` is one sentence, `detail` what a bug report needs (may be empty). */
  | { readonly state: 'error'; readonly message: Sentence; readonly detail: string };

/** A line for the output channel, without its newline. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warning' | 'error';
  readonly text: string;
}

/** A program of the VM that would be lost if the VM ended: anything but init and a login shell waiting at its prompt. */
export interface RunningProgram {
  readonly pid: number;
  /** As in /proc/PID/comm. */
  readonly name: string;
  /** Id of the terminal that it belongs to, or null. */
  readonly terminal: number | null;
}

// ---------------------------------------------------------------- files

/**
 * Paths are absolute, with `/` between names, and text. A byte of a name that isn't part of valid UTF-8 stands as the character
 * U+EF80 + (byte - 0x80), so that every file can be named in a URI and back; only the worker translates.
 * Requests act with the rights of the VM's login user.
 */
export type VmPath = string;

/** `other`: FIFO, socket, device, or a symbolic link that leads nowhere. */
export type FileKind = 'file' | 'directory' | 'other';

/** stat(2) as the editor needs it: of what the path leads to; `symlink` says that the path's last name is itself a symbolic link. */
export interface FileStatus {
  readonly kind: FileKind;
  readonly symlink: boolean;
  /** Permission bits, 0o7777 at most. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, possibly with a fraction. */
  readonly mtime: number;
  readonly ctime: number;
  /** The login user may not write it (access(2) W_OK), or it can't be written at all. */
  readonly readonly: boolean;
}

export interface DirectoryEntry {
  readonly name: string;
  /** As in `FileStatus`: of what a link leads to. */
  readonly kind: FileKind;
  readonly symlink: boolean;
}

/** What the host may ask. The type of each answer's value is in `FileAnswers`; anything may be answered by a `FileFailure`. */
export type FileRequest =
  | { readonly op: 'stat'; readonly path: VmPath }
  /** Without `.` and `..`; in no order. */
  | { readonly op: 'readDirectory'; readonly path: VmPath }
  /** At most `length` bytes from `offset`; fewer only at the end of the file. The host asks for `fileReadPiece` at a time. */
  | { readonly op: 'readFile'; readonly path: VmPath; readonly offset: number; readonly length: number }
  /** readlink(2): the target as it is written. */
  | { readonly op: 'readLink'; readonly path: VmPath }
  /**
   * Makes `content` the whole file. Mode, owner and links of an existing file stay. FileNotFound if it isn't there and `create` is
   * false; FileExists if it is there, `create` is true and `overwrite` false.
   */
  | { readonly op: 'writeFile'; readonly path: VmPath; readonly content: Uint8Array; readonly create: boolean; readonly overwrite: boolean }
  /** FileExists if anything has that name; the parent has to be there. */
  | { readonly op: 'createDirectory'; readonly path: VmPath }
  /** Never follows a link. A directory that isn't empty needs `recursive` (else Other, ENOTEMPTY). */
  | { readonly op: 'delete'; readonly path: VmPath; readonly recursive: boolean }
  /** Moves across file systems of the VM by copying. FileExists if `to` is there and `overwrite` false. */
  | { readonly op: 'rename'; readonly from: VmPath; readonly to: VmPath; readonly overwrite: boolean }
  /** Recursive; symbolic links are copied as links; modes and times are kept. FileExists as for rename. */
  | { readonly op: 'copy'; readonly from: VmPath; readonly to: VmPath; readonly overwrite: boolean }
  /**
   * Reports changes below `path` as `FileChange`s until `unwatch`; `watch` is a number of the asker's choice, new for each watch.
   * The path need not exist. Not recursive: the file itself, or the directory's own entries.
   */
  | { readonly op: 'watch'; readonly watch: number; readonly path: VmPath; readonly recursive: boolean }
  | { readonly op: 'unwatch'; readonly watch: number };

/** The value of the answer to each request. */
export interface FileAnswers {
  readonly stat: FileStatus;
  readonly readDirectory: readonly DirectoryEntry[];
  readonly readFile: Uint8Array;
  readonly readLink: string;
  readonly writeFile: null;
  readonly createDirectory: null;
  readonly delete: null;
  readonly rename: null;
  readonly copy: null;
  readonly watch: null;
  readonly unwatch: null;
}

/** Names of VS Code's `FileSystemError` kinds, and `Other` for every errno that has none (ENOSPC, ENOTEMPTY, EIO, ELOOP ...). */
export type FileErrorKind =
  'FileNotFound' | 'FileExists' | 'FileNotADirectory' | 'FileIsADirectory' | 'NoPermissions' | 'Unavailable' | 'Other';

/** `errno`: its name, e.g. ENOSPC; the host has the words. `path`: what it is about, two of them with an arrow between. */
export interface FileFailure {
  readonly kind: FileErrorKind;
  readonly errno: string;
  readonly path: string;
}

export type FileOutcome =
  | { readonly ok: true; readonly value: FileAnswers[keyof FileAnswers] }
  | { readonly ok: false; readonly failure: FileFailure };

/** One change in the VM, by whomever: programs, or the host's own requests. A rename is a deletion and a creation. */
export interface FileChange {
  readonly type: 'created' | 'changed' | 'deleted';
  readonly path: VmPath;
}

/** Bytes that the host asks for with one readFile. */
export const fileReadPiece = 2 * 1024 * 1024;

/** Host to worker. `id` is the host's, new for each request. */
export interface FileRequestMessage {
  readonly type: 'file.request';
  readonly id: number;
  readonly request: FileRequest;
}

/** Worker to host: the answer to the request with that `id`. */
export interface FileAnswerMessage {
  readonly type: 'file.answer';
  readonly id: number;
  readonly outcome: FileOutcome;
}

/** Worker to host: what the watches see, gathered for up to 50 ms; a path at most once. */
export interface FileChangesMessage {
  readonly type: 'file.changes';
  readonly changes: readonly FileChange[];
}

// ---------------------------------------------------------------- terminals

/** Sent to the worker. `terminal` is a number of the page's choice, never used twice in the life of a page. */
export type TerminalRequest =
  /**
   * Makes a pty of that size and starts `command` on it (argument 0 is looked up in PATH), or the login shell for null, in `cwd` or the
   * user's home. May be sent before the VM runs: it is done then.
   */
  | {
      readonly type: 'terminal.open'; readonly terminal: number; readonly columns: number; readonly rows: number;
      readonly command: readonly string[] | null; readonly cwd: VmPath | null;
    }
  /** Keys and pastes. */
  | { readonly type: 'terminal.input'; readonly terminal: number; readonly data: Uint8Array }
  | { readonly type: 'terminal.resize'; readonly terminal: number; readonly columns: number; readonly rows: number }
  /** That many more bytes of the output are on the screen; see `terminalWindow`. */
  | { readonly type: 'terminal.acknowledge'; readonly terminal: number; readonly bytes: number }
  /** Closes the pty's master: its session gets SIGHUP. No event follows. */
  | { readonly type: 'terminal.close'; readonly terminal: number };

/** Sent by the worker. */
export type TerminalEvent =
  | { readonly type: 'terminal.output'; readonly terminal: number; readonly data: Uint8Array }
  /** The started program ended and all its output is sent. `signal` is a name such as SIGKILL, or null; `code` then is 128 + its number. */
  | { readonly type: 'terminal.exit'; readonly terminal: number; readonly code: number; readonly signal: string | null }
  /** It could not be started. */
  | { readonly type: 'terminal.failed'; readonly terminal: number; readonly message: Sentence };

/** The worker leaves output in the pty (whose writer then sleeps) while more than this many bytes of a terminal aren't acknowledged. */
export const terminalWindow = 256 * 1024;

/** The page acknowledges once so many bytes have been shown, so that not every key's echo costs a message. */
export const terminalAcknowledgeStep = 32 * 1024;

// ---------------------------------------------------------------- host <-> page

/** What VS Code's settings say about terminals. Sizes in CSS pixels. */
export interface TerminalAppearance {
  readonly fontFamily: string;
  readonly fontSize: number;
  readonly lineHeight: number;
  readonly letterSpacing: number;
  readonly cursorBlink: boolean;
  readonly cursorStyle: 'block' | 'underline' | 'bar';
  /** Lines. */
  readonly scrollback: number;
  readonly minimumContrastRatio: number;
}

/** What starting the VM takes. It stands in the page's HTML, so that nothing has to be asked for first. */
export interface VmOptions {
  /** Folder of the disk image's manifest.json, as a URL that the page may fetch; ends in a slash. */
  readonly image: string;
  /** URL of the engine's wasm. */
  readonly engine: string;
  /** URL of the worker's script. */
  readonly worker: string;
  /** Guest RAM in bytes. */
  readonly memory: number;
  /** As in `BootMessage`. */
  readonly tiers?: EngineTiers;
}

/** Name of the HTML's meta element whose content is the `VmOptions` as JSON. */
export const vmOptionsName = 'linux-vm';

/** What the page's terminals need to know of the host. */
export interface BootOptions {
  readonly appearance: TerminalAppearance;
  /** The page was reloaded: terminals that were open before started anew, and say so. */
  readonly revived: boolean;
  /** Localised text by its English original; what is missing is English. */
  readonly texts: Readonly<Record<string, string>>;
}

/** What the host may order the page to do with its terminals; the same acts have keys and buttons in the page. */
export type PageCommand = 'newTerminal' | 'closeTerminal' | 'nextTerminal' | 'previousTerminal' | 'find' | 'copy' | 'paste' | 'selectAll' | 'clear' | 'focus';

export type HostToPage =
  /** Once, after `ready`. */
  | { readonly type: 'boot'; readonly options: BootOptions }
  | { readonly type: 'appearance'; readonly appearance: TerminalAppearance }
  | { readonly type: 'command'; readonly command: PageCommand }
  /** Answer to `clipboard.read`; empty text if there is none. */
  | { readonly type: 'clipboard.text'; readonly id: number; readonly text: string }
  /** Answer to `terminal.mayClose`. */
  | { readonly type: 'terminal.mayClose.answer'; readonly id: number; readonly close: boolean }
  | FileRequestMessage;

export type PageToHost =
  /** The page's script runs and listens. */
  | { readonly type: 'ready' }
  | { readonly type: 'status'; readonly status: VmStatus }
  | { readonly type: 'log'; readonly line: LogLine }
  /** On every change, at most some times a second: the host has to know when the panel is closed, when it's too late to ask. */
  | { readonly type: 'programs'; readonly programs: readonly RunningProgram[] }
  /** Title for the panel's tab, from the active terminal; empty for none. */
  | { readonly type: 'title'; readonly title: string }
  | { readonly type: 'clipboard.write'; readonly text: string }
  | { readonly type: 'clipboard.read'; readonly id: number }
  /** A link in a terminal was followed; the host opens it after VS Code's own question. */
  | { readonly type: 'openLink'; readonly uri: string }
  /** Ask the person whether a terminal with these programs may be closed. */
  | { readonly type: 'terminal.mayClose'; readonly id: number; readonly programs: readonly string[] }
  /** The person wants the VM started anew, after it stopped. */
  | { readonly type: 'restart' }
  /** The last terminal was closed, or the start was cancelled: close the panel. */
  | { readonly type: 'close' }
  | FileAnswerMessage
  | FileChangesMessage;

// ---------------------------------------------------------------- page <-> worker

/** How code is run: by the interpreter alone, or with what is hot compiled. */
export type EngineTiers = 'interpreter' | 'jit';

/** Name of the worker that compiles; it is the machine's script. Its first message is the port that its requests come by. */
export const compilerName = 'linux-vm-compiler';

export interface BootMessage {
  readonly type: 'boot';
  /** Text of the image's manifest.json, not yet checked. */
  readonly manifest: string;
  /** The engine, compiled in the page by compileStreaming, so that the browser can keep its optimised code. */
  readonly engine: WebAssembly.Module;
  /** Guest RAM in bytes. */
  readonly memory: number;
  /** Absent: the machine's default. Benchmarks compare them. */
  readonly tiers?: EngineTiers | undefined;
  /** Leads to the worker that compiles code. Absent: the machine's own does that. */
  readonly compiler?: MessagePort | undefined;
  /** IANA name of the person's time zone, for /etc/localtime; empty if unknown. */
  readonly timeZone: string;
}

export type PageToWorker =
  /** First of all messages, once. */
  | BootMessage
  /** Answer to `fetch`: the bytes, or why they didn't come (a sentence). Fewer bytes than asked for is an error of the image. */
  | { readonly type: 'fetched'; readonly id: number; readonly data: Uint8Array | null; readonly error: string }
  /** The worker that compiles code is gone; why. */
  | { readonly type: 'compiler.failed'; readonly reason: string }
  | FileRequestMessage
  | TerminalRequest;

export type WorkerToPage =
  /** `starting` with the stage `boot` at least once, then `running`; `off` when the VM powered off. */
  | { readonly type: 'status'; readonly status: VmStatus }
  | { readonly type: 'log'; readonly line: LogLine }
  | { readonly type: 'programs'; readonly programs: readonly RunningProgram[] }
  /**
   * A part of a file of the image, because a worker can't fetch what belongs to its webview: `length` bytes from `offset` of `file`, a
   * path relative to the image's folder. The page does several at a time; answers come in any order.
   */
  | { readonly type: 'fetch'; readonly id: number; readonly file: string; readonly offset: number; readonly length: number }
  | FileAnswerMessage
  | FileChangesMessage
  | TerminalEvent;
