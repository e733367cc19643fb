import { packStoreSuite } from '@quarry/content/conformance';
import { createMemoryPackStore } from '@quarry/content/memory';

const create = async () => {
  const store = createMemoryPackStore();
  return { store, dispose: () => store.close() };
};
packStoreSuite('the memory pack store', { create, capabilities: { isDurable: false, isDamageable: false } });
