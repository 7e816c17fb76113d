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
