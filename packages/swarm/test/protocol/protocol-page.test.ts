// Holds PROTOCOL.md to the code: its limits and names are compared, its examples decoded and encoded again.
import { ByteReader, ByteWriter, imageLocatorFrom, packIdFrom } from '@quarry/content';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { budgetDefaults } from '../../src/budget/budget-events.ts';
import { bulkDefaults } from '../../src/bulk/bulk-options.ts';
import { memberRollDefaults } from '../../src/budget/member-roll.ts';
import { PURSE_BURST_BYTES } from '../../src/budget/purse.ts';
import { swarmDefaults } from '../../src/options.ts';
import { decodeBulkOffer, encodeBulkOffer } from '../../src/protocol/bulk-offer.ts';
import { decodeAsk, encodeAsk } from '../../src/protocol/ask.ts';
import { decodeGetPiece, encodeGetPiece } from '../../src/protocol/get-piece.ts';
import { decodeImagesMessage, encodeImagesMessage } from '../../src/protocol/images-message.ts';
import { decodeMemberRecord, encodeMemberRecord } from '../../src/protocol/member-record.ts';
import { emptyPieceSet, readPieceSet, writePieceSet } from '../../src/protocol/piece-set.ts';
import { protocolLimits } from '../../src/protocol/protocol-limits.ts';
import { protocols, topics } from '../../src/protocol/protocol-names.ts';
import type { RegiveReason } from '../../src/scheduler/ledger-events.ts';
import { createLinkPace } from '../../src/scheduler/link-pace.ts';
import { pieceScore, textKey } from '../../src/scheduler/rendezvous.ts';

// A formatter may align tables and choose how emphasis is marked.
const page = readFileSync(join(import.meta.dirname, '..', '..', 'PROTOCOL.md'), 'utf8')
  .replaceAll(/ +/g, ' ')
  .replaceAll(/\*(\w+)\*/g, '_$1_');

