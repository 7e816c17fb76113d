/** `#!` scripts (execve(2), "Interpreter scripts"). */
import { Errno } from '../abi/errno.ts';
import { fromBytes, type ByteString } from '../../lib/byteString.ts';

/** BINPRM_BUF_SIZE: only so much of the first line is looked at. */
export const scriptLineMaximum = 256;

/** The interpreter and its one optional argument; undefined for no script; -ENOEXEC for a line without an interpreter or with a cut one. */
export function readScript(bytes: Uint8Array): { interpreter: ByteString; argument: ByteString | undefined } | number | undefined {
  if (bytes[0] !== 0x23 || bytes[1] !== 0x21) return undefined;
  const head = fromBytes(bytes.subarray(2, scriptLineMaximum));
  const newline = head.indexOf('\n');
  const nul = head.indexOf('\0');
  const isWhole = newline >= 0 || nul >= 0 || bytes.length < scriptLineMaximum;
  let line = newline >= 0 ? head.slice(0, newline) : head;
  if (line.includes('\0')) line = line.slice(0, line.indexOf('\0'));
  const trimmed = line.replace(/^[ \t]+/, '');
  if (trimmed === '') return -Errno.ENOEXEC;
  const match = /^([^ \t]+)(?:[ \t]+(.*?))?[ \t]*$/s.exec(trimmed);
  if (!match) return -Errno.ENOEXEC;
  // Without an end of line or a blank behind it the interpreter's name may be cut.
  if (!isWhole && !/[ \t]/.test(trimmed)) return -Errno.ENOEXEC;
  const argument = match[2];
  return { interpreter: match[1]!, argument: argument === undefined || argument === '' ? undefined : argument };
}
