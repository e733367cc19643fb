/** Bytes of an image, both inclusive. */
export interface ImageRange {
  readonly first: number;
  readonly last: number;
}

/** What Glance makes of a Range header: undefined is the whole image; `several` it refuses with 400, `unsatisfiable` with 416. */
export function imageRangeOf(
  header: string | undefined,
  sizeBytes: number,
): ImageRange | 'several' | 'unsatisfiable' | undefined {
  if (header === undefined) return undefined;
  if (header.includes(',')) return 'several';
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? [];
  if (from === '' && to === '') return 'unsatisfiable';
  const last = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  const first = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  return first > last || first >= sizeBytes ? 'unsatisfiable' : { first, last };
}
