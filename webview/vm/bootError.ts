import type { Sentence } from '../protocol.ts';
import { english, sentence } from './sentence.ts';

/** Why a machine doesn't start: one sentence with what to do, its arguments last, and the detail for the log. */
export class BootError extends Error {
  readonly sentence: Sentence;
  readonly detail: string;

  constructor(text: string, detail = '', ...args: readonly (string | number)[]) {
    const whole = sentence(text, ...args);
    super(english(whole));
    this.sentence = whole;
    this.detail = detail;
  }
}

/** The disk is to blame: it can't be had, isn't one, or holds no system. */
export class DiskError extends BootError {}
