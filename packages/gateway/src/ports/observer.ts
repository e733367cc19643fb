import type { BytesBySource } from './image-service.ts';

/** How a request for an image's data was answered. */
export type Served =
  /** From chunks of this host and its peers. */
  | 'quarry'
  /** By Glance, its bytes passed on. */
  | 'passed'
  /** It began with the one and broke off. */
  | 'cut';

/** One line of the audit: Glance no longer sees these reads. Holds no token, nor anything made from one. */
export interface AuditEntry {
  /** `x-openstack-request-id` of the asker: Nova's own log has it too. */
  readonly requestId: string | undefined;
  /** Address and port of the connection. */
  readonly client: string;
  readonly userAgent: string | undefined;
  readonly image: string;
  readonly domain: string;
  readonly method: string;
  readonly status: number;
  readonly served: Served;
  /** What was sent as the body. */
  readonly sentBytes: number;
  readonly bytesBySource: BytesBySource;
  readonly firstByteMs: number | undefined;
  readonly durationMs: number;
  /** Why it was passed on, or cut: an error's code. */
  readonly reason: string | undefined;
}

/** Hears of what the gateway has done; must not throw. */
export interface GatewayObserver {
  /** Once for each answered request, whatever it was. */
  answered(route: string, status: number, durationMs: number): void;
  /** Once for each request for an image's data that Glance allowed. */
  served(entry: AuditEntry): void;
  /** An upload has ended: whether Glance took it, and whether it was seeded here. */
  uploaded(entry: {
    readonly image: string;
    readonly status: number;
    readonly receivedBytes: number;
    readonly seeded: 'seeded' | 'not-seeded';
    readonly reason: string | undefined;
    readonly durationMs: number;
  }): void;
}
