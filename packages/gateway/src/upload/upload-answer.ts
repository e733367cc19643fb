/**
 * What a client may be told of an upload that Glance did not take.
 *
 * Nova sends a file once: it hands glanceclient an open file, and whoever sends again sends what is left of it. Three answers make it send again, and each was
 * seen to make an empty or cut-off image that Glance takes with a 204, after which Nova deletes the disk it was made from (glanceclient 4.1, keystoneauth1 5.0):
 *   - 503: Nova itself, up to [glance]num_retries times;
 *   - 401: keystoneauth, once, where it can get a new token, as it can for a service token (`[service_user] send_service_user_token`);
 *   - 3xx: keystoneauth follows with the same body.
 * So does a connection that is reset. What Nova does not repeat is passed on as it is.
 *
 * It does not matter whether we have read of the body: a client that does not wait for `100 Continue` reads its file and sends until it is done or the
 * connection breaks, and only then looks at the answer. Only one that waits still has its file whole.
 */
export interface UploadSoFar {
  /** Whether the client may have begun to send: all but those that wait for `100 Continue` and have not got it, and those that have nothing to send. */
  readonly hasBegun: boolean;
  /** Whether the request holds a service token, or another that can be renewed. */
  readonly canRenewToken: boolean;
}

/** The status for the client: Glance's own, or 502 instead of one that would make it send a consumed file again. */
export function uploadAnswer(status: number, { hasBegun, canRenewToken }: UploadSoFar): number {
  if (!hasBegun) return status;
  if (status === 503 || (status >= 300 && status < 400)) return 502;
  if (status === 401 && canRenewToken) return 502;
  return status;
}
