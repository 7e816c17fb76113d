/** The page's end of the link to the extension host. */
import type { HostToPage, PageToHost } from '../protocol.ts';

/** What the page keeps for itself over a reload of VS Code's window. */
export interface PageState {
  /** Terminals that were open. */
  readonly terminals: number;
}

interface VsCodeApi {
  postMessage(message: PageToHost): void;
  getState(): PageState | undefined;
  setState(state: PageState): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

export class Host {
  readonly #api = acquireVsCodeApi();
  readonly #clipboard = new Map<number, (text: string) => void>();
  readonly #mayClose = new Map<number, (close: boolean) => void>();
  #nextId = 1;

  /** Receives what isn't the answer to a question of this page. */
  onMessage: (message: HostToPage) => void = () => {};

  constructor() {
    window.addEventListener('message', (event: MessageEvent<HostToPage>) => this.#receive(event.data));
  }

  get state(): PageState | undefined {
    return this.#api.getState();
  }

  set state(state: PageState) {
    this.#api.setState(state);
  }

  send(message: PageToHost): void {
    this.#api.postMessage(message);
  }

  /** The clipboard's text; empty if there is none. */
  readClipboard(): Promise<string> {
    const id = this.#nextId++;
    return new Promise(resolve => {
      this.#clipboard.set(id, resolve);
      this.send({ type: 'clipboard.read', id });
    });
  }

  /** Asks the person whether a terminal with these programs may go. */
  mayClose(programs: readonly string[]): Promise<boolean> {
    const id = this.#nextId++;
    return new Promise(resolve => {
      this.#mayClose.set(id, resolve);
      this.send({ type: 'terminal.mayClose', id, programs });
    });
  }

  #receive(message: HostToPage): void {
    if (message.type === 'clipboard.text') {
      this.#clipboard.get(message.id)?.(message.text);
      this.#clipboard.delete(message.id);
    } else if (message.type === 'terminal.mayClose.answer') {
      this.#mayClose.get(message.id)?.(message.close);
      this.#mayClose.delete(message.id);
    } else {
      this.onMessage(message);
    }
  }
}
