const FIRST_BYTES = 256;

/** Writes what ByteReader reads. Grows by doubling; `finish` gives exactly the bytes written. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(expectedBytes: number = FIRST_BYTES) {
    this.#bytes = new Uint8Array(expectedBytes);
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.u8(value & 0xff);
    this.u8(value >>> 8);
  }

  u24(value: number): void {
    this.u16(value & 0xffff);
    this.u8(value >>> 16);
  }

  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new TypeError(`not a whole number from 0 to 2^53 - 1: ${value}`);
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** One length byte, then UTF-8. */
  text(text: string): void {
    const bytes = Buffer.from(text);
    if (bytes.length > 255) throw new TypeError(`text of ${bytes.length} bytes does not fit one length byte`);
    this.u8(bytes.length);
    this.raw(bytes);
  }

  magic(text: string): void {
    this.raw(Buffer.from(text, 'latin1'));
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
