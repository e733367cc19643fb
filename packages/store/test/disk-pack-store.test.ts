import { packStoreSuite } from '@quarry/content/conformance';
import { damageChunk, temporaryStore } from './temporary-store.ts';

packStoreSuite('the disk pack store', {
  create: async () => {
    const temporary = await temporaryStore();
    return {
      store: temporary.store.packs,
      reopen: async () => (await temporary.reopen()).packs,
      damage: (pack, chunk) => damageChunk(temporary.directory, temporary.store.packs, pack, chunk),
      dispose: () => temporary.dispose(),
    };
  },
  capabilities: { isDurable: true, isDamageable: true },
});
