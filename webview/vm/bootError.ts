/** Why a machine doesn't start: one sentence with what to do, and the detail for the log. */
export class BootError extends Error {
  readonly detail: string;

  constructor(sentence: string, detail = '') {
    super(sentence);
    this.detail = detail;
  }
}

/** The disk is to blame: it can't be had, isn't one, or holds no system. */
export class DiskError extends BootError {}
