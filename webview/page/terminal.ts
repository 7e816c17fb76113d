/** One terminal: xterm.js on the screen, a pty in the VM. */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal as Xterm } from '@xterm/xterm';
import { terminalAcknowledgeStep, type TerminalAppearance, type TerminalEvent, type TerminalRequest } from '../protocol.ts';
import { element } from './elements.ts';
import type { Texts } from './texts.ts';
import { isHighContrast, readTheme, usesScreenReader } from './theme.ts';

export interface TerminalHost {
  send(message: TerminalRequest): void;
  openLink(uri: string): void;
  /** True if the key is an act of ours, which then was done. */
  key(event: KeyboardEvent): boolean;
  /** The title or the running state changed. */
  changed(terminal: Terminal): void;
  /** The shell ended with status 0: the tab may go. */
  ended(terminal: Terminal): void;
}

const encoder = new TextEncoder();

export class Terminal {
  readonly id: number;
  readonly panel = element('div', 'screen');
  readonly #texts: Texts;
  readonly #host: TerminalHost;
  readonly #xterm: Xterm;
  readonly #fit = new FitAddon();
  readonly search = new SearchAddon();
  #unacknowledged = 0;
  #opened = false;
  #alive = false;
  title = '';

  constructor(id: number, host: TerminalHost, texts: Texts, appearance: TerminalAppearance) {
    this.id = id;
    this.#host = host;
    this.#texts = texts;
    this.#xterm = new Xterm({
      allowProposedApi: true, theme: readTheme(), ...options(appearance), macOptionIsMeta: true, rightClickSelectsWord: false,
      linkHandler: { activate: (event, uri) => this.#follow(event, uri), allowNonHttpProtocols: false },
    });
    this.#xterm.loadAddon(this.#fit);
    this.#xterm.loadAddon(this.search);
    this.#xterm.loadAddon(new Unicode11Addon());
    this.#xterm.unicode.activeVersion = '11';
    this.#xterm.loadAddon(new WebLinksAddon((event, uri) => this.#follow(event, uri)));
    this.#xterm.attachCustomKeyEventHandler(event => this.#key(event));
    this.#xterm.onData(text => this.#input(encoder.encode(text)));
    this.#xterm.onBinary(text => this.#input(Uint8Array.from(text, character => character.charCodeAt(0))));
    this.#xterm.onResize(({ cols, rows }) => {
      if (this.#alive) host.send({ type: 'terminal.resize', terminal: id, columns: cols, rows });
    });
    this.#xterm.onTitleChange(title => {
      this.title = title;
      host.changed(this);
    });
  }

  /** Bytes of output that programs wrote are on the screen as lines: what tests and screen readers see. */
  get xterm(): Xterm {
    return this.#xterm;
  }

  /** Puts the terminal on the screen, the first time with its shell, under `notice` if there is something to say. */
  show(notice: string): void {
    this.panel.hidden = false;
    if (!this.#opened) {
      this.#opened = true;
      this.#xterm.open(this.panel);
      if (notice) this.#xterm.writeln(`\x1b[2m${notice}\x1b[0m`);
      this.fit();
      this.#start();
    }
    this.fit();
  }

  hide(): void {
    this.panel.hidden = true;
  }

  focus(): void {
    this.#xterm.focus();
  }

  /** Takes the panel's size. A hidden webview is given 300x150, which is nobody's wish. */
  fit(): void {
    if (this.panel.hidden || !this.#opened || document.visibilityState === 'hidden') return;
    if (window.innerWidth === 300 && window.innerHeight === 150) return;
    this.#fit.fit();
  }

  setAppearance(appearance: TerminalAppearance): void {
    Object.assign(this.#xterm.options, options(appearance));
    this.fit();
  }

  /** VS Code's colours, contrast or screen reader changed. */
  setTheme(appearance: TerminalAppearance): void {
    this.#xterm.options.theme = readTheme();
    const { minimumContrastRatio, screenReaderMode } = options(appearance);
    this.#xterm.options.minimumContrastRatio = minimumContrastRatio;
    this.#xterm.options.screenReaderMode = screenReaderMode;
  }

  receive(event: TerminalEvent): void {
    if (event.type === 'terminal.output') {
      const bytes = event.data.length;
      return this.#xterm.write(event.data, () => this.#shown(bytes));
    }
    this.#alive = false;
    if (event.type === 'terminal.failed') return this.#notice(this.#texts.sentence(event.message));
    if (event.code === 0) return this.#host.ended(this);
    this.#notice(event.signal ? this.#texts.t('The shell was ended by {0}.', event.signal) : this.#texts.t('The shell ended with status {0}.', event.code));
  }

  /** Says that the shell has gone; Enter brings another. */
  offerAnother(): void {
    this.#notice(this.#texts.t('The shell has ended.'));
  }

  /** The VM is gone: nothing answers any more. */
  stop(): void {
    this.#alive = false;
  }

  get selection(): string {
    return this.#xterm.getSelection();
  }

  paste(text: string): void {
    this.#xterm.paste(text);
  }

  selectAll(): void {
    this.#xterm.selectAll();
  }

  clear(): void {
    this.#xterm.clear();
  }

  dispose(): void {
    if (this.#alive) this.#host.send({ type: 'terminal.close', terminal: this.id });
    this.#alive = false;
    this.#xterm.dispose();
    this.panel.remove();
  }

  #start(): void {
    this.#alive = true;
    this.#unacknowledged = 0;
    const { cols, rows } = this.#xterm;
    this.#host.send({ type: 'terminal.open', terminal: this.id, columns: cols, rows, command: null, cwd: null });
  }

  #input(data: Uint8Array): void {
    if (this.#alive) return this.#host.send({ type: 'terminal.input', terminal: this.id, data });
    if (data.length === 1 && data[0] === 0x0d) this.#start();
  }

  #shown(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < terminalAcknowledgeStep) return;
    this.#host.send({ type: 'terminal.acknowledge', terminal: this.id, bytes: this.#unacknowledged });
    this.#unacknowledged = 0;
  }

  #notice(sentence: string): void {
    // Out of the alternate screen, to a line of its own, in plain colours.
    this.#xterm.write(`\x1b[?1049l\x1b[0m\r\n\x1b[2m${sentence} ${this.#texts.t('Press Enter for a new one.')}\x1b[0m\r\n`);
  }

  /** As in VS Code's own terminal a link wants Ctrl (Cmd): a plain click selects. */
  #follow(event: MouseEvent, uri: string): void {
    if (event.ctrlKey || event.metaKey) this.#host.openLink(uri);
  }

  /** False leaves the key to VS Code. */
  #key(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown') return true;
    if (this.#host.key(event)) {
      event.preventDefault();
      event.stopPropagation();
      return false;
    }
    return event.key !== 'F1' && !(event.ctrlKey && (event.key === 'PageUp' || event.key === 'PageDown' || event.key === 'Tab'));
  }
}

function options(appearance: TerminalAppearance) {
  const { fontFamily, fontSize, lineHeight, letterSpacing, cursorBlink, cursorStyle, scrollback } = appearance;
  // WCAG's enhanced contrast where a person asked for it.
  const minimumContrastRatio = isHighContrast() ? Math.max(7, appearance.minimumContrastRatio) : appearance.minimumContrastRatio;
  return { fontFamily, fontSize, lineHeight, letterSpacing, cursorBlink, cursorStyle, scrollback, minimumContrastRatio, screenReaderMode: usesScreenReader() };
}
