import { limits } from '@quarry/content';
import { parseBytes, parseDuration, parseRate } from '@quarry/runtime';
import type { HostShare, Rate, Span } from './scenario.ts';

/** How a value is written. `says` completes "must be …". */
export interface ValueKind<T> {
  readonly says: string;
  /** undefined when it is not one. */
  parse(raw: unknown): T | undefined;
}

const chunksPerMiB = 2 ** 20 / limits.fixedChunkBytes;

export const text: ValueKind<string> = {
  says: 'a string that is not empty',
  parse: (raw) => (typeof raw === 'string' && raw !== '' ? raw : undefined),
};

export const flag: ValueKind<boolean> = {
  says: 'true or false',
  parse: (raw) => (typeof raw === 'boolean' ? raw : undefined),
};

export function integer(least: number, most: number): ValueKind<number> {
  return {
    says: `a whole number from ${least} to ${most}`,
    parse: (raw) => (Number.isInteger(raw) && Number(raw) >= least && Number(raw) <= most ? Number(raw) : undefined),
  };
}

export function choice<T extends string>(...words: readonly T[]): ValueKind<T> {
  return {
    says: `one of ${words.map((word) => JSON.stringify(word)).join(', ')}`,
    parse: (raw) => words.find((word) => word === raw),
  };
}

/** Above 0: a rate of nothing would make a storm that cannot end. */
export const positive: ValueKind<number> = {
  says: 'a number above 0',
  parse: (raw) => (typeof raw === 'number' && Number.isFinite(raw) && raw > 0 ? raw : undefined),
};

export const percent: ValueKind<number> = {
  says: 'a percentage such as "90%"',
  parse(raw) {
    const amount = amountBefore('%', raw);
    return amount === undefined || amount > 100 ? undefined : amount / 100;
  },
};

export const linkRate: ValueKind<number> = {
  says: 'a rate such as "1Gbit/s" or "100MiB/s"',
  parse(raw) {
    const parsed = typeof raw === 'string' ? parseRate(raw) : undefined;
    return parsed === Infinity ? undefined : parsed;
  },
};

export const rate: ValueKind<Rate> = {
  says: 'a rate such as "1Gbit/s", "4x" (four times the node link) or "unlimited"',
  parse(raw) {
    const links = amountBefore('x', raw);
    if (links !== undefined) return links > 0 ? { unit: 'links', amount: links } : undefined;
    const parsed = typeof raw === 'string' ? parseRate(raw) : undefined;
    return parsed === undefined ? undefined : { unit: 'bytesPerSecond', amount: parsed };
  },
};

export const span: ValueKind<Span> = {
  says: 'a time such as "2s" or "0.5F" (half of what the largest image takes on a node link)',
  parse(raw) {
    const downloads = amountBefore('F', raw);
    if (downloads !== undefined) return { unit: 'downloads', amount: downloads };
    const ms = typeof raw === 'string' ? parseDuration(raw) : undefined;
    return ms === undefined ? undefined : { unit: 'ms', amount: ms };
  },
};

export const lateSpan: ValueKind<Span> = {
  says: 'a time such as "2s", "0.5F" (half of what the largest image takes on a node link) or "0.5T" (half of T*)',
  parse(raw) {
    const bounds = amountBefore('T', raw);
    return bounds === undefined ? span.parse(raw) : { unit: 'bounds', amount: bounds };
  },
};

export const endSpan: ValueKind<Span> = {
  says: `${lateSpan.says}, or "forever"`,
  parse: (raw) => (raw === 'forever' ? { unit: 'ms', amount: Infinity } : lateSpan.parse(raw)),
};

/** In chunks. */
export const size: ValueKind<number> = {
  says: 'a size such as "1024 pieces" (of 1 MiB), "64MiB" or "1GiB", in whole chunks of 64 KiB',
  parse(raw) {
    if (typeof raw !== 'string') return undefined;
    const pieces = amountBefore('pieces', raw);
    const chunks = pieces === undefined ? (parseBytes(raw) ?? 0) / limits.fixedChunkBytes : pieces * chunksPerMiB;
    return Number.isInteger(chunks) && chunks > 0 ? chunks : undefined;
  },
};

export const hostShare: ValueKind<HostShare> = {
  says: 'a part of the hosts such as "25%", or how many of them, such as 3',
  parse(raw) {
    const part = percent.parse(raw);
    if (part !== undefined) return part > 0 ? { unit: 'part', amount: part } : undefined;
    const count = integer(1, 100_000).parse(raw);
    return count === undefined ? undefined : { unit: 'hosts', amount: count };
  },
};

export const imageCount: ValueKind<number | 'perHost'> = {
  says: 'a whole number from 1 to 100000, or "perHost"',
  parse: (raw) => (raw === 'perHost' ? raw : integer(1, 100_000).parse(raw)),
};

function amountBefore(unit: string, raw: unknown): number | undefined {
  if (typeof raw !== 'string' || !raw.endsWith(unit)) return undefined;
  const number = raw.slice(0, -unit.length).trim();
  return /^\d+(?:\.\d+)?$/.test(number) ? Number(number) : undefined;
}
