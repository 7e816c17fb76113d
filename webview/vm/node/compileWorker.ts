/** The thread of the headless VM that compiles: the same program in a worker of Node's. */
import { MessageChannel, Worker, workerData, type MessagePort as NodePort } from 'node:worker_threads';
import type { CompileThread } from '../../engine/jit/compileMessages.ts';
import { compilerName } from '../../protocol.ts';
import { compileThread, serveCompiling } from '../compilePort.ts';

interface WorkerData {
  readonly name: typeof compilerName;
  readonly port: MessagePort;
}

/** Starts `program`, which calls `serveIfCompiler`, as the compiler. It doesn't keep the process from ending. */
export function startCompiler(program: string): CompileThread {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(program, { workerData: { name: compilerName, port: port2 }, transferList: [port2], stderr: false });
  const thread = compileThread(port1 as unknown as MessagePort);
  worker.on('error', error => thread.onAnswer({ type: 'failed', reason: error.stack ?? error.message }));
  worker.unref();
  port1.unref();
  return thread;
}

/** True in a worker that is the compiler. */
export function serveIfCompiler(): boolean {
  const data = workerData as WorkerData | null | undefined;
  if (data?.name !== compilerName) return false;
  serveCompiling(data.port);
  (data.port as unknown as NodePort).ref();
  return true;
}
