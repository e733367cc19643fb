import { CodedError } from '@quarry/runtime';

export type SwarmErrorCode =
  /** Nobody who can be reached has the chunks, and nothing has arrived for `giveUpMs`. */
  | 'SWARM_NO_SOURCE'
  /** Bytes from a peer do not follow PROTOCOL.md: truncated, non-canonical, out of bounds, unknown kind. */
  | 'SWARM_BAD_MESSAGE'
  /** A peer declared or sent more than the caller's cap; no more than the cap was kept. */
  | 'SWARM_TOO_LARGE'
  /** No connection to the peer, or it broke before the answer was whole. Another peer, or the same one later, may do. */
  | 'SWARM_UNREACHABLE'
  /** Connected, but no byte of the request or its answer moved for `idleTimeoutMs`. */
  | 'SWARM_STALLED'
  /** Who answers there does not hold this cluster's key, or this node does not hold theirs. */
  | 'SWARM_OTHER_CLUSTER'
  /** The peer does not speak this protocol, or its handler refused. */
  | 'SWARM_REFUSED'
  /** The peer is banned: it is neither dialled nor answered. */
  | 'SWARM_BANNED'
  /** Called before `start` or after `close`. */
  | 'SWARM_CLOSED'
  /** The identity or the cluster key cannot be read or is malformed. */
  | 'SWARM_BAD_IDENTITY'
  /** An address to listen on or to dial is malformed or taken. */
  | 'SWARM_BAD_ADDRESS';

export class SwarmError extends CodedError<SwarmErrorCode> {}
