/**
 * The guest's side of a thread that compiles for it: sends code as it is, and forgets requests whose code changes before the answer comes.
 * While an answer is on its way the interpreter goes on.
 */
import type { CodeCache, CodeSpace } from '../interpreter/codeCache.ts';
import { snapshotSize, type CompileAnswer, type CompileThread, type PageSnapshots } from './compileMessages.ts';
import type { CompiledRegion, Task } from './regionCompiler.ts';

/** Requests under way; more would be answered too late. */
const mostPending = 24;
/** Milliseconds without an answer after which the thread is taken for dead. */
const patience = 30_000;
/** Pages whose companions are remembered; they are forgotten all at once. */
const mostCompanions = 1 << 12;

interface Pending<Plan> {
  readonly id: number;
  readonly space: CodeSpace;
  readonly task: Task;
  readonly plan: Plan;
  /** Frames whose code was sent. */
  readonly frames: Set<number>;
  /** By performance.now(). */
  readonly since: number;
}

export interface CompileQueueOptions<Plan> {
  readonly thread: CompileThread;
  /** The section of the interpreter's module. */
  readonly forms: Uint8Array<ArrayBuffer>;
  readonly code: CodeCache;
  /** The machine's memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Between runs: what became of a task. */
  readonly done: (task: Task, plan: Plan, region: CompiledRegion | undefined) => void;
  readonly log: (line: string) => void;
}

export class CompileQueue<Plan> {
  readonly #options: CompileQueueOptions<Plan>;
  readonly #pending = new Map<number, Pending<Plan>>();
  /** By page: others that regions which begin there needed. */
  readonly #companions = new Map<number, Set<number>>();
  #nextId = 1;
  #isDead = false;

  constructor(options: CompileQueueOptions<Plan>) {
    this.#options = options;
    options.thread.onAnswer = answer => this.#receive(answer);
    options.thread.post({ type: 'forms', forms: options.forms });
  }

  /** It answers, as far as is known. */
  get isAlive(): boolean {
    const [oldest] = this.#pending.values();
    if (oldest && performance.now() - oldest.since > patience) this.#giveUp('It does not answer.');
    return !this.#isDead;
  }

  #giveUp(reason: string): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#pending.clear();
    this.#options.log(`The thread that compiles code has failed, and programs wait for their compiler from now on: ${reason}`);
  }

  /** Sends a task unless the same one is under way, or too many are. */
  request(space: CodeSpace, task: Task, plan: Plan): void {
    if (this.#pending.size >= mostPending) return;
    for (const { task: { head }, space: other } of this.#pending.values()) if (head === task.head && other === space) return;
    const id = this.#nextId++, page = task.head - task.head % 4096;
    const pending: Pending<Plan> = { id, space, task, plan, frames: new Set(), since: performance.now() };
    this.#pending.set(id, pending);
    const pages = new Set([page, ...task.targets.map(target => target - target % 4096), ...this.#companions.get(page) ?? []]);
    this.#options.thread.post({ type: 'compile', id, task, pages: this.#snapshots(pending, [...pages]) });
  }

  #snapshots({ space, frames: sent }: Pending<Plan>, addresses: readonly number[]): PageSnapshots {
    const { code, bytes } = this.#options;
    const frames = Int32Array.from(addresses, address => space.executable(address)).map(frame => (code.hasDecoded(frame) ? frame : 0));
    const all = new Uint8Array(frames.reduce((count, frame) => count + (frame === 0 ? 0 : 1), 0) * snapshotSize);
    let at = 0;
    for (const frame of frames) {
      if (frame === 0) continue;
      sent.add(frame);
      all.set(bytes.subarray(frame * 4096, (frame + 1) * 4096), at);
      code.noteDecoded(frame, all.subarray(at + 4096, at += snapshotSize));
    }
    return { pages: Float64Array.from(addresses), frames, bytes: all };
  }

  #receive(answer: CompileAnswer): void {
    if (answer.type === 'log') return this.#options.log(answer.line);
    if (answer.type === 'failed') return this.#giveUp(answer.reason);
    const pending = this.#pending.get(answer.id);
    if (!pending) return;
    if (answer.type === 'missing') return this.#sendMore(pending, answer.pages);
    this.#pending.delete(answer.id);
    this.#options.done(pending.task, pending.plan, answer.region ?? undefined);
  }

  #sendMore(pending: Pending<Plan>, pages: readonly number[]): void {
    const { id, space, task: { head } } = pending, page = head - head % 4096;
    if (space.isDestroyed) return this.#cancel(pending);
    if (this.#companions.size >= mostCompanions) this.#companions.clear();
    this.#companions.set(page, new Set([...this.#companions.get(page) ?? [], ...pages]));
    this.#options.thread.post({ type: 'pages', id, pages: this.#snapshots(pending, pages) });
  }

  #cancel({ id }: Pending<Plan>): void {
    this.#pending.delete(id);
    this.#options.thread.post({ type: 'cancel', id });
  }

  /** The code of a frame changes; undefined: of all. */
  forget(frame: number | undefined): void {
    for (const pending of this.#pending.values()) if (frame === undefined || pending.frames.has(frame)) this.#cancel(pending);
  }
}
