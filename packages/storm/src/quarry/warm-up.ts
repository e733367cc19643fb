import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '@quarry/content';
import type { Stage } from '../contestant.ts';
import { createImageRequest, curlArguments, unshelveRequests } from '../glance/nova-requests.ts';
import type { NovaRequest } from '../glance/nova-requests.ts';
import { writeChunk } from '../images/chunk-content.ts';
import { StormError } from '../storm-error.ts';
import { curl } from './curl.ts';
import { facadeUrl } from './node-flags.ts';
import type { Cluster } from './start-cluster.ts';

/** Images that nobody asks for in the storm. */
const ROUNDS = 2;
const CHUNKS = 256;
/** Far from the numbers of a storm's own packs. */
const FIRST_PACK = 1 << 30;
const FORGOTTEN_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 500;

/**
 * Puts images into Glance that hosts can be warmed up with; resolves with their ids. From inside the origin's place, as a seeder would find them.
 * @throws StormError STORM_PART_FAILED
 */
export async function makeWarmUpImages(stage: Stage): Promise<readonly string[]> {
  const { network, glance, directory, signal } = stage;
  const { url, token } = glance;
  const ids: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const file = join(directory, `warm-up-${round}.img`);
    await writeImage(file, FIRST_PACK + round);
    const made = createImageRequest({ name: `warm-up-${round}`, instance: 'none' });
    const formats = { disk_format: 'raw', container_format: 'bare', visibility: 'public' };
    const json = { ...(made.body?.json as object), ...formats };
    const request: NovaRequest = { ...made, body: { type: 'application/json', json } };
    const where = { url, token, file, isLastShown: true };
    const answer = await curl(network.origin, curlArguments([request], where), { signal });
    const { id } = JSON.parse(answer) as { readonly id: string };
    const upload: NovaRequest = { method: 'PUT', path: `/v2/images/${id}/file`, file: 'sent' };
    await curl(network.origin, curlArguments([upload], where), { signal });
    ids.push(id);
  }
  return ids;
}

/**
 * Every host unshelves them, all at once, one image after the other, and then they are deleted: daemons on hosts have been up for weeks, while one that has
 * just started still has its code to compile: 3 CPU seconds each, of which 40 on two cores make a minute. Resolves when no host holds a chunk of them.
 * @throws StormError STORM_PART_FAILED
 */
export async function warmUp(stage: Stage, cluster: Cluster, ids: readonly string[]): Promise<void> {
  const { network, glance, clock, signal } = stage;
  const { token } = glance;
  for (const id of ids) {
    const words = curlArguments(unshelveRequests(id, { isDeleted: false }), {
      url: facadeUrl,
      token,
      file: '/dev/null',
    });
    await Promise.all(network.hosts.map((place) => curl(place, words, { signal })));
  }
  const [first] = network.hosts;
  if (!first) return;
  for (const id of ids) {
    const gone: NovaRequest = { method: 'DELETE', path: `/v2/images/${id}` };
    await curl(first, curlArguments([gone], { url: facadeUrl, token }), { signal });
  }
  // Who was still writing when it heard of the deletion may have kept some.
  const untilMs = clock.now() + FORGOTTEN_WITHIN_MS;
  const holders = new Set(cluster.nodes.filter((node) => node !== undefined));
  for (;;) {
    for (const node of holders) {
      if ((await node.client.status({ signal })).store.presentBytes === 0) holders.delete(node);
      else await node.client.gc(0, { signal });
    }
    if (holders.size === 0) return;
    if (clock.now() > untilMs) {
      const [one] = holders;
      throw new StormError(
        'STORM_PART_FAILED',
        `${holders.size} nodes still hold chunks of an image that was deleted, ${one?.name} among them`,
      );
    }
    await clock.sleep(LOOK_EVERY_MS, { signal });
  }
}

async function writeImage(path: string, pack: number): Promise<void> {
  const chunk = Buffer.alloc(limits.fixedChunkBytes);
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < CHUNKS; at += 1) {
      writeChunk(chunk, 0, { seed: 0, pack, chunk: at, content: 'random' });
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
}
