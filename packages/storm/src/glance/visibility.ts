import type { Storm } from '@quarry/scenario';

/**
 * Whose each image of a storm is, in its order: what consists only of chunks that another image has too, or what more than one unshelve takes, is everybody's
 * (bases, popular images); all others are snapshots of one project.
 */
export function visibilities({ images, unshelves }: Storm): readonly ('public' | 'private')[] {
  const takers = new Map<number, number>();
  for (const { image } of unshelves) takers.set(image, (takers.get(image) ?? 0) + 1);
  const users = new Map<number, number>();
  for (const { runs } of images)
    for (const pack of new Set(runs.map((run) => run.pack))) users.set(pack, (users.get(pack) ?? 0) + 1);
  const isSharedOnly = (image: number): boolean =>
    (images[image]?.runs ?? []).every(({ pack }) => (users.get(pack) ?? 0) > 1);
  return images.map((_, image) => (isSharedOnly(image) || (takers.get(image) ?? 0) > 1 ? 'public' : 'private'));
}
