/** Paths as the host writes them (protocol.ts, VmPath) and as the kernel has them (byte strings). */
import { toBytes, type ByteString } from '../lib/byteString.ts';

// A byte that isn't valid UTF-8 stands as this character plus its distance from 0x80, so that it survives a URI.
const escapeBase = 0xef80;

/** Host text to bytes. */
export function fromHostPath(path: string): ByteString {
  let bytes = '';
  const encoder = new TextEncoder();
  for (const character of path) {
    const code = character.codePointAt(0)!;
    if (code >= escapeBase && code < escapeBase + 0x80) {
      bytes += String.fromCharCode(code - escapeBase + 0x80);
    } else {
      for (const byte of encoder.encode(character)) bytes += String.fromCharCode(byte);
    }
  }
  return bytes;
}

/** Bytes to host text: valid UTF-8 as it reads, any other byte escaped. */
export function toHostPath(name: ByteString): string {
  const bytes = toBytes(name);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return decodePiecewise(bytes);
  }
}

function decodePiecewise(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    let length = Math.min(4, bytes.length - at);
    for (; length > 0; length--) {
      try {
        const piece = decoder.decode(bytes.subarray(at, at + length));
        if ([...piece].length !== 1) continue;
        text += piece;
        break;
      } catch {
        // Not a whole character: try a shorter one.
      }
    }
    if (length === 0) text += String.fromCharCode(escapeBase + bytes[at]! - 0x80);
    at += Math.max(1, length);
  }
  return text;
}
