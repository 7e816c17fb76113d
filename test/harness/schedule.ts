/** Runs tasks over a device that makes them wait, as a scheduler does, in an order of chance. */
import { Wake, type Io, type Waiter } from '../../webview/lib/wait.ts';
import type { MemoryDevice } from './memoryDevice.ts';
import type { Random } from './random.ts';

/** Runs tasks until all are done: each sleeps until one of the queues that it waits for wakes. */
export function schedule(tasks: readonly Io<void>[], device: MemoryDevice, random: Random): void {
  const runnable = new Set(tasks);
  let left = tasks.length;
  while (left > 0) {
    if (runnable.size === 0 || (device.isAsked && random.chance(0.05))) {
      if (!device.isAsked) throw new Error('all sleep and nothing will wake them');
      device.arrive();
      if (random.chance(0.3)) device.forget();
      continue;
    }
    const task = random.pick([...runnable]);
    const step = task.next(Wake.ready);
    if (step.done === true) {
      runnable.delete(task);
      left--;
      continue;
    }
    const { queues } = step.value;
    runnable.delete(task);
    const waiter: Waiter = {
      wake: () => {
        for (const queue of queues) queue.remove(waiter);
        runnable.add(task);
        return true;
      },
    };
    for (const queue of queues) queue.add(waiter);
  }
}
