import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { privateKeyToProtobuf, generateKeyPair } from '@libp2p/crypto/keys';
import { createSeededRandom, systemRandom } from '@quarry/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { verify, createPublicKey } from 'node:crypto';
import { createIdentity, loadIdentity } from '../../src/network/identity.ts';
import { parsePeerId, peerOfPublicKey, publicKeyOfPeer } from '../../src/network/peer-identity.ts';

const made: string[] = [];
const newDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-identity-'));
  made.push(directory);
  return directory;
};
const newPath = async (): Promise<string> => join(await newDirectory(), 'state', 'identity.key');

afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true }))));

describe('an identity', () => {
  test('signs what its public key verifies, and its name is made of that key', async () => {
    const identity = await createIdentity(systemRandom);
    const message = Buffer.from('a statement');
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(identity.publicKey).toString('base64url') },
      format: 'jwk',
    });
    expect(verify(null, message, key, await identity.sign(message))).toBe(true);
    expect(publicKeyOfPeer(identity.peerId)).toEqual(identity.publicKey);
    expect(peerOfPublicKey(identity.publicKey)).toBe(identity.peerId);
    expect(parsePeerId(identity.peerId)).toBe(identity.peerId);
  });

  test('is the same for the same chance, and another for another', async () => {
    const [one, same, other] = await Promise.all([1, 1, 2].map((seed) => createIdentity(createSeededRandom(seed))));
    expect(same?.peerId).toBe(one?.peerId);
    expect(other?.peerId).not.toBe(one?.peerId);
  });

  test.for(['', 'hello', '12D3KooW', 'QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN'])('is not called %j', (text) => {
    expect(() => parsePeerId(text)).toThrow(expect.objectContaining({ code: 'SWARM_BAD_ADDRESS' }));
  });
});

describe('an identity file', () => {
  test('is made once, for its owner only, and read from then on', async () => {
    const path = await newPath();
    const made = await loadIdentity(path, systemRandom);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(path, '..'))).toEqual(['identity.key']);
    const read = await loadIdentity(path, systemRandom);
    expect(read.peerId).toBe(made.peerId);
    expect(await readFile(path)).toEqual(Buffer.from(privateKeyToProtobuf(made.privateKey)));
  });

  test('is the same for all who start at once', async () => {
    const path = await newPath();
    const all = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path, systemRandom)));
    expect(new Set(all.map(({ peerId }) => peerId)).size).toBe(1);
    expect(await readdir(join(path, '..'))).toEqual(['identity.key']);
  });

  test.for([
    ['is empty', async (path: string) => await truncate(path, 0)],
    ['was cut off', async (path: string) => await truncate(path, 40)],
    ['is something else', async (path: string) => await writeFile(path, 'not a key at all')],
    [
      'has a flipped bit',
      async (path: string) => {
        const bytes = await readFile(path);
        bytes[20] = (bytes[20] ?? 0) ^ 1;
        await writeFile(path, bytes);
      },
    ],
    [
      'holds a key of another kind',
      async (path: string) => await writeFile(path, privateKeyToProtobuf(await generateKeyPair('secp256k1'))),
    ],
    ['can be read by others', async (path: string) => await chmod(path, 0o644)],
  ] as const)('that %s is refused with its path and what to do, and left as it is', async ([, damage]) => {
    const path = await newPath();
    await loadIdentity(path, systemRandom);
    await damage(path);
    const before = await readFile(path);
    await expect(loadIdentity(path, systemRandom)).rejects.toMatchObject({
      code: 'SWARM_BAD_IDENTITY',
      message: expect.stringMatching(/restore it from a backup|chmod 600/),
      details: { path },
    });
    expect(await readFile(path)).toEqual(before);
  });

  test('that cannot be made gives an error that names it', async () => {
    const path = join(await newPath(), 'identity.key');
    const file = join(await newDirectory(), 'file');
    await writeFile(file, '');
    await expect(loadIdentity(join(file, 'identity.key'), systemRandom)).rejects.toMatchObject({
      code: 'SWARM_BAD_IDENTITY',
    });
    await expect(loadIdentity(path, systemRandom)).resolves.toBeDefined();
  });
});
