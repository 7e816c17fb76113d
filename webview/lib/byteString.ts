/**
 * Linux names and paths are bytes, not characters. Inside kernel and file systems they are *byte strings*: JavaScript strings whose
 * char codes are 0-255, one per byte, so that nothing is lost and comparison is exact. UTF-8 happens only at the borders to people.
 */
export type ByteString = string;

const decoder = new TextDecoder('latin1');

/** Bytes as a byte string. */
export function fromBytes(bytes: Uint8Array): ByteString {
  // TextDecoder's latin1 is windows-1252, which changes 0x80-0x9f: only take it for pure ASCII.
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! >= 0x80) return fromHighBytes(bytes);
  }
  return decoder.decode(bytes);
}

/** Up to so many bytes it's faster to add up characters than to call a decoder. */
const shortText = 40;

/** Bytes from `start` to `end` (exclusive) as a byte string, without a view of them where they are few. */
export function fromRange(bytes: Uint8Array, start: number, end: number): ByteString {
  if (end - start > shortText) return fromBytes(bytes.subarray(start, end));
  let text = '';
  let at = start;
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!, bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!);
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

/** Texts that come again and again, such as paths: the string that was made for the same bytes before, whose hash is known. */
export class ByteStringCache {
  readonly #texts: ByteString[] = new Array<ByteString>(1024).fill('');

  /** Bytes from `start` to the first NUL before `end`; undefined when there is none in as many bytes as are kept. */
  untilNul(bytes: Uint8Array, start: number, end: number): ByteString | undefined {
    const last = Math.min(end, start + 256);
    let hash = 0;
    let at = start;
    for (; at < last; at++) {
      const byte = bytes[at]!;
      if (byte === 0) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (at === last) return undefined;
    const slot = (hash ^ (hash >>> 10) ^ (hash >>> 20)) & 1023;
    const known = this.#texts[slot]!;
    if (known.length === at - start && matches(known, bytes, start)) return known;
    return (this.#texts[slot] = fromRange(bytes, start, at));
  }
}

function matches(text: ByteString, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function fromHighBytes(bytes: Uint8Array): ByteString {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/** A byte string as bytes. */
export function toBytes(text: ByteString): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** What a person reads, as a byte string (UTF-8). */
export function fromText(text: string): ByteString {
  return fromBytes(new TextEncoder().encode(text));
}

/** A byte string as a person reads it; invalid UTF-8 becomes U+FFFD. */
export function toText(bytes: ByteString): string {
  return new TextDecoder().decode(toBytes(bytes));
}
