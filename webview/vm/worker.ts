/** Entry of the VM's worker: connects the machine to the page's messages, and lets no error go unseen. By another name it is the compiler's. */
import { compilerName, type PageToWorker, type WorkerToPage } from '../protocol.ts';
import { serveCompiling } from './compilePort.ts';
import { transfersOf } from './transfers.ts';
import { WorkerMachine } from './workerMachine.ts';

declare const self: {
  readonly name: string;
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: WorkerToPage, transfer: Transferable[]): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
};

function serveMachine(): void {
  const machine = new WorkerMachine(message => self.postMessage(message, transfersOf(message)));
  self.onmessage = (event: MessageEvent<PageToWorker>) => machine.receive(event.data);
  // An exception of a callback reaches the page by itself (Worker.onerror), a rejection doesn't.
  self.addEventListener('unhandledrejection', event => machine.fail(event.reason));
}

if (self.name === compilerName) self.onmessage = (event: MessageEvent<MessagePort>) => serveCompiling(event.data);
else serveMachine();
