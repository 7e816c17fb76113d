import { describe, expect, it } from 'vitest';
import { Decoder } from './decoder.ts';
import { Disassembler } from './disassembler.ts';
import { DECODE, Instruction, OPERAND, Operand, REGISTER_NONE, REGISTER_RIP, SEGMENT } from './instruction.ts';
import { mnemonicOf, operandAt } from './operands.ts';
import { parseRows } from './parseRows.ts';
import { FLAG } from './rows.ts';
import { ROWS } from './table.ts';

const decoders = { 64: new Decoder(64), 32: new Decoder(32) };

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function decode(hex: string, mode: 64 | 32 = 64): { result: number; instruction: Instruction } {
  const bytes = bytesOf(hex), instruction = new Instruction();
  return { result: decoders[mode].decode(bytes, 0, bytes.length, instruction), instruction };
}

function operands(hex: string, mode: 64 | 32 = 64): Operand[] {
  const { instruction } = decode(hex, mode);
  const row = ROWS[instruction.row]!;
  return row.operands.map((_, index) => {
    const operand = new Operand();
    operandAt(row, index, instruction, mode === 64, operand);
    return operand;
  });
}

function text(hex: string, mode: 64 | 32 = 64, address = 0x1000): string {
  const { instruction } = decode(hex, mode);
  return new Disassembler(mode).format(instruction, bytesOf(hex), 0, address);
}

describe('the tables', () => {
  it('number their rows in order', () => {
    ROWS.forEach((row, id) => expect(row.id).toBe(id));
    expect(ROWS.length).toBeLessThan(0x7FFF);
  });

  it('have no two rows for one encoding', () => {
    const seen = new Set<string>();
    for (const row of ROWS) {
      for (const mode of [FLAG.I64, FLAG.O64]) {
        if ((row.flags & mode) !== 0) continue;
        const key = `${mode} ${row.source[0]} ${row.condition}`;
        expect(seen.has(key), key).toBe(false);
        seen.add(key);
      }
    }
  });

  it('refuse words that are not in the notation', () => {
    expect(() => parseRows([['00', 'ADD', 'Eb,Kb']])).toThrow('unknown operand');
    expect(() => parseRows([['00 /8', 'ADD']])).toThrow('unknown word');
    expect(() => parseRows([['00', 'ADD', '', 'locked']])).toThrow('unknown attribute');
    expect(() => parseRows([['NP', 'ADD']])).toThrow('no opcode');
    expect(() => parseRows([['VEX.L2.0F 10', 'X']])).toThrow('unknown part');
  });

  it('derive widths and alignment', () => {
    const flagsOf = (encoding: string): number => ROWS.find((row) => row.source[0] === encoding)!.flags;
    expect(flagsOf('00') & FLAG.BYTE).toBe(FLAG.BYTE);
    expect(flagsOf('0F B6') & FLAG.BYTE).toBe(0);
    expect(flagsOf('D1 /0') & FLAG.BYTE).toBe(0);
    expect(flagsOf('D2 /0') & FLAG.BYTE).toBe(FLAG.BYTE);
    expect(flagsOf('66 0F 6F') & FLAG.ALIGNED).toBe(FLAG.ALIGNED);
    expect(flagsOf('F3 0F 6F') & FLAG.ALIGNED).toBe(0);
    expect(flagsOf('F2 0F 10') & FLAG.ALIGNED).toBe(0);
    expect(flagsOf('VEX.66.0F 6F') & FLAG.ALIGNED).toBe(0);
  });
});

describe('the limit', () => {
  const instructions = ['48 81 84 24 78 56 34 12 EF CD AB 89', '66 0F 3A 63 44 24 10 7F', 'C4 E2 F1 98 54 8B 10', '62 F1 7C 48 58 44 24 01', '8F E8 78 C0 44 24 01 02'];

  it('never reads past it, and asks for more whatever is missing', () => {
    for (const hex of instructions) {
      const bytes = bytesOf(hex), instruction = new Instruction();
      for (let limit = 0; limit < bytes.length; limit++) {
        // Past the limit lies what would make another instruction of it.
        const cut = new Uint8Array(32).fill(0xFF);
        cut.set(bytes.subarray(0, limit));
        expect(decoders[64].decode(cut, 0, limit, instruction), `${hex} to ${limit}`).toBe(DECODE.MORE);
      }
    }
  });

  it('takes 15 bytes and no more', () => {
    expect(decode(`${'66 '.repeat(13)} 90 90`).result).toBe(14);
    expect(decode(`${'66 '.repeat(14)} 90 90`).result).toBe(15);
    expect(decode(`${'66 '.repeat(15)} 90 90`).result).toBe(DECODE.TOO_LONG);
    expect(decode('66 '.repeat(15)).result).toBe(DECODE.TOO_LONG);
    expect(decode('66 '.repeat(14)).result).toBe(DECODE.MORE);
    expect(decode(`${'2E '.repeat(9)} 81 05 00 00 00 00 00`).result).toBe(DECODE.TOO_LONG);
  });

  it('decodes at an offset', () => {
    const bytes = bytesOf('90 90 48 89 E5 90'), instruction = new Instruction();
    expect(decoders[64].decode(bytes, 2, bytes.length, instruction)).toBe(3);
    expect(instruction.opcodeOffset).toBe(1);
  });
});

