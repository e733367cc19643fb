// Peers: membership, inventory, scheduling and transfer of pieces.
export { SwarmError } from './swarm-error.ts';
export type { SwarmErrorCode } from './swarm-error.ts';
export type * from './ports/network.ts';
export { generateClusterKey, loadClusterKey, parseClusterKey, saveClusterKey } from './network/cluster-key.ts';
export type { ClusterKey } from './network/cluster-key.ts';
export { createIdentity, loadIdentity } from './network/identity.ts';
export type { Identity } from './network/identity.ts';
export { createLibp2pNetwork } from './network/libp2p-network.ts';
export type { Libp2pNetwork, NetworkDeps } from './network/libp2p-network.ts';
export { networkDefaults } from './network/network-options.ts';
export type { NetworkOptions } from './network/network-options.ts';
export { parsePeerId, peerOfPublicKey, publicKeyOfPeer } from './network/peer-identity.ts';
export type { Traffic } from './network/traffic.ts';
export { createSwarm } from './create-swarm.ts';
export type { QuarrySwarm, SwarmDeps } from './create-swarm.ts';
export { swarmDefaults } from './options.ts';
export type { ChosenSwarmOptions, SwarmOptions } from './options.ts';
export type { SwarmFigures, SwarmStatus } from './swarm-status.ts';
