/**
 * gateway: Glance's image API for the Nova on this host. Everything passes through to Glance as it is; the data of images is served from chunks, uploads
 * are seeded as they pass by, what Glance deletes is forgotten. Sees ports only.
 */
export { GatewayError } from './gateway-error.ts';
export type { GatewayErrorCode } from './gateway-error.ts';
export { gatewayDefaults } from './options.ts';
export type { GatewayNumbers } from './options.ts';
export { createUpstream } from './upstream.ts';
export type { Upstream, UpstreamAnswer, UpstreamOptions, UpstreamRequest } from './upstream.ts';
export type * from './ports/image-service.ts';
export type * from './ports/observer.ts';
export { createGateway } from './create-gateway.ts';
export type { Gateway, GatewayDeps, GatewayOptions, ListenAt } from './create-gateway.ts';
export { decideByProbe, probeRange } from './read/decide-read.ts';
export { openSpool } from './upload/spool.ts';
export type { Spool, SpoolFile, SpoolOptions } from './upload/spool.ts';
export { openUploadMarks } from './upload/upload-marks.ts';
export type { UploadMark, UploadMarks, UploadMarksOptions } from './upload/upload-marks.ts';
