import {
  createManifestBuilder,
  fixed64k,
  imageLocatorFrom,
  imageRef,
  manifestIdFrom,
  packIdFrom,
  publicDomain,
  signImageRecord,
  signTicket,
} from '@quarry/content';
import type { ImageRecord } from '@quarry/content';
import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { decodeBulkAsk, decodeBulkOffer, encodeBulkAsk, encodeBulkOffer } from '../../src/protocol/bulk-offer.ts';
import type { PeerId } from '../../src/ports/network.ts';
import { decodeAsk, decodeAskAnswer, encodeAsk, encodeAskRefusal, encodeGivenHead } from '../../src/protocol/ask.ts';
import type { AskedPack } from '../../src/protocol/ask.ts';
import {
  decodeBlobAnswer,
  decodeGetBlob,
  encodeBlobHead,
  encodeBlobRefusal,
  encodeGetBlob,
} from '../../src/protocol/get-blob.ts';
import { decodeGetHaves, decodeHavesAnswer, encodeGetHaves, encodeHavesAnswer } from '../../src/protocol/get-haves.ts';
import {
  decodeGetTicket,
  decodeTicketAnswer,
  encodeGetTicket,
  encodeTicketAnswer,
} from '../../src/protocol/get-ticket.ts';
import { decodeGetNeeds, decodeNeedsAnswer, encodeGetNeeds, encodeNeedsAnswer } from '../../src/protocol/get-needs.ts';
import {
  decodeGetPiece,
  decodePieceAnswer,
  encodeGetPiece,
  encodePieceHead,
  encodePieceRefusal,
} from '../../src/protocol/get-piece.ts';
import { decodeHavesMessage, encodeHavesMessage } from '../../src/protocol/haves-message.ts';
import { decodeHelloAnswer, encodeHelloAnswer } from '../../src/protocol/hello.ts';
import { decodeHoldMessage, decodeHoldReply, encodeHoldMessage, encodeHoldReply } from '../../src/protocol/hold.ts';
import { decodeImagesMessage, encodeImagesMessage } from '../../src/protocol/images-message.ts';
import {
  decodeGetKnownImages,
  decodeKnownImages,
  encodeGetKnownImages,
  encodeKnownImages,
} from '../../src/protocol/known-images.ts';
import { decodeMemberRecord, encodeMemberRecord } from '../../src/protocol/member-record.ts';
import {
  decodeBudgetAnswer,
  decodeBudgetAsk,
  encodeBudgetAnswer,
  encodeBudgetAsk,
} from '../../src/protocol/origin-budget.ts';
import { pieceSetOf } from '../../src/protocol/piece-set.ts';
import {
  decodeFindRecords,
  decodeListRecords,
  decodeRecordsAnswer,
  encodeFindRecords,
  encodeListRecords,
  encodeRecordsAnswer,
} from '../../src/protocol/records.ts';
import { fullMask, shapeFor } from '../../src/scheduler/piece-masks.ts';

/** One message of the protocol: something of its kind, and how it becomes bytes and itself again. */
export interface MessageKind {
  readonly name: string;
  readonly arbitrary: fc.Arbitrary<unknown>;
  readonly encode: (message: never) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
  /** What a message means whose last field, which may be missing, is cut off. */
  readonly withoutEnd: ((message: never) => unknown) | undefined;
}

