import { CODE_P2P, multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { parsePeerId } from './peer-identity.ts';

/** Rejects what is no TCP multiaddr, saying what one looks like. */
export function parseAddress(text: string): Multiaddr {
  let address: Multiaddr;
  try {
    address = multiaddr(text);
  } catch (cause) {
    throw badAddress(text, cause);
  }
  if (!address.getComponents().some(({ name }) => name === 'tcp')) throw badAddress(text, undefined);
  return address;
}

const HOSTS: readonly string[] = ['ip4', 'ip6', 'dns', 'dns4', 'dns6'];

/** Numeric, or a name. */
export function hostOfAddress(address: Multiaddr): string | undefined {
  return address.getComponents().find(({ name }) => HOSTS.includes(name))?.value;
}

/** Who must answer at this address, if it says so. */
export function peerOfAddress(address: Multiaddr): PeerId | undefined {
  const text = address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value;
  return text === undefined ? undefined : parsePeerId(text);
}

function badAddress(text: string, cause: unknown): SwarmError {
  return new SwarmError(
    'SWARM_BAD_ADDRESS',
    `not an address like /ip4/192.0.2.7/tcp/4801 or /dns/host/tcp/4801: ${JSON.stringify(text.slice(0, 200))}`,
    {
      cause,
    },
  );
}
