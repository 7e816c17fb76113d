/**
 * C structs of the kernel interface as data: a table of fields gives the offsets for both word sizes (x86-64: 8, i386: 4), so that one
 * reader and one writer serve both. Values are numbers: 64-bit fields are exact within ±2^53.
 */

/** Bytes of a guest word: 8 for x86-64, 4 for i386. */
export type WordSize = 8 | 4;

/** `long`, `ulong` and `ptr` have the word's size; a number is that many bytes, not read as a value; i386 aligns 64-bit integers to 4. */
export type FieldType = 'u8' | 's8' | 'u16' | 's16' | 'u32' | 's32' | 'u64' | 's64' | 'long' | 'ulong' | 'ptr' | number;

interface Place {
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
}

const fixedSizes: Readonly<Record<string, number>> = { u8: 1, s8: 1, u16: 2, s16: 2, u32: 4, s32: 4, u64: 8, s64: 8 };
const twoTo32 = 2 ** 32;

function layOut<F extends string>(fields: Readonly<Record<F, FieldType>>, word: WordSize): { places: Record<F, Place>; size: number } {
  const places = {} as Record<F, Place>;
  let offset = 0;
  let alignment = 1;
  for (const name of Object.keys(fields) as F[]) {
    const type: FieldType = fields[name];
    const size = typeof type === 'number' ? type : fixedSizes[type] ?? word;
    const align = typeof type === 'number' ? 1 : Math.min(size, word);
    offset = Math.ceil(offset / align) * align;
    alignment = Math.max(alignment, align);
    places[name] = { offset, size, signed: type === 'long' || (typeof type === 'string' && type.startsWith('s')) };
    offset += size;
  }
  return { places, size: Math.ceil(offset / alignment) * alignment };
}

export class Struct<F extends string> {
  readonly #wide: { places: Record<F, Place>; size: number };
  readonly #narrow: { places: Record<F, Place>; size: number };

  constructor(fields: Readonly<Record<F, FieldType>>) {
    this.#wide = layOut(fields, 8);
    this.#narrow = layOut(fields, 4);
  }

  /** sizeof in bytes. */
  size(word: WordSize = 8): number {
    return word === 8 ? this.#wide.size : this.#narrow.size;
  }

  /** offsetof in bytes. */
  offset(field: F, word: WordSize = 8): number {
    return (word === 8 ? this.#wide : this.#narrow).places[field].offset;
  }

  /** The value of `field` of the struct that starts at byte `at` of `view`. */
  get(view: DataView, field: F, word: WordSize = 8, at = 0): number {
    const { offset, size, signed } = (word === 8 ? this.#wide : this.#narrow).places[field];
    const where = at + offset;
    switch (size) {
      case 1: return signed ? view.getInt8(where) : view.getUint8(where);
      case 2: return signed ? view.getInt16(where, true) : view.getUint16(where, true);
      case 4: return signed ? view.getInt32(where, true) : view.getUint32(where, true);
      case 8: return (signed ? view.getInt32(where + 4, true) : view.getUint32(where + 4, true)) * twoTo32 + view.getUint32(where, true);
      default: throw new Error(`struct field ${field} is no number`);
    }
  }

  /** Writes a safe integer (negative ones in two's complement, Infinity as all ones). */
  set(view: DataView, field: F, value: number, word: WordSize = 8, at = 0): void {
    const { offset, size } = (word === 8 ? this.#wide : this.#narrow).places[field];
    const where = at + offset;
    switch (size) {
      case 1: view.setUint8(where, value); return;
      case 2: view.setUint16(where, value, true); return;
      case 4: view.setUint32(where, value === Infinity ? 0xffffffff : value, true); return;
      case 8: putWide(view, where, value); return;
      default: throw new Error(`struct field ${field} is no number`);
    }
  }

  /** Writes several fields at once. */
  fill(view: DataView, values: Readonly<Partial<Record<F, number>>>, word: WordSize = 8, at = 0): void {
    for (const name of Object.keys(values) as F[]) this.set(view, name, values[name]!, word, at);
  }
}

/** Writes a 64-bit little-endian integer: a safe integer, negative ones in two's complement, Infinity as all ones. */
export function putWide(view: DataView, at: number, value: number): void {
  if (value === Infinity) {
    view.setUint32(at, 0xffffffff, true);
    view.setUint32(at + 4, 0xffffffff, true);
  } else {
    // setUint32 takes the number modulo 2^32 itself; `%` on numbers beyond 32 bits is a slow call.
    view.setUint32(at, value, true);
    view.setUint32(at + 4, Math.floor(value / twoTo32), true);
  }
}
