/**
 * Writes the records of decoded instructions (record.ts). A short program's time goes into decoding, so what can be known of a row is found
 * once, and a record is four words.
 */
import { OPERAND, REGISTER_RIP, SEGMENT, Operand, type Instruction } from '../x86/instruction.ts';
import { operandAt } from '../x86/operands.ts';
import { ADDRESSING, TYPE, type Row } from '../x86/rows.ts';
import { Slot } from '../state.ts';
import { SpecialForm, type FormTable } from './forms.ts';
import { Record, displacementOf, fieldOf, segmentOf, segmentSlot, slotOf } from './record.ts';

/** What is asked of every row: a mask. */
export const Trait = {
  known: 1,
  /** Its memory operand is an offset in the instruction (moffs). */
  offset: 2,
  /** It branches to an address that it names. */
  branch: 4,
  /** What follows need not be code. */
  ends: 8,
} as const;

const endings: ReadonlySet<string> = new Set(['JMP', 'JMPF', 'RET', 'RETF', 'IRET', 'INT3', 'HLT', 'UD2']);

function traitsOf(row: Row): number {
  const has = (addressing: number): boolean => row.operands.some(o => o.addressing === addressing);
  return Trait.known | (has(ADDRESSING.O) ? Trait.offset : 0) | (has(ADDRESSING.J) ? Trait.branch : 0) | (endings.has(row.operation) ? Trait.ends : 0);
}

export class RecordWriter {
  readonly #words: Int32Array;
  readonly #rows: readonly Row[];
  readonly #forms: FormTable;
  readonly #traits: Uint8Array;
  readonly #operand = new Operand();

  /** `words` is the whole memory. */
  constructor(words: Int32Array, rows: readonly Row[], forms: FormTable) {
    this.#words = words;
    this.#rows = rows;
    this.#forms = forms;
    this.#traits = new Uint8Array(rows.length);
  }

  traits(row: number): number {
    return this.#traits[row] ||= traitsOf(this.#rows[row]!);
  }

  /**
   * Form of the record that must go before an instruction's own to compute its address (a segment, 32-bit arithmetic, more than 32 bits of
   * displacement); 0 if none must.
   */
  addressForm(instruction: Instruction): number {
    if (instruction.memory === 0 || (this.traits(instruction.row) & Trait.offset) !== 0) return 0;
    if (instruction.addressSize !== 8) return SpecialForm.address32;
    if (instruction.displacementHigh !== instruction.displacement >> 31) return SpecialForm.address64;
    if (instruction.segment === SEGMENT.NONE) return 0;
    return segmentOf(this.#rows[instruction.row]!, instruction) !== SEGMENT.NONE ? SpecialForm.address : 0;
  }

  #put(at: number, form: number, place: number, fields: number, displacement: number, immediate: number): void {
    const words = this.#words, word = at >> 2;
    words[word] = form | place << 16;
    words[word + 1] = fields;
    words[word + 2] = displacement;
    words[word + 3] = immediate;
  }

  /** The record of an instruction at an offset of its page. `addressed`: an address record goes before it. Returns its form. */
  instruction(at: number, instruction: Instruction, offset: number, addressed: boolean): number {
    const row = this.#rows[instruction.row]!, { operands } = row;
    const form = this.#forms.of(instruction, addressed);
    let fields = segmentSlot(instruction.segment) << 16;
    let displacement = instruction.displacement, immediate = instruction.immediate | instruction.immediate2 << 16;
    if (instruction.memory === 0) displacement = instruction.immediateHigh;
    for (let i = 0; i < operands.length; i++) {
      const byte = this.#register(row, i, instruction);
      if (byte < 0) continue;
      const field = fieldOf(operands[i]!.addressing);
      if (field === Record.immediate) immediate = immediate & ~0xff | byte;
      else fields = fields & ~(0xff << (field - 4) * 8) | byte << (field - 4) * 8;
    }
    if (instruction.memory !== 0) {
      if ((this.traits(instruction.row) & Trait.offset) !== 0) immediate = instruction.displacementHigh;
      else if (addressed) {
        // The segment stays in the index's field, which this shape doesn't use.
        fields = fields & 0x00ff00ff | Slot.address << 8;
        displacement = 0;
      } else {
        fields = fields & 0xff | addressFields(instruction);
        displacement = displacementOf(row, instruction) + relativeTo(instruction, offset);
      }
    }
    this.#put(at, form, offset | instruction.length << 12, fields, displacement, immediate);
    return form;
  }

  /** Byte that a register operand has in a record; -1 for what has none there. */
  #register(row: Row, index: number, instruction: Instruction): number {
    const { addressing, type } = row.operands[index]!;
    switch (addressing) {
      case ADDRESSING.I: case ADDRESSING.J: case ADDRESSING.M: case ADDRESSING.GENERAL: case ADDRESSING.XMM0: case ADDRESSING.ST0: return -1;
      case ADDRESSING.G: return generalByte(instruction.reg, type, instruction);
      case ADDRESSING.E:
        if (instruction.memory !== 0) return -1;
        return generalByte(instruction.rm, type, instruction);
      case ADDRESSING.R: case ADDRESSING.Z: return generalByte(instruction.rm, type, instruction);
      case ADDRESSING.V: return instruction.reg * 16;
      case ADDRESSING.W: return instruction.memory !== 0 ? -1 : instruction.rm * 16;
      default: {
        const operand = this.#operand;
        operandAt(row, index, instruction, true, operand);
        const { kind, number } = operand;
        if (kind === OPERAND.GENERAL) return number * 8;
        if (kind === OPERAND.HIGH_BYTE) return number * 8 + 1;
        return kind >= OPERAND.XMM && kind <= OPERAND.DEBUG ? number * 16 : -1;
      }
    }
  }

  /** The record that computes an address into Slot.address; its segment is in the first register's field. */
  address(at: number, form: number, instruction: Instruction, offset: number): void {
    const row = this.#rows[instruction.row]!;
    const fields = segmentSlot(segmentOf(row, instruction)) | addressFields(instruction);
    const displacement = displacementOf(row, instruction) + relativeTo(instruction, offset);
    this.#put(at, form, offset | instruction.length << 12, fields, displacement, instruction.displacementHigh);
  }

  /** The record that ends a run behind the instruction at `place` (offset and length). */
  end(at: number, place: number): void {
    this.#put(at, SpecialForm.end, place, 0, 0, 0);
  }

  /** A record with nothing but its form and place. */
  bare(at: number, form: number, place: number): void {
    this.#put(at, form, place, 0, 0, 0);
  }
}

/** AH, CH, DH and BH are the second bytes of registers 0 to 3. */
function generalByte(number: number, type: number, { rex, vex }: Instruction): number {
  return type === TYPE.b && (rex | vex) === 0 && number >= 4 && number < 8 ? (number - 4) * 8 + 1 : number * 8;
}

function addressFields({ base, index, scale }: Instruction): number {
  return slotOf(base) << 8 | slotOf(index) << 16 | scale << 24;
}

function relativeTo({ base, length }: Instruction, offset: number): number {
  return base === REGISTER_RIP ? offset + length : 0;
}
