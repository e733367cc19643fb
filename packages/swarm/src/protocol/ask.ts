import { ByteWriter, idBytes, packIdFrom } from '@quarry/content';
import type { ByteReader, Encoding, PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { encodingCode, readEncoding } from './body-encoding.ts';
import { readPackHaves, writePackHaves } from './haves-message.ts';
import type { PackHave } from './haves-message.ts';
import { parseMessage, PROOF_BYTES, readList, readPeerId } from './message.ts';
import { readPieceSet, writePieceSet } from './piece-set.ts';
import type { PieceSet } from './piece-set.ts';
import { protocolLimits } from './protocol-limits.ts';

/** One pack in a standing ask to a seeder. */
export interface AskedPack {
  readonly pack: PackId;
  /** What the asker needs and knows nobody to have. */
  readonly need: PieceSet;
  /** What it has: proof that what it was given arrived. */
  readonly have: PieceSet;
  /** That the asker knows the secret of a private pack: 32 bytes. Only in an ask. */
  readonly proof?: Uint8Array | undefined;
}

export interface Ask {
  readonly packs: readonly AskedPack[];
  /** Peers that sent this asker bytes without their digests. */
  readonly distrusts: readonly PeerId[];
}

export type AskAnswer =
  /** Chunks that the seeder chose, encoded as in the answer to a request for a piece. */
  | {
      readonly kind: 'given';
      readonly encoding: Encoding;
      readonly pack: PackId;
      readonly piece: number;
      readonly mask: number;
      readonly body: Uint8Array;
    }
  /** All slots are taken: ask again, your place is kept. */
  | { readonly kind: 'wait'; readonly ahead: number }
  /** What you need was given to others; `lacking` is what this seeder does not hold itself. */
  | { readonly kind: 'dry'; readonly lacking: readonly PackHave[] };

const GIVEN = 0;
const WAIT = 1;
const DRY = 2;

export function encodeAsk({ packs, distrusts }: Ask): Uint8Array {
  const writer = new ByteWriter(8 + packs.length * 112);
  writeAskedPacks(writer, packs);
  writer.varint(distrusts.length);
  for (const peer of distrusts) writer.text(peer);
  writeProofs(writer, packs);
  return writer.finish();
}

export function decodeAsk(bytes: Uint8Array): Ask {
  const { maxAskBytes, maxAskPacks, maxDistrusts } = protocolLimits;
  return parseMessage('ask', bytes, maxAskBytes, (reader) => {
    const packs = readAskedPacks(reader, maxAskPacks);
    const distrusts = readList(reader, 'distrusts', { max: maxDistrusts, itemBytes: 2 }, () => readPeerId(reader));
    return { packs: reader.remaining === 0 ? packs : readProofs(reader, packs), distrusts };
  });
}

/** Nothing at all where there is none, as it was before there were private packs. */
function writeProofs(writer: ByteWriter, packs: readonly AskedPack[]): void {
  const count = packs.filter(({ proof }) => proof).length;
  if (count === 0) return;
  writer.varint(count);
  for (const [index, { proof }] of packs.entries()) {
    if (!proof) continue;
    writer.u8(index);
    writer.raw(proof);
  }
}

function readProofs(reader: ByteReader, packs: readonly AskedPack[]): AskedPack[] {
  const proven = [...packs];
  const options = { max: packs.length, itemBytes: 1 + PROOF_BYTES };
  let next = 0;
  readList(reader, 'proofs', options, () => {
    const index = reader.u8();
    const asked = proven[index];
    if (!asked || index < next) throw reader.malformed(`has a proof for pack ${index} of its list`);
    proven[index] = { ...asked, proof: reader.copy(PROOF_BYTES) };
    next = index + 1;
  });
  if (next === 0) throw reader.malformed('has an empty list of proofs');
  return proven;
}

/** What stands before the body, which the seeder adds part by part. */
export function encodeGivenHead(given: Omit<AskAnswer & { kind: 'given' }, 'kind' | 'body'>): Uint8Array {
  const writer = new ByteWriter(40);
  writer.u8(GIVEN);
  writer.u8(encodingCode(given.encoding));
  writer.raw(idBytes(given.pack));
  writer.u8(given.piece);
  writer.u16(given.mask);
  return writer.finish();
}

export function encodeAskRefusal(answer: Exclude<AskAnswer, { readonly kind: 'given' }>): Uint8Array {
  const writer = new ByteWriter();
  if (answer.kind === 'wait') {
    writer.u8(WAIT);
    writer.varint(answer.ahead);
  } else {
    writer.u8(DRY);
    writePackHaves(writer, answer.lacking);
  }
  return writer.finish();
}

/** The body is a view of `bytes`. */
export function decodeAskAnswer(bytes: Uint8Array): AskAnswer {
  const { maxAskAnswerBytes, maxAskPacks } = protocolLimits;
  return parseMessage('answer to an ask', bytes, maxAskAnswerBytes, (reader): AskAnswer => {
    const status = reader.u8();
    switch (status) {
      case GIVEN: {
        const encoding = readEncoding(reader);
        const pack = packIdFrom(reader.view(32));
        const piece = reader.u8();
        const mask = reader.u16();
        if (mask === 0) throw reader.malformed('gives no chunk');
        return { kind: 'given', encoding, pack, piece, mask, body: reader.view(reader.remaining) };
      }
      case WAIT:
        return { kind: 'wait', ahead: reader.varint() };
      case DRY:
        return { kind: 'dry', lacking: readPackHaves(reader, maxAskPacks) };
      default:
        throw reader.malformed(`has the unknown status ${status}`);
    }
  });
}

export function writeAskedPacks(writer: ByteWriter, packs: readonly AskedPack[]): void {
  writer.varint(packs.length);
  for (const { pack, need, have } of packs) {
    writer.raw(idBytes(pack));
    writePieceSet(writer, need);
    writePieceSet(writer, have);
  }
}

export function readAskedPacks(reader: ByteReader, max: number): AskedPack[] {
  const seen = new Set<PackId>();
  return readList(reader, 'packs', { max, itemBytes: 36 }, () => {
    const pack = packIdFrom(reader.view(32));
    if (seen.has(pack)) throw reader.malformed('names a pack twice');
    seen.add(pack);
    return { pack, need: readPieceSet(reader), have: readPieceSet(reader) };
  });
}
