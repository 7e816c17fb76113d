/**
 * Random programs of many functions that call, loop and dispatch in the ways of compiled code, and end by construction: calls form no
 * cycle, except of the one function that counts its depth, loops count registers or stack slots that nothing else writes, and what a
 * function costs at most is added up while it is written. rbx and r12 point to data, r13 and r14 count, rsp and rbp are the stack's.
 */
import { LabelledCode, immediate, type Memory, type Operand } from './labelledCode.ts';
import type { Random } from './random.ts';

/** Where code, jump tables, data and stack are. The middle of data and of stack, where pointers start, is a page border. */
export const CODE = 0x400000, TABLES = 0x500000, DATA = 0x600000, STACK = 0x700000;
/** Bytes of each. */
export const TABLES_SIZE = 4096, DATA_SIZE = 8192, STACK_SIZE = 16384;

export interface Program {
  readonly code: Uint8Array;
  /** What is at TABLES: addresses of 8 bytes. */
  readonly tables: Uint8Array;
  readonly entry: number;
  /** Instructions that a run takes at most. */
  readonly cost: number;
}

const rax = 0, rcx = 1, rbx = 3, rsp = 4, rbp = 5, rdi = 7, r11 = 11, r12 = 12, r13 = 13, r14 = 14;
const values = [0, 1, 2, 6, 7, 8, 9, 10, 11, 15], sizes = [1, 2, 4, 4, 4, 8, 8, 8];
/** Slots of a frame that count: the last is the recursive function's. */
const slots = 4;
/** Stubs whose pointers have room behind the tables. */
const mostStubs = 40;

interface Callee {
  readonly label: number;
  readonly cost: number;
  /** What rdi has to be, of the recursive function. */
  readonly depth: number;
}

/** What a function that is being written has. */
interface Frame {
  readonly style: 'rbp' | 'rsp' | 'leaf';
  readonly size: number;
  /** Registers and slots that a loop may take. */
  readonly counters: number[];
  readonly slots: number[];
  readonly values: readonly number[];
  readonly limit: number;
}

class ProgramWriter {
  readonly #random: Random;
  readonly #code = new LabelledCode(CODE);
  /** Labels whose addresses are at TABLES. */
  readonly #tables: number[] = [];
  readonly #callees: Callee[] = [];
  /** Function that skips five bytes behind its call if al is odd. */
  readonly #skipper: number;
  readonly #stubs: { readonly label: number; readonly callee: number }[] = [];
  #frame: Frame = { style: 'leaf', size: 0, counters: [], slots: [], values, limit: 0 };
  /** Bytes pushed within the block. */
  #pushed = 0;
  /** What the function costs so far, how often what is written now runs, and how many more blocks there may be. */
  #cost = 0;
  #times = 1;
  #blocks = 0;
  /** The loops around: where `break` and `continue` lead, and what counts. */
  readonly #loops: { readonly end: number; readonly next: number; readonly counter: Operand }[] = [];
  readonly #instructions: readonly (() => void)[];
  readonly #statements: readonly (() => void)[];

