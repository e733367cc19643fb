import { publicDomain, verifyImageRecord } from '@quarry/content';
import type { ImageRecord, Manifest, ManifestId } from '@quarry/content';
import type { Clock, Logger } from '@quarry/runtime';
import type { Network, PeerId } from '../ports/network.ts';
import {
  decodeHoldMessage,
  decodeHoldReply,
  encodeHoldMessage,
  encodeHoldReply,
  MAX_HOLD_ANSWER_BYTES,
} from '../protocol/hold.ts';
import type { HoldAnswer, HoldMessage, HoldReply, HoldState } from '../protocol/hold.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { SwarmError } from '../swarm-error.ts';

/** Another member asks this node to fetch the image and to keep it. The record is signed and fits the manifest; whether to trust its publisher is not decided. */
export interface HoldRequest {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  /** Whether the chunks are wanted as well, or only what says how the image is made: then descriptors are to be kept with the manifest. */
  readonly withChunks: boolean;
  readonly from: PeerId;
}

export interface HoldingOptions {
  /** Decides, and begins to fetch if it accepts: it is not waited for that. */
  readonly onHold: (request: HoldRequest) => HoldAnswer | Promise<HoldAnswer>;
  /** How far this node is with what it accepted; undefined: it holds it no longer. */
  readonly holdState: (manifest: ManifestId) => HoldState | undefined | Promise<HoldState | undefined>;
}

/** Images that are held for others, and others who hold them for this node. */
export interface Holding {
  start(): void;
  stop(): void;
  ask(peer: PeerId, image: Omit<HoldRequest, 'from'>, waiting: { readonly signal: AbortSignal }): Promise<HoldAnswer>;
  status(peer: PeerId, manifest: ManifestId, waiting: { readonly signal: AbortSignal }): Promise<HoldState | undefined>;
}

/** (image, asker) pairs that are remembered, in order of their asking. */
const MAX_ASKERS = 16_384;

export function createHolding(
  deps: {
    readonly network: Network;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly connect: (peer: PeerId, waiting: { readonly signal: AbortSignal }) => Promise<void>;
    readonly isGone: (record: ImageRecord) => boolean;
    readonly admits: (peer: PeerId) => boolean;
    readonly ban: (peer: PeerId, reason: string) => void;
  },
  options: HoldingOptions,
): Holding {
  const { network, logger } = deps;
  const askers = new Set<string>();
  let stop = (): void => {};

  const nameOf = (manifest: ManifestId, peer: PeerId): string => `${manifest} ${peer}`;
  const remember = (name: string): void => {
    askers.delete(name);
    askers.add(name);
    if (askers.size > MAX_ASKERS) for (const oldest of [...askers].slice(0, 1)) askers.delete(oldest);
  };
  const decide = async (request: HoldRequest): Promise<HoldAnswer> => {
    const { record, manifest, from } = request;
    verifyImageRecord(record);
    if (!fits(record, manifest)) return { kind: 'refused', reason: 'the record is not that of this manifest' };
    if (deps.isGone(record)) return { kind: 'refused', reason: 'the image was withdrawn' };
    const answer = await options.onHold(request);
    logger.info('asked to hold an image', { ref: record.ref, peer: from, answer: answer.kind });
    if (answer.kind === 'accepted') remember(nameOf(manifest.id, from));
    return answer;
  };
  const answer = async (peer: PeerId, bytes: Uint8Array): Promise<HoldReply> => {
    const message = decodeHoldMessage(bytes);
    if (message.kind === 'hold') {
      if (!deps.admits(peer)) return { kind: 'refused', reason: 'asked too often: later' };
      const { record, manifest, withChunks } = message;
      return decide({ record, manifest, withChunks, from: peer });
    }
    if (!askers.has(nameOf(message.manifest, peer))) return { kind: 'absent' };
    return (await options.holdState(message.manifest)) ?? { kind: 'absent' };
  };
  const exchange = async (peer: PeerId, message: HoldMessage, signal: AbortSignal): Promise<HoldReply> => {
    const bytes = encodeHoldMessage(message);
    if (bytes.length > protocolLimits.maxHoldBytes) {
      throw new SwarmError('SWARM_TOO_LARGE', 'the manifest is too large to be sent to another node', {
        details: { bytes: bytes.length, maxBytes: protocolLimits.maxHoldBytes },
      });
    }
    if (!network.peers().includes(peer)) await deps.connect(peer, { signal });
    const reply = await network.request(peer, protocols.hold, bytes, { signal, maxBytes: MAX_HOLD_ANSWER_BYTES });
    try {
      return decodeHoldReply(reply);
    } catch (error) {
      deps.ban(peer, error instanceof Error ? error.message : String(error));
      throw error;
    }
  };

  return {
    start() {
      const { maxHoldBytes: maxRequestBytes } = protocolLimits;
      stop = network.handle(protocols.hold, { maxRequestBytes }, async ({ peer, bytes }) =>
        encodeHoldReply(await answer(peer, bytes)),
      );
    },
    stop: () => stop(),
    async ask(peer, image, { signal }) {
      const reply = await exchange(peer, { kind: 'hold', ...image }, signal);
      if (reply.kind === 'accepted' || reply.kind === 'refused') return reply;
      throw unexpected(peer, reply);
    },
    async status(peer, manifest, { signal }) {
      const reply = await exchange(peer, { kind: 'status', manifest }, signal);
      if (reply.kind === 'absent') return undefined;
      if (reply.kind === 'accepted' || reply.kind === 'refused') throw unexpected(peer, reply);
      return reply;
    },
  };
}

function fits(record: ImageRecord, manifest: Manifest): boolean {
  const isSameHash = !record.hash || !manifest.hash || record.hash.value === manifest.hash.value;
  const isSameImage = record.domain === manifest.domain && record.imageBytes === manifest.imageBytes;
  // Of a private image without a hash nobody but this asker could ever find the record again.
  return isSameHash && isSameImage && (record.domain === publicDomain || record.hash !== undefined);
}

function unexpected(peer: PeerId, reply: HoldReply): SwarmError {
  return new SwarmError('SWARM_BAD_MESSAGE', `the peer answers "${reply.kind}" to another question`, {
    details: { peer },
  });
}
