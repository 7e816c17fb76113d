/** Register files as bytes: whether two are the same to a program, and in what they differ. */
import { ExitCode, Run, Slot } from '../state.ts';
import { rflagsOf } from '../thread.ts';

interface Field {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

const general = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const fields: readonly Field[] = [
  ...general.map((name, n) => ({ name, at: Slot.gpr + n * 8, size: 8 })),
  { name: 'fs base', at: Slot.fsBase, size: 8 }, { name: 'gs base', at: Slot.gsBase, size: 8 },
  { name: 'DF', at: Slot.directionFlag, size: 4 }, { name: 'AC, ID', at: Slot.otherFlags, size: 4 }, { name: 'mxcsr', at: Slot.mxcsr, size: 4 },
  { name: 'x87 control', at: Slot.fpuControl, size: 4 }, { name: 'x87 status', at: Slot.fpuStatus, size: 4 }, { name: 'x87 top', at: Slot.fpuTop, size: 4 },
  { name: 'x87 tags', at: Slot.fpuTags, size: 4 }, { name: 'x87 opcode', at: Slot.fpuOpcode, size: 4 },
  { name: 'x87 instruction', at: Slot.fpuInstruction, size: 8 }, { name: 'x87 operand', at: Slot.fpuOperand, size: 8 },
  ...Array.from({ length: 16 }, (_, n) => ({ name: `xmm${n}`, at: Slot.xmm + n * 16, size: 16 })),
  ...Array.from({ length: 8 }, (_, n) => ({ name: `x87 register ${n}`, at: Slot.x87 + n * 16, size: 16 })),
];

/** Words of a register file that are to be the same bit by bit; the first ones differ most often. */
const words = fields.flatMap(({ at, size }) => Array.from({ length: size / 4 }, (_, i) => at / 4 + i));

/** A register file that can be compared. */
export class RegisterFile {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  get rip(): number {
    return this.view.getUint32(Slot.rip + 4, true) * 2 ** 32 + this.view.getUint32(Slot.rip, true);
  }

  /** All but rip is the same to a program. */
  equals(other: RegisterFile): boolean {
    for (const at of words) if (this.words[at] !== other.words[at]) return false;
    return rflagsOf(this.view) === rflagsOf(other.view);
  }

  /** Registers that aren't the same, with both values in hexadecimal. */
  differences(other: RegisterFile): { readonly name: string; readonly values: readonly [string, string] }[] {
    const found = fields.map(field => ({ name: field.name, values: [this.#value(field), other.#value(field)] as const }));
    const flags = [this, other].map(file => hex(rflagsOf(file.view), 8) + flagNames(rflagsOf(file.view))) as [string, string];
    return [...found, { name: 'rflags', values: flags }].filter(({ values: [a, b] }) => a !== b);
  }

  /** General registers and flags on a few lines. */
  describe(): string[] {
    const values = fields.slice(0, 18).map(field => `${field.name} ${this.#value(field)}`);
    const lines = Array.from({ length: Math.ceil(values.length / 4) }, (_, i) => values.slice(i * 4, i * 4 + 4).join('  '));
    return [...lines, `rflags ${hex(rflagsOf(this.view), 8)}${flagNames(rflagsOf(this.view))}  mxcsr ${hex(this.view.getUint32(Slot.mxcsr, true), 4)}`];
  }

  #value({ at, size }: Field): string {
    return Array.from(this.bytes.subarray(at, at + size), byte => hex(byte, 2)).reverse().join('');
  }
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function flagNames(flags: number): string {
  const names = ([['CF', 0], ['PF', 2], ['AF', 4], ['ZF', 6], ['SF', 7], ['DF', 10], ['OF', 11]] as const).filter(([, bit]) => (flags >>> bit & 1) !== 0);
  return names.length > 0 ? ` (${names.map(([name]) => name).join(' ')})` : '';
}

/** What a run leaves behind besides registers: Run.faultAddress to Run.interruptVector. */
export const RESULT = { at: Run.faultAddress, size: 16 } as const;

/** The part of it that an exit says something in. */
export function resultOf(exit: number, bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (exit === ExitCode.pageFault) {
    const access = ['read', 'write', 'fetch'][view.getInt32(8, true)];
    return `, ${access} of ${hex(view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true), 1)}`;
  }
  return exit === ExitCode.interrupt ? `, vector ${view.getInt32(12, true)}` : '';
}
