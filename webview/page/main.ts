/**
 * The page in the panel's webview: terminals on the screen, the worker that the VM runs in, and messages between that worker and the
 * extension host. Imports the protocol, xterm.js and VS Code's look-alike elements; nothing of the VM itself, which is the worker's.
 */
import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-icon/index.js';
import '@vscode-elements/elements/dist/vscode-progress-bar/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import '@vscode-elements/elements/dist/vscode-toolbar-button/index.js';
import '@xterm/xterm/css/xterm.css';
import './page.css';
import type {} from './start.ts';
import type { HostToPage } from '../protocol.ts';
import { Cover } from './cover.ts';
import { Host } from './host.ts';
import { Terminals } from './terminals.ts';
import { Texts } from './texts.ts';

const host = new Host();
const texts = new Texts();
const cover = new Cover(document.body, texts, {
  restart: () => host.send({ type: 'restart' }),
  cancel: () => host.send({ type: 'close' }),
});

host.onMessage = first => {
  if (first.type !== 'boot') return;
  const { options } = first;
  texts.use(options.texts);
  const vm = globalThis.linuxVm;
  const terminals = new Terminals(document.body, host, texts, options, message => vm.send(message));

  vm.onMessage = message => {
    switch (message.type) {
      case 'status':
        cover.show(message.status);
        terminals.follow(message.status);
        return host.send(message);
      case 'terminal.output':
      case 'terminal.exit':
      case 'terminal.failed':
        return terminals.receive(message);
      case 'programs':
        terminals.programs = message.programs;
        return host.send(message);
      default:
        return host.send(message);
    }
  };
  host.onMessage = (message: HostToPage) => {
    switch (message.type) {
      case 'file.request': return vm.send(message);
      case 'appearance': return terminals.setAppearance(message.appearance);
      case 'command': return terminals.command(message.command);
      default: return;
    }
  };
  terminals.restore();
};
host.send({ type: 'ready' });
