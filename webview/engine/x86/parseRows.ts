import { ADDRESSING, FEATURES, FLAG, MAP, PREFIX, TYPE } from './rows.ts';
import type { Feature, OperandSpec, Row, RowSource } from './rows.ts';

/** Suffixes of condition codes 0..15. SDM vol. 2 B.1.4.7, the names objdump prints. */
export const CONDITIONS = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'] as const;

const ATTRIBUTES: Readonly<Record<string, number>> = {
  lock: FLAG.LOCK, d64: FLAG.D64, f64: FLAG.F64, i64: FLAG.I64, o64: FLAG.O64, rep: FLAG.REP, repz: FLAG.REPZ, priv: FLAG.PRIVILEGED,
  aligned: FLAG.ALIGNED, vsib: FLAG.VSIB, ud: FLAG.UD, no66: FLAG.NO66, hint: FLAG.HINT, modreg: FLAG.MODREG,
};

const PREFIX_WORDS: Readonly<Record<string, number>> = {
  NP: 1 << PREFIX.NONE, 66: 1 << PREFIX.P66, F3: 1 << PREFIX.PF3, F2: 1 << PREFIX.PF2, NFx: 1 << PREFIX.NONE | 1 << PREFIX.P66,
};
const ANY_PREFIX = 15;

/** Fixed operands: addressing, type, register number or constant. */
const FIXED: Readonly<Record<string, readonly [number, number, number]>> = {
  AL: [ADDRESSING.GENERAL, TYPE.b, 0], AX: [ADDRESSING.GENERAL, TYPE.w, 0], eAX: [ADDRESSING.GENERAL, TYPE.z, 0], rAX: [ADDRESSING.GENERAL, TYPE.v, 0],
  CL: [ADDRESSING.GENERAL, TYPE.b, 1], DX: [ADDRESSING.GENERAL, TYPE.w, 2],
  ES: [ADDRESSING.SEGMENT, TYPE.w, 0], CS: [ADDRESSING.SEGMENT, TYPE.w, 1], SS: [ADDRESSING.SEGMENT, TYPE.w, 2],
  DS: [ADDRESSING.SEGMENT, TYPE.w, 3], FS: [ADDRESSING.SEGMENT, TYPE.w, 4], GS: [ADDRESSING.SEGMENT, TYPE.w, 5],
  1: [ADDRESSING.CONSTANT, TYPE.b, 1],
  ST0: [ADDRESSING.ST0, TYPE.t, 0], STi: [ADDRESSING.STI, TYPE.t, 0], XMM0: [ADDRESSING.XMM0, TYPE.x, 0],
  Kreg: [ADDRESSING.KREG, TYPE.q, 0], Kvvvv: [ADDRESSING.KVVVV, TYPE.q, 0], Krm: [ADDRESSING.KRM, TYPE.q, 0],
};

/** Pairs of register and memory form, by their letters. */
const PAIRS: Readonly<Record<string, number>> = { RM: ADDRESSING.E, NM: ADDRESSING.Q, UM: ADDRESSING.W };

/** Operands that need a ModRM byte. */
const MODRM_ADDRESSING: ReadonlySet<number> = new Set([
  ADDRESSING.C, ADDRESSING.D, ADDRESSING.E, ADDRESSING.G, ADDRESSING.M, ADDRESSING.N, ADDRESSING.P, ADDRESSING.Q, ADDRESSING.R, ADDRESSING.S,
  ADDRESSING.U, ADDRESSING.V, ADDRESSING.W, ADDRESSING.STI, ADDRESSING.KREG, ADDRESSING.KRM,
]);

function parseLetters(text: string): [addressing: number, type: number] {
  const letter = text[0] as keyof typeof ADDRESSING;
  const name = (text.slice(1) || 'none') as keyof typeof TYPE;
  if (!(letter in ADDRESSING) || !(name in TYPE)) throw new Error(`unknown operand ${text}`);
  return [ADDRESSING[letter], TYPE[name]];
}

