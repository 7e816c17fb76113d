import { IMMEDIATE, USES_VVVV, buildDispatch } from './dispatch.ts';
import type { DispatchTables, Mode } from './dispatch.ts';
import { DECODE, REGISTER_NONE, REGISTER_RIP, SEGMENT } from './instruction.ts';
import type { Instruction } from './instruction.ts';
import { FLAG, MAP, PREFIX } from './rows.ts';
import { ROWS } from './table.ts';

/** The longest instruction; a longer one is #GP(0). SDM vol. 3 6.15, interrupt 13. */
const LONGEST = 15;

/** What a prefix byte is, 0 for others. REX counts only in 64-bit mode. */
const KIND = { NONE: 0, SEGMENT: 1, OPERAND_SIZE: 2, ADDRESS_SIZE: 3, LOCK: 4, REPEAT: 5, REX: 6 } as const;

function prefixKinds(mode: Mode): Uint8Array {
  const kinds = new Uint8Array(256);
  for (const byte of [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65]) kinds[byte] = KIND.SEGMENT;
  kinds[0x66] = KIND.OPERAND_SIZE;
  kinds[0x67] = KIND.ADDRESS_SIZE;
  kinds[0xF0] = KIND.LOCK;
  kinds[0xF2] = kinds[0xF3] = KIND.REPEAT;
  if (mode === 64) kinds.fill(KIND.REX, 0x40, 0x50);
  return kinds;
}

/** Base and index of 16-bit addressing by ModRM.rm: BX+SI, BX+DI, BP+SI, BP+DI, SI, DI, BP, BX. SDM vol. 2 table 2-1. */
const BASE16 = [3, 3, 5, 5, 6, 7, 5, 3] as const;
const INDEX16 = [6, 7, 6, 7, REGISTER_NONE, REGISTER_NONE, REGISTER_NONE, REGISTER_NONE] as const;

/**
 * Decodes instructions of one mode. Holds no state between calls but its tables (about 100 KB, built in the constructor); make one for
 * each mode that is used and share it.
 */
export class Decoder {
  readonly mode: Mode;
  readonly #tables: DispatchTables;
  readonly #kinds: Uint8Array;
  /** End of what may be read of the instruction at hand: the least of `limit` and the 15 bytes. */
  #end = 0;

  constructor(mode: Mode) {
    this.mode = mode;
    this.#tables = buildDispatch(ROWS, mode);
    this.#kinds = prefixKinds(mode);
  }

  /**
   * Decodes the instruction at `bytes[offset]`, reading nothing at or past `limit`, into `out`.
   * Returns its length, or one of DECODE. With INVALID, `out.length` is the length if the decoder knows the instruction (a wrong
   * LOCK prefix, REX before VEX, EVEX), else 0.
   */
  decode(bytes: Uint8Array, offset: number, limit: number, out: Instruction): number {
    this.#end = Math.min(limit, offset + LONGEST);
    const length = this.#decode(bytes, offset, out);
    if (length === DECODE.MORE) return limit - offset >= LONGEST ? DECODE.TOO_LONG : DECODE.MORE;
    return length;
  }

