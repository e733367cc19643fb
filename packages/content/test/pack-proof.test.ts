import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkPackProof, makePackProof } from '../src/pack-proof.ts';

const secretArb = fc.uint8Array({ minLength: 32, maxLength: 32 });
const peerArb = fc.string({ unit: fc.constantFrom('1', '2', 'D', 'K'), minLength: 1, maxLength: 6 });
const peersArb = fc.record({ asker: peerArb, server: peerArb });
const secret = new Uint8Array(32).fill(7);

test('a proof is good for the secret and the two peers it was made for, and for nothing else', () => {
  fc.assert(
    fc.property(secretArb, peersArb, secretArb, peersArb, (mine, peers, other, others) => {
      const proof = makePackProof(mine, peers);
      const isSame =
        Buffer.compare(mine, other) === 0 && peers.asker === others.asker && peers.server === others.server;
      expect(checkPackProof(proof, mine, peers)).toBe(true);
      expect(checkPackProof(proof, other, others)).toBe(isSame);
      expect(checkPackProof(proof, other, peers)).toBe(Buffer.compare(mine, other) === 0);
    }),
  );
});

test('the two peers cannot change places, nor lend each other a letter', () => {
  const proof = makePackProof(secret, { asker: 'ab', server: 'c' });
  expect(checkPackProof(proof, secret, { asker: 'c', server: 'ab' })).toBe(false);
  expect(checkPackProof(proof, secret, { asker: 'a', server: 'bc' })).toBe(false);
});

test('a proof with any bit flipped, of another length, or none at all is refused', () => {
  const peers = { asker: 'a', server: 'b' };
  const proof = makePackProof(secret, peers);
  expect(proof.length).toBe(32);
  for (let bit = 0; bit < 256; bit += 1) {
    const flipped = proof.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(checkPackProof(flipped, secret, peers)).toBe(false);
  }
  for (const other of [undefined, proof.subarray(1), new Uint8Array(0), Buffer.concat([proof, Buffer.of(0)])]) {
    expect(checkPackProof(other, secret, peers)).toBe(false);
  }
});

test('a secret that is none and a peer without a name are mistakes of the caller', () => {
  expect(() => makePackProof(secret.subarray(1), { asker: 'a', server: 'b' })).toThrow(TypeError);
  expect(() => makePackProof(secret, { asker: '', server: 'b' })).toThrow(TypeError);
  expect(() => makePackProof(secret, { asker: 'a', server: 'x'.repeat(256) })).toThrow(TypeError);
});
