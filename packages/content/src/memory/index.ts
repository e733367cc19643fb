// Memory implementations of the ports: real enough to test against, gone when the process is.
export { createMemoryImageCatalog } from './memory-image-catalog.ts';
export type { MemoryImageCatalog } from './memory-image-catalog.ts';
export { createMemoryOrigin } from './memory-origin.ts';
export type { MemoryOrigin, MemoryOriginOptions } from './memory-origin.ts';
export { MemoryOriginError } from './memory-origin-error.ts';
export type { MemoryOriginErrorCode } from './memory-origin-error.ts';
export { createMemoryPackStore } from './memory-pack-store.ts';
export { MemoryStoreError } from './memory-store-error.ts';
export type { MemoryStoreErrorCode } from './memory-store-error.ts';
