/** What terminals ask of processes: sessions, process groups, and who is calling. The kernel's process table implements it. */
import type { Terminal } from './terminal.ts';

/** A process as a terminal sees it. */
export interface TerminalProcess {
  readonly pid: number;
  readonly processGroup: number;
  readonly session: number;
  /** The controlling terminal. */
  terminal: Terminal | undefined;
  /** The signal is blocked by the calling thread or ignored. */
  ignoresOrBlocks(signal: number): boolean;
  /** CAP_SYS_ADMIN: may steal a terminal, hang one up. */
  readonly mayAdministrate: boolean;
}

export interface JobControl {
  /** The process for which the kernel is working now; undefined when the host calls. */
  readonly currentProcess: TerminalProcess | undefined;
  /** kill(2) to a process group, from the kernel. */
  signalGroup(processGroup: number, signal: number): void;
  /** POSIX "orphaned process group": nobody in it has a parent elsewhere in the session. */
  isOrphaned(processGroup: number): boolean;
  /** The session of a process group; undefined when there is no such group. */
  sessionOf(processGroup: number): number | undefined;
  /** kill(2) to the leader of a session, from the kernel. */
  signalSessionLeader(session: number, signal: number): void;
  /** Takes the controlling terminal from all processes of a session. */
  forgetTerminal(session: number): void;
  /** CLOCK_MONOTONIC in nanoseconds, for VTIME. */
  now(): number;
}
