/**
 * Starting programs (execve(2)): reading ELF files and scripts, laying out memory, the first stack. What lives here builds a new address
 * space and then swaps it in; nothing of the old program is touched before. This file: the headers of an ELF file.
 */
import { Errno } from '../abi/errno.ts';
import * as Elf from '../abi/elf.ts';

/** sizeof(Elf64_Ehdr), sizeof(Elf64_Phdr) */
export const headerSize = 64;
export const programHeaderSize = 56;

/** What of Elf64_Ehdr matters. */
export interface ElfHeader {
  readonly type: number;
  readonly entry: number;
  readonly programHeaders: number;
  readonly programHeaderCount: number;
}

/** Elf64_Phdr. */
export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Reads the header from the file's first bytes: -ENOEXEC for what Linux refuses, and for 32-bit programs. */
export function readHeader(bytes: Uint8Array): ElfHeader | number {
  if (bytes.length < headerSize || !isElf(bytes)) return -Errno.ENOEXEC;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerSize);
  const type = view.getUint16(16, true);
  if (bytes[4] !== Elf.ELFCLASS64 || (type !== Elf.ET_EXEC && type !== Elf.ET_DYN)) return -Errno.ENOEXEC;
  if (view.getUint16(18, true) !== Elf.EM_X86_64 || view.getUint16(54, true) !== programHeaderSize) return -Errno.ENOEXEC;
  const programHeaderCount = view.getUint16(56, true);
  if (programHeaderCount === 0 || programHeaderCount * programHeaderSize > 65536) return -Errno.ENOEXEC;
  return { type, entry: wide(view, 24), programHeaders: wide(view, 32), programHeaderCount };
}

/** Reads `count` program headers. */
export function readProgramHeaders(bytes: Uint8Array, count: number): ProgramHeader[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headers: ProgramHeader[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * programHeaderSize;
    headers.push({
      type: view.getUint32(at, true), flags: view.getUint32(at + 4, true), offset: wide(view, at + 8), address: wide(view, at + 16),
      fileSize: wide(view, at + 32), memorySize: wide(view, at + 40), alignment: wide(view, at + 48),
    });
  }
  return headers;
}

/** 64 bits as a number, rounded above 2^53: such values are refused by every later check. */
function wide(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
