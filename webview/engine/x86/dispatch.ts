import { ADDRESSING, FLAG, MAP, TYPE } from './rows.ts';
import type { Row } from './rows.ts';

/** 64: IA-32e 64-bit mode; 32: protected or compatibility mode with a 32-bit code segment. */
export type Mode = 64 | 32;

/** What follows ModRM, SIB and displacement; `DispatchTables.immediates`. */
export const IMMEDIATE = {
  NONE: 0, /** One byte, zero-extended. */ IB: 1, /** One byte, sign-extended; also Jb. */ IBS: 2, IW: 3,
  /** 2 or 4 bytes by operand size, sign-extended; also Jz. */ IZ: 4, /** 2, 4 or 8 bytes. */ IV: 5,
  /** ENTER: a word and a byte. */ IW_IB: 6, /** Far pointer: 2 or 4 bytes and a selector. */ AP: 7, /** moffs: address size. */ MOFFS: 8,
} as const;

/**
 * The rows as dense tables for one mode. A cell is 0 (no instruction), row id + 1, or -n: then ModRM selects, in
 * `byModrm[(n - 1) * 256 + ModRM]` (0, or row id + 1).
 */
export interface DispatchTables {
  /** Index: (map * 256 + opcode) * 4 + PREFIX. */
  readonly legacy: Int16Array;
  /** Index: ((map * 256 + opcode) * 4 + PREFIX) * 4 + L * 2 + W. */
  readonly vex: Int16Array;
  readonly byModrm: Int16Array;
  /** By row id: FLAG mask. */
  readonly flags: Int32Array;
  /** By row id: one of IMMEDIATE. */
  readonly immediates: Uint8Array;
  /** By row id: REX bits that choose `alternates[id]` instead, or 0. */
  readonly alternateBits: Uint8Array;
  readonly alternates: Int16Array;
  /** Row ids of the families of which only the length is known. */
  readonly evex: number;
  readonly xop: number;
}

/** How narrowly a row is written: the narrower goes first. */
function precedence(row: Row): number {
  return (row.mandatory ? 32 : 0) + (row.modrm >= 0 ? 16 : 0) + (row.digit >= 0 ? 4 : 0) + (row.form !== 'any' ? 2 : 0) + (row.registerInOpcode ? 0 : 1);
}

/** Calls `visit` with each ModRM byte that the row stands for. */
function eachModrm(row: Row, visit: (modrm: number) => void): void {
  if (row.modrm >= 0) return visit(row.modrm);
  const firstMod = row.form === 'register' ? 3 : 0, lastMod = row.form === 'memory' ? 2 : 3;
  for (let mod = firstMod; mod <= lastMod; mod++) for (let low = 0; low < 64; low++) {
    if (row.digit < 0 || row.digit === low >> 3) visit(mod << 6 | low);
  }
}

/** VEX.W is ignored in 32-bit mode where it would choose a 64-bit general register. SDM vol. 2 2.3.5.2. */
function acceptsW(row: Row, w: number, mode: Mode): boolean {
  if (row.vexW === -1) return true;
  const general = row.operands.some((operand) => operand.addressing === ADDRESSING.E || operand.addressing === ADDRESSING.R || operand.addressing === ADDRESSING.G);
  if (mode === 32 && general) return row.vexW === 0;
  return row.vexW === w;
}

function constrained(row: Row): boolean {
  return row.modrm >= 0 || row.digit >= 0 || row.form !== 'any';
}

function immediateOf(row: Row): number {
  const ofKind = (...kinds: number[]): number[] => row.operands.filter((operand) => kinds.includes(operand.addressing)).map((operand) => operand.type);
  if (ofKind(ADDRESSING.O).length > 0) return IMMEDIATE.MOFFS;
  if (ofKind(ADDRESSING.A).length > 0) return IMMEDIATE.AP;
  if (ofKind(ADDRESSING.L).length > 0) return IMMEDIATE.IB;
  const [branch] = ofKind(ADDRESSING.J);
  if (branch !== undefined) return branch === TYPE.b ? IMMEDIATE.IBS : IMMEDIATE.IZ;
  const types = ofKind(ADDRESSING.I);
  if (types.length === 0) return IMMEDIATE.NONE;
  if (types.length === 2) return IMMEDIATE.IW_IB;
  switch (types[0]) {
    case TYPE.b: return IMMEDIATE.IB;
    case TYPE.bs: return IMMEDIATE.IBS;
    case TYPE.w: return IMMEDIATE.IW;
    case TYPE.z: return IMMEDIATE.IZ;
    case TYPE.v: return IMMEDIATE.IV;
    default: throw new Error(`immediate of unknown type in ${row.source[0]}`);
  }
}

/** Collects the cells of one mode and folds equal ModRM sub-tables into one. */
class Builder {
  readonly alternateBits: Uint8Array;
  readonly alternates: Int16Array;
  readonly #subtables: Int16Array[] = [];
  readonly #known = new Map<string, number>();
  /** Cells by their candidates: the columns of an opcode are mostly alike. */
  readonly #cells = new Map<string, number>();

