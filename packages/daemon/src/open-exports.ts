import { domain } from '@quarry/content';
import type { ImageRef, Origin } from '@quarry/content';
import { createUpstream, decideByProbe, probeRange } from '@quarry/gateway';
import type { Clock, Lifecycle, Logger, Random } from '@quarry/runtime';
import type { Config } from './config/config.ts';
import { serveExports } from './control/export-server.ts';
import { DaemonError } from './daemon-error.ts';
import { createExports } from './exports.ts';
import type { AuthorisedImage, CallerHeaders } from './exports.ts';
import { groupIdOf } from './group-id.ts';
import { formatImageHash } from './image-hash-text.ts';
import { fetchToFile } from './images/fetch-to-file.ts';
import type { FetchToFileDeps } from './images/fetch-to-file.ts';
import { pinnedOrigin } from './images/pinned-origin.ts';

export interface ExportServerDeps {
  readonly fetching: Omit<FetchToFileDeps, 'origin'>;
  /** Glance as a caller's headers see it. */
  readonly glanceFor: (headers: CallerHeaders) => Origin;
  /** Called when an image is asked for. */
  readonly onAsked: (ref: ImageRef) => void;
  readonly stayWithinBudget: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Of a Glance without Keystone. */
const UNOWNED = domain('project:unowned');

/** Images as files for the Nova of this host, each allowed by Glance and fetched with the caller's own tokens. */
export async function openExports(config: Config, deps: ExportServerDeps, lifecycle: Lifecycle): Promise<void> {
  const { socket: socketPath, directory, group } = config.exports;
  const { glance: url, caFile, stallMs } = config.gateway;
  const groupId = group === '' ? undefined : await groupIdOf(group);
  const upstream = createUpstream(deps, { url, stallMs, host: 'glance', ...(caFile === '' ? {} : { caFile }) });
  lifecycle.onClose('Glance, as exports ask it', () => upstream.close());

  const authorise = async (
    ref: ImageRef,
    headers: CallerHeaders,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<AuthorisedImage> => {
    const { imageBytes, hash, domain: whose = UNOWNED } = await deps.glanceFor(headers).describe(ref, { signal });
    if (!hash) {
      const message = `Glance names no hash of image ${ref} that is known here: what would come out could not be checked`;
      throw new DaemonError('DAEMON_READ_REFUSED', message, { details: { image: ref } });
    }
    const image: AuthorisedImage = { ref, imageBytes, hash, domain: whose };
    // who may see an image may not always read it
    const rawHeaders = ['Range', probeRange(image), ...Object.entries(headers).flat()];
    const path = `/v2/images/${ref}/file`;
    const { status, body } = await upstream.request({ method: 'GET', path, rawHeaders, signal });
    body.on('error', () => {}).destroy();
    if (decideByProbe(status).kind === 'allowed') return image;
    const message = `Glance does not let this caller read image ${ref}: it answers ${status}`;
    throw new DaemonError('DAEMON_READ_REFUSED', message, { details: { image: ref, status } });
  };

  const rebuild = async (
    image: AuthorisedImage,
    headers: CallerHeaders,
    destination: string,
    options: Parameters<typeof fetchToFile>[2],
  ): Promise<void> => {
    const { ref, hash } = image;
    deps.onAsked(ref);
    const { origin } = pinnedOrigin(deps.glanceFor(headers), { ...image, name: ref, format: undefined });
    try {
      const request = { image: ref, destination, expectedHash: formatImageHash(hash) };
      await fetchToFile({ ...deps.fetching, origin }, request, options);
    } finally {
      await deps.stayWithinBudget().catch((error: unknown) => deps.logger.error('eviction failed', { error }));
    }
  };

  const exports = await createExports({ ...deps, authorise, rebuild }, { directory, groupId });
  lifecycle.onClose('exports', () => exports.close());
  await serveExports(exports, { socketPath, groupId }, lifecycle);
}
