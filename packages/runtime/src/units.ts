// Sizes and rates as people write them. Binary prefixes (KiB, MiB) are powers of 1024, decimal ones (kB, MB) of 1000; rates in bits are decimal, as links are sold.
const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const BIT_UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };
const MS_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86400e3 };

/** `"64MiB"`, `"1.5 GB"`, `4096` → bytes; undefined when it is not a size. */
export function parseBytes(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 0 ? text : undefined;
  const amount = parseAmount(text, BYTE_UNITS, 'b');
  return amount === undefined || !Number.isSafeInteger(Math.round(amount)) ? undefined : Math.round(amount);
}

/**
 * `"100Mbit/s"`, `"12 MB/s"`, `"unlimited"` → bytes per second; undefined when it is not a rate. `"100 Mb/s"` and `"100Mbps"` are none: half
 * of those who write them mean bits, and the other half would get an eighth, or eight times, of what they asked for.
 */
export function parseRate(text: string | number): number | undefined {
  if (typeof text === 'number') return text > 0 ? text : undefined;
  if (text.trim().toLowerCase() === 'unlimited') return Infinity;
  const perSecond = text.trim().replace(/\s*(\/s|ps)$/i, '');
  if (/[\dkKmMgGtT\s]b$/.test(perSecond)) return undefined;
  const bits = parseAmount(perSecond, BIT_UNITS, undefined);
  const rate = bits === undefined ? parseAmount(perSecond, BYTE_UNITS, 'b') : bits / 8;
  return rate !== undefined && rate > 0 ? rate : undefined;
}

/** `"200ms"`, `"5s"`, `"1.5 h"`, `"2 min 30 s"` → milliseconds; undefined when it is not a duration. Reads what `formatDuration` writes. */
export function parseDuration(text: string | number): number | undefined {
  if (typeof text === 'number') return text >= 0 ? text : undefined;
  const parts = text.trim().match(/[\d.]+\s*[^\d.\s]*\s*|.+/g) ?? [''];
  let totalMs = 0;
  for (const part of parts) totalMs += parseAmount(part, MS_UNITS, undefined) ?? Number.NaN;
  return Number.isNaN(totalMs) ? undefined : totalMs;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(amount) : amount.toFixed(amount < 10 ? 2 : 1)} ${units[step]}`;
}

export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond === Infinity ? 'unlimited' : `${formatBytes(bytesPerSecond)}/s`;
}

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120e3) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 7200e3) return `${(ms / 3600e3).toFixed(1)} h`;
  const seconds = Math.round(ms / 1000); // first, or 179.7 s are 2 min 60 s
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function parseAmount(
  text: string,
  units: Readonly<Record<string, number>>,
  bare: string | undefined,
): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (!match) return undefined;
  const unit = match[2] ? match[2].toLowerCase() : bare;
  const factor = unit !== undefined && Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? undefined : Number(match[1]) * factor;
}
