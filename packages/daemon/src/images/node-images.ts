/** What a node does with images beside fetching and seeding them when it is told to: keeps them for others, has others keep them, forgets them. */
import { imageKeyOf, imageRef } from '@quarry/content';
import type {
  ImageCatalog,
  ImageKey,
  ImageRecord,
  ImageRef,
  Manifest,
  ManifestId,
  Origin,
  PackStore,
  Signer,
} from '@quarry/content';
import { removeImage } from '@quarry/image';
import type { Clock, Logger } from '@quarry/runtime';
import { errorCode } from '@quarry/runtime';
import { DaemonError } from '../daemon-error.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { rankHolders } from './choose-holders.ts';
import type { HeldImages } from './held-images.ts';
import type { PrefetchDeps } from './prefetch-images.ts';
import { sweepImages } from './sweep-images.ts';

/** Members, and what they hold for this node. */
export type Holding = Pick<PrefetchDeps, 'members' | 'askToHold' | 'holdStatus'>;

/** What finding and forgetting need of the swarm. */
export interface ImagesSwarm {
  withdraw(key: ImageKey): Promise<void>;
  findRecords(ref: ImageRef, waiting?: { readonly signal?: AbortSignal | undefined }): Promise<readonly ImageRecord[]>;
  findManifest(id: ManifestId, waiting?: { readonly signal?: AbortSignal | undefined }): Promise<Manifest | undefined>;
}

