/** What the guest's thread and one that compiles for it send each other. All of it can be cloned. */
import type { CompiledRegion, Task } from './regionCompiler.ts';

/** Pages of code at a moment. Few objects, since each of them costs when it is sent. */
export interface PageSnapshots {
  /** Addresses. */
  readonly pages: Float64Array<ArrayBuffer>;
  /** Of each page; 0 where there is no code. */
  readonly frames: Int32Array<ArrayBuffer>;
  /** For each page that has code its bytes, and which instructions the interpreter has decoded: bit n % 8 of byte n / 8 for the one at offset n. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes of a page and of what is decoded of it. */
export const snapshotSize = 4096 + 4096 / 8;

export type CompileRequest =
  /** First of all: the section `forms` of the interpreter's module. */
  | { readonly type: 'forms'; readonly forms: Uint8Array<ArrayBuffer> }
  | { readonly type: 'compile'; readonly id: number; readonly task: Task; readonly pages: PageSnapshots }
  /** The pages that were missing. */
  | { readonly type: 'pages'; readonly id: number; readonly pages: PageSnapshots }
  /** Nobody waits for it any more. */
  | { readonly type: 'cancel'; readonly id: number };

export type CompileAnswer =
  /** Null when nothing there can be compiled. */
  | { readonly type: 'compiled'; readonly id: number; readonly region: CompiledRegion | null }
  /** The region goes on in these pages, which it needs to see. */
  | { readonly type: 'missing'; readonly id: number; readonly pages: readonly number[] }
  | { readonly type: 'log'; readonly line: string }
  /** The thread is of no use any more. */
  | { readonly type: 'failed'; readonly reason: string };

/** The way to the thread that compiles. */
export interface CompileThread {
  post(request: CompileRequest): void;
  /** Set once, before anything is posted. */
  onAnswer: (answer: CompileAnswer) => void;
}
