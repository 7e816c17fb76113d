/** Small formatting shared by procfs's files. */
import type { ByteString } from '../../lib/byteString.ts';

/** USER_HZ: the unit of times in /proc (proc(5)). */
const ticksPerSecond = 100;

/** Nanoseconds as clock ticks. */
export function ticks(nanoseconds: number): number {
  return Math.floor(nanoseconds / (1e9 / ticksPerSecond));
}

/** Bytes as whole kB, right-aligned to `width`, with unit. */
export function kilobytes(bytes: number, width = 8): string {
  return `${String(Math.floor(bytes / 1024)).padStart(width)} kB`;
}

/** A 64-bit set as 16 hexadecimal digits. */
export function hex16(set: bigint): string {
  return set.toString(16).padStart(16, '0');
}

/** Seconds with two decimals, as /proc/uptime has them. */
export function seconds2(nanoseconds: number): string {
  return (nanoseconds / 1e9).toFixed(2);
}

/** Space, tab, newline and backslash as octal escapes: mount tables and maps (mangle_path of Linux's seq_file). */
export function escapeOctal(text: ByteString, characters = ' \t\n\\'): ByteString {
  let out = '';
  for (const c of text) out += characters.includes(c) ? `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}` : c;
  return out;
}

/** A comm as /proc/PID/status shows it: newline and backslash escaped. */
export function escapeName(name: ByteString): ByteString {
  return name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
