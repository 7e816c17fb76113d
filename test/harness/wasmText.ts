/**
 * A function of WebAssembly as text that people read and compare: nested expressions, one statement a line. Knows what the engine emits;
 * anything else is an error.
 */
import { binary, shifts, typeCode, unary } from '../../webview/engine/wasm/values.ts';

/** What the reader may know by name. */
export interface Names {
  /** Imported functions by index: name and how many arguments they take; `result` if they give a value. */
  readonly functions: readonly { readonly name: string; readonly parameters: number; readonly result: boolean }[];
  /** Places in memory by absolute address. */
  readonly places: ReadonlyMap<number, string>;
  /** Locals that are loaded from or stored to these places all through the function: their names by the place's. */
  readonly variables: ReadonlyMap<string, string>;
  /** How a constant is shown that the local `outcome` gets, which is the function's result. */
  readonly outcome: (value: number) => string;
  /** Parameters of the function. */
  readonly parameters: readonly string[];
}

/** Opcodes from 0x45 on. */
const numeric = ('i32: eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u i64: eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u f32: eq ne lt gt le ge '
  + 'f64: eq ne lt gt le ge i32: clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr '
  + 'i64: clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr '
  + 'f32: abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign f64: abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign '
  + 'i32: wrap_i64 trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u i64: extend_i32_s extend_i32_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u '
  + 'f32: convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64 f64: convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32 '
  + 'i32: reinterpret_f32 i64: reinterpret_f64 f32: reinterpret_i32 f64: reinterpret_i64 i32: extend8_s extend16_s i64: extend8_s extend16_s extend32_s').split(' ');
const numericNames: string[] = [];
{
  let type = '';
  for (const word of numeric) {
    if (word.endsWith(':')) type = word.slice(0, -1);
    else numericNames.push(`${type}.${word}`);
  }
}
const oneOperand = /eqz|clz|ctz|popcnt|abs|neg|ceil|floor|\.trunc|nearest|sqrt|wrap|extend|convert|demote|promote|reinterpret/;

