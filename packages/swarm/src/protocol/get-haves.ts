import { ByteWriter, idBytes, packIdFrom } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { readPackHaves, writePackHaves } from './haves-message.ts';
import type { PackHave } from './haves-message.ts';
import { parseMessage, readList } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** "What have you of these packs?" The answer names each of them of which there is anything. */
export function encodeGetHaves(packs: readonly PackId[]): Uint8Array {
  const writer = new ByteWriter(8 + packs.length * 32);
  writer.varint(packs.length);
  for (const pack of packs) writer.raw(idBytes(pack));
  return writer.finish();
}

export function decodeGetHaves(bytes: Uint8Array): PackId[] {
  const { maxGetHavesPacks } = protocolLimits;
  return parseMessage('request for haves', bytes, maxGetHavesPacks * 32 + 8, (reader) =>
    readList(reader, 'packs', { max: maxGetHavesPacks, itemBytes: 32 }, () => packIdFrom(reader.view(32))),
  );
}

/** `sequence` is that of the last message about haves that the answerer published: the answer is at least as new. */
export interface HavesAnswer {
  readonly sequence: number;
  readonly packs: readonly PackHave[];
}

export function encodeHavesAnswer({ sequence, packs }: HavesAnswer): Uint8Array {
  const writer = new ByteWriter(16 + packs.length * 72);
  writer.varint(sequence);
  writePackHaves(writer, packs);
  return writer.finish();
}

export function decodeHavesAnswer(bytes: Uint8Array): HavesAnswer {
  const { maxGetHavesPacks, maxHavesBytes } = protocolLimits;
  return parseMessage('answer about haves', bytes, maxHavesBytes, (reader) => ({
    sequence: reader.varint(),
    packs: readPackHaves(reader, maxGetHavesPacks),
  }));
}
