// The suites a port owns: an implementation passes them or is none.
export { imageCatalogSuite } from './image-catalog-suite.ts';
export type { ImageCatalogHarness, ImageCatalogSubject } from './image-catalog-suite.ts';
export { originSuite } from './origin-suite.ts';
export type { OriginHarness, OriginSubject } from './origin-suite.ts';
export { packStoreSuite } from './pack-store-suite.ts';
export type { PackStoreHarness, PackStoreSubject } from './pack-store/subject.ts';
export { sampleManifest, sampleRecord } from './sample-image.ts';
export type { SampleRecordOptions } from './sample-image.ts';
export { digestsOf, samplePack, unsalted } from './sample-pack.ts';
export type { SamplePack, SamplePackOptions } from './sample-pack.ts';
