// The four implementations under the port's own suite. Glance itself is driven in test/integration/glance-origin.test.ts.
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageRef } from '@quarry/content';
import { originSuite, type OriginSubject } from '@quarry/content/conformance';
import { createMemoryOrigin } from '@quarry/content/memory';
import { systemClock } from '@quarry/runtime';
import { createDirectoryOrigin, createGlanceOrigin, createGlanceStoreOrigin, createHttpOrigin } from '../src/index.ts';
import { createGlanceLike, glanceId } from './support/glance-like.ts';
import { startHttpServer } from './support/http-server.ts';
import { makeScratchDirectory } from './support/scratch.ts';
import { digestOf, serveBytes } from './support/serve-bytes.ts';

const deps = { clock: systemClock };

/** Puts a whole file in place by renaming, as an operator should. */
async function place(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  await writeFile(join(directory, '.part'), bytes);
  await rename(join(directory, '.part'), join(directory, name));
}

originSuite('a directory', {
  capabilities: { canList: true, hasRanges: true, hasHashes: false, isReplaceable: true },
  async create(): Promise<OriginSubject> {
    const scratch = await makeScratchDirectory();
    const origin = createDirectoryOrigin(deps, { directory: scratch.path });
    let count = 0;
    return {
      origin,
      async put(bytes) {
        const name = `debian ${(count += 1)} ü.qcow2`;
        await place(scratch.path, name, bytes);
        return imageRef(name);
      },
      remove: (ref) => rm(join(scratch.path, ref)),
      replace: (ref, bytes) => place(scratch.path, ref, bytes),
      async dispose() {
        await origin.close();
        await scratch.remove();
      },
    };
  },
});

for (const hasRecords of [false, true]) {
  originSuite(`Glance's file store ${hasRecords ? 'with' : 'without'} Glance's records`, {
    capabilities: { canList: true, hasRanges: true, hasHashes: hasRecords, isReplaceable: true },
    async create(): Promise<OriginSubject> {
      const scratch = await makeScratchDirectory();
      const records = createMemoryOrigin();
      const origin = createGlanceStoreOrigin({ ...deps, ...(hasRecords && { records }) }, { directory: scratch.path });
      let count = 0;
      const put = async (id: string, bytes: Uint8Array): Promise<void> => {
        records.put(imageRef(id), bytes);
        await place(scratch.path, id, bytes);
      };
      return {
        origin,
        async put(bytes) {
          const ref = imageRef(glanceId((count += 1)));
          await put(ref, bytes);
          return ref;
        },
        async remove(ref) {
          records.remove(ref);
          await rm(join(scratch.path, ref));
        },
        replace: put,
        async dispose() {
          await origin.close();
          await scratch.remove();
        },
      };
    },
  });
}

for (const hasRanges of [true, false]) {
  originSuite(`Glance over HTTP before a store ${hasRanges ? 'with' : 'without'} ranges`, {
    capabilities: { canList: true, hasRanges, hasHashes: true, isReplaceable: true },
    async create(): Promise<OriginSubject> {
      const glance = createGlanceLike({ hasRanges });
      const server = await startHttpServer(glance.answer);
      const origin = createGlanceOrigin(deps, { url: server.url });
      return {
        origin,
        async put(bytes) {
          const id = glanceId(glance.images.size + 1);
          glance.images.set(id, bytes);
          return imageRef(id);
        },
        remove: async (ref) => void glance.images.delete(ref),
        replace: async (ref, bytes) => void glance.images.set(ref, bytes),
        async dispose() {
          await origin.close();
          await server.close();
        },
      };
    },
  });
}

const digest = (bytes: Uint8Array): string => digestOf('sha1', bytes);

for (const [what, hasRanges, headersOf] of [
  ['with ETag and ranges', true, (bytes) => ({ etag: `"${digest(bytes)}"`, 'accept-ranges': 'bytes' })],
  // A second is the finest that Last-Modified knows: here each content has its own.
  [
    'with Last-Modified and ranges',
    true,
    (bytes) => ({ 'last-modified': new Date(parseInt(digest(bytes).slice(0, 8), 16) * 1000).toUTCString() }),
  ],
  [
    'with ETag, saying that it has no ranges',
    false,
    (bytes) => ({ etag: `"${digest(bytes)}"`, 'accept-ranges': 'none' }),
  ],
] as const satisfies readonly [string, boolean, (bytes: Uint8Array) => Record<string, string>][]) {
  httpSuite(what, { hasRanges, servesRanges: true, headersOf });
}
httpSuite('with ETag, ignoring ranges without a word', {
  hasRanges: false,
  servesRanges: false,
  headersOf: (bytes) => ({ etag: `"${digest(bytes)}"` }),
});

function httpSuite(
  what: string,
  options: { hasRanges: boolean; servesRanges: boolean; headersOf: (bytes: Uint8Array) => Record<string, string> },
): void {
  const { hasRanges, servesRanges, headersOf } = options;
  originSuite(`an HTTP server ${what}`, {
    capabilities: { canList: false, hasRanges, hasHashes: false, isReplaceable: true },
    async create(): Promise<OriginSubject> {
      const images = new Map<string, Uint8Array>();
      const server = await startHttpServer((request, response) => {
        const bytes = images.get(decodeURIComponent(request.url?.slice('/pub/'.length) ?? ''));
        if (!bytes) return void response.writeHead(404).end('<html>no</html>');
        serveBytes(request, response, bytes, { headers: headersOf(bytes), hasRanges: servesRanges });
      });
      const origin = createHttpOrigin(deps, { url: `${server.url}/pub/` });
      return {
        origin,
        async put(bytes) {
          const name = `debian/12 ü ${images.size}?.qcow2`;
          images.set(name, bytes);
          return imageRef(name);
        },
        remove: async (ref) => void images.delete(ref),
        replace: async (ref, bytes) => void images.set(ref, bytes),
        async dispose() {
          await origin.close();
          await server.close();
        },
      };
    },
  });
}
