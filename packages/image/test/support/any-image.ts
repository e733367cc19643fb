import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';

const CHUNK = 65536;

interface Segment {
  readonly kind: 'zeros' | 'data' | 'again';
  readonly bytes: number;
  readonly seed: number;
}

/** Lengths at, just below and just above whole chunks, and anything between. */
const anyLength: fc.Arbitrary<number> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -2, max: 2 }))
    .map(([chunks, delta]) => Math.max(1, chunks * CHUNK + delta)),
  fc.integer({ min: 1, max: 6 * CHUNK }),
  fc.constantFrom(1, 512, CHUNK, 4 * CHUNK, 16 * CHUNK),
);

const anySegment: fc.Arbitrary<Segment> = fc.record({
  kind: fc.constantFrom('zeros' as const, 'data' as const, 'data' as const, 'again' as const),
  bytes: anyLength,
  seed: fc.integer({ min: 0, max: 7 }),
});

/**
 * Up to some 2 MiB of zeros, data, and data that occurred before; `isDisk` gives it the head of a partitioned disk and whole sectors, which the fixed cutter
 * takes, while anything else goes to the content-defined one.
 */
export const anyImage: fc.Arbitrary<Uint8Array> = fc
  .record({ segments: fc.array(anySegment, { maxLength: 8 }), isDisk: fc.boolean() })
  .map(({ segments, isDisk }) => {
    const parts = isDisk ? [diskHead()] : [];
    parts.push(...segments.map(segmentBytes));
    const bytes = Buffer.concat(parts);
    return isDisk ? Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]) : bytes;
  });

/** `bytes` bytes that no other seed gives, quickly made. */
export function noise(bytes: number, seed: number): Buffer {
  const random = createSeededRandom(seed);
  const block = Buffer.from(random.bytes(4096));
  const out = Buffer.alloc(bytes);
  for (let at = 0, turn = 0; at < bytes; at += block.length, turn += 1) {
    block.writeUInt32LE((turn * 2654435761 + seed) >>> 0, 0);
    block.copy(out, at);
  }
  return out;
}

/** One sector that ends like a master boot record. */
export function diskHead(): Buffer {
  const head = noise(512, 99);
  head[510] = 0x55;
  head[511] = 0xaa;
  return head;
}

/** A disk image of `chunks` chunks of 64 KiB, each different from any of another seed. */
export function diskImage(chunks: number, seed: number): Buffer {
  return Buffer.concat([diskHead(), noise(chunks * CHUNK - 512, seed)]);
}

function segmentBytes({ kind, bytes, seed }: Segment): Buffer {
  if (kind === 'zeros') return Buffer.alloc(bytes);
  // `again` draws from few seeds at chunk size, so that the same chunks turn up in one image.
  return kind === 'again' ? noise(2 * CHUNK, 1000 + (seed % 2)) : noise(bytes, seed + bytes);
}
