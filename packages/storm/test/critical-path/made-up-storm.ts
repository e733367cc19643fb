import type { FetchedLine, PieceLine, PieceLogLine, RefusedLine, SentLine } from '@quarry/daemon';
import type { LoggedMember, LoggedStorm } from '../../src/critical-path/logged-storm.ts';
import { parseNodeLog } from '../../src/critical-path/node-log.ts';

/** When made-up storms begin; Unix milliseconds. Below, moments are seconds after it. */
export const START_MS = 1_800_000_000_000;
/** At which a piece takes a tenth of a second. */
export const PIECE_BYTES = 262_144;
export const LINK = PIECE_BYTES * 10;
export const PACK = '3f2a09c1'.padEnd(64, '0');

export const ms = (seconds: number): number => START_MS + Math.round(seconds * 10_000) / 10;

type Moments = { readonly [Name in 'asked' | 'first' | 'whole' | 'verified' | 'present']?: number };

/** A piece that comes at the link's speed as soon as it is asked for, but for what is said of it. */
export function piece(number: number, from: string | undefined, moments: Moments & Partial<PieceLine>): PieceLine {
  const { asked = 0, first = asked, whole = first + 0.1, verified = whole, present = verified, ...rest } = moments;
  return {
    line: 'piece',
    pack: PACK,
    piece: number,
    source: from === undefined ? 'origin' : from === 'seeder' ? 'seeder' : 'peer',
    ...(from !== undefined && { from }),
    plain: PIECE_BYTES,
    wire: PIECE_BYTES,
    ...rest,
    asked: ms(asked),
    first: ms(first),
    whole: ms(whole),
    verified: ms(verified),
    present: ms(present),
  };
}

export function sent(
  number: number,
  to: string,
  { asked, admitted = asked, read = admitted, ended = read }: Pick<SentLine, 'asked'> & Partial<SentLine>,
): SentLine {
  const times = { asked: ms(asked), admitted: ms(admitted), read: ms(read), ended: ms(ended) };
  return { line: 'sent', pack: PACK, piece: number, to, wire: PIECE_BYTES, ...times };
}

export function refused(
  number: number,
  from: string,
  why: RefusedLine['why'],
  { asked, at, bytes }: { readonly asked: number; readonly at: number; readonly bytes?: number },
): RefusedLine {
  const rest = bytes === undefined ? {} : { bytes };
  return {
    line: 'refused',
    why,
    source: 'peer',
    from,
    pack: PACK,
    piece: number,
    asked: ms(asked),
    at: ms(at),
    ...rest,
  };
}

export const told = (seconds: number, ...pieces: number[]): PieceLogLine => ({
  line: 'told',
  at: ms(seconds),
  pack: PACK,
  pieces,
});

export const fetched = (began: number, at: number, bytes: Partial<FetchedLine> = {}): PieceLogLine => ({
  line: 'fetched',
  began: ms(began),
  at: ms(at),
  image: 'image',
  via: 'gateway',
  ok: true,
  ...bytes,
});

export function member(name: string, lines: readonly PieceLogLine[] | undefined, zone = 0): LoggedMember {
  const role = name === 'seeder' ? 'seeder' : 'node';
  const start: PieceLogLine = { line: 'start', at: ms(-5), node: name, role, zone: String(zone) };
  const text = [start, ...(lines ?? [])].map((line) => JSON.stringify(line)).join('\n');
  const shown = role === 'seeder' ? 'the seeder' : name;
  return { peer: name, name: shown, zone, role, log: lines && parseNodeLog(`${text}\n`) };
}

export function storm(...members: readonly LoggedMember[]): LoggedStorm {
  const rates = { linkBytesPerSecond: LINK, originBytesPerSecond: LINK };
  return { startMs: START_MS, ...rates, boundSeconds: 10, members };
}
