/** The terminals of the panel as tabs: which there are, which is shown, and what keys, buttons and commands do to them. */
import type { BootOptions, PageCommand, PageToWorker, RunningProgram, TerminalAppearance, TerminalEvent, VmStatus } from '../protocol.ts';
import { element, iconButton } from './elements.ts';
import { FindBar } from './findBar.ts';
import type { Host } from './host.ts';
import { commandOfKey } from './keys.ts';
import { TabBar } from './tabBar.ts';
import { Terminal, type TerminalHost } from './terminal.ts';
import type { Texts } from './texts.ts';
import { onThemeChange } from './theme.ts';

export class Terminals implements TerminalHost {
  readonly #host: Host;
  readonly #texts: Texts;
  readonly #options: BootOptions;
  readonly #sendToVm: (message: PageToWorker) => void;
  readonly #bar = element('div', 'bar');
  readonly #tabs: TabBar<Terminal>;
  readonly #body = element('div', 'terminals');
  readonly #find: FindBar;
  readonly #terminals: Terminal[] = [];
  #appearance: TerminalAppearance;
  #active: Terminal | undefined;
  #nextId = 1;
  #notice: string;

  programs: readonly RunningProgram[] = [];

  constructor(parent: HTMLElement, host: Host, texts: Texts, options: BootOptions, sendToVm: (message: PageToWorker) => void) {
    this.#host = host;
    this.#texts = texts;
    this.#options = options;
    this.#sendToVm = sendToVm;
    this.#appearance = options.appearance;
    this.#notice = options.revived ? texts.t('The window was reloaded: the VM has started anew.') : '';
    this.#tabs = new TabBar(texts.t('Terminals'), texts.t('Close terminal'), {
      show: terminal => this.#activate(terminal, false), enter: terminal => this.#activate(terminal), close: terminal => void this.#close(terminal),
    });
    const spacer = element('span', 'spacer');
    this.#bar.append(
      this.#tabs.root, iconButton('add', texts.t('New terminal'), () => this.command('newTerminal')), spacer,
      iconButton('search', texts.t('Find in terminal'), () => this.command('find')),
    );
    this.#find = new FindBar(texts, () => this.#active, () => this.#active?.focus());
    parent.append(this.#bar, this.#find.root, this.#body);
    new ResizeObserver(() => this.#active?.fit()).observe(this.#body);
    window.addEventListener('focus', () => { if (!this.#find.isOpen && !this.#tabs.hasFocus) this.#active?.focus(); });
    onThemeChange(() => {
      for (const terminal of this.#terminals) terminal.setTheme(this.#appearance);
    });
  }

  /** Opens as many terminals as there were before a reload of the window; at least one. */
  restore(): void {
    const count = this.#options.revived ? Math.min(16, Math.max(1, this.#host.state?.terminals ?? 1)) : 1;
    const first = this.#open();
    for (let i = 1; i < count; i++) this.#open();
    this.#activate(first);
  }

  follow(status: VmStatus): void {
    this.#body.inert = status.state !== 'running';
    this.#bar.inert = status.state !== 'running';
    if (status.state === 'running') this.#active?.focus();
    if (status.state === 'off' || status.state === 'error') for (const terminal of this.#terminals) terminal.stop();
  }

  receive(event: TerminalEvent): void {
    this.#terminals.find(terminal => terminal.id === event.terminal)?.receive(event);
  }

  setAppearance(appearance: TerminalAppearance): void {
    this.#appearance = appearance;
    for (const terminal of this.#terminals) terminal.setAppearance(appearance);
  }

  command(command: PageCommand): void {
    const active = this.#active;
    switch (command) {
      case 'newTerminal': return this.#activate(this.#open());
      case 'closeTerminal': if (active) void this.#close(active); return;
      case 'nextTerminal': return this.#step(1);
      case 'previousTerminal': return this.#step(-1);
      case 'find': return this.#find.open(active?.selection ?? '');
      case 'copy': if (active?.selection) this.#host.send({ type: 'clipboard.write', text: active.selection }); return;
      case 'paste': if (active) void this.#paste(active); return;
      case 'selectAll': return active?.selectAll();
      case 'clear': return active?.clear();
      case 'focus': return active?.focus();
    }
  }

  // ------------------------------------------------ TerminalHost

  send(message: PageToWorker): void {
    this.#sendToVm(message);
  }

  openLink(uri: string): void {
    this.#host.send({ type: 'openLink', uri });
  }

  key(event: KeyboardEvent): boolean {
    const command = commandOfKey(event, navigator.userAgent, (this.#active?.selection ?? '') !== '');
    if (command) this.command(command);
    return command !== undefined;
  }

  changed(terminal: Terminal): void {
    this.#nameTabs();
    if (terminal === this.#active) this.#host.send({ type: 'title', title: terminal.title });
  }

  /** The last terminal stays, or a person who types `exit` would lose the VM with whatever else runs in it. */
  ended(terminal: Terminal): void {
    if (this.#terminals.length > 1) this.#remove(terminal);
    else terminal.offerAnother();
  }

  // ------------------------------------------------

  #open(): Terminal {
    const terminal = new Terminal(this.#nextId++, this, this.#texts, this.#appearance);
    this.#body.append(terminal.panel);
    this.#terminals.push(terminal);
    this.#tabs.add(terminal);
    this.#nameTabs();
    this.#saveState();
    this.#activate(terminal);
    return terminal;
  }

  #activate(terminal: Terminal, focus = true): void {
    for (const other of this.#terminals) if (other !== terminal) other.hide();
    this.#active = terminal;
    terminal.show(this.#notice);
    if (focus) terminal.focus();
    this.#tabs.select(terminal);
    this.#host.send({ type: 'title', title: terminal.title });
  }

  #step(by: number): void {
    const index = this.#active ? this.#terminals.indexOf(this.#active) : 0;
    const next = this.#terminals[(index + by + this.#terminals.length) % this.#terminals.length];
    if (next) this.#activate(next);
  }

  async #close(terminal: Terminal): Promise<void> {
    const last = this.#terminals.length === 1;
    const lost = this.programs.filter(program => last || program.terminal === terminal.id).map(program => program.name);
    if (lost.length > 0 && !await this.#host.mayClose(lost)) return;
    if (last) this.#host.send({ type: 'close' });
    else this.#remove(terminal);
  }

  #remove(terminal: Terminal): void {
    const index = this.#terminals.indexOf(terminal);
    if (index < 0) return;
    const isInTabs = this.#tabs.hasFocus;
    this.#terminals.splice(index, 1);
    this.#tabs.remove(terminal);
    this.#nameTabs();
    terminal.dispose();
    this.#saveState();
    const neighbour = this.#terminals[Math.min(index, this.#terminals.length - 1)];
    if (terminal === this.#active && neighbour) this.#activate(neighbour, !isInTabs);
    if (isInTabs && this.#active) this.#tabs.focus(this.#active);
  }

  async #paste(terminal: Terminal): Promise<void> {
    const text = await this.#host.readClipboard();
    if (text) terminal.paste(text);
    terminal.focus();
  }

  #saveState(): void {
    this.#host.state = { terminals: this.#terminals.length };
  }

  /** A terminal without a title is called by its place. */
  #nameTabs(): void {
    for (const [index, terminal] of this.#terminals.entries()) this.#tabs.rename(terminal, terminal.title || this.#texts.t('Terminal {0}', index + 1));
  }
}
