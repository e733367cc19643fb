import {
  imageLocator,
  imageSecret,
  makeImageProof,
  publicDomain,
  verifyImageRecord,
  verifyTicket,
} from '@quarry/content';
import type { ImageKey, ImageRecord } from '@quarry/content';
import { shuffled } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { decodeTicketAnswer, encodeGetTicket, MAX_TICKET_ANSWER_BYTES } from '../protocol/get-ticket.ts';
import type { TicketAnswer } from '../protocol/get-ticket.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { askPeer, isReachable, peersOf } from '../transfer/lookup.ts';
import type { LookupDeps } from '../transfer/lookup.ts';
import { locatorOf } from './record-index.ts';
import type { TicketBox } from './ticket-box.ts';

/** Of those who say that they give tickets the latest are asked first: they may lie, or have gone. */
const ANNOUNCERS = 4;
/** Of nodes that say nothing so many: gossip gets lost. */
const OTHERS = 8;

/** The record of a private image, from somebody who gives tickets for it; the ticket is kept for its manifest. Undefined: nobody who could be reached does. */
export async function findWithKey(
  deps: LookupDeps & { readonly tickets: TicketBox },
  key: ImageKey,
  options: {
    readonly announcers: readonly PeerId[];
    readonly hedgeMs: number;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<ImageRecord | undefined> {
  const { network, clock, random } = deps;
  const locator = imageLocator(key);
  const secret = imageSecret(key);
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, done.signal]);
  const asked = new Set<PeerId>([network.peerId]);

  const ask = async (peer: PeerId): Promise<ImageRecord | undefined> => {
    if (!(await isReachable(deps, peer, { timeoutMs: options.timeoutMs, signal }))) return undefined;
    const bytes = encodeGetTicket({ locator, proof: makeImageProof(secret, network.peerId, peer) });
    const request = { timeoutMs: options.timeoutMs, signal, protocol: protocols.ticket, bytes };
    const answer = await askPeer(deps, peer, { ...request, maxBytes: MAX_TICKET_ANSWER_BYTES }, (answerBytes) => {
      const read = decodeTicketAnswer(answerBytes);
      if (read) check(read);
      return read;
    });
    if (answer) deps.tickets.keep(answer.ticket, peer);
    return answer?.record;
  };
  /** A ticket that is for somebody or something else is a lie, as is a record of another image. */
  const check = ({ record, ticket }: NonNullable<TicketAnswer>): void => {
    verifyImageRecord(record);
    verifyTicket(ticket);
    const fits = ticket.manifest === record.manifest && ticket.bearer === network.peerId;
    if (!fits || record.domain === publicDomain || locatorOf(record) !== locator) {
      throw new Error('the peer answered with a ticket that was not asked for');
    }
  };

  const groups: readonly (() => readonly PeerId[])[] = [
    () => options.announcers.slice(0, ANNOUNCERS),
    () => peersOf(deps, 'seeder'),
    () => options.announcers.slice(ANNOUNCERS),
    () => shuffled(peersOf(deps, 'node'), random).slice(0, OTHERS),
  ];
  let found: ImageRecord | undefined;
  let tellFound = (): void => {};
  const isFound = new Promise<void>((resolve) => {
    tellFound = resolve;
  });
  const askAll = async (peers: readonly PeerId[]): Promise<void> => {
    await Promise.all(
      peers.map(async (peer) => {
        asked.add(peer);
        found ??= await ask(peer);
        if (found) tellFound();
      }),
    );
  };
  const underWay: Promise<void>[] = [];
  try {
    for (const group of groups) {
      const peers = group().filter((peer) => !asked.has(peer));
      if (peers.length === 0) continue;
      const answers = askAll(peers);
      underWay.push(answers);
      await Promise.race([isFound, answers, clock.sleep(options.hedgeMs, { signal })]);
      if (found) return found;
    }
    await Promise.race([isFound, Promise.all(underWay)]);
    return found;
  } finally {
    done.abort(new Error('over'));
  }
}
