import { imageRef } from '@quarry/content';
import { originSuite } from '@quarry/content/conformance';
import { createMemoryOrigin, type MemoryOriginOptions } from '@quarry/content/memory';

for (const options of [{}, { hasRanges: false, hasHashes: false }] satisfies MemoryOriginOptions[]) {
  const { hasRanges = true, hasHashes = true }: MemoryOriginOptions = options;
  originSuite(`an origin in memory ${JSON.stringify(options)}`, {
    capabilities: { canList: true, hasRanges, hasHashes, isReplaceable: true },
    async create() {
      const origin = createMemoryOrigin(options);
      let count = 0;
      return {
        origin,
        async put(bytes) {
          const ref = imageRef(`image ${(count += 1)}`);
          origin.put(ref, bytes);
          return ref;
        },
        remove: async (ref) => origin.remove(ref),
        replace: async (ref, bytes) => origin.put(ref, bytes),
        dispose: () => origin.close(),
      };
    },
  });
}
