/** How much lies in exactly so many of the images that were read: what any number of them have together follows from it. */
export interface Spectrum {
  /** Images that were read. */
  readonly images: number;
  /** Images that there are. Those read are a random choice of them. */
  readonly allImages: number;
  /** Bytes by the number of images that have them. */
  readonly bytesByImages: ReadonlyMap<number, number>;
  /** Of what a single image has of its own: the standard error of the mean over all images, because only some were read. */
  readonly ownBytesError: number;
}

/** Both ends hold for the expectation; `most` with 97.5 % confidence where it had to be extrapolated. */
export interface Between {
  readonly least: number;
  readonly most: number;
}

/**
 * What `count` images taken at random have between them, each byte once. Up to the number that was read it is the expectation, exactly (rarefaction: a chunk
 * that c of n images have is missed by C(n-c, k) / C(n, k) of the choices of k). Beyond it nobody knows: the curve rises no more steeply than where it
 * ends, by what an image has of its own, and does not fall. `maxImages` 1 counts nothing but what a
 * single image has.
 */
export function uniqueBytesOf(
  { images, allImages, bytesByImages, ownBytesError }: Spectrum,
  count: number,
  { maxImages = Infinity }: { readonly maxImages?: number } = {},
): Between {
  const wanted = Math.min(count, allImages);
  const inside = Math.min(wanted, images);
  let sum = 0;
  for (const [c, bytes] of bytesByImages) {
    if (c <= maxImages) sum += bytes * (1 - missedBy(images, c, inside));
  }
  const beyond = wanted - inside;
  if (beyond === 0 || images === 0) return { least: sum, most: sum };
  const own = (bytesByImages.get(1) ?? 0) / images;
  return { least: sum, most: sum + beyond * (own + 1.96 * ownBytesError) };
}

/** The probability that none of `wanted` images out of `images` is one of the `holders`. */
function missedBy(images: number, holders: number, wanted: number): number {
  if (holders > images - wanted) return 0;
  let part = 1;
  for (let k = 0; k < holders && part > 1e-15; k += 1) part *= (images - wanted - k) / (images - k);
  return part;
}

/** The expected largest of `count` values taken at random. */
export function expectedLargest(values: readonly number[], count: number): number {
  const sorted = values.toSorted((a, b) => b - a);
  const wanted = Math.min(count, sorted.length);
  let sum = 0;
  let noneLarger = 1;
  for (const [i, value] of sorted.entries()) {
    const isTaken = wanted / (sorted.length - i);
    sum += noneLarger * Math.min(1, isTaken) * value;
    noneLarger *= 1 - Math.min(1, isTaken);
    if (noneLarger <= 0) break;
  }
  return sum;
}

/** Of a mean over `values`, which are a random choice out of `all`. */
export function standardError(values: readonly number[], all: number): number {
  const n = values.length;
  if (n >= all || n === 0) return 0;
  if (n === 1) return values[0] ?? 0; // one image says nothing of the others
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return Math.sqrt((variance / n) * (1 - n / all));
}
