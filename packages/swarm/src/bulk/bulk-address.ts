import { hostOfAddress, parseAddress } from '../network/addresses.ts';
import type { BulkPlace } from '../protocol/bulk-offer.ts';
import { SwarmError } from '../swarm-error.ts';

/** Host and port of a TCP multiaddr such as /ip4/192.0.2.7/tcp/4748. Throws SWARM_BAD_ADDRESS. */
export function parseBulkAddress(text: string): BulkPlace {
  const address = parseAddress(text);
  const host = hostOfAddress(address);
  const port = Number(address.getComponents().find(({ name }) => name === 'tcp')?.value);
  if (host !== undefined) return { host, port };
  throw new SwarmError('SWARM_BAD_ADDRESS', `${text} does not begin with a host, as /ip4/192.0.2.7/tcp/4748 does`);
}

/** What peers are told: of an address that stands for all of this host's they find out themselves which one they reach. */
export function placeOf({ host, port }: BulkPlace): BulkPlace {
  return { host: host === '0.0.0.0' || host === '::' ? '' : host, port };
}

/** As people write it, and as libp2p does. */
export function bulkAddressOf({ host, port }: BulkPlace): string {
  const kind = /^[\d.]+$/.test(host) ? 'ip4' : host.includes(':') ? 'ip6' : 'dns';
  return host === '' ? `/tcp/${port}` : `/${kind}/${host}/tcp/${port}`;
}
