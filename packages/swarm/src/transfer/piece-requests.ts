import { isCodedError } from '@quarry/runtime';
import type { Network, PeerId, RequestOptions } from '../ports/network.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { ProtocolName } from '../protocol/protocol-names.ts';

/**
 * Asks for pieces in the newest way that a peer speaks: of an older build's node, which refuses the newer names, plain. `encode` is told whether the plain
 * form is meant, which knows no proofs.
 */
export interface PieceRequests {
  piece(peer: PeerId, encode: EncodeRequest, options: RequestOptions): Promise<AnsweredPiece>;
  ask(seeder: PeerId, encode: EncodeRequest, options: RequestOptions): Promise<Uint8Array>;
  /** What the peer sent unchecked was bad: from now on it is asked to hash before it sends, so that it can find and drop what its disk has changed. */
  distrustDisk(peer: PeerId): void;
  stop(): void;
}

type EncodeRequest = (isPlain: boolean) => Uint8Array;

export interface AnsweredPiece {
  readonly bytes: Uint8Array;
  /** Whether the peer had to hash it before. Then what is bad is a lie. */
  readonly isChecked: boolean;
}

/** Peers whose disks are not believed, the latest last: not forgotten when they leave, or who comes again could spoil another piece. */
const MAX_SUSPECTS = 1024;

export function createPieceRequests(network: Network): PieceRequests {
  /** What peers refused of the newer names, until they come again, perhaps as another build. */
  const refused = new Map<PeerId, Set<ProtocolName>>();
  const suspects = new Set<PeerId>();
  const stop = network.listen({ peerDisconnected: (peer) => void refused.delete(peer) });
  /** By the first of the names that the peer speaks. */
  const request = async (
    names: readonly ProtocolName[],
    peer: PeerId,
    encode: EncodeRequest,
    options: RequestOptions,
  ): Promise<{ readonly answer: Uint8Array; readonly name: ProtocolName }> => {
    const known = refused.get(peer);
    const left = known ? names.filter((name) => !known.has(name)) : names;
    for (let i = 0; ; i += 1) {
      const name = left[i] as ProtocolName;
      try {
        const answer = await network.request(peer, protocols[name], encode(PLAIN.has(name)), options);
        if (i > 0) refused.set(peer, new Set([...(known ?? []), ...left.slice(0, i)])); // it does speak, only not the newer ones: who refuses all is about to leave
        return { answer, name };
      } catch (error) {
        if (i + 1 >= left.length || !isCodedError(error) || error.code !== 'SWARM_REFUSED') throw error;
      }
    }
  };
  return {
    async piece(peer, encode, options) {
      const { answer, name } = await request(suspects.has(peer) ? CHECKED : PIECE, peer, encode, options);
      return { bytes: answer, isChecked: name !== 'uncheckedPiece' };
    },
    ask: async (seeder, encode, options) => (await request(ASK, seeder, encode, options)).answer,
    distrustDisk(peer) {
      suspects.delete(peer);
      suspects.add(peer);
      if (suspects.size > MAX_SUSPECTS) for (const oldest of [...suspects].slice(0, 1)) suspects.delete(oldest);
    },
    stop,
  };
}

const PIECE: readonly ProtocolName[] = ['uncheckedPiece', 'piece', 'plainPiece'];
const CHECKED: readonly ProtocolName[] = ['piece', 'plainPiece'];
const ASK: readonly ProtocolName[] = ['ask', 'plainAsk'];
const PLAIN: ReadonlySet<ProtocolName> = new Set(['plainPiece', 'plainAsk']);
