import type { ImageHash } from '@quarry/content';
import type { ImageHasher } from './image-hasher.ts';

/**
 * Passes an image on and hashes it; the last buffer waits until the hash of the whole is known. `judge` throws if that is not right, and then the last bytes do not
 * leave. Ends the hasher.
 */
export async function* hashGate(
  image: AsyncIterable<Uint8Array>,
  hasher: ImageHasher,
  judge: (hash: ImageHash) => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array | undefined;
  try {
    for await (const bytes of image) {
      await hasher.update(bytes);
      if (held) yield held;
      held = bytes;
    }
    await judge(await hasher.finish());
    if (held) yield held;
  } finally {
    await hasher.discard();
  }
}
