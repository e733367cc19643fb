/** Brings images to nodes before anybody asks for them: asks members to hold them, and watches until they do. */
import type { ImageRecord, Manifest } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import type { Cancellable } from '../daemon.ts';
import { DaemonError } from '../daemon-error.ts';
import { chooseTargets } from './choose-holders.ts';
import type { HolderCandidate, PrefetchTargets } from './choose-holders.ts';
import type { HeldState, HoldAnswer } from './held-images.ts';

export interface PrefetchRequest extends PrefetchTargets {
  readonly images: readonly string[];
}

/** One image on one node. */
export interface PrefetchedNode {
  readonly image: string;
  readonly peer: string;
  readonly zone: string;
  readonly state: 'asked' | HeldState['kind'] | 'refused' | 'unreachable';
  readonly wantedBytes: number;
  readonly presentBytes: number;
  readonly reason?: string | undefined;
}

/** Of an image's chunks, plain bytes: the part that is on the nodes asked, all together and for each zone, 0 to 1. */
export interface Coverage {
  readonly image: string;
  readonly all: number;
  readonly zones: Readonly<Record<string, number>>;
}

export interface PrefetchReport {
  readonly nodes: readonly PrefetchedNode[];
  readonly coverage: readonly Coverage[];
}

export interface PrefetchDeps {
  readonly members: () => readonly HolderCandidate[];
  readonly askToHold: (
    peer: string,
    image: { readonly record: ImageRecord; readonly manifest: Manifest; readonly withChunks: boolean },
    waiting: Cancellable,
  ) => Promise<HoldAnswer>;
  readonly holdStatus: (peer: string, manifest: Manifest['id'], waiting: Cancellable) => Promise<HeldState | undefined>;
  /** What an image is made of, from here or from members. */
  readonly find: (
    image: string,
    waiting: Cancellable,
  ) => Promise<{ readonly record: ImageRecord; readonly manifest: Manifest }>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_EVERY_MS = 1000;
/** A node that answers nothing for so long is given up. */
const PATIENCE_MS = 30_000;

/**
 * Resolves when every node has what it was asked for, refused, failed or fell silent. Asking again goes on where it was: nodes keep what they have. A caller
 * who leaves stops watching, not the nodes.
 * @throws DaemonError DAEMON_BAD_REQUEST for a node or zone that no member is called, DAEMON_IMAGE_NOT_FOUND
 */
export async function prefetchImages(
  deps: PrefetchDeps,
  request: PrefetchRequest,
  options: Cancellable & { readonly onProgress: (report: PrefetchReport) => void },
): Promise<PrefetchReport> {
  const { signal } = options;
  const found = await Promise.all(request.images.map((image) => deps.find(image, { signal })));
  const members = deps.members();
  const states: Watched[] = [];
  for (const image of found) {
    const { chosen, unknown } = chooseTargets(members, request, image.record.ref);
    if (unknown.length > 0)
      throw new DaemonError(
        'DAEMON_BAD_REQUEST',
        `no member is called, and no zone of one, ${unknown.join(', ')}; the nodes that are there: ${members.map(({ peer, zone }) => `${peer} (${zone})`).join(', ')}`,
        { details: { unknown } },
      );
    for (const target of chosen)
      states.push({ image, target, node: begun(image.record, target), heardMs: deps.clock.now() });
  }
  const report = (): PrefetchReport => ({
    nodes: states.map(({ node }) => node),
    coverage: coverageOf(states.map(({ node }) => node)),
  });
  await Promise.all(states.map((watched) => ask(deps, watched, signal)));
  for (;;) {
    options.onProgress(report());
    const open = states.filter(({ node }) => node.state === 'asked' || node.state === 'fetching');
    if (open.length === 0) return report();
    await deps.clock.sleep(LOOK_EVERY_MS, { signal });
    await Promise.all(open.map((watched) => look(deps, watched, signal)));
  }
}

interface Watched {
  readonly image: { readonly record: ImageRecord; readonly manifest: Manifest };
  readonly target: HolderCandidate;
  node: PrefetchedNode;
  heardMs: number;
}

function begun(record: ImageRecord, { peer, zone }: HolderCandidate): PrefetchedNode {
  return { image: record.ref, peer, zone, state: 'asked', wantedBytes: record.imageBytes, presentBytes: 0 };
}

async function ask(deps: PrefetchDeps, watched: Watched, signal: AbortSignal | undefined): Promise<void> {
  try {
    const answer = await deps.askToHold(watched.target.peer, { ...watched.image, withChunks: true }, { signal });
    if (answer.kind === 'refused') watched.node = { ...watched.node, state: 'refused', reason: answer.reason };
  } catch (error) {
    signal?.throwIfAborted();
    watched.node = { ...watched.node, state: 'unreachable', reason: errorCode(error) ?? String(error) };
  }
}

async function look(deps: PrefetchDeps, watched: Watched, signal: AbortSignal | undefined): Promise<void> {
  const { target, image } = watched;
  try {
    const state = await deps.holdStatus(target.peer, image.manifest.id, { signal });
    if (state) {
      watched.heardMs = deps.clock.now();
      const { kind, ...bytes } = state;
      const reason = kind === 'failed' ? 'its log says why' : undefined;
      watched.node = { ...watched.node, ...bytes, state: kind, reason };
      return;
    }
  } catch (error) {
    signal?.throwIfAborted();
    deps.logger.debug('a node does not say how far it is', { peer: target.peer, code: errorCode(error) });
  }
  if (deps.clock.now() - watched.heardMs < PATIENCE_MS) return;
  watched.node = { ...watched.node, state: 'unreachable', reason: `silent for ${PATIENCE_MS / 1000} s` };
}

/** Pure. A node that refused or failed counts with what it has. */
export function coverageOf(nodes: readonly PrefetchedNode[]): readonly Coverage[] {
  const images = [...new Set(nodes.map(({ image }) => image))];
  const part = (of: readonly PrefetchedNode[]): number => {
    const wanted = of.reduce((sum, { wantedBytes }) => sum + wantedBytes, 0);
    const present = of.reduce((sum, { presentBytes }) => sum + presentBytes, 0);
    return wanted === 0 ? 1 : present / wanted;
  };
  return images.map((image) => {
    const of = nodes.filter((node) => node.image === image);
    const zones = [...new Set(of.map(({ zone }) => zone))].sort();
    return {
      image,
      all: part(of),
      zones: Object.fromEntries(zones.map((zone) => [zone, part(of.filter((node) => node.zone === zone))])),
    };
  });
}
