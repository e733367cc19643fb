import { encodeManifest, encodePackDescriptor, manifestIdFrom, packIdFrom } from '@quarry/content';
import { shuffled } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { Answer, PeerId, Request } from '../ports/network.ts';
import type { ManifestRights } from '../images/manifest-rights.ts';
import { decodeGetBlob, encodeBlobHead, encodeBlobRefusal, GET_BLOB_BYTES } from '../protocol/get-blob.ts';
import type { GetBlob } from '../protocol/get-blob.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { ServeDeps } from './serve-pieces.ts';

/** What is smaller is given at once: naming others costs as much. */
const MIN_REDIRECTED_BYTES = 16 * 1024;
/** Blobs of which a seeder remembers who asked, and askers it remembers of each. */
const MAX_REMEMBERED = 4096;
const MAX_ASKERS = 64;
const NAMED_PEERS = 4;

/**
 * Manifests and descriptors for who may have them. A seeder gives each to the first few and names those to the others, for the same reason for which
 * it gives each piece once: a manifest is 0.05 % of its image, and 300 nodes would fetch a seventh of the image again.
 */
export function serveBlobs(
  deps: ServeDeps & {
    readonly rights: ManifestRights;
    readonly random: Random;
    readonly isConnected: (peer: PeerId) => boolean;
  },
  options: { readonly redirects: boolean; readonly blobGives: number },
): () => void {
  const askers = new Map<string, PeerId[]>();

  const othersToAsk = (id: string, peer: PeerId): PeerId[] => {
    const known = askers.get(id) ?? [];
    if (known.length === 0 && askers.size >= MAX_REMEMBERED)
      for (const oldest of [...askers.keys()].slice(0, 1)) askers.delete(oldest);
    askers.delete(id);
    askers.set(id, [...known.filter((other) => other !== peer), peer].slice(-MAX_ASKERS));
    const others = known.filter((other) => other !== peer && deps.isConnected(other));
    return others.length < options.blobGives ? [] : shuffled(others, deps.random).slice(0, NAMED_PEERS);
  };
  const serve = async (request: Request, find: (blob: GetBlob) => Promise<Uint8Array | undefined>): Promise<Answer> => {
    const blob = decodeGetBlob(request.bytes);
    const { id, insists } = blob;
    const body = await find(blob);
    if (!body) return encodeBlobRefusal({ kind: 'absent' });
    if (options.redirects && body.length >= MIN_REDIRECTED_BYTES) {
      const others = othersToAsk(Buffer.from(id).toString('hex'), request.peer);
      if (others.length > 0 && !insists) return encodeBlobRefusal({ kind: 'elsewhere', peers: others });
    }
    return deps.pacer.answer(encodeBlobHead(), body, { signal: request.signal });
  };
  const stops = [
    deps.network.handle(protocols.manifest, { maxRequestBytes: GET_BLOB_BYTES }, (request) =>
      serve(request, async ({ id, ticket }) => {
        const { peer, signal } = request;
        const manifest = await deps.rights.find(manifestIdFrom(id), { peer, ticket, signal });
        return manifest && encodeManifest(manifest);
      }),
    ),
    deps.network.handle(protocols.descriptor, { maxRequestBytes: GET_BLOB_BYTES }, (request) =>
      serve(request, async ({ id, proof }) => {
        const pack = packIdFrom(id);
        if (!deps.gate.admits(pack, request.peer, proof)) return undefined;
        const descriptor = await deps.descriptors.find(pack, request);
        return descriptor && encodePackDescriptor(descriptor);
      }),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
