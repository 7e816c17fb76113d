import type { Mode } from './dispatch.ts';
import { OPERAND, Operand, REGISTER_NONE, REGISTER_RIP, SEGMENT } from './instruction.ts';
import type { Instruction } from './instruction.ts';
import { mnemonicOf, operandAt } from './operands.ts';
import { extraPrefixes } from './prefixNames.ts';
import { ADDRESSING, FLAG, TYPE } from './rows.ts';
import type { Row } from './rows.ts';
import { ROWS } from './table.ts';

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const LOW_BYTES = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'] as const;
const HIGH_BYTES = ['ah', 'ch', 'dh', 'bh'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', '?', '?'] as const;

/** Name of general register 0..15 at a width of 1, 2, 4 or 8 bytes. */
export function registerName(number: number, width: number): string {
  if (number >= 8) return `r${number}${width === 8 ? '' : width === 4 ? 'd' : width === 2 ? 'w' : 'b'}`;
  if (width === 1) return LOW_BYTES[number]!;
  return (width === 8 ? 'r' : width === 4 ? 'e' : '') + LEGACY[number]!;
}

/** The 64-bit number (high, low), shown as unsigned hexadecimal of `width` bytes. */
function hexadecimal(low: number, high: number, width: number): string {
  if (width === 1) return `0x${(low & 0xFF).toString(16)}`;
  if (width === 2) return `0x${(low & 0xFFFF).toString(16)}`;
  const lower = (low >>> 0).toString(16);
  if (width === 4 || high === 0) return `0x${lower}`;
  return `0x${(high >>> 0).toString(16)}${lower.padStart(8, '0')}`;
}

/** A displacement with its sign, as after a base register. */
function signed(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `+0x${value.toString(16)}`;
}

const POINTERS: Readonly<Record<number, string>> = {
  1: 'BYTE PTR ', 2: 'WORD PTR ', 4: 'DWORD PTR ', 6: 'FWORD PTR ', 8: 'QWORD PTR ', 10: 'TBYTE PTR ', 16: 'XMMWORD PTR ', 32: 'YMMWORD PTR ',
};

/**
 * Writes instructions in Intel syntax as `objdump -d -M intel` does, without its column padding and symbol names.
 * Needs the bytes too: prefixes without effect are shown, and an `Instruction` doesn't keep them.
 */
export class Disassembler {
  readonly #mode: Mode;
  readonly #operand = new Operand();

  constructor(mode: Mode) {
    this.#mode = mode;
  }

  /** The text of `instruction`, decoded from `bytes[offset]`, at guest address `address` (a number; branches are shown relative to it). */
  format(instruction: Instruction, bytes: Uint8Array, offset: number, address: number): string {
    const row = ROWS[instruction.row]!;
    const prefixes = extraPrefixes(row, instruction, bytes, offset, this.#mode);
    const operands: string[] = [];
    for (let index = 0; index < row.operands.length; index++) operands.push(this.#format(row, index, instruction, address));
    const name = this.#name(row, instruction);
    const shown = arrange(row, operands, instruction, this.#stringSegment(instruction));
    return [...prefixes, shown.length > 0 ? `${shown.mnemonic ?? name} ${shown.join(',')}` : shown.mnemonic ?? name].join(' ').trim();
  }

  #name(row: Row, instruction: Instruction): string {
    const name = mnemonicOf(row, instruction).toLowerCase();
    const absolute = row.operation === 'MOV' && row.operands.some((operand) => (operand.addressing === ADDRESSING.O && instruction.addressSize === 8)
      || (operand.addressing === ADDRESSING.I && operand.type === TYPE.v && instruction.operandSize === 8));
    const pushed = row.operands[0]?.addressing;
    if (instruction.operandSize === 2 && (pushed === ADDRESSING.SEGMENT || (pushed === ADDRESSING.I && name === 'push'))) return `${name}w`;
    if (/^V?PCMPESTR[IM]$/.test(row.mnemonic) && instruction.w !== 0 && this.#mode === 64) return `${name}q`;
    if (this.#mode === 32 && (name === 'sgdt' || name === 'sidt' || name === 'lgdt' || name === 'lidt')) return `${name}${instruction.operandSize === 2 ? 'w' : 'd'}`;
    if (this.#mode === 32 && (name === 'sysexit' || name === 'sysret')) return name;
    return absolute ? 'movabs' : SIZED_NAMES[name]?.[instruction.operandSize >> 2] ?? NAMES[name] ?? name;
  }

  #format(row: Row, index: number, instruction: Instruction, address: number): string {
    const operand = this.#operand;
    operandAt(row, index, instruction, this.#mode === 64, operand);
    const { number, width } = operand;
    switch (operand.kind) {
      case OPERAND.GENERAL: return registerName(number, width);
      case OPERAND.HIGH_BYTE: return HIGH_BYTES[number]!;
      case OPERAND.XMM: return `${width === 32 ? 'ymm' : 'xmm'}${number}`;
      case OPERAND.MMX: return `mm${number}`;
      case OPERAND.ST: return row.operands.length === 1 || row.operands[index]!.text === 'STi' ? `st(${number})` : 'st';
      case OPERAND.SEGMENT: return SEGMENTS[number]!;
      case OPERAND.CONTROL: return `cr${number}`;
      case OPERAND.DEBUG: return `dr${number}`;
      case OPERAND.MASK: return `k${number}`;
      case OPERAND.IMMEDIATE: return row.operands[index]!.text === '1' ? '1' : hexadecimal(operand.low, operand.high, width);
      case OPERAND.FAR: return `0x${number.toString(16)}:${hexadecimal(operand.low, 0, width - 2)}`;
      case OPERAND.RELATIVE: return this.#target(address + instruction.length, operand.low, instruction.operandSize);
      case OPERAND.STRING_SOURCE: return `${pointer(width)}${this.#stringSegment(instruction)}:[${registerName(6, instruction.addressSize)}]`;
      case OPERAND.STRING_DESTINATION: return `${pointer(width)}es:[${registerName(7, instruction.addressSize)}]`;
      case OPERAND.MEMORY: return (unsized(row, instruction) ? '' : OCTAWORDS.has(row.mnemonic) ? 'OWORD PTR ' : pointer(row.operands[index]!.type === TYPE.p && width === 10 ? 6 : width)) + this.#memory(row, instruction);
      default: return '?';
    }
  }

  #stringSegment(instruction: Instruction): string {
    return this.#segmentOverride(instruction) ?? 'ds';
  }

  /** The override that is shown with the memory operand: in 64-bit mode only FS and GS. */
  #segmentOverride(instruction: Instruction): string | undefined {
    const prefix = instruction.segmentPrefix;
    if (instruction.segment !== SEGMENT.NONE) return SEGMENTS[instruction.segment];
    if (this.#mode === 64 || prefix === 0) return undefined;
    return SEGMENTS[[0x26, 0x2E, 0x36, 0x3E].indexOf(prefix)];
  }

  #target(next: number, displacement: number, operandSize: number): string {
    const target = next + displacement;
    if (operandSize === 2) return `0x${(target & 0xFFFF).toString(16)}`;
    if (this.#mode === 32) return `0x${(target >>> 0).toString(16)}`;
    return `0x${(target < 0 ? BigInt.asUintN(64, BigInt(target)) : target).toString(16)}`;
  }

  #memory(row: Row, instruction: Instruction): string {
    const override = this.#segmentOverride(instruction);
    const segment = override === undefined ? '' : `${override}:`;
    const { base, index, mod, addressSize, displacement, displacementHigh } = instruction;
    const sib = addressSize !== 2 && instruction.modrm >= 0 && (instruction.modrm & 7) === 4;
    if (instruction.modrm < 0) return `${segment || 'ds:'}${hexadecimal(displacement, displacementHigh, addressSize)}`;
    const bare = base === REGISTER_NONE && index === REGISTER_NONE;
    if (bare && !(sib && (this.#mode === 32 || instruction.scale !== 0 || addressSize === 4))) {
      return `${segment || 'ds:'}${hexadecimal(displacement, displacementHigh, this.#mode === 64 ? 8 : addressSize)}`;
    }
    let inner = '';
    if (base === REGISTER_RIP) {
      return `${segment}[${addressSize === 8 ? 'rip' : 'eip'}+${hexadecimal(displacement, displacementHigh, 8)}]`;
    }
    if (base !== REGISTER_NONE) inner = registerName(base, addressSize);
    if (addressSize === 2) inner += index === REGISTER_NONE ? '' : `+${registerName(index, 2)}`;
    else if (sib && (instruction.scale !== 0 || index !== REGISTER_NONE || bare || (base & 7) !== 4)) {
      inner += `${inner ? '+' : ''}${this.#index(row, instruction)}*${1 << instruction.scale}`;
    }
    if (bare && this.#mode === 64 && addressSize === 4) inner += `+${hexadecimal(displacement, 0, 4)}`;
    else if (mod !== 0 || base === REGISTER_NONE) inner += signed(displacement);
    return `${segment}[${inner}]`;
  }

  #index(row: Row, instruction: Instruction): string {
    const { index, addressSize } = instruction;
    if ((row.flags & FLAG.VSIB) !== 0) {
      const quads = row.mnemonic.startsWith('VPGATHERQ') || row.mnemonic.startsWith('VGATHERQ');
      const wideIndex = instruction.vectorLength === 1 && (quads || !(row.vexW === 1));
      return `${wideIndex ? 'ymm' : 'xmm'}${index}`;
    }
    if (index === REGISTER_NONE) return addressSize === 8 ? 'riz' : 'eiz';
    return registerName(index, addressSize);
  }
}

/** True where objdump writes no width before a memory operand. */
function unsized(row: Row, instruction: Instruction): boolean {
  return /^(V?LDDQU|WRU?SS[DQ]|INVPCID)$/.test(row.mnemonic) || row.operands.some((operand) => operand.type === TYPE.s) || instruction.modrm < 0;
}

/** Where objdump writes OWORD, not XMMWORD. */
const OCTAWORDS: ReadonlySet<string> = new Set(['INVEPT', 'INVVPID', 'CMPXCHG16B']);

/** Names that objdump writes otherwise than the SDM, in this table in lower case. */
const NAMES: Readonly<Record<string, string>> = {
  callf: 'call', jmpf: 'jmp', iretd: 'iret', iret: 'iretw', pushfq: 'pushf', popfq: 'popf', pushfd: 'pushf', popfd: 'popf', pushf: 'pushfw', popf: 'popfw',
  pusha: 'pushaw', popa: 'popaw', pushad: 'pusha', popad: 'popa', fstp1: 'fstp', fsetpm: 'fnsetpm(287 only)', feni: 'fneni(8087 only)', fdisi: 'fndisi(8087 only)',
};

/** Names with a suffix for operand sizes 2, 4 and 8. */
const SIZED_NAMES: Readonly<Record<string, readonly [string, string, string]>> = {
  retf: ['retfw', 'retf', 'retfq'], sysret: ['sysretd', 'sysretd', 'sysretq'], sysexit: ['sysexitd', 'sysexitd', 'sysexitq'],
  enter: ['enterw', 'enter', 'enter'], leave: ['leavew', 'leave', 'leave'], ret: ['retw', 'ret', 'ret'],
  fldenv: ['fldenvw', 'fldenv', 'fldenv'], fnstenv: ['fnstenvw', 'fnstenv', 'fnstenv'], frstor: ['frstorw', 'frstor', 'frstor'],
  fnsave: ['fnsavew', 'fnsave', 'fnsave'],
};

function pointer(width: number): string {
  return POINTERS[width] ?? '';
}

/** Where objdump writes operands otherwise than the tables: order, implied ones, pseudo-mnemonics. */
function arrange(row: Row, operands: string[], instruction: Instruction, segment: string): string[] & { mnemonic?: string } {
  const shown: string[] & { mnemonic?: string } = operands;
  const compare = /^(V?)CMP(PS|PD|SS|SD)$/.exec(row.mnemonic);
  const predicates = compare?.[1] === 'V' ? VEX_PREDICATES : PREDICATES;
  if (compare && instruction.immediate < predicates.length) {
    shown.pop();
    shown.mnemonic = `${compare[1]!.toLowerCase()}cmp${predicates[instruction.immediate]!}${compare[2]!.toLowerCase()}`;
  }
  if (/^V?PCLMULQDQ$/.test(row.mnemonic) && (instruction.immediate & 0xEE) === 0) {
    shown.pop();
    const part = ['lql', 'hql', 'lqh', 'hqh'][instruction.immediate & 1 | instruction.immediate >> 3 & 2]!;
    shown.mnemonic = `${row.mnemonic.startsWith('V') ? 'v' : ''}pclmul${part}qdq`;
  }
  if (row.operation === 'XLAT') shown.push(`BYTE PTR ${segment}:[${registerName(3, instruction.addressSize)}]`);
  // 66 90 exchanges AX with itself.
  if (row.opcode === 0x90 && row.operation === 'NOP' && row.map === 0 && instruction.operandSize === 2) {
    const name = registerName(0, instruction.operandSize);
    shown.push(name, name);
    shown.mnemonic = 'xchg';
  }
  return shown;
}

const PREDICATES = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];
const VEX_PREDICATES = [
  ...PREDICATES, 'eq_uq', 'nge', 'ngt', 'false', 'neq_oq', 'ge', 'gt', 'true', 'eq_os', 'lt_oq', 'le_oq', 'unord_s', 'neq_us', 'nlt_uq', 'nle_uq', 'ord_s',
  'eq_us', 'nge_uq', 'ngt_uq', 'false_os', 'neq_os', 'ge_oq', 'gt_oq', 'true_us',
];
