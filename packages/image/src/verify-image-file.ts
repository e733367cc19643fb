import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { chunkLength, isZero } from '@quarry/content';
import type { Manifest, PackStore } from '@quarry/content';
import { badChunks } from './chunk-reader.ts';
import { createDescriptorCache } from './descriptor-cache.ts';
import { ImageError, messageOf } from './image-error.ts';
import { imageSteps } from './image-steps.ts';
import type { ImageStep } from './image-steps.ts';
import { imageDefaults } from './options.ts';

/**
 * Whether a file is an image, byte for byte, by its manifest and the descriptors of its packs (not their chunks).
 * @throws ImageError IMAGE_FILE_DIFFERS, IMAGE_DESTINATION_UNUSABLE if the file cannot be read, IMAGE_UNKNOWN_PARTS, IMAGE_BAD_MANIFEST
 */
export async function verifyImageFile(
  deps: { readonly store: Pick<PackStore, 'findPack'> },
  manifest: Manifest,
  path: string,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?:
      | ((progress: { readonly checkedBytes: number; readonly imageBytes: number }) => void)
      | undefined;
  } = {},
): Promise<{ readonly checkedBytes: number }> {
  const { signal, onProgress } = options;
  const { imageBytes } = manifest;
  const unreadable = (cause: unknown): ImageError =>
    new ImageError('IMAGE_DESTINATION_UNUSABLE', `${path} cannot be read: ${messageOf(cause)}`, {
      cause,
      details: { path },
    });
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(cause);
  });
  try {
    const { size } = await file.stat();
    if (size !== imageBytes)
      throw differs(path, Math.min(size, imageBytes), `it has ${size} bytes instead of ${imageBytes}`);
    const descriptors = createDescriptorCache(deps, manifest, { signal });
    const buffer = Buffer.allocUnsafeSlow(imageDefaults.stepBytes);
    for await (const step of imageSteps(manifest, descriptors, { maxBytes: buffer.length, from: 0, to: imageBytes })) {
      signal?.throwIfAborted();
      for (let at = 0; at < step.length; at += buffer.length) {
        const part = buffer.subarray(0, Math.min(buffer.length, step.length - at));
        await readFully(file, part, step.offset + at).catch((cause: unknown) => {
          throw unreadable(cause);
        });
        const wrong = firstWrong(step, part);
        if (wrong !== undefined) throw differs(path, step.offset + at + wrong, 'other bytes are there');
      }
      onProgress?.({ checkedBytes: step.offset + step.length, imageBytes });
    }
    return { checkedBytes: imageBytes };
  } finally {
    await file.close();
  }
}

/** Where in the step the first wrong chunk begins; zeros come in slices, chunks all at once. */
function firstWrong(step: ImageStep, bytes: Uint8Array): number | undefined {
  if (step.parts.length === 0) return isZero(bytes) ? undefined : bytes.findIndex((byte) => byte !== 0);
  for (const part of step.parts) {
    const [bad] = badChunks(part, bytes.subarray(part.at, part.at + part.length));
    if (bad === undefined) continue;
    let at = part.at;
    for (let chunk = part.firstChunk; chunk < bad; chunk += 1) at += chunkLength(part.descriptor, chunk);
    return at;
  }
  return undefined;
}

async function readFully(file: FileHandle, into: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at, offset + at);
    if (bytesRead === 0) throw new Error('it became shorter while it was read');
    at += bytesRead;
  }
}

function differs(path: string, offset: number, how: string): ImageError {
  return new ImageError('IMAGE_FILE_DIFFERS', `${path} is not the image at byte ${offset}: ${how}`, {
    details: { path, offset },
  });
}
