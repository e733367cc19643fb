import { describe, expect, test } from 'vitest';
import { uploadAnswer } from '../../src/upload/upload-answer.ts';

const SENDING = { hasBegun: true, canRenewToken: false };
const SENDING_WITH_SERVICE_TOKEN = { hasBegun: true, canRenewToken: true };
const WAITING = { hasBegun: false, canRenewToken: true };

describe('the answer to an upload', () => {
  test.for([
    // Glance says, to a client that has begun to send, that and has a service token, and to one that still waits for 100 Continue.
    [204, 204, 204, 204],
    [301, 502, 502, 301],
    [307, 502, 502, 307],
    [400, 400, 400, 400],
    [401, 401, 502, 401],
    [403, 403, 403, 403],
    [404, 404, 404, 404],
    [409, 409, 409, 409],
    [410, 410, 410, 410],
    [413, 413, 413, 413],
    [415, 415, 415, 415],
    [429, 429, 429, 429],
    [500, 500, 500, 500],
    [502, 502, 502, 502],
    [503, 502, 502, 503],
    [504, 504, 504, 504],
  ] as const)('Glance says %i: %i for who sends, %i with a service token, %i for who waits', (row) => {
    const [status, sending, withServiceToken, waiting] = row;
    expect(uploadAnswer(status, SENDING)).toBe(sending);
    expect(uploadAnswer(status, SENDING_WITH_SERVICE_TOKEN)).toBe(withServiceToken);
    expect(uploadAnswer(status, WAITING)).toBe(waiting);
  });
});