function parseOperand(text: string): OperandSpec {
  const fixed = FIXED[text];
  if (fixed) return { text, addressing: fixed[0], type: fixed[1], memoryType: fixed[1], fixed: fixed[2] };
  const [first, second] = text.split('/') as [string, string?];
  const [addressing, type] = parseLetters(first);
  if (second === undefined) return { text, addressing, type, memoryType: type, fixed: 0 };
  const pair = PAIRS[first[0]! + second[0]!];
  if (pair === undefined) throw new Error(`unknown operand pair ${text}`);
  return { text, addressing: pair, type, memoryType: parseLetters(second)[1], fixed: 0 };
}

interface Encoding {
  map: number;
  opcode: number;
  registerInOpcode: boolean;
  conditional: boolean;
  prefixes: number;
  mandatory: boolean;
  modrm: number;
  digit: number;
  form: Row['form'];
  explicitModrm: boolean;
  rexBits: number;
  vex: boolean;
  vexL: number;
  vexW: number;
  escape: boolean;
}

function parseVexWord(word: string, encoding: Encoding): void {
  encoding.vex = true;
  encoding.mandatory = true;
  encoding.prefixes = 1 << PREFIX.NONE;
  for (const part of word.split('.').slice(1)) {
    if (part === 'L0' || part === 'L1') encoding.vexL = Number(part[1]);
    else if (part === 'W0' || part === 'W1') encoding.vexW = Number(part[1]);
    else if (part === '66' || part === 'F3' || part === 'F2') encoding.prefixes = PREFIX_WORDS[part]!;
    else if (part === '0F') encoding.map = MAP.M0F;
    else if (part === '0F38') encoding.map = MAP.M0F38;
    else if (part === '0F3A') encoding.map = MAP.M0F3A;
    else throw new Error(`unknown part ${part} of ${word}`);
  }
}

/** Reads the words before the opcode: prefix and opcode map. */
function parseLead(words: string[], encoding: Encoding): void {
  if (words[0]!.startsWith('VEX')) return parseVexWord(words.shift()!, encoding);
  const hexFollows = (): boolean => /^[0-9A-F]{2}(\+r|\+cc)?$/.test(words[1] ?? '');
  if (words[0]! in PREFIX_WORDS && hexFollows()) {
    encoding.prefixes = PREFIX_WORDS[words.shift()!]!;
    encoding.mandatory = true;
  }
  if (words[0] === '0F' && hexFollows()) {
    words.shift();
    encoding.map = MAP.M0F;
    const escape: string = words[0]!;
    if ((escape === '38' || escape === '3A') && hexFollows()) {
      words.shift();
      encoding.map = escape === '38' ? MAP.M0F38 : MAP.M0F3A;
    }
  }
}

function parseEncoding(text: string): Encoding {
  const encoding: Encoding = {
    map: MAP.ONE_BYTE, opcode: 0, registerInOpcode: false, conditional: false, prefixes: ANY_PREFIX, mandatory: false, modrm: -1, digit: -1,
    form: 'any', explicitModrm: false, rexBits: 0, vex: false, vexL: -1, vexW: -1, escape: false,
  };
  if (text === 'EVEX' || text === 'XOP') return { ...encoding, map: MAP.NONE, escape: true };
  const words = text.split(' ');
  parseLead(words, encoding);
  const opcode = /^([0-9A-F]{2})(\+r|\+cc)?$/.exec(words.shift() ?? '');
  if (!opcode) throw new Error(`no opcode in ${text}`);
  encoding.opcode = parseInt(opcode[1]!, 16);
  encoding.registerInOpcode = opcode[2] === '+r';
  encoding.conditional = opcode[2] === '+cc';
  for (const word of words) {
    if (/^[0-9A-F]{2}$/.test(word)) encoding.modrm = parseInt(word, 16);
    else if (/^\/[0-7]$/.test(word)) encoding.digit = Number(word[1]);
    else if (word === '/r') encoding.explicitModrm = true;
    else if (word === 'mem') encoding.form = 'memory';
    else if (word === 'reg') encoding.form = 'register';
    else if (word === 'REX.W') encoding.rexBits = 8;
    else if (word === 'REX.B') encoding.rexBits = 1;
    else throw new Error(`unknown word ${word} in ${text}`);
  }
  return encoding;
}

