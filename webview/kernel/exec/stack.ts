/** The first stack of a program: strings, auxiliary vector, environment, arguments (System V ABI, "Initial Process Stack"). */
import { Errno } from '../abi/errno.ts';
import * as Elf from '../abi/elf.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts';
import { RLIMIT_STACK } from '../abi/resource.ts';
import { putWide } from '../abi/struct.ts';
import { pageSize, type Memory } from '../mm/memory.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Image } from './image.ts';

/** MAX_ARG_STRLEN */
const longestString = 131072;
/** Room that a stack has from the start. */
const initialStack = 33 * pageSize;

export interface StackContents {
  readonly argv: readonly ByteString[];
  readonly environment: readonly ByteString[];
  /** AT_EXECFN */
  readonly fileName: ByteString;
  readonly program: Image;
  readonly programHeaderCount: number;
  /** Where the interpreter lies; 0 without one. */
  readonly interpreterBase: number;
  readonly uids: { readonly uid: number; readonly euid: number; readonly gid: number; readonly egid: number };
  readonly isSecure: boolean;
  readonly hwcap: number;
  /** 16 bytes. */
  readonly random: Uint8Array;
  readonly executable: boolean;
}

/** -E2BIG when arguments and environment are more than a quarter of the stack limit (or 6 MiB) or one string is too long. */
export function checkArguments(argv: readonly ByteString[], environment: readonly ByteString[], stackLimit: number): number {
  const limit = Math.min(6 << 20, Math.max(longestString, stackLimit / 4));
  let total = 0;
  for (const list of [argv, environment]) {
    for (const text of list) {
      if (text.length >= longestString) return -Errno.E2BIG;
      total += text.length + 1 + 8;
      if (total > limit) return -Errno.E2BIG;
    }
  }
  return 0;
}

/** Maps the stack and fills it. The stack pointer, or -errno. */
export function buildStack(memory: Memory, contents: StackContents): number {
  const { argv, environment, fileName } = contents;
  const top = memory.services.placement.stackTop;
  const strings = [...argv, ...environment, fileName];
  const stringBytes = strings.reduce((sum, text) => sum + text.length + 1, 0);
  const platform = 'x86_64';
  const auxiliary = 21 * 16;
  const pointers = 8 * (1 + argv.length + 1 + environment.length + 1) + auxiliary;
  const total = stringBytes + 8 + platform.length + 1 + 16 + pointers + 64;
  const size = Math.max(initialStack, Math.ceil(total / pageSize) * pageSize + 16 * pageSize);
  if (size > Math.max(initialStack, memory.limits.soft(RLIMIT_STACK))) return -Errno.E2BIG;
  const protection = PROT_READ | PROT_WRITE | (contents.executable ? PROT_EXEC : 0);
  const mapped = memory.map({ address: top - size, length: size, protection, noReplace: true, growsDown: true, name: '[stack]' });
  if (mapped < 0) return mapped;

  const bytes = new Uint8Array(Math.ceil(total / 16) * 16);
  const view = new DataView(bytes.buffer);
  const base = top - bytes.length;
  let at = bytes.length - 8 - stringBytes;
  const addresses: number[] = [];
  for (const text of strings) {
    addresses.push(base + at);
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
    at += text.length + 1;
  }
  let low = bytes.length - 8 - stringBytes;
  const put = (data: Uint8Array): number => {
    low -= data.length;
    bytes.set(data, low);
    return base + low;
  };
  const platformAddress = put(new TextEncoder().encode(`${platform}\0`));
  low -= low % 16;
  const randomAddress = put(contents.random);
  low -= pointers;
  low -= (base + low) % 16;
  const stackPointer = base + low;
  const word = (value: number): void => {
    putWide(view, low, value);
    low += 8;
  };
  word(argv.length);
  for (let i = 0; i < argv.length; i++) word(addresses[i]!);
  word(0);
  for (let i = 0; i < environment.length; i++) word(addresses[argv.length + i]!);
  word(0);
  const startOfAuxiliary = low;
  for (const [type, value] of auxiliaryVector(contents, { platformAddress, randomAddress, fileName: addresses[addresses.length - 1]! })) {
    word(type);
    word(value);
  }
  memory.auxiliaryVector = bytes.slice(startOfAuxiliary, low);
  if (memory.user.copyOut(stackPointer, bytes, stackPointer - base, bytes.length - (stackPointer - base)) < bytes.length - (stackPointer - base)) return -Errno.ENOMEM;
  memory.startStack = stackPointer;
  memory.argumentStart = addresses[0]!;
  memory.argumentEnd = memory.environmentStart = addresses[argv.length]!;
  memory.environmentEnd = addresses[addresses.length - 1]!;
  return stackPointer;
}

function auxiliaryVector(
  contents: StackContents, places: { platformAddress: number; randomAddress: number; fileName: number },
): readonly (readonly [number, number])[] {
  const { program, uids } = contents;
  return [
    [Elf.AT_MINSIGSTKSZ, 1376], [Elf.AT_HWCAP, contents.hwcap], [Elf.AT_PAGESZ, pageSize], [Elf.AT_CLKTCK, 100], [Elf.AT_PHDR, program.programHeaders],
    [Elf.AT_PHENT, 56], [Elf.AT_PHNUM, contents.programHeaderCount], [Elf.AT_BASE, contents.interpreterBase], [Elf.AT_FLAGS, 0],
    [Elf.AT_ENTRY, program.entry], [Elf.AT_UID, uids.uid], [Elf.AT_EUID, uids.euid], [Elf.AT_GID, uids.gid], [Elf.AT_EGID, uids.egid],
    [Elf.AT_SECURE, contents.isSecure ? 1 : 0], [Elf.AT_RANDOM, places.randomAddress], [Elf.AT_HWCAP2, 0], [Elf.AT_EXECFN, places.fileName],
    [Elf.AT_PLATFORM, places.platformAddress], [Elf.AT_NULL, 0],
  ];
}
