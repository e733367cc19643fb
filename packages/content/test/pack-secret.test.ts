import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { domain } from '../src/ids.ts';
import { packLocator, packSalt } from '../src/pack-secret.ts';

function newSigner(): { sign(bytes: Uint8Array): Promise<Uint8Array> } {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)) };
}

test('a node makes the same salt for a project each time, another for another, and other nodes make others', async () => {
  const [node, other] = [newSigner(), newSigner()];
  const [red, blue] = [domain('project:red'), domain('project:blue')];
  const salt = await packSalt(node, red);
  expect(salt.length).toBe(32);
  expect(await packSalt(node, red)).toEqual(salt);
  expect(await packSalt(node, blue)).not.toEqual(salt);
  expect(await packSalt(other, red)).not.toEqual(salt);
});

test('a locator is made of 32 bytes of secret, and is another for each', () => {
  const secrets = [0, 1, 2].map((seed) => new Uint8Array(32).fill(seed));
  expect(new Set(secrets.map(packLocator)).size).toBe(3);
  expect(() => packLocator(new Uint8Array(31))).toThrow(TypeError);
});
