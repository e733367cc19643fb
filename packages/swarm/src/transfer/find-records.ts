import { verifyImageRecord } from '@quarry/content';
import type { ImageRecord, ImageRef } from '@quarry/content';
import { shuffled } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { decodeRecordsAnswer, encodeFindRecords, encodeListRecords } from '../protocol/records.ts';
import { askPeer, peersOf } from './lookup.ts';
import type { LookupDeps } from './lookup.ts';

/** Nodes asked when no seeder knows. */
const BREADTH = 8;
const PAGE = 128;

interface Waiting {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Records with good signatures, latest first: of all connected seeders, and when they have none of some nodes. */
export async function findRecords(deps: LookupDeps, ref: ImageRef, waiting: Waiting): Promise<readonly ImageRecord[]> {
  const bytes = encodeFindRecords(ref);
  const ask = async (peers: readonly PeerId[]): Promise<ImageRecord[]> => {
    const answers = await Promise.all(
      peers.map((peer) =>
        askPeer(deps, peer, { ...waiting, protocol: protocols.findRecords, bytes, ...LIMIT }, (answer) =>
          readRecords(answer, (record) => record.ref === ref),
        ),
      ),
    );
    return latestFirst(answers.flatMap((records) => records ?? []));
  };
  const fromSeeders = await ask(peersOf(deps, 'seeder'));
  if (fromSeeders.length > 0) return fromSeeders;
  return ask(shuffled(peersOf(deps, 'node'), deps.random).slice(0, BREADTH));
}

/** All records that connected seeders know, or some nodes where there is no seeder. */
export async function listRecords(deps: LookupDeps, waiting: Waiting): Promise<readonly ImageRecord[]> {
  const seeders = peersOf(deps, 'seeder');
  const peers = seeders.length > 0 ? seeders : shuffled(peersOf(deps, 'node'), deps.random).slice(0, BREADTH);
  const lists = await Promise.all(peers.map((peer) => listOf(deps, peer, waiting)));
  return latestFirst(lists.flat());
}

async function listOf(deps: LookupDeps, peer: PeerId, waiting: Waiting): Promise<ImageRecord[]> {
  const all: ImageRecord[] = [];
  for (let after: ImageRef | undefined; ; ) {
    const bytes = encodeListRecords({ after, limit: PAGE });
    const request = { ...waiting, protocol: protocols.listRecords, bytes, ...LIMIT };
    const last = after;
    const page = await askPeer(deps, peer, request, (answer) =>
      readRecords(
        answer,
        (record) => last === undefined || Buffer.compare(Buffer.from(record.ref), Buffer.from(last)) > 0,
      ),
    );
    all.push(...(page ?? []));
    after = page?.at(-1)?.ref;
    if (after === undefined || (page?.length ?? 0) < PAGE) return all;
  }
}

const LIMIT = { maxBytes: protocolLimits.maxRecordsBytes } as const;

/** A record that nobody signed, or that was not asked for, is a lie. */
function readRecords(bytes: Uint8Array, belongs: (record: ImageRecord) => boolean): ImageRecord[] {
  const records = decodeRecordsAnswer(bytes);
  for (const record of records) {
    verifyImageRecord(record);
    if (!belongs(record)) throw new Error('the peer answered with records that were not asked for');
  }
  return records;
}

/** Of one publisher's records for one reference the latest counts. */
export function latestFirst(records: readonly ImageRecord[]): ImageRecord[] {
  const latest = new Map<string, ImageRecord>();
  for (const record of records) {
    const key = `${Buffer.from(record.publisher).toString('hex')} ${record.ref}`;
    if ((latest.get(key)?.publishedAtMs ?? -1) < record.publishedAtMs) latest.set(key, record);
  }
  return [...latest.values()].sort((a, b) => b.publishedAtMs - a.publishedAtMs);
}