export interface NodeImagesDeps {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly signer: Signer;
  readonly swarm: ImagesSwarm;
  readonly holding: Holding;
  readonly held: HeldImages;
  /** Glance with a token of this node's own. */
  readonly glance: Origin | undefined;
  readonly self: { readonly peer: string; readonly zone: string };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface NodeImagesOptions {
  readonly replicas: number;
  readonly privateTtlMs: number;
}

/** Why an image is forgotten; a label of its metric. */
export type ForgetReason = 'deleted' | 'purged' | 'expired' | 'swept';

export interface NodeImages {
  /** Forgets an image on this host, and the packs that nothing else is made of; with a key only what has that size and hash. */
  forget(ref: ImageRef, why: ForgetReason, key?: ImageKey): Promise<{ readonly packs: number; readonly bytes: number }>;
  /** Has every member forget an image. One without a hash has no key, and nobody is told. */
  withdraw(record: ImageRecord): Promise<void>;
  /**
   * Of what was shelved here: has others keep it, `replicas` of them with its chunks; and seeders and two nodes what says how it is made, so that of a host
   * that dies only those chunks are lost that nobody else has.
   */
  spread(record: ImageRecord, manifest: Manifest): void;
  /** What an image is made of, as this node knows it, else as members do. */
  find(
    image: string,
    waiting: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ readonly record: ImageRecord; readonly manifest: Manifest }>;
  noteAsked(ref: ImageRef): void;
  /** Begins to look after what nobody has said to be gone. */
  start(): void;
  close(): Promise<void>;
}

interface SpreadImage {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
}

/** Nodes that know how an image is made, beside the one that made it and the seeders. */
const PART_HOLDERS = 2;
const SWEEP_EVERY_MS = 3_600_000;
const FIRST_SWEEP_MS = 600_000;
const MAX_ASKED = 65_536;

export function createNodeImages(deps: NodeImagesDeps, options: NodeImagesOptions): NodeImages {
  const { store, catalog, swarm, holding, held, clock, logger, metrics } = deps;
  const askedAtMs = new Map<ImageRef, number>();
  const closing = new AbortController();
  const startedWallMs = clock.wallMs();
  const running = new Set<Promise<void>>();
  let cancelSweep = (): void => {};

  const forget: NodeImages['forget'] = async (ref, why, key) => {
    const records = await catalog.findRecords(ref);
    const isMeant = ({ hash, imageBytes }: ImageRecord): boolean =>
      key === undefined || (hash?.value === key.hash.value && imageBytes === key.imageBytes);
    const gone = records.filter(isMeant);
    if (gone.length === 0) return { packs: 0, bytes: 0 };
    const exceptManifest = records.find((record) => !isMeant(record))?.manifest;
    for (const { manifest } of gone) held.forget(manifest);
    askedAtMs.delete(ref);
    const { packs, bytes } = await removeImage({ store, catalog }, ref, { exceptManifest });
    metrics.count('quarry_images_forgotten_total', 1, { why });
    logger.info('image forgotten', { image: ref, why, packs: packs.length, bytes });
    return { packs: packs.length, bytes };
  };
  const withdraw = async (record: ImageRecord): Promise<void> => {
    const key = imageKeyOf(record);
    if (key) await swarm.withdraw(key);
  };
  const background = (work: Promise<void>): void => {
    const done = work.finally(() => running.delete(done));
    running.add(done);
  };

  const asked = async (peer: string, image: SpreadImage, withChunks: boolean): Promise<boolean> => {
    const { signal } = closing;
    try {
      const answer = await holding.askToHold(peer, { ...image, withChunks }, { signal });
      if (answer.kind === 'accepted') return true;
      logger.info('a node does not hold an image', { image: image.record.ref, peer, reason: answer.reason });
    } catch (error) {
      if (!signal.aborted) logger.info('a node could not be asked to hold an image', { peer, code: errorCode(error) });
    }
    return false;
  };
  const spread = async (image: SpreadImage): Promise<void> => {
    const members = holding.members();
    for (const { peer, role } of members) if (role === 'seeder') await asked(peer, image, false);
    let [replicas, parts] = [options.replicas, Math.max(0, PART_HOLDERS - options.replicas)];
    for (const { peer } of rankHolders(members, deps.self, image.record.ref)) {
      if (replicas + parts === 0 || closing.signal.aborted) return;
      const withChunks = replicas > 0;
      if (!(await asked(peer, image, withChunks))) continue;
      if (withChunks) replicas -= 1;
      else parts -= 1;
    }
    if (replicas > 0 && !closing.signal.aborted)
      logger.warn('too few nodes hold an image', { image: image.record.ref, missing: replicas });
  };

  const sweep = async (): Promise<void> => {
    try {
      await sweepImages(
        {
          catalog,
          glance: deps.glance,
          publisher: deps.signer.publicKey,
          askedAtMs: (ref) => askedAtMs.get(ref),
          withdraw,
          forget: async (ref, verdict) => void (await forget(ref, verdict === 'withdraw' ? 'swept' : 'expired')),
          clock,
          logger,
        },
        { privateTtlMs: options.privateTtlMs, startedWallMs, signal: closing.signal },
      );
    } catch (error) {
      if (!closing.signal.aborted) logger.error('looking after images failed', { error });
    }
    sweepLater(SWEEP_EVERY_MS);
  };
  const sweepLater = (ms: number): void => {
    if (!closing.signal.aborted) cancelSweep = clock.after(ms, () => background(sweep()));
  };

  return {
    forget,
    withdraw,
    spread: (record, manifest) => background(spread({ record, manifest })),
    async find(image, { signal }) {
      const ref = imageRef(image);
      const here = await catalog.findRecords(ref, { signal });
      const records = here.length > 0 ? here : await swarm.findRecords(ref, { signal });
      for (const record of records) {
        const manifest =
          (await catalog.findManifest(record.manifest, { signal })) ??
          (await swarm.findManifest(record.manifest, { signal }));
        if (manifest) return { record, manifest };
      }
      throw new DaemonError(
        'DAEMON_IMAGE_NOT_FOUND',
        `neither this node nor a member it knows has an image ${JSON.stringify(image)}; seed it first, and ask where a project’s image lies: those are told to nobody`,
        { details: { image } },
      );
    },
    noteAsked(ref) {
      askedAtMs.delete(ref);
      askedAtMs.set(ref, clock.wallMs());
      for (const oldest of askedAtMs.keys()) {
        if (askedAtMs.size <= MAX_ASKED) break;
        askedAtMs.delete(oldest);
      }
    },
    start: () => sweepLater(FIRST_SWEEP_MS),
    async close() {
      closing.abort(new Error('the daemon stops'));
      cancelSweep();
      await Promise.all(running);
    },
  };
}
