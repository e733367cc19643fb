import { ByteWriter } from '@quarry/content';
import type { ByteReader } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import { parseMessage, readList, readPeerId, readText } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** "I am here": what a member says of itself, in gossip (topic `members`) and when it meets another (`hello`). */
export interface MemberRecord {
  readonly peer: PeerId;
  readonly role: Role;
  /** Rack or availability zone; empty when nobody said. */
  readonly zone: string;
  /** Multiaddrs where it can be dialled; none if it only dials. */
  readonly addresses: readonly string[];
  /** Grows with each record, over restarts too. */
  readonly sequence: number;
  /** Unix milliseconds by its own clock, for people; nothing is decided by it. */
  readonly sentAtMs: number;
  /** How long after its arrival it is good. 0: this member is leaving. */
  readonly ttlMs: number;
}

const VERSION = 1;
const ROLES: readonly Role[] = ['node', 'seeder'];
const WHAT = 'member record';

export function encodeMemberRecord(record: MemberRecord): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(ROLES.indexOf(record.role));
  writer.text(record.peer);
  writer.text(record.zone);
  writer.varint(record.addresses.length);
  for (const address of record.addresses) writer.text(address);
  writer.varint(record.sequence);
  writer.varint(record.sentAtMs);
  writer.varint(record.ttlMs);
  return writer.finish();
}

export function decodeMemberRecord(bytes: Uint8Array): MemberRecord {
  return parseMessage(WHAT, bytes, protocolLimits.maxMemberBytes, readMemberRecord);
}

function readMemberRecord(reader: ByteReader): MemberRecord {
  const { maxZoneBytes, maxAddresses, maxAddressBytes, maxTtlMs } = protocolLimits;
  const version = reader.u8();
  if (version !== VERSION) throw reader.malformed(`has the unknown version ${version}`);
  const role = ROLES[reader.u8()];
  if (role === undefined) throw reader.malformed('has an unknown role');
  const peer = readPeerId(reader);
  const zone = readText(reader, 'zone', maxZoneBytes);
  const addresses = readList(reader, 'addresses', { max: maxAddresses, itemBytes: 1 }, () =>
    readText(reader, 'address', maxAddressBytes),
  );
  const sequence = reader.varint();
  const sentAtMs = reader.varint();
  const ttlMs = reader.varint();
  if (ttlMs > maxTtlMs) throw reader.malformed(`lives for ${ttlMs} ms, over the limit of ${maxTtlMs}`);
  return { peer, role, zone, addresses, sequence, sentAtMs, ttlMs };
}
