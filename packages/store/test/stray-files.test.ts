import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { samplePack } from '@quarry/content/conformance';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { descriptorFile } from '../src/pack-paths.ts';
import { findStrayFiles } from '../src/stray-files.ts';

let root: string;
let directory: { readonly packs: string; readonly stages: string };
const { id } = samplePack({ seed: 1 }).descriptor;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'quarry-strays-'));
  directory = { packs: join(root, 'packs'), stages: join(root, 'stages') };
  await mkdir(dirname(descriptorFile(directory.packs, id)), { recursive: true });
  await writeFile(descriptorFile(directory.packs, id), 'x');
});
afterEach(() => rm(root, { recursive: true, force: true }));

test('a file of a pack that nobody knows is a stray', async () => {
  const uses = {
    isPack: () => false,
    isStage: () => false,
    whileUnknown: (_: string, work: () => Promise<void>) => work(),
  };
  expect(await findStrayFiles(directory, uses)).toEqual([{ path: descriptorFile(directory.packs, id), pack: id }]);
});

test('a pack that was evicted when it was asked for, and is added again a moment later, has no stray files', async () => {
  let isKnown = false;
  const uses = {
    isPack: () => {
      const answer = isKnown;
      isKnown = true; // added right after the answer
      return answer;
    },
    isStage: () => false,
    whileUnknown: async (_: string, work: () => Promise<void>) => {
      if (!isKnown) await work();
    },
  };
  expect(await findStrayFiles(directory, uses)).toEqual([]);
});