  #decode(bytes: Uint8Array, offset: number, out: Instruction): number {
    const kinds = this.#kinds, end = this.#end;
    let p = offset, rex = 0, repeat = 0, size16 = 0, address = 0, lock = 0;
    out.segment = SEGMENT.NONE;
    out.segmentPrefix = 0;
    out.length = 0;
    let opcode = 0;
    for (;; p++) {
      if (p >= end) return DECODE.MORE;
      opcode = bytes[p]!;
      const kind = kinds[opcode]!;
      if (kind === KIND.NONE) break;
      // A REX prefix counts only right before the opcode.
      rex = 0;
      switch (kind) {
        case KIND.REX: rex = opcode; break;
        case KIND.REPEAT: repeat = opcode; break;
        case KIND.OPERAND_SIZE: size16 = 1; break;
        case KIND.ADDRESS_SIZE: address = 1; break;
        case KIND.LOCK: lock = 1; break;
        default: this.#segment(opcode, out);
      }
    }
    out.addressSize = this.mode === 64 ? (address !== 0 ? 4 : 8) : (address !== 0 ? 2 : 4);
    out.rex = rex;
    out.w = rex >> 3 & 1;
    out.vex = out.vvvv = out.vectorLength = 0;
    const escape = this.#vexLike(bytes, p, opcode);
    if (escape !== 0) {
      if (escape < 0) return DECODE.MORE;
      return this.#vex(bytes, offset, p, opcode, (rex | repeat | size16 | lock) !== 0, out);
    }
    let map: number = MAP.ONE_BYTE;
    if (opcode === 0x0F) {
      if (++p >= end) return DECODE.MORE;
      opcode = bytes[p]!;
      map = MAP.M0F;
      if (opcode === 0x38 || opcode === 0x3A) {
        map = opcode === 0x38 ? MAP.M0F38 : MAP.M0F3A;
        if (++p >= end) return DECODE.MORE;
        opcode = bytes[p]!;
      }
    }
    const prefix = repeat !== 0 ? (repeat === 0xF3 ? PREFIX.PF3 : PREFIX.PF2) : size16 !== 0 ? PREFIX.P66 : PREFIX.NONE;
    out.rep = repeat;
    out.lock = lock;
    const cell = this.#tables.legacy[(map * 256 + opcode) * 4 + prefix]!;
    return this.#finish(bytes, offset, p, opcode, cell, size16, out);
  }

  /** In 64-bit mode CS, DS, ES and SS overrides are ignored, also as to which override is the last. */
  #segment(prefix: number, out: Instruction): void {
    out.segmentPrefix = prefix;
    if (prefix === 0x64) out.segment = SEGMENT.FS;
    else if (prefix === 0x65) out.segment = SEGMENT.GS;
    else if (this.mode === 32) out.segment = SEGMENT.NONE;
  }

  /** 1 if the byte at `p` starts a VEX, EVEX or XOP prefix, 0 if it is an opcode, -1 if that depends on a byte past the end. */
  #vexLike(bytes: Uint8Array, p: number, opcode: number): number {
    if (opcode !== 0xC4 && opcode !== 0xC5 && opcode !== 0x62 && opcode !== 0x8F) return 0;
    if (this.mode === 64 && opcode !== 0x8F) return 1;
    if (p + 1 >= this.#end) return -1;
    const next = bytes[p + 1]!;
    return opcode === 0x8F ? ((next & 0x1F) >= 8 ? 1 : 0) : next >= 0xC0 ? 1 : 0;
  }

  /** VEX (C4, C5), and EVEX (62) and XOP (8F) for their length. SDM vol. 2 2.3. */
  #vex(bytes: Uint8Array, offset: number, at: number, opcode: number, illegalPrefix: boolean, out: Instruction): number {
    let p = at;
    const end = this.#end;
    const payload = opcode === 0xC5 ? 1 : opcode === 0x62 ? 3 : 2;
    if (p + payload >= end) return DECODE.MORE;
    const first = bytes[p + 1]!;
    const last = opcode === 0xC5 ? first : bytes[p + 2]!;
    const long = this.mode === 64;
    out.vex = 1;
    out.lock = out.rep = 0;
    out.vectorLength = last >> 2 & 1;
    out.vvvv = ~last >> 3 & (long ? 15 : 7);
    // Inverted R, X and B as REX bits, so that ModRM is read as after REX.
    const rxb = opcode === 0xC5 ? (~first >> 7 & 1) << 2 : ~first >> 5 & 7;
    const w = opcode === 0xC5 ? 0 : last >> 7;
    out.w = w;
    out.rex = long ? 0x40 | w << 3 | rxb : 0;
    p += payload + 1;
    if (p >= end) return DECODE.MORE;
    const code = bytes[p]!;
    if (opcode === 0x62 || opcode === 0x8F) return this.#lengthOnly(bytes, offset, p, opcode, first, code, out);
    const map = opcode === 0xC5 ? MAP.M0F : first & 0x1F;
    if (map === 0 || map > MAP.M0F3A) return DECODE.INVALID;
    // pp: none, 66, F3, F2, the order of PREFIX.
    const cell = this.#tables.vex[((map * 256 + code) * 4 + (last & 3)) * 4 + (out.vectorLength << 1 | w)]!;
    const length = this.#finish(bytes, offset, p, code, cell, 0, out);
    if (illegalPrefix && length > 0) return DECODE.INVALID;
    // All four bits, also in 32-bit mode where an operand has only three.
    if (length > 0 && (last & 0x78) !== 0x78 && (this.#tables.flags[out.row]! & USES_VVVV) === 0) return DECODE.INVALID;
    return length;
  }

  /** EVEX and XOP: opcode, ModRM and an immediate by opcode map; #UD whatever they are. */
  #lengthOnly(bytes: Uint8Array, offset: number, at: number, opcode: number, first: number, code: number, out: Instruction): number {
    out.row = opcode === 0x62 ? this.#tables.evex : this.#tables.xop;
    let p = this.#modrm(bytes, at + 1, false, out);
    if (p <= 0) return p;
    const map = opcode === 0x62 ? first & 7 : first & 0x1F;
    if (opcode === 0x62) {
      const immediate0F = (code >= 0x70 && code <= 0x73) || code === 0xC2 || (code >= 0xC4 && code <= 0xC6);
      if (map === MAP.M0F3A || (map === MAP.M0F && immediate0F)) p += 1;
    } else p += map === 8 ? 1 : map === 10 ? 4 : 0;
    if (p > this.#end) return DECODE.MORE;
    out.length = p - offset;
    return DECODE.INVALID;
  }

  /** From the opcode at `at` to the end: chooses the row, reads ModRM, SIB, displacement and immediates. */
  #finish(bytes: Uint8Array, offset: number, at: number, opcode: number, cell: number, size16: number, out: Instruction): number {
    const tables = this.#tables;
    out.opcodeOffset = at - offset;
    let found = cell;
    if (found < 0) {
      if (at + 1 >= this.#end) return DECODE.MORE;
      found = tables.byModrm[(-found - 1) * 256 + bytes[at + 1]!]!;
    }
    if (found === 0) return DECODE.INVALID;
    let id = found - 1;
    if ((tables.alternateBits[id]! & out.rex) !== 0) id = tables.alternates[id]!;
    const flags = tables.flags[id]!;
    out.row = id;
    out.operandSize = this.#operandSize(flags, size16, out.w);
    out.immediate = out.immediateHigh = out.immediate2 = 0;
    let p = at + 1;
    if ((flags & FLAG.MODRM) !== 0) {
      p = this.#modrm(bytes, p, (flags & FLAG.MODREG) !== 0, out);
      if (p <= 0) return p;
      if ((flags & FLAG.VSIB) !== 0 && !this.#vsib(out)) return DECODE.INVALID;
    } else {
      out.modrm = -1;
      out.mod = out.reg = out.memory = out.scale = out.displacement = out.displacementHigh = 0;
      out.rm = opcode & 7 | (out.rex & 1) << 3;
      out.base = out.index = REGISTER_NONE;
    }
    if (tables.immediates[id] !== IMMEDIATE.NONE) {
      p = this.#immediate(bytes, p, tables.immediates[id]!, out);
      if (p === DECODE.MORE) return p;
    }
    out.length = p - offset;
    if (out.lock !== 0 && ((flags & FLAG.LOCK) === 0 || out.memory === 0)) return DECODE.INVALID;
    // LES, LDS, MOV to segment registers, CR and DR that don't exist are left to the description: they are decoded by every processor.
    return out.length;
  }

  #operandSize(flags: number, size16: number, w: number): number {
    if ((flags & FLAG.BYTE) !== 0) return 1;
    const short = size16 !== 0 && (flags & FLAG.NO66) === 0;
    if (this.mode === 32) return short ? 2 : 4;
    if ((flags & FLAG.F64) !== 0 || w !== 0) return 8;
    if ((flags & FLAG.D64) !== 0) return short ? 2 : 8;
    return short ? 2 : 4;
  }

  /** VSIB needs a SIB byte, which 16-bit addressing does not have; its index is always a register. SDM vol. 2 2.3.12. */
  #vsib(out: Instruction): boolean {
    if ((out.modrm & 7) !== 4 || out.addressSize === 2) return false;
    if (out.index === REGISTER_NONE) out.index = 4;
    return true;
  }

  /** ModRM, SIB and displacement. Returns where they end, or DECODE.MORE. SDM vol. 2 tables 2-1 to 2-3. */
  #modrm(bytes: Uint8Array, at: number, registerOnly: boolean, out: Instruction): number {
    let p = at;
    const end = this.#end;
    if (p >= end) return DECODE.MORE;
    const modrm = bytes[p++]!, mod = modrm >> 6, rm = modrm & 7, rex = out.rex;
    out.modrm = modrm;
    out.mod = mod;
    out.reg = modrm >> 3 & 7 | (rex & 4) << 1;
    out.rm = rm | (rex & 1) << 3;
    out.base = out.index = REGISTER_NONE;
    out.scale = out.displacement = out.displacementHigh = 0;
    if (mod === 3 || registerOnly) {
      out.mod = 3;
      out.memory = 0;
      return p;
    }
    out.memory = 1;
    if (out.addressSize === 2) return this.#modrm16(bytes, p, mod, rm, out);
    let displacement = mod === 0 ? 0 : mod === 1 ? 1 : 4;
    if (rm === 4) {
      if (p >= end) return DECODE.MORE;
      const sib = bytes[p++]!;
      const index = sib >> 3 & 7 | (rex & 2) << 2;
      out.scale = sib >> 6;
      if (index !== 4) out.index = index;
      if ((sib & 7) === 5 && mod === 0) displacement = 4;
      else out.base = sib & 7 | (rex & 1) << 3;
    } else if (rm === 5 && mod === 0) {
      displacement = 4;
      if (this.mode === 64) out.base = REGISTER_RIP;
    } else out.base = rm | (rex & 1) << 3;
    return this.#displacement(bytes, p, displacement, out);
  }

  #modrm16(bytes: Uint8Array, p: number, mod: number, rm: number, out: Instruction): number {
    if (rm === 6 && mod === 0) return this.#displacement(bytes, p, 2, out);
    out.base = BASE16[rm]!;
    out.index = INDEX16[rm]!;
    return this.#displacement(bytes, p, mod, out);
  }

  #displacement(bytes: Uint8Array, p: number, width: number, out: Instruction): number {
    if (width === 0) return p;
    if (p + width > this.#end) return DECODE.MORE;
    if (width === 1) out.displacement = bytes[p]! << 24 >> 24;
    else if (width === 2) out.displacement = int16(bytes, p);
    else out.displacement = int32(bytes, p);
    out.displacementHigh = out.displacement >> 31;
    return p + width;
  }

  /** Reads the immediate at `p`. Returns where it ends, or DECODE.MORE. */
  #immediate(bytes: Uint8Array, p: number, kind: number, out: Instruction): number {
    const size = out.operandSize;
    const width = kind <= IMMEDIATE.IBS ? 1 : kind === IMMEDIATE.IW ? 2 : kind === IMMEDIATE.IZ ? (size === 2 ? 2 : 4) : kind === IMMEDIATE.IV ? size
      : kind === IMMEDIATE.IW_IB ? 3 : kind === IMMEDIATE.AP ? (size === 2 ? 4 : 6) : out.addressSize;
    if (p + width > this.#end) return DECODE.MORE;
    switch (kind) {
      case IMMEDIATE.IB: out.immediate = bytes[p]!; break;
      case IMMEDIATE.IBS: out.immediate = bytes[p]! << 24 >> 24; break;
      case IMMEDIATE.IW: out.immediate = uint16(bytes, p); break;
      case IMMEDIATE.IW_IB:
        out.immediate = uint16(bytes, p);
        out.immediate2 = bytes[p + 2]!;
        break;
      case IMMEDIATE.AP:
        out.immediate = size === 2 ? uint16(bytes, p) : int32(bytes, p);
        out.immediate2 = uint16(bytes, p + width - 2);
        break;
      case IMMEDIATE.MOFFS:
        out.memory = 1;
        out.displacement = width === 2 ? uint16(bytes, p) : int32(bytes, p);
        // An address of 32 bits is extended by zeros, unlike a displacement.
        out.displacementHigh = width === 8 ? int32(bytes, p + 4) : 0;
        return p + width;
      default:
        out.immediate = width === 2 ? int16(bytes, p) : int32(bytes, p);
        if (width === 8) {
          out.immediateHigh = int32(bytes, p + 4);
          return p + width;
        }
    }
    out.immediateHigh = out.immediate >> 31;
    return p + width;
  }
}

function uint16(bytes: Uint8Array, p: number): number {
  return bytes[p]! | bytes[p + 1]! << 8;
}

function int16(bytes: Uint8Array, p: number): number {
  return (bytes[p]! | bytes[p + 1]! << 8) << 16 >> 16;
}

function int32(bytes: Uint8Array, p: number): number {
  return bytes[p]! | bytes[p + 1]! << 8 | bytes[p + 2]! << 16 | bytes[p + 3]! << 24;
}