  constructor(random: Random) {
    this.#random = random;
    this.#skipper = this.#code.label();
    const weighted = (list: readonly (readonly [number, () => void])[]): (() => void)[] => list.flatMap(([weight, write]) => Array<() => void>(weight).fill(write));
    this.#instructions = weighted([
      [8, () => this.#arithmetic()], [4, () => this.#arithmeticImmediate()], [8, () => this.#move()], [3, () => this.#unary()], [3, () => this.#shift()],
      [2, () => this.#multiply()], [2, () => this.#scan()], [4, () => this.#conditional()], [3, () => this.#lea()], [3, () => this.#extend()],
      [3, () => this.#vector()], [5, () => this.#double()], [3, () => this.#pushPop()],
    ]);
    this.#statements = weighted([
      [3, () => this.#straight()], [6, () => this.#if()], [5, () => this.#loop()], [3, () => this.#switch()], [5, () => this.#call()],
      [1, () => this.#pushReturn()], [2, () => this.#leave()], [1, () => this.#skip()],
    ]);
  }

  program(): Program {
    const random = this.#random, code = this.#code, count = 4 + random.below(9), recursive = 1 + random.below(count - 1);
    this.#writeSkipper();
    for (let i = 0; i < count; i++) {
      this.#pad();
      const limit = Math.min(20_000, 60 * 2 ** (1 + i));
      if (i === recursive) this.#recursive(limit);
      else this.#callees.push({ label: this.#function(limit, i < 2 && random.oneIn(2) ? 'leaf' : random.pick(['rbp', 'rsp']), () => this.#body()), cost: this.#cost, depth: 0 });
    }
    this.#pad();
    const entry = this.#main(), cost = this.#cost;
    for (const { label, callee } of this.#stubs) {
      code.place(label);
      if (random.oneIn(2)) code.write(0xf3, 0x0f, 0x1e, 0xfa);
      const slot = TABLES + 8 * (this.#tables.push(callee) - 1);
      code.write(0xff, 0x25, ...immediate(slot - CODE - code.bytes.length - 6));
    }
    const bytes = code.finish(), tables = new Uint8Array(TABLES_SIZE), view = new DataView(tables.buffer);
    this.#tables.forEach((label, i) => view.setUint32(8 * i, code.address(label), true));
    return { code: bytes, tables, entry: code.address(entry), cost };
  }

  /** Calls every function by turns until they have cost enough, and ends with SYSCALL, before which rcx and r11 are kept. */
  #main(): number {
    const random = this.#random, code = this.#code, entry = code.here();
    const once = this.#callees.reduce((sum, { cost }) => sum + cost + 4, 0), target = 20_000 + random.below(280_000);
    const times = Math.max(2, Math.min(400, Math.floor(target / once)));
    code.write(0x41, 0xbd, ...immediate(times));
    const top = code.here();
    for (const callee of this.#callees) this.#callOne(callee);
    code.encode([0xff], 1, r13);
    code.jump(top, 5);
    code.encode([0x89], rcx, { displacement: DATA }, { size: 8 });
    code.encode([0x89], r11, { displacement: DATA + 8 }, { size: 8 });
    code.encode([0x39], rax, rax);
    code.write(0x0f, 0x05);
    this.#cost = times * once + 10;
    return entry;
  }

  /** INT3 up to the next function, at times so that it begins shortly before a page's end. */
  #pad(): void {
    const { bytes } = this.#code, left = 4096 - bytes.length % 4096;
    const skip = left < 700 && this.#random.oneIn(2) ? left - this.#random.below(Math.min(left, 40)) : this.#random.below(200);
    for (let i = 0; i < skip; i++) bytes.push(0xcc);
  }

  /** test al, 1; jz L; add qword [rsp], 5; L: ret */
  #writeSkipper(): void {
    this.#code.place(this.#skipper);
    this.#code.write(0xa8, 1, 0x74, 5, 0x48, 0x83, 0x04, 0x24, 5, 0xc3);
  }

