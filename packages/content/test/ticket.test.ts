import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ContentError } from '../src/content-error.ts';
import { manifestIdFrom } from '../src/ids.ts';
import { decodeTicket, encodeTicket, signTicket, verifyTicket } from '../src/ticket.ts';
import type { Ticket } from '../src/ticket.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const signer = {
  publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)),
  sign: async (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey)),
};
const ticket = await signTicket(
  { manifest: manifestIdFrom(new Uint8Array(32).fill(7)), bearer: '12D3KooWA', expiresAtMs: 1_750_000_000_000 },
  signer,
);

test('a ticket is itself again after it was bytes, and verifies', () => {
  const decoded = decodeTicket(encodeTicket(ticket));
  expect(decoded).toEqual(ticket);
  expect(() => verifyTicket(decoded)).not.toThrow();
});

test('a ticket of which anything was changed does not verify', () => {
  const changes: Partial<Ticket>[] = [
    { manifest: manifestIdFrom(new Uint8Array(32).fill(8)) },
    { bearer: '12D3KooWB' },
    { expiresAtMs: ticket.expiresAtMs + 1 },
    { signature: new Uint8Array(64) },
    { signer: new Uint8Array(32).fill(9) },
    { signer: new Uint8Array(31) },
  ];
  for (const change of changes) {
    const code = codeOf(() => verifyTicket({ ...ticket, ...change }));
    expect(code).toBe('CONTENT_BAD_SIGNATURE');
  }
});

test('bytes that are cut off, changed or longer are malformed, or the bytes of another ticket', () => {
  const bytes = encodeTicket(ticket);
  for (let length = 0; length < bytes.length; length += 1) {
    expect(codeOf(() => decodeTicket(bytes.subarray(0, length)))).toBe('CONTENT_MALFORMED');
  }
  expect(codeOf(() => decodeTicket(Buffer.concat([bytes, Uint8Array.of(0)])))).toBe('CONTENT_MALFORMED');
  expect(codeOf(() => decodeTicket(new Uint8Array(4096)))).toBe('CONTENT_TOO_LARGE');
  fc.assert(
    fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      const flipped = new Uint8Array(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      let other: Ticket | undefined;
      const code = codeOf(() => (other = decodeTicket(flipped)));
      if (code !== undefined) expect(code).toBe('CONTENT_MALFORMED');
      else expect(codeOf(() => verifyTicket(other as Ticket))).toBe('CONTENT_BAD_SIGNATURE');
    }),
  );
});

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof ContentError) return error.code;
    throw error;
  }
}
