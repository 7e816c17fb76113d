/** Whose turn it is: runnable tasks in order, sleepers with their deadlines, and the kernel's own work in the background. */
import { Wait, Wake, type Io, type Waiter } from '../../lib/wait.ts';
import type { Timers } from '../time/timers.ts';
import type { Task } from './task.ts';
import { TaskState } from './taskState.ts';

/** An Io that belongs to no task. */
class Background implements Waiter {
  readonly io: Io<void>;
  readonly #ready: (work: Background) => void;
  wait: Wait | undefined;

  constructor(io: Io<void>, ready: (work: Background) => void) {
    this.io = io;
    this.#ready = ready;
  }

  wake(): boolean {
    if (this.wait === undefined) return false;
    for (const queue of this.wait.queues) queue.remove(this);
    this.wait = undefined;
    this.#ready(this);
    return true;
  }
}

/** Stopped: it may not run. What it does with the disk is finished first, waits for others are not gone on with. */
function isHeld(task: Task): boolean {
  return task.process.isStopped && !task.process.isDying && !task.mustExit && (task.io === undefined || task.sleepsInterruptibly);
}

export class Scheduler {
  readonly #timers: Timers;
  /** Runnable tasks, first in, first out: a ring that grows. */
  #ring: (Task | undefined)[] = new Array<Task | undefined>(64).fill(undefined);
  #head = 0;
  #count = 0;
  readonly #ready: Background[] = [];
  #background = 0;
  /** The task that the kernel works for now. */
  current: Task | undefined;
  switches = 0;
  /** When the current task's turn began. */
  turnStart = 0;
  /** Called when something became runnable while the machine was idle or outside of a slice. */
  becameRunnable: () => void = () => {};
  /** Inside of a slice nobody needs to be told. */
  isInSlice = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Tasks that could run now, without the current one. */
  get runnable(): number {
    return this.#count;
  }

  /** Nanoseconds that the current task has had in this turn. */
  get currentTurn(): number {
    return this.current === undefined ? 0 : this.#timers.now() - this.turnStart;
  }

  get hasWork(): boolean {
    return this.#count > 0 || this.#ready.length > 0;
  }

  /** Puts a task at the end of the run queue. Stopped processes' tasks stay out until they continue. */
  enqueue(task: Task): void {
    if (task.isQueued || task.state === TaskState.dead || task.state === TaskState.sleeping) return;
    task.state = TaskState.runnable;
    if (isHeld(task)) return;
    task.isQueued = true;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#count++) & (this.#ring.length - 1)] = task;
    this.#announce();
  }

  /** As `enqueue` for a runnable task; the one that runs now goes on by itself. */
  enqueueUnlessCurrent(task: Task): void {
    if (task !== this.current && task.state === TaskState.runnable) this.enqueue(task);
  }

  /** Takes the next task out of the run queue. */
  next(): Task | undefined {
    while (this.#count > 0) {
      const task = this.#ring[this.#head]!;
      this.#ring[this.#head] = undefined;
      this.#head = (this.#head + 1) & (this.#ring.length - 1);
      this.#count--;
      task.isQueued = false;
      if (task.state !== TaskState.runnable) continue;
      // It was stopped meanwhile: enqueued again when its process continues.
      if (isHeld(task)) continue;
      return task;
    }
    return undefined;
  }

  #grow(): void {
    const old = this.#ring;
    this.#ring = new Array<Task | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#count; i++) this.#ring[i] = old[(this.#head + i) & (old.length - 1)];
    this.#head = 0;
  }

  #announce(): void {
    if (!this.isInSlice) this.becameRunnable();
  }

  /** Puts a task to sleep on `wait`. */
  sleep(task: Task, wait: Wait): void {
    task.state = TaskState.sleeping;
    task.wait = wait;
    task.sleepsInterruptibly = wait.interruptible;
    task.usage.voluntarySwitches++;
    for (const queue of wait.queues) queue.add(task);
    if (wait.deadline === Infinity) return;
    task.cancelDeadline = this.#timers.at(wait.deadline, () => this.wake(task, Wake.timeout));
  }

  /** Ends a task's sleep for `reason`. */
  wake(task: Task, reason: Wake): void {
    if (task.state !== TaskState.sleeping) return;
    const { wait } = task;
    if (wait !== undefined) for (const queue of wait.queues) queue.remove(task);
    task.wait = undefined;
    task.cancelDeadline?.();
    task.cancelDeadline = undefined;
    task.wakeReason = reason;
    task.state = TaskState.runnable;
    this.enqueue(task);
  }

  /** A signal came that has to be dealt with: ends the sleep if it may be ended. */
  interrupt(task: Task): void {
    if (task.state === TaskState.sleeping && task.wait?.interruptible) this.wake(task, Wake.interrupted);
  }

  /** Drives `io` apart from all tasks; it may already be finished on return. */
  background(io: Io<void>): void {
    this.#background++;
    this.#step(new Background(io, work => {
      this.#ready.push(work);
      this.#announce();
    }));
  }

  /** Goes on with background work that became ready. */
  runBackground(): void {
    while (this.#ready.length > 0) this.#step(this.#ready.shift()!);
  }

  #step(work: Background): void {
    const step = work.io.next(Wake.ready);
    if (step.done) {
      this.#background--;
      return;
    }
    work.wait = step.value;
    for (const queue of step.value.queues) queue.add(work);
    // Background work has no deadlines of its own but may wait for one.
    if (step.value.deadline !== Infinity) this.#timers.at(step.value.deadline, () => work.wake());
  }
}