const loads = ['i32.load', 'i64.load', 'f32.load', 'f64.load', 'i32.load8_s', 'i32.load8_u', 'i32.load16_s', 'i32.load16_u', 'i64.load8_s', 'i64.load8_u', 'i64.load16_s', 'i64.load16_u', 'i64.load32_s', 'i64.load32_u'];
const stores = ['i32.store', 'i64.store', 'f32.store', 'f64.store', 'i32.store8', 'i32.store16', 'i64.store8', 'i64.store16', 'i64.store32'];
const saturating = ['i32.trunc_sat_f32_s', 'i32.trunc_sat_f32_u', 'i32.trunc_sat_f64_s', 'i32.trunc_sat_f64_u', 'i64.trunc_sat_f32_s', 'i64.trunc_sat_f32_u', 'i64.trunc_sat_f64_s', 'i64.trunc_sat_f64_u'];
const vectorLoads: Readonly<Record<number, string>> = { 0: 'v128.load', 92: 'v128.load32_zero', 93: 'v128.load64_zero' };
const splats: Readonly<Record<number, string>> = { 15: 'i8x16.splat', 16: 'i16x8.splat', 17: 'i32x4.splat', 18: 'i64x2.splat', 19: 'f32x4.splat', 20: 'f64x2.splat' };
const tests: Readonly<Record<number, string>> = {
  83: 'v128.any_true', 99: 'i8x16.all_true', 131: 'i16x8.all_true', 163: 'i32x4.all_true', 195: 'i64x2.all_true',
  100: 'i8x16.bitmask', 132: 'i16x8.bitmask', 164: 'i32x4.bitmask', 196: 'i64x2.bitmask',
};
const lanes: Readonly<Record<number, string>> = {
  21: 'i8x16.extract_lane_s', 22: 'i8x16.extract_lane_u', 23: 'i8x16.replace_lane', 24: 'i16x8.extract_lane_s', 25: 'i16x8.extract_lane_u', 26: 'i16x8.replace_lane',
  27: 'i32x4.extract_lane', 28: 'i32x4.replace_lane', 29: 'i64x2.extract_lane', 30: 'i64x2.replace_lane', 31: 'f32x4.extract_lane', 32: 'f32x4.replace_lane',
  33: 'f64x2.extract_lane', 34: 'f64x2.replace_lane',
};
const named = (table: Readonly<Record<string, number>>): ReadonlyMap<number, string> => new Map(Object.entries(table).map(([name, code]) => [code, name]));
const vectorUnary = named(unary), vectorBinary = named({ ...binary, ...shifts });

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get ended(): boolean { return this.at >= this.#bytes.length; }
  u8(): number { return this.#bytes[this.at++]!; }
  take(count: number): Uint8Array { return this.#bytes.subarray(this.at, this.at += count); }
  u32(): number { return Number(this.#leb(false)); }
  signed(): bigint { return this.#leb(true); }
  #leb(signed: boolean): bigint {
    let value = 0n, shift = 0n;
    for (;;) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return signed && (byte & 0x40) !== 0 ? value - (1n << shift) : value;
    }
  }
}

function number(value: bigint): string {
  if (value > -4096n && value < 4096n) return `${value}`;
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** An operand on the stack: its text; a constant's value. */
interface Item {
  readonly text: string;
  readonly constant?: bigint;
}

/** What a line may be long. */
const longest = 170;

/** A statement, its operands on lines of their own if it is too long. */
function folded(text: string, indent: string): string[] {
  const open = text.indexOf('(');
  if (indent.length + text.length <= longest || open < 0) return [indent + text];
  const operands: string[] = [];
  let depth = 0, start = open + 1, at = open;
  for (; at < text.length; at++) {
    const c = text[at];
    if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    if (depth === 0) break;
    if (depth === 1 && c === ',') {
      operands.push(text.slice(start, at));
      start = at + 2;
    }
  }
  operands.push(text.slice(start, at));
  return [`${indent}${text.slice(0, open + 1)}`, ...operands.flatMap(operand => folded(operand, `${indent}  `)), `${indent}${text.slice(at)}`];
}

class Writer {
  readonly #reader: Reader;
  readonly #names: Names;
  readonly #stack: Item[] = [];
  readonly #lines: string[] = [];
  readonly #labels: string[] = [];
  readonly #kinds: string[] = [];
  #blocks = 0;
  /** Behind a branch, up to the end of the block: code that can't be reached is left out. */
  #dead = false;
  #indent = 0;
  readonly #locals: Map<number, string>;

  constructor(body: Uint8Array, names: Names, locals: Map<number, string>) {
    this.#reader = new Reader(body);
    this.#names = names;
    this.#locals = locals;
  }

  write(): string[] {
    const reader = this.#reader;
    for (let runs = reader.u32(); runs > 0; runs--) {
      reader.u32();
      reader.u8();
    }
    while (!reader.ended) this.#instruction(reader.u8());
    return this.#lines;
  }

  #line(text: string): void {
    if (this.#dead) return;
    // Values that are still to be used were computed before this statement.
    for (const [i, item] of this.#stack.entries()) {
      if (item.text.startsWith('^')) continue;
      this.#lines.push(`${'  '.repeat(this.#indent)}^${i} = ${item.text}`);
      this.#stack[i] = { text: `^${i}` };
    }
    this.#lines.push(...folded(text, '  '.repeat(this.#indent)));
  }

  #pop(): Item {
    const item = this.#stack.pop();
    if (!item && !this.#dead) throw new Error(`nothing on the stack at ${this.#reader.at}`);
    return item ?? { text: 'dead' };
  }
  #pops(count: number): string[] {
    return Array.from({ length: count }, () => this.#pop().text).reverse();
  }
  #push(text: string, constant?: bigint): void {
    this.#stack.push({ text, constant });
  }
  #operation(name: string, operands: number): void {
    this.#push(`${name}(${this.#pops(operands).join(', ')})`);
  }

  #local(): string {
    const index = this.#reader.u32();
    let name = this.#locals.get(index);
    if (name === undefined) {
      name = `$${[...this.#locals.values()].filter(known => /^\$\d/.test(known)).length}`;
      this.#locals.set(index, name);
    }
    return name;
  }

  /** Where a load or store goes. */
  #place(address: Item): string {
    this.#reader.u32();
    const offset = this.#reader.u32(), known = this.#names.places.get(offset);
    if (address.constant === 0n) return known ?? number(BigInt(offset));
    return offset === 0 ? address.text : `${address.text} + ${known ?? offset}`;
  }

  #open(kind: string, condition = ''): void {
    const label = kind === 'if' ? '' : `L${this.#blocks++}`;
    if (this.#reader.u8() !== 0x40) throw new Error('a block with a result');
    if (this.#dead) {
      this.#labels.push('');
      this.#kinds.push('dead');
      return;
    }
    this.#line(`${kind}${label && ` ${label}`}${condition} {`);
    this.#labels.push(label);
    this.#kinds.push(kind);
    this.#indent++;
  }
  #end(): void {
    const kind = this.#kinds.pop();
    this.#labels.pop();
    if (kind === undefined || kind === 'dead') return;
    this.#dead = false;
    this.#indent--;
    this.#line('}');
  }
  #leave(text: string): void {
    this.#line(text);
    this.#dead = true;
  }
  #target(): string {
    const depth = this.#reader.u32(), at = this.#labels.length - 1 - depth;
    return this.#labels[at] || (at < 0 ? 'return' : `up ${depth}`);
  }

  #instruction(opcode: number): void {
    const reader = this.#reader;
    if (opcode >= 0x45 && opcode <= 0xc4) {
      const name = numericNames[opcode - 0x45]!;
      return this.#operation(name, oneOperand.test(name) ? 1 : 2);
    }
    if (opcode >= 0x28 && opcode <= 0x35) return this.#push(`${loads[opcode - 0x28]!}[${this.#place(this.#pop())}]`);
    if (opcode >= 0x36 && opcode <= 0x3e) {
      const value = this.#pop().text, place = this.#place(this.#pop());
      return this.#line(`${stores[opcode - 0x36]!}[${place}] = ${value}`);
    }
    switch (opcode) {
      case 0x00: return this.#leave('unreachable');
      case 0x02: return this.#open('block');
      case 0x03: return this.#open('loop');
      case 0x04: return this.#open('if', ` ${this.#pop().text}`);
      case 0x05:
        if (this.#kinds.at(-1) === 'dead') return;
        this.#dead = false;
        this.#indent--;
        this.#line('} else {');
        this.#indent++;
        return;
      case 0x0b: return this.#end();
      case 0x0c: return this.#leave(`br ${this.#target()}`);
      case 0x0d: {
        const condition = this.#pop().text;
        return this.#line(`br_if ${this.#target()} ${condition}`);
      }
      case 0x0e: {
        const index = this.#pop().text, count = reader.u32() + 1;
        return this.#leave(`br_table ${Array.from({ length: count }, () => this.#target()).join(' ')} ${index}`);
      }
      case 0x0f: return this.#leave(`return ${this.#pop().text}`);
      case 0x10: return this.#call(reader.u32());
      case 0x1a: return this.#line(`drop ${this.#pop().text}`);
      case 0x1b: return this.#operation('select', 3);
      case 0x1c:
        reader.u32();
        if (reader.u8() !== typeCode.v128) throw new Error('a select of something else');
        return this.#operation('select', 3);
      case 0x20: return this.#push(this.#local());
      case 0x21: {
        const { text, constant } = this.#pop(), local = this.#local();
        return this.#line(`${local} = ${local === 'outcome' && constant !== undefined ? this.#names.outcome(Number(constant)) : text}`);
      }
      case 0x22: {
        const value = this.#pop().text, local = this.#local();
        return this.#push(`(${local} = ${value})`);
      }
      case 0x41: case 0x42: {
        const value = reader.signed();
        return this.#push(number(value), value);
      }
      case 0x43: return this.#push(`${new DataView(reader.take(4).slice().buffer).getFloat32(0, true)}f`);
      case 0x44: return this.#push(`${new DataView(reader.take(8).slice().buffer).getFloat64(0, true)}d`);
      case 0xfc: return this.#bulk(reader.u32());
      case 0xfd: return this.#vector(reader.u32());
      default: throw new Error(`opcode 0x${opcode.toString(16)} at ${reader.at}`);
    }
  }

  #call(index: number): void {
    const callee = this.#names.functions[index];
    if (!callee) throw new Error(`function ${index}`);
    const text = `call ${callee.name}(${this.#pops(callee.parameters).join(', ')})`;
    if (callee.result) this.#push(text);
    else this.#line(text);
  }

  #bulk(opcode: number): void {
    if (opcode < saturating.length) return this.#operation(saturating[opcode]!, 1);
    if (opcode !== 10 && opcode !== 11) throw new Error(`opcode 0xfc ${opcode}`);
    this.#reader.take(opcode === 10 ? 2 : 1);
    this.#line(`${opcode === 10 ? 'memory.copy' : 'memory.fill'}(${this.#pops(3).join(', ')})`);
  }

  #vector(opcode: number): void {
    const reader = this.#reader;
    const known = vectorLoads[opcode];
    if (known) return this.#push(`${known}[${this.#place(this.#pop())}]`);
    if (opcode === 11) {
      const value = this.#pop().text;
      return this.#line(`v128.store[${this.#place(this.#pop())}] = ${value}`);
    }
    if (opcode === 12) return this.#push(`v128(${Buffer.from(reader.take(16)).toString('hex').replace(/^(00)+$/, '0')})`);
    if (opcode === 13) return this.#operation(`shuffle[${[...reader.take(16)].join(' ')}]`, 2);
    if (opcode === 82) return this.#operation('v128.bitselect', 3);
    const lane = lanes[opcode];
    if (lane) return this.#operation(`${lane}[${reader.u8()}]`, lane.includes('replace') ? 2 : 1);
    const one = splats[opcode] ?? tests[opcode] ?? vectorUnary.get(opcode), two = vectorBinary.get(opcode);
    if (one) this.#operation(one, 1);
    else if (two) this.#operation(two, 2);
    else throw new Error(`opcode 0xfd ${opcode}`);
  }
}

