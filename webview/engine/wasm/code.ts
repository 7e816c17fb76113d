/** The body of a function: statements in order. Values are computed when a statement takes them. */
import { Bytes } from './bytes.ts';
import { Encoding, I32, I64, encoded, typeCode, valueOf, type F32, type F64, type Int32, type Int64, type Type, type V128, type Value, type ValueOf } from './values.ts';

/** Something a branch can leave (`block`, `if`) or repeat (`loop`). */
export interface Label {
  readonly depth: number;
}

/** A local that can be assigned. */
export interface Variable<T extends Value> {
  readonly index: number;
  /** Its value when a statement reads it. */
  readonly value: T;
}

/** A function as calls see it. */
export interface FunctionType {
  readonly parameters: readonly Type[];
  readonly result: Type | undefined;
}

/** A function that can be called: its index is known when the module is assembled. */
export interface Callable<R extends Type | undefined = Type | undefined> {
  readonly type: FunctionType & { readonly result: R };
  readonly index: number;
  /** Written in the call's place: code that never comes back (`Code.leaving`). */
  readonly leave?: () => void;
  /** Written before the arguments and behind the call: a callee that works on what the caller keeps in locals. */
  readonly before?: () => void;
  readonly after?: () => void;
}

const VOID = 0x40;

export class Code {
  readonly out = new Bytes(4096);
  #depth = 0;
  readonly #types: Type[] = [];
  /** The value of each local, once it has been asked for. */
  readonly #values: Value[] = [];
  readonly #free: Record<Type, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  /** Locals of the innermost scope. */
  #taken: number[] = [];
  /** Set by each store, on some way to where the code is: who sets it to false can tell whether memory may have changed since. */
  stored = false;
  /** Called before a block, an `if` or a loop is opened: for who keeps what is written back before control divides. */
  beforeBlock: (() => void) | undefined;
  readonly #outside: ((end: Label) => void)[] = [];
  readonly parameters: readonly Type[];

  constructor(parameters: readonly Type[] = []) {
    this.parameters = parameters;
  }

  /** Types of the locals behind the parameters. */
  get locals(): readonly Type[] {
    return this.#types;
  }

  parameter<T extends Type>(index: number, type: T): ValueOf[T] {
    return this.#get(type, index);
  }

  #get<T extends Type>(type: T, index: number): ValueOf[T] {
    return (this.#values[index] ??= encoded(type, Encoding.local, 0, index)) as ValueOf[T];
  }