describe('what is invalid', () => {
  it('is refused by mode', () => {
    for (const hex of ['06', '27', '60', '62 00 00', '82 C0 00', 'C4 00', 'CE', 'D4 0A', 'D6', 'EA 00 00 00 00 00 00']) {
      if (!hex.startsWith('62') && !hex.startsWith('C4')) expect(decode(hex, 64).result, hex).toBe(DECODE.INVALID);
      expect(decode(hex, 32).result, hex).toBeGreaterThan(0);
    }
    expect(decode('0F 05', 32).result).toBe(DECODE.INVALID);
    expect(decode('0F 05', 64).result).toBe(2);
  });

  it('keeps the length where it is known', () => {
    for (const [hex, length] of [['F0 89 08', 3], ['F0 01 C8', 3], ['F0 83 38 01', 4], ['48 C5 F8 57 C0', 5], ['62 F1 7C 48 58 C0', 6]] as const) {
      const { result, instruction } = decode(hex);
      expect(result, hex).toBe(DECODE.INVALID);
      expect(instruction.length, hex).toBe(length);
    }
    expect(decode('F0 01 08').instruction.lock).toBe(1);
  });

  it('is VSIB without a SIB byte', () => {
    expect(decode('C4 E2 7D 93 7C 05 55').result).toBe(7);
    expect(decode('C4 E2 7D 93 7D 55').result).toBe(DECODE.INVALID);
    expect(decode('67 C4 E2 7D 93 7C 05 55', 32).result).toBe(DECODE.INVALID);
  });

  it('is an unused VEX.vvvv, and F3 before an instruction without prefixes', () => {
    expect(decode('C5 F8 28 C1').result).toBe(4);
    expect(decode('C5 E8 28 C1').result).toBe(DECODE.INVALID);
    expect(decode('F3 0F D7 C4').result).toBe(DECODE.INVALID);
  });
});

describe('operands', () => {
  it('name legacy high bytes only without REX', () => {
    expect(operands('88 E0').map(({ kind, number }) => [kind, number])).toEqual([[OPERAND.GENERAL, 0], [OPERAND.HIGH_BYTE, 0]]);
    expect(operands('40 88 E0').map(({ kind, number }) => [kind, number])).toEqual([[OPERAND.GENERAL, 0], [OPERAND.GENERAL, 4]]);
  });

  it('extend immediates by their type', () => {
    const value = (hex: string, at: number): number[] => [operands(hex)[at]!.low, operands(hex)[at]!.high, operands(hex)[at]!.width];
    expect(value('48 83 C0 FF', 1)).toEqual([-1, -1, 8]);
    expect(value('C0 E0 FF', 1)).toEqual([255, 0, 1]);
    expect(value('48 05 00 00 00 80', 1)).toEqual([-0x80000000, -1, 8]);
    expect(value('48 B8 88 77 66 55 44 33 22 F1', 1)).toEqual([0x55667788, 0xF1223344 | 0, 8]);
    expect(value('C8 FF FF 05', 0)).toEqual([0xFFFF, 0, 2]);
    expect(value('C8 FF FF 05', 1)).toEqual([5, 0, 1]);
    expect(value('D1 E0', 1)).toEqual([1, 0, 1]);
    expect(value('66 68 FF FF', 0)).toEqual([-1, -1, 2]);
  });

  it('give the memory operand its parts', () => {
    const { instruction } = decode('4A 8B 44 A5 80');
    expect([instruction.base, instruction.index, instruction.scale, instruction.displacement, instruction.displacementHigh]).toEqual([5, 12, 2, -128, -1]);
    expect(decode('8B 05 10 00 00 00').instruction.base).toBe(REGISTER_RIP);
    expect(decode('8B 05 10 00 00 00', 32).instruction.base).toBe(REGISTER_NONE);
    expect(decode('8B 04 25 10 00 00 00').instruction).toMatchObject({ base: REGISTER_NONE, index: REGISTER_NONE, displacement: 16 });
    expect(decode('67 8B 42 FE', 32).instruction).toMatchObject({ base: 5, index: 6, displacement: -2, addressSize: 2 });
    expect(decode('48 A1 88 77 66 55 44 33 22 91').instruction).toMatchObject({ memory: 1, displacement: 0x55667788, displacementHigh: 0x91223344 | 0 });
    expect(decode('67 A1 00 00 00 80').instruction).toMatchObject({ displacement: -0x80000000, displacementHigh: 0 });
  });

  it('have the widths of register and memory forms', () => {
    expect(operands('66 0F C4 C1 03')[1]).toMatchObject({ kind: OPERAND.GENERAL, width: 4 });
    expect(operands('66 0F C4 01 03')[1]).toMatchObject({ kind: OPERAND.MEMORY, width: 2 });
    expect(operands('F2 0F 10 07').map(({ width }) => width)).toEqual([8, 8]);
    expect(operands('C5 FC 28 07').map(({ width }) => width)).toEqual([32, 32]);
    expect(operands('F2 48 0F 38 F1 C1').map(({ width }) => width)).toEqual([8, 8]);
    expect(operands('66 F2 0F 38 F1 C1').map(({ width }) => width)).toEqual([4, 2]);
  });
});

