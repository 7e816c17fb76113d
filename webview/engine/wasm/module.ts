/** A module: imported memory and functions, own functions, exports. */
import { Bytes } from './bytes.ts';
import { Code, encodeBody, type Callable, type FunctionType } from './code.ts';
import { typeCode, type Type } from './values.ts';

interface Import {
  readonly module: string;
  readonly name: string;
  readonly callable: Callable;
}

interface Definition {
  readonly name: string;
  readonly callable: Callable & { index: number };
  body: Code | undefined;
}

/** Imports must be declared before the first function, so that indices are known at once. */
export class ModuleBuilder {
  readonly #imports: Import[] = [];
  readonly #definitions: Definition[] = [];
  readonly #exports: { name: string; callable: Callable }[] = [];
  #memory: { module: string; name: string; pages: number } | undefined;
  #table: { module: string; name: string } | undefined;
  readonly #types: FunctionType[] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #data: { at: number; bytes: Uint8Array }[] = [];
  readonly #custom: { name: string; bytes: Uint8Array }[] = [];

  /** Imports the memory; `pages` of 64 KiB is the least that it must have. */
  importMemory(module: string, name: string, pages: number): void {
    this.#memory = { module, name, pages };
  }

  /** Imports the table of functions that `Code.callTable` calls through. */
  importTable(module: string, name: string): void {
    this.#table = { module, name };
  }

  /** Index of a function type. */
  type(type: FunctionType): number {
    const key = `${type.parameters.join()}:${type.result ?? ''}`;
    let index = this.#typeIndex.get(key);
    if (index === undefined) {
      index = this.#types.push(type) - 1;
      this.#typeIndex.set(key, index);
    }
    return index;
  }

  importFunction<R extends Type | undefined>(module: string, name: string, parameters: readonly Type[], result: R): Callable<R> {
    if (this.#definitions.length > 0) throw new Error('imports come before functions');
    const callable = { type: { parameters, result }, index: this.#imports.length };
    this.#imports.push({ module, name, callable });
    return callable;
  }

  /** Declares a function that may be called at once; its body is given by `define`. */
  declare<R extends Type | undefined>(name: string, parameters: readonly Type[], result: R): Callable<R> {
    const callable = { type: { parameters, result }, index: this.#imports.length + this.#definitions.length };
    this.#definitions.push({ name, callable, body: undefined });
    return callable;
  }

  /** Gives a declared function its body. */
  define(callable: Callable, body: (code: Code) => void): void {
    const definition = this.#definitions[callable.index - this.#imports.length];
    if (!definition || definition.body) throw new Error(`function ${callable.index} is not waiting for a body`);
    const code = new Code(callable.type.parameters);
    definition.body = code;
    body(code);
  }

  /** A function whose body is written already. */
  add(name: string, code: Code, result: Type | undefined): Callable {
    const callable = this.declare(name, code.parameters, result);
    this.#definitions.at(-1)!.body = code;
    return callable;
  }

  /** Declares and defines. */
  function<R extends Type | undefined>(name: string, parameters: readonly Type[], result: R, body: (code: Code) => void): Callable<R> {
    const callable = this.declare(name, parameters, result);
    this.define(callable, body);
    return callable;
  }

  export(name: string, callable: Callable): void {
    this.#exports.push({ name, callable });
  }

  /** Bytes that the memory has at `at` from the start. */
  data(at: number, bytes: Uint8Array): void {
    this.#data.push({ at, bytes });
  }

  /** Bytes for whoever loads the module. */
  customSection(name: string, bytes: Uint8Array): void {
    this.#custom.push({ name, bytes });
  }

  /** The module's binary. Throws if a declared function has no body. */
  assemble(): Uint8Array<ArrayBuffer> {
    const out = new Bytes();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.u8(byte);
    const typeOf = (callable: Callable): number => this.type(callable.type);
    const imports = this.#importSection(typeOf);
    const functions = new Bytes();
    functions.u32(this.#definitions.length);
    for (const { callable } of this.#definitions) functions.u32(typeOf(callable));
    section(out, 1, typeSection(this.#types));
    section(out, 2, imports);
    section(out, 3, functions);
    section(out, 7, this.#exportSection());
    section(out, 10, this.#codeSection());
    if (this.#data.length > 0) section(out, 11, this.#dataSection());
    for (const { name, bytes } of this.#custom) {
      const content = new Bytes();
      content.name(name);
      content.append(bytes);
      section(out, 0, content);
    }
    return out.taken;
  }

  #importSection(typeOf: (callable: Callable) => number): Bytes {
    const out = new Bytes();
    out.u32(this.#imports.length + (this.#memory ? 1 : 0) + (this.#table ? 1 : 0));
    for (const { module, name, callable } of this.#imports) {
      out.name(module);
      out.name(name);
      out.u8(0);
      out.u32(typeOf(callable));
    }
    if (this.#memory) {
      out.name(this.#memory.module);
      out.name(this.#memory.name);
      out.u8(2);
      out.u8(0);
      out.u32(this.#memory.pages);
    }
    if (this.#table) {
      out.name(this.#table.module);
      out.name(this.#table.name);
      for (const byte of [1, 0x70, 0, 0]) out.u8(byte);
    }
    return out;
  }

  #exportSection(): Bytes {
    const out = new Bytes();
    out.u32(this.#exports.length);
    for (const { name, callable } of this.#exports) {
      out.name(name);
      out.u8(0);
      out.u32(callable.index);
    }
    return out;
  }

  #codeSection(): Bytes {
    const out = new Bytes();
    out.u32(this.#definitions.length);
    for (const { name, body } of this.#definitions) {
      if (!body) throw new Error(`function ${name} has no body`);
      out.sized(encodeBody(body));
    }
    return out;
  }

  #dataSection(): Bytes {
    const out = new Bytes();
    out.u32(this.#data.length);
    for (const { at, bytes } of this.#data) {
      out.u8(0);
      out.u8(0x41);
      out.s32(at);
      out.u8(0x0b);
      out.u32(bytes.length);
      out.append(bytes);
    }
    return out;
  }
}

function section(out: Bytes, id: number, content: Bytes): void {
  out.u8(id);
  out.sized(content);
}

function typeSection(types: readonly FunctionType[]): Bytes {
  const out = new Bytes();
  out.u32(types.length);
  for (const { parameters, result } of types) {
    out.u8(0x60);
    out.u32(parameters.length);
    for (const type of parameters) out.u8(typeCode[type]);
    out.u32(result === undefined ? 0 : 1);
    if (result !== undefined) out.u8(typeCode[result]);
  }
  return out;
}
