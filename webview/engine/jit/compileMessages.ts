/** What the guest's thread and one that compiles for it send each other. All of it can be cloned. */
import type { CompiledRegion, Task } from './regionCompiler.ts';

/** A page of code at a moment. */
export interface PageSnapshot {
  readonly page: number;
  /** 0 where there is no code; then `bytes` and `seen` are empty. */
  readonly frame: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bit n % 8 of byte n / 8: the interpreter has decoded an instruction at offset n. */
  readonly seen: Uint8Array<ArrayBuffer>;
}

export type CompileRequest =
  /** First of all: the section `forms` of the interpreter's module. */
  | { readonly type: 'forms'; readonly forms: Uint8Array<ArrayBuffer> }
  | { readonly type: 'compile'; readonly id: number; readonly task: Task; readonly pages: readonly PageSnapshot[] }
  /** The pages that were missing. */
  | { readonly type: 'pages'; readonly id: number; readonly pages: readonly PageSnapshot[] }
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
