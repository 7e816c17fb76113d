/** Which forms the interpreter has: a row with everything that the record leaves open fixed (width, shape of the memory operand, REP). */
import { fateOf } from '../x86/features.ts';
import type { Instruction } from '../x86/instruction.ts';
import { ADDRESSING, FLAG, TYPE, type Row } from '../x86/rows.ts';
import { REGISTER_NONE } from '../x86/instruction.ts';
import type { Descriptions } from '../semantics/contract.ts';
import type { Width } from '../semantics/int.ts';

/** Forms that belong to no row. */
export const SpecialForm = {
  /** No record here any more: look it up, or leave to decode. */
  decode: 0,
  /** The run of records ends: goes on as a jump to the next instruction would. */
  end: 1,
  /** Slot.address = base + index * factor + displacement + segment; the next record uses it. */
  address: 2,
  /** As `address`, in 32 bits before the segment is added. */
  address32: 3,
  /** As `address`, the displacement's high half in `immediate`. */
  address64: 4,
  /** The instruction goes on in the next page: leaves with redecode unless that page's frame is `immediate`. */
  guard: 5,
  undefined: 6,
  generalProtection: 7,
  /** Compiled code starts here (jit/): the run function calls it. See `Compiled` in record.ts. */
  compiled: 8,
  count: 9,
} as const;

/** The explicit memory operand: none, base + displacement, or base + index * factor + displacement. */
export const Shape = { register: 0, base: 1, indexed: 2 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

export interface Form {
  readonly row: Row;
  readonly size: Width;
  readonly shape: Shape;
  /** 0, 0xf3 or 0xf2. */
  readonly rep: number;
  /** Of implicit memory operands and counters; explicit operands have their address computed before. */
  readonly addressSize: 4 | 8;
}

const sizes: readonly Width[] = [1, 2, 4, 8];
const reps = [0, 0xf3, 0xf2] as const;
const perRow = sizes.length * 3 * reps.length * 2;

function variant(row: number, size: number, shape: number, rep: number, addressSize: number): number {
  const sizeIndex = size === 8 ? 3 : size === 4 ? 2 : size === 2 ? 1 : 0;
  const repIndex = rep === 0 ? 0 : rep === 0xf3 ? 1 : 2;
  return ((row * sizes.length + sizeIndex) * 3 + shape) * 6 + repIndex * 2 + (addressSize === 4 ? 1 : 0);
}

/** Form by row and variant of an instruction; what the generator has made of all rows, and the interpreter's decoder looks up. */
export class FormTable {
  readonly #table: Uint16Array;
  /** `sizingOf` by row, 0 while nobody has asked: the answer takes long to find. */
  readonly #sizings: Uint8Array;

  constructor(table: Uint16Array) {
    this.#table = table;
    this.#sizings = new Uint8Array(table.length / perRow);
  }

  /** The form of a decoded instruction: #UD or #GP for what isn't executed. `addressed`: its address comes from a record of its own. */
  of(instruction: Instruction, addressed: boolean): number {
    const shape = instruction.memory === 0 ? Shape.register : addressed || instruction.index === REGISTER_NONE ? Shape.base : Shape.indexed;
    const form = this.#table[variant(instruction.row, instruction.operandSize, shape, instruction.rep, instruction.addressSize)]!;
    return form === 0 ? SpecialForm.undefined : form;
  }

  /** What a description is told of a decoded instruction; `shape` as far as memory or register. */
  formOf(row: Row, instruction: Instruction): Form {
    const repeats = (row.flags & (FLAG.REP | FLAG.REPZ)) !== 0;
    const sizing = this.#sizings[row.id] ||= sizingOf(row);
    return {
      row, size: normalSize(row, instruction.operandSize as Width, sizing), shape: instruction.memory === 0 ? Shape.register : Shape.base,
      rep: repeats ? instruction.rep : 0, addressSize: instruction.addressSize === 4 && (repeats || addressing.has(row.operation)) ? 4 : 8,
    };
  }

  /** Pairs of distance to the last entry and form, in LEB128: the section `forms` of the interpreter's module. */
  encode(): Uint8Array {
    const out: number[] = [];
    const put = (value: number): void => {
      let rest = value;
      for (; rest > 127; rest >>>= 7) out.push(0x80 | rest & 0x7f);
      out.push(rest);
    };
    let last = -1;
    this.#table.forEach((form, at) => {
      if (form === 0) return;
      put(at - last);
      put(form);
      last = at;
    });
    return Uint8Array.from(out);
  }

  static decode(section: Uint8Array, rowCount: number): FormTable {
    const table = new Uint16Array(rowCount * perRow);
    let p = 0, at = -1;
    const take = (): number => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = section[p++]!;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (p < section.length) {
      at += take();
      table[at] = take();
    }
    return new FormTable(table);
  }
}

