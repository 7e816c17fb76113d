/** What all tasks of a machine share, as processes and system calls see it; kernel.ts puts it together. */
import type { Cpu } from '../cpu.ts';
import type { MachineFiles } from '../files/machineFiles.ts';
import type { MemoryServices } from '../mm/memory.ts';
import type { Timers } from '../time/timers.ts';
import type { Namespace } from '../../fs/vfs/namespace.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Futexes } from './futexes.ts';
import type { Process } from './process.ts';
import type { ProcessTable } from './processTable.ts';
import type { FrameScratch } from './signals.ts';
import type { Scheduler } from './scheduler.ts';

/** uname(2) and sethostname(2). */
export interface HostNames {
  readonly sysname: ByteString;
  nodename: ByteString;
  readonly release: ByteString;
  readonly version: ByteString;
  readonly machine: ByteString;
  domainname: ByteString;
}

export interface Machine {
  readonly cpu: Cpu;
  readonly namespace: Namespace;
  /** Pipes, terminals, sockets, locks: all that the kernel's own files share. */
  readonly files: MachineFiles;
  readonly memory: MemoryServices;
  readonly timers: Timers;
  readonly scheduler: Scheduler;
  readonly processes: ProcessTable;
  readonly futexes: Futexes;
  readonly names: HostNames;
  readonly frameScratch: FrameScratch;
  /** Fills with random bytes of the host. */
  random(bytes: Uint8Array): void;
  log(line: string): void;
  /** A process of which the host is the parent has ended (wait status). */
  exited(process: Process, status: number): void;
  /** reboot(2): the guest asks for the end of the machine. */
  halt(reason: 'halt' | 'restart'): void;
}
