/** wasm/: writes WebAssembly modules. Knows nothing of x86, and nothing of who runs the module. */

/** A growing buffer with the encodings of the WebAssembly binary format. */
export class Bytes {
  #buffer: Uint8Array<ArrayBuffer>;
  #view: DataView | undefined;
  length = 0;

  /** `room`: bytes that will probably be needed. */
  constructor(room = 64) {
    this.#buffer = new Uint8Array(room);
  }

  /** A copy. */
  get taken(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.length);
  }

  #room(count: number): number {
    const at = this.length;
    if (at + count > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(at + count, this.#buffer.length * 4));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = undefined;
    }
    this.length = at + count;
    return at;
  }

  #viewed(): DataView {
    return this.#view ??= new DataView(this.#buffer.buffer);
  }

  u8(value: number): void {
    const at = this.length;
    if (at === this.#buffer.length) this.#room(1);
    this.#buffer[at] = value;
    this.length = at + 1;
  }

  /** Appends what another has. */
  add(other: Bytes): void {
    this.append(other.#buffer.subarray(0, other.length));
  }

  append(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Unsigned LEB128. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.u8(0x80 | rest & 0x7f);
      rest >>>= 7;
    }
    this.u8(rest);
  }

  /** Signed LEB128 of 32 bits. */
  s32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return this.u8(low);
      this.u8(low | 0x80);
    }
  }

  /** Signed LEB128 of 64 bits. */
  s64(value: bigint | number): void {
    if (typeof value === 'number') return this.#safe64(value);
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return this.u8(low);
      this.u8(low | 0x80);
    }
  }

  /** The same of a safe integer. */
  #safe64(value: number): void {
    let rest = value;
    while (rest !== (rest | 0)) {
      const next = Math.floor(rest / 128);
      this.u8(rest - next * 128 | 0x80);
      rest = next;
    }
    this.s32(rest);
  }

  f32(value: number): void {
    const at = this.#room(4);
    this.#viewed().setFloat32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#room(8);
    this.#viewed().setFloat64(at, value, true);
  }

  /** A name: length and UTF-8. */
  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.append(bytes);
  }

  /** A section or function body: its length, then its bytes. */
  sized(content: Bytes): void {
    this.u32(content.length);
    this.add(content);
  }
}
