import type { OriginImage } from '@quarry/content';

/** Images that have much in common, called by the one that is most like a base: public if one is, and with least of its own. */
export interface Family {
  readonly image: string;
  readonly name: string;
  readonly images: number;
  /** What at least two images have, each byte once. */
  readonly sharedBytes: number;
  /** What that saves: each byte as often as it comes again. */
  readonly savedBytes: number;
}

export interface Families {
  /** An image, and how much of it each earlier one was the first to have. */
  add(image: number, chunkBytes: number, sharedWith: ReadonlyMap<number, number>): void;
  /** Bytes that `images` images have, `image` first. */
  shared(image: number, bytes: number, images: number): void;
  largest(
    count: number,
    about: (image: number) => { readonly image: OriginImage; readonly isPublic: boolean; readonly ownBytes: number },
  ): Family[];
}

/** `minPart`: of its chunks that an image must share with another one to be of its family. */
export function createFamilies(minPart: number): Families {
  /** By image, another one of its family, or itself; they lead to one that is its family's mark. */
  const parents = new Map<number, number>();
  const sizes = new Map<number, number>();
  const sums = new Map<number, { shared: number; saved: number }>();
  const markOf = (image: number): number => {
    let mark = image;
    for (let parent = parents.get(mark); parent !== undefined && parent !== mark; parent = parents.get(mark))
      mark = parent;
    parents.set(image, mark);
    return mark;
  };
  return {
    add(image, chunkBytes, sharedWith) {
      sizes.set(image, chunkBytes);
      parents.set(image, image);
      const inFamily = new Map<number, number>();
      for (const [other, bytes] of sharedWith) inFamily.set(markOf(other), (inFamily.get(markOf(other)) ?? 0) + bytes);
      for (const [mark, bytes] of inFamily) {
        if (bytes >= chunkBytes * minPart) parents.set(markOf(image), mark);
      }
    },
    shared(image, bytes, images) {
      const family = markOf(image);
      const sum = sums.get(family) ?? { shared: 0, saved: 0 };
      sum.shared += bytes;
      sum.saved += bytes * (images - 1);
      sums.set(family, sum);
    },
    largest(count, about) {
      const members = new Map<number, number[]>();
      for (const image of parents.keys()) {
        const family = markOf(image);
        const list = members.get(family) ?? [];
        list.push(image);
        members.set(family, list);
      }
      const named = [...members].flatMap(([family, images]) => {
        if (images.length < 2) return [];
        const ranked = images
          .map((number) => {
            const { image, isPublic, ownBytes } = about(number);
            return { image, isPublic, ownPart: ownBytes / Math.max(1, sizes.get(number) ?? 0) };
          })
          .toSorted((a, b) => Number(b.isPublic) - Number(a.isPublic) || a.ownPart - b.ownPart);
        const base = ranked[0]?.image;
        const { shared, saved } = sums.get(family) ?? { shared: 0, saved: 0 };
        return base && saved > 0
          ? [{ image: base.ref, name: base.name, images: images.length, sharedBytes: shared, savedBytes: saved }]
          : [];
      });
      return named.toSorted((a, b) => b.savedBytes - a.savedBytes).slice(0, count);
    },
  };
}
