import { imageRef, publicDomain } from '@quarry/content';
import type { ImageCatalog, ImageHash, ImageRef, PackStore, Signer } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import { createSeededRandom, createVirtualClock, silentLogger } from '@quarry/runtime';
import type { Logger, Random, VirtualClock } from '@quarry/runtime';
import { ingestImage } from '../../src/index.ts';
import type { IngestResult } from '../../src/index.ts';
import { createPublisher } from './publisher.ts';
import { streamOf } from './streams.ts';

/** What a node has around the functions of this package, in memory. */
export interface TestNode {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly signer: Signer;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly logger: Logger;
}

export const anyRef: ImageRef = imageRef('noble.img');

export function createTestNode(): TestNode {
  return {
    store: createMemoryPackStore(),
    catalog: createMemoryImageCatalog(),
    signer: createPublisher(),
    clock: createVirtualClock(),
    random: createSeededRandom(1),
    logger: silentLogger,
  };
}

export function ingestBytes(
  node: TestNode,
  bytes: Uint8Array,
  options: {
    readonly ref?: ImageRef;
    readonly hash?: ImageHash['algorithm'];
    readonly lengths?: readonly number[];
  } = {},
): Promise<IngestResult> {
  const { ref = anyRef, hash, lengths } = options;
  return ingestImage(node, {
    ref,
    domain: publicDomain,
    bytes: streamOf(bytes, lengths),
    imageBytes: bytes.length,
    hash,
  });
}