  #allocate(type: Type): number {
    const free = this.#free[type].pop();
    const index = free ?? this.parameters.length + this.#types.length;
    if (free === undefined) this.#types.push(type);
    this.#taken.push(index);
    return index;
  }

  /** Locals made inside `body` are free again behind it. */
  scope(body: () => void): void {
    const outer = this.#taken;
    this.#taken = [];
    body();
    for (const index of this.#taken) this.#free[this.#types[index - this.parameters.length]!].push(index);
    this.#taken = outer;
  }

  /** Computes `value` now; the result can be used any number of times. Constants stay as they are. */
  let<T extends Value>(value: T): T {
    if (value.isConstant) return value;
    const index = this.#allocate(value.type);
    value.write(this.out);
    this.#set(index);
    return this.#get(value.type, index) as unknown as T;
  }

  /** A variable with that value now. */
  variable<T extends Value>(initial: T): Variable<T> {
    const index = this.#allocate(initial.type);
    initial.write(this.out);
    this.#set(index);
    return { index, value: this.#get(initial.type, index) as unknown as T };
  }

  /** A variable of the type of `like`, zero until it is set. It stays taken. */
  declare<T extends Value>(like: T): Variable<T> {
    this.#types.push(like.type);
    const index = this.parameters.length + this.#types.length - 1;
    return { index, value: this.#get(like.type, index) as unknown as T };
  }

  set<T extends Value>(variable: Variable<T>, value: T): void {
    value.write(this.out);
    this.#set(variable.index);
  }

  #set(index: number): void {
    this.out.u8(0x21);
    this.out.u32(index);
  }

  /** Computes a value for its effect only (a call). */
  drop(value: Value): void {
    value.write(this.out);
    this.out.u8(0x1a);
  }

  #open(opcode: number, body: (label: Label) => void): void {
    this.out.u8(opcode);
    this.out.u8(VOID);
    const label = { depth: ++this.#depth };
    body(label);
    this.#depth--;
    this.out.u8(0x0b);
  }

  block(body: (end: Label) => void): void {
    this.beforeBlock?.();
    this.#open(0x02, body);
  }

  /** A branch to the label goes back to the start. */
  loop(body: (start: Label) => void): void {
    this.beforeBlock?.();
    this.#open(0x03, body);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    if (condition.constant !== undefined) {
      if (condition.constant !== 0) then();
      else otherwise?.();
      return;
    }
    this.beforeBlock?.();
    condition.write(this.out);
    this.#open(0x04, () => {
      const before = this.stored;
      then();
      if (otherwise) {
        this.out.u8(0x05);
        const afterThen = this.stored;
        this.stored = before;
        otherwise();
        this.stored ||= afterThen;
      }
    });
  }

  /**
   * One of `bodies` by number: each ends where `end` does unless it branches. For many cases: body n is written behind n closed blocks, so
   * that the table's branches are all forward.
   */
  switch(index: I32, bodies: readonly ((end: Label) => void)[], otherwise?: (end: Label) => void): void {
    this.block(end => {
      const count = bodies.length + 1;
      for (let i = 0; i < count; i++) {
        this.out.u8(0x02);
        this.out.u8(VOID);
        this.#depth++;
      }
      index.write(this.out);
      this.out.u8(0x0e);
      this.out.u32(bodies.length);
      for (let i = 0; i <= bodies.length; i++) this.out.u32(i);
      for (const body of [...bodies, otherwise ?? (() => this.unreachable())]) {
        this.#depth--;
        this.out.u8(0x0b);
        this.scope(() => body(end));
        this.br(end);
      }
    });
  }

  /** `then` runs, and ends with a branch, if `condition` is not 0: not a place where control divides for who watches blocks. */
  unlikely(condition: I32, then: () => void): void {
    condition.write(this.out);
    const { beforeBlock, stored } = this;
    this.beforeBlock = undefined;
    this.#open(0x04, then);
    this.beforeBlock = beforeBlock;
    this.stored = stored;
  }

  /** Body n goes on into the next; in body n, label m leads to body m if m is greater than n. `start` may branch to any body; else the first runs. */
  blocks(bodies: readonly ((labels: readonly Label[]) => void)[], start: (labels: readonly Label[]) => void): void {
    const outer = this.#depth, count = bodies.length;
    const labels = bodies.map((_, n) => ({ depth: outer + count - n }));
    for (let i = 0; i < count; i++) {
      this.out.u8(0x02);
      this.out.u8(VOID);
    }
    this.#depth += count;
    start(labels);
    for (const body of bodies) {
      this.#depth--;
      this.out.u8(0x0b);
      this.scope(() => body(labels));
    }
  }

  /** A place outside of all blocks and behind everything, for what is rarely reached: `body` is written there later, and ends with a branch to `end`. */
  outside(body: (end: Label) => void): Label {
    return { depth: 1 - this.#outside.push(body) };
  }

  /** Writes what is to be outside, and `end`. Only where no block is open; what is written before it must not go on. */
  finishOutside(end: () => void): void {
    const count = this.#outside.length;
    this.prepend(() => {
      for (let i = 0; i <= count; i++) {
        this.out.u8(0x02);
        this.out.u8(VOID);
      }
    });
    for (const body of [...this.#outside, end]) {
      this.#depth--;
      this.out.u8(0x0b);
      this.scope(() => body({ depth: -count }));
    }
    this.#depth = 0;
  }

  /** How many blocks are open. */
  get depth(): number {
    return this.#depth;
  }

  /** Writes `body` before all that is there. Only where no block is open. */
  prepend(body: () => void): void {
    const rest = this.out.taken;
    this.out.length = 0;
    body();
    this.out.append(rest);
  }

  /** Writes `body` before all that has been written since `out.length` was `position`: only where the same blocks are open. */
  insert(position: number, body: () => void): void {
    const rest = this.out.taken.slice(position);
    this.out.length = position;
    body();
    this.out.append(rest);
  }

  /** Writes `body`. If it throws, nothing of it stays, and the answer is what it threw. */
  attempt(body: () => void): unknown {
    const { length } = this.out;
    const depth = this.#depth, taken = this.#taken, { stored } = this;
    try {
      body();
      return undefined;
    } catch (error) {
      this.out.length = length;
      this.#depth = depth;
      this.#taken = taken;
      this.stored = stored;
      return error;
    }
  }

  /** A branch to the label with the number that `index` is; to the last one if there is none. */
  brTable(index: I32, labels: readonly Label[]): void {
    index.write(this.out);
    this.out.u8(0x0e);
    this.out.u32(labels.length - 1);
    for (const label of labels) this.out.u32(this.#depth - label.depth);
  }

  br(label: Label): void {
    this.out.u8(0x0c);
    this.out.u32(this.#depth - label.depth);
  }

  brIf(label: Label, condition: I32): void {
    condition.write(this.out);
    this.out.u8(0x0d);
    this.out.u32(this.#depth - label.depth);
  }

  return(value?: Value): void {
    value?.write(this.out);
    this.out.u8(0x0f);
  }

  unreachable(): void {
    this.out.u8(0x00);
  }

  /** `callee` for calls that are not made: they go to `label` instead. Memory may not have changed since `stored` was set to false. */
  leaving<R extends Type | undefined>(callee: Callable<R>, label: Label): Callable<R> {
    return {
      ...callee,
      leave: () => {
        if (this.stored) throw new Error('a call that leaves stands behind a store');
        this.br(label);
      },
    };
  }

  #memory(opcode: number, alignment: number, offset: number, simd = false): void {
    if (simd) this.out.u8(0xfd);
    if (simd) this.out.u32(opcode);
    else this.out.u8(opcode);
    this.out.u32(alignment);
    this.out.u32(offset);
  }

  #store(opcode: number, address: Int32, value: Value, offset: number, simd = false): void {
    const base = I32.of(address);
    const folded = base.constant !== undefined ? (base.constant >>> 0) + offset : offset;
    (base.constant !== undefined ? I32.of(0) : base).write(this.out);
    value.write(this.out);
    this.stored = true;
    this.#memory(opcode, 0, folded, simd);
  }

  store8(address: Int32, value: Int32, offset = 0): void { this.#store(0x3a, address, I32.of(value), offset); }
  store16(address: Int32, value: Int32, offset = 0): void { this.#store(0x3b, address, I32.of(value), offset); }
  store32(address: Int32, value: Int32, offset = 0): void { this.#store(0x36, address, I32.of(value), offset); }
  store64(address: Int32, value: Int64, offset = 0): void { this.#store(0x37, address, I64.of(value), offset); }
  storeF32(address: Int32, value: F32, offset = 0): void { this.#store(0x38, address, value, offset); }
  storeF64(address: Int32, value: F64, offset = 0): void { this.#store(0x39, address, value, offset); }
  storeV128(address: Int32, value: V128, offset = 0): void { this.#store(11, address, value, offset, true); }

  /** memory.copy: `length` bytes, overlapping or not. */
  copy(to: I32, from: I32, length: I32): void {
    to.write(this.out);
    from.write(this.out);
    length.write(this.out);
    for (const byte of [0xfc, 10, 0, 0]) this.out.u8(byte);
  }

  /** memory.fill. */
  fill(at: I32, byte: Int32, length: I32): void {
    at.write(this.out);
    I32.of(byte).write(this.out);
    length.write(this.out);
    for (const code of [0xfc, 11, 0]) this.out.u8(code);
  }

  /** Calls a function without a result. */
  call(callee: Callable, ...args: readonly Value[]): void {
    if (callee.leave) return callee.leave();
    callee.before?.();
    for (const arg of args) arg.write(this.out);
    this.out.u8(0x10);
    this.out.u32(callee.index);
    callee.after?.();
  }
}

/** The value that calling `callee` gives; the call happens where a statement takes the value. */
export function callValue<R extends Type>(callee: Callable<R>, ...args: readonly Value[]): ValueOf[R] {
  return valueOf(callee.type.result, out => {
    if (callee.leave) return callee.leave();
    callee.before?.();
    for (const arg of args) arg.write(out);
    out.u8(0x10);
    out.u32(callee.index);
    callee.after?.();
  });
}

/** The value that the function at `slot` of the module's table gives; `signature` is the index of its type. */
export function callTable<R extends Type>(result: R, signature: number, slot: I32, ...args: readonly Value[]): ValueOf[R] {
  return valueOf(result, out => {
    for (const arg of args) arg.write(out);
    slot.write(out);
    out.u8(0x11);
    out.u32(signature);
    out.u8(0);
  });
}

function load<T extends Type>(type: T, opcode: number, address: Int32, offset: number, simd = false): ValueOf[T] {
  const base = I32.of(address);
  const folded = base.constant !== undefined ? (base.constant >>> 0) + offset : offset;
  return encoded(type, simd ? Encoding.simdLoad : Encoding.load, opcode, folded, base.constant !== undefined ? I32.of(0) : base);
}

// Loads happen where a statement takes the value, like everything else.
export const load8U = (address: Int32, offset = 0): I32 => load('i32', 0x2d, address, offset);
export const load8S = (address: Int32, offset = 0): I32 => load('i32', 0x2c, address, offset);
export const load16U = (address: Int32, offset = 0): I32 => load('i32', 0x2f, address, offset);
export const load16S = (address: Int32, offset = 0): I32 => load('i32', 0x2e, address, offset);
export const load32 = (address: Int32, offset = 0): I32 => load('i32', 0x28, address, offset);
export const load64 = (address: Int32, offset = 0): I64 => load('i64', 0x29, address, offset);
/** i64 from 32 bits, zero-extended. */
export const load64From32U = (address: Int32, offset = 0): I64 => load('i64', 0x35, address, offset);
/** i64 from 32 bits, sign-extended. */
export const load64From32S = (address: Int32, offset = 0): I64 => load('i64', 0x34, address, offset);
export const loadF32 = (address: Int32, offset = 0): F32 => load('f32', 0x2a, address, offset);
export const loadF64 = (address: Int32, offset = 0): F64 => load('f64', 0x2b, address, offset);
export const loadV128 = (address: Int32, offset = 0): V128 => load('v128', 0, address, offset, true);
/** Four or eight bytes, and zeros above them. */
export const loadV128From32 = (address: Int32, offset = 0): V128 => load('v128', 92, address, offset, true);
export const loadV128From64 = (address: Int32, offset = 0): V128 => load('v128', 93, address, offset, true);

/** Encodes a function body for the code section: locals, instructions, end. */
export function encodeBody(code: Code): Bytes {
  const body = new Bytes(code.out.length + 64);
  const runs: { type: Type; count: number }[] = [];
  for (const type of code.locals) {
    if (runs.at(-1)?.type === type) runs.at(-1)!.count++;
    else runs.push({ type, count: 1 });
  }
  body.u32(runs.length);
  for (const { type, count } of runs) {
    body.u32(count);
    body.u8(typeCode[type]);
  }
  body.add(code.out);
  body.u8(0x0b);
  return body;
}
