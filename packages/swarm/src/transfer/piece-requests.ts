import { isCodedError } from '@quarry/runtime';
import type { Network, PeerId, RequestOptions } from '../ports/network.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { ProtocolName } from '../protocol/protocol-names.ts';

/** Asks for pieces in the newest way that a peer speaks: of an older build's node, which refuses the newer names, plain. */
export interface PieceRequests {
  piece(peer: PeerId, request: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  ask(seeder: PeerId, request: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  stop(): void;
}

export function createPieceRequests(network: Network): PieceRequests {
  /** Until they come again, perhaps as another build. */
  const plainOnly = new Set<PeerId>();
  const stop = network.listen({ peerDisconnected: (peer) => void plainOnly.delete(peer) });
  const asking =
    (newest: ProtocolName, plain: ProtocolName): PieceRequests['piece'] =>
    async (peer, request, options) => {
      if (!plainOnly.has(peer)) {
        try {
          return await network.request(peer, protocols[newest], request, options);
        } catch (error) {
          if (!isCodedError(error) || error.code !== 'SWARM_REFUSED') throw error;
        }
      }
      const answer = await network.request(peer, protocols[plain], request, options);
      plainOnly.add(peer); // it does speak, only not the newer one: who refuses both is about to leave
      return answer;
    };
  return { piece: asking('piece', 'plainPiece'), ask: asking('ask', 'plainAsk'), stop };
}
