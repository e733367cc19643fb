import { ContentError } from './content-error.ts';
import type { ContentErrorOptions } from './content-error.ts';

/** `ignoreBOM` keeps a byte order mark as the character it is; dropped, two byte strings would read as one text. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads canonical bytes front to back. Everything that is not there, not minimal or left over is CONTENT_MALFORMED and names the
 * offset; a count is checked against its limit and against the bytes that are left before anybody allocates by it.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** What is being read, for messages: `pack descriptor`. */
  readonly what: string;
  at: number;

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.what = what;
    this.at = 0;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw this.malformed('ends too early');
    this.at += 1;
    return value;
  }

  /** Little-endian, like every fixed-width number of the format. */
  u16(): number {
    const low = this.u8();
    return low | (this.u8() << 8);
  }

  u24(): number {
    const low = this.u16();
    return low | (this.u8() << 16);
  }

  /** Unsigned LEB128 up to 2^53 - 1, in its only shortest form. */
  varint(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let scale = 0x80; ; scale *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw this.malformed('has a number over 2^53 - 1');
      if (byte >= 0x80) continue;
      if (byte === 0) throw this.malformed('has a number that is longer than it must be');
      return value;
    }
  }

  /** A count of things of at least `itemBytes` each, at most `limit`; checked before anyone allocates for them. */
  count(name: string, limit: number, itemBytes: number): number {
    const value = this.varint();
    if (value > limit) {
      throw new ContentError(
        'CONTENT_TOO_LARGE',
        `${this.what} declares ${value} ${name}, over the limit of ${limit}`,
        {
          details: { what: this.what, declared: value, limit },
        },
      );
    }
    if (value * itemBytes > this.remaining) throw this.malformed(`declares ${value} ${name} and ends too early`);
    return value;
  }

  /** A view, not a copy. */
  view(length: number): Uint8Array {
    if (length > this.remaining) throw this.malformed('ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** `slice` of a Buffer would be a view. */
  copy(length: number): Uint8Array {
    return new Uint8Array(this.view(length));
  }

  /** One length byte, then so many bytes of UTF-8; ill-formed UTF-8 is malformed. */
  text(): string {
    const view = this.view(this.u8());
    try {
      return UTF8.decode(view);
    } catch (cause) {
      throw this.malformed('has text that is not UTF-8', { cause });
    }
  }

  magic(expected: string): void {
    for (let i = 0; i < expected.length; i += 1) {
      if (this.u8() !== expected.charCodeAt(i)) throw this.malformed(`does not begin with "${expected}"`);
    }
  }

  /** Runs a check that throws another error on a bad value, such as `domain()`. */
  checked<T>(check: () => T): T {
    try {
      return check();
    } catch (cause) {
      throw this.malformed(`has a bad value: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }

  end(): void {
    if (this.remaining > 0) throw this.malformed(`has ${this.remaining} bytes after its end`);
  }

  malformed(problem: string, options: ContentErrorOptions = {}): ContentError {
    return new ContentError('CONTENT_MALFORMED', `${this.what} ${problem} (at byte ${this.at})`, {
      ...options,
      details: { what: this.what, at: this.at, bytes: this.bytes.length, ...options.details },
    });
  }
}

/** Refuses over-long input before anything is read of it. */
export function checkEncodedBytes(what: string, bytes: Uint8Array, limit: number): void {
  if (bytes.length <= limit) return;
  throw new ContentError('CONTENT_TOO_LARGE', `${what} has ${bytes.length} bytes, over the limit of ${limit}`, {
    details: { what, declared: bytes.length, limit },
  });
}
