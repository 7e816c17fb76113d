/** wait4(2), waitid(2). */
export const WNOHANG = 1;
export const WUNTRACED = 2;
export const WSTOPPED = 2;
export const WEXITED = 4;
export const WCONTINUED = 8;
export const WNOWAIT = 0x01000000;
export const WNOTHREAD = 0x20000000;
export const WALL = 0x40000000;
export const WCLONE = 0x80000000;
export const P_ALL = 0;
export const P_PID = 1;
export const P_PGID = 2;
export const P_PIDFD = 3;

/** Wait status of a stopped child, and of one that went on. */
export function stoppedStatus(signal: number): number {
  return (signal << 8) | 0x7f;
}
export const continuedStatus = 0xffff;
export const coreFlag = 0x80;
