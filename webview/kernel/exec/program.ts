/** From a path to a new address space: permission, scripts, interpreters, set-id bits. Nothing of the caller is changed here. */
import { Errno } from '../abi/errno.ts';
import * as Elf from '../abi/elf.ts';
import { O_RDONLY, X_OK } from '../abi/fcntl.ts';
import { MS_NOSUID } from '../abi/mount.ts';
import { RLIMIT_STACK } from '../abi/resource.ts';
import { S_ISGID, S_ISUID } from '../abi/stat.ts';
import { Memory } from '../mm/memory.ts';
import type { Limits } from '../mm/limits.ts';
import { intersect, unite, type TaskCredentials } from '../task/credentials.ts';
import type { Machine } from '../task/machine.ts';
import { superuser, type Caller } from '../../fs/vfs/caller.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { Path } from '../../fs/vfs/path.ts';
import { readFully } from '../../fs/vfs/readFully.ts';
import { fromRange, type ByteString } from '../../lib/byteString.ts';
import { retry, type Io } from '../../lib/wait.ts';
import { isElf, readHeader, type ElfHeader, type ProgramHeader } from './elf.ts';
import { mapImage, partOf, programHeadersOf, type Image } from './image.ts';
import { readScript, scriptLineMaximum } from './script.ts';
import { buildStack, checkArguments } from './stack.ts';

/** Scripts that are interpreters of scripts, at most so deep. */
const scriptDepth = 5;
/** CPUID 1 EDX of a CPU with what is offered (AT_HWCAP): FPU TSC MSR CX8 SEP CMOV CLFSH MMX FXSR SSE SSE2. */
const hwcap = 0x0f8b_f9ff & ~0x0820_0000;

/** What is read of a file first: in nearly all the ELF header, the program headers and the interpreter's name. */
const headSize = 1024;

/** Who execs what. */
export interface ExecRequest {
  readonly machine: Machine;
  readonly caller: Caller;
  readonly credentials: TaskCredentials;
  readonly noNewPrivileges: boolean;
  readonly limits: Limits;
  /** The file, and the name by which scripts and AT_EXECFN know it. */
  readonly path: Path;
  readonly fileName: ByteString;
  readonly argv: readonly ByteString[];
  readonly environment: readonly ByteString[];
}

/** What is ready to be run. */
export interface NewProgram {
  readonly memory: Memory;
  readonly entry: number;
  readonly stackPointer: number;
  readonly credentials: TaskCredentials;
  readonly isSecure: boolean;
  /** /proc/PID/exe */
  readonly executable: Path;
  /** comm */
  readonly name: ByteString;
  /** The caller may not read the file: no core dumps, no looking in. */
  readonly isUnreadable: boolean;
}

/** The program could not be set up after the point where Linux can no longer return: the caller gets SIGSEGV. */
export const pointOfNoReturn = 'killed';

/** Opens a file for execution: -EACCES for what isn't a regular executable file. */
function* openExecutable(request: ExecRequest, path: Path): Io<OpenFile | number> {
  const { machine, caller } = request;
  if (!path.dentry.inode!.isRegular) return -Errno.EACCES;
  const allowed = yield* machine.namespace.checkAccess(caller, path, X_OK);
  if (allowed < 0) return allowed;
  return yield* machine.namespace.openPath(superuser(caller.root), path, O_RDONLY);
}

function* close(file: OpenFile): Io<void> {
  const closing = file.release();
  if (closing !== undefined) yield* closing;
}

/** The file that is really executed, after scripts, with the arguments that they make of it. */
interface Target {
  readonly file: OpenFile;
  readonly head: Uint8Array;
  readonly argv: readonly ByteString[];
}