const kind = <T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  encode: (message: T) => Uint8Array,
  decode: (bytes: Uint8Array) => unknown,
  withoutEnd?: (message: T) => unknown,
): MessageKind => ({
  name,
  arbitrary,
  encode: encode as MessageKind['encode'],
  decode,
  withoutEnd: withoutEnd as MessageKind['withoutEnd'],
});

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const packArb = bytes32.map(packIdFrom);
const peerArb = fc.string({
  unit: fc.constantFrom('1', '2', 'D', 'K', 'o', 'W', 'x'),
  minLength: 1,
  maxLength: 60,
}) as fc.Arbitrary<PeerId>;
const shape = shapeFor(4096);
const masksArb = fc.array(fc.tuple(fc.nat(255), fc.oneof(fc.constant(0xffff), fc.integer({ min: 1, max: 0xfffe }))), {
  maxLength: 40,
});
const setArb = masksArb.map((entries) => {
  const masks = new Uint16Array(shape.pieceCount);
  for (const [piece, mask] of entries) masks[piece] = mask & fullMask(shape, piece);
  return pieceSetOf(masks, shape);
});
const havesArb = fc.uniqueArray(fc.record({ pack: packArb, set: setArb }), {
  maxLength: 6,
  selector: (have) => have.pack,
});
const addressesArb = fc.array(fc.constantFrom('/ip4/10.0.0.1/tcp/4001', '/dns4/a.example/tcp/1', ''), { maxLength: 3 });
const sequenceArb = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const memberArb = fc.record({
  peer: peerArb,
  role: fc.constantFrom('node' as const, 'seeder' as const),
  zone: fc.constantFrom('', 'rack-7', 'Zürich'),
  addresses: addressesArb,
  sequence: sequenceArb,
  sentAtMs: sequenceArb,
  ttlMs: fc.nat(3_600_000),
});
const limitArb = fc.oneof(fc.constant(Infinity), fc.nat({ max: 2 ** 40 }));
const budgetAskArb = fc
  .record({
    sequence: sequenceArb,
    token: sequenceArb,
    members: fc.integer({ min: 1, max: 10_000 }),
    lends: fc.boolean(),
    lentReads: fc.nat(100),
    wantsReads: fc.nat(100),
    heldReads: fc.nat(100),
    sends: fc.boolean(),
    wantsBytesPerSecond: limitArb,
  })
  .map((ask) => ({ ...ask, lentReads: ask.lends ? ask.lentReads : 0 }));
const budgetAnswerArb = fc.record({
  token: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  leaseMs: fc.nat(600_000),
  promiseMs: fc.nat(600_000),
  bytesPerSecond: limitArb,
  reads: fc.nat(100),
  keepReads: fc.oneof(fc.constant(Infinity), fc.integer({ min: 100, max: 1000 })),
  budget: fc.record({ bytesPerSecond: limitArb, reads: limitArb }),
});
const provenPackArb: fc.Arbitrary<AskedPack> = fc.record({ pack: packArb, need: setArb, have: setArb, proof: bytes32 });
/** Private packs before, after and between others. */
function uniquePacks([first, ...rest]: readonly [AskedPack, AskedPack[], AskedPack[]]): AskedPack[] {
  const packs = [...rest.flat().slice(0, 2), first, ...rest.flat().slice(2)];
  return packs.filter(({ pack }, i) => packs.findIndex((other) => other.pack === pack) === i);
}
const askedPacksArb = fc.uniqueArray(fc.record({ pack: packArb, need: setArb, have: setArb }), {
  maxLength: 4,
  selector: (asked) => asked.pack,
});
const encodingArb = fc.constantFrom('plain' as const, 'zstd' as const);
const bodyArb = fc.uint8Array({ maxLength: 200 });
const pieceArb = fc.record({ pack: packArb, piece: fc.nat(255), mask: fc.integer({ min: 1, max: 0xffff }) });

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const signer = {
  publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)),
  sign: async (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey)),
};
export const someRecords: readonly ImageRecord[] = await Promise.all(
  ['a', 'b'].map((name) =>
    signImageRecord(
      {
        ref: imageRef(name),
        domain: publicDomain,
        imageBytes: 5,
        hash: undefined,
        manifest: manifestIdFrom(new Uint8Array(32)),
        publishedAtMs: 1_750_000_000_000,
      },
      signer,
    ),
  ),
);

const someTicket = await signTicket(
  { manifest: manifestIdFrom(new Uint8Array(32)), bearer: '12D3KooWA', expiresAtMs: 1_750_000_060_000 },
  signer,
);
const heldImages = await Promise.all(
  [1, 2].map(async (chunks) => {
    const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
    builder.addZeros(chunks * 65_536);
    const manifest = builder.build();
    const { id, domain, imageBytes, hash } = manifest;
    const fields = { ref: imageRef('a'), domain, imageBytes, hash, manifest: id, publishedAtMs: 5 };
    return { record: await signImageRecord(fields, signer), manifest };
  }),
);
const newsArb = fc.oneof(
  fc.record({ kind: fc.constant('here' as const), locator: bytes32.map(imageLocatorFrom), ttlMs: fc.nat(3_600_000) }),
  fc.record({ kind: fc.constant('gone' as const), locator: bytes32.map(imageLocatorFrom), voucher: bytes32 }),
);

