import {
  createManifestBuilder,
  digestOf,
  domain,
  fixed64k,
  imageKeyOf,
  imageRef,
  packIdFrom,
  publicDomain,
  signImageRecord,
} from '@quarry/content';
import type { Domain, ImageKey, ImageRecord, Manifest, Signer } from '@quarry/content';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { peerOfPublicKey } from '../../src/network/peer-identity.ts';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import { createMemoryWorld } from '../swarm/memory-world.ts';
import type { MemoryWorld, NodeChoice, TestNode } from '../swarm/memory-world.ts';

export const project: Domain = domain('project:p1');

export interface MemberNode extends TestNode {
  readonly signer: Signer;
  /** Images of which it was told that they are gone. */
  readonly withdrawn: ImageKey[];
}

export interface TestImage {
  readonly key: ImageKey;
  readonly manifest: Manifest;
  readonly domain: Domain;
}

/** A key that is always the same for the same number. */
export function signerOf(seed: number): Signer {
  const der = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    digestOf(Buffer.from(`signer ${seed}`)),
  ]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    publicKey: new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32)),
    sign: async (bytes) => new Uint8Array(sign(null, bytes, key)),
  };
}

/** An image of zeros, of so many chunks, and one chunk of each of so many public packs; `version` gives it another hash. */
export function imageOf(
  name: string,
  choice: { chunks?: number; packs?: number; version?: number; domain?: Domain } = {},
): TestImage {
  const { chunks = 1, packs = 0, version = 0, domain: owner = project } = choice;
  const builder = createManifestBuilder({ domain: owner, cutter: fixed64k });
  builder.addZeros(chunks * 65_536);
  for (let i = 0; i < packs; i += 1) builder.addChunk(packIdFrom(digestOf(Buffer.from(`pack ${i}`))), 0, 65_536);
  const value = Buffer.from(digestOf(Buffer.from(`${name} ${version}`))).toString('hex');
  const manifest = builder.build({ hash: { algorithm: 'sha256', value } });
  const key = imageKeyOf({ ref: imageRef(name), imageBytes: manifest.imageBytes, hash: manifest.hash });
  if (!key) throw new TypeError('the manifest has a hash');
  return { key, manifest, domain: owner };
}

export const publicImageOf = (name: string): TestImage => imageOf(name, { domain: publicDomain });

export function recordOf(image: TestImage, signer: Signer, publishedAtMs: number = 1000): Promise<ImageRecord> {
  const { key, manifest } = image;
  return signImageRecord({ ...key, domain: image.domain, manifest: manifest.id, publishedAtMs }, signer);
}

/** A cluster in one process whose members have keys, as those of a real network do. */
export interface PrivateWorld extends Omit<MemoryWorld, 'add'> {
  add(choice?: NodeChoice & { readonly seed?: number }): Promise<MemberNode>;
  /** The node has made the image: manifest and record are in its catalog. */
  publish(node: MemberNode, image: TestImage): Promise<ImageRecord>;
  /** It has fetched it from whoever published the record. */
  keep(node: TestNode, image: TestImage, record: ImageRecord): Promise<void>;
  /** With the image's key, as who has asked Glance. */
  find(node: TestNode, key: ImageKey): Promise<readonly ImageRecord[]>;
  manifest(node: TestNode, image: TestImage): Promise<Manifest | undefined>;
}

export function createPrivateWorld(seed: number, gossipLoss = 0): PrivateWorld {
  const world = createMemoryWorld(seed, { gossipLoss });
  let members = 0;
  return {
    ...world,
    async add({ seed: chosen, ...choice } = {}) {
      members += 1;
      const signer = signerOf(chosen ?? seed * 1000 + members);
      const withdrawn: ImageKey[] = [];
      const options: ChosenSwarmOptions = {
        onWithdrawn: (ref, key) => {
          if (key.ref !== ref) throw new TypeError('the key is of another image');
          withdrawn.push(key);
        },
        ...choice.options,
      };
      const node = await world.add(peerOfPublicKey(signer.publicKey), { ...choice, signer, options });
      return { ...node, signer, withdrawn };
    },
    async publish(node, image) {
      const record = await recordOf(image, node.signer);
      await node.catalog.putManifest(image.manifest);
      await node.catalog.putRecord(record);
      return record;
    },
    async keep(node, image, record) {
      await node.catalog.putManifest(image.manifest);
      await node.catalog.putRecord(record);
    },
    find: (node, { ref, imageBytes, hash }) => world.until(node.swarm.findRecords(ref, { imageBytes, hash }), 40_000),
    manifest: (node, image) => world.until(node.swarm.findManifest(image.manifest.id), 40_000),
  };
}
