/**
 * Decodes guest code into records when it is first reached, and forgets it when its page is written. Records belong to frames, so every
 * process that maps a frame shares them. A run of records is straight-line code; branches inside a page are linked as soon as both ends
 * are known, all else goes through the code TLB.
 */
import { CODE_TABLE_SIZE, FRAME_TABLES } from '../state.ts';
import type { CodeOwner } from '../mmu/codeOwner.ts';
import type { TranslationCaches } from '../mmu/tlb.ts';
import type { Decoder } from '../x86/decoder.ts';
import { DECODE, Instruction } from '../x86/instruction.ts';
import type { Row } from '../x86/rows.ts';
import { SpecialForm, type FormTable } from './forms.ts';
import { Compiled, Record } from './record.ts';
import { RecordWriter, Trait } from './recordWriter.ts';

/** Instructions decoded at once at most. */
const longestRun = 64;
/** Records of an instruction that crosses a page: guard, address, instruction, end. */
const crossingRecords = 4;
/** A store of more bytes than this, or more stores than these to code that is not run in between, drop all code of the page. */
const mostOverwritten = 64, mostStores = 8;
/** Bytes of the longest instruction. */
const longestInstruction = 15;
/** What a run may take from the pool: two records an instruction, the end, two code tables. */
const roomForRun = (longestRun + 2) * 2 * Record.size + 2 * CODE_TABLE_SIZE;

/** A page's view of code memory: where a frame's executable neighbours are. */
export interface CodeSpace {
  /** Frame behind an executable page, or 0. */
  executable(address: number): number;
  /** Host address of a byte, or a negative number. */
  translate(address: number, write: boolean): number;
  /** Nothing may be asked any more. */
  readonly isDestroyed: boolean;
}

/** What is decoded of one frame. */
interface FrameCode {
  readonly table: number;
  /** Start and end of each stretch of records. */
  readonly stretches: number[];
  /** In-page offsets that branches lead to but that aren't decoded: records of those branches. */
  readonly pending: Map<number, number[]>;
  /** Instructions that compiled code starts with, by offset. */
  readonly compiled: Map<number, { readonly record: number; readonly copy: number; readonly count: number }>;
  /** Instructions of other frames that end in this one. */
  readonly crossings: { readonly frame: number; readonly offset: number; readonly record: number }[];
  /** Stores to its instructions since the last time that something of it was decoded. */
  stores: number;
}

export class CodeCache implements CodeOwner {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #pool: { readonly start: number; readonly end: number };
  readonly #records: RecordWriter;
  readonly #caches: TranslationCaches;
  readonly #decoder: Decoder;
  readonly #instruction = new Instruction();
  readonly #across = new Uint8Array(32);
  readonly #frames = new Map<number, FrameCode>();
  #freeTables: number[] = [];
  #next: number;
  #isFull = false;
  decodedInstructions = 0;
  pagesInvalidated = 0;
  /** Told before the code of bytes of a frame is forgotten, or all code (frame undefined). True if there was compiled code. */
  onForget: (frame: number | undefined, start: number, end: number) => boolean = () => false;
  /** Where records were that compiled code's first instructions have: one or two records and an end. */
  #freeCopies: [number[], number[]] = [[], []];

  constructor(memory: ArrayBuffer, pool: { start: number; end: number }, rows: readonly Row[], decoder: Decoder, forms: FormTable, caches: TranslationCaches) {
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
    this.#words = new Int32Array(memory);
    this.#pool = pool;
    this.#decoder = decoder;
    this.#next = pool.start;
    this.#records = new RecordWriter(this.#words, rows, forms);
    this.#caches = caches;
  }

