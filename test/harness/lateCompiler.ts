/** The thread that compiles (jit/compileMessages.ts), on the test's own: works when it is told to, some time after requests were sent. */
import type { CompileAnswer, CompileRequest, CompileThread } from '../../webview/engine/jit/compileMessages.ts';
import { CompileServer } from '../../webview/engine/jit/compileServer.ts';

export class LateCompiler implements CompileThread {
  onAnswer: (answer: CompileAnswer) => void = () => {};
  /** What has been sent and not been taken yet. */
  readonly requests: CompileRequest[] = [];
  readonly answers: CompileAnswer[] = [];
  readonly #server = new CompileServer(answer => this.answers.push(answer));

  post(request: CompileRequest): void {
    this.requests.push(structuredClone(request));
  }

  /** Gives so many answers, then takes so many requests: all of them without a number. */
  work(answers = Infinity, requests = Infinity): void {
    for (let n = answers; n > 0 && this.answers.length > 0; n--) this.onAnswer(this.answers.shift()!);
    for (let n = requests; n > 0 && this.requests.length > 0; n--) this.#server.receive(this.requests.shift()!);
  }
}
