import type { OriginImage } from '@quarry/content';
import type { ChunkList } from './chunk-list.ts';
import type { Compressibility, CompressionSample } from './compression-sample.ts';
import type { DigestTable } from './digest-table.ts';
import { createFamilies } from './families.ts';
import type { Family } from './families.ts';
import { scanDefaults } from './options.ts';
import type { ScanFailure } from './scan-images.ts';
import { standardError, uniqueBytesOf } from './spectrum.ts';
import type { Between, Spectrum } from './spectrum.ts';
import type { StormImages } from './storm-estimate.ts';

/** What a scan has found. Bytes are plain. */
export interface ScanReport {
  /** Images that there are, that were to be read, and that were. */
  readonly images: { readonly found: number; readonly chosen: number; readonly read: number };
  /** Bytes of all images, and of those that were read. */
  readonly foundBytes: number;
  readonly readBytes: number;
  readonly zeroBytes: number;
  /** Chunks that are not zeros. */
  readonly chunks: number;
  readonly fixedImages: number;
  /** What Quarry would store of the images that were read, with 95 % of the error that thinning out brings. */
  readonly uniqueBytes: number;
  readonly uniqueBytesError: number;
  /** And of all images. */
  readonly allUniqueBytes: Between;
  /** What projects have in common and may not share. */
  readonly behindBordersBytes: number;
  /** Of the chunks one in so many was remembered, chosen by its digest. */
  readonly keptOneIn: number;
  readonly domains: readonly DomainReport[];
  readonly compression: Compressibility | null;
  readonly families: readonly Family[];
  readonly failures: readonly ScanFailure[];
  readonly seconds: number;
}

export interface DomainReport {
  readonly domain: string;
  readonly images: number;
  readonly imageBytes: number;
  readonly zeroBytes: number;
  /** Chunks that nobody before had brought into this domain, or into the public one. */
  readonly uniqueBytes: number;
}

export interface ScanResult {
  readonly report: ScanReport;
  readonly storm: StormImages;
}

interface Tallied {
  readonly zeroBytes: number;
  readonly chunks: number;
  readonly cutter: string;
  readonly list: ChunkList;
}

/** Sums up images, each when it was read whole. */
export interface ScanTally {
  add(image: number, found: Tallied): void;
  readonly images: number;
  finish(ending: {
    readonly failures: readonly ScanFailure[];
    readonly chosen: number;
    readonly seconds: number;
  }): ScanResult;
}

export function createScanTally(
  table: DigestTable,
  options: {
    readonly images: readonly { readonly image: OriginImage; readonly domain: string }[];
    readonly all: readonly OriginImage[];
    readonly compression: CompressionSample;
  },
): ScanTally {
  const read: { readonly number: number; readonly zeroBytes: number; readonly chunkBytes: number }[] = [];
  const families = createFamilies(scanDefaults.familyPart);
  let chunks = 0;
  let fixedImages = 0;
  const imageOf = (number: number): OriginImage => (options.images[number] as { image: OriginImage }).image;
  const domainOf = (number: number): string => options.images[number]?.domain ?? '';

  return {
    get images() {
      return read.length;
    },
    add(number, found) {
      const { list, zeroBytes } = found;
      const sharedWith = new Map<number, number>();
      let chunkBytes = 0;
      list.forEach((high, low, bytes) => {
        if (!table.keeps(low)) return;
        const stands = bytes * 2 ** table.level;
        const addition = table.add(high, low, bytes, number);
        if (addition.kind !== 'again') chunkBytes += stands;
        if (addition.kind === 'shared' || addition.kind === 'apart')
          sharedWith.set(addition.image, (sharedWith.get(addition.image) ?? 0) + stands);
      });
      families.add(number, chunkBytes, sharedWith);
      chunks += found.chunks;
      if (found.cutter === 'fixed-64k') fixedImages += 1;
      read.push({ number, zeroBytes, chunkBytes });
    },
    finish({ failures, chosen, seconds }) {
      const stands = 2 ** table.level;
      const bytesByImages = new Map<number, number>();
      const ownBytes = new Map<number, number>();
      const uniqueOf = new Map<string, number>();
      const [unique, borders, squares] = sumEntries(table, ({ bytes, image, images, isBehindBorder }) => {
        bytesByImages.set(images, (bytesByImages.get(images) ?? 0) + bytes * stands);
        uniqueOf.set(domainOf(image), (uniqueOf.get(domainOf(image)) ?? 0) + bytes * stands);
        if (images === 1) ownBytes.set(image, (ownBytes.get(image) ?? 0) + bytes * stands);
        else families.shared(image, bytes * stands, images);
        return isBehindBorder;
      });
      const spectrum: Spectrum = {
        images: read.length,
        allImages: options.all.length,
        bytesByImages,
        ownBytesError: standardError(
          read.map(({ number }) => ownBytes.get(number) ?? 0),
          options.all.length,
        ),
      };
      const fileBytes = read.map(({ number }) => imageOf(number).imageBytes);
      const report: ScanReport = {
        images: { found: options.all.length, chosen, read: read.length },
        foundBytes: options.all.reduce((sum, image) => sum + image.imageBytes, 0),
        readBytes: fileBytes.reduce((sum, bytes) => sum + bytes, 0),
        zeroBytes: read.reduce((sum, { zeroBytes }) => sum + zeroBytes, 0),
        chunks,
        fixedImages,
        uniqueBytes: unique * stands,
        // each chunk is kept, or not, by itself: variance (1 - p) / p² of the squares of those that were
        uniqueBytesError: 1.96 * Math.sqrt(squares * (stands - 1) * stands),
        allUniqueBytes: uniqueBytesOf(spectrum, options.all.length),
        behindBordersBytes: borders * stands,
        keptOneIn: stands,
        domains: domainReports(read, imageOf, domainOf, uniqueOf),
        compression: options.compression.result() ?? null,
        families: families.largest(scanDefaults.maxFamilies, (number) => ({
          image: imageOf(number),
          isPublic: domainOf(number) === 'public',
          ownBytes: ownBytes.get(number) ?? 0,
        })),
        failures,
        seconds,
      };
      return { report, storm: { spectrum, fileBytes, chunkBytes: read.map(({ chunkBytes }) => chunkBytes) } };
    },
  };
}

function sumEntries(
  table: DigestTable,
  onEntry: (entry: { bytes: number; image: number; images: number; isBehindBorder: boolean }) => boolean,
): readonly [unique: number, borders: number, squares: number] {
  let [unique, borders, squares] = [0, 0, 0];
  for (const entry of table.entries()) {
    unique += entry.bytes;
    squares += entry.bytes ** 2;
    if (onEntry(entry)) borders += entry.bytes;
  }
  return [unique, borders, squares];
}

function domainReports(
  read: readonly { readonly number: number; readonly zeroBytes: number }[],
  imageOf: (number: number) => OriginImage,
  domainOf: (number: number) => string,
  uniqueOf: ReadonlyMap<string, number>,
): DomainReport[] {
  const domains = new Map<string, { images: number; imageBytes: number; zeroBytes: number }>();
  for (const { number, zeroBytes } of read) {
    const sums = domains.get(domainOf(number)) ?? { images: 0, imageBytes: 0, zeroBytes: 0 };
    sums.images += 1;
    sums.imageBytes += imageOf(number).imageBytes;
    sums.zeroBytes += zeroBytes;
    domains.set(domainOf(number), sums);
  }
  return [...domains]
    .map(([domain, sums]) => ({ domain, ...sums, uniqueBytes: uniqueOf.get(domain) ?? 0 }))
    .toSorted((a, b) => b.imageBytes - a.imageBytes);
}