describe('prefixes', () => {
  it('count REX only right before the opcode', () => {
    expect(decode('48 66 89 C8').instruction).toMatchObject({ operandSize: 2, rex: 0, w: 0 });
    expect(decode('66 48 89 C8').instruction).toMatchObject({ operandSize: 8, rex: 0x48, w: 1 });
  });

  it('ignore the flat segments in 64-bit mode, and not FS before them', () => {
    expect(decode('64 2E 8B 00').instruction.segment).toBe(SEGMENT.FS);
    expect(decode('64 2E 8B 00', 32).instruction.segment).toBe(SEGMENT.NONE);
    expect(decode('65 8B 00').instruction.segment).toBe(SEGMENT.GS);
  });

  it('choose rows by REX bits', () => {
    expect(text('90')).toBe('nop');
    expect(text('41 90')).toBe('xchg r8d,eax');
    expect(text('F3 90')).toBe('pause');
    expect(text('0F C7 0F')).toBe('cmpxchg8b QWORD PTR [rdi]');
    expect(text('48 0F C7 0F')).toBe('cmpxchg16b OWORD PTR [rdi]');
  });

  it('set sizes of stack operations and near branches', () => {
    const size = (hex: string, mode: 64 | 32 = 64): number => decode(hex, mode).instruction.operandSize;
    expect([size('50'), size('66 50'), size('50', 32), size('66 50', 32)]).toEqual([8, 2, 4, 2]);
    expect([size('E8 00 00 00 00'), size('66 E8 00 00 00 00'), size('66 E8 00 00', 32)]).toEqual([8, 8, 2]);
    expect(decode('66 E8 00 00 00 00').result).toBe(6);
    expect(decode('66 E8 00 00', 32).result).toBe(4);
  });

  it('leave repeat prefixes to rows that repeat', () => {
    const { instruction } = decode('F3 48 AB');
    expect(instruction.rep).toBe(0xF3);
    expect(ROWS[instruction.row]!.flags & FLAG.REP).toBe(FLAG.REP);
  });
});

describe('the disassembler', () => {
  it('names sized mnemonics', () => {
    const name = (hex: string): string => mnemonicOf(ROWS[decode(hex).instruction.row]!, decode(hex).instruction);
    expect([name('66 98'), name('98'), name('48 98'), name('E3 00'), name('67 E3 00')]).toEqual(['CBW', 'CWDE', 'CDQE', 'JRCXZ', 'JECXZ']);
  });

  it('writes as objdump does', () => {
    expect(text('64 48 8B 04 25 28 00 00 00')).toBe('mov rax,QWORD PTR fs:0x28');
    expect(text('66 2E 0F 1F 84 00 00 00 00 00')).toBe('cs nop WORD PTR [rax+rax*1+0x0]');
    expect(text('F3 A4')).toBe('rep movs BYTE PTR es:[rdi],BYTE PTR ds:[rsi]');
    expect(text('75 FE')).toBe('jne 0x1000');
    expect(text('0F C2 C1 01')).toBe('cmpltps xmm0,xmm1');
    expect(text('67 8D 44 20 FF', 32)).toBe('lea eax,[si+0x20]');
  });
});
