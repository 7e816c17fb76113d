/** Entry of the VM's worker: connects the machine to the page's messages, and lets no error go unseen. */
import type { PageToWorker, WorkerToPage } from '../protocol.ts';
import { transfersOf } from './transfers.ts';
import { WorkerMachine } from './workerMachine.ts';

declare const self: {
  onmessage: ((event: MessageEvent<PageToWorker>) => void) | null;
  postMessage(message: WorkerToPage, transfer: Transferable[]): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
};

const machine = new WorkerMachine(message => self.postMessage(message, transfersOf(message)));
self.onmessage = event => machine.receive(event.data);
// An exception of a callback reaches the page by itself (Worker.onerror), a rejection doesn't.
self.addEventListener('unhandledrejection', event => machine.fail(event.reason));
