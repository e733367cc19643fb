import { randomUUID } from 'node:crypto';
import type { Stage } from '../contestant.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { GlanceImages } from './glance-service.ts';
import { startEmbeddedGlance } from './start-embedded-glance.ts';
import { startRealGlance } from './real/start-real-glance.ts';
import { visibilities } from './visibility.ts';

export interface StormGlanceOptions {
  readonly kind: 'embedded' | 'real';
}

/**
 * Starts Glance in the origin's place, with all images of the storm but those that are shelved during it. It ends with the stage's lifecycle; what it keeps is
 * in `glance/` of the stage's directory.
 * @throws StormError STORM_PART_FAILED, STORM_IMPOSSIBLE_HERE
 */
export async function startStormGlance(
  stage: Omit<Stage, 'glance'>,
  { kind }: StormGlanceOptions = { kind: 'embedded' },
): Promise<StormGlance> {
  const { storm, images } = stage;
  const late = new Set(storm.shelves.map(({ image }) => image));
  const visibility = visibilities(storm);
  const there: GlanceImages = images.files.flatMap((file, index) =>
    late.has(index) ? [] : [{ ...file, index, id: randomUUID(), visibility: visibility[index] ?? 'private' }],
  );
  const ids = new Map(there.map(({ index, id }) => [index, id]));
  const service = await (kind === 'real' ? startRealGlance : startEmbeddedGlance)(stage, there);
  return {
    kind,
    ...service,
    id: (image) => ids.get(image),
    setId: (image, id) => void ids.set(image, id),
  };
}
