/** The TLBs as the rest of the engine sees them: it only ever takes entries out. mmu/translate.ts fills them. */
import { CodeTlb, Run, Tlb, TlbLog } from '../state.ts';

export class TranslationCaches {
  readonly #data: Int32Array;
  readonly #log: Int32Array;
  readonly #code: Int32Array;
  readonly #stamp: Int32Array;

  constructor(memory: ArrayBuffer) {
    this.#data = new Int32Array(memory, Tlb.base, (Tlb.entries * Tlb.entrySize) / 4);
    this.#log = new Int32Array(memory, TlbLog.base, 1 + TlbLog.entries);
    this.#log[0] = TlbLog.entries;
    this.#code = new Int32Array(memory, CodeTlb.base, (CodeTlb.entries * CodeTlb.entrySize) / 4);
    this.#stamp = new Int32Array(memory, Run.codeStamp, 1);
    this.flush();
  }

  flush(): void {
    this.#flushData();
    this.flushCode();
  }

  #flushData(): void {
    const log = this.#log, used = log[0]!;
    if (used > TlbLog.entries / 8) this.#data.fill(-1);
    else for (let i = 1; i <= used; i++) this.#forget(log[i]! >> 2);
    log[0] = 0;
  }

  #forget(at: number): void {
    const data = this.#data;
    data[at] = data[at + 1] = data[at + 2] = data[at + 3] = -1;
  }

  flushCode(): void {
    this.#code.fill(-1);
    this.codeMoved();
  }

  /** Other code may be mapped than before. */
  codeMoved(): void {
    this.#stamp[0] = this.#stamp[0]! + 1 | 0;
  }

  /** Takes out `count` pages from `page` (a page number) on; `code`: from the code TLB as well. */
  invalidate(page: number, count: number, code: boolean): void {
    // Where little is known at all, it's as well forgotten.
    if (count >= Math.min(Tlb.entries / 4, this.#log[0]! * 8)) {
      this.#flushData();
      if (code) this.#code.fill(-1);
      return;
    }
    const first = page & (Tlb.entries - 1);
    for (let i = 0; i < count; i++) {
      this.#forget(((first + i) & (Tlb.entries - 1)) * (Tlb.entrySize / 4));
    }
    if (!code) return;
    for (let i = 0; i < count; i++) {
      const at = ((first + i) & (CodeTlb.entries - 1)) * (CodeTlb.entrySize / 4);
      this.#code[at] = this.#code[at + 1] = -1;
    }
  }

  /** Takes out all write tags. */
  protectAll(): void {
    const data = this.#data;
    for (let at = Tlb.writeTag / 4; at < data.length; at += Tlb.entrySize / 4) data[at] = data[at + 1] = -1;
  }

  /** Takes out the write tags of a frame: its next store is seen by the slow path. */
  protectFrame(frame: number): void {
    const host = (frame * 4096) | 0;
    const data = this.#data, log = this.#log, used = log[0]!;
    const visit = (at: number): void => {
      const tag = data[at + Tlb.writeTag / 4]!;
      if (tag !== -1 && ((tag + data[at + Tlb.addend / 4]!) | 0) === host) data.fill(-1, at + 2, at + 4);
    };
    if (used < TlbLog.entries) for (let i = 1; i <= used; i++) visit(log[i]! >> 2);
    else for (let at = 0; at < data.length; at += Tlb.entrySize / 4) visit(at);
  }
}
