/**
 * What procfs wants to know of the machine. The kernel implements these views over its own objects; procfs only formats. Times are in
 * nanoseconds, sizes in bytes. All members are read at the moment a file is read; nothing is kept.
 */
import type { ByteString } from '../../lib/byteString.ts';
import type { Caller } from '../vfs/caller.ts';
import type { OpenFile } from '../vfs/openFile.ts';
import type { Mount, Path } from '../vfs/path.ts';

/** One line of /proc/PID/maps, with what smaps adds. */
export interface MappingView {
  readonly start: number;
  readonly end: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly exec: boolean;
  readonly shared: boolean;
  readonly offset: number;
  /** The mapped file's device and inode; 0 for none. */
  readonly device: number;
  readonly ino: number;
  /** File path, or '[heap]', '[stack]', '[vdso]', or ''. */
  readonly name: ByteString;
  /** Resident bytes. */
  readonly resident: number;
}

/** A process's memory. */
export interface MemoryView {
  readonly total: number;
  readonly resident: number;
  readonly shared: number;
  readonly text: number;
  readonly data: number;
  readonly stack: number;
  readonly locked: number;
  readonly peakTotal: number;
  readonly peakResident: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startStack: number;
  mappings(): Iterable<MappingView>;
  /** argv and environ as the process has them now on its stack; empty for a zombie. */
  commandLine(): Uint8Array;
  environment(): Uint8Array;
  auxiliaryVector(): Uint8Array;
}

/** One resource limit; Infinity is unlimited. Index: RLIMIT_*. */
export interface LimitView {
  readonly soft: number;
  readonly hard: number;
}

/** One thread (task). */
export interface TaskView {
  readonly tid: number;
  readonly name: ByteString;
  /** R, S, D, T, t, Z, X as in proc(5). */
  readonly state: string;
  readonly userTime: number;
  readonly systemTime: number;
  readonly pendingSignals: bigint;
  readonly blockedSignals: bigint;
}

/** One process (thread group). */
export interface ProcessView {
  readonly pid: number;
  readonly parentPid: number;
  readonly processGroup: number;
  readonly session: number;
  /** Controlling terminal's device number, 0 for none; its foreground process group, -1 for none. */
  readonly terminal: number;
  readonly terminalGroup: number;
  readonly name: ByteString;
  readonly state: string;
  /** real, effective, saved, fs */
  readonly uids: readonly [number, number, number, number];
  readonly gids: readonly [number, number, number, number];
  readonly groups: readonly number[];
  readonly effectiveCapabilities: bigint;
  readonly nice: number;
  readonly umask: number;
  readonly noNewPrivileges: boolean;
  /** Since boot. */
  readonly startTime: number;
  readonly userTime: number;
  readonly systemTime: number;
  readonly childUserTime: number;
  readonly childSystemTime: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly pendingSignals: bigint;
  readonly blockedSignals: bigint;
  readonly ignoredSignals: bigint;
  readonly caughtSignals: bigint;
  /** Raw wait status, for stat's last field. */
  readonly exitCode: number;
  readonly exitSignal: number;
  readonly threads: Iterable<TaskView>;
  readonly threadCount: number;
  /** undefined for a zombie. */
  readonly memory: MemoryView | undefined;
  readonly executable: Path | undefined;
  readonly cwd: Path | undefined;
  readonly root: Path | undefined;
  readonly limits: readonly LimitView[];
  /** Open descriptors in ascending order. */
  descriptors(): Iterable<readonly [fd: number, file: OpenFile]>;
  /** May `caller` look into it (ptrace access mode read)? */
  allows(caller: Caller): boolean;
  /** Writes comm (PR_SET_NAME by file). */
  rename(name: ByteString): void;
}

/** The whole machine. */
export interface SystemView {
  readonly pids: Iterable<number>;
  process(pid: number): ProcessView | undefined;
  /** The process that `caller` is, and its thread id; undefined for the host. */
  self(caller: Caller): { pid: number; tid: number } | undefined;
  /** Nanoseconds since boot, and spent idle. */
  readonly uptime: number;
  readonly idleTime: number;
  readonly userTime: number;
  readonly systemTime: number;
  /** Wall clock at boot, seconds since the epoch. */
  readonly bootTime: number;
  readonly memory: { total: number; free: number; cached: number; dirty: number; shared: number; mapped: number; anonymous: number; pageTables: number };
  readonly loadAverages: readonly [number, number, number];
  readonly runnable: number;
  readonly taskCount: number;
  readonly lastPid: number;
  readonly contextSwitches: number;
  readonly processesCreated: number;
  readonly majorFaults: number;
  readonly minorFaults: number;
  /** uname(2). */
  readonly release: string;
  readonly version: string;
  hostName: ByteString;
  readonly mounts: readonly Mount[];
  pathName(path: Path, root: Path): ByteString;
  readonly bootId: string;
  randomUuid(): string;
  readonly cpuModel: string;
  readonly cpuFlags: string;
  readonly openFiles: number;
}
