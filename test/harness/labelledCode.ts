/** Machine code for 64-bit mode with labels, put together instruction by instruction by opcode, register and r/m operand. */

/** A memory operand: without a base it is an absolute address below 2^31. `scale` is the shift. */
export interface Memory {
  readonly base?: number;
  readonly index?: number;
  readonly scale?: number;
  readonly displacement: number;
}
/** An r/m operand: a register by its number, or memory. */
export type Operand = number | Memory;

export interface Form {
  /** Bytes of the operand: 8 is REX.W, 2 is prefix 66, 1 takes a REX prefix so that registers 4 to 7 are SPL to DIL. */
  readonly size?: number;
  readonly prefix?: number;
  /** The immediate. */
  readonly behind?: readonly number[];
}

/** The lower `count` bytes of a number. */
export function immediate(value: number, count = 4): number[] {
  return [value, value >> 8, value >> 16, value >> 24].slice(0, count).map(b => b & 0xff);
}

export class LabelledCode {
  readonly bytes: number[] = [];
  /** Address of the first byte. */
  readonly start: number;
  /** Offset by label, -1 before it is placed. */
  readonly #places: number[] = [];
  readonly #uses: { readonly at: number; readonly label: number; readonly isAbsolute: boolean }[] = [];

  constructor(start: number) {
    this.start = start;
  }

  label(): number {
    return this.#places.push(-1) - 1;
  }
  /** The label is what comes next. */
  place(label: number): void {
    this.#places[label] = this.bytes.length;
  }
  /** A label that is what comes next. */
  here(): number {
    const label = this.label();
    this.place(label);
    return label;
  }
  address(label: number): number {
    return this.start + this.#places[label]!;
  }

  write(...bytes: readonly number[]): void {
    this.bytes.push(...bytes);
  }
  /** An opcode and the label's address in 32 bits behind it: of MOV r32, imm32 or PUSH imm32. */
  writeAddress(opcode: readonly number[], label: number): void {
    this.write(...opcode);
    this.#use(label, true);
  }
  /** A jump or call with a displacement of 32 bits. */
  branch(opcode: readonly number[], label: number): void {
    this.write(...opcode);
    this.#use(label, false);
  }
  /** JMP, or Jcc of a condition: short where the label is close before it. */
  jump(label: number, condition?: number): void {
    const place = this.#places[label]!, distance = place - this.bytes.length - 2;
    if (place >= 0 && distance >= -128) this.write(condition === undefined ? 0xeb : 0x70 | condition, distance & 0xff);
    else this.branch(condition === undefined ? [0xe9] : [0x0f, 0x80 | condition], label);
  }
  #use(label: number, isAbsolute: boolean): void {
    this.#uses.push({ at: this.bytes.length, label, isAbsolute });
    this.write(0, 0, 0, 0);
  }

  /** Prefixes, opcode, ModRM, SIB, displacement and immediate. */
  encode(opcode: readonly number[], reg: number, operand: Operand, { size = 4, prefix = 0, behind = [] }: Form = {}): void {
    if (prefix !== 0) this.write(prefix);
    if (size === 2) this.write(0x66);
    const { base = 5, index = 4 } = typeof operand === 'number' ? { base: operand } : operand;
    const rex = (size === 8 ? 8 : 0) | (reg > 7 ? 4 : 0) | (index > 7 ? 2 : 0) | (base > 7 ? 1 : 0);
    if (rex !== 0 || size === 1) this.write(0x40 | rex);
    this.write(...opcode);
    if (typeof operand === 'number') this.write(0xc0 | (reg & 7) << 3 | operand & 7);
    else this.#memory(operand, (reg & 7) << 3);
    this.write(...behind);
  }
  #memory({ base, index = 4, scale = 0, displacement }: Memory, reg: number): void {
    const sib = scale << 6 | (index & 7) << 3;
    if (base === undefined) return this.write(reg | 4, sib | 5, ...immediate(displacement));
    const isShort = displacement >= -128 && displacement < 128, mod = isShort ? 0x40 : 0x80;
    if (index !== 4 || (base & 7) === 4) this.write(mod | reg | 4, sib | base & 7);
    else this.write(mod | reg | base & 7);
    this.write(...immediate(displacement, isShort ? 1 : 4));
  }

  /** Fills in where labels are; every label that is used must have been placed. */
  finish(): Uint8Array {
    for (const { at, label, isAbsolute } of this.#uses) {
      if (this.#places[label]! < 0) throw new Error(`label ${label} was not placed`);
      const value = isAbsolute ? this.address(label) : this.#places[label]! - at - 4;
      immediate(value).forEach((byte, i) => { this.bytes[at + i] = byte; });
    }
    return Uint8Array.from(this.bytes);
  }
}
