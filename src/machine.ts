/** The VM as the extension host knows it: its state, its log, and requests for its files, through whichever page runs it now. */
import * as vscode from 'vscode';
import type {
  FileAnswers, FileChange, FileErrorKind, FileOutcome, FileRequest, HostToPage, LogLine, PageToHost, RunningProgram, VmStatus,
} from '../webview/protocol.ts';
import { fileSentence, localised } from './sentences.ts';

/** A way to the page. */
export interface Link {
  send(message: HostToPage): void;
}

/** A request failed, or its answer did not come; VS Code's own kinds are made of this in fileSystem.ts. */
export class RequestFailed extends Error {
  readonly kind: FileErrorKind;

  constructor(kind: FileErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

interface Pending {
  readonly settle: (outcome: FileOutcome | RequestFailed) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** How long an answer may take: a VM that is busy must not make the explorer wait without end. Milliseconds. */
const deadline = { quick: 10_000, data: 120_000 } as const;

export class Machine implements vscode.Disposable {
  readonly #status = new vscode.EventEmitter<VmStatus>();
  readonly #running = new vscode.EventEmitter<boolean>();
  readonly #changes = new vscode.EventEmitter<readonly FileChange[]>();
  readonly #pending = new Map<number, Pending>();
  readonly #output: vscode.LogOutputChannel;
  #link: Link | undefined;
  #nextId = 1;

  readonly onDidChangeStatus = this.#status.event;
  /** Fires when the VM came up or is gone, after `onDidChangeStatus`. */
  readonly onDidChangeRunning = this.#running.event;
  readonly onDidChangeFiles = this.#changes.event;
  status: VmStatus = { state: 'off' };
  /** What would be lost if the VM ended now. */
  programs: readonly RunningProgram[] = [];

  constructor(output: vscode.LogOutputChannel) {
    this.#output = output;
  }

  get running(): boolean {
    return this.status.state === 'running';
  }

  /** A page was made that will start the VM. */
  attach(link: Link): void {
    this.detach();
    this.#link = link;
    this.#setStatus({ state: 'starting', stage: 'page', fraction: 0 });
  }

  /** The page is gone and the VM with it. */
  detach(): void {
    this.#link = undefined;
    this.programs = [];
    this.#failPending(vscode.l10n.t('The Linux VM was closed'));
    this.#setStatus({ state: 'off' });
  }

  /** Takes what concerns the VM itself out of the page's messages. */
  receive(message: PageToHost): void {
    switch (message.type) {
      case 'status': return this.#setStatus(message.status);
      case 'log': return this.log(message.line);
      case 'programs': this.programs = message.programs; return;
      case 'file.answer': return this.#answer(message.id, message.outcome);
      case 'file.changes': return this.#changes.fire(message.changes);
      default: return;
    }
  }

  /** Asks the VM. Rejects with `RequestFailed`; at once with kind Unavailable while the VM doesn't run. */
  async request<R extends FileRequest>(request: R): Promise<FileAnswers[R['op']]> {
    const link = this.#link;
    if (!link || !this.running) throw unavailable(vscode.l10n.t('The Linux VM is not running'));
    const id = this.#nextId++;
    const outcome = await new Promise<FileOutcome | RequestFailed>(settle => {
      const slow = request.op === 'readFile' || request.op === 'writeFile' || request.op === 'copy' || request.op === 'delete' || request.op === 'rename';
      const timer = setTimeout(() => this.#answer(id, unavailable(vscode.l10n.t('The Linux VM did not answer in time'))), slow ? deadline.data : deadline.quick);
      this.#pending.set(id, { settle, timer });
      link.send({ type: 'file.request', id, request });
    });
    if (outcome instanceof RequestFailed) throw outcome;
    if (!outcome.ok) throw new RequestFailed(outcome.failure.kind, fileSentence(outcome.failure));
    return outcome.value as FileAnswers[R['op']];
  }

  dispose(): void {
    this.detach();
    this.#status.dispose();
    this.#running.dispose();
    this.#changes.dispose();
  }

  #answer(id: number, outcome: FileOutcome | RequestFailed): void {
    const pending = this.#pending.get(id);
    if (!pending) return; // it came after its deadline
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.settle(outcome);
  }

  #failPending(message: string): void {
    for (const id of [...this.#pending.keys()]) this.#answer(id, unavailable(message));
  }

  #setStatus(status: VmStatus): void {
    const before = this.status;
    this.status = status;
    if (status.state === 'off' || status.state === 'error') {
      this.programs = [];
      this.#failPending(vscode.l10n.t('The Linux VM stopped'));
    }
    if (status.state !== before.state) {
      void vscode.commands.executeCommand('setContext', 'linuxVm.state', status.state);
      this.#output.info(`VM: ${status.state}`);
      if (status.state === 'error') this.#output.error(`${localised(status.message)}\n${status.detail}`.trim());
    }
    this.#status.fire(status);
    const running = status.state === 'running';
    if (running !== (before.state === 'running')) this.#running.fire(running);
  }

  /** Writes to the output channel. */
  log({ level, text }: LogLine): void {
    if (level === 'error') this.#output.error(text);
    else if (level === 'warning') this.#output.warn(text);
    else if (level === 'info') this.#output.info(text);
    else this.#output.debug(text);
  }
}

function unavailable(message: string): RequestFailed {
  return new RequestFailed('Unavailable', message);
}