function* resolveScripts(request: ExecRequest): Io<Target | number> {
  const { machine, caller } = request;
  let { path, argv } = request;
  let name = request.fileName;
  for (let depth = 0; ; depth++) {
    const file = yield* openExecutable(request, path);
    if (typeof file === 'number') return file;
    const head = yield* readFully(file, 0, headSize);
    const script = typeof head === 'number' ? head : readScript(head.subarray(0, scriptLineMaximum));
    if (script === undefined) return { file, head: head as Uint8Array, argv };
    yield* close(file);
    if (typeof script === 'number') return script;
    if (depth >= scriptDepth) return -Errno.ELOOP;
    argv = [script.interpreter, ...(script.argument === undefined ? [] : [script.argument]), name, ...argv.slice(1)];
    name = script.interpreter;
    const next = yield* machine.namespace.resolve(caller, caller.cwd, script.interpreter, Walk.follow);
    if (typeof next === 'number') return next;
    path = next;
  }
}

/** Prepares a program: -errno, or `pointOfNoReturn`. */
export function* prepareProgram(request: ExecRequest): Io<NewProgram | number | typeof pointOfNoReturn> {
  const fits = checkArguments(request.argv, request.environment, request.limits.soft(RLIMIT_STACK));
  if (fits < 0) return fits;
  const target = yield* resolveScripts(request);
  if (typeof target === 'number') return target;
  try {
    return yield* prepareElf(request, target);
  } finally {
    request.machine.scheduler.background(close(target.file));
  }
}

/** What is known of the file before anything is mapped. */
interface Headers {
  readonly header: ElfHeader;
  readonly segments: readonly ProgramHeader[];
}

function* headersOf(file: OpenFile, head: Uint8Array): Io<Headers | number> {
  const header = readHeader(head);
  if (typeof header === 'number') return header;
  const segments = yield* programHeadersOf(file, header, head);
  return typeof segments === 'number' ? segments : { header, segments };
}

function* prepareElf(request: ExecRequest, target: Target): Io<NewProgram | number | typeof pointOfNoReturn> {
  const { machine, limits } = request;
  const main = yield* headersOf(target.file, target.head);
  if (typeof main === 'number') return main;
  const interpreter = yield* openInterpreter(request, target, main.segments);
  if (typeof interpreter === 'number') return interpreter;
  const memory = Memory.create(machine.memory, limits);
  if (memory === undefined) {
    if (interpreter) machine.scheduler.background(close(interpreter.file));
    return -Errno.ENOMEM;
  }
  const program = yield* fillMemory(request, target, main, interpreter, memory);
  if (interpreter) machine.scheduler.background(close(interpreter.file));
  if (typeof program === 'number') {
    memory.release();
    return pointOfNoReturn;
  }
  return program;
}

type Interpreter = Headers & { readonly file: OpenFile };

/** PT_INTERP's file: undefined when there is none. -ELIBBAD when it is no ELF file of our kind. */
function* openInterpreter(request: ExecRequest, target: Target, segments: readonly ProgramHeader[]): Io<Interpreter | number | undefined> {
  const segment = segments.find(candidate => candidate.type === Elf.PT_INTERP);
  if (segment === undefined) return undefined;
  if (segment.fileSize > 4096 || segment.fileSize < 2) return -Errno.ENOEXEC;
  const bytes = yield* partOf(target.file, target.head, segment.offset, segment.fileSize);
  if (typeof bytes === 'number' || bytes.length < segment.fileSize) return -Errno.EIO;
  if (bytes[bytes.length - 1] !== 0) return -Errno.ENOEXEC;
  const name = fromRange(bytes, 0, bytes.indexOf(0));
  const path = yield* request.machine.namespace.resolve(request.caller, request.caller.cwd, name, Walk.follow);
  if (typeof path === 'number') return path;
  const opened = yield* openExecutable(request, path);
  if (typeof opened === 'number') return opened;
  const head = yield* readFully(opened, 0, headSize);
  const headers = typeof head === 'number' || head.length < 64 ? -Errno.EIO : isElf(head) ? yield* headersOf(opened, head) : -Errno.ELIBBAD;
  if (typeof headers === 'number') {
    request.machine.scheduler.background(close(opened));
    return headers === -Errno.ENOEXEC ? -Errno.ELIBBAD : headers;
  }
  return { ...headers, file: opened };
}