function example(name: string): string {
  const found = new RegExp(`<!-- example: ${name} -->\\n\`\`\`\\n([^\`]*)\`\`\``).exec(page);
  if (!found) throw new Error(`PROTOCOL.md has no example "${name}"`);
  return (found[1] ?? '').replaceAll(/\s/g, '');
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (name: string): Uint8Array => new Uint8Array(Buffer.from(example(name), 'hex'));

test('the page states every limit as it is', () => {
  const stated = [...page.matchAll(/^\| `(max\w+)` \| (\d+) \|/gm)].map(([, name, value]) => [name, Number(value)]);
  expect(Object.fromEntries(stated)).toEqual(protocolLimits);
});

test('the page names every protocol, topic and reason for giving again', () => {
  for (const name of [...Object.values(protocols), ...Object.values(topics)]) expect(page).toContain(`\`${name}\``);
  const reasons: Record<RegiveReason, true> = {
    sendFailed: true,
    holderGone: true,
    unshown: true,
    unserved: true,
    distrusted: true,
  };
  for (const reason of Object.keys(reasons)) expect(page).toContain(`| \`${reason}\` |`);
});

test('the page states the scheduler’s numbers as they are', () => {
  const { scheduler, ledger, leave } = swarmDefaults;
  const { slots } = createLinkPace();
  for (const sentence of [
    `${slots.slots} are served at once and ${slots.queue} wait`,
    `held for up to ${ledger.longPollMs / 1000} s`,
    `serves ${ledger.minSlots} at once at first`,
    `after ${scheduler.leaseGraceMs} ms of listening (${scheduler.seederPatienceMs / 1000} s while`,
    `for _r_ × ${scheduler.leaseRankMs / 1000} s, nor`,
    `up to ${scheduler.maxLeaseRankMs / 1000} s`,
    `⌊${scheduler.leaseRunBytes / 2 ** 20} MiB × pieces ÷ bytes⌋`,
    `fewer than ${scheduler.leaseFrontier} runs before it`,
    `_targetDegree_ (${swarmDefaults.targetDegree})`,
    `while these are at most ${swarmDefaults.maxZoneMates}; else`,
    `carried no piece for ${swarmDefaults.excessIdleMs / 1000} s`,
    `for _r_ × ${scheduler.crossRankMs / 1000} s (or four times`,
    `or after _r_ × ${scheduler.crossSkipMs / 1000} s whatever was seen: a leader`,
    `in ${scheduler.slowMatesMs / 1000} s, while the window had room`,
    `a quarter of it or ${scheduler.minFarWindow}, whichever is most`,
    `is held by ${leave.leaveHolders} living nodes`,
    `connected to, every\n${leave.roundMs} ms`,
    `answered nothing for ${leave.silentMs / 1000} s;`,
    `still needed ${ledger.regiveAfterMs / 1000} s after it left`,
  ]) {
    expect(page).toContain(sentence);
  }
});

test('the page states the numbers of the origin budget as they are', () => {
  const { leaseMs, renewMs, askTimeoutMs, probeMs, turnMs, joinMs, idleMs, idleMsPerMember } = budgetDefaults;
  for (const sentence of [
    `ms: ${leaseMs} |`,
    `renewed every ${renewMs} ms`,
    `(${askTimeoutMs / 1000} s each)`,
    `tried every ${probeMs / 1000} s`,
    `has its turn of ${turnMs / 1000} s`,
    `has no share for ${joinMs / 1000} s`,
    `max(${idleMs / 1000} s, members × ${idleMsPerMember} ms)`,
    `without a goodbye for ${memberRollDefaults.vanishedMs / 60_000} minutes more`,
    `at most ${PURSE_BURST_BYTES / 1024} KiB`,
  ]) {
    expect(page).toContain(sentence);
  }
  expect(swarmDefaults.memberTtlMs / 2).toBe(joinMs);
});

test('the page states the numbers of bulk connections as they are', () => {
  const { retryFirstMs, retryMaxMs, maxConnectionsPerPeer, maxConnections, maxStrangers } = bulkDefaults;
  const { connectTimeoutMs, idleConnectionMs, retireConnectionBytes } = bulkDefaults;
  for (const sentence of [
    `tried again after ${retryFirstMs / 1000} s, then twice as long, up to ${retryMaxMs / 1000} s`,
    `the latest ${2 * maxConnectionsPerPeer} count`,
    `to that name there are ${connectTimeoutMs / 1000} s.`,
    `${maxStrangers} are let in at once`,
    `has brought ${retireConnectionBytes / 2 ** 30} GiB is replaced`,
    `twice ${maxConnectionsPerPeer} connections for each protocol; ${maxConnections} are open`,
    `not used for ${idleConnectionMs / 1000} s, the other side after ${(4 * idleConnectionMs) / 1000} s`,
  ]) {
    expect(page).toContain(sentence);
  }
});

test('the page states the numbers of private images as they are', () => {
  const { images } = swarmDefaults;
  for (const sentence of [
    `an end\n${images.ticketMs / 1000} s from now`,
    `may ask ${images.ticketBurst} times at once, then ${images.ticketsPerSecond} times a second`,
    `no longer ago than ${images.skewMs / 1000} s`,
    `no later than ${(images.ticketMs + images.skewMs) / 1000} s from now`,
    `every third of the ttl (${images.hereTtlMs / 1000} s)`,
    `for ${images.goneMs / 3_600_000} h and checks`,
    `${images.maxGone.toLocaleString('en')} words _gone_ and ${images.maxHere.toLocaleString('en')} _here_`,
    `of one author ${images.maxPerAuthor.toLocaleString('en')} each`,
  ]) {
    expect(page).toContain(sentence);
  }
  expect(page).toContain('first three peers');
  expect(images.newcomerAsks).toBe(3);
});

test('its examples are what the code makes of them', () => {
  const record = decodeMemberRecord(bytesOf('member-record'));
  expect(record).toEqual({
    peer: '12D3KooWA',
    role: 'node',
    zone: 'rack-7',
    addresses: ['/ip4/10.0.0.1/tcp/4701'],
    sequence: 1_750_000_000_000_001,
    sentAtMs: 1_750_000_000_000,
    ttlMs: 30_000,
  });
  expect(hex(encodeMemberRecord(record))).toBe(example('member-record'));

  const set = readPieceSet(new ByteReader(bytesOf('piece-set'), 'example'));
  expect(set).toEqual({ whole: Uint8Array.of(0b11, 0b10), partial: [{ piece: 4, mask: 0b110 }] });
  const writer = new ByteWriter();
  writePieceSet(writer, set);
  expect(hex(writer.finish())).toBe(example('piece-set'));

  const offer = decodeBulkOffer(bytesOf('bulk-offer'));
  const [id, secret] = [new Uint8Array(16).fill(1), new Uint8Array(32).fill(2)];
  expect(offer).toEqual({ mode: 'tls', id, secret, places: [{ host: '', port: 4748 }] });
  expect(hex(encodeBulkOffer(offer))).toBe(example('bulk-offer'));

  const news = decodeImagesMessage(bytesOf('images-message'));
  expect(news).toEqual([
    { kind: 'gone', locator: imageLocatorFrom(new Uint8Array(32).fill(1)), voucher: new Uint8Array(32).fill(2) },
    { kind: 'here', locator: imageLocatorFrom(new Uint8Array(32).fill(3)), ttlMs: 600_000 },
  ]);
  expect(hex(encodeImagesMessage(news))).toBe(example('images-message'));

  const request = decodeGetPiece(bytesOf('get-piece'));
  expect(request).toEqual({ pack: packIdFrom(new Uint8Array(32).fill(1)), piece: 7, mask: 0b101 });
  expect(hex(encodeGetPiece(request))).toBe(example('get-piece'));

  const proven = decodeGetPiece(bytesOf('get-private-piece'));
  expect(proven).toEqual({ ...request, proof: new Uint8Array(32).fill(2) });
  expect(hex(encodeGetPiece(proven))).toBe(example('get-private-piece'));

  const first = { whole: Uint8Array.of(1), partial: [] };
  const ask = decodeAsk(bytesOf('ask'));
  expect(ask.packs).toEqual([
    { pack: packIdFrom(new Uint8Array(32).fill(1)), need: first, have: emptyPieceSet },
    {
      pack: packIdFrom(new Uint8Array(32).fill(3)),
      need: first,
      have: emptyPieceSet,
      proof: new Uint8Array(32).fill(2),
    },
  ]);
  expect(hex(encodeAsk(ask))).toBe(example('ask'));
});

test('rendezvous hashing gives the numbers of the page', () => {
  const numberOf = (call: string): number => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${call}\` |`));
    return Number(row?.split('|')[2]);
  };
  const key = textKey('12D3KooWA');
  expect(numberOf('key("12D3KooWA")')).toBe(key);
  expect(numberOf(`score(${key}, 0)`)).toBe(pieceScore(key, 0));
  expect(numberOf(`score(${key}, 255)`)).toBe(pieceScore(key, 255));
});
