/** Guest memory as descriptions see it, on top of a frame that translates: what is the same in all back ends. */
import { loadV128, type Code } from '../wasm/code.ts';
import { select, type I32, type I64, type V128 } from '../wasm/values.ts';
import type { Memory } from './contract.ts';
import type { Int, Width } from './int.ts';
import { loadInt } from './operand.ts';

/** What a back end has to offer. Addresses and values are pinned. */
export interface TranslatingFrame {
  readonly code: Code;
  pin(value: Int): Int;
  /** Host address of `size` bytes, pinned; leaves on a fault. */
  translate(address: I64, size: number, write: boolean): I32;
  store(address: I64, width: Width, value: Int): void;
  storeV128(address: I64, value: V128): void;
}

export abstract class TranslatedMemory<F extends TranslatingFrame> implements Memory {
  protected readonly frame: F;

  constructor(frame: F) {
    this.frame = frame;
  }

  load(width: Width, address: I64): Int {
    const { frame } = this;
    return frame.pin(loadInt(width, frame.translate(frame.code.let(address), width, false)));
  }
  loadV128(address: I64): V128 {
    const { frame } = this;
    return frame.code.let(loadV128(frame.translate(frame.code.let(address), 16, false)));
  }
  store(address: I64, value: Int): void {
    const { frame } = this;
    frame.store(frame.code.let(address), value.width, frame.pin(value));
  }
  storeV128(address: I64, value: V128): void {
    const { frame } = this;
    frame.storeV128(frame.code.let(address), frame.code.let(value));
  }
  probe(address: I64, size: number, write: boolean): void {
    const { frame } = this;
    const first = frame.code.let(address);
    if (size <= 16) {
      frame.translate(first, size, write);
      return;
    }
    frame.translate(first, 1, write);
    // The start of the page that the last byte lies in, if that is another one.
    const page = frame.code.let(first.add(size - 1).and(-4096));
    frame.translate(frame.code.let(select(page.gtU(first), page, first)), 1, write);
  }
  address(address: I64, size: number): I32 {
    return this.frame.translate(this.frame.code.let(address), size, false);
  }
  abstract segmentBase(): I64;
}