function* fillMemory(request: ExecRequest, target: Target, main: Headers, interpreter: Interpreter | undefined, memory: Memory): Io<NewProgram | number> {
  const { machine } = request;
  const { placement } = machine.memory;
  const program = yield* mapImage(memory, target.file, main.header, main.segments, length => placement.program(target.file.inode, length));
  if (typeof program === 'number') return program;
  let loader: Image | undefined;
  if (interpreter) {
    const mapped = yield* mapImage(memory, interpreter.file, interpreter.header, interpreter.segments, length => {
      const place = placement.file(interpreter.file.inode, length);
      return place !== undefined && memory.isFree(place, place + length) ? place : memory.findFree(length, memory.mapTop);
    });
    if (typeof mapped === 'number') return mapped;
    loader = mapped;
  }
  const credentials = newCredentials(request, target.file);
  const isSecure = credentials.effectiveUid !== credentials.realUid || credentials.effectiveGid !== credentials.realGid;
  memory.startCode = program.startCode;
  memory.endCode = program.endCode;
  memory.startData = program.startData;
  memory.endData = program.endData;
  memory.startBreak = memory.programBreak = program.end;
  const random = new Uint8Array(16);
  machine.random(random);
  const stackPointer = buildStack(memory, {
    argv: target.argv, environment: request.environment, fileName: request.fileName, program, programHeaderCount: main.header.programHeaderCount,
    interpreterBase: loader?.bias ?? 0, isSecure, hwcap, random,
    uids: { uid: credentials.realUid, euid: credentials.effectiveUid, gid: credentials.realGid, egid: credentials.effectiveGid },
    executable: main.segments.some(segment => segment.type === Elf.PT_GNU_STACK && (segment.flags & Elf.PF_X) !== 0),
  });
  if (stackPointer < 0) return stackPointer;
  // What is entered first must not be waited for by the first instruction: it is about to run.
  yield* retry(() => memory.resolve((loader ?? program).entry, 2));
  const { fileName } = request;
  return {
    memory, entry: (loader ?? program).entry, stackPointer, credentials, isSecure, executable: target.file.path,
    name: fileName.slice(fileName.lastIndexOf('/') + 1).slice(0, 15), isUnreadable: !mayRead(request, target.file),
  };
}

function mayRead({ credentials }: ExecRequest, file: OpenFile): boolean {
  const { mode, uid, gid } = file.inode;
  if (credentials.overridesAccess) return true;
  return ((credentials.uid === uid ? mode >> 6 : credentials.isInGroup(gid) ? mode >> 3 : mode) & 4) !== 0;
}

/** Set-id bits and capabilities(7), "Transformation of capabilities during execve()". */
function newCredentials({ credentials: old, noNewPrivileges }: ExecRequest, file: OpenFile): TaskCredentials {
  const { mode, uid, gid } = file.inode;
  let { effectiveUid, effectiveGid } = old;
  if ((file.path.mount.flags & MS_NOSUID) === 0 && !noNewPrivileges) {
    if ((mode & S_ISUID) !== 0) effectiveUid = uid;
    if ((mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010)) effectiveGid = gid;
  }
  const isRoot = effectiveUid === 0 || old.realUid === 0;
  const changesId = effectiveUid !== old.effectiveUid || effectiveGid !== old.effectiveGid;
  const ambient = changesId ? 0 : old.ambient;
  const permitted = isRoot ? unite(old.inheritable, old.bounding) : unite(intersect(old.inheritable, 0), ambient);
  const effective = effectiveUid === 0 ? permitted : ambient;
  return old.with({
    effectiveUid, effectiveGid, savedUid: effectiveUid, savedGid: effectiveGid, uid: effectiveUid, gid: effectiveGid, permitted, effective, ambient,
    // SECBIT_KEEP_CAPS does not outlive execve.
    secureBits: old.secureBits & ~(1 << 4),
  });
}
