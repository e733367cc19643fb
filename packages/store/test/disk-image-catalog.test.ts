import { imageCatalogSuite } from '@quarry/content/conformance';
import { temporaryStore } from './temporary-store.ts';

imageCatalogSuite('the disk image catalog', {
  create: async () => {
    const temporary = await temporaryStore();
    return {
      catalog: temporary.store.images,
      close: () => temporary.store.close(),
      reopen: async () => (await temporary.reopen()).images,
      dispose: () => temporary.dispose(),
    };
  },
  capabilities: { isDurable: true },
});
