import type { StormShelve } from '@quarry/scenario';
import type { Stage } from '../contestant.ts';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';
import { createCommand, uploadCommand } from './glance-requests.ts';
import type { HostProcesses } from './host-processes.ts';

/** The host uploads the image to Glance over its own link, as Nova does without anybody's help. */
export async function shelveAtGlance(
  { glance, images }: Pick<Stage, 'glance' | 'images'>,
  processes: HostProcesses,
  { host, image }: StormShelve,
  options: Waiting,
): Promise<void> {
  const source = images.files[image];
  if (!source) throw new RangeError(`the storm has no image ${image}`);
  const { url, token } = glance;
  const answer = await processes.run(host, createCommand(url, token, source.name), options);
  const id: unknown = (JSON.parse(answer) as { readonly id?: unknown }).id;
  if (typeof id !== 'string') throw new StormError('STORM_PART_FAILED', `Glance made no image: ${answer}`);
  await processes.run(host, uploadCommand(url, { id, token, file: source.path }), options);
  glance.setId(image, id);
}
