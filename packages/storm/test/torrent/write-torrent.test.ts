import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { bencode } from '../../src/torrent/bencode.ts';
import { writeTorrent } from '../../src/torrent/write-torrent.ts';

it('describes a file by the SHA-1 of each 256 KiB, also of a last piece that is shorter', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-torrent-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const image = randomBytes(2 * 2 ** 18 + 5);
  await writeFile(join(directory, 'image'), image);
  await writeTorrent(join(directory, 'image'), join(directory, 'torrent'), 'http://127.0.0.1/announce');
  const pieces = [0, 1, 2].map((i) =>
    createHash('sha1')
      .update(image.subarray(i * 2 ** 18, (i + 1) * 2 ** 18))
      .digest(),
  );
  expect(await readFile(join(directory, 'torrent'))).toEqual(
    bencode({
      announce: 'http://127.0.0.1/announce',
      info: {
        length: image.length,
        name: 'image',
        'piece length': 2 ** 18,
        pieces: Buffer.concat(pieces),
        private: 1,
      },
    }),
  );
});

it('writes dictionaries in the order of their keys, and all else as it stands', () => {
  expect(bencode({ b: [1, 'two'], a: -3, 'a b': Buffer.from([0xff]) }).toString('latin1')).toBe(
    'd1:ai-3e3:a b1:\u00ff1:bli1e3:twoee',
  );
});
