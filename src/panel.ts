/** The panel's life: made, revived after a reload, closed; its page's HTML with the content security policy; messages that are about it. */
import * as vscode from 'vscode';
import type { BootOptions, HostToPage, PageCommand, PageToHost } from '../webview/protocol.ts';
import { affectsAppearance, memory, terminalAppearance } from './config.ts';
import type { Machine } from './machine.ts';
import { openLink } from './links.ts';
import { pageHtml } from './pageHtml.ts';
import { messageOf } from './showErrors.ts';

/** One for ever: the origin that the page's storage belongs to hangs on it. */
export const viewType = 'linuxVm.panel';

/** Owner of the one panel there can be in a window. */
export class VmPanels implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #context: vscode.ExtensionContext;
  readonly #machine: Machine;
  readonly #subscriptions: vscode.Disposable[] = [];
  #panel: vscode.WebviewPanel | undefined;
  /** The panel is being closed by us or the page, which have asked whatever was to be asked. */
  #closing = false;
  /** The page that was ordered last has started its VM. */
  #hasBooted = false;

  constructor(context: vscode.ExtensionContext, machine: Machine) {
    this.#context = context;
    this.#machine = machine;
    this.#subscriptions.push(
      vscode.window.registerWebviewPanelSerializer(viewType, this),
      vscode.workspace.onDidChangeConfiguration(event => {
        if (affectsAppearance(event)) this.#send({ type: 'appearance', appearance: terminalAppearance() });
      }),
    );
  }

  get isOpen(): boolean {
    return this.#panel !== undefined;
  }

  /** Shows the panel, making it (and starting the VM) if there is none. */
  open(): void {
    if (this.#panel) {
      this.#panel.reveal();
      this.command('focus');
      return;
    }
    this.#adopt(vscode.window.createWebviewPanel(viewType, 'Linux VM', vscode.ViewColumn.Active, { retainContextWhenHidden: true }), false);
  }

  /** Closes without asking. */
  close(): void {
    this.#closing = true;
    this.#panel?.dispose();
  }

  /** Starts the VM anew in the open panel, or opens one. */
  restart(): void {
    const panel = this.#panel;
    if (!panel) return this.open();
    this.#boot(panel, false);
    panel.reveal();
  }

  command(command: PageCommand): void {
    this.#send({ type: 'command', command });
  }

  /** VS Code restores the panel after a reload of its window; the VM boots again. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel): Promise<void> {
    if (this.#panel) return panel.dispose(); // one VM per window: opened meanwhile
    this.#adopt(panel, true);
  }

  dispose(): void {
    this.close();
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #adopt(panel: vscode.WebviewPanel, revived: boolean): void {
    this.#panel = panel;
    this.#closing = false;
    const media = vscode.Uri.joinPath(this.#context.extensionUri, 'media');
    panel.iconPath = { light: vscode.Uri.joinPath(media, 'panel-light.svg'), dark: vscode.Uri.joinPath(media, 'panel-dark.svg') };
    panel.webview.options = { enableScripts: true, localResourceRoots: [this.#context.extensionUri] };
    panel.onDidDispose(() => this.#disposed());
    this.#boot(panel, revived);
  }

  #boot(panel: vscode.WebviewPanel, revived: boolean): void {
    const { webview } = panel;
    this.#listener?.dispose();
    this.#listener = webview.onDidReceiveMessage((message: PageToHost) => {
      this.#receive(panel, message, revived).catch((error: unknown) => this.#machine.log({ level: 'error', text: `${message.type}: ${messageOf(error)}` }));
    });
    this.#hasBooted = false;
    this.#attach(webview);
    webview.html = pageHtml(webview, this.#context.extensionUri, memory());
  }

  #attach(webview: vscode.Webview): void {
    this.#machine.attach({ send: message => void webview.postMessage(message) });
  }

  /** Answers `ready`. A page that is ready twice was made anew by VS Code, as for another window, and the VM of before is gone. */
  #start(webview: vscode.Webview, revived: boolean): void {
    const isAnew = this.#hasBooted;
    this.#hasBooted = true;
    if (isAnew) this.#attach(webview);
    this.#send({ type: 'boot', options: bootOptions(revived || isAnew) });
  }

  #listener: vscode.Disposable | undefined;

  async #receive(panel: vscode.WebviewPanel, message: PageToHost, revived: boolean): Promise<void> {
    this.#machine.receive(message);
    switch (message.type) {
      case 'ready': return this.#start(panel.webview, revived);
      case 'title': panel.title = message.title ? vscode.l10n.t('{0} - Linux VM', message.title) : 'Linux VM'; return;
      case 'clipboard.write': await vscode.env.clipboard.writeText(message.text); return;
      case 'clipboard.read': {
        const text = await Promise.resolve(vscode.env.clipboard.readText()).catch(() => '');
        return this.#send({ type: 'clipboard.text', id: message.id, text });
      }
      case 'openLink': return await openLink(message.uri);
      case 'terminal.mayClose': return this.#send({ type: 'terminal.mayClose.answer', id: message.id, close: await mayEnd(message.programs, vscode.l10n.t('Close')) });
      case 'restart': return this.restart();
      case 'close': return this.close();
      default: return;
    }
  }

  #send(message: HostToPage): void {
    void this.#panel?.webview.postMessage(message);
  }

  /** VS Code lets nobody keep a panel from closing; where a program was lost, say so and offer the VM again. */
  #disposed(): void {
    const lost = this.#closing ? [] : this.#machine.programs.map(program => program.name);
    this.#listener?.dispose();
    this.#panel = undefined;
    this.#machine.detach();
    if (lost.length === 0) return;
    const again = vscode.l10n.t('Open again');
    void vscode.window.showWarningMessage(
      vscode.l10n.t('Closing the panel ended the Linux VM, where this was running: {0}. The command "Close Linux VM" asks first.', names(lost)), again,
    ).then(choice => { if (choice === again) void vscode.commands.executeCommand('linuxVm.open'); });
  }
}

function bootOptions(revived: boolean): BootOptions {
  return { appearance: terminalAppearance(), revived, texts: vscode.l10n.bundle ?? {} };
}

/** Asks whether what runs may be ended, with `act` on the button that says yes; true at once if nothing does. */
export async function mayEnd(programs: readonly string[], act: string): Promise<boolean> {
  if (programs.length === 0) return true;
  const question = vscode.l10n.t('Programs are still running in the Linux VM.');
  const detail = vscode.l10n.t('They will be ended: {0}', names(programs));
  return await vscode.window.showWarningMessage(question, { modal: true, detail }, act) === act;
}

/** Programs in a sentence: each once, and not too many. */
export function names(programs: readonly string[]): string {
  const distinct = [...new Set(programs)];
  return distinct.slice(0, 8).join(', ') + (distinct.length > 8 ? ' ...' : '');
}
