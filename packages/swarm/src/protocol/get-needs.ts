import { ByteWriter, idBytes, packIdFrom } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { readAskedPacks, writeAskedPacks } from './ask.ts';
import type { AskedPack } from './ask.ts';
import { parseMessage, readList } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** "What do you still need, and what have you of these packs?" A seeder that wants to leave asks so. */
export function encodeGetNeeds(packs: readonly PackId[]): Uint8Array {
  const writer = new ByteWriter(8 + packs.length * 32);
  writer.varint(packs.length);
  for (const pack of packs) writer.raw(idBytes(pack));
  return writer.finish();
}

export function decodeGetNeeds(bytes: Uint8Array): PackId[] {
  const { maxNeedsPacks } = protocolLimits;
  return parseMessage('request for needs', bytes, maxNeedsPacks * 32 + 8, (reader) =>
    readList(reader, 'packs', { max: maxNeedsPacks, itemBytes: 32 }, () => packIdFrom(reader.view(32))),
  );
}

/** First the packs of which it needs something, then those it was asked about. `need` is all that it needs, whoever shows it. */
export function encodeNeedsAnswer(packs: readonly AskedPack[]): Uint8Array {
  const writer = new ByteWriter(8 + packs.length * 112);
  writeAskedPacks(writer, packs);
  return writer.finish();
}

export function decodeNeedsAnswer(bytes: Uint8Array): AskedPack[] {
  const { maxNeedsPacks, maxNeedsBytes } = protocolLimits;
  return parseMessage('answer about needs', bytes, maxNeedsBytes, (reader) => readAskedPacks(reader, maxNeedsPacks));
}
