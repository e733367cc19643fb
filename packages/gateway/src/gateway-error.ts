import { CodedError } from '@quarry/runtime';

export type GatewayErrorCode =
  /** Glance cannot be reached, or broke off before it answered. */
  | 'GATEWAY_GLANCE_UNREACHABLE'
  /** Nothing came from Glance, or from the client, for the stall time. */
  | 'GATEWAY_STALLED'
  /** Glance's answer ended before it was whole. */
  | 'GATEWAY_GLANCE_TRUNCATED'
  /** What Glance, or whoever answers in its place, sent is no HTTP. */
  | 'GATEWAY_BAD_ANSWER'
  /** What passed by is not what Glance says the image is: another hash, or another size. */
  | 'GATEWAY_CONTENT_MISMATCH'
  /** Quarry's own source gave more, or fewer, bytes than it was asked for. */
  | 'GATEWAY_SOURCE_BROKEN'
  /** The client left. */
  | 'GATEWAY_CLIENT_GONE'
  /** The second reader of a stream was left behind. */
  | 'GATEWAY_TEE_DROPPED'
  /** Glance did not take an upload, or shows another image than was seen. */
  | 'GATEWAY_NOT_TAKEN'
  /** What is uploaded is the rest of a file whose beginning was cut off. */
  | 'GATEWAY_UPLOAD_CUT'
  /** There is no room to spool an upload, or its directory cannot be used. */
  | 'GATEWAY_NO_SPOOL'
  /** The address to listen on, or Glance's URL, cannot be used. */
  | 'GATEWAY_BAD_ADDRESS'
  /** The gateway was closed. */
  | 'GATEWAY_CLOSED';

/** What the gateway fails with. Never holds a token. */
export class GatewayError extends CodedError<GatewayErrorCode> {}
