import { join } from 'node:path';
import process from 'node:process';
import { createGateway, openSpool, openUploadMarks } from '@quarry/gateway';
import type { ImageService, Spool } from '@quarry/gateway';
import type { Clock, Lifecycle, Logger, Random } from '@quarry/runtime';
import type { Config } from './config/config.ts';
import { createGatewayObserver } from './images/gateway-observer.ts';
import { findInheritedSocket, parseListenFds } from './listen-fds.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { FetchLog } from './piece-log/piece-log.ts';

export interface GatewayServerDeps {
  readonly images: ImageService;
  readonly metrics: Metrics;
  readonly fetchLog?: FetchLog | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What systemd calls the façade's socket: `FileDescriptorName=` of its unit. */
const SOCKET_NAME = 'gateway';
/** What spooled uploads leave free on the file system: the host needs a little to stay usable. */
const SPOOL_RESERVE_BYTES = 2 ** 30;

/** The socket handed over for the façade, if there is one. */
function inheritedFd(): number | undefined {
  return findInheritedSocket(parseListenFds(process.env, process.pid), SOCKET_NAME)?.fd;
}

/** Whether this node has a façade: it is configured, or systemd listens for it. */
export function hasGateway({ gateway }: Config): boolean {
  return gateway.glance !== '' && (gateway.listen !== '' || inheritedFd() !== undefined);
}

/** Opens the façade. Resolves when it accepts. Rejects with GatewayError. */
export async function openGateway(config: Config, deps: GatewayServerDeps, lifecycle: Lifecycle): Promise<void> {
  const { listen, glance, caFile, stallMs, drainMs } = config.gateway;
  const gateway = createGateway(
    {
      ...deps,
      observer: createGatewayObserver(deps),
      spool: await spoolOf(config, deps),
      uploadMarks: await openUploadMarks(deps, { directory: join(config.node.dataDirectory, 'uploads') }),
    },
    { glance: { url: glance, ...(caFile === '' ? {} : { caFile }) }, stallMs },
  );
  lifecycle.onClose('the gateway', () => gateway.close({ graceMs: drainMs }));
  const fd = inheritedFd();
  const url = URL.parse(`http://${listen}`);
  const at = await gateway.listen(
    fd === undefined ? { host: (url?.hostname ?? '').replace(/^\[|\]$/g, ''), port: Number(url?.port) } : { fd },
  );
  deps.logger.info('the gateway listens', { ...at, glance, isInherited: fd !== undefined });
}

async function spoolOf({ gateway, node }: Config, deps: GatewayServerDeps): Promise<Spool | undefined> {
  if (!gateway.spool) return undefined;
  const directory = join(node.dataDirectory, 'spool');
  return openSpool(deps, { directory, maxBytes: gateway.spoolMaxBytes, reserveBytes: SPOOL_RESERVE_BYTES });
}
