/** Which buffers of a message to the page are handed over instead of copied. */
import type { WorkerToPage } from '../protocol.ts';

export function transfersOf(message: WorkerToPage): ArrayBuffer[] {
  if (message.type === 'terminal.output') return [message.data.buffer as ArrayBuffer];
  if (message.type === 'file.answer' && message.outcome.ok && message.outcome.value instanceof Uint8Array) {
    return [message.outcome.value.buffer as ArrayBuffer];
  }
  return [];
}