/** Lines of a function's encoded body (encodeBody). Locals that stand for a register have its name. */
export function wasmText(body: Uint8Array, names: Names): string[] {
  const locals = new Map(names.parameters.map((name, index) => [index, name]));
  const reading = new Writer(body, names, new Map(locals)).write();
  const numbers = new Map<number, string>();
  // The same way once more, to learn which number has which local.
  const first = new Map(locals);
  new Writer(body, names, first).write();
  const taken = new Set(locals.values());
  const learn = (local: string, place: string): void => {
    const index = [...first].find(([, name]) => name === local)?.[0];
    if (index === undefined || numbers.has(index) || taken.has(place)) return;
    numbers.set(index, place);
    taken.add(place);
  };
  for (const line of reading) {
    const loaded = /^\s*(\$\d+) = (?:i64\.extend_i32_u\()?\w+\.load\[([a-z]\w*)\]\)?$/.exec(line), stored = /^\s*\w+\.store\[([a-z]\w*)\] = (?:i32\.wrap_i64\()?(\$\d+)\)?$/.exec(line);
    if (loaded && names.variables.has(loaded[2]!)) learn(loaded[1]!, names.variables.get(loaded[2]!)!);
    else if (stored && names.variables.has(stored[1]!)) learn(stored[2]!, names.variables.get(stored[1]!)!);
    const returned = /^return (\$\d+)$/.exec(line);
    if (returned) learn(returned[1]!, 'outcome');
  }
  return new Writer(body, names, new Map([...locals, ...numbers])).write();
}
