/** An instruction of a region as its description sees it (semantics/contract.ts Context). */
import type { Code } from '../wasm/code.ts';
import type { Context, Control, Helpers, Memory, Operand, Registers, Stack } from '../semantics/contract.ts';
import type { Flags } from '../semantics/flags.ts';
import type { FloatKnowledge } from '../semantics/floatKnowledge.ts';
import type { Width } from '../semantics/int.ts';
import type { Form } from '../interpreter/forms.ts';
import type { Row } from '../x86/rows.ts';

/** What all instructions of a region share. */
export interface RegionParts {
  readonly code: Code;
  readonly flags: Flags;
  readonly registers: Registers;
  readonly memory: Memory;
  readonly stack: Stack;
  readonly control: Control;
  readonly helpers: Helpers;
  readonly isInexactLikely: boolean;
  readonly floats: FloatKnowledge;
  readonly expect: Context['expect'];
  readonly enterMmx: () => void;
}

function absent(): never {
  throw new Error('no such operand');
}

/** A class, since an object with accessors of its own takes long to make. */
export class StepContext implements Context {
  readonly #parts: RegionParts;
  readonly #form: Form;
  readonly operands: readonly Operand[];

  constructor(parts: RegionParts, form: Form, operands: readonly Operand[]) {
    this.#parts = parts;
    this.#form = form;
    this.operands = operands;
  }

  get code(): Code { return this.#parts.code; }
  get flags(): Flags { return this.#parts.flags; }
  get registers(): Registers { return this.#parts.registers; }
  get memory(): Memory { return this.#parts.memory; }
  get stack(): Stack { return this.#parts.stack; }
  get control(): Control { return this.#parts.control; }
  get helpers(): Helpers { return this.#parts.helpers; }
  get row(): Row { return this.#form.row; }
  get size(): Width { return this.#form.size; }
  get rep(): number { return this.#form.rep; }
  get addressSize(): 4 | 8 { return this.#form.addressSize; }
  get isInexactLikely(): boolean { return this.#parts.isInexactLikely; }
  get floats(): FloatKnowledge { return this.#parts.floats; }
  get expect(): Context['expect'] { return this.#parts.expect; }
  get enterMmx(): () => void { return this.#parts.enterMmx; }
  get dst(): Operand { return this.operands[0] ?? absent(); }
  get src(): Operand { return this.operands[1] ?? absent(); }
  get src2(): Operand { return this.operands[2] ?? absent(); }
}
