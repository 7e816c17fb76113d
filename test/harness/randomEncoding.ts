/**
 * Random instructions of any row of the tables: the encoding is built from the row's own notation, so that a new row is tested without a
 * line here. One encoding serves any number of states, each of which is made to fit it.
 */
import { ADDRESSING, FLAG, MAP, PREFIX, TYPE, type Row } from '../../webview/engine/x86/rows.ts';
import { DATA, GS_BASE, READONLY, START, WINDOW, WINDOW_SIZE, type State } from './cases.ts';
import { fitState, fitString } from './fittingState.ts';
import type { Random } from './random.ts';
import { stackPointer } from './randomCases.ts';

/** An instruction's bytes, and what they want of a state. */
export class Encoding {
  readonly bytes: readonly number[];
  /** The row, and whether its operand is in memory or a register. */
  readonly kind: string;
  readonly #row: Row;
  readonly #place: Place | undefined;
  /** Number of the register that ModRM names. */
  readonly #register: number | undefined;

  constructor(row: Row, bytes: readonly number[], place: Place | undefined, register: number | undefined) {
    this.#row = row;
    this.bytes = bytes;
    this.kind = row.source.join(' ') + (row.form === 'any' && (row.flags & FLAG.MODRM) !== 0 ? `, ${place ? 'memory' : 'register'}` : '');
    this.#place = place;
    this.#register = register;
  }

