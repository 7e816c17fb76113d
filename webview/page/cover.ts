/** What lies over the terminals while the VM doesn't run: progress with a way to cancel, what went wrong, or that it is off. */
import { stageTexts, type VmStatus } from '../protocol.ts';
import { element } from './elements.ts';
import type { Texts } from './texts.ts';

export interface CoverActions {
  readonly restart: () => void;
  readonly cancel: () => void;
}

export class Cover {
  readonly #root = element('section', 'cover');
  readonly #title = element('h1');
  readonly #detail = element('pre');
  readonly #progress = element('vscode-progress-bar');
  readonly #button = element('vscode-button');
  readonly #texts: Texts;
  readonly #actions: CoverActions;
  #act: () => void = () => {};

  constructor(parent: HTMLElement, texts: Texts, actions: CoverActions) {
    this.#texts = texts;
    this.#actions = actions;
    this.#root.setAttribute('role', 'status');
    this.#root.append(this.#title, this.#progress, this.#detail, this.#button);
    this.#button.addEventListener('click', () => this.#act());
    parent.append(this.#root);
    this.show({ state: 'starting', stage: 'page', fraction: 0 });
  }

  show(status: VmStatus): void {
    this.#root.hidden = status.state === 'running';
    this.#root.dataset['state'] = status.state;
    this.#progress.hidden = status.state !== 'starting';
    this.#detail.hidden = status.state !== 'error';
    if (status.state === 'starting') {
      this.#title.textContent = this.#texts.t(stageTexts[status.stage]);
      this.#progress.setAttribute('value', String(Math.round(status.fraction * 100)));
      this.#offer(this.#texts.t('Cancel'), this.#actions.cancel);
    } else if (status.state === 'error') {
      this.#title.textContent = this.#texts.sentence(status.message);
      this.#detail.textContent = status.detail;
      this.#offer(this.#texts.t('Start again'), this.#actions.restart);
    } else if (status.state === 'off') {
      this.#title.textContent = this.#texts.t('The Linux VM is off.');
      this.#offer(this.#texts.t('Start again'), this.#actions.restart);
    }
  }

  #offer(label: string, act: () => void): void {
    this.#button.textContent = label;
    this.#act = act;
  }
}