  constructor(rowCount: number) {
    this.alternateBits = new Uint8Array(rowCount);
    this.alternates = new Int16Array(rowCount);
  }

  /** Notes that REX bits choose `other` instead of the row in the cell `plain` (row id + 1). */
  #alternate(plain: number, other: Row): void {
    if (plain === 0) throw new Error(`${other.source[0]} has no row without the REX bit`);
    this.alternateBits[plain - 1] = other.rexBits;
    this.alternates[plain - 1] = other.id;
  }

  /** A cell whose rows don't look at ModRM: row id + 1 of the narrowest, which is the last. */
  #single(sorted: readonly Row[]): number {
    const plain = sorted.filter((row) => row.rexBits === 0).at(-1);
    const cell = plain ? plain.id + 1 : 0;
    for (const row of sorted) if (row.rexBits !== 0 && plain && precedence(row) === precedence(plain)) this.#alternate(cell, row);
    return cell;
  }

  cell(candidates: readonly Row[]): number {
    const key = candidates.map((row) => row.id).join();
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      const sorted = [...candidates].sort((a, b) => precedence(a) - precedence(b));
      cell = candidates.some(constrained) ? this.#byModrm(sorted) : this.#single(sorted);
      this.#cells.set(key, cell);
    }
    return cell;
  }

  /** A sub-table in which narrower rows go over wider ones. */
  #byModrm(sorted: readonly Row[]): number {
    const subtable = new Int16Array(256);
    for (const row of sorted) {
      if (row.rexBits !== 0) continue;
      const cell = row.id + 1;
      eachModrm(row, (modrm) => { subtable[modrm] = cell; });
    }
    for (const row of sorted) {
      if (row.rexBits === 0) continue;
      eachModrm(row, (modrm) => this.#alternate(subtable[modrm]!, row));
    }
    const key = subtable.join();
    let at = this.#known.get(key);
    if (at === undefined) {
      at = this.#subtables.push(subtable);
      this.#known.set(key, at);
    }
    return -at;
  }

  byModrm(): Int16Array {
    const all = new Int16Array(this.#subtables.length * 256);
    this.#subtables.forEach((subtable, at) => all.set(subtable, at * 256));
    return all;
  }
}

/** Opcodes, as map * 256 + opcode, at which the row stands. */
function cellsOf(row: Row): number[] {
  return Array.from({ length: row.registerInOpcode ? 8 : 1 }, (_, register) => row.map * 256 + row.opcode + register);
}

/** Builds the decoder's tables for one mode; a few milliseconds. */
export function buildDispatch(rows: readonly Row[], mode: Mode): DispatchTables {
  const legacyCells = new Map<number, Row[]>(), vexCells = new Map<number, Row[]>();
  const add = (cells: Map<number, Row[]>, at: number, row: Row): void => {
    const present = cells.get(at);
    if (present) present.push(row); else cells.set(at, [row]);
  };
  for (const row of rows) {
    if (row.map === MAP.NONE || (row.flags & (mode === 64 ? FLAG.I64 : FLAG.O64)) !== 0) continue;
    for (const at of cellsOf(row)) for (let prefix = 0; prefix < 4; prefix++) {
      if ((row.prefixes & 1 << prefix) === 0) continue;
      if (!row.vex) add(legacyCells, at * 4 + prefix, row);
      else for (let lw = 0; lw < 4; lw++) {
        if (row.vexL !== -1 && row.vexL !== lw >> 1) continue;
        if (!acceptsW(row, lw & 1, mode)) continue;
        add(vexCells, (at * 4 + prefix) * 4 + lw, row);
      }
    }
  }
  const builder = new Builder(rows.length);
  const legacy = new Int16Array(4 * 256 * 4), vex = new Int16Array(4 * 256 * 4 * 4);
  for (const [at, candidates] of legacyCells) legacy[at] = builder.cell(candidates);
  for (const [at, candidates] of vexCells) vex[at] = builder.cell(candidates);
  const idOf = (name: string): number => rows.find((row) => row.source[0] === name)!.id;
  return {
    legacy, vex, byModrm: builder.byModrm(), alternateBits: builder.alternateBits, alternates: builder.alternates,
    flags: Int32Array.from(rows, (row) => row.flags | (usesVvvv(row) ? USES_VVVV : 0) | (row.prefixes === 1 << 1 ? FLAG.NO66 : 0)),
    immediates: Uint8Array.from(rows, immediateOf), evex: idOf('EVEX'), xop: idOf('XOP'),
  };
}

/** In `DispatchTables.flags` only: VEX.vvvv is an operand (where it isn't, it must be 1111). */
export const USES_VVVV = 1 << 30;

function usesVvvv(row: Row): boolean {
  return row.operands.some((operand) => operand.addressing === ADDRESSING.H || operand.addressing === ADDRESSING.B || operand.addressing === ADDRESSING.KVVVV);
}
