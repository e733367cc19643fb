/**
 * origin: where images come from outside the swarm. Four implementations of content's Origin port, which none of the others knows: a
 * directory of files, Glance over HTTP, Glance's file store by path, a plain HTTP(S) server. Nothing is retried and nothing is limited
 * here; retry and budget are wrappers around the port.
 */
export { createDirectoryOrigin } from './directory-origin.ts';
export type { DirectoryOriginOptions } from './directory-origin.ts';
export { createGlanceOrigin } from './glance-origin.ts';
export type { GlanceOrigin, GlanceOriginDeps, GlanceOriginOptions } from './glance-origin.ts';
export { createGlanceStoreOrigin } from './glance-store-origin.ts';
export type { GlanceStoreOriginDeps, GlanceStoreOriginOptions } from './glance-store-origin.ts';
export { createHttpOrigin } from './http-origin.ts';
export type { HttpOriginOptions } from './http-origin.ts';
export { originDefaults } from './options.ts';
export { OriginError } from './origin-error.ts';
export type { OriginErrorCode } from './origin-error.ts';
