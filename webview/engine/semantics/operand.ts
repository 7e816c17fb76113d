/** What operands of all back ends share. */
import { load16U, load32, load64, load8U, type Code } from '../wasm/code.ts';
import type { F32, F64, I32, I64, V128 } from '../wasm/values.ts';
import type { Operand } from './contract.ts';
import { Int, type Width } from './int.ts';

function unfit(): never {
  throw new Error('this operand has no such value');
}

/** What a kind of operand doesn't have throws while code is written. */
export abstract class BaseOperand implements Operand {
  readonly width: number;

  constructor(width: number) {
    this.width = width;
  }

  get isMemory(): boolean { return false; }
  get isImmediate(): boolean { return false; }

  read(): Int { return unfit(); }
  readForWrite(): Int { return this.read(); }
  write(_value: Int): void { unfit(); }
  address(): I64 { return unfit(); }
  readV128(): V128 { return unfit(); }
  writeV128(_value: V128): void { unfit(); }
  readF32(): F32 { return unfit(); }
  readF64(): F64 { return unfit(); }
  readLow32(): I32 { return unfit(); }
  readLow64(): I64 { return unfit(); }
  writeF32(_value: F32): void { unfit(); }
  writeF64(_value: F64): void { unfit(); }
  writeLow32(_value: I32): void { unfit(); }
  writeLow64(_value: I64): void { unfit(); }
  registerNumber(): I32 { return unfit(); }
  get xmm(): number { return -1; }
}

/** Reads `width` bytes at a host address, zero-extended. */
export function loadInt(width: Width, address: I32, offset = 0): Int {
  switch (width) {
    case 1: return Int.clean(1, load8U(address, offset));
    case 2: return Int.clean(2, load16U(address, offset));
    case 4: return Int.clean(4, load32(address, offset));
    default: return Int.clean(8, load64(address, offset));
  }
}

/** Writes a value at a host address. */
export function storeInt(code: Code, host: I32, value: Int): void {
  switch (value.width) {
    case 1: return code.store8(host, value.i32);
    case 2: return code.store16(host, value.i32);
    case 4: return code.store32(host, value.i32);
    default: return code.store64(host, value.i64);
  }
}
