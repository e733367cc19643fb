import type { FetchedLine, LoadLine, PieceLine, PieceLogLine, RefusedLine, SentLine } from '@quarry/daemon';

/** A daemon's piece log (docs/piece-log.md), sorted for questions. Times are Unix milliseconds. */
export interface NodeLog {
  /** The daemon's peer id; undefined where not even the first line is there. */
  readonly node: string | undefined;
  /** By when they were present. */
  readonly pieces: readonly PieceLine[];
  readonly refused: readonly RefusedLine[];
  readonly sent: readonly SentLine[];
  /** In the order of time. */
  readonly loads: readonly LoadLine[];
  /** By when they ended. */
  readonly fetched: readonly FetchedLine[];
  /** The same pieces, by `pieceKey`. */
  readonly byPiece: ReadonlyMap<string, readonly PieceLine[]>;
  /** When chunks of a piece appeared that no request had brought, by `pieceKey`; the first time. */
  readonly appeared: ReadonlyMap<string, number>;
  /** When others were told of a piece, by `pieceKey`. */
  readonly told: ReadonlyMap<string, readonly number[]>;
  /** Lines that the daemon could not write, or that are not whole. */
  readonly lostLines: number;
}

export function pieceKey(one: { readonly pack: string; readonly piece: number }): string {
  return `${one.pack} ${one.piece}`;
}

/** What a line must have to be counted with; others are lost. */
const numbersOf: { readonly [Name in PieceLogLine['line']]: readonly string[] } = {
  start: [],
  piece: ['piece', 'asked', 'whole', 'verified', 'present', 'plain', 'wire'],
  refused: ['asked', 'at'],
  sent: ['piece', 'asked', 'admitted', 'read', 'ended'],
  appeared: ['piece', 'at'],
  told: ['at'],
  load: ['at', 'requests', 'window', 'unmet'],
  fetch: ['at'],
  fetched: ['began', 'at'],
  lost: ['lines'],
};

/** Reads a piece log. Lines of unknown names are passed over; those that are not whole, as the last of a killed daemon, are counted. */
export function parseNodeLog(text: string): NodeLog {
  const pieces: PieceLine[] = [];
  const refused: RefusedLine[] = [];
  const sent: SentLine[] = [];
  const loads: LoadLine[] = [];
  const fetched: FetchedLine[] = [];
  const byPiece = new Map<string, PieceLine[]>();
  const appeared = new Map<string, number>();
  const told = new Map<string, number[]>();
  let node: string | undefined;
  let lostLines = 0;
  for (const row of text.split('\n')) {
    if (row === '') continue;
    const line = parseLine(row);
    if (line === 'broken') lostLines += 1;
    if (typeof line === 'string') continue;
    switch (line.line) {
      case 'start':
        ({ node } = line);
        break;
      case 'piece':
        pieces.push(line);
        push(byPiece, pieceKey(line), line);
        break;
      case 'refused':
        refused.push(line);
        break;
      case 'sent':
        sent.push(line);
        break;
      case 'appeared':
        if (!appeared.has(pieceKey(line))) appeared.set(pieceKey(line), line.at);
        break;
      case 'told':
        for (const piece of line.pieces) push(told, pieceKey({ pack: line.pack, piece }), line.at);
        break;
      case 'load':
        loads.push(line);
        break;
      case 'fetched':
        fetched.push(line);
        break;
      case 'lost':
        lostLines += line.lines;
        break;
      case 'fetch':
        break;
    }
  }
  pieces.sort((a, b) => a.present - b.present);
  fetched.sort((a, b) => a.at - b.at);
  return { node, pieces, refused, sent, loads, fetched, byPiece, appeared, told, lostLines };
}

function parseLine(row: string): PieceLogLine | 'broken' | 'unknown' {
  let value: unknown;
  try {
    value = JSON.parse(row);
  } catch {
    return 'broken';
  }
  if (typeof value !== 'object' || value === null || !('line' in value) || typeof value.line !== 'string') {
    return 'broken';
  }
  if (!isKnown(value.line)) return 'unknown';
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const isWhole = numbersOf[value.line].every((name) => Number.isFinite(fields[name]));
  if (!isWhole || (value.line === 'told' && !Array.isArray(fields.pieces))) return 'broken';
  // The daemon of the same build wrote it.
  return value as PieceLogLine;
}

function isKnown(name: string): name is PieceLogLine['line'] {
  return Object.hasOwn(numbersOf, name);
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}
