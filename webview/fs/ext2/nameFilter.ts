/**
 * What names a large directory may have: a Bloom filter. A name that it doesn't have need not be searched for, so that making many files in
 * one directory isn't quadratic. Names that are removed stay in it.
 */
import type { ByteString } from '../../lib/byteString.ts';

/** A directory of fewer blocks is searched. */
export const smallDirectory = 8;

export class NameFilter {
  readonly #bits: Uint32Array;
  /** Names that may be added until too many bits are set. */
  #room: number;

  /** For a directory of `size` bytes, and as much again. */
  constructor(size: number) {
    // A record takes some 24 bytes: at least 12 bits a name, two of which are set.
    const words = 1 << Math.max(8, Math.ceil(Math.log2(size / 32)));
    this.#bits = new Uint32Array(words);
    this.#room = Math.floor((words * 32) / 8);
  }

  /** To be made anew: it would answer "perhaps" too often. */
  get isFull(): boolean {
    return this.#room <= 0;
  }

  add(name: ByteString): void {
    const first = hash(name);
    const second = again(first);
    this.#set(first);
    this.#set(second);
    this.#room--;
  }

  /** False if the name was never added. */
  mayHave(name: ByteString): boolean {
    const first = hash(name);
    return this.#has(first) && this.#has(again(first));
  }

  #set(bit: number): void {
    this.#bits[(bit >>> 5) & (this.#bits.length - 1)]! |= 1 << (bit & 31);
  }

  #has(bit: number): boolean {
    return (this.#bits[(bit >>> 5) & (this.#bits.length - 1)]! & (1 << (bit & 31))) !== 0;
  }
}

/** FNV-1a. */
function hash(name: ByteString): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
  return mix(value);
}

function again(value: number): number {
  return mix(value ^ 0x9e3779b9);
}

/** The finalizer of MurmurHash3: every bit of the input counts in every bit of the result. */
function mix(value: number): number {
  let v = value;
  v = Math.imul(v ^ (v >>> 16), 0x85ebca6b);
  v = Math.imul(v ^ (v >>> 13), 0xc2b2ae35);
  return v ^ (v >>> 16);
}
