import { OriginError } from './origin-error.ts';

/** The numbers that mean something to an origin; all of them are here and below. */
export const httpStatus: Readonly<
  Record<'ok' | 'noContent' | 'partialContent' | 'badRequest' | 'methodNotAllowed' | 'notImplemented', number>
> = Object.freeze({
  ok: 200,
  noContent: 204,
  partialContent: 206,
  badRequest: 400,
  methodNotAllowed: 405,
  notImplemented: 501,
});

/** What a status that is no success means. `what` names the thing asked for, for people. */
export function statusError(status: number, what: string, details: Readonly<Record<string, unknown>>): OriginError {
  const error = (code: ConstructorParameters<typeof OriginError>[0], says: string, canRetry = false): OriginError =>
    new OriginError(code, `${what}: ${says} (HTTP ${status})`, { details: { ...details, status }, canRetry });
  switch (status) {
    case httpStatus.noContent:
      return error('ORIGIN_NO_DATA', 'there is a record and no data; was its upload finished?');
    case 401:
      return error('ORIGIN_UNAUTHORIZED', 'the token is missing, wrong or expired; renew it');
    case 403:
      return error(
        'ORIGIN_FORBIDDEN',
        'reading is forbidden; look at the role of the token, and whether the image is deactivated',
      );
    case 404:
      return error('ORIGIN_NOT_FOUND', 'not found, or not visible with this token');
    case 410:
      return error('ORIGIN_GONE', 'deleted for good');
    case 416:
      return error('ORIGIN_CHANGED', 'it is smaller than it was when it was described');
    default:
      if (status === 408 || status === 429 || status >= 500)
        return error('ORIGIN_UNAVAILABLE', 'the origin cannot answer now; look at its log', true);
      if (status >= 300 && status < 400)
        return error('ORIGIN_BAD_ANSWER', 'a redirect, which is never followed; give the URL that it leads to');
      return error('ORIGIN_BAD_ANSWER', 'an answer without a meaning here');
  }
}
