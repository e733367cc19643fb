import { chmod, chown } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import process from 'node:process';
import type { Lifecycle } from '@quarry/runtime';
import type { Exports } from '../exports.ts';
import { controlPaths } from './control-api.ts';
import { claimSocket, closeServer, failureOf, listenOn, readBody, sendJson, stream, textOf } from './control-server.ts';
import { ControlError } from './control-error.ts';
import { http } from './node-http.ts';

/**
 * Serves exports on a unix socket of their own, which a group may use: the control socket can purge and write where the daemon can, and nobody but its owner
 * may open it. `POST /v1/export` with `{"image": "<id>"}` and the caller's own tokens as headers answers as the control socket does, its result an
 * `ExportedImage`. `DELETE /v1/export/<id>?<outcome>` gives the file up: 204, or 404 where it is gone already.
 */
export async function serveExports(
  exports: Exports,
  { socketPath, groupId }: { readonly socketPath: string; readonly groupId: number | undefined },
  lifecycle: Lifecycle,
): Promise<void> {
  await claimSocket(socketPath);
  const server = http.createServer((request, response) => void answer(exports, request, response, lifecycle.signal));
  await listenOn(server, socketPath);
  if (groupId !== undefined) await chown(socketPath, process.getuid?.() ?? -1, groupId);
  await chmod(socketPath, groupId === undefined ? 0o600 : 0o660);
  lifecycle.onClose('the export socket', () => closeServer(server));
}

async function answer(
  exports: Exports,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  try {
    const { pathname, search } = new URL(request.url ?? '', 'http://quarry');
    const body = await readBody(request);
    const id = pathname.startsWith(`${controlPaths.export}/`) ? pathname.slice(controlPaths.export.length + 1) : '';
    if (request.method === 'POST' && pathname === controlPaths.export) {
      const headers = headersOf(request);
      await stream((what, options) => exports.create(textOf(what, 'image'), headers, options), body, response, closing);
    } else if (request.method === 'DELETE' && id !== '') {
      const isGone = await exports.giveUp(id, search.slice(1, 32) || 'unknown');
      response.writeHead(isGone ? 204 : 404).end();
    } else throw new ControlError('CONTROL_BAD_REQUEST', `the export socket has no ${request.method} ${pathname}`);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else sendJson(response, 400, { error: failureOf(error) });
  }
}

/** Those that are for Glance: both tokens and the request's id, no others. */
function headersOf(request: IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const name of ['x-auth-token', 'x-service-token', 'x-openstack-request-id']) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}
