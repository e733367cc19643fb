import type { Storm } from '@quarry/scenario';
import { neighboursOf } from '@quarry/swarm/scheduler';
import type { PeerId } from '@quarry/swarm/scheduler';
import { endpointOf, peerOf } from './sim-node.ts';

/** The connections between hosts that the production rule makes when all know each other. */
export function neighbourPairs(storm: Storm): [number, number][] {
  const members = storm.hosts.map(({ zone }, endpoint) => ({
    peer: peerOf(endpoint),
    role: 'node' as const,
    zone: `zone ${zone}`,
  }));
  const pairs: [number, number][] = [];
  for (const [endpoint, self] of members.entries()) {
    const others = members.filter((other) => other !== self);
    for (const peer of neighboursOf(self, others, { targetDegree: 24, maxZoneMates: 48 })) {
      const other = endpointOf(peer as PeerId);
      if (other > endpoint) pairs.push([endpoint, other]);
    }
  }
  return pairs;
}