function joined(head: Uint8Array, body: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([head, body]));
}

export const messageKinds: readonly MessageKind[] = [
  kind('member record', memberArb, encodeMemberRecord, decodeMemberRecord),
  kind(
    'answer to a hello',
    fc.record({
      record: memberArb,
      hints: fc.array(fc.record({ peer: peerArb, addresses: addressesArb }), { maxLength: 4 }),
    }),
    encodeHelloAnswer,
    decodeHelloAnswer,
  ),
  kind(
    'haves message',
    fc.record({
      sequence: sequenceArb,
      packs: havesArb,
      wants: fc.option(fc.array(fc.constantFrom('0123456789abcdef', 'ffffffffffffffff'), { maxLength: 3 }), {
        nil: undefined,
      }),
    }),
    encodeHavesMessage,
    decodeHavesMessage,
  ),
  kind('request for haves', fc.array(packArb, { maxLength: 5 }), encodeGetHaves, decodeGetHaves),
  kind(
    'answer about haves',
    fc.record({ sequence: sequenceArb, packs: havesArb }),
    encodeHavesAnswer,
    decodeHavesAnswer,
  ),
  kind('request for a piece', pieceArb, encodeGetPiece, decodeGetPiece),
  kind(
    'request for a piece of a private pack',
    fc.tuple(pieceArb, bytes32).map(([piece, proof]) => ({ ...piece, proof })),
    encodeGetPiece,
    decodeGetPiece,
    ({ pack, piece, mask }) => ({ pack, piece, mask }),
  ),
  kind(
    'piece',
    fc.tuple(encodingArb, bodyArb).map(([encoding, body]) => ({ kind: 'piece' as const, encoding, body })),
    ({ encoding, body }) => joined(encodePieceHead(encoding), body),
    decodePieceAnswer,
  ),
  kind(
    'refusal of a piece',
    fc.oneof(
      fc.nat(1000).map((queueLength) => ({ kind: 'busy' as const, queueLength })),
      fc.constantFrom({ kind: 'absent' as const }, { kind: 'refused' as const }),
    ),
    encodePieceRefusal,
    decodePieceAnswer,
  ),
  kind(
    'ask',
    fc.record({
      packs: askedPacksArb,
      distrusts: fc.array(peerArb, { maxLength: 3 }),
    }),
    encodeAsk,
    decodeAsk,
  ),
  kind(
    'ask that names private packs',
    fc.record({
      packs: fc.tuple(provenPackArb, askedPacksArb, fc.array(provenPackArb, { maxLength: 2 })).map(uniquePacks),
      distrusts: fc.array(peerArb, { maxLength: 3 }),
    }),
    encodeAsk,
    decodeAsk,
    ({ packs, distrusts }) => ({ packs: packs.map((asked) => ({ ...asked, proof: undefined })), distrusts }),
  ),
  kind(
    'given piece',
    fc
      .tuple(encodingArb, pieceArb, bodyArb)
      .map(([encoding, piece, body]) => ({ kind: 'given' as const, encoding, ...piece, body })),
    (given) => joined(encodeGivenHead(given), given.body),
    decodeAskAnswer,
  ),
  kind(
    'refusal of an ask',
    fc.oneof(
      fc.nat(1000).map((ahead) => ({ kind: 'wait' as const, ahead })),
      havesArb.map((lacking) => ({ kind: 'dry' as const, lacking })),
    ),
    encodeAskRefusal,
    decodeAskAnswer,
  ),
  kind('request for needs', fc.array(packArb, { maxLength: 5 }), encodeGetNeeds, decodeGetNeeds),
  kind('answer about needs', askedPacksArb, encodeNeedsAnswer, decodeNeedsAnswer),
  kind('ask for a part of the origin budget', budgetAskArb, encodeBudgetAsk, decodeBudgetAsk),
  kind('lease of the origin budget', budgetAnswerArb, encodeBudgetAnswer, decodeBudgetAnswer),
  kind(
    'request for a blob',
    fc.oneof(
      fc.record({ id: bytes32, insists: fc.boolean() }),
      fc.record({ id: bytes32, insists: fc.boolean(), proof: bytes32 }),
      fc.record({ id: bytes32, insists: fc.boolean(), ticket: fc.uint8Array({ maxLength: 320 }) }),
    ),
    encodeGetBlob,
    decodeGetBlob,
  ),
  kind(
    'request for a ticket',
    fc.record({ locator: bytes32.map(imageLocatorFrom), proof: bytes32 }),
    encodeGetTicket,
    decodeGetTicket,
  ),
  kind(
    'answer with a ticket',
    fc.option(
      fc.constantFrom(...someRecords).map((record) => ({ record, ticket: someTicket })),
      { nil: undefined },
    ),
    encodeTicketAnswer,
    decodeTicketAnswer,
  ),
  kind(
    'request to hold an image',
    fc.oneof(
      fc
        .tuple(fc.constantFrom(...heldImages), fc.boolean())
        .map(([image, withChunks]) => ({ kind: 'hold' as const, ...image, withChunks })),
      bytes32.map((id) => ({ kind: 'status' as const, manifest: manifestIdFrom(id) })),
    ),
    encodeHoldMessage,
    decodeHoldMessage,
  ),
  kind(
    'answer about holding an image',
    fc.oneof(
      fc.constantFrom({ kind: 'accepted' as const }, { kind: 'absent' as const }),
      fc.constantFrom('', 'no room', 'x'.repeat(255)).map((reason) => ({ kind: 'refused' as const, reason })),
      fc.record({
        kind: fc.constantFrom('fetching' as const, 'complete' as const, 'failed' as const),
        wantedBytes: sequenceArb,
        presentBytes: sequenceArb,
      }),
    ),
    encodeHoldReply,
    decodeHoldReply,
  ),
  kind('images message', fc.array(newsArb, { maxLength: 5 }), encodeImagesMessage, decodeImagesMessage),
  kind('request for what is known of images', sequenceArb, encodeGetKnownImages, decodeGetKnownImages),
  kind(
    'what is known of images',
    fc.record({
      next: sequenceArb,
      news: fc.array(fc.record({ author: peerArb, ageMs: sequenceArb, news: newsArb }), { maxLength: 4 }),
    }),
    encodeKnownImages,
    decodeKnownImages,
  ),
  kind(
    'blob',
    bodyArb.map((body) => ({ kind: 'blob' as const, body })),
    ({ body }) => joined(encodeBlobHead(), body),
    (bytes) => decodeBlobAnswer(bytes, 200),
  ),
  kind(
    'refusal of a blob',
    fc.oneof(
      fc.constant({ kind: 'absent' as const }),
      fc.array(peerArb, { maxLength: 8 }).map((peers) => ({ kind: 'elsewhere' as const, peers })),
    ),
    encodeBlobRefusal,
    (bytes) => decodeBlobAnswer(bytes, 200),
  ),
  kind(
    'request for records',
    fc.constantFrom('a', 'Zürich', 'x'.repeat(255)).map(imageRef),
    encodeFindRecords,
    decodeFindRecords,
  ),
  kind(
    'request for a list of records',
    fc.record({
      after: fc.option(fc.constantFrom('a', 'b').map(imageRef), { nil: undefined }),
      limit: fc.integer({ min: 1, max: 256 }),
    }),
    encodeListRecords,
    decodeListRecords,
  ),
  kind('answer with records', fc.subarray([...someRecords]), encodeRecordsAnswer, decodeRecordsAnswer),
  kind('ask for a bulk connection', fc.record({ wantsPlain: fc.boolean() }), encodeBulkAsk, decodeBulkAsk),
  kind(
    'offer of a bulk connection',
    fc.option(
      fc.record({
        mode: fc.constantFrom('tls' as const, 'plain' as const),
        id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        places: fc.array(
          fc.record({
            host: fc.constantFrom('', '10.0.0.1', '2001:db8::1', 'node-7.example'),
            port: fc.integer({ min: 1, max: 65_535 }),
          }),
          { maxLength: 4 },
        ),
      }),
      { nil: undefined },
    ),
    encodeBulkOffer,
    decodeBulkOffer,
  ),
];