/**
 * All forms of the rows that have a description and may be executed. `tableOf` makes the table once it is known which case of the
 * interpreter each form is. 64-bit mode.
 */
export function enumerateForms(rows: readonly Row[], descriptions: Descriptions): { forms: readonly Form[]; tableOf: (caseOf: (form: number) => number) => FormTable } {
  const forms: Form[] = [];
  const table = new Uint16Array(rows.length * perRow);
  for (const row of rows) {
    if ((row.flags & (FLAG.I64 | FLAG.ESCAPE)) !== 0) continue;
    const fate = fateOf(row);
    if (fate === '#GP') table.fill(SpecialForm.generalProtection, row.id * perRow, (row.id + 1) * perRow);
    else if (fate === 'executed' && Object.hasOwn(descriptions, row.operation)) addForms(row, forms, table);
  }
  return { forms, tableOf: caseOf => new FormTable(table.map(id => (id < SpecialForm.count ? id : caseOf(id - SpecialForm.count)))) };
}

/** Operations to which the address size means more than how an operand is found. */
const addressing: ReadonlySet<string> = new Set(['LOOP', 'LOOPE', 'LOOPNE', 'JrCXZ', 'XLAT', 'MASKMOVQ', 'MASKMOVDQU', 'BT', 'BTS', 'BTR', 'BTC']);

function addForms(row: Row, forms: Form[], table: Uint16Array): void {
  const made = new Map<string, number>();
  const repeats = (row.flags & (FLAG.REP | FLAG.REPZ)) !== 0;
  const counts = repeats || addressing.has(row.operation);
  for (const shape of shapes(row)) for (const size of sizesOf(row)) for (const rep of reps) for (const addressSize of [8, 4] as const) {
    const form = { row, size: normalSize(row, size), shape, rep: repeats ? rep : 0, addressSize: counts ? addressSize : 8 } as const;
    const key = [form.size, shape, form.rep, form.addressSize].join();
    let id = made.get(key);
    if (id === undefined) {
      id = SpecialForm.count + forms.length;
      made.set(key, id);
      forms.push(form);
    }
    table[variant(row.id, size, shape, rep, addressSize)] = id;
  }
}

/** False for what raises #UD or #GP wherever it stands. */
export function fitsForms(forms: FormTable, instruction: Instruction): boolean {
  return forms.of(instruction, false) >= SpecialForm.count;
}

function shapes(row: Row): readonly Shape[] {
  const memory = [Shape.base, Shape.indexed];
  if (row.operands.some(o => o.addressing === ADDRESSING.O)) return [Shape.base];
  if ((row.flags & FLAG.MODRM) === 0 || row.modrm >= 0 || (row.flags & FLAG.MODREG) !== 0) return [Shape.register];
  if (row.form === 'memory') return memory;
  return row.form === 'register' ? [Shape.register] : [Shape.register, ...memory];
}

/** What the decoder may say of the operand size in 64-bit mode. */
function sizesOf(row: Row): readonly Width[] {
  if ((row.flags & FLAG.BYTE) !== 0) return [1];
  if ((row.flags & FLAG.F64) !== 0) return [8];
  if ((row.flags & FLAG.D64) !== 0) return [2, 8];
  return [2, 4, 8];
}

/** Operations whose implicit operands or layout in memory go by the operand size. */
const sized = /^(RETF|PCMPESTR.|FLDENV|FNSTENV|FRSTOR|FNSAVE)$/;

/** What an operand size means to a row. */
const Sizing = { counts: 1, isWord: 2, isFixed: 3 } as const;

/** Sizes that mean the same to a row are one form. */
function normalSize(row: Row, size: Width, sizing = sizingOf(row)): Width {
  if (sizing === Sizing.counts) return size;
  if (sizing === Sizing.isWord) return size === 8 ? 8 : 4;
  return row.rexBits === 8 ? 8 : 4;
}

function sizingOf(row: Row): number {
  const bySize = row.operands.some(o => [o.type, o.memoryType].some(t => t === TYPE.v || t === TYPE.z || t === TYPE.bs || t === TYPE.p || t === TYPE.a))
    || (row.flags & (FLAG.D64 | FLAG.F64 | FLAG.BYTE)) !== 0 || new Set(row.mnemonics).size > 1 || sized.test(row.operation);
  if (bySize) return Sizing.counts;
  return row.operands.some(o => o.type === TYPE.y || o.memoryType === TYPE.y) ? Sizing.isWord : Sizing.isFixed;
}
