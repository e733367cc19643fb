import { availableParallelism } from 'node:os';
import { chooseEncoding, measureEncoding, TYPICAL_RATIO, UNKNOWN_LINK_BYTES_PER_SECOND } from '@quarry/content';
import type { EncodingChoice } from '@quarry/content';
import { formatRate } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import type { Config } from './config/config.ts';
import { findLinkSpeed } from './link-speed.ts';

/** What `store.encoding` comes to on this machine; logged with the reason. */
export async function decideEncoding(
  deps: { readonly clock: Clock; readonly logger: Logger },
  config: Pick<Config, 'store' | 'network'>,
): Promise<EncodingChoice> {
  const { encoding: configured } = config.store;
  if (configured !== 'auto') {
    deps.logger.info('encoding of ingested pieces', { encoding: configured, why: 'store.encoding says so' });
    return configured;
  }
  const { linkBytesPerSecond: given } = config.network;
  const link = given === Infinity ? await findLinkSpeed() : given;
  const linkBytesPerSecond = link ?? UNKNOWN_LINK_BYTES_PER_SECOND;
  const speed = measureEncoding(deps.clock);
  const cores = availableParallelism();
  // The ratio is that of disk images: what the sample has is its own.
  const { encoding, why } = chooseEncoding({ ...speed, ratio: TYPICAL_RATIO, cores, linkBytesPerSecond });
  deps.logger.info('encoding of ingested pieces', {
    encoding,
    why,
    link: `${formatRate(linkBytesPerSecond)}${link === undefined ? ', assumed: set network.linkBytesPerSecond' : ''}`,
    encodes: `${formatRate(speed.encodeBytesPerSecond)} on each of ${cores} cores`,
    decodes: formatRate(speed.decodeBytesPerSecond),
  });
  return encoding;
}