  /** Makes a memory operand of a state that fillState has made point into the data, and its contents such as the operation's interesting cases want. */
  fit(random: Random, state: State): void {
    const row = this.#row, target = this.#place && pointTo(random, this.#place, state);
    const isString = row.operands.some(o => o.addressing === ADDRESSING.X || o.addressing === ADDRESSING.Y);
    if (isString) fitString(random, state, this.bytes[0] === 0x65 ? GS_BASE : 0);
    fitState(random, row, state, { target, register: this.#register });
  }
}

/** An instruction of `row`. */
export function encode(random: Random, row: Row): Encoding {
  for (;;) {
    const encoding = tryToEncode(random, row);
    // Too long: again.
    if (encoding.bytes.length <= 15) return encoding;
  }
}

function tryToEncode(random: Random, row: Row): Encoding {
  const bytes: number[] = [];
  const rexW = chooseRexW(random, row);
  const columns = [0, 0x66, 0xf3, 0xf2].filter((_, i) => (row.prefixes & (1 << i)) !== 0);
  if (!row.vex) legacyPrefixes(random, row, columns, bytes);
  const form = row.form === 'any' ? (random.oneIn(2) ? 'memory' : 'register') : row.form;
  const hasModrm = (row.flags & FLAG.MODRM) !== 0;
  const memory = hasModrm && row.modrm < 0 && form === 'memory' && (row.flags & FLAG.MODREG) === 0;
  if (memory && (row.flags & FLAG.LOCK) !== 0 && random.oneIn(4)) bytes.unshift(0xf0);
  const wide = row.vex ? 0 : rexW << 3;
  const place = memory ? chooseAddress(random) : undefined;
  const reg = row.digit >= 0 ? row.digit : random.below(16);
  const rm = memory ? 0 : random.below(16);
  const rexBits = wide | (reg > 7 ? 4 : 0) | (place ? place.rexXb : rm > 7 ? 1 : 0) | row.rexBits;
  const rexAllowed = (row.flags & FLAG.I64) === 0;
  if (row.vex) vexPrefix(random, row, rexBits, bytes);
  else {
    if (rexAllowed && (rexBits !== 0 || random.oneIn(3))) bytes.push(0x40 | rexBits);
    if (row.map !== MAP.ONE_BYTE) bytes.push(0x0f);
    if (row.map === MAP.M0F38) bytes.push(0x38);
    if (row.map === MAP.M0F3A) bytes.push(0x3a);
  }
  bytes.push(row.opcode | (row.registerInOpcode ? random.below(8) : 0));
  if (row.modrm >= 0) bytes.push(row.modrm);
  else if (hasModrm) {
    if (place) bytes.push(place.mod << 6 | (reg & 7) << 3 | place.rm, ...place.tail);
    else bytes.push(0xc0 | (reg & 7) << 3 | rm & 7);
  }
  const addressed = bytes.length;
  immediates(random, row, bytes, rexW, columns);
  const behind = bytes.length - addressed;
  bytes.unshift(...freePrefixes(random, row, place));
  // RIP is that of the next instruction.
  if (place?.mod === 0 && place.rm === 5) bytes.splice(bytes.length - behind - 4, 4, ...bytes32(place.fixed - START - bytes.length));
  const register = hasModrm && !place ? rm | (row.vex ? 0 : row.rexBits & 1) << 3 : undefined;
  return new Encoding(row, bytes, place, register);
}

/** Prefixes that any instruction may have: segments, address size. Seldom a LOCK, which mostly is illegal. */
function freePrefixes(random: Random, row: Row, place: Place | undefined): number[] {
  const prefixes: number[] = [];
  const isOffset = row.operands.some(o => o.addressing === ADDRESSING.O);
  if (place ? place.segment : !isOffset && random.oneIn(12)) prefixes.push(0x65);
  else if (random.oneIn(20)) prefixes.push(random.pick([0x26, 0x2e, 0x36, 0x3e]));
  if (!isOffset && random.oneIn(12)) prefixes.push(0x67);
  // VERW takes LOCK on AMD's processors.
  if (random.oneIn(80) && row.operation !== 'VERW') prefixes.push(0xf0);
  return prefixes;
}

function chooseRexW(random: Random, row: Row): number {
  if ((row.rexBits & 8) !== 0) return 1;
  return random.below(2);
}

function legacyPrefixes(random: Random, row: Row, columns: readonly number[], bytes: number[]): void {
  if (row.mandatory) {
    const mandatory = columns.filter(p => p !== 0);
    const prefix = columns.includes(0) && (mandatory.length === 0 || random.oneIn(2)) ? 0 : random.pick(mandatory.length > 0 ? mandatory : [0]);
    if (prefix !== 0) bytes.push(prefix);
    return;
  }
  // Near branches with 66 differ between makers; ours ignore it.
  if (random.oneIn(3) && columns.includes(0x66) && (row.flags & FLAG.F64) === 0) bytes.push(0x66);
  if ((row.flags & (FLAG.REP | FLAG.REPZ)) !== 0 && random.oneIn(2)) bytes.push(random.pick([0xf3, 0xf2]));
}

function vexPrefix(random: Random, row: Row, rex: number, bytes: number[]): void {
  const w = row.vexW >= 0 ? row.vexW : random.below(2);
  const l = row.vexL >= 0 ? row.vexL : 0;
  const pp = [PREFIX.NONE, PREFIX.P66, PREFIX.PF3, PREFIX.PF2].find(p => (row.prefixes & (1 << p)) !== 0) ?? 0;
  const usesVvvv = row.operands.some(o => o.addressing === ADDRESSING.B || o.addressing === ADDRESSING.H);
  const vvvv = usesVvvv ? random.below(16) : 0;
  bytes.push(0xc4, (~rex & 7) << 5 | row.map, w << 7 | (~vvvv & 15) << 3 | l << 2 | pp);
}

interface Place {
  readonly mod: number;
  readonly rm: number;
  readonly rexXb: number;
  /** SIB and displacement. */
  readonly tail: readonly number[];
  /** What is added to registers. */
  readonly fixed: number;
  /** Register that is set so that the address comes to a target; -1 where the address is fixed, RSP where the target follows from it. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** GS is to be added to get to the target. */
  readonly segment: boolean;
}

/** Which address a memory operand gets: mostly inside the window, aligned or not; sometimes across the pages' ends, read-only, unmapped. */
function chooseTarget(random: Random): number {
  const kind = random.below(40);
  if (kind === 0) return READONLY + random.below(64) * 16;
  if (kind === 1) return DATA - 1 - random.below(20);
  if (kind === 2) return DATA + 0x2000 - random.below(20);
  const aligned = random.oneIn(2) ? ~15 : -1;
  return WINDOW + ((32 + random.below(WINDOW_SIZE - 96)) & aligned);
}

const rsp = 4;
/** Registers that an address may have: all but RSP. */
const bases = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

function bytes32(value: number): number[] {
  return [value, value >> 8, value >> 16, value >> 24].map(b => b & 0xff);
}

/** How an address is made up: mostly of registers that can be set at will, else of RSP or nothing, whose displacement then meets a target. */
function chooseAddress(random: Random): Place {
  const segment = random.oneIn(12), offset = chooseTarget(random) - (segment ? GS_BASE : 0);
  const unset = { rexXb: 0, base: -1, index: -1, scale: 0, segment };
  // The displacement is completed when the length is known.
  if (random.oneIn(12)) return { ...unset, mod: 0, rm: 5, tail: [0, 0, 0, 0], fixed: offset };
  if (random.oneIn(12)) {
    const fixed = offset - stackPointer(random);
    return { ...unset, mod: 2, rm: 4, tail: [0x24, ...bytes32(fixed)], fixed, base: rsp };
  }
  if (random.oneIn(12)) return { ...unset, mod: 0, rm: 4, tail: [0x25, ...bytes32(offset)], fixed: offset };
  const size = random.below(3);
  const fixed = [0, (random.next() << 24) >> 24, (random.next() | 0) >> random.below(20)][size]!;
  const tail = size === 2 ? bytes32(fixed) : size === 1 ? [fixed & 0xff] : [];
  const base = random.pick(size === 0 ? bases.filter(r => (r & 7) !== 5) : bases), common = { mod: size, fixed, base, segment };
  if ((base & 7) !== 4 && !random.oneIn(3)) return { ...common, rm: base & 7, rexXb: base > 7 ? 1 : 0, tail, index: -1, scale: 0 };
  const index = random.pick(bases.filter(r => r !== base)), scale = random.below(4);
  return { ...common, rm: 4, rexXb: (index > 7 ? 2 : 0) | (base > 7 ? 1 : 0), tail: [scale << 6 | (index & 7) << 3 | base & 7, ...tail], index, scale };
}

/** Sets the base register so that the address comes to a target, if it has one; the target. */
function pointTo(random: Random, { fixed, base, index, scale, segment }: Place, state: State): number {
  const gs = segment ? GS_BASE : 0;
  if (base === -1) return fixed + gs;
  if (base === rsp) return Number(state.gpr(rsp)) + fixed + gs;
  const target = chooseTarget(random), indexed = index < 0 ? 0n : state.gpr(index) << BigInt(scale);
  state.setGpr(base, BigInt.asUintN(64, BigInt(target - gs - fixed) - indexed));
  return target;
}

function immediates(random: Random, row: Row, bytes: number[], rexW: number, columns: readonly number[]): void {
  const short = bytes.includes(0x66) && columns.includes(0x66) && rexW === 0;
  const size = rexW ? 8 : short ? 2 : 4;
  const push = (count: number): void => {
    const small = random.oneIn(2);
    for (let i = 0; i < count; i++) bytes.push(small ? (i === 0 ? random.below(70) : 0) : random.below(256));
  };
  for (const operand of row.operands) {
    if (operand.addressing === ADDRESSING.I) {
      if (operand.type === TYPE.w) push(2);
      else if (operand.type === TYPE.z) push(size === 2 ? 2 : 4);
      else if (operand.type === TYPE.v) push(size);
      else push(1);
    } else if (operand.addressing === ADDRESSING.L) push(1);
    else if (operand.addressing === ADDRESSING.J) {
      // Never back into the instruction, which might not end then.
      if (operand.type === TYPE.b) bytes.push(random.oneIn(2) ? random.below(128) : 128 + random.below(96));
      else bytes.push(random.below(256), random.below(3), 0, 0);
    } else if (operand.addressing === ADDRESSING.O) {
      const target = chooseTarget(random);
      for (let i = 0; i < 8; i++) bytes.push(i < 4 ? (target >>> (8 * i)) & 0xff : 0);
    }
  }
}
