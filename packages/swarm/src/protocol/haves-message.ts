import { ByteWriter, idBytes, packIdFrom } from '@quarry/content';
import type { ByteReader, PackId } from '@quarry/content';
import { parseMessage, readList } from './message.ts';
import { readPieceSet, writePieceSet } from './piece-set.ts';
import type { PieceSet } from './piece-set.ts';
import { protocolLimits } from './protocol-limits.ts';

/** All that a member has of one pack; nothing of it when the set is empty. */
export interface PackHave {
  readonly pack: PackId;
  readonly set: PieceSet;
}

/** What a member has, in gossip (topic `haves`): of the packs named, this and no more; of others nothing is said. */
export interface HavesMessage {
  /** Grows with each message of the sender, over restarts too: a later word on a pack outweighs an earlier one that arrives after it. */
  readonly sequence: number;
  readonly packs: readonly PackHave[];
  /** The packs that the sender wants now, by the first 8 bytes of their ids as hex; undefined when it says nothing of that. */
  readonly wants: readonly string[] | undefined;
}

const VERSION = 1;
const HAS_WANTS = 1;
export const WANT_BYTES = 8;

/** How a pack is named in `wants`: two packs of one name are no harm, wants only order leases. */
export function wantName(pack: PackId): string {
  return pack.slice(0, WANT_BYTES * 2);
}

export function encodeHavesMessage(message: HavesMessage): Uint8Array {
  const writer = new ByteWriter(64 + message.packs.length * 72);
  writer.u8(VERSION);
  writer.u8(message.wants ? HAS_WANTS : 0);
  writer.varint(message.sequence);
  writePackHaves(writer, message.packs);
  if (message.wants) {
    writer.varint(message.wants.length);
    for (const want of message.wants) writer.raw(Buffer.from(want, 'hex'));
  }
  return writer.finish();
}

export function decodeHavesMessage(bytes: Uint8Array): HavesMessage {
  const { maxHavesBytes, maxHavesPacks, maxWants } = protocolLimits;
  return parseMessage('haves message', bytes, maxHavesBytes, (reader) => {
    const version = reader.u8();
    if (version !== VERSION) throw reader.malformed(`has the unknown version ${version}`);
    const flags = reader.u8();
    if ((flags & ~HAS_WANTS) !== 0) throw reader.malformed('has unknown flags');
    const sequence = reader.varint();
    const packs = readPackHaves(reader, maxHavesPacks);
    const wants =
      (flags & HAS_WANTS) === 0
        ? undefined
        : readList(reader, 'wants', { max: maxWants, itemBytes: WANT_BYTES }, () =>
            Buffer.from(reader.view(WANT_BYTES)).toString('hex'),
          );
    return { sequence, packs, wants };
  });
}

export function writePackHaves(writer: ByteWriter, packs: readonly PackHave[]): void {
  writer.varint(packs.length);
  for (const { pack, set } of packs) {
    writer.raw(idBytes(pack));
    writePieceSet(writer, set);
  }
}

export function readPackHaves(reader: ByteReader, max: number): PackHave[] {
  const seen = new Set<PackId>();
  return readList(reader, 'packs', { max, itemBytes: 34 }, () => {
    const pack = packIdFrom(reader.view(32));
    if (seen.has(pack)) throw reader.malformed('names a pack twice');
    seen.add(pack);
    return { pack, set: readPieceSet(reader) };
  });
}
