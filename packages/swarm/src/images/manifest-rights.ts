import { ContentError, decodeTicket, digestOf, manifestIdFrom, publicDomain, verifyTicket } from '@quarry/content';
import type { ImageCatalog, Manifest, ManifestId, Ticket } from '@quarry/content';
import type { Clock, Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import type { ImageNewsKeeper } from './image-news.ts';
import type { ImagesOptions } from './images-options.ts';
import { isSameKey } from './record-index.ts';
import type { RecordIndex } from './record-index.ts';

export interface ManifestRightsDeps {
  readonly catalog: ImageCatalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly index: RecordIndex;
  readonly news: ImageNewsKeeper;
  /** Whether a ticket signed with this key counts although its holder published no record of the image: a seeder's does. */
  readonly trustsSigner: (publicKey: Uint8Array) => boolean;
}

/** Who may have which manifest: public ones everybody, private ones the bearer of a good ticket. */
export interface ManifestRights {
  /** Whether all records of it that this node has are of projects. */
  isPrivate(id: ManifestId): boolean;
  /** The manifest, if it is here and the peer may have it. Undefined does not say which of the two. */
  find(
    id: ManifestId,
    asker: { readonly peer: PeerId; readonly ticket: Uint8Array | undefined; readonly signal: AbortSignal },
  ): Promise<Manifest | undefined>;
}

export function createManifestRights(deps: ManifestRightsDeps, options: ImagesOptions): ManifestRights {
  const { catalog, clock, index, news } = deps;
  const blinding = deps.random.bytes(32);
  /** An id that nobody has, in the place of one that is here and not for this asker: what is looked up takes as long. */
  const blind = (id: ManifestId): ManifestId => manifestIdFrom(digestOf(Buffer.concat([blinding, Buffer.from(id)])));

  const isGood = (ticket: Ticket, id: ManifestId, bearer: PeerId): boolean => {
    const leftMs = ticket.expiresAtMs - clock.wallMs();
    const isTimely = leftMs >= -options.skewMs && leftMs <= options.ticketMs + options.skewMs;
    // All is looked at, whatever was wrong already.
    const [isSigned, isSigners] = [isSignedBySigner(ticket), maySign(ticket, id)];
    return isTimely && isSigned && isSigners && ticket.manifest === id && ticket.bearer === bearer;
  };
  const maySign = ({ signer }: Ticket, id: ManifestId): boolean => {
    const isPublisher = index
      .naming(id)
      .some(({ records }) => records.some((record) => record.manifest === id && isSameKey(record.publisher, signer)));
    return isPublisher || deps.trustsSigner(signer);
  };
  /** All images that it is known to be the manifest of. */
  const isGone = (id: ManifestId): boolean => {
    const images = index.naming(id);
    return images.length > 0 && images.every(({ locator, secret }) => news.isGone(locator, secret));
  };
  const isPrivate = (id: ManifestId): boolean => {
    const images = index.naming(id);
    return (
      images.length > 0 && images.every(({ records }) => !records.some((one) => one.isPublic && one.manifest === id))
    );
  };

  return {
    isPrivate,
    async find(id, { peer, ticket, signal }) {
      const shown = ticket && parseTicket(ticket);
      const isAllowed = shown !== undefined && isGood(shown, id, peer) && !isGone(id);
      const manifest = await catalog.findManifest(isAllowed || !isPrivate(id) ? id : blind(id), { signal });
      return manifest && (isAllowed || manifest.domain === publicDomain) ? manifest : undefined;
    },
  };
}

/** Who shows nonsense has no ticket. */
function parseTicket(bytes: Uint8Array): Ticket | undefined {
  try {
    return decodeTicket(bytes);
  } catch (error) {
    if (error instanceof ContentError) return undefined;
    throw error;
  }
}

function isSignedBySigner(ticket: Ticket): boolean {
  try {
    verifyTicket(ticket);
    return true;
  } catch (error) {
    if (error instanceof ContentError) return false;
    throw error;
  }
}
