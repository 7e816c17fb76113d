/** futex(2): who sleeps on which word of memory. A word is known by its frame's owner, so that processes that share it meet. */
import { WaitQueue } from '../../lib/wait.ts';
import type { Memory } from '../mm/memory.ts';

/** One sleeper. It stays valid while requeued from word to word. */
export class FutexWaiter {
  readonly bitset: number;
  /** The task's own queue: woken when it is its turn. */
  readonly queue = new WaitQueue();
  key = '';
  isWoken = false;
  /** Thread id of a sleeper for a PI futex, 0 otherwise. */
  readonly tid: number;

  constructor(bitset: number, tid: number) {
    this.bitset = bitset;
    this.tid = tid;
  }
}


export class Futexes {
  readonly #byKey = new Map<string, FutexWaiter[]>();
  readonly #memoryIds = new WeakMap<object, number>();
  #nextId = 1;

  /**
   * The identity of the word at `address`: of a private futex the address space, of a shared one what is mapped there. Undefined for an
   * unmapped address.
   */
  key(memory: Memory, address: number, shared: boolean): string | undefined {
    const vma = memory.find(address);
    if (vma === undefined) return undefined;
    const source = shared && vma.shared ? vma.source : undefined;
    if (source === undefined) return `${this.#id(memory)}:${address}`;
    return `${this.#id(source)}:${(vma.indexOf(address) * 4096) + (address & 4095)}s`;
  }

  #id(object: object): number {
    let id = this.#memoryIds.get(object);
    if (id === undefined) this.#memoryIds.set(object, (id = this.#nextId++));
    return id;
  }

  add(key: string, waiter: FutexWaiter): void {
    waiter.key = key;
    const waiters = this.#byKey.get(key);
    if (waiters) waiters.push(waiter);
    else this.#byKey.set(key, [waiter]);
  }

  /** Takes a sleeper out that gave up. */
  remove(waiter: FutexWaiter): void {
    const waiters = this.#byKey.get(waiter.key);
    const at = waiters?.indexOf(waiter) ?? -1;
    if (at < 0) return;
    waiters!.splice(at, 1);
    if (waiters!.length === 0) this.#byKey.delete(waiter.key);
  }

  /** Wakes up to `count` sleepers whose bitset meets `bitset`; how many it woke. */
  wake(key: string, count: number, bitset = -1): number {
    const waiters = this.#byKey.get(key);
    if (waiters === undefined) return 0;
    let woken = 0;
    for (let i = 0; i < waiters.length && woken < count;) {
      const waiter = waiters[i]!;
      if ((waiter.bitset & bitset) === 0) {
        i++;
        continue;
      }
      waiters.splice(i, 1);
      this.#wakeOne(waiter);
      woken++;
    }
    if (waiters.length === 0) this.#byKey.delete(key);
    return woken;
  }

  #wakeOne(waiter: FutexWaiter): void {
    waiter.isWoken = true;
    waiter.queue.wake();
  }

  /** Moves up to `count` sleepers to another word; how many. */
  requeue(from: string, to: string, count: number): number {
    const waiters = this.#byKey.get(from);
    if (waiters === undefined || from === to) return 0;
    const moved = waiters.splice(0, count);
    if (waiters.length === 0) this.#byKey.delete(from);
    for (const waiter of moved) this.add(to, waiter);
    return moved.length;
  }

  /** The first sleeper on a PI futex, taken out and woken; undefined when there is none. */
  takeFirst(key: string): FutexWaiter | undefined {
    const waiters = this.#byKey.get(key);
    const first = waiters?.shift();
    if (first === undefined) return undefined;
    if (waiters!.length === 0) this.#byKey.delete(key);
    this.#wakeOne(first);
    return first;
  }

  hasWaiters(key: string): boolean {
    return this.#byKey.has(key);
  }
}
