import type { Mode } from './dispatch.ts';
import { REGISTER_NONE, SEGMENT } from './instruction.ts';
import type { Instruction } from './instruction.ts';
import { ADDRESSING, FLAG, PREFIX, TYPE } from './rows.ts';
import type { Row } from './rows.ts';

const NAMES: Readonly<Record<number, string>> = { 0x26: 'es', 0x2E: 'cs', 0x36: 'ss', 0x3E: 'ds', 0x64: 'fs', 0x65: 'gs', 0xF0: 'lock' };

/** Addressings by which REX.R, and REX.B of a register, choose a register. */
const BY_R: ReadonlySet<number> = new Set([ADDRESSING.C, ADDRESSING.D, ADDRESSING.G, ADDRESSING.V]);
const BY_B: ReadonlySet<number> = new Set([ADDRESSING.E, ADDRESSING.R, ADDRESSING.U, ADDRESSING.W, ADDRESSING.Z]);
const SIZED: ReadonlySet<number> = new Set([TYPE.v, TYPE.z, TYPE.y, TYPE.p, TYPE.a, TYPE.bs]);

/** F2 and F3 as hints of hardware lock elision (SDM vol. 2 XACQUIRE/XRELEASE), as bound check, as repeat. */
function repeatName(row: Row, instruction: Instruction, byte: number, last: boolean): string {
  const elision = instruction.memory !== 0 && (row.operation === 'XCHG' || (instruction.lock !== 0 && (row.flags & FLAG.LOCK) !== 0));
  const release = instruction.memory !== 0 && row.operation === 'MOV' && (row.opcode >> 1 === 0x44 || row.opcode >> 1 === 0x63);
  if (last && byte === 0xF2 && elision) return 'xacquire';
  if (last && byte === 0xF3 && (elision || release)) return 'xrelease';
  if (!last) return byte === 0xF2 ? 'repnz' : 'repz';
  if (byte === 0xF2) return (row.flags & FLAG.F64) !== 0 && !/^(LOOP|JrCXZ)/.test(row.operation) ? 'bnd' : 'repnz';
  return (row.flags & FLAG.REP) !== 0 ? 'rep' : 'repz';
}

/** REX bits that mean something to the instruction; 0x40 itself counts as used with any of them or with a byte register. */
function usedRex(row: Row, instruction: Instruction): number {
  let used = 0;
  if (row.operands.some((operand) => BY_R.has(operand.addressing))) used |= 4;
  if (instruction.memory === 0) {
    if (row.operands.some((operand) => BY_B.has(operand.addressing))) used |= 1;
  } else if (instruction.modrm >= 0) {
    used |= 1;
    if ((instruction.modrm & 7) === 4) used |= 2;
  }
  if (row.rexBits !== 0) used |= row.rexBits;
  else if ((row.flags & (FLAG.F64 | FLAG.D64)) === 0 && sized(row, instruction.memory !== 0) && row.feature !== 'x87' && !(row.opcode === 0x90 && row.operation === 'NOP')
    && !row.operands.some((operand) => operand.type === TYPE.z && PORTS.has(operand.addressing))) used |= 8;
  used &= instruction.rex;
  const byteRegister = row.operands.some((operand) => operand.type === TYPE.b && (
    (operand.addressing === ADDRESSING.G && (instruction.reg & 7) >= 4)
    || ((operand.addressing === ADDRESSING.Z || (operand.addressing === ADDRESSING.E && instruction.memory === 0)) && (instruction.rm & 7) >= 4)));
  return used !== 0 || byteRegister ? used | 0x40 : used;
}

/** Addressings of IN, OUT, INS and OUTS, to which REX.W means nothing. */
const PORTS: ReadonlySet<number> = new Set([ADDRESSING.GENERAL, ADDRESSING.X, ADDRESSING.Y]);

/** Operations whose name in objdump shows the operand size. */
const BY_SIZE: ReadonlySet<string> = new Set(['RET', 'RETF', 'SYSRET', 'SYSEXIT', 'ENTER', 'LEAVE', 'PUSH', 'POP', 'PUSHA', 'POPA', 'SGDT', 'SIDT', 'LGDT', 'LIDT',
  'FLDENV', 'FNSTENV', 'FRSTOR', 'FNSAVE']);

