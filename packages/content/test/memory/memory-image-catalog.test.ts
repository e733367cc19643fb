import { imageCatalogSuite } from '@quarry/content/conformance';
import { createMemoryImageCatalog } from '@quarry/content/memory';

const create = async () => {
  const catalog = createMemoryImageCatalog();
  return { catalog, close: () => catalog.close(), dispose: () => catalog.close() };
};
imageCatalogSuite('the memory image catalog', { create, capabilities: { isDurable: false } });
