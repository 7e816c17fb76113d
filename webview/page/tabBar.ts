/** The row of tabs over the terminals: the ARIA pattern "tabs", where arrow keys walk along and Enter goes into the terminal. */
import { element } from './elements.ts';

/** What a tab stands for. */
export interface TabTarget {
  readonly id: number;
  readonly panel: HTMLElement;
}

export interface TabActions<T> {
  /** Shows it; the focus stays on its tab. */
  readonly show: (target: T) => void;
  /** Shows it and goes into it. */
  readonly enter: (target: T) => void;
  readonly close: (target: T) => void;
}

interface Tab {
  readonly root: HTMLElement;
  readonly label: HTMLElement;
}

export class TabBar<T extends TabTarget> {
  readonly root = element('div', 'tabs');
  readonly #tabs = new Map<T, Tab>();
  readonly #closeText: string;
  readonly #actions: TabActions<T>;

  constructor(label: string, closeText: string, actions: TabActions<T>) {
    this.#closeText = closeText;
    this.#actions = actions;
    this.root.setAttribute('role', 'tablist');
    this.root.setAttribute('aria-label', label);
  }

  /** One of the tabs has the focus. */
  get hasFocus(): boolean {
    return this.root.contains(document.activeElement);
  }

  /** Adds a tab behind the others, and makes `target.panel` its panel. */
  add(target: T): void {
    const root = element('div', 'tab');
    root.setAttribute('role', 'presentation');
    const label = element('div', 'name');
    label.id = `tab-${target.id}`;
    label.setAttribute('role', 'tab');
    label.setAttribute('aria-controls', target.panel.id = `terminal-${target.id}`);
    label.setAttribute('aria-keyshortcuts', 'Delete');
    target.panel.setAttribute('role', 'tabpanel');
    target.panel.setAttribute('aria-labelledby', label.id);
    root.append(label, this.#closeIcon(target));
    root.addEventListener('mousedown', event => {
      if (event.button === 1) this.#actions.close(target);
      else if (event.button === 0 && !(event.target as Element).closest('.close')) this.#actions.enter(target);
      event.preventDefault();
    });
    label.addEventListener('keydown', event => this.#key(event, target));
    this.#tabs.set(target, { root, label });
    this.root.append(root);
  }

  remove(target: T): void {
    this.#tabs.get(target)?.root.remove();
    this.#tabs.delete(target);
  }

  rename(target: T, name: string): void {
    const tab = this.#tabs.get(target);
    if (!tab || tab.label.textContent === name) return;
    tab.label.textContent = name;
    tab.root.title = name;
  }

  /** Marks the one that is shown, which alone the Tab key reaches. */
  select(target: T): void {
    for (const [each, { root, label }] of this.#tabs) {
      root.classList.toggle('active', each === target);
      label.setAttribute('aria-selected', String(each === target));
      label.tabIndex = each === target ? 0 : -1;
    }
    this.#tabs.get(target)?.root.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  focus(target: T): void {
    this.#tabs.get(target)?.label.focus();
  }

  /** For the mouse alone: a tab may hold no button, and the Delete key does the same. */
  #closeIcon(target: T): HTMLElement {
    const icon = element('vscode-icon', 'close');
    icon.setAttribute('name', 'close');
    icon.setAttribute('aria-hidden', 'true');
    icon.title = this.#closeText;
    icon.addEventListener('click', () => this.#actions.close(target));
    return icon;
  }

  #key(event: KeyboardEvent, target: T): void {
    const all = [...this.#tabs.keys()];
    const index = all.indexOf(target);
    const next = all[neighbour(event.key, index, all.length)];
    if (next) {
      this.#actions.show(next);
      this.focus(next);
    } else if (event.key === 'Enter' || event.key === ' ') this.#actions.enter(target);
    else if (event.key === 'Delete') this.#actions.close(target);
    else return;
    event.preventDefault();
  }
}

/** Where a key leads from the tab number `index` of `count`; -1 if it is none that leads anywhere. */
export function neighbour(key: string, index: number, count: number): number {
  switch (key) {
    case 'ArrowRight': return (index + 1) % count;
    case 'ArrowLeft': return (index + count - 1) % count;
    case 'Home': return 0;
    case 'End': return count - 1;
    default: return -1;
  }
}
