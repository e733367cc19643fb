import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { Glance } from '../glance/start-glance.ts';

/** A request as Glance's own log tells of it. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** With its head: a few hundred more than the body's. */
  readonly answerBytes: number;
}

/** eventlet.wsgi writes one such line when it has answered. */
const LINE = /eventlet\.wsgi\.server .*"(\S+) (\S+) HTTP\/1\.\d" (\d{3}) (\d+) /;
const WITHIN_MS = 10_000;

/** All requests that Glance has answered since it was first started. */
export async function readAccessLog(glance: Glance): Promise<LoggedRequest[]> {
  // The log is written after the answer. A later request's line tells that those of earlier ones are in it.
  const mark = randomUUID();
  await (await fetch(`${glance.url}/healthcheck?${mark}`)).text();
  const lateSignal = AbortSignal.timeout(WITHIN_MS);
  for (;;) {
    const requests = (await readFile(glance.logFile, 'utf8')).split('\n').flatMap((line) => {
      const [, method, path, status, bytes] = LINE.exec(line) ?? [];
      return method && path ? [{ method, path, status: Number(status), answerBytes: Number(bytes) }] : [];
    });
    if (requests.some(({ path }) => path.endsWith(mark))) return requests;
    lateSignal.throwIfAborted();
    await setImmediate();
  }
}

/** Those of the requests that were given bytes of an image: 206 also when it was one byte only. */
export function readsOfImageData(requests: readonly LoggedRequest[], id = '[^/]+'): LoggedRequest[] {
  const path = new RegExp(`^/v2/images/${id}/file(\\?|$)`);
  return requests.filter((it) => it.method === 'GET' && path.test(it.path) && [200, 206].includes(it.status));
}