  drop(frame: number): void {
    const at = (FRAME_TABLES >> 2) + frame;
    if (this.#words[at] === 0) return;
    this.pagesInvalidated++;
    this.onForget(frame, 0, 4096);
    const code = this.#frames.get(frame)!;
    this.#frames.delete(frame);
    this.#words[at] = 0;
    this.#words.fill(0, code.table >> 2, (code.table + CODE_TABLE_SIZE) >> 2);
    this.#freeTables.push(code.table);
    // Whoever is inside of these records must not go on in them: each looks itself up again. Ends only lose their way.
    const { stretches } = code;
    for (let i = 0; i < stretches.length; i += 2) this.#stale(stretches[i]!, stretches[i + 1]!);
    this.#dropCrossings(code);
    this.#caches.flushCode();
  }

  /** Forgets instructions of other frames that end in this one; who is inside of them looks itself up. */
  #dropCrossings({ crossings }: FrameCode): boolean {
    for (const { frame: first, offset, record } of crossings) {
      const table = this.#frames.get(first)?.table;
      if (table !== undefined && this.#words[(table >> 2) + offset] === record) this.#words[(table >> 2) + offset] = 0;
      this.#stale(record, record + crossingRecords * Record.size);
    }
    const some = crossings.length > 0;
    crossings.length = 0;
    return some;
  }

  /**
   * Says that guest code is about to store bytes to a frame that holds code. What they don't touch stays: who writes one function beside
   * others, or data beside code, pays for each store but not for all that is there.
   */
  overwritten(frame: number, offset: number, size: number): void {
    const code = this.#frames.get(frame);
    if (!code || size > mostOverwritten) return this.drop(frame);
    let some = this.onForget(frame, offset, offset + size);
    if (offset < longestInstruction && this.#dropCrossings(code)) some = true;
    const words = this.#words, table = code.table >> 2;
    for (let at = Math.max(0, offset - longestInstruction + 1); at < offset + size; at++) {
      const record = words[table + at]!;
      if (record === 0 || at + (this.#view.getUint8(record + Record.place + 1) >> 4) <= offset) continue;
      some = true;
      // Who lets compiled code begin there other than jit/regions.ts.
      if (code.compiled.has(at)) this.notCompiled(frame, at);
      words[table + at] = 0;
      this.#view.setUint16(record, SpecialForm.decode, true);
    }
    if (some && ++code.stores > mostStores) this.drop(frame);
  }

  #stale(start: number, end: number): void {
    for (let at = start; at < end; at += Record.size) {
      if (this.#view.getUint16(at, true) === SpecialForm.end) this.#view.setInt32(at + Record.displacement, 0, true);
      else this.#view.setUint16(at, SpecialForm.decode, true);
    }
  }

  /** Forgets everything: the pool is full. Only between runs. */
  #reset(): void {
    this.onForget(undefined, 0, 0);
    this.#freeCopies = [[], []];
    for (const frame of this.#frames.keys()) this.#words[(FRAME_TABLES >> 2) + frame] = 0;
    this.#frames.clear();
    this.#words.fill(0, this.#pool.start >> 2, this.#next >> 2);
    this.#next = this.#pool.start;
    this.#isFull = false;
    this.#freeTables = [];
    this.#caches.flushCode();
  }

  /** Record of the instruction at an offset of a frame, 0 if it isn't decoded. */
  record(frame: number, offset: number): number {
    const table = this.#words[(FRAME_TABLES >> 2) + frame]!;
    return table === 0 ? 0 : this.#words[(table >> 2) + offset]!;
  }

  /** Something of the frame has been decoded. */
  hasDecoded(frame: number): boolean {
    return this.#words[(FRAME_TABLES >> 2) + frame] !== 0;
  }

  /** Sets bit n % 8 of byte n / 8 for each offset n of such a frame that has a decoded instruction. */
  noteDecoded(frame: number, bits: Uint8Array): void {
    const words = this.#words, table = words[(FRAME_TABLES >> 2) + frame]! >> 2;
    for (let offset = 0; offset < 4096; offset++) if (words[table + offset] !== 0) bits[offset >> 3]! |= 1 << (offset & 7);
  }

  isCompiled(frame: number, offset: number): boolean {
    return this.#frames.get(frame)?.compiled.has(offset) ?? false;
  }

  /** Slot of the region that is entered at an offset, -1 for none. */
  regionAt(frame: number, offset: number): number {
    const entry = this.#frames.get(frame)?.compiled.get(offset);
    return entry ? this.#view.getInt32(entry.record + Compiled.entry, true) & (1 << Compiled.slotBits) - 1 : -1;
  }

  /** Lets compiled code be looked up anew wherever it is entered. */
  age(): void {
    this.#caches.codeMoved();
  }

  /** Stores to the frame are seen from now on, as if something of it were decoded. */
  watch(frame: number): void {
    this.#codeOf(frame);
  }

  /** Room in the pool, given back when all is forgotten. Undefined when there is none: then all is forgotten before more is decoded. */
  room(bytes: number): number | undefined {
    if (this.#next + bytes + roomForRun <= this.#pool.end) return this.#take(bytes);
    this.#isFull = true;
    return undefined;
  }

  /**
   * Lets compiled code begin at a decoded instruction; `page` is the number of the virtual page for which it was compiled. False if the
   * instruction can't be one where that is so, or is one already.
   */
  compiledAt(frame: number, offset: number, page: number, slot: number, block: number): boolean {
    const code = this.#frames.get(frame), record = this.record(frame, offset);
    if (!code || record === 0 || code.compiled.has(offset)) return false;
    const view = this.#view, form = view.getUint16(record + Record.form, true);
    if (form < SpecialForm.address || form === SpecialForm.guard || form === SpecialForm.compiled) return false;
    const count = form >= SpecialForm.address && form <= SpecialForm.address64 ? 2 : 1;
    const copy = this.#freeCopies[count - 1]!.pop() ?? this.room((count + 1) * Record.size);
    if (copy === undefined) return false;
    this.#bytes.copyWithin(copy, record, record + count * Record.size);
    this.#records.end(copy + count * Record.size, view.getUint16(record + Record.place, true));
    // Not to the end of a run: it has this instruction's place, and a budget spent there would have it done twice.
    const behind = record + count * Record.size;
    if (view.getUint16(behind + Record.form, true) !== SpecialForm.end) view.setInt32(copy + count * Record.size + Record.displacement, behind, true);
    this.#renamePending(code, record, copy);
    view.setUint16(record + Record.form, SpecialForm.compiled, true);
    this.#writeEntry(record, page, slot, block);
    view.setInt32(record + Compiled.copy, copy, true);
    code.compiled.set(offset, { record, copy, count });
    return true;
  }

  /** Undoes `compiledAt`. */
  notCompiled(frame: number, offset: number): void {
    const code = this.#frames.get(frame), entry = code?.compiled.get(offset);
    if (!code || !entry) return;
    code.compiled.delete(offset);
    this.#bytes.copyWithin(entry.record, entry.copy, entry.copy + Record.size);
    this.#renamePending(code, entry.copy, entry.record);
    this.#stale(entry.copy, entry.copy + (entry.count + 1) * Record.size);
    this.#freeCopies[entry.count - 1]!.push(entry.copy);
  }

  /**
   * Calls `slot` as block 0 whenever control comes to a decoded instruction, before whatever stands there: for check/. Answers what takes
   * it away again, or undefined where that can't be.
   */
  interpose(frame: number, offset: number, page: number, slot: number): (() => void) | undefined {
    const compiled = this.#frames.get(frame)?.compiled, known = compiled?.get(offset);
    if (!compiled) return undefined;
    if (!known) {
      if (!this.compiledAt(frame, offset, page, slot, 0)) return undefined;
      const own = compiled.get(offset);
      return () => { if (this.#frames.get(frame)?.compiled.get(offset) === own) this.notCompiled(frame, offset); };
    }
    const at = known.record + Compiled.page, before = this.#bytes.slice(at, at + 8);
    this.#writeEntry(known.record, page, slot, 0);
    return () => { if (this.#frames.get(frame)?.compiled.get(offset) === known) this.#bytes.set(before, at); };
  }

  #writeEntry(record: number, page: number, slot: number, block: number): void {
    this.#view.setUint32(record + Compiled.page, page >>> 0, true);
    this.#view.setInt32(record + Compiled.entry, slot | block << Compiled.blockShift | Math.floor(page / 2 ** 32) << Compiled.pageShift, true);
  }

  /** A branch's record moves: whoever waits to tell it its target must know. */
  #renamePending(code: FrameCode, from: number, to: number): void {
    for (const records of code.pending.values()) {
      const at = records.indexOf(from);
      if (at >= 0) records[at] = to;
    }
  }

  #codeOf(frame: number): FrameCode {
    let code = this.#frames.get(frame);
    if (!code) {
      const table = this.#freeTables.pop() ?? this.#take(CODE_TABLE_SIZE);
      code = { table, stretches: [], pending: new Map(), compiled: new Map(), crossings: [], stores: 0 };
      this.#frames.set(frame, code);
      this.#words[(FRAME_TABLES >> 2) + frame] = table;
      this.#caches.protectFrame(frame);
    }
    return code;
  }

  #take(bytes: number): number {
    const at = this.#next;
    this.#next += bytes;
    return at;
  }

  /**
   * Decodes from `address` on, which lies in an executable page of `space`. Returns 0, or the address of the page behind if the
   * instruction goes on there and it can't be executed.
   */
  decode(space: CodeSpace, address: number): number {
    if (this.#isFull || this.#next + roomForRun > this.#pool.end) this.#reset();
    const frame = space.executable(address);
    const code = this.#codeOf(frame);
    code.stores = 0;
    const offset = address % 4096;
    const length = this.#decoder.decode(this.#bytes, frame * 4096 + offset, (frame + 1) * 4096, this.#instruction);
    if (length === DECODE.MORE) return this.#decodeAcross(space, address, frame, code);
    this.#decodeRun(frame, code, offset, length);
    return 0;
  }

  #decodeRun(frame: number, code: FrameCode, start: number, firstLength: number): void {
    const { table } = code;
    const first = this.#next;
    let offset = start, length = firstLength, place = 0;
    for (let count = 0; ; count++) {
      this.#known(code, offset, this.#next);
      const ends = this.#emit(code, offset, length);
      place = offset | this.#instruction.length << 12;
      if (ends) break;
      offset += length;
      const more = offset < 4096 && count < longestRun && this.#words[(table >> 2) + offset] === 0;
      if (more) length = this.#decoder.decode(this.#bytes, frame * 4096 + offset, (frame + 1) * 4096, this.#instruction);
      if (!more || length === DECODE.MORE) {
        const end = this.#take(Record.size);
        this.#records.end(end, place);
        this.#link(code, end, offset);
        break;
      }
    }
    code.stretches.push(first, this.#next);
  }

  /** Enters the record of an offset, and links the branches that wait for it. */
  #known(code: FrameCode, offset: number, record: number): void {
    this.#words[(code.table >> 2) + offset] = record;
    if (code.pending.size === 0) return;
    const waiting = code.pending.get(offset);
    if (!waiting) return;
    for (const branch of waiting) this.#view.setInt32(branch + Record.displacement, record, true);
    code.pending.delete(offset);
  }

  /** Lets a branch's record lead to an offset of its page, now or once it is decoded. */
  #link(code: FrameCode, branch: number, offset: number): void {
    let known = 0;
    if (offset >= 0 && offset < 4096) {
      known = this.#words[(code.table >> 2) + offset]!;
      if (known === 0) {
        const waiting = code.pending.get(offset);
        if (waiting) waiting.push(branch);
        else code.pending.set(offset, [branch]);
      }
    }
    this.#view.setInt32(branch + Record.displacement, known, true);
  }

  /** Writes the records of `#instruction`; `length` is the decoder's answer. True if the run ends here. */
  #emit(code: FrameCode, offset: number, length: number): boolean {
    this.decodedInstructions++;
    const instruction = this.#instruction, records = this.#records;
    if (length < 0) {
      instruction.length ||= 1;
      records.bare(this.#take(Record.size), length === DECODE.TOO_LONG ? SpecialForm.generalProtection : SpecialForm.undefined, offset | instruction.length << 12);
      return true;
    }
    const before = records.addressForm(instruction);
    if (before !== 0) records.address(this.#take(Record.size), before, instruction, offset);
    const at = this.#take(Record.size);
    const form = records.instruction(at, instruction, offset, before !== 0);
    const traits = records.traits(instruction.row);
    if ((traits & Trait.branch) !== 0) this.#link(code, at, offset + length + instruction.immediate);
    return (traits & Trait.ends) !== 0 || form === SpecialForm.undefined || form === SpecialForm.generalProtection;
  }

  /** An instruction that goes on in the next page: guarded by that page's frame, in a run of its own. */
  #decodeAcross(space: CodeSpace, address: number, frame: number, code: FrameCode): number {
    const offset = address % 4096;
    const nextPage = address - offset + 4096;
    const second = space.executable(nextPage);
    if (second === 0) return nextPage;
    const here = 4096 - offset;
    const across = this.#across;
    across.set(this.#bytes.subarray(frame * 4096 + offset, (frame + 1) * 4096));
    across.set(this.#bytes.subarray(second * 4096, second * 4096 + 32 - here), here);
    const length = this.#decoder.decode(across, 0, 32, this.#instruction);
    const other = this.#codeOf(second);
    let record = this.#words[(code.table >> 2) + offset]!;
    const isNew = record === 0;
    if (isNew) {
      record = this.#take(crossingRecords * Record.size);
      code.stretches.push(record, record + crossingRecords * Record.size);
    }
    other.stretches.push(record, record + crossingRecords * Record.size);
    other.crossings.push({ frame, offset, record });
    // The records are written where they were, so that what leads here stays right.
    const next = this.#next;
    this.#next = record;
    const guard = this.#take(Record.size);
    this.#emit(code, offset, length);
    const place = offset | this.#instruction.length << 12;
    this.#view.setUint16(guard + Record.form, SpecialForm.guard, true);
    this.#view.setUint16(guard + Record.place, place, true);
    this.#view.setInt32(guard + Record.immediate, second, true);
    this.#records.end(this.#next, place);
    this.#next = next;
    this.#known(code, offset, record);
    return 0;
  }
}
