import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import {
  createGateway,
  type Gateway,
  type GatewayObserver,
  type GatewayOptions,
  type Spool,
  type UploadMarks,
} from '../../../src/index.ts';
import { createTakingImages, type TakingImages } from './taking-images.ts';
import { startUploadGlance, type UploadGlance } from './upload-glance.ts';
import { uploadLikeNova, type RawAnswer } from './upload-like-nova.ts';

export type Uploaded = Parameters<GatewayObserver['uploaded']>[0];

/** A gateway between a Nova and a Glance. */
export interface UploadGateway {
  readonly glance: UploadGlance;
  readonly images: TakingImages;
  readonly gateway: Gateway;
  readonly url: string;
  /** How the first upload ended, seeded or not; waits for it. */
  readonly uploaded: () => Promise<Uploaded>;
  readonly put: (id: string, bytes: number, headers?: Record<string, string>) => Promise<RawAnswer>;
  readonly close: () => Promise<void>;
}

export async function startUploadGateway(
  options: Partial<GatewayOptions> & { readonly spool?: Spool; readonly uploadMarks?: UploadMarks } = {},
): Promise<UploadGateway> {
  const glance = await startUploadGlance();
  const images = createTakingImages();
  const ended = Promise.withResolvers<Uploaded>();
  const observer: GatewayObserver = { answered: () => {}, served: () => {}, uploaded: (entry) => ended.resolve(entry) };
  const { spool, uploadMarks, ...numbers } = options;
  const gateway = createGateway(
    { images, observer, clock: systemClock, random: systemRandom, logger: silentLogger, spool, uploadMarks },
    { continueMs: 100, ...numbers, glance: { url: glance.url } },
  );
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    glance,
    images,
    gateway,
    url,
    uploaded: () => ended.promise,
    put: (id, bytes, headers = {}) =>
      uploadLikeNova({ url, path: `/v2/images/${id}/file`, headers, bytes: blocks(bytes) }),
    async close() {
      await gateway.close({ graceMs: 0 });
      await glance.stop();
    },
  };
}

/** So many bytes, of which no two blocks of 64 KiB that are near each other are the same. */
export function* blocks(bytes: number, blockBytes = 65_536): Generator<Buffer> {
  for (let at = 0; at < bytes; at += blockBytes) {
    yield Buffer.alloc(Math.min(blockBytes, bytes - at), (at >> 16) + 1);
  }
}
