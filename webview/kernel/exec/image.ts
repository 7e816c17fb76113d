/** Mapping an ELF file into a new address space. */
import { Errno } from '../abi/errno.ts';
import * as Elf from '../abi/elf.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts';
import { minimumAddress, pageSize, type Memory } from '../mm/memory.ts';
import { userLimit } from '../mm/userMemory.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import { readFully } from '../../fs/vfs/readFully.ts';
import type { Io } from '../../lib/wait.ts';
import { programHeaderSize, readProgramHeaders, type ElfHeader, type ProgramHeader } from './elf.ts';

/** Where a file came to lie. */
export interface Image {
  readonly entry: number;
  /** What was added to the file's own addresses. */
  readonly bias: number;
  /** Address of the program headers, 0 when no segment has them. */
  readonly programHeaders: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startData: number;
  readonly endData: number;
  /** First byte behind everything. */
  readonly end: number;
}

/** The program headers, or -ENOEXEC when the file is too short for them. `head` is the file's beginning. */
export function* programHeadersOf(file: OpenFile, header: ElfHeader, head: Uint8Array): Io<ProgramHeader[] | number> {
  const size = header.programHeaderCount * programHeaderSize;
  if (header.programHeaders > Number.MAX_SAFE_INTEGER - size) return -Errno.ENOEXEC;
  const bytes = yield* partOf(file, head, header.programHeaders, size);
  if (typeof bytes === 'number' || bytes.length < size) return -Errno.ENOEXEC;
  return readProgramHeaders(bytes, header.programHeaderCount);
}

/** Bytes of a file of which the beginning has been read already. */
export function* partOf(file: OpenFile, head: Uint8Array, offset: number, length: number): Io<Uint8Array | number> {
  return offset + length <= head.length ? head.subarray(offset, offset + length) : yield* readFully(file, offset, length);
}

function pageStart(address: number): number {
  return address - (address & (pageSize - 1));
}

function pageUp(address: number): number {
  return Math.ceil(address / pageSize) * pageSize;
}

/** First and last address of the segments, page by page; undefined without any or for absurd ones. */
function extent(segments: readonly ProgramHeader[]): { start: number; end: number; alignment: number } | undefined {
  let start = Infinity;
  let end = 0;
  let alignment = pageSize;
  for (const segment of segments) {
    if (!isSane(segment)) return undefined;
    start = Math.min(start, pageStart(segment.address));
    end = Math.max(end, segment.address + segment.memorySize);
    const wanted = segment.alignment;
    if (Number.isInteger(Math.log2(wanted)) && wanted <= 1 << 30) alignment = Math.max(alignment, wanted);
  }
  return start < end ? { start, end: pageUp(end), alignment } : undefined;
}

function isSane({ address, fileSize, memorySize, offset }: ProgramHeader): boolean {
  return address < userLimit && memorySize <= userLimit && address + memorySize <= userLimit && fileSize <= memorySize && offset < Number.MAX_SAFE_INTEGER;
}

/** Maps the segments. `place` gives the address for a position-independent file of that many bytes. -EINVAL, -ENOMEM, -ENOEXEC. */
export function* mapImage(
  memory: Memory, file: OpenFile, header: ElfHeader, headers: readonly ProgramHeader[], place: (length: number) => number,
): Io<Image | number> {
  const segments = headers.filter(candidate => candidate.type === Elf.PT_LOAD);
  const range = extent(segments);
  if (range === undefined) return -Errno.EINVAL;
  let bias = 0;
  if (header.type === Elf.ET_DYN) {
    const address = place(range.end - range.start + range.alignment - pageSize);
    if (address < 0) return address;
    bias = Math.ceil(address / range.alignment) * range.alignment - pageStart(range.start - (range.start % range.alignment));
  }
  if (range.start + bias < minimumAddress || range.end + bias > userLimit) return -Errno.EINVAL;
  let programHeaders = 0;
  let [startCode, endCode, startData, endData] = [Infinity, 0, 0, 0];
  for (const segment of segments) {
    const mapped = yield* mapSegment(memory, file, segment, bias);
    if (mapped < 0) return mapped;
    const { address, offset, fileSize } = segment;
    if (offset <= header.programHeaders && header.programHeaders < offset + fileSize) programHeaders = header.programHeaders - offset + address + bias;
    startCode = Math.min(startCode, address + bias);
    startData = Math.max(startData, address + bias);
    if ((segment.flags & Elf.PF_X) !== 0) endCode = Math.max(endCode, address + fileSize + bias);
    endData = Math.max(endData, address + fileSize + bias);
  }
  return { entry: header.entry + bias, bias, programHeaders, startCode, endCode, startData, endData, end: range.end + bias };
}

function protectionOf(flags: number): number {
  return ((flags & Elf.PF_R) !== 0 ? PROT_READ : 0) | ((flags & Elf.PF_W) !== 0 ? PROT_WRITE : 0) | ((flags & Elf.PF_X) !== 0 ? PROT_EXEC : 0);
}

/** One PT_LOAD: the file's pages, zeros behind them in the last one, and pages of zeros for the rest. */
function* mapSegment(memory: Memory, file: OpenFile, segment: ProgramHeader, bias: number): Io<number> {
  const start = segment.address + bias;
  const within = start & (pageSize - 1);
  if ((segment.offset & (pageSize - 1)) !== within) return -Errno.EINVAL;
  const protection = protectionOf(segment.flags);
  const fileEnd = start + segment.fileSize;
  const end = start + segment.memorySize;
  let mappedEnd = start - within;
  if (segment.fileSize > 0) {
    mappedEnd = pageUp(fileEnd);
    const mapped = memory.map({
      address: start - within, length: mappedEnd - (start - within), protection, fixed: true, file, pageOffset: (segment.offset - within) / pageSize,
    });
    if (mapped < 0) return mapped;
  }
  if (end > fileEnd && fileEnd < mappedEnd && (protection & PROT_WRITE) !== 0) {
    const length = mappedEnd - fileEnd;
    // A file that is shorter than it says has no such page: SIGBUS later, as on Linux.
    if ((yield* memory.user.prefault(fileEnd, length, true)) === 0) memory.user.clear(fileEnd, length);
  }
  if (pageUp(end) > mappedEnd) {
    const mapped = memory.map({ address: mappedEnd, length: pageUp(end) - mappedEnd, protection, fixed: true });
    if (mapped < 0) return mapped;
  }
  return 0;
}