  /** A function with a frame; its label. What it costs is in #cost then. */
  #function(limit: number, style: Frame['style'], body: () => void, label = this.#code.label()): number {
    const random = this.#random, code = this.#code, isLeaf = style === 'leaf', size = isLeaf ? 0 : 96 + 8 * random.below(12);
    code.place(label);
    this.#frame = {
      style, size, limit, counters: isLeaf ? [10, r11] : [r13, r14], slots: isLeaf ? [] : [0, 1, 2],
      values: isLeaf ? values.filter(r => r !== 10 && r !== r11) : values,
    };
    this.#cost = 16;
    this.#times = 1;
    this.#blocks = 2 + random.below(9);
    if (isLeaf) body();
    else {
      code.write(0x55);
      if (style === 'rbp') code.encode([0x89], rsp, rbp, { size: 8 });
      code.write(0x41, 0x54, 0x41, 0x55, 0x41, 0x56);
      code.encode([0x81], 5, rsp, { size: 8, behind: immediate(size) });
      code.encode([0x8d], r12, { base: rbx, displacement: random.below(128) - 64 }, { size: 8 });
      body();
      if (style === 'rbp' && random.oneIn(2)) code.encode([0x8d], rsp, { base: rbp, displacement: -24 }, { size: 8 });
      else code.encode([0x81], 0, rsp, { size: 8, behind: immediate(size) });
      code.write(0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d);
    }
    code.write(0xc3);
    return label;
  }

  /** Calls itself with what it got in edi, less one, once or twice, until that is 0. */
  #recursive(limit: number): void {
    const random = this.#random, code = this.#code, isTree = random.oneIn(2), depth = 1 + random.below(isTree ? 4 : 10), end = code.label();
    const calls = isTree ? 2 ** (depth + 1) : depth + 1, self = code.label();
    this.#function(Math.max(100, limit / calls), random.pick(['rbp', 'rsp']), () => {
      const slot = this.#slot(slots - 1);
      code.encode([0x89], rdi, slot);
      code.encode([0x85], rdi, rdi);
      code.jump(end, 4);
      this.#body();
      for (let i = 0; i < (isTree ? 2 : 1); i++) {
        code.encode([0x8b], rdi, slot);
        code.encode([0xff], 1, rdi);
        code.branch([0xe8], self);
        this.#straight();
      }
      code.place(end);
    }, self);
    this.#callees.push({ label: self, cost: this.#cost * calls, depth });
  }

  #body(): void {
    while (this.#blocks > 0) this.#statement();
  }
  #statement(): void {
    this.#blocks--;
    if (this.#cost + this.#times * 12 > this.#frame.limit) return this.#straight();
    this.#random.pick(this.#statements)();
  }
  /** One block or two, as a branch of something. */
  #part(): void {
    this.#straight();
    if (this.#blocks > 0 && this.#random.oneIn(2)) this.#statement();
  }

  #straight(least = 1): void {
    for (let i = least + this.#random.below(5); i > 0; i--) this.#random.pick(this.#instructions)();
    while (this.#pushed > 0) this.#pop();
  }

  #condition(): number { return this.#random.below(16); }
  /** What sets flags, then at times another block before they are used. */
  #compare(): void {
    const code = this.#code, random = this.#random;
    if (random.oneIn(5)) return;
    random.pick([() => this.#arithmetic(), () => this.#arithmeticImmediate(), () => this.#unary(), () => this.#shift(), () => this.#multiply(), () => this.#scan(), () => this.#compareDoubles()])();
    if (random.oneIn(4)) this.#move();
    if (random.oneIn(6)) {
      const next = code.label();
      code.jump(next);
      code.write(0x0f, 0x0b);
      code.place(next);
    }
  }

  #if(): void {
    const code = this.#code, otherwise = code.label(), end = code.label(), hasElse = this.#random.oneIn(2);
    this.#compare();
    code.jump(otherwise, this.#condition());
    // A second condition of the same flags.
    if (this.#random.oneIn(3)) code.jump(otherwise, this.#condition());
    this.#part();
    if (hasElse) {
      code.jump(end);
      code.place(otherwise);
      this.#part();
    } else code.place(otherwise);
    code.place(end);
  }

  /** `break` or `continue`, if there is a loop around. */
  #leave(): void {
    const loop = this.#loops.at(-1);
    if (!loop) return this.#if();
    this.#compare();
    this.#code.jump(this.#random.oneIn(2) ? loop.end : loop.next, this.#condition());
  }

  #loop(): void {
    const { counters, slots: free, limit } = this.#frame, random = this.#random;
    const most = Math.min(40, Math.floor((limit - this.#cost) / (30 * this.#times)));
    if (most < 2 || (counters.length === 0 && free.length === 0)) return this.#if();
    const inSlot = counters.length === 0 || (free.length > 0 && random.oneIn(3));
    const taken = (inSlot ? free : counters).pop()!, times = 2 + random.below(most - 1), before = this.#times;
    this.#times *= times;
    this.#writeLoop(inSlot ? this.#slot(taken) : taken, times);
    this.#times = before;
    (inSlot ? free : counters).push(taken);
  }
  #writeLoop(counter: Operand, times: number): void {
    const code = this.#code, random = this.#random, end = code.label(), next = code.label(), kind = random.below(4);
    code.encode([0xc7], 0, counter, { behind: immediate(kind === 1 ? 0 : times) });
    if (kind === 2) code.jump(next);
    const top = code.here();
    this.#loops.push({ end, next, counter });
    this.#part();
    if (this.#blocks > 0) this.#statement();
    this.#loops.pop();
    code.place(next);
    if (kind === 1) {
      code.encode([0xff], 0, counter);
      code.encode([0x81], 7, counter, { behind: immediate(times) });
      code.jump(top, random.pick([2, 5, 12]));
    } else if (kind === 2) {
      code.encode([0x83], 5, counter, { behind: [1] });
      code.jump(top, 3);
    } else {
      if (kind === 3) code.encode([0x83], 0, counter, { behind: [0xff] });
      else code.encode([0xff], 1, counter);
      if (random.oneIn(4)) this.#move();
      code.jump(top, random.pick([5, 15]));
    }
    code.place(end);
    this.#cost += this.#times * 4;
  }

  /** Puts these labels behind each other at TABLES, each maybe more than once, so that their number is a power of two; address and mask. */
  #table(labels: readonly number[]): { readonly address: number; readonly mask: number } | undefined {
    let length = 4;
    while (length < labels.length) length *= 2;
    if ((this.#tables.length + length + mostStubs) * 8 > TABLES_SIZE) return undefined;
    const address = TABLES + 8 * this.#tables.length;
    for (let i = 0; i < length; i++) this.#tables.push(i < labels.length ? labels[i]! : this.#random.pick(labels));
    return { address, mask: length - 1 };
  }
  /** FF /4 or FF /2 of a table's entry, in one of several ways; the index is made of a value or a loop's counter. */
  #dispatch({ address, mask }: { readonly address: number; readonly mask: number }, operation: number): void {
    const code = this.#code, random = this.#random, index = random.pick([rax, rcx, 2]), base = random.pick([6, 8]);
    const loop = random.oneIn(3) ? undefined : this.#loops.at(-1);
    code.encode([0x8b], index, loop ? loop.counter : this.#value());
    code.encode([0x83], 4, index, { behind: [mask] });
    const way = random.below(3);
    if (way === 0) return code.encode([0xff], operation, { index, scale: 3, displacement: address });
    code.encode([0xc7], 0, base, { behind: immediate(address) });
    const entry: Memory = { base, index, scale: 3, displacement: 0 };
    if (way === 1) return code.encode([0xff], operation, entry);
    code.encode([0x8b], base, entry, { size: 8 });
    code.encode([0xff], operation, base);
  }

  #switch(): void {
    const code = this.#code, random = this.#random, cases = Array.from({ length: 3 + random.below(random.oneIn(3) ? 18 : 6) }, () => code.label());
    const end = code.label(), table = this.#table(cases);
    if (!table) return this.#if();
    this.#dispatch(table, 4);
    this.#cost += this.#times * 6;
    const before = this.#cost;
    for (const label of cases) {
      code.place(label);
      this.#straight();
      if (this.#blocks > 0 && random.oneIn(6)) this.#statement();
      // Falls through now and then.
      if (!random.oneIn(5)) code.jump(end);
    }
    // Few of the cases run.
    if (this.#cost - before > 40 * this.#times && this.#blocks > 1) this.#blocks--;
    code.place(end);
  }

  #call(): void {
    const affordable = this.#callees.filter(({ cost }) => this.#cost + this.#times * (cost + 6) <= this.#frame.limit);
    if (this.#frame.style === 'leaf' || affordable.length === 0) return this.#if();
    const random = this.#random, some = Array.from({ length: 2 + random.below(3) }, () => random.pick(affordable));
    const table = random.oneIn(4) ? this.#table(some.map(({ label }) => label)) : undefined;
    if (table) {
      this.#code.encode([0xc7], 0, rdi, { behind: immediate(Math.max(...some.map(({ depth }) => depth))) });
      this.#dispatch(table, 2);
      this.#cost += this.#times * (6 + Math.max(...some.map(({ cost }) => cost)));
    } else {
      this.#callOne(some[0]!);
      this.#cost += this.#times * (4 + some[0]!.cost);
    }
    this.#straight();
  }
  #callOne({ label, depth }: Callee): void {
    const code = this.#code, random = this.#random, target = random.pick([rax, 2, r11]), stub = code.label(), back = code.label();
    if (depth > 0) code.encode([0xc7], 0, rdi, { behind: immediate(depth) });
    switch (random.below(6)) {
      case 0:
        code.writeAddress([...(target > 7 ? [0x41] : []), 0xb8 | target & 7], label);
        return code.encode([0xff], 2, target);
      case 1:
        if (this.#stubs.length >= mostStubs) return code.branch([0xe8], label);
        this.#stubs.push({ label: stub, callee: label });
        return code.branch([0xe8], stub);
      case 2:
        // Returns to where no call was.
        code.writeAddress([0x68], back);
        code.writeAddress([0x68], label);
        code.write(0xc3);
        if (random.oneIn(2)) code.write(0x0f, 0x0b);
        return code.place(back);
      default: return code.branch([0xe8], label);
    }
  }

  /** PUSH of an address and RET, as a jump. */
  #pushReturn(): void {
    const code = this.#code, target = code.label();
    this.#cost += this.#times * 2;
    code.writeAddress([0x68], target);
    code.write(0xc3);
    code.write(0x0f, 0x0b);
    code.place(target);
    this.#straight();
  }
  /** A call that may come back behind the instruction that follows it, or that only asks where it is. */
  #skip(): void {
    const code = this.#code;
    this.#cost += this.#times * 6;
    if (this.#frame.style === 'leaf') return this.#straight();
    if (this.#random.oneIn(4)) {
      code.write(0xe8, 0, 0, 0, 0, 0x58);
      return;
    }
    code.branch([0xe8], this.#skipper);
    code.write(0x05, ...immediate(this.#random.next() | 0));
    this.#straight();
  }

  #value(): number { return this.#random.pick(this.#frame.values); }
  /** The frame's bytes at an offset from where rsp is at the start of a block. */
  #inFrame(offset: number): Memory {
    const { style, size } = this.#frame;
    if (style === 'rbp' && this.#random.oneIn(2)) return { base: rbp, displacement: offset - size - 24 };
    return { base: rsp, displacement: offset + this.#pushed };
  }
  #slot(slot: number): Memory {
    const { style, size } = this.#frame, offset = 8 * slot;
    return style === 'rbp' ? { base: rbp, displacement: offset - size - 24 } : { base: rsp, displacement: offset };
  }
  #memory(): Memory {
    const random = this.#random, { style, size } = this.#frame;
    if (random.oneIn(2)) return { base: random.pick([rbx, r12]), displacement: random.below(200) - 100 };
    if (style === 'leaf') return { base: rsp, displacement: -16 - random.below(100) };
    return this.#inFrame(8 * slots + random.below(size - 8 * slots - 15));
  }
  #place(): Operand { return this.#random.oneIn(2) ? this.#value() : this.#memory(); }
  #count(): void { this.#cost += this.#times; }
  #emit(opcode: readonly number[], reg: number, operand: Operand, size = 4, prefix = 0, behind: readonly number[] = []): void {
    this.#count();
    this.#code.encode(opcode, reg, operand, { size, prefix, behind });
  }
  #immediate(size: number): number[] {
    return immediate(this.#random.oneIn(2) ? this.#random.below(200) - 100 : this.#random.next() | 0, Math.min(size, 4));
  }

  #arithmetic(): void {
    const size = this.#random.pick(sizes), operation = this.#random.pick([0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 7]);
    this.#emit([operation << 3 | (this.#random.oneIn(2) ? 2 : 0) | (size === 1 ? 0 : 1)], this.#value(), this.#place(), size);
  }
  #arithmeticImmediate(): void {
    const size = this.#random.pick(sizes), short = size !== 1 && this.#random.oneIn(2);
    this.#emit([size === 1 ? 0x80 : short ? 0x83 : 0x81], this.#random.below(8), this.#place(), size, 0, this.#immediate(short ? 1 : size));
  }
  #move(): void {
    const size = this.#random.pick(sizes);
    this.#emit([this.#random.pick([0x88, 0x8a]) | (size === 1 ? 0 : 1)], this.#value(), this.#random.oneIn(5) ? this.#value() : this.#memory(), size);
  }
  #extend(): void {
    this.#emit([0x0f, this.#random.pick([0xb6, 0xb7, 0xbe, 0xbf])], this.#value(), this.#place(), this.#random.pick([4, 8]));
  }
  #lea(): void {
    this.#emit([0x8d], this.#value(), { base: this.#value(), index: this.#value(), scale: this.#random.below(4), displacement: this.#random.below(300) - 150 }, this.#random.pick([4, 8]));
  }
  #unary(): void {
    const size = this.#random.pick(sizes), wide = size === 1 ? 0 : 1, kind = this.#random.below(4);
    this.#emit([(kind < 2 ? 0xfe : 0xf6) | wide], kind, this.#place(), size);
  }
  #shift(): void {
    const random = this.#random, size = random.pick([4, 4, 8]), byCl = random.oneIn(2);
    this.#emit([byCl ? 0xd3 : 0xc1], random.pick([0, 1, 4, 4, 5, 7]), this.#place(), size, 0, byCl ? [] : [random.below(32)]);
  }
  #multiply(): void {
    this.#emit([0x0f, 0xaf], this.#value(), this.#place(), this.#random.pick([2, 4, 8]));
  }
  #scan(): void {
    this.#emit([0x0f, this.#random.pick([0xbc, 0xbd])], this.#value(), this.#place(), this.#random.pick([4, 8]));
  }
  #conditional(): void {
    if (this.#random.oneIn(2)) this.#emit([0x0f, 0x90 | this.#condition()], 0, this.#place(), 1);
    else this.#emit([0x0f, 0x40 | this.#condition()], this.#value(), this.#place(), this.#random.pick([4, 8]));
  }
  #vector(): void {
    const random = this.#random, xmm = random.below(6);
    switch (random.below(5)) {
      case 0: return this.#emit([0x0f, random.pick([0x6f, 0x7f])], xmm, random.oneIn(3) ? random.below(6) : this.#memory(), 4, 0xf3);
      case 1: return this.#emit([0x0f, random.pick([0x10, 0x11])], xmm, this.#memory());
      case 2: return this.#emit([0x0f, random.pick([0xfc, 0xfd, 0xfe, 0xd4])], xmm, { displacement: DATA + 4096 - 128 + 16 * random.below(16) }, 4, 0x66);
      case 3: return this.#emit([0x0f, random.pick([0x6e, 0x7e])], xmm, this.#place(), random.pick([4, 8]), 0x66);
      default: return this.#emit([0x0f, random.pick([0xfc, 0xfd, 0xfe, 0xd4, 0xef, 0x6f])], xmm, random.below(6), 4, 0x66);
    }
  }
  /** Numbers come from integers for the most part; what is in memory, and becomes of them in loops, may be anything. */
  #double(): void {
    const random = this.#random, xmm = 6 + random.below(6), other = 6 + random.below(6), arithmetic = random.pick([0x58, 0x58, 0x59, 0x5c, 0x5e, 0x51]);
    switch (random.below(9)) {
      case 0: case 1: return this.#emit([0x0f, 0x2a], xmm, this.#value(), random.pick([4, 4, 8]), 0xf2);
      case 2: case 3: return this.#emit([0x0f, arithmetic], xmm, random.oneIn(4) ? this.#memory() : other, 4, 0xf2);
      case 4: return this.#emit([0x0f, arithmetic], xmm, other, 4, 0x66);
      case 5: return this.#emit([0x0f, random.pick([0x10, 0x11, 0x11])], xmm, this.#memory(), 4, 0xf2);
      case 6: return this.#emit([0x0f, random.pick([0x14, 0x15, 0x28])], xmm, other, 4, 0x66);
      case 7: return random.oneIn(2) ? this.#emit([0x0f, 0x57], xmm, xmm, 4, 0x66) : this.#emit([0x0f, 0x2c], this.#value(), xmm, random.pick([4, 8]), 0xf2);
      default: return this.#compareDoubles();
    }
  }
  #compareDoubles(): void {
    const random = this.#random;
    this.#emit([0x0f, random.pick([0x2e, 0x2f])], 6 + random.below(6), 6 + random.below(6), 4, 0x66);
  }
  #pushPop(): void {
    if (this.#frame.style === 'leaf') return this.#move();
    if (this.#pushed > 0 && this.#random.oneIn(2)) return this.#pop();
    this.#count();
    const register = this.#value();
    if (this.#random.oneIn(4)) this.#code.encode([0xff], 6, this.#memory());
    else this.#code.write(...(register > 7 ? [0x41] : []), 0x50 | register & 7);
    this.#pushed += 8;
  }
  #pop(): void {
    const register = this.#value();
    this.#count();
    this.#code.write(...(register > 7 ? [0x41] : []), 0x58 | register & 7);
    this.#pushed -= 8;
  }
}

export function randomControlFlow(random: Random): Program {
  return new ProgramWriter(random).program();
}
