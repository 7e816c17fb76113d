/**
 * What an ELF file says of its functions, for profiles: names from .symtab and .dynsym, and where functions begin from .eh_frame_hdr, which
 * stripped programs have too. System V ABI ch. 4 and 5; Linux Standard Base "Exception Frames". 64-bit little-endian files only.
 */
import { fromBytes } from '../../lib/byteString.ts';

const PT_LOAD = 1;
const PT_GNU_EH_FRAME = 0x6474e550;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
/** Encoding of .eh_frame_hdr's table as every linker writes it: DW_EH_PE_datarel | DW_EH_PE_sdata4; of its count: DW_EH_PE_udata4. */
const tableEncoding = 0x3b;
const countEncoding = 0x03;

interface Segment { readonly type: number; readonly offset: number; readonly address: number; readonly fileSize: number }
interface FunctionSymbol { readonly address: number; readonly size: number; readonly name: string }

export class ElfFunctions {
  readonly #segments: readonly Segment[];
  /** By address. */
  readonly #symbols: readonly FunctionSymbol[];
  /** Addresses at which functions begin, ascending. */
  readonly #starts: readonly number[];

  private constructor(segments: readonly Segment[], symbols: readonly FunctionSymbol[], starts: readonly number[]) {
    this.#segments = segments;
    this.#symbols = symbols;
    this.#starts = starts;
  }

  /** Undefined if it isn't a 64-bit ELF file or is cut short. */
  static read(bytes: Uint8Array): ElfFunctions | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
    try {
      const segments = readSegments(view);
      return new ElfFunctions(segments, readSymbols(view, bytes), readStarts(view, segments));
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** The function that holds the byte at an offset of the file: its name, '' for one without, and its address; or undefined. */
  at(offset: number): { readonly name: string; readonly address: number } | undefined {
    const segment = this.#segments.find(s => s.type === PT_LOAD && offset >= s.offset && offset < s.offset + s.fileSize);
    if (!segment) return undefined;
    const address = offset - segment.offset + segment.address;
    const symbol = this.#symbols[last(this.#symbols, s => s.address <= address)];
    const start = this.#starts[last(this.#starts, s => s <= address)];
    // A symbol without a size, as in hand-written code, reaches to where the next function begins.
    if (symbol && (symbol.size > 0 ? address < symbol.address + symbol.size : start === undefined || symbol.address >= start)) return symbol;
    return start === undefined ? undefined : { name: '', address: start };
  }
}

/** Index of the last element of an ascending list that `holds`; -1 for none. */
function last<T>(list: readonly T[], holds: (element: T) => boolean): number {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A 64-bit field; files are far smaller than 2^53. */
function word(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function readSegments(view: DataView): Segment[] {
  const table = word(view, 0x20), size = view.getUint16(0x36, true), count = view.getUint16(0x38, true);
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * size;
    return { type: view.getUint32(at, true), offset: word(view, at + 8), address: word(view, at + 16), fileSize: word(view, at + 32) };
  });
}

function readSymbols(view: DataView, bytes: Uint8Array): FunctionSymbol[] {
  const table = word(view, 0x28), size = view.getUint16(0x3a, true), count = view.getUint16(0x3c, true);
  const section = (index: number) => {
    const at = table + index * size;
    return { type: view.getUint32(at + 4, true), offset: word(view, at + 24), size: word(view, at + 32), link: view.getUint32(at + 40, true) };
  };
  const symbols = new Map<number, FunctionSymbol>();
  for (let i = 0; i < count; i++) {
    const { type, offset, size: length, link } = section(i);
    if (type !== SHT_SYMTAB && type !== SHT_DYNSYM) continue;
    const strings = section(link);
    for (let at = offset; at + 24 <= offset + length; at += 24) {
      const kind = view.getUint8(at + 4) & 15, address = word(view, at + 8);
      if ((kind !== STT_FUNC && kind !== STT_GNU_IFUNC) || view.getUint16(at + 6, true) === 0) continue;
      const name = stringAt(bytes, strings.offset + view.getUint32(at, true));
      const known = symbols.get(address);
      if (known === undefined || isPlainer(name, known.name)) symbols.set(address, { address, size: word(view, at + 16), name });
    }
  }
  return [...symbols.values()].sort((a, b) => a.address - b.address);
}

/** Of several names of one function the one without underscores in front, then the shorter. */
function isPlainer(name: string, other: string): boolean {
  const underscores = (text: string): number => text.length - text.replace(/^_+/, '').length;
  return underscores(name) - underscores(other) < 0 || (underscores(name) === underscores(other) && name.length < other.length);
}

function stringAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return fromBytes(bytes.subarray(at, end < 0 ? bytes.length : end));
}

function readStarts(view: DataView, segments: readonly Segment[]): number[] {
  const header = segments.find(segment => segment.type === PT_GNU_EH_FRAME);
  if (!header) return [];
  const { offset, address } = header;
  if (view.getUint8(offset) !== 1 || view.getUint8(offset + 2) !== countEncoding || view.getUint8(offset + 3) !== tableEncoding) return [];
  const count = view.getUint32(offset + 8, true);
  return Array.from({ length: count }, (_, i) => address + view.getInt32(offset + 12 + i * 8, true));
}
