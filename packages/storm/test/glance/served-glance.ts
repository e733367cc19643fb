import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { createEmbeddedGlance } from '../../src/glance/embedded-glance.ts';
import type { EmbeddedGlance } from '../../src/glance/embedded-glance.ts';
import { createImageTable } from '../../src/glance/image-table.ts';

export const ID = '3f1e2d4c-0000-4000-8000-00000000000a';
export const TOKEN = 'secret';

export interface ServedGlance {
  readonly glance: EmbeddedGlance;
  readonly url: string;
  readonly directory: string;
  ask(path: string, request?: RequestInit & { readonly duplex?: 'half' }): Promise<Response>;
  stop(): Promise<void>;
}

/** On a free port of loopback, with one active image of these bytes, named `base`, under ID. */
export async function serveGlance(
  bytes: Uint8Array,
  { clock = systemClock, readDelayMs = 0 }: { readonly clock?: Clock; readonly readDelayMs?: number } = {},
): Promise<ServedGlance> {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-embedded-'));
  const table = createImageTable({ now: () => Date.UTC(2026, 0, 1) }, { owner: 'alpha' });
  await writeFile(join(directory, ID), bytes);
  const sha512 = createHash('sha512').update(bytes).digest('hex');
  table.register({ id: ID, name: 'base', sizeBytes: bytes.length, sha512, visibility: 'public' });
  const glance = createEmbeddedGlance({ clock, table }, { token: TOKEN, storeDirectory: directory, readDelayMs });
  await new Promise<void>((resolve) => glance.server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(glance.server.address() as AddressInfo).port}`;
  return {
    glance,
    url,
    directory,
    ask: (path, { headers, ...request } = {}) =>
      fetch(`${url}${path}`, {
        ...request,
        headers: { 'x-auth-token': TOKEN, ...Object.fromEntries(new Headers(headers)) },
      }),
    async stop() {
      glance.server.closeAllConnections();
      await new Promise((resolve) => glance.server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}
