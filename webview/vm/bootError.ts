/** Why a machine doesn't start: one sentence with what to do, and the detail for the log. */
export class BootError extends Error {
  readonly detail: string;

  constructor(sentence: string, detail = '') {
    super(sentence);
    this.detail = detail;
  }
}
