import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, systemRandom } from '@quarry/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { generateClusterKey, loadClusterKey, parseClusterKey, saveClusterKey } from '../../src/network/cluster-key.ts';

const PREFIX = 'quarry-cluster-key-v1:';
const good = generateClusterKey(createSeededRandom(1));
const encoded = (bytes: Uint8Array): string => `${PREFIX}${Buffer.from(bytes).toString('base64url')}`;
const made: string[] = [];
const temporary = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-key-'));
  made.push(directory);
  return directory;
};

afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true }))));

describe('a cluster key', () => {
  test('is one line of text; the same line gives the same secret, white space around it does not matter', () => {
    expect(good).toMatch(/^quarry-cluster-key-v1:[A-Za-z0-9_-]{43}$/);
    expect(parseClusterKey(`\n ${good}\r\n`)).toEqual(parseClusterKey(good));
  });

  test('differs from every other in secret and fingerprint', () => {
    const keys = Array.from({ length: 50 }, () => parseClusterKey(generateClusterKey(systemRandom)));
    expect(new Set(keys.map(({ fingerprint }) => fingerprint)).size).toBe(50);
    expect(new Set(keys.map(({ handshakeSecret }) => Buffer.from(handshakeSecret).toString('hex'))).size).toBe(50);
    expect(keys.every(({ handshakeSecret }) => handshakeSecret.byteLength === 32)).toBe(true);
  });

  test('does not print itself', () => {
    const letters = good.slice(PREFIX.length);
    expect(JSON.stringify(parseClusterKey(good))).not.toContain(letters);
    const raw = Buffer.from(letters, 'base64url');
    expect(Buffer.from(parseClusterKey(good).handshakeSecret).equals(raw)).toBe(false);
  });

  test.for([
    ['nothing', ''],
    ['a password', 'correct horse battery staple'],
    ['another version', good.replace('v1', 'v2')],
    ['letters that are not base64url', `${good.slice(0, -2)}+/`],
    ['a key cut off by one letter', good.slice(0, -1)],
    ['a key with two lines', `${good}\n${good}`],
    ['31 bytes', encoded(systemRandom.bytes(31))],
    ['129 bytes', encoded(systemRandom.bytes(129))],
    ['one byte 32 times', encoded(new Uint8Array(32).fill(7))],
    ['a word repeated', encoded(Buffer.from('password'.repeat(4)))],
  ] as const)('is not %s, and the message does not quote it', ([, text]) => {
    let error: unknown;
    try {
      parseClusterKey(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'SWARM_BAD_IDENTITY' });
    if (text.length > PREFIX.length) expect(String(error)).not.toContain(text.slice(PREFIX.length));
  });
});

describe('a cluster key file', () => {
  test('is readable by its owner only and gives back the key that was saved', async () => {
    const path = join(await temporary(), 'deep', 'cluster.key');
    await saveClusterKey(path, good);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await loadClusterKey(path)).toEqual(parseClusterKey(good));
    expect(await readdir(join(path, '..'))).toEqual(['cluster.key']);
  });

  test('is never overwritten', async () => {
    const path = join(await temporary(), 'cluster.key');
    await saveClusterKey(path, good);
    const again = saveClusterKey(path, generateClusterKey(systemRandom));
    await expect(again).rejects.toMatchObject({ code: 'SWARM_BAD_IDENTITY', details: { path } });
    expect(await readFile(path, 'utf8')).toBe(`${good}\n`);
  });

  test('that is missing, malformed or open to others gives an error that names it', async () => {
    const folder = await temporary();
    const missing = join(folder, 'missing');
    await expect(loadClusterKey(missing)).rejects.toMatchObject({
      code: 'SWARM_BAD_IDENTITY',
      message: expect.stringContaining(missing),
    });
    const malformed = join(folder, 'malformed');
    await writeFile(malformed, 'hello', { mode: 0o600 });
    await expect(loadClusterKey(malformed)).rejects.toThrow(malformed);
    const open = join(folder, 'open');
    await writeFile(open, good, { mode: 0o644 });
    await expect(loadClusterKey(open)).rejects.toThrow(/chmod 640/);
    const large = join(folder, 'large');
    await writeFile(large, good.repeat(200), { mode: 0o600 });
    await expect(loadClusterKey(large)).rejects.toThrow(/Is the path right/);
    await expect(loadClusterKey(folder)).rejects.toMatchObject({ code: 'SWARM_BAD_IDENTITY' });
  });
});
