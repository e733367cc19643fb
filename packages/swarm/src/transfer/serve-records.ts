import { publicDomain } from '@quarry/content';
import type { ImageCatalog, ImageRecord } from '@quarry/content';
import type { Network } from '../ports/network.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { decodeFindRecords, decodeListRecords, encodeRecordsAnswer } from '../protocol/records.ts';

/** Records of one reference that are told; usually there is one. */
const MAX_RECORDS_PER_REF = 16;

/** Records of public images, for whoever asks. Of the others nothing is said here, nor that there are any: images/serve-tickets.ts. */
export function serveRecords(deps: { readonly network: Network; readonly catalog: ImageCatalog }): () => void {
  const { network, catalog } = deps;
  const stops = [
    network.handle(protocols.findRecords, { maxRequestBytes: 512 }, async ({ bytes, signal }) => {
      const records = await catalog.findRecords(decodeFindRecords(bytes), { signal });
      return encodeRecordsAnswer(records.filter(isPublic).slice(0, MAX_RECORDS_PER_REF));
    }),
    network.handle(protocols.listRecords, { maxRequestBytes: 512 }, async ({ bytes, signal }) => {
      const { after, limit } = decodeListRecords(bytes);
      const records: ImageRecord[] = [];
      for await (const record of catalog.listRecords({ signal })) {
        if (!isPublic(record)) continue;
        if (after !== undefined && Buffer.compare(Buffer.from(record.ref), Buffer.from(after)) <= 0) continue;
        // A page ends between two references, or the rest of one reference's records would be lost.
        if (records.length >= limit && records.at(-1)?.ref !== record.ref) break;
        records.push(record);
        if (records.length >= protocolLimits.maxRecords) break;
      }
      return encodeRecordsAnswer(records);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function isPublic(record: ImageRecord): boolean {
  return record.domain === publicDomain;
}
