/** Compiles a kernel (machine code in one page) as the region JIT would once it is hot, and shows both as text. */
import { enumerateForms } from '../../webview/engine/interpreter/forms.ts';
import { Discovery } from '../../webview/engine/jit/discover.ts';
import { RegionWriter } from '../../webview/engine/jit/emit.ts';
import { helperSource } from '../../webview/engine/jit/frame.ts';
import { descriptions } from '../../webview/engine/semantics/index.ts';
import { helpers } from '../../webview/engine/semantics/helpers/index.ts';
import { RegionOutcome, Run, STATE, Slot, Tlb } from '../../webview/engine/state.ts';
import { encodeBody } from '../../webview/engine/wasm/code.ts';
import { Decoder } from '../../webview/engine/x86/decoder.ts';
import { Disassembler } from '../../webview/engine/x86/disassembler.ts';
import { Instruction } from '../../webview/engine/x86/instruction.ts';
import { ROWS } from '../../webview/engine/x86/table.ts';
import { wasmText } from './wasmText.ts';

const PAGE = 0x400000, FRAME = 1;
const registers = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', ...Array.from({ length: 8 }, (_, i) => `r${i + 8}`)];

/** Names of what lies in the engine's part of memory. */
function placeNames(): Map<number, string> {
  const places = new Map<number, string>();
  for (const [name, offset] of Object.entries(Slot)) places.set(STATE + offset, name);
  registers.forEach((name, i) => places.set(STATE + Slot.gpr + i * 8, name));
  for (let i = 0; i < 16; i++) places.set(STATE + Slot.xmm + i * 16, `xmm${i}`);
  for (let i = 0; i < 8; i++) places.set(STATE + Slot.x87 + i * 16, `x87_${i}`);
  for (const [name, at] of Object.entries(Run)) places.set(at, `run_${name}`);
  for (const name of ['readTag', 'writeTag', 'addend'] as const) places.set(Tlb.base + Tlb[name], `tlb_${name}`);
  return places;
}

const variables = new Map<string, string>([
  ...registers.map((name): [string, string] => [name, name]), ...Array.from({ length: 16 }, (_, i): [string, string] => [`xmm${i}`, `xmm${i}`]),
  ['flagAux', 'flags'], ['flagResult', 'flagsResult'], ['run_account', 'left'],
  ['run_flagKind', 'flagsKind'], ['run_flagFirst', 'flagsFirst'], ['run_flagSecond', 'flagsSecond'],
]);

const outcomes = Object.fromEntries(Object.entries(RegionOutcome).map(([name, value]) => [value, name]));
const outcome = (value: number): string => outcomes[value]!;

const places = placeNames(), source = helperSource(helpers);
const forms = enumerateForms(ROWS, descriptions).tableOf(form => form + 64);
const decoder = new Decoder(64);

/** The kernel's instructions, then the region's function. `code` starts at the head; bytes behind `length` are data. */
export function goldenCode(code: Uint8Array, length = code.length): string {
  const bytes = new Uint8Array(8192);
  bytes.set(code, FRAME * 4096);
  const page = { frame: FRAME, bytes, at: FRAME * 4096, isSeen: (offset: number) => offset < length };
  const region = new Discovery({
    decoder, rows: ROWS, pages: { page: address => (address === PAGE ? page : undefined), isComplete: true },
    isFit: row => Object.hasOwn(descriptions, row.operation),
  }, PAGE).find();
  if (!region) throw new Error('no region');
  const written = new RegionWriter(region, descriptions, forms, source, { isInexactLikely: false, reusesTranslations: true, expectsNear: true }).write();
  const functions = written.imports.map(name => {
    const { parameters, result } = source(name);
    return { name, parameters: parameters.length, result: result !== undefined };
  });
  const body = wasmText(encodeBody(written.code).taken, { functions, places, variables, outcome, parameters: ['block', 'budget'] });
  return [...listing(bytes, length), '', `${body.length} lines`, ...body, ''].join('\n');
}

function listing(bytes: Uint8Array, length: number): string[] {
  const lines: string[] = [], instruction = new Instruction(), disassembler = new Disassembler(64);
  for (let at = 0; at < length;) {
    const size = decoder.decode(bytes, FRAME * 4096 + at, FRAME * 4096 + length, instruction);
    if (size <= 0) throw new Error(`no instruction at ${at}`);
    lines.push(`${(PAGE + at).toString(16)}  ${disassembler.format(instruction, bytes, FRAME * 4096 + at, PAGE + at)}`);
    at += size;
  }
  return lines;
}