/** True if the operand size is looked at. */
function sized(row: Row, memory: boolean): boolean {
  return new Set(row.mnemonics).size > 1 || BY_SIZE.has(row.operation)
    || row.operands.some((operand) => SIZED.has(memory ? operand.memoryType : operand.type)) || (row.opcode === 0x90 && row.operation === 'NOP');
}

/** True if the 66 prefix is part of the opcode or sets the operand size. */
function usesOperandSize(row: Row, instruction: Instruction, mode: Mode): boolean {
  if (instruction.vex !== 0) return false;
  if (row.mandatory && row.prefixes === 1 << PREFIX.P66) return true;
  if ((row.flags & (FLAG.NO66 | FLAG.BYTE)) !== 0 || instruction.w !== 0) return false;
  if ((row.flags & FLAG.F64) !== 0 && mode === 64) return false;
  return (row.flags & (FLAG.D64 | FLAG.F64)) !== 0 || sized(row, instruction.memory !== 0);
}

function usesSegment(row: Row, instruction: Instruction, mode: Mode): boolean {
  if (row.operation === 'XLAT' || row.operands.some((operand) => operand.addressing === ADDRESSING.X)) return true;
  return instruction.memory !== 0 && (mode === 32 || instruction.segment !== SEGMENT.NONE);
}

function usesAddressSize(row: Row, instruction: Instruction, mode: Mode): boolean {
  if (row.operation === 'JrCXZ' || row.operation === 'XLAT') return true;
  if (row.operands.some((operand) => operand.addressing === ADDRESSING.O)) return false;
  if (row.operands.some((operand) => operand.addressing === ADDRESSING.X || operand.addressing === ADDRESSING.Y)) return true;
  if (instruction.memory === 0) return row.operands.some((operand) => operand.type === TYPE.as);
  return mode === 32 || instruction.base !== REGISTER_NONE || instruction.index !== REGISTER_NONE || (instruction.modrm & 7) === 4;
}

/**
 * The prefixes that objdump writes before the mnemonic: all that neither belong to the opcode nor show in the operands, in their
 * order. Of repeated ones only the last can be used.
 */
export function extraPrefixes(row: Row, instruction: Instruction, bytes: Uint8Array, offset: number, mode: Mode): string[] {
  const prefixes: number[] = [];
  for (let p = offset; prefixes.length < instruction.opcodeOffset; p++) {
    const byte = bytes[p]!;
    const isPrefix = byte in NAMES || byte === 0x66 || byte === 0x67 || byte === 0xF2 || byte === 0xF3 || (mode === 64 && byte >> 4 === 4);
    if (!isPrefix) break;
    prefixes.push(byte);
  }
  const used = new Set<number>();
  const use = (test: (byte: number) => boolean): void => {
    const at = prefixes.findLastIndex(test);
    if (at >= 0) used.add(at);
  };
  const segments = [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65];
  if (usesSegment(row, instruction, mode)) use((byte) => segments.includes(byte));
  if (usesAddressSize(row, instruction, mode)) use((byte) => byte === 0x67);
  if (usesOperandSize(row, instruction, mode)) use((byte) => byte === 0x66);
  if (row.mandatory && (row.prefixes === 1 << PREFIX.PF3 || row.prefixes === 1 << PREFIX.PF2)) use((byte) => byte === instruction.rep);
  if (instruction.vex === 0 && (usedRex(row, instruction) ^ instruction.rex) === 0) use((byte) => byte >> 4 === 4);
  return prefixes.flatMap((byte, at) => (used.has(at) ? [] : [prefixName(row, instruction, byte, prefixes.lastIndexOf(byte) === at, mode)]));
}

function prefixName(row: Row, instruction: Instruction, byte: number, last: boolean, mode: Mode): string {
  if (byte === 0x66) return 'data16';
  if (byte === 0x67) return mode === 64 ? 'addr32' : 'addr16';
  if (byte === 0x3E && row.opcode === 0xFF && (row.operation === 'CALL' || row.operation === 'JMP')) return 'notrack';
  if (byte === 0xF2 || byte === 0xF3) return repeatName(row, instruction, byte, last);
  if (byte >> 4 !== 4) return NAMES[byte]!;
  const bits = `${byte & 8 ? 'W' : ''}${byte & 4 ? 'R' : ''}${byte & 2 ? 'X' : ''}${byte & 1 ? 'B' : ''}`;
  return bits ? `rex.${bits}` : 'rex';
}
