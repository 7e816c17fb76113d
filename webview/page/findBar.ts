/** The search field over a terminal. */
import { element, iconButton } from './elements.ts';
import type { Terminal } from './terminal.ts';
import type { Texts } from './texts.ts';
import { readMatchDecorations } from './theme.ts';

export class FindBar {
  readonly root = element('div', 'find');
  readonly #field = element('vscode-textfield');
  readonly #count = element('span', 'count');
  readonly #texts: Texts;
  readonly #terminal: () => Terminal | undefined;
  readonly #closed: () => void;
  readonly #listening = new WeakSet<Terminal>();

  constructor(texts: Texts, terminal: () => Terminal | undefined, closed: () => void) {
    this.#texts = texts;
    this.#terminal = terminal;
    this.#closed = closed;
    this.root.hidden = true;
    this.root.setAttribute('role', 'search');
    this.#field.setAttribute('placeholder', texts.t('Find'));
    this.#field.setAttribute('label', texts.t('Find in terminal'));
    this.#count.setAttribute('aria-live', 'polite');
    this.root.append(
      this.#field, this.#count,
      iconButton('arrow-up', texts.t('Previous match'), () => this.#search(false)),
      iconButton('arrow-down', texts.t('Next match'), () => this.#search(true)),
      iconButton('close', texts.t('Close'), () => this.close()),
    );
    this.#field.addEventListener('input', () => this.#search(true, true));
    this.root.addEventListener('keydown', event => {
      if (event.key === 'Escape') this.close();
      else if (event.key === 'Enter') this.#search(!event.shiftKey);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  get isOpen(): boolean {
    return !this.root.hidden;
  }

  /** Shows the field, with `text` in it if that is one line. */
  open(text: string): void {
    this.root.hidden = false;
    if (text && !text.includes('\n')) this.#field.value = text;
    requestAnimationFrame(() => {
      this.#field.focus();
      this.#search(true, true);
    });
  }

  close(): void {
    this.root.hidden = true;
    this.#terminal()?.search.clearDecorations();
    this.#closed();
  }

  #search(forward: boolean, incremental = false): void {
    const terminal = this.#terminal();
    if (!terminal) return;
    if (!this.#listening.has(terminal)) {
      this.#listening.add(terminal);
      terminal.search.onDidChangeResults(({ resultIndex, resultCount }) => this.#showCount(resultIndex, resultCount));
    }
    const text = this.#field.value;
    if (!text) {
      terminal.search.clearDecorations();
      this.#count.textContent = '';
      return;
    }
    const options = { incremental, decorations: readMatchDecorations() };
    const found = forward ? terminal.search.findNext(text, options) : terminal.search.findPrevious(text, { ...options, incremental: false });
    if (!found) this.#count.textContent = this.#texts.t('No results');
  }

  #showCount(index: number, count: number): void {
    if (!this.isOpen || !this.#field.value) return;
    this.#count.textContent = count === 0 ? this.#texts.t('No results') : index < 0 ? this.#texts.t('{0}+ results', count) : this.#texts.t('{0} of {1}', index + 1, count);
  }
}
