/**
 * Random straight pieces of code with forward branches, of the forms that compilers write most, on shared base registers: what a region
 * does with more than one instruction (flags that are used later, one check for several accesses, registers in parts) shows there. Flags
 * that an instruction leaves undefined are never used, and it is known where they are.
 */
import { DATA, READONLY, WINDOW, type State } from './cases.ts';
import type { Random } from './random.ts';

const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800, all = CF | PF | AF | ZF | SF | OF;
/** Flags that a condition reads, by half of its number. */
const conditionFlags = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF];

const rax = 0, rcx = 1, rbx = 3, rsp = 4, rbp = 5, rsi = 6, rdi = 7;
/** Registers that hold any value, that hold addresses, and that hold small numbers. */
const values = [0, 1, 2, 8, 9, 10, 11, 15], bases = [rbx, rbp, rsi, rdi, 12, rsp], indices = [13, 14];
const sizes = [1, 2, 4, 4, 4, 8, 8, 8];

/** What the code is and which flags are undefined before the instruction at each offset, and at its end. */
export interface Sequence {
  readonly bytes: readonly number[];
  readonly undefinedAt: ReadonlyMap<number, number>;
}

/** An r/m operand: a register, or memory. */
type Place = { readonly register: number } | { readonly base: number; readonly index: number; readonly scale: number; readonly displacement: number };

class Writer {
  readonly #random: Random;
  readonly bytes: number[] = [];
  readonly undefinedAt = new Map<number, number>();
  /** Branches that have no target yet: where their displacement is, and what is undefined at them. */
  readonly #open: { at: number; undefinedFlags: number; left: number }[] = [];
  #undefined = 0;
  readonly #choices: readonly (() => void)[];

