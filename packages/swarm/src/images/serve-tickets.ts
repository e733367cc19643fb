import { isImageProof, publicDomain, signTicket } from '@quarry/content';
import type { ImageCatalog, ImageRecord, Signer } from '@quarry/content';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { Network, PeerId } from '../ports/network.ts';
import { decodeGetTicket, encodeTicketAnswer, GET_TICKET_BYTES } from '../protocol/get-ticket.ts';
import type { TicketAnswer } from '../protocol/get-ticket.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import type { ImageNewsKeeper } from './image-news.ts';
import type { ImagesOptions } from './images-options.ts';
import { isSameKey, locatorOf } from './record-index.ts';
import type { IndexedImage, RecordIndex } from './record-index.ts';

/** Asked before a ticket is given; false: none is. Must end when the signal aborts. */
export type MayIssue = (record: ImageRecord, waiting: { readonly signal: AbortSignal }) => Promise<boolean>;

export interface ServeTicketsDeps {
  readonly network: Network;
  readonly catalog: ImageCatalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signer: Signer;
  readonly index: RecordIndex;
  readonly news: ImageNewsKeeper;
  /** Whether the peer may ask now; takes one of what it may ask for. */
  readonly admits: (peer: PeerId) => boolean;
  readonly mayIssue: MayIssue;
}

/**
 * Gives tickets for private images: as the publisher of the record, and as a seeder for all that it has. Whoever does not know the image's key gets the
 * same answer, after the same work, whether the image is here or not.
 */
export function serveTickets(deps: ServeTicketsDeps, options: ImagesOptions & { readonly role: Role }): () => void {
  const { network, catalog, clock, logger, signer, index, news } = deps;
  const nobodysSecret = deps.random.bytes(32);

  /** Of its own record first: then the asker need not know this node for a seeder. */
  const recordOf = async (image: IndexedImage, signal: AbortSignal): Promise<ImageRecord | undefined> => {
    const records = (await catalog.findRecords(image.ref, { signal })).filter(
      (record) => record.domain !== publicDomain && locatorOf(record) === image.locator,
    );
    const own = records.find(({ publisher }) => isSameKey(publisher, signer.publicKey));
    return own ?? (options.role === 'seeder' ? records[0] : undefined);
  };
  const mayIssue = async (record: ImageRecord, signal: AbortSignal): Promise<boolean> => {
    try {
      return await deps.mayIssue(record, { signal });
    } catch (error) {
      signal.throwIfAborted();
      logger.warn('no ticket is given: asking whether it may be failed', { ref: record.ref, error: String(error) });
      return false;
    }
  };
  const issue = async (image: IndexedImage, bearer: PeerId, signal: AbortSignal): Promise<TicketAnswer> => {
    if (news.isGone(image.locator, image.secret)) return undefined;
    const record = await recordOf(image, signal);
    if (!record || !(await catalog.findManifest(record.manifest, { signal }))) return undefined;
    if (!(await mayIssue(record, signal))) return undefined;
    const expiresAtMs = Math.floor(clock.wallMs()) + options.ticketMs;
    return { record, ticket: await signTicket({ manifest: record.manifest, bearer, expiresAtMs }, signer) };
  };

  return network.handle(protocols.ticket, { maxRequestBytes: GET_TICKET_BYTES }, async ({ peer, bytes, signal }) => {
    const { locator, proof } = decodeGetTicket(bytes);
    const isAdmitted = deps.admits(peer);
    const image = index.find(locator);
    const knowsKey = isImageProof(proof, image?.secret ?? nobodysSecret, peer, network.peerId);
    return encodeTicketAnswer(image && knowsKey && isAdmitted ? await issue(image, peer, signal) : undefined);
  });
}
