import { expect, test } from 'vitest';
import { visibilities } from '../../src/glance/visibility.ts';
import { smallStorm } from '../support/small-storm.ts';

const image = (...packs: readonly number[]) => ({
  name: 'x',
  runs: packs.map((pack) => ({ pack, firstChunk: 0, chunkCount: 1 })),
});
const unshelve = (host: number, index: number) => ({ host, image: index, atMs: 0 });

test('a base is everybody’s, what was made of it a project’s', () => {
  const images = [image(0), image(0, 1), image(0, 2)];
  const unshelves = [unshelve(0, 1), unshelve(1, 2)];
  expect(visibilities({ ...smallStorm(), images, unshelves })).toEqual(['public', 'private', 'private']);
});

test('what more than one unshelve takes is everybody’s', () => {
  const images = [image(0), image(1)];
  const unshelves = [unshelve(0, 0), unshelve(1, 0), unshelve(1, 1)];
  expect(visibilities({ ...smallStorm(), images, unshelves })).toEqual(['public', 'private']);
});
