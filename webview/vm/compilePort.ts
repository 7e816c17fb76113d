/** Both ends of the port between the machine's thread and the one that compiles for it: workers of the page, or of Node. */
import type { CompileAnswer, CompileRequest, CompileThread } from '../engine/jit/compileMessages.ts';
import { CompileServer } from '../engine/jit/compileServer.ts';

/** The compiler at the other end of a port. */
export function compileThread(port: MessagePort): CompileThread {
  const thread: CompileThread = {
    post: request => port.postMessage(request),
    onAnswer: () => {},
  };
  port.onmessage = (event: MessageEvent<CompileAnswer>) => thread.onAnswer(event.data);
  return thread;
}

/** Compiles for who is at the other end. */
export function serveCompiling(port: MessagePort): void {
  const server = new CompileServer(answer => port.postMessage(answer));
  port.onmessage = (event: MessageEvent<CompileRequest>) => {
    try {
      server.receive(event.data);
    } catch (error) {
      port.postMessage({ type: 'failed', reason: error instanceof Error ? error.stack ?? error.message : String(error) } satisfies CompileAnswer);
    }
  };
}
