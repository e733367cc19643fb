// Numbers as the report writes them, without their unit where the head of a column or an axis says it. What was not measured is a dash.
const NONE = '–';

/** `12`, `0.0375`, `1,234,567`: three digits that count, whole ones from 100 on. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '0';
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.995 ? 2 : 3;
  return grouped(value.toFixed(digits));
}

export function count(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : grouped(String(Math.round(value)));
}

/** `0.7`, `45.0`: of a whole that is 100. */
export function percentage(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : value.toFixed(1);
}

/** As a tick: no digits that are always zero. */
export function tickText(value: number): string {
  return grouped(String(Number(value.toPrecision(6))));
}

export function mebibytes(bytes: number): number {
  return bytes / 2 ** 20;
}

export function megabits(bytesPerSecond: number): number {
  return (bytesPerSecond * 8) / 1e6;
}

/** `20.0 Mbit/s`; a link without a limit is `unlimited`. */
export function rate(bytesPerSecond: number | null): string {
  if (bytesPerSecond === null || !Number.isFinite(bytesPerSecond)) return 'unlimited';
  return `${tickText(Number(megabits(bytesPerSecond).toPrecision(3)))} Mbit/s`;
}

export function size(bytes: number): string {
  if (bytes >= 2 ** 30) return `${figure(bytes / 2 ** 30)} GiB`;
  return bytes >= 2 ** 20 || bytes === 0 ? `${figure(mebibytes(bytes))} MiB` : `${figure(bytes / 2 ** 10)} KiB`;
}

/** `46.5 %`; what is there and too little to be seen is `< 0.1 %`. */
export function share(part: number, whole: number): string {
  const percent = (part / whole) * 100;
  if (!Number.isFinite(percent)) return NONE;
  return percent > 0 && percent < 0.1 ? '< 0.1 %' : `${percent.toFixed(1)} %`;
}

/** `+4.6 %`, `−3.0 %`: how far `value` is from `reference`. */
export function deviation(value: number, reference: number): string {
  const percent = (value / reference - 1) * 100;
  if (!Number.isFinite(percent)) return NONE;
  const digits = Math.abs(percent).toFixed(1);
  if (digits === '0.0') return '0.0 %';
  return `${percent < 0 ? '−' : '+'}${digits} %`;
}

/** The middle one; the lower of two. Undefined: there is none. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

function grouped(digits: string): string {
  const [whole = '', part] = digits.replace('-', '−').split('.');
  const wide = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return part === undefined ? wide : `${wide}.${part}`;
}
