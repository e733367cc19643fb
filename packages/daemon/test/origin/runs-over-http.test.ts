// The piece source over a real HTTP server: how many requests a run costs, and what is left of one that the server breaks off.
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fullPieceMask, imageRef, publicDomain } from '@quarry/content';
import type { PackDescriptor, PackId, PieceSource } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import { ingestImage, originPieceSource } from '@quarry/image';
import { createHttpOrigin } from '@quarry/origin';
import { createSeededRandom, silentLogger, systemClock } from '@quarry/runtime';
import { afterEach, expect, test } from 'vitest';

const IMAGE_BYTES = 8 * 1024 * 1024;
const RUN_PIECES = 16;
const ref = imageRef('noble.img');

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Served {
  readonly source: PieceSource;
  readonly descriptor: PackDescriptor;
  /** Ranges that were asked for with GET. */
  readonly ranges: readonly string[];
}

/** An image behind a server of static files; `send` writes the body of a range. */
async function serve(send: (response: ServerResponse, body: Uint8Array) => void): Promise<Served> {
  const bytes = createSeededRandom(1).bytes(IMAGE_BYTES);
  const ranges: string[] = [];
  const server: Server = createServer((request, response) => {
    const headers = { etag: '"one"', 'accept-ranges': 'bytes' };
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (request.method === 'HEAD' || first === undefined) {
      return void response.writeHead(200, { ...headers, 'content-length': bytes.length }).end();
    }
    const [start, end] = [Number(first), Number(last) + 1];
    ranges.push(`${start}-${end}`);
    const range = `bytes ${start}-${end - 1}/${bytes.length}`;
    response.writeHead(206, { ...headers, 'content-length': end - start, 'content-range': range });
    send(response, bytes.subarray(start, end));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = createHttpOrigin({ clock: systemClock }, { url: `http://127.0.0.1:${port}`, idleTimeoutMs: 200 });
  closers.push(
    () => origin.close(),
    async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  );
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const store = createMemoryPackStore();
  const deps = {
    store,
    catalog: createMemoryImageCatalog(),
    clock: systemClock,
    random: createSeededRandom(1),
    logger: silentLogger,
    signer: {
      publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(12)),
      sign: async (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)),
    },
  };
  const stream = (async function* whole() {
    yield bytes;
  })();
  const { manifest } = await ingestImage(deps, {
    ref,
    domain: publicDomain,
    bytes: stream,
    imageBytes: bytes.length,
    hash: undefined,
  });
  const descriptors = new Map<PackId, PackDescriptor>();
  for (const pack of manifest.packs) descriptors.set(pack, (await store.findPack(pack)) as PackDescriptor);
  const source = originPieceSource(
    origin,
    await origin.describe(ref),
    manifest,
    (pack) => descriptors.get(pack) as PackDescriptor,
  );
  return { source, descriptor: descriptors.get(manifest.packs[0] as PackId) as PackDescriptor, ranges };
}

async function readRun({ source, descriptor }: Served): Promise<{ read: number[]; error: unknown }> {
  const read: number[] = [];
  const wants = Array.from({ length: RUN_PIECES }, (_, piece) => ({ piece, mask: fullPieceMask(descriptor, piece) }));
  try {
    for await (const { piece } of source.readPieces(descriptor.id, wants)) read.push(piece);
  } catch (error) {
    return { read, error };
  }
  return { read, error: undefined };
}

const everyPiece = Array.from({ length: RUN_PIECES }, (_, piece) => piece);

test('a run of pieces costs the server one request', async () => {
  const served = await serve((response, body) => void response.end(body));
  expect(await readRun(served)).toEqual({ read: everyPiece, error: undefined });
  expect(served.ranges).toHaveLength(1);
});

test.each([
  ['breaks off', 'ORIGIN_TRUNCATED', (response: ServerResponse) => void response.destroy()],
  ['falls silent', 'ORIGIN_STALLED', () => {}],
] as const)('when the server %s in the middle of a run, what came before it is good', async (_, code, stop) => {
  const served = await serve((response, body) => {
    response.write(body.subarray(0, body.length / 2), () => stop(response));
  });
  const { read, error } = await readRun(served);
  expect(error).toMatchObject({ code });
  expect(read).toEqual(everyPiece.slice(0, read.length));
  expect(read.length).toBeGreaterThan(0);
  expect(read.length).toBeLessThanOrEqual(RUN_PIECES / 2);
});
