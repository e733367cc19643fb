import type { Manifest, PackDescriptor, PackId, PackStore, Swarm } from '@quarry/content';
import { createSemaphore } from '@quarry/runtime';
import type { Clock, Random } from '@quarry/runtime';
import { askPatiently } from './ask-peers.ts';
import { ImageError } from './image-error.ts';
import { imageDefaults } from './options.ts';

/**
 * The descriptors of all packs of an image, from this host or from peers. Those of peers are not added to the store yet: who asked has not checked
 * them against the manifest. @throws ImageError IMAGE_UNKNOWN_PARTS
 */
export async function getDescriptors(
  deps: {
    readonly store: Pick<PackStore, 'findPack'>;
    readonly swarm: Pick<Swarm, 'findDescriptor'>;
    readonly clock: Clock;
    readonly random: Random;
  },
  manifest: Manifest,
  options: { readonly patienceMs: number; readonly signal?: AbortSignal | undefined },
): Promise<ReadonlyMap<PackId, PackDescriptor>> {
  const { store, swarm } = deps;
  const semaphore = createSemaphore(imageDefaults.concurrentFinds);
  const stop = new AbortController(); // the first that is nowhere ends the search for the others
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const getOne = async (pack: PackId): Promise<PackDescriptor> => {
    const here = await store.findPack(pack, { signal });
    const secret = manifest.secrets.get(pack);
    const ask = (): Promise<PackDescriptor | undefined> => swarm.findDescriptor(pack, { secret, signal });
    const found = here ?? (await askPatiently(deps, ask, { patienceMs: options.patienceMs, signal }));
    if (found) return found;
    const message = `nobody who is connected knows pack ${pack} of manifest ${manifest.id}: try again when more nodes are up`;
    throw new ImageError('IMAGE_UNKNOWN_PARTS', message, { details: { pack, manifest: manifest.id }, canRetry: true });
  };
  const searches = manifest.packs.map((pack) => semaphore.run(() => getOne(pack), { signal }));
  try {
    const descriptors = await Promise.all(searches);
    return new Map(descriptors.map((descriptor) => [descriptor.id, descriptor]));
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(searches);
    throw error;
  }
}
