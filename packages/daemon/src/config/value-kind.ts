import { formatBytes, formatDuration, formatRate, parseBytes, parseDuration, parseRate } from '@quarry/runtime';

/** What a setting may hold: how a TOML value or a command line word becomes it, and how it is shown. */
export interface ValueKind<T> {
  /** For docs and errors: "a size such as 64MiB". */
  readonly says: string;
  /** From TOML or a flag's text; undefined if it is not of this kind. */
  readonly parse: (raw: unknown) => T | undefined;
  readonly show: (value: T) => string;
}

export const text: ValueKind<string> = {
  says: 'a string',
  parse: (raw) => (typeof raw === 'string' ? raw : undefined),
  show: (value) => JSON.stringify(value),
};

/** A list in TOML; on the command line the flag is repeated or the words are separated by commas. */
export const textList: ValueKind<readonly string[]> = {
  says: 'a list of strings',
  parse(raw) {
    if (typeof raw === 'string') return raw === '' ? [] : raw.split(',').map((word) => word.trim());
    if (!Array.isArray(raw)) return undefined;
    const words: unknown[] = raw;
    return words.every((word) => typeof word === 'string') ? words : undefined;
  },
  show: (value) => JSON.stringify(value),
};

export const flag: ValueKind<boolean> = {
  says: 'true or false',
  parse: (raw) => (raw === true || raw === 'true' ? true : raw === false || raw === 'false' ? false : undefined),
  show: String,
};

export const size: ValueKind<number> = {
  says: 'a size such as "20GiB" or "500MB"',
  parse: (raw) => (typeof raw === 'string' || typeof raw === 'number' ? parseBytes(raw) : undefined),
  show: (value) => JSON.stringify(formatBytes(value)),
};

export const rate: ValueKind<number> = {
  says: 'a rate such as "1Gbit/s", "100MiB/s" or "unlimited"',
  parse: (raw) => (typeof raw === 'string' || typeof raw === 'number' ? parseRate(raw) : undefined),
  show: (value) => JSON.stringify(formatRate(value)),
};

/** Whole, from 1; or no limit. */
export const count: ValueKind<number> = {
  says: 'a whole number from 1, or "unlimited"',
  parse(raw) {
    if (raw === 'unlimited') return Infinity;
    const value = typeof raw === 'string' && /^\d{1,9}$/.test(raw) ? Number(raw) : raw;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : undefined;
  },
  show: (value) => (value === Infinity ? '"unlimited"' : String(value)),
};

/** Whole, from 0. */
export const countOrNone: ValueKind<number> = {
  says: 'a whole number from 0',
  parse(raw) {
    const value = typeof raw === 'string' && /^\d{1,9}$/.test(raw) ? Number(raw) : raw;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  },
  show: String,
};

export const duration: ValueKind<number> = {
  says: 'a duration such as "30s" or "500ms"',
  parse: (raw) => (typeof raw === 'string' ? parseDuration(raw) : undefined),
  show: (value) => JSON.stringify(formatDuration(value)),
};

export function choice<T extends string>(...words: readonly T[]): ValueKind<T> {
  return {
    says: `one of ${words.map((word) => JSON.stringify(word)).join(', ')}`,
    parse: (raw) => words.find((word) => word === raw),
    show: (value) => JSON.stringify(value),
  };
}
