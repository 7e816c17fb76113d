/** AES, PCLMULQDQ, SHA. Everything is a helper: rounds are too large to be written inline. */
import { callValue } from '../wasm/code.ts';
import type { V128 } from '../wasm/values.ts';
import type { Description, Descriptions } from './contract.ts';

/** `dst` from `dst` and `src` by a helper (v128, v128) -> v128. */
const both = (helper: string): Description => ({ dst, src, helpers }) => {
  const b = src.readV128(), a = dst.readV128();
  dst.writeV128(callValue(helpers.get<'v128'>(helper), a, b));
};

/** The same with an immediate. */
const withImmediate = (helper: string): Description => ({ dst, src, src2, helpers }) => {
  const b = src.readV128(), a = dst.readV128();
  dst.writeV128(callValue(helpers.get<'v128'>(helper), a, b, src2.read().i32));
};

/** AESKEYGENASSIST: RCON goes to the upper two rotated words. */
const aesKeygenAssist: Description = ({ code, dst, src, src2, helpers }) => {
  const substituted: V128 = code.let(callValue(helpers.get<'v128'>('aesSubBytes'), src.readV128()));
  const words = substituted.shuffle(substituted, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
  const rcon = src2.read().i32.toI64U().shl(32);
  const r = code.let(words);
  dst.writeV128(r.replace64(0, r.extract64(0).xor(rcon)).replace64(1, r.extract64(1).xor(rcon)));
};

export const sseCrypto: Descriptions = {
  AESENC: both('aesenc'), AESENCLAST: both('aesenclast'), AESDEC: both('aesdec'), AESDECLAST: both('aesdeclast'),
  AESIMC: ({ dst, src, helpers }) => dst.writeV128(callValue(helpers.get<'v128'>('aesimc'), src.readV128())),
  AESKEYGENASSIST: aesKeygenAssist,
  PCLMULQDQ: withImmediate('pclmulqdq'),
  SHA1RNDS4: withImmediate('sha1rnds4'),
  SHA1NEXTE: both('sha1nexte'), SHA1MSG1: both('sha1msg1'), SHA1MSG2: both('sha1msg2'),
  SHA256RNDS2: ({ dst, src, registers, helpers }) => {
    const b = src.readV128(), a = dst.readV128();
    dst.writeV128(callValue(helpers.get<'v128'>('sha256rnds2'), a, b, registers.readXmm(0)));
  },
  SHA256MSG1: both('sha256msg1'), SHA256MSG2: both('sha256msg2'),
};
