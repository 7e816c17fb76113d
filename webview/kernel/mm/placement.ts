/**
 * Where mappings go. A file that is mapped without an address gets the same place in every process (so that code decoded or compiled for
 * one serves all: it is known by frame, offset and virtual address); everything else goes below the stack, downwards, as on Linux. The bases
 * are drawn once per machine: between two processes of one machine files' addresses aren't random, which address space randomization gives up.
 */
import type { Inode } from '../../fs/vfs/inode.ts';

const pageSize = 4096;
const alignment = 1 << 16;

export class Placement {
  /** Files go upwards from here; the range is 1 TiB. */
  #nextFile: number;
  readonly #endFiles: number;
  /** Position-independent programs go upwards from here. */
  #nextProgram: number;
  readonly #endPrograms: number;
  readonly #files = new WeakMap<Inode, { address: number; length: number }>();
  readonly #programs = new WeakMap<Inode, { address: number; length: number }>();
  /** Top of the stack, exclusive, and where mappings without a place of their own start to go down. */
  readonly stackTop: number;
  readonly mapTop: number;

  /** `random` gives numbers from 0 up to 1, exclusive. */
  constructor(random: () => number) {
    const some = (pages: number): number => Math.floor(random() * pages) * pageSize;
    this.stackTop = 0x7ffffffff000 - some(0x100000);
    this.mapTop = 0x7ffe00000000 - some(0x100000);
    this.#nextFile = 0x7f0000000000 + some(0x100000);
    this.#endFiles = 0x7f8000000000;
    this.#nextProgram = 0x555555554000 + some(0x10000);
    this.#endPrograms = 0x5f0000000000;
  }

  /** The place for `length` bytes of a file, the same every time as long as they fit; undefined when the range is used up. */
  file(inode: Inode, length: number): number | undefined {
    const known = this.#files.get(inode);
    if (known && known.length >= length) return known.address;
    const address = this.#nextFile;
    const next = Math.ceil((address + length) / alignment + 1) * alignment;
    if (next > this.#endFiles) return undefined;
    this.#nextFile = next;
    this.#files.set(inode, { address, length });
    return address;
  }

  /** The place for a position-independent program of `length` bytes; room for its heap follows. */
  program(inode: Inode, length: number): number {
    const known = this.#programs.get(inode);
    if (known && known.length >= length) return known.address;
    let address = this.#nextProgram;
    // 4 GiB for each: the heap grows behind it.
    let next = Math.ceil((address + length) / 2 ** 32 + 1) * 2 ** 32 + (address & 0xfff000);
    if (next > this.#endPrograms) {
      address = 0x555555554000;
      next = address + 2 ** 32;
    }
    this.#nextProgram = next;
    this.#programs.set(inode, { address, length });
    return address;
  }
}
