import { ByteWriter } from '@quarry/content';
import type { ByteReader } from '@quarry/content';
import type { BudgetAnswer, BudgetAsk } from '../budget/budget-events.ts';
import { parseMessage } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

const LENDS = 1;
const SENDS = 2;
/** The largest number that a limit can be; more is no limit. */
const MAX_LIMIT = Number.MAX_SAFE_INTEGER - 1;

/** "Lease me a part of the origin budget; my share of it is yours meanwhile." */
export function encodeBudgetAsk(ask: BudgetAsk): Uint8Array {
  const writer = new ByteWriter(32);
  writer.varint(ask.sequence);
  writer.varint(ask.token);
  writer.varint(ask.members);
  writer.u8((ask.lends ? LENDS : 0) | (ask.sends ? SENDS : 0));
  writer.varint(ask.lentReads);
  writer.varint(ask.wantsReads);
  writer.varint(ask.heldReads);
  writeLimit(writer, ask.wantsBytesPerSecond);
  return writer.finish();
}

export function decodeBudgetAsk(bytes: Uint8Array): BudgetAsk {
  return parseMessage('ask for a part of the origin budget', bytes, protocolLimits.maxBudgetBytes, (reader) => {
    const sequence = reader.varint();
    const token = reader.varint();
    const members = reader.varint();
    if (members === 0) throw reader.malformed('counts no members, not even its sender');
    const flags = reader.u8();
    if (flags > (LENDS | SENDS)) throw reader.malformed(`has the unknown flags ${flags}`);
    const lends = (flags & LENDS) !== 0;
    const lentReads = reader.varint();
    if (!lends && lentReads > 0) throw reader.malformed('lends reads without a share');
    const [wantsReads, heldReads, wantsBytesPerSecond] = [reader.varint(), reader.varint(), readLimit(reader)];
    const sends = (flags & SENDS) !== 0;
    return { sequence, token, members, lends, lentReads, wantsReads, heldReads, sends, wantsBytesPerSecond };
  });
}

/** A lease; of nothing too. */
export function encodeBudgetAnswer(answer: BudgetAnswer): Uint8Array {
  const writer = new ByteWriter(48);
  writer.varint(answer.token);
  writer.varint(answer.leaseMs);
  writer.varint(answer.promiseMs);
  writeLimit(writer, answer.bytesPerSecond);
  writeLimit(writer, answer.reads);
  writeLimit(writer, answer.keepReads);
  writeLimit(writer, answer.budget.bytesPerSecond);
  writeLimit(writer, answer.budget.reads);
  return writer.finish();
}

export function decodeBudgetAnswer(bytes: Uint8Array): BudgetAnswer {
  const { maxBudgetBytes, maxBudgetMs } = protocolLimits;
  return parseMessage('lease of the origin budget', bytes, maxBudgetBytes, (reader) => {
    const token = reader.varint();
    if (token === 0) throw reader.malformed('has no token');
    const [leaseMs, promiseMs] = [reader.varint(), reader.varint()];
    if (Math.max(leaseMs, promiseMs) > maxBudgetMs) throw reader.malformed(`lasts over ${maxBudgetMs} ms`);
    const [bytesPerSecond, reads, keepReads] = [readLimit(reader), readLimit(reader), readLimit(reader)];
    if (keepReads < reads) throw reader.malformed('keeps fewer reads than it grants');
    const budget = { bytesPerSecond: readLimit(reader), reads: readLimit(reader) };
    return { token, leaseMs, promiseMs, bytesPerSecond, reads, keepReads, budget };
  });
}

/** 0: no limit; else one more than the number, so that no number is written in two ways. */
function writeLimit(writer: ByteWriter, limit: number): void {
  writer.varint(limit > MAX_LIMIT ? 0 : Math.floor(limit) + 1);
}

function readLimit(reader: ByteReader): number {
  const value = reader.varint();
  return value === 0 ? Infinity : value - 1;
}
