import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HostToPage, PageToHost } from '../webview/protocol.ts';

vi.mock('vscode', () => import('../test/harness/fakeVscode.ts'));
const vscode = await import('vscode');
const { Machine } = await import('./machine.ts');
const { mayEnd, names, VmPanels } = await import('./panel.ts');

/** VS Code's panel: what is sent to its page, and a way to speak as the page. */
class FakePanel {
  readonly sent: HostToPage[] = [];
  readonly #received = new vscode.EventEmitter<PageToHost>();
  readonly #disposed = new vscode.EventEmitter<void>();
  readonly onDidDispose = this.#disposed.event;
  readonly webview = {
    html: '', options: {}, cspSource: 'page:', asWebviewUri: (uri: unknown) => uri, onDidReceiveMessage: this.#received.event,
    postMessage: (message: HostToPage) => void this.sent.push(message),
  };

  say(message: PageToHost): void {
    this.#received.fire(message);
  }

  reveal(): void {}

  dispose(): void {
    this.#disposed.fire();
  }

  get boots(): boolean[] {
    return this.sent.flatMap(message => message.type === 'boot' ? [message.options.revived] : []);
  }
}

describe('VmPanels', () => {
  let errors: string[];
  let machine: InstanceType<typeof Machine>;
  let panels: InstanceType<typeof VmPanels>;
  let panel: FakePanel;

  beforeEach(() => {
    errors = [];
    const output = { info() {}, warn() {}, error: (text: string) => errors.push(text), debug() {} };
    machine = new Machine(output as unknown as import('vscode').LogOutputChannel);
    const context = { extensionUri: vscode.Uri.from({ scheme: 'file', path: '/extension' }) };
    panels = new VmPanels(context as unknown as import('vscode').ExtensionContext, machine);
    panel = new FakePanel();
    vi.spyOn(vscode.window, 'createWebviewPanel').mockReturnValue(panel as unknown as import('vscode').WebviewPanel);
  });

  afterEach(() => {
    panels.dispose();
    machine.dispose();
    vi.restoreAllMocks();
  });

  it('starts the VM when the page is ready', () => {
    panels.open();
    expect(panel.boots).toEqual([]);
    panel.say({ type: 'ready' });
    expect(panel.boots).toEqual([false]);
    expect(machine.status.state).toBe('starting');
  });

  it('starts it anew, and says so, in a page that VS Code made anew', async () => {
    panels.open();
    panel.say({ type: 'ready' });
    panel.say({ type: 'status', status: { state: 'running' } });
    const lost = expect(machine.request({ op: 'stat', path: '/' })).rejects.toThrow('The Linux VM was closed');
    panel.say({ type: 'ready' });
    await lost;
    expect(panel.boots).toEqual([false, true]);
    expect(machine.status.state).toBe('starting');
    panels.restart();
    panel.say({ type: 'ready' });
    expect(panel.boots).toEqual([false, true, false]);
  });

  it('opens links that lead out of this computer, and logs others', async () => {
    const opened: string[] = [];
    vi.spyOn(vscode.env, 'openExternal').mockImplementation(uri => Promise.resolve(opened.push(uri.scheme) > 0));
    panels.open();
    for (const uri of ['https://vm.invalid/', 'HTTP://vm.invalid/', 'mailto:a@vm.invalid', 'command:workbench.action.quit', 'file:///etc/passwd', 'nothing']) {
      panel.say({ type: 'openLink', uri });
    }
    await vi.waitFor(() => expect(errors).toHaveLength(3));
    expect(opened).toEqual(['https', 'HTTP', 'mailto']);
    expect(errors).toEqual(['openLink: no scheme', ...['command', 'file'].map(scheme => `openLink: links with the scheme ${scheme} are not opened`)].sort());
  });
});

describe('running programs', () => {
  afterEach(() => { vi.restoreAllMocks(); });

  it('may be ended without a question where there are none, else by the button with that act', async () => {
    const ask = vi.spyOn(vscode.window, 'showWarningMessage') as unknown as ReturnType<typeof vi.fn>;
    expect(await mayEnd([], 'Restart')).toBe(true);
    expect(ask).not.toHaveBeenCalled();
    ask.mockResolvedValueOnce('Restart');
    expect(await mayEnd(['vim', 'vim', 'make'], 'Restart')).toBe(true);
    expect(ask).toHaveBeenCalledWith(expect.any(String), { modal: true, detail: 'They will be ended: vim, make' }, 'Restart');
    ask.mockResolvedValueOnce(undefined);
    expect(await mayEnd(['vim'], 'Restart')).toBe(false);
  });

  it('are named once each, and not all of many', () => {
    expect(names(['a', 'b', 'a'])).toBe('a, b');
    expect(names([...'abcdefghij'])).toBe('a, b, c, d, e, f, g, h ...');
  });
});
