import { makeBytes } from './made-bytes.ts';
import type { Stage } from './scenario.ts';

// Larger than what the façade always leaves to Glance, and smaller.
export const large: Buffer = makeBytes('large', 1_200_000);
export const small: Buffer = makeBytes('small', 3_000);

/** Headers that say what a body is. */
export const octets: Readonly<Record<string, string>> = { 'content-type': 'application/octet-stream' };
export const json: Readonly<Record<string, string>> = { 'content-type': 'application/json' };
export const patch: Readonly<Record<string, string>> = {
  'content-type': 'application/openstack-images-v2.1-json-patch',
};

/** An image of alice's for the time of `use`; without data it stays queued. */
export async function withImage(
  stage: Stage,
  data: Uint8Array | undefined,
  use: (file: string, image: string, id: string) => Promise<void>,
  visibility = 'private',
): Promise<void> {
  const alice = stage.straight(stage.alice);
  const image = { name: 'image', diskFormat: 'raw', more: { visibility, os_distro: 'debian' } } as const;
  const { id } = await alice.createImage(data === undefined ? image : { ...image, bytes: data });
  await use(`/v2/images/${id}/file`, `/v2/images/${id}`, id);
  await alice.delete(id).catch((error: unknown) => {
    if (!String(error).includes('404')) throw error; // some scenarios delete it themselves
  });
}