/** What follows from the operands and isn't written in the tables. */
function derivedFlags(encoding: Encoding, operands: readonly OperandSpec[], unaligned: boolean): number {
  let flags = encoding.escape ? FLAG.ESCAPE | FLAG.UD : 0;
  const uses = (addressing: number): boolean => operands.some((operand) => operand.addressing === addressing);
  if (encoding.modrm >= 0 || encoding.digit >= 0 || encoding.form !== 'any' || encoding.explicitModrm
    || operands.some((operand) => MODRM_ADDRESSING.has(operand.addressing))) flags |= FLAG.MODRM;
  const types = operands.filter((operand) => operand.addressing !== ADDRESSING.I && operand.addressing !== ADDRESSING.J).map((operand) => operand.type);
  const first = operands[0];
  const sized = types.some((type) => type === TYPE.v || type === TYPE.z || type === TYPE.a || type === TYPE.p);
  const general: readonly number[] = [ADDRESSING.E, ADDRESSING.Z, ADDRESSING.GENERAL, ADDRESSING.X, ADDRESSING.Y, ADDRESSING.O];
  if (first && !sized && operands.some((operand) => operand.type === TYPE.b && general.includes(operand.addressing))
    && !uses(ADDRESSING.G)) flags |= FLAG.BYTE;
  if (first && general.includes(first.addressing) && first.type === TYPE.b) flags |= FLAG.BYTE;
  if (first?.addressing === ADDRESSING.G && first.type === TYPE.b) flags |= FLAG.BYTE;
  if (!sized && types.includes(TYPE.y)) flags |= FLAG.NO66;
  const vectorMemory: readonly number[] = [ADDRESSING.W, ADDRESSING.M];
  const vector = operands.some((operand) => vectorMemory.includes(operand.addressing) && (operand.type === TYPE.x || operand.type === TYPE.dq));
  if (vector && (uses(ADDRESSING.V) || uses(ADDRESSING.P)) && !encoding.vex && !unaligned) flags |= FLAG.ALIGNED;
  return flags;
}

function parseAttributes(text: string): { flags: number; feature: Feature; unaligned: boolean } {
  let flags = 0, feature: Feature = 'base', unaligned = false;
  for (const word of text.split(' ').filter(Boolean)) {
    if (word === 'u') unaligned = true;
    else if (word in ATTRIBUTES) flags |= ATTRIBUTES[word]!;
    else if ((FEATURES as readonly string[]).includes(word)) feature = word as Feature;
    else throw new Error(`unknown attribute ${word}`);
  }
  return { flags, feature, unaligned };
}

/** Turns table lines into rows, numbered from `firstId`; throws for a word that isn't in the notation. */
export function parseRows(sources: readonly RowSource[], firstId = 0): Row[] {
  const rows: Row[] = [];
  for (const source of sources) {
    const encoding = parseEncoding(source[0]);
    const operands = (source[2] ?? '').split(',').filter(Boolean).map(parseOperand);
    const { flags, feature, unaligned } = parseAttributes(source[3] ?? '');
    const { conditional } = encoding;
    const allFlags = flags | derivedFlags(encoding, operands, unaligned);
    for (let condition = conditional ? 0 : -1; condition < (conditional ? 16 : 0); condition++) {
      const names = (conditional ? source[1].replace('cc', CONDITIONS[condition]!) : source[1]).split('|');
      const sized = (at: number): string => names[at] ?? names[0]!;
      // One literal, so that all rows have one shape.
      rows.push({
        id: firstId + rows.length, source, map: encoding.map, opcode: encoding.opcode + Math.max(condition, 0), registerInOpcode: encoding.registerInOpcode,
        prefixes: encoding.prefixes, mandatory: encoding.mandatory, modrm: encoding.modrm, digit: encoding.digit, form: encoding.form,
        rexBits: encoding.rexBits, vex: encoding.vex, vexL: encoding.vexL, vexW: encoding.vexW,
        mnemonic: names[0]!, mnemonics: [sized(0), sized(1), sized(2)], operation: conditional ? source[1] : names[0]!, condition,
        operands, feature, flags: allFlags,
      });
    }
  }
  return rows;
}
