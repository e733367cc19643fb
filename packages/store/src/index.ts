/**
 * store: packs and images on disk.
 *   disk-store        opens a directory and everything in it
 *   disk-pack-store   the PackStore port; pack-engine names the parts it is made of
 *   disk-image-catalog  the ImageCatalog port
 *   pack-marks        the crash rules: what becomes durable in which order
 */
export { createDiskStore } from './disk-store.ts';
export type { DiskStore } from './disk-store.ts';
export type { DiskImageCatalog } from './disk-image-catalog.ts';
export type { DiskPackStore, VerifyStoreOptions } from './disk-pack-store.ts';
export { StoreError } from './errors.ts';
export type { StoreErrorCode } from './errors.ts';
export { storeDefaults } from './options.ts';
export type { StoreOptions } from './options.ts';