  constructor(random: Random) {
    this.#random = random;
    const weighted: readonly (readonly [number, () => void])[] = [
      [10, () => this.#arithmetic()], [6, () => this.#arithmeticImmediate()], [8, () => this.#move()], [4, () => this.#extend()], [3, () => this.#lea()],
      [3, () => this.#unary()], [3, () => this.#test()], [4, () => this.#shift()], [3, () => this.#multiply()], [4, () => this.#stack()],
      [6, () => this.#conditional()], [5, () => this.#branch()], [2, () => this.#exchange()], [2, () => this.#bits()], [2, () => this.#string()],
      [8, () => this.#vector()], [2, () => this.#flags()], [1, () => this.#moveBase()],
    ];
    this.#choices = weighted.flatMap(([weight, write]) => Array.from({ length: weight }, () => write));
  }

  write(count: number): Sequence {
    for (let i = 0; i < count; i++) {
      this.#close(false);
      this.undefinedAt.set(this.bytes.length, this.#undefined);
      this.#random.pick(this.#choices)();
    }
    this.#close(true);
    this.undefinedAt.set(this.bytes.length, this.#undefined);
    return this;
  }

  /** Lets branches end here whose time has come. */
  #close(everything: boolean): void {
    for (const branch of this.#open.splice(0)) {
      const distance = this.bytes.length - branch.at - 1;
      if (--branch.left > 0 && !everything && distance < 90) this.#open.push(branch);
      else {
        this.bytes[branch.at] = distance;
        this.#undefined |= branch.undefinedFlags;
      }
    }
  }

  #value(): number { return this.#random.pick(values); }
  #place(memory = 2): Place {
    const random = this.#random;
    if (random.below(memory + 1) === 0) return { register: this.#value() };
    return { base: random.pick(bases), index: random.oneIn(4) ? random.pick(indices) : -1, scale: random.below(4), displacement: random.below(160) - 80 };
  }
  #memory(): Place { return this.#place(Infinity); }

  /** Prefixes, opcode, ModRM. `size` 8 is REX.W, 2 is prefix 66, 1 takes a REX prefix for its registers. */
  #encode(opcode: readonly number[], reg: number, place: Place, { size = 4, prefix = 0, behind = [] }: { size?: number; prefix?: number; behind?: readonly number[] } = {}): void {
    const { bytes } = this;
    if (prefix !== 0) bytes.push(prefix);
    if (size === 2) bytes.push(0x66);
    const isRegister = 'register' in place;
    const low = isRegister ? place.register : place.base, index = isRegister ? 0 : Math.max(place.index, 0);
    const rex = (size === 8 ? 8 : 0) | (reg > 7 ? 4 : 0) | (index > 7 ? 2 : 0) | (low > 7 ? 1 : 0);
    // AH to BH without one, now and then.
    if (rex !== 0 || (size === 1 && !this.#random.oneIn(4))) bytes.push(0x40 | rex);
    bytes.push(...opcode);
    if (isRegister) bytes.push(0xc0 | (reg & 7) << 3 | low & 7);
    else {
      const wide = this.#random.oneIn(8), mod = wide ? 0x80 : 0x40, needsSib = place.index >= 0 || (low & 7) === 4;
      bytes.push(mod | (reg & 7) << 3 | (needsSib ? 4 : low & 7));
      if (needsSib) bytes.push(place.scale << 6 | (place.index >= 0 ? index & 7 : 4) << 3 | low & 7);
      const d = place.displacement;
      bytes.push(d & 0xff, ...(wide ? [d >> 8 & 0xff, d >> 16 & 0xff, d >> 24 & 0xff] : []));
    }
    bytes.push(...behind);
  }

  #defines(undefinedFlags: number, written = all): void {
    this.#undefined = this.#undefined & ~written | undefinedFlags;
  }
  #immediate(size: number): number[] {
    const value = this.#random.oneIn(2) ? this.#random.below(200) - 100 : this.#random.next() | 0;
    return [value, value >> 8, value >> 16, value >> 24].slice(0, Math.min(size, 4)).map(b => b & 0xff);
  }

  #operation(): number {
    const needsCarry = (this.#undefined & CF) !== 0;
    for (;;) {
      const operation = this.#random.below(8);
      if (!needsCarry || (operation !== 2 && operation !== 3)) return operation;
    }
  }
  #arithmetic(): void {
    const operation = this.#operation(), size = this.#random.pick(sizes), isLoad = this.#random.oneIn(2);
    const locked = !isLoad && operation !== 7 && this.#random.oneIn(12);
    const place = locked ? this.#memory() : this.#place();
    this.#encode([operation << 3 | (isLoad ? 2 : 0) | (size === 1 ? 0 : 1)], this.#value(), place, { size, prefix: locked ? 0xf0 : 0 });
    this.#defines(operation === 1 || operation === 4 || operation === 6 ? AF : 0);
  }
  #arithmeticImmediate(): void {
    const operation = this.#operation(), size = this.#random.pick(sizes), short = size !== 1 && this.#random.oneIn(2);
    this.#encode([size === 1 ? 0x80 : short ? 0x83 : 0x81], operation, this.#place(1), { size, behind: this.#immediate(short ? 1 : size) });
    this.#defines(operation === 1 || operation === 4 || operation === 6 ? AF : 0);
  }
  #move(): void {
    const size = this.#random.pick(sizes);
    if (this.#random.oneIn(4)) this.#encode([size === 1 ? 0xc6 : 0xc7], 0, this.#place(), { size, behind: this.#immediate(size) });
    else this.#encode([this.#random.pick([0x88, 0x8a]) | (size === 1 ? 0 : 1)], this.#value(), this.#place(4), { size });
  }
  #extend(): void {
    const opcode = this.#random.pick([0xb6, 0xb7, 0xbe, 0xbf, 0x63, 0x98, 0x99]), size = this.#random.pick([4, 8]);
    if (opcode >= 0xb0) this.#encode([0x0f, opcode], this.#value(), this.#place(), { size });
    else if (opcode === 0x63) this.#encode([opcode], this.#value(), this.#place(), { size: 8 });
    else this.bytes.push(...(size === 8 ? [0x48] : []), opcode);
  }
  #lea(): void {
    this.#encode([0x8d], this.#value(), this.#memory(), { size: this.#random.pick([4, 8]) });
  }
  #unary(): void {
    const size = this.#random.pick(sizes), wide = size === 1 ? 0 : 1, kind = this.#random.below(4);
    this.#encode([(kind < 2 ? 0xfe : 0xf6) | wide], kind < 2 ? kind : kind, this.#place(1), { size });
    if (kind < 2) this.#defines(0, all & ~CF);
    else if (kind === 3) this.#defines(0);
  }
  #test(): void {
    const size = this.#random.pick(sizes);
    this.#encode([size === 1 ? 0x84 : 0x85], this.#value(), this.#place(1), { size });
    this.#defines(AF);
  }
  #shift(): void {
    const size = this.#random.pick([1, 4, 4, 8, 8]), kind = this.#random.pick([0, 1, 4, 5, 7]), wide = size === 1 ? 0 : 1;
    const count = 1 + this.#random.below(size === 1 ? 7 : 31), byCl = size !== 1 && this.#random.oneIn(3);
    this.#encode([(byCl ? 0xd2 : 0xc0) | wide], kind, this.#place(1), { size, behind: byCl ? [] : [count] });
    // A count of 0 in cl leaves all as they were.
    if (kind < 2) this.#defines(count === 1 && !byCl ? 0 : OF, byCl ? 0 : CF | OF);
    else this.#defines(AF | (count === 1 && !byCl ? 0 : OF), byCl ? 0 : all);
  }
  #multiply(): void {
    const size = this.#random.pick([2, 4, 8]), place = this.#place(1);
    switch (this.#random.below(3)) {
      case 0: this.#encode([0x0f, 0xaf], this.#value(), place, { size }); break;
      case 1: this.#encode([0x6b], this.#value(), place, { size, behind: this.#immediate(1) }); break;
      default: this.#encode([0xf7], this.#random.pick([4, 5]), place, { size });
    }
    this.#defines(PF | AF | ZF | SF);
  }
  #stack(): void {
    const register = this.#value(), prefix = register > 7 ? [0x41] : [];
    switch (this.#random.below(5)) {
      case 0: this.bytes.push(0x6a, ...this.#immediate(1)); break;
      case 1: this.#encode([0xff], 6, this.#memory()); break;
      case 2: this.#encode([0x8f], 0, this.#memory()); break;
      case 3: this.bytes.push(...prefix, 0x58 | register & 7); break;
      default: this.bytes.push(...prefix, 0x50 | register & 7);
    }
  }
  /** A condition that reads no undefined flag, if there is one. */
  #condition(): number {
    const usable = conditionFlags.flatMap((flags, i) => ((flags & this.#undefined) === 0 ? [2 * i, 2 * i + 1] : []));
    return usable.length === 0 ? -1 : this.#random.pick(usable);
  }
  #conditional(): void {
    const condition = this.#condition();
    if (condition < 0) return this.#move();
    if (this.#random.oneIn(2)) this.#encode([0x0f, 0x90 | condition], 0, this.#place(1), { size: 1 });
    else this.#encode([0x0f, 0x40 | condition], this.#value(), this.#place(1), { size: this.#random.pick([4, 8]) });
  }
  #branch(): void {
    const condition = this.#condition();
    if (condition < 0) return this.#lea();
    this.bytes.push(this.#random.oneIn(6) ? 0xeb : 0x70 | condition, 0);
    this.#open.push({ at: this.bytes.length - 1, undefinedFlags: this.#undefined, left: 1 + this.#random.below(5) });
  }
  #exchange(): void {
    const size = this.#random.pick(sizes), wide = size === 1 ? 0 : 1, place = this.#memory(), prefix = this.#random.oneIn(2) ? 0xf0 : 0;
    switch (this.#random.below(3)) {
      case 0: return this.#encode([0x86 | wide], this.#value(), place, { size });
      case 1: this.#encode([0x0f, 0xc0 | wide], this.#value(), place, { size, prefix }); break;
      default: this.#encode([0x0f, 0xb0 | wide], this.#value(), place, { size, prefix });
    }
    this.#defines(0);
  }
  #bits(): void {
    const size = this.#random.pick([4, 8]);
    switch (this.#random.below(4)) {
      case 0:
        this.#encode([0x0f, 0xba], 4 + this.#random.below(4), this.#place(1), { size, behind: [this.#random.below(64)] });
        return this.#defines(OF | SF | AF | PF, all & ~ZF);
      case 1:
        this.#encode([0x0f, 0xb8], this.#value(), this.#place(1), { size, prefix: 0xf3 });
        return this.#defines(0);
      case 2: {
        const register = this.#value();
        return void this.bytes.push(0x40 | (size === 8 ? 8 : 0) | (register > 7 ? 1 : 0), 0x0f, 0xc8 | register & 7);
      }
      default:
        this.#encode([0x0f, this.#random.pick([0xa4, 0xac])], this.#value(), this.#place(1), { size, behind: [1 + this.#random.below(31)] });
        this.#defines(AF | OF);
    }
  }
  #string(): void {
    const size = this.#random.pick([1, 4, 8]);
    this.bytes.push(...(this.#random.oneIn(5) ? [0xb9, this.#random.below(12), 0, 0, 0, 0xf3] : []), ...(size === 8 ? [0x48] : []), this.#random.pick([0xa4, 0xaa, 0xac]) | (size === 1 ? 0 : 1));
  }
  #vector(): void {
    const random = this.#random, xmm = random.below(4), place = random.oneIn(2) ? { register: random.below(4) } : this.#memory();
    const plain = (prefix: number, opcode: number): void => this.#encode([0x0f, opcode], xmm, place, { prefix });
    switch (random.below(8)) {
      case 0: return plain(0xf2, random.pick([0x10, 0x11, 0x58, 0x59, 0x5c, 0x5e, 0x51, 0x5d, 0x5f]));
      case 1: return plain(0xf3, random.pick([0x10, 0x11, 0x58, 0x59, 0x5c, 0x5e, 0x5a]));
      case 2: return plain(random.pick([0, 0x66]), random.pick([0x10, 0x11, 0x10, 0x11, 0x28, 0x29, 0x58, 0x59, 0x57, 0x14, 0x54]));
      case 3: return plain(0xf3, random.pick([0x6f, 0x7f, 0x7e]));
      case 4: return this.#encode([0x0f, random.pick([0xef, 0xfe, 0xd4, 0x74, 0x62, 0xeb, 0xdb])], xmm, { register: random.below(4) }, { prefix: 0x66 });
      case 5: return this.#encode([0x0f, random.pick([0x6e, 0x7e])], xmm, this.#place(1), { size: random.pick([4, 8]), prefix: 0x66 });
      case 6: return this.#encode([0x0f, 0x2a], xmm, this.#place(1), { size: random.pick([4, 8]), prefix: random.pick([0xf2, 0xf3]) });
      default:
        if (random.oneIn(2)) return this.#encode([0x0f, random.pick([0x2c, 0x2d])], this.#value(), place, { size: random.pick([4, 8]), prefix: random.pick([0xf2, 0xf3]) });
        plain(random.pick([0, 0x66]), random.pick([0x2e, 0x2f]));
        this.#defines(0);
    }
  }
  #flags(): void {
    const usable = [0xf8, 0xf9, ...((this.#undefined & CF) === 0 ? [0xf5] : []), ...((this.#undefined & ~OF) === 0 ? [0x9f] : []), 0x9e];
    const opcode = this.#random.pick(usable);
    this.bytes.push(opcode);
    if (opcode === 0x9e) this.#defines(0, all & ~OF);
    else if (opcode !== 0x9f) this.#defines(0, CF);
  }
  /** Moves a base a little, or takes another's place. */
  #moveBase(): void {
    const base = this.#random.pick([rbx, rbp, rsi, rdi, 12]), by = this.#random.below(64) - 32;
    if (this.#random.oneIn(3)) this.#encode([0x8b], base, { register: this.#random.pick(bases) }, { size: 8 });
    else this.#encode([0x8d], base, { base, index: -1, scale: 0, displacement: by }, { size: 8 });
  }
}

/** A sequence of `count` instructions; registers in `state` get the values that it counts on. */
export function randomSequence(random: Random, state: State, count: number): Sequence {
  for (const base of bases) state.setGpr(base, BigInt(baseAddress(random)));
  for (const index of indices) state.setGpr(index, BigInt(random.below(6)));
  state.rflags &= random.oneIn(8) ? -1 : ~0x400;
  if (random.oneIn(2)) state.setGpr(rcx, BigInt(random.below(64)));
  if (random.oneIn(4)) state.setGpr(rax, BigInt(random.below(3)));
  return new Writer(random).write(count);
}

/** Mostly where accesses cross from one page to the next, seldom at the end of what can be accessed or written. */
function baseAddress(random: Random): number {
  switch (random.below(30)) {
    case 0: return READONLY + 0x800;
    case 1: return READONLY - 16;
    case 2: return DATA + 0x2000 - random.below(100);
    case 3: return DATA + random.below(100);
    default: return WINDOW + 256 + (random.below(160) - 80 & (random.oneIn(2) ? -16 : -1));
  }
}
